// SPDX-License-Identifier: Apache-2.0

package election

import (
	"math"
	"net/netip"
	"slices"
	"testing"
	"time"
)

// The tests of this file hold what is proved instead of believed: who is reached (rows 15, 32, 34 and 37), whose advertisements
// count (rows 4 and 25), and whether the holder serves (row 40).

// renews lets time pass while another node renews its Lease twice a second.
func renews(r *router, f *fakeAPI, l Lease, d time.Duration) {
	for end := r.now.Add(d); r.now.Before(end); {
		r.run(500 * time.Millisecond)
		if f.lease.Holder == l.Holder && f.lease.Epoch == l.Epoch {
			f.put(l)
		}
	}
}

// cut makes the router reach nobody.
func (r *router) cut() { r.peers.Reached, r.peers.Gateway = nil, Nobody }

// A node counts as one of a majority by the proof of the peers themselves. The gateway decides an even split, and for a node that
// knows no peers.
func TestMajority(t *testing.T) {
	five := []netip.Addr{lower, upper, netip.MustParseAddr("192.0.2.4"), netip.MustParseAddr("192.0.2.5")}
	for _, tc := range []struct {
		peers, reached int
		gateway        Finding
		want           bool
	}{
		{0, 0, CouldNotAsk, true}, {0, 0, Answers, true}, {0, 0, Nobody, false},
		{1, 1, Nobody, true}, {1, 0, Nobody, false}, {1, 0, Answers, true}, {1, 0, CouldNotAsk, false},
		{2, 0, Answers, false}, {2, 1, Nobody, true}, {2, 2, Nobody, true},
		{3, 1, Nobody, false}, {3, 1, Answers, true}, {3, 2, Nobody, true},
		{4, 1, Answers, false}, {4, 2, Nobody, true},
	} {
		r := reach{ever: true}
		r.ask(epoch, reachAge, time.Second)
		r.done(PeersDone{Reached: five[:tc.reached], Gateway: tc.gateway})
		if got := r.majority(epoch, five[:tc.peers]); got != tc.want {
			t.Errorf("%d of %d peers, gateway %s: %t, want %t", tc.reached, tc.peers, tc.gateway, got, tc.want)
		}
		if r.majority(epoch.Add(reachAge+time.Second), five[:tc.peers]) {
			t.Error("an old answer counts")
		}
	}
}

// Row 15: who reaches less than a majority, or could not ask, leaves a fresh Lease alone, however long its holder is silent; who reaches one takes
// it at once, where nobody answers for the address. Who was cut off in this silence seizes it, if it asked several times and did not reach the holder.
func TestOnlyAMajoritySeizes(t *testing.T) {
	for _, tc := range []struct {
		name  string
		peers PeersDone
		want  State
	}{
		{"nobody", PeersDone{}, Backup},
		{"could not ask", PeersDone{CouldNotAsk: true}, Backup},
		{"the other Backup", PeersDone{Reached: []netip.Addr{lower}}, Active},
		{"cut off before", PeersDone{Reached: []netip.Addr{lower}}, Seizing},
	} {
		r, f := withAPI(t, another(3), peerList)
		r.hear(upper, claimPriority(3))
		if r.peers = tc.peers; tc.want == Seizing {
			r.step(PeersDone{})
		}
		from := r.now
		for r.e.State() != tc.want || tc.want == Backup {
			renews(r, f, another(3), 500*time.Millisecond)
			if r.now.Sub(from) > 30*time.Second {
				break
			}
		}
		r.wantState(tc.want)
		if tc.want != Backup && r.now.Sub(from) > 5*time.Second {
			t.Errorf("%s: seized after %s", tc.name, r.now.Sub(from))
		}
		if writes := len(f.writes); (writes > 0) != (tc.want != Backup) {
			t.Errorf("%s: %d writes", tc.name, writes)
		}
	}
}

// Row 15: a stale Lease may be claimed by whoever is left, also by one that reaches nobody.
func TestIsolatedTakesAStaleLease(t *testing.T) {
	r, f := withAPI(t, another(3), peerList)
	r.hear(upper, claimPriority(3))
	r.cut()
	r.until(Active, 9*time.Second)
	f.wantHolder(t, "me/1", 4)
}

