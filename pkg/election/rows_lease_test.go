// SPDX-License-Identifier: Apache-2.0

package election

import (
	"net/netip"
	"strings"
	"testing"
	"time"
)

// The tests of this file hold the rows of the table that are about the Lease.

// holdingLease returns a router that holds the addresses and the Lease.
func holdingLease(t *testing.T) (*router, *fakeAPI) {
	t.Helper()
	r, f := withAPI(t, Lease{})
	r.run(5 * time.Second)
	if r.e.State() != Active || r.e.Status().Epoch == 0 {
		t.Fatalf("state %s, epoch %d, want Active with the Lease; did %q", r.e.State(), r.e.Status().Epoch, r.trace)
	}
	r.taken()
	f.writes = nil
	return r, f
}

func (f *fakeAPI) wantHolder(t *testing.T, holder string, epoch int) {
	t.Helper()
	if f.lease.Holder != holder || f.lease.Epoch != epoch {
		t.Errorf("stored %s, want holder %q epoch %d", f.lease, holder, epoch)
	}
}

// Rows 9, 14 and 17: read, probe, claim, and only then the address, advertised in the band of the epoch.
func TestTakeoverClaimsFirst(t *testing.T) {
	r, f := withAPI(t, Lease{Version: "x", Epoch: 16})
	r.until(Active, 5*time.Second)
	f.wantHolder(t, "me/1", 17)
	r.wantOrder("probe", "write lease of me/1 epoch=17", "Claiming to Active", "acquire", advertisement(242), "announce")
	if s := r.e.Status(); !s.Arbitrated || s.Epoch != 17 || s.Priority != 242 {
		t.Errorf("status %+v", s)
	}
}

// Row 15: a fresh Lease refuses the takeover; the next try is when it can be shown to be stale.
func TestFreshLeaseRefuses(t *testing.T) {
	r, f := withAPI(t, another(3))
	for range 12 {
		r.run(500 * time.Millisecond)
		f.put(another(3)) // it renews
	}
	r.wantState(Backup)
	f.wantHolder(t, "other/1", 3)
	r.until(Active, 3*time.Second)
	f.wantHolder(t, "me/1", 4)
}

// Row 16: where nobody answers for the Lease, the wire decides, and no later than two questions.
func TestUnreachableLeaseDoesNotHinder(t *testing.T) {
	for name, api := range map[string]*fakeAPI{"refused": {down: true}, "hung": {down: true, takes: AnswerTimeout}} {
		t.Run(name, func(t *testing.T) {
			r := newRouter(t, hybrid)
			r.api = api
			r.step(Startup{}, HealthChanged{Healthy: true})
			r.wantWithin("takeover", r.until(Active, 6*time.Second), 3600*time.Millisecond, 3700*time.Millisecond)
			if s := r.e.Status(); s.Arbitrated || s.Epoch != 0 || s.Priority != 100 || !strings.Contains(s.Reason, "Lease not readable") {
				t.Errorf("status %+v", s)
			}
		})
	}
}

// A question that was answered too late says nothing of now: the process was frozen.
func TestClaimThatWasWonLongAgoIsMadeAgain(t *testing.T) {
	r, f := withAPI(t, Lease{})
	f.takes = 600 * time.Millisecond
	for r.e.arbiter.question != claiming {
		r.run(10 * time.Millisecond)
	}
	done := f.open[0].done
	f.open, f.takes = nil, 0
	r.now = r.now.Add(10 * time.Second)
	r.step(done)
	r.wantNone("acquire")
	r.until(Active, 3*time.Second)
	f.wantHolder(t, "me/1", 2)
}

