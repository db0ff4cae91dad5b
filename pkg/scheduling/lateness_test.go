// SPDX-License-Identifier: Apache-2.0

package scheduling

import (
	"fmt"
	"os/exec"
	"runtime"
	"slices"
	"testing"
	"time"
)

// BenchmarkLateness shows how late a timer wakes its goroutine while more processes want a processor than there are: what may
// delay the refresh of a fence, or an advertisement.
func BenchmarkLateness(b *testing.B) {
	for _, busy := range []int{0, 1, 4} { // processes for each processor
		for _, period := range []time.Duration{10 * time.Millisecond, 100 * time.Millisecond} {
			for _, policy := range []struct {
				name string
				set  func() error
			}{{"normal", Normal}, {"SCHED_RR", RealTime}} {
				b.Run(fmt.Sprintf("busy=%d/every=%v/%s", busy, period, policy.name), func(b *testing.B) {
					saturate(b, busy*runtime.NumCPU()) // before: a child has the scheduling of the thread that starts it
					if err := policy.set(); err != nil {
						b.Skip(err)
					}
					defer func() {
						if err := Normal(); err != nil {
							b.Error(err)
						}
					}()
					report(b, lateness(b, period))
				})
			}
		}
	}
}

// saturate runs processes that never sleep until the benchmark ends, with normal scheduling.
func saturate(b *testing.B, processes int) {
	for range processes {
		cmd := exec.Command("sh", "-c", "while :; do :; done")
		if err := cmd.Start(); err != nil {
			b.Fatal(err)
		}
		b.Cleanup(func() {
			_ = cmd.Process.Kill() // fails only when it has ended
			_ = cmd.Wait()
		})
	}
}

// lateness waits for a timer once in each period, and returns how much later than it was due each one was seen.
func lateness(b *testing.B, period time.Duration) []time.Duration {
	late := make([]time.Duration, 0, b.N)
	due := time.Now().Add(period)
	for b.Loop() {
		time.Sleep(time.Until(due))
		now := time.Now()
		late = append(late, now.Sub(due))
		due = now.Add(period)
	}
	return late
}

func report(b *testing.B, late []time.Duration) {
	slices.Sort(late)
	for _, quantile := range []struct {
		name string
		at   float64
	}{{"p50-ms", 0.5}, {"p99-ms", 0.99}, {"max-ms", 1}} {
		value := late[min(len(late)-1, int(quantile.at*float64(len(late))))]
		b.ReportMetric(float64(value.Microseconds())/1000, quantile.name)
	}
}