// Row 34: a holder that reaches nobody releases the Lease and keeps the addresses; it claims again when somebody answers. That it
// could not ask, or never reached anybody, says nothing.
func TestCutOffHolderReleasesTheLease(t *testing.T) {
	for _, tc := range []struct {
		name   string
		before []netip.Addr
		after  PeersDone
		want   string
	}{
		{"nobody", []netip.Addr{lower}, PeersDone{Gateway: Nobody}, ""},
		{"the gateway", []netip.Addr{lower}, PeersDone{Gateway: Answers}, "me/1"},
		{"one peer", []netip.Addr{lower, upper}, PeersDone{Reached: []netip.Addr{upper}, Gateway: Nobody}, "me/1"},
		{"could not ask", []netip.Addr{lower}, PeersDone{CouldNotAsk: true}, "me/1"},
		{"never anybody", nil, PeersDone{Gateway: Nobody}, "me/1"},
	} {
		r, f := withAPI(t, Lease{}, peerList)
		r.peers.Reached = tc.before
		r.until(Active, 8*time.Second)
		r.run(time.Second)
		r.peers = tc.after
		r.taken()
		r.run(2500 * time.Millisecond)
		r.wantState(Active)
		r.wantNone("release")
		if f.lease.Holder != tc.want {
			t.Errorf("%s: stored %s, want holder %q", tc.name, f.lease, tc.want)
		}
		r.run(20 * time.Second)
		if f.lease.Holder != tc.want {
			t.Errorf("%s: 20 s later stored %s, want holder %q", tc.name, f.lease, tc.want)
		}
		r.peers = PeersDone{Reached: []netip.Addr{lower}}
		r.run(2 * time.Second)
		r.wantState(Active)
		if f.lease.Holder != "me/1" || r.e.Status().Epoch != f.lease.Epoch {
			t.Errorf("%s: reached again: stored %s, epoch %d", tc.name, f.lease, r.e.Status().Epoch)
		}
	}
}

// Row 15: who lost the Lease to a node that it does not reach does not take it back before that one answers.
func TestLoserIsHeldOffUntilTheWinnerAnswers(t *testing.T) {
	r, f := withAPI(t, Lease{}, peerList)
	r.until(Active, 5*time.Second)
	f.put(another(7))
	r.peers.Reached = []netip.Addr{lower}
	r.until(Backup, 2*time.Second)
	writes := len(f.writes)
	renews(r, f, another(7), time.Minute)
	r.wantState(Backup)
	if len(f.writes) != writes {
		t.Errorf("claimed: %v", f.writes[writes:])
	}
	r.peers.Reached = []netip.Addr{lower, upper}
	renews(r, f, another(7), 11*time.Second)
	r.peers.Reached = []netip.Addr{lower}
	renews(r, f, another(7), 8*time.Second)
	if len(f.writes) == writes {
		t.Error("did not claim after the winner had answered")
	}
}

// Row 37: only the holder of the Lease is preempted, which is heard with its claim and answers, and by a node that is not cut off.
func TestPreemptsTheHolderThatItReaches(t *testing.T) {
	lease := another(3)
	lease.Priority = 50
	for _, tc := range []struct {
		name     string
		from     netip.Addr
		priority uint8
		reached  []netip.Addr
		want     bool
	}{
		{"holder", upper, claimPriority(3), []netip.Addr{lower, upper}, true},
		{"another claims", lower, claimPriority(3), []netip.Addr{lower, upper}, false},
		{"an old claim", upper, claimPriority(2), []netip.Addr{lower, upper}, false},
		{"holder not reached", upper, claimPriority(3), []netip.Addr{lower}, false},
		{"nobody reached", upper, claimPriority(3), nil, false},
	} {
		r, f := withAPI(t, lease, peerList)
		r.peers.Reached, r.verdict = tc.reached, found(Live)
		for range 12 {
			r.hear(tc.from, tc.priority)
			renews(r, f, lease, 500*time.Millisecond)
		}
		if got := len(f.writes) > 0; got != tc.want {
			t.Errorf("%s: preempts %t, want %t; did %q", tc.name, got, tc.want, r.trace)
		}
	}
}