// F6: an answer may be late. What counts is the time between the answer to one question and the sending of the next.
func TestStalenessIsProvedByQuestions(t *testing.T) {
	r, f := withAPI(t, another(1))
	r.e.arbiter.next = r.now.Add(time.Hour)
	r.run(100 * time.Millisecond)
	lease := f.lease
	sent := r.now
	for _, step := range []struct {
		sent, answered time.Duration
		stale          bool
	}{
		{0, 1900 * time.Millisecond, false},
		{1950 * time.Millisecond, 3800 * time.Millisecond, false}, // 3.8 s old, and seen for 0.05 s
		{3890 * time.Millisecond, 3900 * time.Millisecond, false},
		{3910 * time.Millisecond, 3920 * time.Millisecond, true},
	} {
		r.e.arbiter = arbiter{cfg: &r.e.cfg, lease: r.e.arbiter.lease, known: step.sent > 0, first: r.e.arbiter.first}
		r.now = sent.Add(step.answered)
		r.e.now = r.now
		r.e.arbiter.observe(r.now, reading, LeaseDone{Lease: lease, Sent: sent.Add(step.sent)})
		if got := r.e.arbiter.available(r.e.now); got != step.stale {
			t.Errorf("asked at %s, answered at %s: stale %t, want %t", step.sent, step.answered, got, step.stale)
		}
	}
}

// A Lease that names an earlier process of this node is nobody's.
func TestEarlierProcessOfThisNodeIsDead(t *testing.T) {
	for holder, want := range map[string]bool{"me/0": true, "me/1": true, "melon/1": false, "other/1": false, "": true} {
		r, _ := withAPI(t, Lease{})
		r.e.arbiter.lease, r.e.arbiter.known = Lease{Version: "7", Holder: holder, Epoch: 1}, true
		if got := r.e.arbiter.available(r.e.now); got != want {
			t.Errorf("holder %q: available %t, want %t", holder, got, want)
		}
	}
}

// F10: who says that it leaves releases its Lease with that; but only its own, and not for long.
func TestAbdicationIsBound(t *testing.T) {
	for _, tc := range []struct {
		name     string
		from     netip.Addr
		priority uint8
		after    time.Duration
		want     bool
	}{
		{"the holder", upper, claimPriority(3), 0, true},
		{"another node", lower, claimPriority(3), 0, false},
		{"of another epoch", upper, claimPriority(4), 0, false},
		{"without a claim", upper, 100, 0, false},
		{"long ago", upper, claimPriority(3), 3100 * time.Millisecond, false},
	} {
		t.Run(tc.name, func(t *testing.T) {
			r, _ := withAPI(t, another(3))
			r.run(time.Second)
			r.hear(tc.from, tc.priority)
			r.hear(tc.from, 0)
			r.e.now = r.e.now.Add(tc.after)
			if got := r.e.arbiter.abdicated(r.e.now); got != tc.want {
				t.Errorf("abdicated %t, want %t", got, tc.want)
			}
		})
	}
}

func TestSuccessorOfALeavingHolder(t *testing.T) {
	r, f := withAPI(t, another(3))
	r.run(500 * time.Millisecond)
	r.hear(upper, claimPriority(3))
	r.taken()
	r.hear(upper, 0)
	r.wantWithin("takeover from one that leaves", r.until(Active, 3*time.Second), 600*time.Millisecond, 700*time.Millisecond)
	f.wantHolder(t, "me/1", 4)
}

// Row 29.
func TestHolderRenews(t *testing.T) {
	r, f := holdingLease(t)
	r.run(10 * time.Second)
	if len(f.writes) < 9 || len(f.writes) > 11 {
		t.Errorf("%d writes in 10 s", len(f.writes))
	}
	f.wantHolder(t, "me/1", 1)
	for _, l := range f.writes {
		if l.Node != "me" || l.Address != own || l.Priority != 100 {
			t.Errorf("wrote %+v", l)
		}
	}
}

// Rows 29 and F2: without the API a holder keeps the addresses and its claim.
func TestHolderWithoutAPIKeepsItsClaim(t *testing.T) {
	r, f := holdingLease(t)
	f.down = true
	r.run(60 * time.Second)
	r.wantState(Active)
	r.wantNone("release")
	if s := r.e.Status(); s.Priority != claimPriority(1) || s.Arbitrated || s.LeaseFailure == "" {
		t.Errorf("status %+v", s)
	}
	f.down = false
	r.run(2 * time.Second)
	if s := r.e.Status(); !s.Arbitrated || s.Epoch != 1 {
		t.Errorf("status %+v after the API is back", s)
	}
}

