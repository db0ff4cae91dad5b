// SPDX-License-Identifier: Apache-2.0

package election

import (
	"net/netip"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/harbinger-ha/harbinger/pkg/vrrp"
)

const fast = 200 * time.Millisecond

// silentHolder returns a Backup of three with advertisements of 200 ms whose holder keeps its Lease fresh and has just advertised for
// the last time. The other Backup is reached, and nobody answers for the address.
func silentHolder(t *testing.T) (*router, *fakeAPI) {
	t.Helper()
	r, f := withAPI(t, another(3), peerList, interval(fast), func(c *Config) { c.Lifetime = time.Second })
	r.peers = PeersDone{Reached: []netip.Addr{lower}, Gateway: Answers}
	for range 10 {
		r.hearEvery(upper, claimPriority(3), fast)
		f.put(another(3))
		r.run(fast)
	}
	r.hearEvery(upper, claimPriority(3), fast)
	f.put(another(3))
	r.taken()
	return r, f
}

// A holder that is silent, and whose address nobody answers for, is replaced by who is of a majority beside its fresh Lease: after the
// Active_Down_Interval, and one write.
func TestRow15SilenceIsProved(t *testing.T) {
	r, f := silentHolder(t)
	took := r.until(Active, 5*time.Second)
	r.wantWithin("takeover", took, 3*fast, 4*fast)
	if f.lease.Holder != "me/1" || f.lease.Epoch != 4 {
		t.Errorf("stored %s", f.lease)
	}
	const reason = "virtual address silent, 5 questions, Lease of other taken over fresh"
	if got := r.e.Status().Reason; got != reason || Cause(got) != "silence" {
		t.Errorf("reason %q of cause %s, want %q", got, Cause(got), reason)
	}
	r.wantOrder("probe timeout=110ms asks=5", "write lease of me/1 epoch=4", "acquire", advertisement(claimPriority(4)))
}

// Row 7: the questions begin when the fence of a holder that died is closed, two intervals after a renewal that it made half an interval
// after its last advertisement.
func TestRow7AsksWhenTheFenceIsClosed(t *testing.T) {
	for _, a := range []time.Duration{20 * time.Millisecond, fast, time.Second} {
		r := started(t, interval(a), priority(254))
		r.hearEvery(upper, 254, a)
		from := r.now
		for r.did("probe") == 0 {
			r.run(time.Millisecond)
		}
		fence := FenceTimeout(a, true) + a/2 - min(answerSlack, a/5) // for the answer to the last question there is a little more
		if at := r.now.Sub(from); at < fence || at > 3*a {
			t.Errorf("A = %s: asks after %s of silence, want %s to %s", a, at, fence, 3*a)
		}
	}
}

// Row 15: what proves nothing leaves a fresh Lease to its holder: a node that is in distress, whom a peer that hears the holder
// contradicts, that was cut off in this silence, that could not ask by ARP, that a peer answered, or that knows no peers.
func TestRow15WhatProvesNothing(t *testing.T) {
	answers := found(Free)
	answers.Neighbour, answers.Peer, answers.Owner = Answers, upper, "02:00:00:00:00:83"
	unasked := found(Free)
	unasked.Neighbour = CouldNotAsk
	for name, change := range map[string]func(*router){
		"in distress":         func(r *router) { r.step(HealthChanged{}); r.run(DistressAfter) },
		"a peer hears it":     func(r *router) { r.peers.Heard = []netip.Addr{upper} },
		"cut off":             func(r *router) { r.peers.Reached = nil; r.peers.Gateway = Nobody },
		"was cut off":         func(r *router) { r.step(PeersDone{Gateway: Nobody}) },
		"could not ask":       func(r *router) { r.verdict = unasked },
		"a peer answers":      func(r *router) { r.verdict = answers },
		"no peers are known":  func(r *router) { r.e.cfg.Peers = nil },
		"lost the Lease once": func(r *router) { r.e.lostTo(upper) },
	} {
		r, f := silentHolder(t)
		change(r)
		renews(r, f, another(3), 1500*time.Millisecond)
		if len(f.writes) > 0 || r.e.State() == Active {
			t.Errorf("%s: state %s after 1.5 s, stored %s", name, r.e.State(), f.lease)
		}
	}
}