// Row 15: who reaches nobody leaves a free Lease to others for a while.
func TestWhoReachesNobodyWaitsForOthers(t *testing.T) {
	for _, cut := range []bool{false, true} {
		r, f := withAPI(t, another(3), peerList)
		r.hear(upper, claimPriority(3))
		renews(r, f, another(3), time.Second)
		r.hear(upper, claimPriority(3))
		r.run(500 * time.Millisecond)
		r.step(PeersDone{Reached: []netip.Addr{upper}})
		if cut {
			r.cut()
		}
		renews(r, f, another(3), 1500*time.Millisecond)
		released := another(3)
		released.Holder = ""
		f.put(released)
		took := r.until(Active, 10*time.Second)
		if low := map[bool]time.Duration{true: 2500 * time.Millisecond}[cut]; took < low || !cut && took > 2500*time.Millisecond {
			t.Errorf("cut %t: took the free Lease after %s", cut, took)
		}
	}
}

// Row 8: patience with a holder in distress ends with its silence.
func TestPatienceEndsWithSilence(t *testing.T) {
	r := started(t, priority(200), interval(100*time.Millisecond))
	for range 10 {
		r.hearEvery(upper, 220, 100*time.Millisecond)
		r.run(100 * time.Millisecond)
	}
	for range 5 {
		r.hearEvery(upper, 5, 100*time.Millisecond)
		r.run(100 * time.Millisecond)
	}
	if took := r.until(Active, 6*time.Second); took > time.Second {
		t.Errorf("took over %s after the last advertisement", took)
	}
}

// Row 25: a holder that has just read its Lease for a claim that does not count reads it again for the next, which does.
func TestRow25AnotherClaimAtOnce(t *testing.T) {
	r, f := holdingLease(t)
	r.hear(upper, claimPriority(2))
	r.run(50 * time.Millisecond)
	r.wantState(Active)
	f.put(Lease{Holder: "third/1", Node: "third", Epoch: 3, Address: lower, Priority: 100})
	r.hear(lower, claimPriority(3))
	r.run(50 * time.Millisecond)
	r.wantState(Backup)
}

// Row 25: what is forged beside a fresh Lease moves nothing, costs two reads and four answers a second at most, and raises an
// alarm; the Lease is kept.
func TestForgedAdvertisements(t *testing.T) {
	for name, forged := range map[string]func(i int) (netip.Addr, uint8){
		"owner":            func(int) (netip.Addr, uint8) { return upper, 255 },
		"cycled":           func(i int) (netip.Addr, uint8) { return upper, uint8(240 + i%15) },
		"changing sources": func(i int) (netip.Addr, uint8) { return netip.AddrFrom4([4]byte{192, 0, 2, byte(50 + i%100)}), 254 },
	} {
		r, f := holdingLease(t)
		for i := range 7 { // one a second
			r.hear(forged(i))
			r.run(900 * time.Millisecond)
		}
		if r.alarm.Kind != Forged || !r.alarm.Source.IsValid() {
			t.Errorf("%s: alarm %v", name, r.alarm)
		}
		f.reads = 0
		for i := range 3000 {
			r.hear(forged(i))
			r.run(10 * time.Millisecond)
		}
		r.wantState(Active)
		r.wantNone("release")
		f.wantHolder(t, "me/1", 1)
		if f.reads > 70 || r.did("advertise") > 160 {
			t.Errorf("%s: %d reads and %d advertisements in 30 s", name, f.reads, r.did("advertise"))
		}
		if !r.e.Status().Forged.IsValid() {
			t.Errorf("%s: status names nobody", name)
		}
	}
}

// Row 25: a claim that the Lease confirms is yielded to as soon as it is read; one beside an API that does not answer, as in VRRP.
func TestNewerClaimIsConfirmed(t *testing.T) {
	r, f := holdingLease(t)
	l := another(2)
	f.put(l)
	r.hear(upper, claimPriority(2))
	if took := r.until(Backup, time.Second); took > 30*time.Millisecond {
		t.Errorf("yielded after %s", took)
	}
	if r.did("alarm") > 0 {
		t.Errorf("did %q", r.trace)
	}
	r, f = holdingLease(t)
	f.down = true
	for range 5 {
		r.hear(upper, claimPriority(2))
		r.run(time.Second)
	}
	r.wantState(Backup)
}