// Row 30.
func TestHolderYieldsToANewerEpoch(t *testing.T) {
	r, f := holdingLease(t)
	f.put(another(2))
	r.run(1500 * time.Millisecond)
	r.wantState(Backup)
	r.wantNone(advertisement(0))
	f.wantHolder(t, "other/1", 2)
}

// Row 31: what was deleted, rolled back or released by somebody else is written again with a new epoch; the addresses stay.
func TestHolderAsserts(t *testing.T) {
	for name, stored := range map[string]Lease{"deleted": {}, "rolled back": another(1), "released": {Epoch: 1}, "of an unknown epoch": {Holder: "me/1", Epoch: 9}} {
		t.Run(name, func(t *testing.T) {
			r, f := holdingLease(t)
			f.put(stored)
			if name == "deleted" {
				f.lease = Lease{}
			}
			r.run(3 * time.Second)
			r.wantState(Active)
			r.wantNone("release")
			f.wantHolder(t, "me/1", max(1, stored.Epoch)+1)
			if r.did(advertisement(claimPriority(max(1, stored.Epoch)+1))) == 0 {
				t.Errorf("did %q, want the new claim advertised", r.trace)
			}
		})
	}
}

// Rows 32 and 33: a holder without a claim takes a Lease that nobody renews, and gives way to one that renews it.
func TestHolderWithoutClaim(t *testing.T) {
	for _, tc := range []struct {
		name   string
		stored Lease
		renews bool
		want   State
		epoch  int
	}{
		{"none", Lease{}, false, Active, 1},
		{"stale", another(4), false, Active, 5},
		{"fresh", another(4), true, Backup, 0},
	} {
		t.Run(tc.name, func(t *testing.T) {
			r, f := withAPI(t, tc.stored)
			f.down = true
			r.until(Active, 6*time.Second)
			f.down = false
			for range 14 {
				r.run(400 * time.Millisecond)
				if tc.renews && r.e.State() == Active {
					f.put(tc.stored)
				}
				if r.e.State() != Active {
					break
				}
			}
			if s := r.e.Status(); s.State != tc.want || s.Epoch != tc.epoch {
				t.Errorf("state %s, epoch %d, want %s, %d; did %q", s.State, s.Epoch, tc.want, tc.epoch, r.trace)
			}
		})
	}
}

// Row 34 and F19: a holder in distress gives the Lease free and serves on until somebody healthy takes it.
func TestDistressReleasesTheLease(t *testing.T) {
	r, f := holdingLease(t)
	r.step(HealthChanged{Healthy: false})
	r.run(3 * time.Second)
	r.wantState(Active)
	f.wantHolder(t, "", 1)
	if s := r.e.Status(); s.Epoch != 0 || s.Priority > highestDistress {
		t.Errorf("status %+v", s)
	}
	r.step(HealthChanged{Healthy: true})
	r.run(4 * time.Second)
	f.wantHolder(t, "me/1", 2)
	r.wantNone("release")
}

// Row 24: of two claims that no write has confirmed lately the newer one stays, round the end of the band; of equal ones the
// address decides.
func TestNewerClaimStays(t *testing.T) {
	for _, tc := range []struct {
		mine, theirs int
		from         netip.Addr
		yields       bool
	}{
		{1, 2, lower, true}, {1, 8, lower, true}, {1, 9, upper, false}, {2, 1, upper, false},
		{14, 15, lower, true}, {15, 14, upper, false}, {1, 1, upper, true}, {1, 1, lower, false},
	} {
		r, _ := holdingLease(t)
		r.e.arbiter.claim = claim{epoch: tc.mine}
		r.hear(tc.from, claimPriority(tc.theirs))
		if got := r.e.State() != Active; got != tc.yields {
			t.Errorf("epoch %d hears %d: yields %t, want %t", tc.mine, tc.theirs, got, tc.yields)
		}
	}
}