// Row 12: how often the address is asked follows the frames that are lost, as neighbours that live show it.
func TestRow12AsksFollowTheLoss(t *testing.T) {
	for _, tc := range []struct {
		asked, heard int
		want         int // questions before the takeover, at least
		most         time.Duration
	}{
		{10, 10, 5, 800 * time.Millisecond},
		{10, 6, 13, 1100 * time.Millisecond},
		{20, 4, 52, 2200 * time.Millisecond},
	} {
		r, _ := silentHolder(t)
		r.verdict.Asked, r.verdict.Heard = tc.asked, tc.heard
		took := r.until(Active, 5*time.Second)
		asks := 0
		for _, a := range r.trace {
			if _, text, ok := strings.Cut(a, " asks="); ok {
				n, err := strconv.Atoi(text)
				if err != nil {
					t.Fatal(err)
				}
				asks += n
			}
		}
		if asks < tc.want || took > tc.most {
			t.Errorf("%d of %d answered: took over after %d questions in %s, want %d in %s", tc.heard, tc.asked, asks, took, tc.want, tc.most)
		}
	}
}

// The advertisements that do not arrive show what is lost where nobody else does; a gap that no loss explains shows nothing.
func TestAdvertisementsShowTheLoss(t *testing.T) {
	h := heard{interval: fast}
	for range 100 {
		h.lose(fast)
	}
	if s := (&silence{}); s.need(h.loss) != fewestAsks {
		t.Errorf("without loss %d questions", s.need(h.loss))
	}
	for range 25 {
		h.lose(3 * fast)
		h.lose(2 * fast)
		h.lose(fast)
	}
	if h.loss < 0.3 || h.loss > 0.6 || (&silence{}).need(h.loss) < 15 {
		t.Errorf("half is lost: share %.2f, %d questions", h.loss, (&silence{}).need(h.loss))
	}
	was := h.loss
	if h.lose(20 * fast); h.loss != was {
		t.Errorf("a cut counts as loss: %.2f after %.2f", h.loss, was)
	}
	if n := (&silence{tried: 10, answered: 10}).need(h.loss); n != fewestAsks {
		t.Errorf("%d questions, although what is asked now is answered", n)
	}
	if n := (&silence{tried: 10, answered: 0}).need(0); n != mostAsks {
		t.Errorf("%d questions where nothing is answered", n)
	}
}

// What was silent longer ago than 2 A, or half a second, says nothing of now.
func TestSilenceAges(t *testing.T) {
	for a, age := range map[time.Duration]time.Duration{20 * time.Millisecond: youngestSilence, fast: 2 * fast, time.Second: oldestSilence} {
		r := started(t, interval(a))
		free := found(Free)
		r.e.probe.answer = &free
		r.e.probe.silence = silence{count: fewestAsks, at: r.now}
		for _, after := range []time.Duration{age, age + time.Millisecond} {
			r.e.now = r.now.Add(after)
			if got := r.e.silent(); got != (after == age) {
				t.Errorf("A = %s: silent %t after %s", a, got, after)
			}
		}
	}
}

// Row 15: another node claims the Lease while this one asks: what it found is of the holder before.
func TestRow15AnotherClaimsMeanwhile(t *testing.T) {
	r, f := silentHolder(t)
	for r.did("probe") == 0 {
		r.run(time.Millisecond)
	}
	f.put(Lease{Holder: "third/1", Node: "third", Epoch: 4, Address: lower, Priority: 100})
	from := r.now
	for r.now.Sub(from) < 600*time.Millisecond {
		r.run(time.Millisecond)
	}
	r.wantState(Backup)
	if f.lease.Holder != "third/1" {
		t.Errorf("stored %s", f.lease)
	}
	r.wantOrder("write lease of me/1 epoch=4", "Claiming to Backup: third has claimed epoch 4 meanwhile")
}

// Row 15: another node has claimed the Lease just before this one asks, and may wait for the answer still: that it does not serve yet is
// no silence. It is one as soon as nobody can wait any more, which is before the Lease is stale.
func TestRow15ClaimUnderWay(t *testing.T) {
	r, f := silentHolder(t)
	for r.did("probe") == 0 {
		r.run(time.Millisecond)
	}
	f.put(Lease{Holder: "third/1", Node: "third", Epoch: 4, Address: lower, Priority: 100})
	claimed := r.now
	r.until(Active, 5*time.Second)
	r.wantWithin("takeover after the claim", r.now.Sub(claimed), readAge, 2*time.Second)
	r.wantOrder("Claiming to Backup: third has claimed epoch 4 meanwhile", "write lease of me/1 epoch=5")
}

// Row 15: the holder has renewed its Lease since it was read: the same epoch is claimed at once.
func TestRow15RenewedMeanwhile(t *testing.T) {
	r, f := silentHolder(t)
	for r.did("probe") == 0 {
		r.run(time.Millisecond)
	}
	f.put(another(3))
	r.until(Active, time.Second)
	if len(f.writes) != 2 || f.lease.Holder != "me/1" {
		t.Errorf("writes %v", f.writes)
	}
}