// Row 25: beside a peer that has the addresses and a claim newer than the Lease, which was deleted meanwhile, the holder of the
// Lease takes an epoch above it, so that the peer yields. Who only says so changes nothing.
func TestEpochAboveAPeersClaim(t *testing.T) {
	for _, announces := range []bool{false, true} {
		r, f := holdingLease(t)
		for range 4 {
			if announces {
				r.step(AddressClaimed{Address: vip, Owner: "02:00:00:00:00:83", Peer: upper})
			}
			r.hear(upper, claimPriority(4))
			r.run(500 * time.Millisecond)
		}
		r.wantState(Active)
		r.wantNone("release")
		want := 1
		if announces {
			want = 5
		}
		f.wantHolder(t, "me/1", want)
		if p := r.e.priority(); p != claimPriority(want) {
			t.Errorf("announces %t: advertises %d, want %d", announces, p, claimPriority(want))
		}
	}
}

// Row 4: beside a Lease that is read, a Backup goes on as if it had not heard what the Lease does not confirm. The first
// advertisement of a new holder counts at once.
func TestBackupLetsTheLeaseOutvote(t *testing.T) {
	r, f := withAPI(t, another(3), peerList)
	r.verdict = found(Live)
	for range 10 {
		r.hear(upper, claimPriority(3))
		r.hear(lower, 254)
		renews(r, f, another(3), 500*time.Millisecond)
	}
	r.wantState(Backup)
	if r.alarm.Kind != Forged || r.alarm.Source != lower {
		t.Errorf("alarm %v, want Forged by %s", r.alarm, lower)
	}
	r.verdict, r.peers.Reached, r.client = found(Free), []netip.Addr{lower}, Nobody
	took := time.Duration(0)
	for f.lease.Holder != "me/1" && took < 12*time.Second { // the holder is dead, and somebody goes on forging
		r.hear(lower, 254)
		r.run(100 * time.Millisecond)
		took += 100 * time.Millisecond
	}
	if took > 8*time.Second {
		t.Errorf("a forger kept the dead holder for %s", took)
	}

	r, f = withAPI(t, another(3), peerList)
	r.hear(upper, claimPriority(3))
	renews(r, f, another(3), 2*time.Second)
	successor := another(4)
	successor.Holder, successor.Node, successor.Address = "third/1", "third", lower
	f.put(successor)
	r.taken()
	for range 10 {
		r.hear(lower, claimPriority(4))
		r.run(time.Second)
		f.put(successor)
	}
	r.wantNone("Backup to")
	r.wantNone("alarm")
}

// Row 4: a node that takes the addresses before the Lease answers (F33), and an old holder that does not know it yet, advertise what
// the Lease does not confirm for a moment: that is no forgery. A claim above that of the Lease is one as soon as it is read.
func TestAlarmIsOfForgeriesOnly(t *testing.T) {
	for _, tc := range []struct {
		name     string
		priority uint8
		alarm    bool
	}{
		{"without a claim", 100, false}, {"an old claim", claimPriority(2), false}, {"the next claim", claimPriority(4), true},
	} {
		r, f := withAPI(t, another(3), peerList)
		r.hear(upper, claimPriority(3))
		renews(r, f, another(3), time.Second)
		r.taken()
		for range 2 {
			r.hear(lower, tc.priority)
			renews(r, f, another(3), 500*time.Millisecond)
		}
		if alarmed := r.did("alarm") > 0; alarmed != tc.alarm {
			t.Errorf("%s: did %q", tc.name, r.trace)
		}
		for range 10 {
			r.hear(upper, claimPriority(3))
			r.hear(lower, tc.priority)
			renews(r, f, another(3), 500*time.Millisecond)
		}
		if r.alarm.Kind != Forged || r.alarm.Source != lower {
			t.Errorf("%s that goes on: alarm %v, want Forged by %s", tc.name, r.alarm, lower)
		}
	}
}

