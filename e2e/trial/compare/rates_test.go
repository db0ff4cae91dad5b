// SPDX-License-Identifier: Apache-2.0

package compare

import (
	"net/netip"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/harbinger-ha/harbinger/e2e/lab/labtest"
	"github.com/harbinger-ha/harbinger/e2e/load"
	"github.com/harbinger-ha/harbinger/e2e/trial"
)

func TestMain(m *testing.M) { os.Exit(trial.Main(m.Run)) }

// TestRelaysSideBySide measures each relay for a moment, Harbinger twice, and expects that each has relayed.
func TestRelaysSideBySide(t *testing.T) {
	ours, err := trial.Build(filepath.Join(t.TempDir(), "harbinger"))
	labtest.Must(t, err)
	options := Options{Binary: ours.Binary, Against: ours.Binary}
	sideBySide(t, false, relaysOf(options), measures)
	sideBySide(t, true, relaysOf(options), []measure{secureConnections})
}

func sideBySide(t *testing.T, secure bool, relays []*relay, measures []measure) {
	t.Helper()
	g, err := newGround(secure, relays)
	labtest.Must(t, err)
	defer g.close()
	for _, m := range measures {
		m.job.Length = 100 * time.Millisecond
		for _, r := range relays {
			result, err := g.run(r, m.job)
			labtest.Must(t, err)
			if result.Done == 0 || result.Failed != 0 {
				t.Errorf("%s through %s: %+v", m.name, r.name, result)
			}
			none := result.Groups[relayGroup] == 0
			if r.name == "kernel" { // no process relays: what there is are health checks
				none = result.Groups[relayGroup] < result.Took/10
			}
			if direct := r.name == "direct" || r.name == "kernel"; direct != none || result.Groups[backendsGroup] == 0 {
				t.Errorf("%s through %s: processors %+v", m.name, r.name, result.Processors)
			}
		}
	}
}

func TestRoundIsDroppedForAll(t *testing.T) {
	g, err := newGround(false, []*relay{{name: "direct"}, {name: "direct again"}})
	labtest.Must(t, err)
	defer g.close()
	job := load.Job{Kind: load.PingPong, Parallel: 1, Length: 20 * time.Millisecond}
	for _, others := range []float64{-1, 100} {
		results, quiet, err := g.round(job, 1, others)
		labtest.Must(t, err)
		if want := others > 0; quiet != want || quiet != (len(results) == 2) {
			t.Errorf("others may have %v: %d results, quiet %v", others, len(results), quiet)
		}
	}
}

func TestSelectRelays(t *testing.T) {
	for _, c := range []struct {
		options Options
		want    []string
	}{
		{Options{}, []string{"direct", "haproxy", "haproxy-256k", "relay", "kernel"}},
		{Options{Against: "other"}, []string{"direct", "haproxy", "haproxy-256k", "relay", "kernel", "against"}},
		{Options{Planes: []string{"relay", "direct"}}, []string{"direct", "relay"}},
	} {
		relays, err := selectRelays(relaysOf(c.options), c.options.Planes)
		if got := names(relays); err != nil || !slices.Equal(got, c.want) {
			t.Errorf("%+v: %v, error %v", c.options, got, err)
		}
	}
	if _, err := selectRelays(relaysOf(Options{}), []string{"nginx"}); err == nil || !strings.Contains(err.Error(), "haproxy-256k") {
		t.Errorf("an unknown plane: %v", err)
	}
}

func TestPartsCanBeChosen(t *testing.T) {
	if parts := Parts(); !slices.Contains(parts, "cost") || !slices.Contains(parts, "relay ping-pong") {
		t.Errorf("parts %v", parts)
	}
	var b strings.Builder
	if err := Bench(&b, Options{Only: regexp.MustCompile("^nothing$")}); err != nil || b.Len() > 0 {
		t.Errorf("nothing is measured: %q, error %v", b.String(), err)
	}
}

func TestTableOfRelays(t *testing.T) {
	second := func(done int64, busy time.Duration) load.Result {
		return load.Result{Done: done, Latencies: load.Latencies{Median: time.Millisecond}, Processors: load.Processors{
			Took: time.Second, Groups: map[string]time.Duration{relayGroup: busy}, Others: 0.05,
		}}
	}
	failed := second(300, 30*time.Millisecond)
	failed.Failed, failed.Error = 2, "refused"
	r := rounds{measure: measures[0], dropped: 3, relays: []*relay{{name: "direct"}, {name: "haproxy"}, {name: "haproxy-256k"}, {name: "relay"}}, results: [][]load.Result{
		{second(1000, 0)}, {second(400, 40*time.Millisecond)}, {second(500, 60*time.Millisecond)}, {failed},
	}}
	var b strings.Builder
	r.write(&b, 0.2)
	for _, want := range []string{
		"| relay | 300 | 0.60 | 0.30 | 1 | 1.00 | 0 | – | 0 | 100 | 1.00 | 100 | 1.00 | 2 | 5 |\n",
		"| haproxy | 400 | 0.80 | 0.40 |", "median of 1", "\n3 rounds were dropped: others had more than 20 % of the processors.\n", "relay: 2 failed, the last one: refused.\n",
	} {
		if !strings.Contains(b.String(), want) {
			t.Errorf("no %q in\n%s", want, b.String())
		}
	}
}

func TestNoRoundWasQuiet(t *testing.T) {
	r := rounds{measure: measures[0], dropped: 4, relays: []*relay{{name: "direct"}}, results: make([][]load.Result, 1)}
	var b strings.Builder
	r.write(&b, 0.2)
	if want := "Nothing: in each of 4 rounds others had more than 20 % of the processors."; !strings.Contains(b.String(), want) || strings.Contains(b.String(), "|") {
		t.Errorf("no round counts:\n%s", b.String())
	}
}

func TestConfigurationsOfRelays(t *testing.T) {
	address := netip.MustParseAddrPort("192.0.2.1:4300")
	backends := []netip.AddrPort{netip.MustParseAddrPort("192.0.2.2:6443")}
	tuned := haproxy{Global: "  tune.bufsize 262144\n", Defaults: "  retries 3\n", Server: " fall 2"}
	if got := tuned.config(address, backends); !strings.Contains(got, "\n  tune.bufsize 262144\ndefaults\n") ||
		!strings.Contains(got, "\n  bind 192.0.2.1:4300\n") || !strings.Contains(got, "\n  server s1 192.0.2.2:6443 check inter 1s fall 2\n") ||
		!strings.Contains(got, "1h\n  retries 3\nfrontend") {
		t.Errorf("haproxy gets\n%s", got)
	}
	r := &relay{number: 40}
	x := ours{LoadBalancer: oneSource}
	if got := x.config(r, backends); !strings.Contains(got, "[192.168.238.140/24]") || !strings.Contains(got, "RoundRobin\n"+oneSource+"  backends:\n  - address: 192.0.2.2:6443\n") {
		t.Errorf("Harbinger gets\n%s", got)
	}
	if r.reloads++; !strings.Contains(x.config(r, backends), "policy: LeastConnections\n") {
		t.Error("a reload changes nothing")
	}
	x.LoadBalancer = byKernel + oneSource
	if got := x.config(r, backends); !strings.Contains(got, "policy: SourceHash\n  mode: Kernel\n"+oneSource) {
		t.Errorf("the mode Kernel gets\n%s", got)
	}
}
