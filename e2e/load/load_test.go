// SPDX-License-Identifier: Apache-2.0

package load

import (
	"net/netip"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/harbinger-ha/harbinger/e2e/lab"
	"github.com/harbinger-ha/harbinger/e2e/lab/labtest"
)

func TestMain(m *testing.M) {
	labtest.Main(m, BackendRole, SecureBackendRole, ClientRole, HolderRole, PacerRole)
}

// startBackend returns a client's host, a backend and its address.
func startBackend(t *testing.T) (client *lab.Host, backend *lab.Process, address netip.AddrPort) {
	t.Helper()
	hosts := labtest.Hosts(t, 2)
	backend, err := StartBackend(hosts[1])
	labtest.Must(t, err)
	return hosts[0], backend, netip.AddrPortFrom(hosts[1].Address.Addr(), Port)
}

func TestEachKindOfJob(t *testing.T) {
	host, backend, address := startBackend(t)
	for _, parallel := range []int{1, 8} {
		for _, kind := range []Kind{Connections, PingPong, Download} {
			r, err := Run(host, Job{
				Kind: kind, Targets: []netip.AddrPort{address}, Parallel: parallel, WarmUp: 50 * time.Millisecond, Length: 300 * time.Millisecond,
				Groups: map[string][]int{"backend": {backend.PID()}},
			})
			labtest.Must(t, err)
			if r.Done < 10 || r.Failed != 0 || r.Error != "" || r.Took < 300*time.Millisecond || r.Rate() < 10 {
				t.Errorf("%d %s: %+v", parallel, kind, r)
			}
			if l := r.Latencies; kind != Download && (l.Median <= 0 || l.P99 < l.Median || l.P999 < l.P99 || l.Longest < l.P999 || l.Longest > r.Took) {
				t.Errorf("%d %s: latencies %+v", parallel, kind, l)
			}
			if r.Groups["backend"] <= 0 || r.Groups[ClientGroup] <= 0 || r.Others < 0 || r.Others > 1 {
				t.Errorf("%d %s: processors %+v", parallel, kind, r.Processors)
			}
		}
	}
}

func TestLimitIsExact(t *testing.T) {
	host, _, address := startBackend(t)
	for _, kind := range []Kind{Connections, PingPong} {
		r, err := Run(host, Job{Kind: kind, Targets: []netip.AddrPort{address}, Parallel: 8, Length: 10 * time.Second, Limit: 100})
		if err != nil || r.Done != 100 || r.Took > 5*time.Second {
			t.Errorf("%s: %d done in %v, error %v", kind, r.Done, r.Took, err)
		}
	}
}

func TestSecureConnections(t *testing.T) {
	hosts := labtest.Hosts(t, 2)
	_, err := StartSecureBackend(hosts[1])
	labtest.Must(t, err)
	job := Job{Kind: Secure, Targets: []netip.AddrPort{netip.AddrPortFrom(hosts[1].Address.Addr(), SecurePort)}, Parallel: 4, WarmUp: 50 * time.Millisecond, Length: 300 * time.Millisecond}
	if r, err := Run(hosts[0], job); err != nil || r.Done < 10 || r.Failed != 0 || r.Latencies.Median <= 0 {
		t.Errorf("%+v, error %v", r, err)
	}
	job.Targets[0] = netip.AddrPortFrom(job.Targets[0].Addr(), 9)
	if r, err := Run(hosts[0], job); err != nil || r.Done != 0 || r.Failed < 4 || !strings.Contains(r.Error, "refused") {
		t.Errorf("nobody listens: %+v, error %v", r, err)
	}
}