// Row 11: a holder without the Lease is accepted once a probe has found that it serves: its own API may be lost.
func TestHolderWithoutTheLeaseIsProved(t *testing.T) {
	r, f := withAPI(t, another(3), peerList)
	r.verdict = found(Live)
	r.hear(upper, claimPriority(3))
	r.run(time.Second)
	for range 60 {
		r.hear(lower, 120)
		r.run(500 * time.Millisecond)
	}
	r.wantNone("acquire")
	r.wantNone("alarm Filtered")
	if len(f.writes) > 0 {
		t.Errorf("claimed: %v", f.writes)
	}
}

// Row 31: an epoch that nobody can have counted up to is no claim, and is written anew.
func TestEpochThatLeaps(t *testing.T) {
	r, f := holdingLease(t)
	f.put(another(math.MaxInt32))
	r.run(3 * time.Second)
	r.wantState(Active)
	r.wantNone("release")
	f.wantHolder(t, "me/1", 2)
	if r.alarm.Kind != Forged {
		t.Errorf("alarm %v", r.alarm)
	}
	r, f = withAPI(t, another(math.MaxInt32))
	r.until(Active, 5*time.Second)
	f.wantHolder(t, "me/1", 1)
}

// Row 40: most of those that can be heard must find the holder unreachable. It is in distress then, until they reach it.
func TestUnreachableHolder(t *testing.T) {
	for _, tc := range []struct {
		name                   string
		witnesses, unreachable []netip.Addr
		unhealthy, want        bool
	}{
		{name: "nobody looks"},
		{name: "one of two", witnesses: []netip.Addr{lower, upper}, unreachable: []netip.Addr{lower}},
		{name: "both", witnesses: []netip.Addr{lower, upper}, unreachable: []netip.Addr{lower, upper}, want: true},
		{name: "the only one", witnesses: []netip.Addr{lower}, unreachable: []netip.Addr{lower}, want: true},
		{name: "no backend anyway", witnesses: []netip.Addr{lower}, unreachable: []netip.Addr{lower}, unhealthy: true},
	} {
		r := active(t, peerList)
		r.step(HealthChanged{Healthy: !tc.unhealthy})
		r.peers.Witnesses, r.peers.Unreachable = tc.witnesses, tc.unreachable
		r.run(3 * time.Second)
		s := r.e.Status()
		if s.Unreachable != tc.want || (s.Priority <= highestDistress) != (tc.want || tc.unhealthy) || (r.alarm.Kind == Unreachable) != tc.want {
			t.Errorf("%s: status %+v, alarm %v", tc.name, s, r.alarm)
		}
		r.wantState(Active)
		r.peers.Unreachable = nil
		r.run(3 * time.Second)
		if s := r.e.Status(); s.Unreachable {
			t.Errorf("%s: not ended: %+v", tc.name, s)
		}
	}
}

// Row 40: what the peers find may be of another host that claims the addresses. One that claimed them for the moment in which two
// holders met has yielded, and explains nothing.
func TestUnreachableBesideAnotherHolder(t *testing.T) {
	for name, tc := range map[string]struct {
		claims int // of the peer, one a second
		want   bool
	}{"met": {1, true}, "goes on": {4, false}} {
		r := active(t, peerList)
		r.step(HealthChanged{Healthy: true})
		for range tc.claims {
			r.step(AddressClaimed{Address: vip, Owner: "02:00:00:00:00:82", Peer: lower})
			r.run(time.Second)
		}
		r.peers.Witnesses, r.peers.Unreachable = []netip.Addr{lower, upper}, []netip.Addr{lower, upper}
		r.run(checksFailed * checkEvery)
		if s := r.e.Status(); s.Unreachable != tc.want || (s.Conflict == "") != tc.want {
			t.Errorf("%s: status %+v", name, s)
		}
	}
}

// Row 40: a node that was found unreachable and gave the addresses away stays in distress: nobody can try it now.
func TestUnreachableStaysInDistress(t *testing.T) {
	r := active(t, peerList, priority(200))
	r.peers.Witnesses, r.peers.Unreachable = []netip.Addr{lower}, []netip.Addr{lower}
	r.run(3 * time.Second)
	r.hear(upper, 100)
	r.wantState(Backup)
	r.peers.Witnesses, r.peers.Unreachable = nil, nil
	for range 5 * 60 {
		r.hear(upper, 100)
		r.run(time.Second)
	}
	r.wantState(Backup)
	for range 6 * 60 {
		r.hear(upper, 100)
		r.run(time.Second)
	}
	r.wantState(Active) // by preemption, as it is not in distress any more
}

