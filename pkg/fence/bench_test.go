// SPDX-License-Identifier: Apache-2.0

package fence

import (
	"fmt"
	"os/exec"
	"runtime"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/harbinger-ha/harbinger/e2e/lab/labtest"
	"github.com/harbinger-ha/harbinger/pkg/scheduling"
)

// BenchmarkRenew is what a renewal costs.
func BenchmarkRenew(b *testing.B) {
	f := newFence(b, labtest.Hosts(b, 1)[0], Config{Now: time.Now})
	must(b, f.Open())
	b.ReportAllocs()
	for b.Loop() {
		if err := f.Renew(); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkRenewalEvery10ms shows how long a renewal takes, and how late it begins, on an idle and on a busy machine.
func BenchmarkRenewalEvery10ms(b *testing.B) {
	const period = 10 * time.Millisecond
	f := newFence(b, labtest.Hosts(b, 1)[0], Config{})
	must(b, f.Open())
	for _, busy := range []int{0, 1} { // processes for each processor
		for _, policy := range []struct {
			name string
			set  func() error
		}{{"normal", scheduling.Normal}, {"SCHED_RR", scheduling.RealTime}} {
			b.Run(fmt.Sprintf("busy=%d/%s", busy, policy.name), func(b *testing.B) {
				saturate(b, busy*runtime.NumCPU()) // before: a child has the scheduling of the thread that starts it
				if err := policy.set(); err != nil {
					b.Skip(err)
				}
				defer func() { must(b, scheduling.Normal()) }()
				var took, late []time.Duration
				due := time.Now().Add(period)
				for b.Loop() {
					time.Sleep(time.Until(due))
					start := time.Now()
					must(b, f.Renew())
					took, late = append(took, time.Since(start)), append(late, start.Sub(due))
					due = start.Add(period)
				}
				quantiles(b, "took", took)
				quantiles(b, "late", late)
			})
		}
	}
}

func quantiles(b *testing.B, name string, all []time.Duration) {
	slices.Sort(all)
	for _, q := range []struct {
		name string
		at   int
	}{{"p50", len(all) / 2}, {"p99", len(all) * 99 / 100}, {"max", len(all) - 1}} {
		b.ReportMetric(float64(all[q.at].Microseconds()), name+"-"+q.name+"-us")
	}
}

// saturate runs processes that never sleep until the benchmark ends, with normal scheduling.
func saturate(b *testing.B, processes int) {
	for range processes {
		cmd := exec.Command("sh", "-c", "while :; do :; done")
		must(b, cmd.Start())
		b.Cleanup(func() {
			_ = cmd.Process.Kill() // fails only when it has ended
			_ = cmd.Wait()
		})
	}
}

// BenchmarkForeignDump shows what renewals every 10 ms cost another program that lists 5,000 and 20,000 chains: the ratio to a list without
// them, of medians, since single lists differ by a third on a busy machine. Do it fifteen times (-benchtime 15x).
func BenchmarkForeignDump(b *testing.B) {
	for _, n := range []int{5000, 20000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			h := labtest.Hosts(b, 1)[0]
			f := newFence(b, h, Config{})
			must(b, f.Open())
			must(b, h.WriteFile("/run/chains.nft", chains(n)))
			if out := run(b, h, "nft", "-f", "/run/chains.nft"); out != "" {
				b.Fatal(out)
			}
			list := func() time.Duration {
				start := time.Now()
				run(b, h, "nft", "list", "ruleset")
				return time.Since(start)
			}
			var alone, beside []time.Duration
			for b.Loop() {
				alone = append(alone, list())
				stop := renewEvery(b, f, 10*time.Millisecond)
				beside = append(beside, list())
				stop()
			}
			slices.Sort(alone)
			slices.Sort(beside)
			without, with := alone[len(alone)/2].Seconds(), beside[len(beside)/2].Seconds()
			b.ReportMetric(without, "s-alone")
			b.ReportMetric(with, "s-beside")
			b.ReportMetric(with/without, "ratio")
		})
	}
}

// renewEvery renews until the function that is returned is called.
func renewEvery(t testing.TB, f *Fence, period time.Duration) (stop func()) {
	end := make(chan struct{})
	var renewing sync.WaitGroup
	renewing.Go(func() {
		ticker := time.NewTicker(period)
		defer ticker.Stop()
		for {
			select {
			case <-end:
				return
			case <-ticker.C:
				if err := f.Renew(); err != nil {
					t.Error(err)
					return
				}
			}
		}
	})
	return func() {
		close(end)
		renewing.Wait()
	}
}