func TestHeldConnections(t *testing.T) {
	host, backend, address := startBackend(t)
	idle, err := Hold(host, Idle, 200, address)
	labtest.Must(t, err)
	slow, err := Hold(host, NeverReads, 200, address)
	labtest.Must(t, err)
	var odd []*Holder
	for _, kind := range []Kind{HalfClosed, OneByte, Silent} {
		h, err := Hold(host, kind, 50, address)
		labtest.Must(t, err)
		odd = append(odd, h)
	}
	if lost := len(idle.Lost()) + len(slow.Lost()); lost != 0 {
		t.Errorf("%d are lost while the backend lives", lost)
	}
	killed := time.Now()
	labtest.Must(t, backend.Kill())
	labtest.Until(t, 10*time.Second, "every idle connection is lost", func() bool { return len(idle.Lost()) == 200 })
	for _, h := range odd[1:] {
		labtest.Until(t, 10*time.Second, "every silent connection is lost", func() bool { return len(h.Lost()) == 50 })
	}
	if lost := idle.Lost(); lost[0].Before(killed) {
		t.Errorf("lost %v before the backend was killed", killed.Sub(lost[0]))
	}
	if _, err := Hold(host, Idle, 1, address); err == nil || !strings.Contains(err.Error(), "refused") {
		t.Errorf("nobody listens: %v", err)
	}
	if _, err := Hold(host, Idle, 0, address); err == nil || !strings.Contains(err.Error(), "nothing to do") {
		t.Errorf("no connections: %v", err)
	}
}

func TestJobThatFails(t *testing.T) {
	host, backend, address := startBackend(t)
	job := Job{Kind: Connections, Targets: []netip.AddrPort{address}, Parallel: 4, Length: 200 * time.Millisecond, Groups: map[string][]int{"gone": {99999999}}}
	if _, err := Run(host, job); err == nil || !strings.Contains(err.Error(), "processor time of process 99999999") {
		t.Errorf("a process that is not there is measured: %v", err)
	}
	labtest.Must(t, backend.Kill())
	job.Groups = nil
	r, err := Run(host, job)
	labtest.Must(t, err)
	if r.Done != 0 || r.Failed < 8 || !strings.Contains(r.Error, "refused") {
		t.Errorf("nobody listens: %+v", r)
	}
	for _, bad := range []Job{{Kind: "else", Targets: job.Targets, Parallel: 1}, {Kind: PingPong, Parallel: 1}, {Kind: PingPong, Targets: job.Targets}} {
		if _, err := Run(host, bad); err == nil {
			t.Errorf("job %+v is done", bad)
		}
	}
}

func TestLatencies(t *testing.T) {
	s := newSamples()
	for i := range 1000 {
		s.add(time.Duration(1000 - i))
	}
	if got, want := s.latencies(), (Latencies{Median: 501, P99: 991, P999: 1000, Longest: 1000}); got != want {
		t.Errorf("latencies %+v, want %+v", got, want)
	}
	s.add(time.Hour)
	if got := s.latencies().Longest; got != 1<<32-1 {
		t.Errorf("longest %v", got)
	}
	if got := (samples{}).latencies(); got != (Latencies{}) {
		t.Errorf("latencies of nothing: %+v", got)
	}
}

func TestProcessorsSince(t *testing.T) {
	at := time.Now()
	before := account{at: at, groups: map[string]time.Duration{"a": time.Second, "b": 0}, machine: 10 * time.Second}
	after := account{at: at.Add(time.Second), groups: map[string]time.Duration{"a": 1500 * time.Millisecond, "b": 250 * time.Millisecond}, machine: 11 * time.Second}
	p := after.since(before)
	if p.Took != time.Second || p.Groups["a"] != 500*time.Millisecond || p.Groups["b"] != 250*time.Millisecond || p.Others <= 0 || p.Others > 0.25 {
		t.Errorf("processors %+v", p)
	}
	after.machine = before.machine // its clock is a coarse one
	if p := after.since(before); p.Others != 0 {
		t.Errorf("others had %v", p.Others)
	}
}

func TestBusyProcessors(t *testing.T) {
	got, err := busy("cpu  100 20 3 5000 600 7 8 9 1000 0")
	if want := 1470 * time.Millisecond; err != nil || got != want {
		t.Errorf("busy %v, error %v, want %v", got, err, want)
	}
	for _, bad := range []string{"", "cpu 1 2 3", "cpu a b c d e f g h i j", "intr 1 2 3 4 5 6 7 8 9"} {
		if _, err := busy(bad); err == nil {
			t.Errorf("%q is taken", bad)
		}
	}
}

func TestProcessTimeGrows(t *testing.T) {
	before, err := ProcessTime(os.Getpid())
	labtest.Must(t, err)
	for end := time.Now().Add(20 * time.Millisecond); time.Now().Before(end); {
	}
	if after, err := ProcessTime(os.Getpid()); err != nil || after-before < 5*time.Millisecond || after-before > time.Second {
		t.Errorf("%v and then %v, error %v", before, after, err)
	}
}