// Row 40: a node that was found unreachable as a holder stays in distress although a rehearsal finds nothing, as that does not see
// every fault; where a rehearsal has found why, it ends with the fault.
func TestRehearsalEndsWhatItExplains(t *testing.T) {
	for _, first := range []Finding{Answers, Nobody} {
		r := active(t, peerList, priority(200))
		r.peers.Witnesses, r.peers.Unreachable = []netip.Addr{lower}, []netip.Addr{lower}
		r.run(3 * time.Second)
		r.hear(upper, 100)
		r.rehearsal = first
		for range 15 {
			r.hear(upper, 100)
			r.run(time.Second)
		}
		r.rehearsal, r.peers.Unreachable = Answers, nil
		for range 30 {
			r.hear(upper, 100)
			r.run(time.Second)
		}
		if returns := r.e.State() == Active; returns != (first == Nobody) {
			t.Errorf("first rehearsal %s: returns %t", first, returns)
		}
	}
}

// Row 40: a Backup tries every 2 s, and takes the addresses from a holder in distress that it finds closed, if a rehearsal does not
// show that it would not be reached either.
func TestWitnessTakesOver(t *testing.T) {
	for rehearsal, want := range map[Finding]State{CouldNotAsk: Active, Answers: Active, Nobody: Backup, Reset: Backup} {
		r := started(t, peerList)
		r.client, r.rehearsal = Nobody, rehearsal
		for range 8 {
			r.hear(upper, 150)
			r.run(time.Second)
		}
		if w := r.e.Status().Witness; w.Holder != upper || w.Failures < checksFailed {
			t.Fatalf("witness %+v", w)
		}
		r.wantState(Backup)
		from := r.now
		for r.e.State() == Backup && r.now.Sub(from) < 20*time.Second {
			r.hear(upper, 5)
			r.run(100 * time.Millisecond)
		}
		r.wantState(want)
		if want == Active && r.now.Sub(from) > 1500*time.Millisecond {
			t.Errorf("rehearsal %s: took over after %s", rehearsal, r.now.Sub(from))
		}
		if want == Backup && !r.e.Status().Distress {
			t.Errorf("rehearsal %s: a node that would not be reached is not in distress", rehearsal)
		}
	}
}

// Row 40: what a Backup could not ask is no failure of the holder, and another holder is looked at anew.
func TestWitnessCouldNotAsk(t *testing.T) {
	r := started(t, peerList)
	r.client = CouldNotAsk
	for range 10 {
		r.hear(upper, 150)
		r.run(time.Second)
	}
	if w := r.e.Status().Witness; w.Failures != 0 || !w.At.IsZero() {
		t.Errorf("witness %+v", w)
	}
	r.client = Nobody
	for range 10 {
		r.hear(upper, 150)
		r.run(time.Second)
	}
	r.hear(lower, 150)
	r.run(10 * time.Millisecond)
	if w := r.e.Status().Witness; w.Holder != lower || w.Failures != 0 {
		t.Errorf("witness %+v", w)
	}
	if !slices.Contains(r.trace, "check holder timeout=1s") {
		t.Errorf("did %q", r.trace)
	}
}

// F25: beside a fresh Lease whose holder is silent, a forger does not stretch the down timer, from the first packet on.
func TestRuleForgerKeepsNobodyAway(t *testing.T) {
	r, f := withAPI(t, another(3), peerList)
	r.hear(upper, claimPriority(3))
	renews(r, f, another(3), time.Second)
	for range 3 {
		r.hear(upper, claimPriority(3))
		renews(r, f, another(3), time.Second)
	}
	before := r.e.downAt
	for range 20 {
		r.hear(lower, 254)
		renews(r, f, another(3), 100*time.Millisecond)
		if r.now.After(before) {
			break
		}
	}
	if r.e.State() == Backup && r.e.downAt.After(before.Add(retryRefused)) {
		t.Errorf("the down timer ends %s later", r.e.downAt.Sub(before))
	}
}

