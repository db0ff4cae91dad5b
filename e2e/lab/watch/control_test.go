// SPDX-License-Identifier: Apache-2.0

package watch

import (
	"net/netip"
	"testing"
	"time"

	"github.com/harbinger-ha/harbinger/e2e/lab"
	"github.com/harbinger-ha/harbinger/e2e/observe"
)

// A period is a time in milliseconds after the start of a recording.
type period struct{ from, to int }

// A recording began ten seconds ago.
type recording struct{ start time.Time }

func newRecording() recording { return recording{time.Now().Add(-10 * time.Second)} }

func (r recording) at(ms int) time.Time { return r.start.Add(time.Duration(ms) * time.Millisecond) }

// client returns one that asked every 20 ms, was answered at once, and waited in vain in some periods.
func (r recording) client(control *Control, failed ...period) *Client {
	c := &Client{cfg: ClientConfig{Interval: 20 * time.Millisecond, Control: control}}
	for ms := 0; ms < 10_000; ms += 20 {
		a := observe.Line{Start: r.at(ms), Op: observe.Connect, OK: true}
		for _, p := range failed {
			if ms >= p.from && ms < p.to {
				a.Took, a.OK, a.Err = 50*time.Millisecond, false, "no answer"
			}
		}
		c.attempts = append(c.attempts, a)
	}
	return c
}

func TestControlKnowsWhenTheMachineStalled(t *testing.T) {
	// A lost answer or two are no stall.
	r := newRecording()
	control := &Control{r.client(nil, period{1000, 1040}, period{2000, 2500}, period{4000, 5000})}
	for _, test := range []struct {
		name     string
		from, to int
		want     time.Duration
	}{
		{"none", 0, 1900, 0},
		{"one", 1900, 3000, 500 * time.Millisecond},
		{"both", 0, 9000, 1500 * time.Millisecond},
		{"begins in one", 2300, 3000, 200 * time.Millisecond},
		{"ends in one", 1900, 2100, 100 * time.Millisecond},
		{"within one", 4100, 4800, 700 * time.Millisecond},
		{"after all", 6000, 9000, 0},
	} {
		t.Run(test.name, func(t *testing.T) {
			if got := control.Stalled(r.at(test.from), r.at(test.to)); got != test.want {
				t.Errorf("stalled for %v, want %v", got, test.want)
			}
			length := time.Duration(test.to-test.from) * time.Millisecond
			if got := control.Between(r.at(test.from), r.at(test.to)); got != length-test.want {
				t.Errorf("without stalls %v, want %v", got, length-test.want)
			}
		})
	}
}

// TestPauseIsTheLongestWait holds that pauses are seen that are too short for a stall.
func TestPauseIsTheLongestWait(t *testing.T) {
	r := newRecording()
	control := &Control{r.client(nil, period{1000, 1040}, period{2000, 2500})}
	for _, test := range []struct{ from, to, want int }{{0, 900, 0}, {0, 1500, 40}, {0, 3000, 500}, {2600, 3000, 0}} {
		if got := control.Pause(r.at(test.from), r.at(test.to)); got != time.Duration(test.want)*time.Millisecond {
			t.Errorf("from %d to %d: pause %v, want %d ms", test.from, test.to, got, test.want)
		}
	}
}

func TestOutageLeavesStallsOut(t *testing.T) {
	r := newRecording()
	control := &Control{r.client(nil, period{2000, 3000})}
	for _, test := range []struct {
		name   string
		failed period
		want   time.Duration
	}{
		{"the machine's doing alone", period{2000, 3000}, 0},
		{"as long before", period{1000, 2000}, time.Second},
		{"a longer one", period{1000, 6000}, 4 * time.Second},
		{"a stall began it", period{2500, 3500}, 500 * time.Millisecond},
		{"a stall ended it", period{1500, 2500}, 500 * time.Millisecond},
	} {
		t.Run(test.name, func(t *testing.T) {
			if got := r.client(control, test.failed).Outage(r.at(-1)).Length(); got != test.want {
				t.Errorf("longest outage %v, want %v", got, test.want)
			}
			if got := r.client(nil, test.failed).Outage(r.at(-1)).Length(); got < time.Second {
				t.Errorf("longest outage without a control %v", got)
			}
		})
	}
}

