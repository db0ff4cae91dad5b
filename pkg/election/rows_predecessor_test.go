// SPDX-License-Identifier: Apache-2.0

package election

import (
	"strconv"
	"strings"
	"testing"
	"time"
)

// The tests of this file hold the rows of the table that are about kube-vip, from which the addresses are taken over.

// fakePredecessor is the Lease of kube-vip. Each answer takes 10 ms.
type fakePredecessor struct {
	lease    PredecessorLease
	revision int
	down     bool
	reads    int
	takes    []PredecessorLease
	faster   string // a kube-vip that writes before the next take arrives
}

// put stores a holder as a write of kube-vip.
func (f *fakePredecessor) put(holder string) {
	f.revision++
	f.lease = PredecessorLease{Version: strconv.Itoa(f.revision), Holder: holder, Duration: 15 * time.Second}
}

func (f *fakePredecessor) read(now time.Time) PredecessorDone {
	f.reads++
	if f.down {
		return PredecessorDone{Outcome: Unanswered, Sent: now, Detail: "connection refused"}
	}
	return PredecessorDone{Lease: f.lease, Sent: now}
}

func (f *fakePredecessor) take(now time.Time, l PredecessorLease) PredecessorDone {
	f.takes = append(f.takes, l)
	if f.faster != "" {
		f.put(f.faster)
		f.faster = ""
	}
	switch {
	case f.down:
		return PredecessorDone{Outcome: Unanswered, Sent: now, Detail: "connection refused"}
	case l.Version != f.lease.Version:
		return PredecessorDone{Outcome: Refused, Sent: now}
	}
	f.revision++
	f.lease = l
	f.lease.Version = strconv.Itoa(f.revision)
	return PredecessorDone{Lease: f.lease, Sent: now}
}

// succeeds names kube-vip's Lease.
func succeeds(c *Config) { c.Predecessor = "kube-system/plndr-cp-lock" }

// behind returns a healthy router in Backup that waits for the kube-vip of a node, which serves the addresses.
func behind(t *testing.T, holder string, options ...option) (*router, *fakePredecessor) {
	t.Helper()
	f := &fakePredecessor{}
	if holder != "" {
		f.put(holder)
	}
	r := newRouter(t, append([]option{hybrid, peerList, succeeds}, options...)...)
	r.api, r.vip, r.verdict = &fakeAPI{}, f, found(Served)
	r.step(Startup{}, HealthChanged{Healthy: true})
	return r, f
}

// serves lets time pass while the kube-vip of a node renews its Lease every 2 s.
func (f *fakePredecessor) serves(r *router, holder string, d time.Duration) {
	for end := r.now.Add(d); r.now.Before(end); {
		f.put(holder)
		r.run(2 * time.Second)
	}
}

// Row 41: kube-vip holds its Lease. Nothing is taken, removed, asked or alarmed, and one line says why.
func TestWaitsForKubeVIP(t *testing.T) {
	for _, mode := range []Mode{Hybrid, LeaseOnly} {
		r, f := behind(t, "node2", func(c *Config) { c.Mode = mode })
		f.serves(r, "node2", time.Minute)
		r.wantState(Backup)
		for _, never := range []string{"acquire", "probe", "alarm", "take predecessor", "write lease"} {
			if r.did(never) > 0 {
				t.Errorf("%s: did %q", mode, never)
			}
		}
		if n := r.did("release what is its own"); n != r.did("release") || n != 1 {
			t.Errorf("%s: removes what is kube-vip's: %q", mode, r.trace)
		}
		const says = "waits for kube-vip on node2, which holds the Lease kube-system/plndr-cp-lock"
		if n := r.did("waits over=false: " + says); n != 1 || r.did("waits") != 1 {
			t.Errorf("%s: said %d times: %q", mode, n, r.trace)
		}
		if s := r.e.Status(); s.Waits != says {
			t.Errorf("%s: the status says %q", mode, s.Waits)
		}
	}
}