// Row 17: an API that does not answer is waited for half an interval, and its answer decides when it comes.
func TestRow17TheLateAnswerDecides(t *testing.T) {
	third := Lease{Holder: "third/1", Node: "third", Epoch: 9, Address: lower, Priority: 100}
	for _, tc := range []struct {
		name   string
		stored *Lease // meanwhile
		want   State
		holder string
	}{
		{"the write was carried out", nil, Active, "me/1"},
		{"the old holder renewed it", ptr(another(3)), Active, "me/1"},
		{"another has claimed it", &third, Backup, "third/1"},
	} {
		r, f := silentHolder(t)
		r.run(fast)
		f.takes = 600 * time.Millisecond
		if tc.stored != nil {
			r.run(2 * fast)
			f.put(*tc.stored)
		}
		took := r.until(Active, time.Second)
		r.wantWithin(tc.name+": takeover", took, fast/4, 4*fast)
		if !strings.HasSuffix(r.e.Status().Reason, "no answer of the API yet") {
			t.Errorf("%s: %s", tc.name, r.e.Status().Reason)
		}
		f.takes = 0
		if tc.want == Backup {
			r.until(Backup, 1300*time.Millisecond)
		} else {
			r.run(600 * time.Millisecond) // before the Lease can be stale
		}
		r.wantState(tc.want)
		if given := r.did("release") > 0; given != (tc.want == Backup) {
			t.Errorf("%s: gave the addresses up %t", tc.name, given)
		}
		if f.lease.Holder != tc.holder {
			t.Errorf("%s: stored %s, want %s", tc.name, f.lease, tc.holder)
		}
	}
}

// Row 31: the newer claim of a node that has given way meanwhile, as its answer came late, comes to nothing: it is read again before it
// counts.
func TestRow31ALateClaimComesToNothing(t *testing.T) {
	r, f := silentHolder(t)
	r.run(fast)
	f.takes = 600 * time.Millisecond
	r.until(Active, time.Second)
	f.takes = 0
	f.put(Lease{Holder: "third/1", Node: "third", Epoch: 9, Address: lower, Priority: 100})
	for reads := f.reads; f.reads == reads; {
		r.run(time.Millisecond)
	}
	r.run(20 * time.Millisecond) // until it is answered
	r.wantState(Active)
	f.put(Lease{Epoch: 9})
	r.run(2 * fast)
	r.wantState(Active)
	r.wantNone("release")
	f.wantHolder(t, "me/1", 10)
}

// Row 10: the Lease of a claim whose answer comes after this node has given way is released at once.
func TestRow10ALateClaimIsReleasedAtOnce(t *testing.T) {
	r, f := silentHolder(t)
	r.run(fast)
	for r.did("write lease of me/1") == 0 {
		r.run(time.Millisecond)
	}
	r.hearEvery(lower, 100, fast)
	r.wantState(Backup)
	f.wantHolder(t, "me/1", 4)
	r.run(50 * time.Millisecond)
	f.wantHolder(t, "", 4)
}

// Row 17: who took the addresses before the Lease answered advertises without it, which did not count beside this Lease before. Where the
// Lease does not answer this node either, the wire decides.
func TestRow17WhoAdvertisesFirst(t *testing.T) {
	for from, want := range map[netip.Addr]State{lower: Backup, netip.MustParseAddr("192.0.2.99"): Active} { // a peer, and another host
		r, f := silentHolder(t)
		r.hearEvery(from, 100, fast) // refuted by the read that follows
		for range 5 {
			r.run(fast)
			r.hearEvery(upper, claimPriority(3), fast)
			f.put(another(3))
		}
		f.takes = time.Minute
		r.until(Claiming, time.Second)
		r.hearEvery(from, 100, fast)
		r.wantState(Claiming)
		r.until(want, fast)
	}
}

// Row 17: a read that was sent when the holder fell silent has been waited for when the Active_Down_Timer ends: half of the time is left
// to another node whose API answers.
func TestRow17CountsWhatWasWaited(t *testing.T) {
	r, f := silentHolder(t)
	f.takes = time.Minute
	due := r.e.downAt.Sub(r.now) + fast/4
	r.wantWithin("takeover", r.until(Active, time.Second), due, due+fast/20)
}

// Row 17: where that read is answered in time, the write has half an interval of its own.

// Row 17: a peer that heard the last advertisement a little later contradicts the proof at first. It is asked again, as the Lease may
// not answer for long.
func TestRow17AsksThePeersAgain(t *testing.T) {
	r, f := silentHolder(t)
	f.takes = time.Minute
	r.peers.Heard = []netip.Addr{upper}
	r.until(Claiming, time.Second)
	r.run(fast / 4)
	r.peers.Heard = nil
	r.wantWithin("takeover", r.until(Active, time.Second), 0, fast)
}