// F17: a router that knows nothing of claims, but has such a priority and announces the addresses, is met as VRRP says after a
// while. One that does not announce them has none.
func TestClaimThatNeverGivesWay(t *testing.T) {
	for _, announces := range []bool{true, false} {
		r, _ := holdingLease(t)
		for i := 0; r.e.State() == Active && i < 60; i++ {
			if announces {
				r.claim(lower)
			}
			r.hear(lower, 254) // 13 epochs ahead is two behind
			r.run(500 * time.Millisecond)
		}
		if r.did("alarm ClaimIgnored") == 0 {
			t.Errorf("announces %t: did %q", announces, r.trace)
		}
		if yields := r.e.State() != Active; yields != announces {
			t.Errorf("announces %t: yields %t", announces, yields)
		}
	}
}

// Rows 27 and 28: the holder of the Lease defends the addresses against ARP, and does not yield.
func TestVerifiedHolderNeverYieldsToARP(t *testing.T) {
	r, f := holdingLease(t)
	for range 20 {
		r.claim(upper)
		r.run(300 * time.Millisecond)
	}
	r.wantState(Active)
	f.down = true
	r.run(4 * time.Second)
	for range 5 {
		r.claim(upper)
		r.run(300 * time.Millisecond)
	}
	r.wantState(Backup)
}

// renewed lets time pass while another renews a Lease, until this node takes it.
func renewed(r *router, f *fakeAPI, l Lease, d time.Duration) {
	for end := r.now.Add(d); r.now.Before(end) && f.lease.Holder == "other/1"; {
		r.run(250 * time.Millisecond)
		if f.lease.Holder == "other/1" && r.e.State() != Claiming {
			f.put(l)
		}
	}
}

// Row 6: the time of grace before a seizure is that of one claimant.
func TestNewClaimantHasItsOwnTime(t *testing.T) {
	r, f := withAPI(t, another(1))
	renewed(r, f, another(1), 10*time.Second)
	renewed(r, f, another(2), 7*time.Second)
	f.wantHolder(t, "other/1", 2)
	renewed(r, f, another(2), 4*time.Second)
	f.wantHolder(t, "me/1", 3)
}

// Rows 19 and 20: the Lease of a holder that serves nobody is seized, and the address taken after it must have seen that.
func TestSeizure(t *testing.T) {
	r, f := withAPI(t, another(1))
	renewed(r, f, another(1), 20*time.Second)
	f.wantHolder(t, "me/1", 2)
	r.wantNone("acquire")
	at := r.until(Seizing, time.Second)
	r.wantWithin("seizure to takeover", at+r.until(Active, 6*time.Second), 2*time.Second, 2500*time.Millisecond)
	f.wantHolder(t, "me/1", 2)
}

// Row 18: a node that loses the Lease while it seizes takes nothing.
func TestSeizureLost(t *testing.T) {
	r, f := withAPI(t, another(1))
	renewed(r, f, another(1), 20*time.Second)
	r.until(Seizing, time.Second)
	f.put(another(3))
	r.run(1500 * time.Millisecond)
	r.wantState(Backup)
	r.wantNone("acquire")
}

// Row 11: an address that is served is not claimed, whatever the Lease says.
func TestServedAddressIsNotClaimed(t *testing.T) {
	r, f := withAPI(t, Lease{Version: "1", Epoch: 1})
	r.verdict = found(Live)
	r.run(10 * time.Second)
	r.wantState(Backup)
	if len(f.writes) > 0 {
		t.Errorf("wrote %v", f.writes)
	}
}

// Row 37: preemption is by the Lease, from a holder that is heard; and a holder may name its successor.
func TestInvitation(t *testing.T) {
	for _, tc := range []struct {
		name      string
		stored    Lease
		options   []option
		preferred string
		heard     bool
		want      State
	}{
		{"ranks higher and preempts", another(1), []option{priority(150)}, "", true, Active},
		{"does not hear the holder", another(1), []option{priority(150)}, "", false, Backup},
		{"ranks the same", another(1), nil, "", true, Backup},
		{"does not preempt", another(1), []option{priority(150), noPreempt}, "", true, Backup},
		{"is preferred", another(1), []option{noPreempt}, "me", true, Active},
		{"another is preferred", another(1), []option{priority(150)}, "third", true, Backup},
		{"is preferred, does not hear the holder", another(1), []option{noPreempt}, "me", false, Seizing},
	} {
		t.Run(tc.name, func(t *testing.T) {
			tc.stored.Preferred = tc.preferred
			r, f := withAPI(t, tc.stored, tc.options...)
			for range 8 {
				if r.e.State() != Backup {
					break
				}
				if tc.heard {
					r.hear(upper, claimPriority(1))
				}
				r.run(400 * time.Millisecond)
				if f.lease.Holder == "other/1" {
					f.put(tc.stored)
				}
			}
			if r.e.State() == Claiming {
				r.run(20 * time.Millisecond)
			}
			r.wantState(tc.want)
		})
	}
}