// Nothing pauses, but everything is seen a tenth of a second late.
func TestLateSightIsNoOutage(t *testing.T) {
	r := newRecording()
	slow := r.client(nil)
	for i := range slow.attempts {
		slow.attempts[i].Took = 100 * time.Millisecond
	}
	control := &Control{slow}
	if got, want := control.Between(r.at(1000), r.at(3000)), 1950*time.Millisecond; got != want {
		t.Errorf("two seconds count as %v, want %v", got, want)
	}
}

func TestSpansLeaveStallsOut(t *testing.T) {
	r := newRecording()
	line := &recorder{control: &Control{r.client(nil, period{2000, 3000})}}
	line.record(r.at(0), []string{"a"})
	line.record(r.at(1000), []string{"a", "b"})
	line.record(r.at(4000), []string{"b"})
	if got, want := line.Since(r.at(0)).Shared().Longest().Length(), 2*time.Second; got != want {
		t.Errorf("dual for %v, want %v", got, want)
	}
}

func TestControlRefusesAMeasurementThatShowsNothing(t *testing.T) {
	r := newRecording()
	if (&Control{r.client(nil, period{1000, 9000})}).Check(r.at(0)) == nil {
		t.Error("eight of ten seconds were stalled, and the control accepts the measurement")
	}
	if err := (&Control{r.client(nil, period{1000, 2000})}).Check(r.at(0)); err != nil {
		t.Error(err)
	}
}

func TestControlWaitsLongerForAStalledMachine(t *testing.T) {
	const timeout = 100 * time.Millisecond
	never := func() bool { return false }
	waited := func(c *Control) time.Duration {
		start := time.Now()
		if c.Until(timeout, "never", never) == nil {
			t.Error("no error at the end of a wait")
		}
		return time.Since(start)
	}
	if got := waited(nil); got >= patience*timeout {
		t.Errorf("waited %v without a control", got)
	}
	silent := newRecording().client(nil)
	silent.attempts = silent.attempts[:len(silent.attempts)-100] // no answer for two seconds
	if got := waited(&Control{silent}); got < patience*timeout {
		t.Errorf("waited %v while the machine stalls, want %v", got, patience*timeout)
	}
}

// The freeze of its server stands for a stall: to the control they are the same.
func TestControlOfALab(t *testing.T) {
	_, a, b, host := newLab(t)
	calm, _ := startAPIServer(t, a)
	measured, _ := startAPIServer(t, b)
	control, err := StartControl(host, netip.AddrPortFrom(a.Address.Addr(), 6443), ClientConfig{})
	must(t, err)
	defer control.Stop()
	client := StartClient(host, ClientConfig{Target: netip.AddrPortFrom(b.Address.Addr(), 6443), Control: control})
	defer client.Stop()
	served := func() bool { return client.Served(100*time.Millisecond) && control.client.Served(100*time.Millisecond) }
	must(t, lab.Until(5*time.Second, "both are served", served))

	outage := func(servers ...interface {
		Freeze() error
		Thaw() error
	}) (outage, lasted time.Duration) {
		t.Helper()
		start := time.Now()
		for _, s := range servers {
			must(t, s.Freeze())
		}
		must(t, lab.Until(5*time.Second, "a second", func() bool { return time.Since(start) > time.Second }))
		for _, s := range servers {
			must(t, s.Thaw())
		}
		lasted = time.Since(start)
		must(t, lab.Until(5*time.Second, "both are served again", served))
		return client.Outage(start).Length(), lasted
	}
	if got, lasted := outage(measured); got < lasted/2 {
		t.Errorf("an outage of %v counts as %v", lasted, got)
	}
	if got, lasted := outage(measured, calm); got > lasted/2 {
		t.Errorf("a stall of %v counts as an outage of %v", lasted, got)
	}
}