// Row 17: it asks the peers once in a quarter of an interval, and only while their answer may prove something.
func TestRow17AsksThePeersNoMoreThanNeeded(t *testing.T) {
	for name, tc := range map[string]struct {
		change func(*router)
		most   int
	}{
		"contradicted": {func(r *router) { r.peers.Heard = []netip.Addr{upper} }, 5},
		"in conflict":  {func(r *router) { r.verdict.Neighbour = CouldNotAsk }, 1},
	} {
		r, f := silentHolder(t)
		f.takes = time.Minute
		tc.change(r)
		r.until(Claiming, time.Second)
		r.taken()
		r.run(fast)
		if asked := r.did("ask peers"); asked > tc.most {
			t.Errorf("%s: asked the peers %d times in an interval", name, asked)
		}
	}
}

func TestRow17WaitsForTheWrite(t *testing.T) {
	r, f := silentHolder(t)
	r.run(fast)
	f.takes = 9 * fast / 4 // of the read after 1.2 A of silence: the next is answered just after the Active_Down_Timer
	r.run(fast / 4)
	f.takes = 3 * fast / 10
	r.until(Active, 3*fast)
	if f.lease.Holder != "me/1" || !strings.HasSuffix(r.e.Status().Reason, "taken over fresh") {
		t.Errorf("stored %s, active because %s", f.lease, r.e.Status().Reason)
	}
}

func ptr[T any](v T) *T { return &v }

// Status: a node that has not heard the holder for two intervals does not say that it hears it.
func TestStatusSilent(t *testing.T) {
	r := started(t, interval(fast))
	r.hearEvery(upper, 150, fast)
	s := r.e.Status()
	if s.Silent(r.now.Add(2*fast - 1)) {
		t.Error("silent after less than two intervals")
	}
	if !s.Silent(r.now.Add(2 * fast)) {
		t.Error("not silent after two intervals")
	}
}

// T2: nodes of equal priority are parted by more than a frame takes, also with short intervals.
func TestTurnsAreParted(t *testing.T) {
	for a, want := range map[time.Duration]time.Duration{10 * time.Millisecond: 2500 * time.Microsecond, 20 * time.Millisecond: 4 * time.Millisecond, fast: 10 * time.Millisecond, time.Second: RankStep} {
		r := started(t, peerList, interval(a))
		if got := r.e.cfg.turn(); got != want {
			t.Errorf("A = %s: the second waits %s longer, want %s", a, got, want)
		}
	}
}

// A holder that falls silent has no turn: the next one takes over when its own timer ends, whichever address the holder had.
func TestTurnOfTheHolderIsNobodys(t *testing.T) {
	for _, holder := range []netip.Addr{upper, lower} {
		r := started(t, peerList, interval(fast))
		r.hearEvery(holder, 150, fast)
		want := r.now.Add(vrrp.ActiveDownInterval(vrrp.Version3, r.e.priority(), fast))
		if holder == lower { // the higher one lives, and is the first
			want = want.Add(r.e.cfg.turn())
		}
		if got := r.e.downAt; !got.Equal(want) {
			t.Errorf("holder %s: the timer ends %s after it should", holder, got.Sub(want))
		}
	}
}

// Rows 8 and 11 where frames are lost (F37): a holder in distress is given longer, and its silence does not end that.
func TestLossBearsAHolderInDistress(t *testing.T) {
	const patience = DistressPatience * 16 / 9
	for _, tc := range []struct {
		name    string
		loss    float64
		unheard bool          // its first advertisement of distress comes after two that are lost
		silent  bool          // no other comes, and a probe finds it
		after   time.Duration // of which it is preempted, without skew and turn
	}{
		{name: "none", after: DistressPatience},
		{name: "none, after a gap", unheard: true, after: 0},
		{name: "a quarter", loss: .25, after: patience},
		{name: "a quarter, after a gap", loss: .25, unheard: true, after: patience},
		{name: "a quarter, and it is silent", loss: .25, silent: true, after: patience},
		{name: "more than counts", loss: .9, after: DistressPatience * 100 / 49},
	} {
		t.Run(tc.name, func(t *testing.T) {
			r := started(t, interval(fast))
			r.verdict = found(LiveDistress)
			r.hearEvery(lower, 200, fast)
			r.run(fast)
			r.hearEvery(lower, 200, fast)
			if r.run(fast); tc.unheard {
				r.run(2 * fast)
			}
			from := r.now
			for i := 0; r.e.State() != Active && r.now.Sub(from) < 20*time.Second; i++ {
				if r.e.heard.loss = tc.loss; i == 0 || !tc.silent {
					r.hearEvery(lower, 4, fast)
					r.e.heard.loss = tc.loss
				}
				r.run(fast)
			}
			r.wantWithin("preemption", r.now.Sub(from), tc.after, tc.after+4*fast+retryLive)
		})
	}
}