func TestHandover(t *testing.T) {
	t.Run("to whichever is the first", func(t *testing.T) {
		r, f := holdingLease(t)
		r.step(Handover{})
		r.wantState(Leaving)
		r.run(500 * time.Millisecond)
		f.wantHolder(t, "", 1)
		r.hear(lower, claimPriority(2))
		r.run(100 * time.Millisecond)
		r.wantState(Backup)
		r.wantNone("finished")
		r.wantOrder(advertisement(0), advertisement(0), "release")
	})
	t.Run("to nobody", func(t *testing.T) {
		r, f := holdingLease(t)
		r.step(Handover{})
		r.run(6 * time.Second)
		r.wantState(Active)
		r.wantNone("finished", "release")
		f.wantHolder(t, "me/1", 2)
	})
	t.Run("to a named node", func(t *testing.T) {
		r, f := holdingLease(t)
		r.step(Handover{To: "other"})
		r.run(20 * time.Millisecond)
		if f.lease.Preferred != "other" {
			t.Errorf("stored %+v, want the invitation", f.lease)
		}
		r.wantState(Active)
		r.run(12 * time.Second)
		if f.lease.Preferred != "" {
			t.Error("the invitation has no end")
		}
	})
}

// The alarm of a silent wire comes within two advertisements after the silence was one, and only while the holder lives.
func TestSplitIsSuspectedByTheLease(t *testing.T) {
	for _, lives := range []bool{true, false} {
		r, f := withAPI(t, another(1))
		r.verdict = found(Live)
		for range 4 {
			r.hear(upper, claimPriority(1))
			f.put(another(1))
			r.run(time.Second)
		}
		r.taken()
		for range 7 {
			if lives {
				f.put(another(1))
			}
			r.run(200 * time.Millisecond)
		}
		if got := r.e.Status().SplitSuspected; got != lives {
			t.Errorf("2.4 s after the last advertisement: split suspected %t, want %t", got, lives)
		}
	}
}

// The proof that was waited for may come while the Lease is read: the answer to that is none to a claim.
func TestRow37InvitationWaitsForTheRead(t *testing.T) {
	r, f := withAPI(t, another(4), peerList)
	r.run(50 * time.Millisecond)
	l := f.lease
	l.Preferred, l.Epoch = "me", 5
	f.put(l)
	f.takes = 40 * time.Millisecond
	r.e.arbiter.lease.Preferred, r.e.arbiter.next = "me", r.now // what it will read, it knows
	r.step(Tick{})
	r.step(PeersDone{Reached: []netip.Addr{upper}})
	r.wantState(Backup)
	r.run(60 * time.Millisecond)
	if len(f.writes) != 1 || f.writes[0].Epoch != 6 {
		t.Errorf("wrote %v, want the one claim after the read", f.writes)
	}
}

// In mode LeaseOnly nothing is advertised that would matter, nobody holds without the Lease, the holder gives up at two thirds
// of its duration and another claims it at the end: StaleAfter, which is shorter, does not count.
func TestLeaseOnly(t *testing.T) {
	alone := func(c *Config) { c.Mode = LeaseOnly }
	r, f := withAPI(t, another(1), alone)
	r.wantWithin("takeover", r.until(Active, 12*time.Second), 5*time.Second, 7*time.Second)
	f.wantHolder(t, "me/1", 2)
	r.run(5 * time.Second)
	f.down = true
	r.wantWithin("giving up", r.until(Backup, 6*time.Second), 2*time.Second, 3500*time.Millisecond)
	r.run(20 * time.Second)
	r.wantState(Backup)
}