// Row 42: the released Lease is taken at once, the address asked for until kube-vip has deleted it, and taken. From then on the
// holder keeps the Lease of kube-vip from every other kube-vip.
func TestSucceedsKubeVIP(t *testing.T) {
	r, f := behind(t, "node2")
	f.serves(r, "node2", 10*time.Second)
	r.taken()
	f.put("")
	r.run(200 * time.Millisecond)
	r.verdict = found(Free)
	took := r.until(Active, time.Second) + 200*time.Millisecond
	if took > 900*time.Millisecond {
		t.Errorf("took %s", took)
	}
	r.wantOrder("take predecessor lease of harbinger/me", "waits over=true", "probe", "write no lease", "Claiming to Active", "acquire")
	if r.did("alarm") > 0 {
		t.Errorf("alarms in %q", r.trace)
	}
	takes := len(f.takes)
	r.run(20 * time.Second)
	if n := len(f.takes) - takes; n < 8 || n > 12 || f.lease.Holder != "harbinger/me" {
		t.Errorf("renewed %d times in 20 s, stored %s", n, f.lease)
	}
	if s := r.e.Status(); s.Waits != "" {
		t.Errorf("waits: %q", s.Waits)
	}
}

// Row 42: where another kube-vip was faster, this node is Backup as before.
func TestAnotherKubeVIPTakesTheLease(t *testing.T) {
	r, f := behind(t, "node2")
	f.serves(r, "node2", 10*time.Second)
	r.taken()
	f.put("")
	f.faster = "node3"
	r.run(300 * time.Millisecond)
	if len(f.takes) != 1 || f.lease.Holder != "node3" {
		t.Fatalf("%d writes, stored %s", len(f.takes), f.lease)
	}
	f.serves(r, "node3", 30*time.Second)
	r.wantState(Backup)
	if r.did("acquire") > 0 || r.did("waits over=false: waits for kube-vip on node3") != 1 {
		t.Errorf("did %q", r.trace)
	}
}

// Row 42: a kube-vip that has died is succeeded when its Lease has expired: by its own node first, on which the address may have
// stayed and cannot be asked; by the others a moment later.
func TestExpiredKubeVIP(t *testing.T) {
	for _, tc := range []struct {
		holder    string
		verdict   Verdict
		low, high time.Duration
	}{
		{"me", Unasked, 15 * time.Second, 15900 * time.Millisecond},
		{"node2", Free, 16 * time.Second, 16900 * time.Millisecond},
	} {
		r, f := behind(t, tc.holder)
		f.serves(r, tc.holder, 10*time.Second)
		f.put(tc.holder)
		r.verdict = found(tc.verdict)
		r.taken()
		r.wantWithin("the takeover from "+tc.holder, r.until(Active, 20*time.Second), tc.low, tc.high)
		if r.did("release") > 0 {
			t.Errorf("%s: the address was away: %q", tc.holder, r.trace)
		}
	}
}

// Row 42: who is not the first removes what kube-vip may have left on its host, and elects as always.
func TestOthersRemoveWhatKubeVIPLeft(t *testing.T) {
	r, f := behind(t, "me")
	f.serves(r, "me", 10*time.Second)
	r.taken()
	f.put(PredecessorPrefix + "node2")
	r.run(300 * time.Millisecond)
	r.wantState(Backup)
	if r.did("release") != 1 || r.did("release what") != 0 || len(f.takes) > 0 {
		t.Errorf("did %q", r.trace)
	}
	r.verdict = found(Free)
	r.until(Active, 5*time.Second) // node2 has died at once
}

// Row 42: the one that took the Lease of kube-vip, and then not the own one, removes what kube-vip left on its host.
func TestWinnerThatLosesRemovesWhatKubeVIPLeft(t *testing.T) {
	r, f := behind(t, "me")
	f.serves(r, "me", 10*time.Second)
	r.verdict = found(Unasked)
	f.put("")
	r.run(100 * time.Millisecond)
	r.taken()
	r.api.put(another(7))
	for range 8 {
		r.run(250 * time.Millisecond)
		r.api.put(another(7))
	}
	r.wantState(Backup)
	r.wantOrder("Claiming to Backup", "release")
}

// Row 42: an address that stays on a host without Harbinger is a conflict that says what to do. It ends when the host has removed it.
func TestKubeVIPLeavesTheAddressBehind(t *testing.T) {
	for _, verdict := range []ProbeDone{found(Served), foreignHost("02:00:00:00:09:09")} {
		r, f := behind(t, "node2")
		f.serves(r, "node2", 10*time.Second)
		r.verdict = verdict
		f.put("")
		r.run(2 * time.Second)
		if r.did("alarm") > 0 {
			t.Errorf("alarm at once: %q", r.trace)
		}
		r.until(Conflict, 3*time.Second)
		if r.alarm.Kind != ForeignHolder || !strings.Contains(r.alarm.Detail, "kube-vip (last on node2)") || !strings.Contains(r.alarm.Detail, "ip address del") {
			t.Errorf("alarm %v", r.alarm)
		}
		r.run(10 * time.Second)
		r.wantState(Conflict)
		r.verdict = found(Free)
		r.until(Active, 5*time.Second)
	}
}