// Row 40: what the peers found in the last 6 s counts together, and what they found while no backend was healthy does not count.
func TestTestimonyOfSeveralMoments(t *testing.T) {
	r := active(t, peerList)
	r.peers.Witnesses, r.peers.Unreachable = []netip.Addr{lower}, nil
	r.run(2 * time.Second)
	r.peers.Witnesses, r.peers.Unreachable = []netip.Addr{upper}, []netip.Addr{upper}
	r.run(3 * time.Second)
	if r.e.Status().Unreachable {
		t.Error("one of two looked a moment earlier, and reached it")
	}
	r.run(4 * time.Second)
	if !r.e.Status().Unreachable {
		t.Error("the only one that looks does not reach it")
	}

	r = active(t, peerList)
	r.step(HealthChanged{Healthy: false})
	r.run(5 * time.Second)
	r.step(HealthChanged{Healthy: true})
	r.peers.Witnesses, r.peers.Unreachable = []netip.Addr{lower}, []netip.Addr{lower}
	r.run(5 * time.Second)
	if r.e.Status().Unreachable {
		t.Error("they looked while no backend was healthy")
	}
	r.run(3 * time.Second)
	if !r.e.Status().Unreachable {
		t.Error("it is not found out")
	}
}

// Row 32: an isolated node that took the addresses while the API was away does not claim the Lease of who serves everybody.
func TestIsolatedHolderWithoutAClaim(t *testing.T) {
	r, f := withAPI(t, another(3), peerList)
	r.hear(upper, claimPriority(3))
	r.step(PeersDone{Reached: []netip.Addr{upper}})
	r.cut()
	f.down = true
	r.until(Active, 8*time.Second)
	f.down = false
	r.run(900 * time.Millisecond)
	if len(f.writes) > 0 || f.lease.Holder != "other/1" {
		t.Errorf("claimed: stored %s", f.lease)
	}
	r.wantState(Active)
}

// Row 15: a cut between this node and the holder alone moves nothing: the peer that both reach hears the holder.
func TestPeerThatHearsTheHolder(t *testing.T) {
	r, f := withAPI(t, another(3), peerList)
	r.hear(upper, claimPriority(3))
	r.peers.Reached, r.peers.Heard = []netip.Addr{lower}, []netip.Addr{upper}
	renews(r, f, another(3), 30*time.Second)
	r.wantState(Backup)
	if len(f.writes) > 0 {
		t.Errorf("claimed: %v", f.writes)
	}
}

// Row 15: what was silent while this node was cut off shows nothing: when it is joined again, the gateway may answer before the
// holder does.
func TestJoinedNodeDoesNotSeize(t *testing.T) {
	r, f := withAPI(t, another(3), func(c *Config) { c.Peers = []netip.Addr{own, upper} })
	r.hear(upper, claimPriority(3))
	r.step(PeersDone{Reached: []netip.Addr{upper}})
	r.cut()
	renews(r, f, another(3), 30*time.Second)
	r.peers.Gateway = Answers
	r.run(900 * time.Millisecond)
	r.peers.Reached, r.verdict = []netip.Addr{upper}, found(Live)
	renews(r, f, another(3), 5*time.Second)
	r.wantState(Backup)
	if len(f.writes) > 0 {
		t.Errorf("claimed: %v", f.writes)
	}
}

// Row 15: that the former holder lived while it was not reached says nothing of the node that has just become the holder.
func TestNewHolderIsNotCutOff(t *testing.T) {
	a, now := arbiter{cfg: &Config{Identity: "me/1"}}, time.Unix(1000, 0)
	for i, l := range []Lease{{Version: "1", Holder: "a/1", Epoch: 1}, {Version: "2", Holder: "a/1", Epoch: 1}, {Version: "3", Holder: "b/1", Epoch: 2}} {
		at := now.Add(time.Duration(i) * 300 * time.Millisecond)
		a.observe(at, reading, LeaseDone{Outcome: Answered, Lease: l, Sent: at})
		if lives := !a.living.IsZero(); lives != (i == 1) {
			t.Errorf("%s: living %t", l, lives)
		}
	}
}