// Row 41: a Lease that cannot be read moves nothing, however long, and says so once.
func TestUnreadableLeaseOfKubeVIPMovesNothing(t *testing.T) {
	r, f := behind(t, "node2")
	f.down = true
	r.run(time.Minute)
	r.wantState(Backup)
	if r.did("acquire")+r.did("probe")+r.did("alarm") > 0 || r.did("waits") != 1 {
		t.Errorf("did %q", r.trace)
	}
	if s := r.e.Status(); s.Waits != "waits for kube-vip: the Lease kube-system/plndr-cp-lock cannot be read: connection refused" {
		t.Errorf("the status says %q", s.Waits)
	}
	f.down = false
	f.serves(r, "node2", 10*time.Second)
	if s := r.e.Status(); !strings.Contains(s.Waits, "on node2") {
		t.Errorf("the status says %q", s.Waits)
	}
}

// Row 42: a Lease that is not there is kube-vip's no longer when none has made it anew for 5 s.
func TestAbsentLeaseOfKubeVIP(t *testing.T) {
	r, f := behind(t, "")
	r.verdict = found(Free)
	r.run(4 * time.Second)
	r.wantState(Backup)
	if len(f.takes) > 0 {
		t.Errorf("wrote %v", f.takes)
	}
	r.until(Active, 6*time.Second)
}

// Row 42: nodes in distress leave it to a healthy one for a moment.
func TestDistressSucceedsLater(t *testing.T) {
	r, f := behind(t, "node2")
	r.step(HealthChanged{Healthy: false})
	f.serves(r, "node2", 10*time.Second)
	r.verdict = found(Free)
	f.put("")
	r.run(900 * time.Millisecond)
	if len(f.takes) > 0 {
		t.Error("taken at once")
	}
	r.until(Active, 3*time.Second)
}

// Row 43: a holder renews what is Harbinger's, or nobody's, and does not take the Lease back from a kube-vip that renews it.
func TestHolderKeepsTheLeaseOfKubeVIP(t *testing.T) {
	r, f := behind(t, PredecessorPrefix+"node3")
	r.verdict = found(Free)
	r.until(Active, 5*time.Second)
	r.run(5 * time.Second)
	if f.lease.Holder != "harbinger/me" {
		t.Errorf("stored %s", f.lease)
	}
	f.put("node2")
	takes := len(f.takes)
	f.serves(r, "node2", 20*time.Second)
	if n := len(f.takes) - takes; n > 1 { // the one that was for the version before
		t.Errorf("%d writes over a Lease that kube-vip renews", n)
	}
	r.wantState(Active)
	f.put("")
	r.run(5 * time.Second)
	if f.lease.Holder != "harbinger/me" {
		t.Errorf("stored %s", f.lease)
	}
}

// Row 41: without the link nothing is taken; the end of the process removes nothing of kube-vip's.
func TestWaitsWithoutTheLink(t *testing.T) {
	r, f := behind(t, "node2")
	f.serves(r, "node2", 4*time.Second)
	r.step(LinkChanged{})
	f.put("")
	r.run(2 * time.Second)
	if len(f.takes) > 0 {
		t.Error("taken without a link")
	}
	r.verdict = found(Free)
	r.step(LinkChanged{Up: true})
	r.until(Active, 2*time.Second)

	r, f = behind(t, "me")
	f.serves(r, "me", 4*time.Second)
	r.taken()
	r.step(Shutdown{})
	if r.did("release what is its own") != 1 || r.did("release") != 1 || r.e.Releases() != (Release{Spare: true}) {
		t.Errorf("did %q", r.trace)
	}
}

// A reload that takes the predecessor out of the configuration ends the wait, and what is known of it.
func TestPredecessorIsForgotten(t *testing.T) {
	r, f := behind(t, "node2")
	f.serves(r, "node2", 10*time.Second)
	r.verdict = foreignHost("02:00:00:00:09:09")
	r.taken()
	r.step(Reconfigured{Priority: 100})
	reads := f.reads
	r.until(Conflict, 5*time.Second)
	if r.did("release") != 1 || f.reads > reads || r.e.Status().Waits != "" {
		t.Errorf("did %q, %d reads", r.trace, f.reads-reads)
	}
}
