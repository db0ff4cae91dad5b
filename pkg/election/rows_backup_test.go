// SPDX-License-Identifier: Apache-2.0

package election

import (
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/harbinger-ha/harbinger/pkg/vrrp"
)

// The tests of this file and of rows_active_test.go hold the transition table of README.md, by the numbers of its rows.
// Rows 6, 14, 15, 17 to 20, 24, 29 to 34 and 37 need a Lease.

// zombie makes a probe find the addresses in a kernel without a process behind them.
func zombie(known bool) ProbeDone {
	if known {
		return found(Zombie)
	}
	return foreignHost("02:00:00:00:09:09")
}

func TestRow1StartRemovesLeftovers(t *testing.T) {
	r := newRouter(t)
	r.step(Startup{})
	if len(r.trace) == 0 || r.trace[0] != "release" {
		t.Errorf("did %q, want the release first", r.trace)
	}
	r.wantState(Backup)
	r.step(Startup{}) // a second one does nothing
	if r.did("release") != 1 {
		t.Errorf("did %q", r.trace)
	}
}

func TestRow1JitterAloneOnly(t *testing.T) {
	jitter := func(c *Config) { c.Jitter = func() float64 { return 0.5 } }
	r := started(t, jitter)
	r.wantWithin("takeover without known peers", r.until(Active, 5*time.Second), 3709*time.Millisecond, 3711*time.Millisecond)
	r = started(t, jitter, peerList)
	// One peer has a higher address: its turn comes first.
	r.wantWithin("takeover among known peers", r.until(Active, 5*time.Second), 3629*time.Millisecond, 3631*time.Millisecond)
}

func TestRow2LinkDown(t *testing.T) {
	r := active(t)
	r.step(LinkChanged{Up: false})
	r.wantState(Initialize)
	r.wantOrder(advertisement(0), "release")
	r.taken()
	r.step(LinkChanged{Up: false})
	r.hear(lower, 50)
	r.run(20 * time.Second)
	if r.did("acquire")+r.did("advertise")+r.did("probe") != 0 {
		t.Errorf("without a link did %q", r.trace)
	}
	r.step(LinkChanged{Up: true})
	r.wantState(Backup)
	r.wantWithin("takeover after the link came back", r.until(Active, 5*time.Second), 3609*time.Millisecond, 3611*time.Millisecond)
}

// After a fault of the link nothing is known any more (RFC 9568, section 6.4.1).
func TestRow1LinkUpForgetsTheLearnedInterval(t *testing.T) {
	r := started(t)
	r.hearEvery(upper, 200, 5*time.Second)
	r.step(LinkChanged{Up: false}, LinkChanged{Up: true})
	r.wantWithin("takeover", r.until(Active, 20*time.Second), 3609*time.Millisecond, 3611*time.Millisecond)
}

// Equal nodes take turns, 20 ms each, all of them within a tenth of the interval. The other family has the same nodes.
func TestRow1Turns(t *testing.T) {
	for _, tc := range []struct {
		name     string
		interval time.Duration
		peers    []string
		turn     time.Duration
	}{
		{"first", time.Second, []string{"192.0.2.1", "192.0.2.2"}, 0},
		{"third", time.Second, []string{"192.0.2.1", "192.0.2.2", "192.0.2.3", "192.0.2.4"}, 40 * time.Millisecond},
		{"two families", time.Second, []string{"192.0.2.2", "192.0.2.3", "2001:db8::3"}, 20 * time.Millisecond},
		{"fast", 100 * time.Millisecond, []string{"192.0.2.2", "192.0.2.3", "192.0.2.4"}, 10 * time.Millisecond},
	} {
		t.Run(tc.name, func(t *testing.T) {
			r := started(t, interval(tc.interval), func(c *Config) {
				c.Primary = append(c.Primary, netip.MustParseAddr("2001:db8::2"))
				for _, p := range tc.peers {
					c.Peers = append(c.Peers, netip.MustParseAddr(p))
				}
			})
			down := vrrp.ActiveDownInterval(vrrp.Version3, 100, tc.interval) + tc.turn
			r.wantWithin("takeover", r.until(Active, 5*time.Second), down-time.Millisecond, down+time.Millisecond)
		})
	}
}

// Over IPv6 a node advertises from its link-local address, and the others know it by another one: that gives its turn.
func TestRow1TurnsOverIPv6(t *testing.T) {
	peers := []netip.Addr{netip.MustParseAddr("2001:db8::1"), netip.MustParseAddr("2001:db8::2"), netip.MustParseAddr("2001:db8::3")}
	for i, own := range peers {
		r := started(t, func(c *Config) {
			c.Primary, c.Known, c.Peers = []netip.Addr{netip.MustParseAddr("fe80::2")}, []netip.Addr{own}, peers
		})
		down := vrrp.ActiveDownInterval(vrrp.Version3, 100, time.Second) + time.Duration(len(peers)-1-i)*RankStep
		r.wantWithin("takeover of "+own.String(), r.until(Active, 5*time.Second), down-time.Millisecond, down+time.Millisecond)
	}
}

// The second release, or that of the other family, asks no second time.
func TestRow3SecondRelease(t *testing.T) {
	r := started(t, priority(200))
	r.hear(upper, 250)
	r.run(time.Second)
	r.taken()
	r.hear(upper, 0)
	r.run(20 * time.Millisecond)
	r.hear(upper, 0)
	r.wantWithin("takeover", r.until(Active, time.Second), 218*time.Millisecond, 221*time.Millisecond)
	if r.did("probe") != 1 {
		t.Errorf("did %q, want one probe", r.trace)
	}
}

// Row 3: a keepalived that leaves has removed the addresses when they are asked for, and the takeover waits for nothing but the skew time.
func TestRow3AsksAMomentAfterARelease(t *testing.T) {
	for _, tc := range []struct {
		priority       uint8
		after, timeout time.Duration
	}{
		{100, 50 * time.Millisecond, 300 * time.Millisecond},
		{239, 17 * time.Millisecond, 49804688}, // three quarters of the skew time
	} {
		r := started(t, priority(tc.priority))
		r.hear(upper, 240)
		r.run(time.Second)
		r.taken()
		r.hear(upper, 0)
		skew := vrrp.SkewTime(vrrp.Version3, tc.priority, time.Second)
		var after time.Duration
		for ; r.did("probe") == 0; after += time.Millisecond {
			r.run(time.Millisecond)
		}
		r.wantWithin("question", after, tc.after, tc.after)
		if r.did("probe timeout="+tc.timeout.String()) != 1 {
			t.Errorf("did %q, want a probe of %s", r.trace, tc.timeout)
		}
		r.wantWithin("takeover", after+r.until(Active, time.Second), skew-time.Millisecond, skew+time.Millisecond)
	}
}

func TestRow4And5WhoIsDeferredTo(t *testing.T) {
	delayed := func(c *Config) { c.PreemptDelay = time.Minute }
	for _, tc := range []struct {
		name             string
		options          []option
		distressed       bool
		priority         uint8
		defers, distress bool
	}{
		{name: "higher", priority: 101, defers: true},
		{name: "equal", priority: 100, defers: true},
		{name: "lower", priority: 99},
		{name: "lower, no preemption", options: []option{noPreempt}, priority: 11, defers: true},
		{name: "lower, preemption delayed", options: []option{delayed}, priority: 99, defers: true},
		{name: "in distress", priority: 10},
		{name: "in distress, no preemption", options: []option{noPreempt}, priority: 10},
		{name: "in distress, preemption delayed", options: []option{delayed}, priority: 10},
		{name: "healthy, self in distress", distressed: true, priority: 11, defers: true},
		{name: "equal distress", distressed: true, priority: 4, defers: true},
	} {
		t.Run(tc.name, func(t *testing.T) {
			r := started(t, tc.options...)
			r.step(HealthChanged{Healthy: !tc.distressed})
			for range 3 { // the last second is left to the holder
				r.hear(lower, tc.priority)
				r.run(time.Second)
			}
			r.hear(lower, tc.priority)
			r.run(900 * time.Millisecond)
			if defers := r.e.State() == Backup; defers != tc.defers {
				t.Errorf("state %s; did %q", r.e.State(), r.trace)
			}
		})
	}
}

func TestRow4LearnedIntervalIsClamped(t *testing.T) {
	r := started(t)
	r.hearEvery(upper, 200, 40950*time.Millisecond)
	r.hearEvery(upper, 200, 40950*time.Millisecond)
	if got := r.e.Status().AdvertisementInterval; got != longestLearned {
		t.Errorf("interval %s", got)
	}
	if r.did("alarm IntervalClamped") != 1 {
		t.Errorf("did %q, want one alarm", r.trace)
	}
	r.wantWithin("takeover", r.until(Active, 40*time.Second), 36*time.Second, 37*time.Second)
	if got := r.e.Status().AdvertisementInterval; got != time.Second {
		t.Errorf("interval %s as Active, want the own one", got)
	}
	r = started(t)
	r.hearEvery(upper, 200, time.Millisecond)
	if got := r.e.Status().AdvertisementInterval; got != shortestLearned {
		t.Errorf("interval %s", got)
	}
}

func TestRow7ProbeBeforeTheTimer(t *testing.T) {
	r := started(t)
	r.run(3300 * time.Millisecond)
	if r.did("probe") != 0 {
		t.Errorf("did %q 310 ms before the end of the timer", r.trace)
	}
	r.run(20 * time.Millisecond)
	if r.did("probe timeout=300ms") != 1 {
		t.Errorf("did %q 290 ms before the end of the timer", r.trace)
	}
	r.wantState(Backup)
}

func TestRow8PreemptionAsksNobody(t *testing.T) {
	r := started(t)
	for range 3 {
		r.hear(lower, 50)
		r.run(time.Second)
	}
	r.hear(lower, 50)
	r.until(Active, time.Second)
	if r.did("probe") != 0 {
		t.Errorf("did %q", r.trace)
	}
}

func TestRow8DistressDoesNotPreempt(t *testing.T) {
	r := newRouter(t, priority(200))
	r.step(Startup{})
	for range 20 {
		r.hear(lower, 1)
		r.run(time.Second)
	}
	r.wantState(Backup)
	if !r.e.Status().Distress || r.e.Status().Priority != 8 {
		t.Errorf("status %+v", r.e.Status())
	}
}

// A node in distress follows a holder of a lower rank, so that it is not late when that one dies.
func TestRow8DistressFollows(t *testing.T) {
	r := started(t)
	r.step(HealthChanged{Healthy: false})
	for range 5 {
		r.hear(lower, 1)
		r.run(time.Second)
	}
	r.wantWithin("takeover", time.Second+r.until(Active, 5*time.Second), 3980*time.Millisecond, 3990*time.Millisecond)

	r = started(t)
	r.run(time.Second)
	r.hear(lower, 1) // ignored by a node that is not in distress yet
	r.step(HealthChanged{Healthy: false})
	r.wantWithin("takeover", r.until(Active, 10*time.Second), 3980*time.Millisecond, 3990*time.Millisecond)
}

// Nor is it the first when the holder dies just before its own distress.
func TestRow9DistressIsNotTheFirst(t *testing.T) {
	r := started(t)
	r.hear(upper, 200)
	r.step(HealthChanged{Healthy: false})
	r.wantWithin("takeover", r.until(Active, 10*time.Second), 3980*time.Millisecond, 3990*time.Millisecond)
}

// This node may find the fault of the holder a moment later: that is no reason to move.
func TestRow8BackendsHaveJustFailed(t *testing.T) {
	for _, tc := range []struct {
		every  time.Duration
		failed time.Duration // after the holder first advertised its distress
	}{
		{time.Second, 3500 * time.Millisecond},
		{100 * time.Millisecond, 2900 * time.Millisecond},
	} {
		r := started(t, interval(tc.every))
		r.hearEvery(lower, 200, tc.every)
		r.run(tc.every)
		for since := time.Duration(0); since < 10*time.Second && !t.Failed(); since += 100 * time.Millisecond {
			if since == tc.failed {
				r.step(HealthChanged{Healthy: false})
			}
			if since%tc.every == 0 {
				r.hearEvery(lower, 4, tc.every)
			}
			r.run(100 * time.Millisecond)
			r.wantState(Backup)
		}
	}
}

// The holder of two families is heard from two addresses; one that took the addresses in distress is preempted at once.
func TestRow8HolderInDistressIsPreempted(t *testing.T) {
	v4, v6 := lower, netip.MustParseAddr("fe80::1")
	for _, tc := range []struct {
		name    string
		healthy bool // before
		sources []netip.Addr
		after   time.Duration
	}{
		{"one family", true, []netip.Addr{v4}, 3609 * time.Millisecond},
		{"two families", true, []netip.Addr{v4, v6}, 3609 * time.Millisecond},
		{"since its takeover", false, []netip.Addr{v4, v6}, 609 * time.Millisecond},
	} {
		t.Run(tc.name, func(t *testing.T) {
			r := started(t, func(c *Config) { c.Primary = append(c.Primary, netip.MustParseAddr("fe80::2")) })
			r.run(3 * time.Second)
			if tc.healthy {
				r.hear(v4, 200)
				r.run(time.Second)
			}
			from := r.now
			for at := from; r.e.State() == Backup; r.run(time.Millisecond) {
				if !r.now.Before(at) {
					for _, source := range tc.sources {
						r.hear(source, 4)
					}
					at = r.now.Add(time.Second)
				}
				if r.now.Sub(from) > 10*time.Second {
					t.Fatal("no preemption in 10 s")
				}
			}
			r.wantState(Active)
			r.wantWithin("preemption", r.now.Sub(from), tc.after, tc.after+2*time.Millisecond)
		})
	}
}

func TestRow9SilenceWaitsForTheAnswer(t *testing.T) {
	r := started(t)
	r.mute = true
	r.wantWithin("silence", r.until(Claiming, 5*time.Second), 3609*time.Millisecond, 3611*time.Millisecond)
	r.run(500 * time.Millisecond)
	r.wantState(Claiming)
	if r.did("probe") != 1 {
		t.Errorf("did %q, want one probe outstanding", r.trace)
	}
	r.step(found(Free))
	r.wantState(Active)
}

// A process that was frozen in mid-probe finds an answer of the time before.
func TestRow9OldAnswer(t *testing.T) {
	r := started(t)
	r.mute = true
	r.until(Claiming, 5*time.Second)
	r.now = r.now.Add(10 * time.Second)
	r.taken()
	r.step(found(Free))
	r.wantState(Claiming)
	r.wantOrder("probe")
}

func TestRow10AdvertisementEndsTheClaim(t *testing.T) {
	r := started(t)
	r.mute = true
	r.until(Claiming, 5*time.Second)
	r.hear(lower, 50) // one that is not given way to changes nothing
	r.wantState(Claiming)
	r.hear(upper, 200)
	r.wantState(Backup)
	r.step(found(Free)) // of the old silence
	r.run(3 * time.Second)
	r.wantState(Backup)
}

func TestRow11ServedByAnother(t *testing.T) {
	for _, tc := range []struct {
		name       string
		verdict    Verdict
		distressed bool
		want       State
	}{
		{"live", Live, false, Backup},
		{"live, self in distress", Live, true, Backup},
		{"distress, self healthy", LiveDistress, false, Active},
		{"distress, self too", LiveDistress, true, Backup},
	} {
		t.Run(tc.name, func(t *testing.T) {
			r := started(t)
			r.step(HealthChanged{Healthy: !tc.distressed})
			r.verdict = found(tc.verdict)
			r.run(6 * time.Second)
			r.wantState(tc.want)
			if tc.want == Backup && r.did("alarm Filtered") != 1 {
				t.Errorf("did %q, want one alarm", r.trace)
			}
			if tc.want == Backup && r.did("probe") < 3 {
				t.Errorf("did %q, want it asked again", r.trace)
			}
		})
	}
}

func TestRow11SplitEnds(t *testing.T) {
	r := started(t)
	r.verdict = found(Live)
	r.run(6 * time.Second)
	if !r.e.Status().SplitSuspected {
		t.Fatal("no split suspected")
	}
	r.hear(upper, 200)
	if r.e.Status().SplitSuspected {
		t.Error("split suspected of a holder that is heard")
	}
}

// What a dead or frozen process leaves expires; its last refresh came up to half an interval after its last advertisement.
func TestRow12ZombieOfAPeer(t *testing.T) {
	r := started(t, priority(239)) // its timer ends after 3.07 s
	r.hear(upper, 240)
	r.verdict = zombie(true)
	r.run(3500 * time.Millisecond)
	r.wantState(Claiming)
	if n := r.did("probe"); n < 2 {
		t.Errorf("%d probes, want it asked again", n)
	}
	r.verdict = found(Free)
	r.wantWithin("takeover once the kernel dropped it", r.until(Active, time.Second), 0, 400*time.Millisecond)
}

// keepalived's addresses do not expire. A dead one is overruled, as VRRP would.
func TestRow12ZombieThatStays(t *testing.T) {
	// Lifetime, slack and half an interval are 3.6 s after the last sign of life: what was heard or answered, else the start.
	for name, life := range map[string]func(*router){
		"started": func(*router) {},
		"heard":   func(r *router) { r.run(2 * time.Second); r.hear(upper, 240) },
		"answered": func(r *router) {
			r.verdict = found(Live)
			r.run(8 * time.Second)
			r.step(Tick{})
		},
	} {
		t.Run(name, func(t *testing.T) {
			r := started(t, priority(239))
			life(r)
			r.verdict = zombie(true)
			r.wantWithin("takeover", r.until(Active, 10*time.Second), 3*time.Second, 4*time.Second)
		})
	}
}

func TestRow12And13ForeignHost(t *testing.T) {
	r := started(t, priority(239))
	r.verdict = zombie(false)
	r.run(3500 * time.Millisecond)
	r.wantState(Claiming)
	r.until(Conflict, time.Second)
	r.wantOrder("alarm ForeignHolder")
	r.run(time.Minute)
	r.wantState(Conflict)
	if r.did("acquire") != 0 {
		t.Errorf("took the address of a foreign host")
	}
}

// A node that cannot ask knows nothing of a holder. It asks again while a dead one may have the addresses, then takes them as VRRP
// would, unless a foreign host answers ARP for them.
func TestRow12CouldNotAsk(t *testing.T) {
	const detail = "network is unreachable"
	r := started(t, priority(239))
	r.verdict = ProbeDone{Detail: detail}
	r.run(3500 * time.Millisecond)
	r.wantState(Claiming)
	r.until(Active, time.Second)
	if n := r.did("probe"); n < 3 {
		t.Errorf("asked %d times, want again and again", n)
	}
	if got := r.e.Status().Reason; !strings.Contains(got, detail) {
		t.Errorf("took it because of %q, want what kept it from asking", got)
	}

	r = started(t)
	r.verdict = ProbeDone{Detail: detail, Neighbour: Answers, Owner: "02:00:00:00:09:09"}
	r.until(Conflict, 10*time.Second)
	r.verdict = ProbeDone{Detail: detail} // the host may be there still
	r.taken()
	r.run(time.Minute)
	r.wantState(Conflict)
	r.wantNone("alarm")
	r.verdict = found(Free)
	r.until(Active, 10*time.Second)
}

// A Backup that hears nobody, and saw a moment ago that somebody serves, does not take the addresses because it could not ask
// once: a starved host can ask nobody for a while.
func TestRow12CouldNotAskWhoServed(t *testing.T) {
	r := started(t)
	r.verdict = found(Served)
	r.run(10 * time.Second)
	r.verdict = ProbeDone{Detail: "began too late"}
	r.run(2500 * time.Millisecond)
	r.wantNone("acquire", "Active")
	r.verdict = found(Served)
	r.run(10 * time.Second)
	r.wantState(Backup)
	r.wantNone("acquire", "Active")
	r.verdict = ProbeDone{Detail: "network is unreachable"}
	r.wantWithin("takeover by a node that can never ask", r.until(Active, 10*time.Second), 3*time.Second, 5*time.Second)
}

// What kept a Backup from asking may end before its timer does.
func TestRow7AsksAgainWhereItCouldNot(t *testing.T) {
	r := started(t)
	r.verdict = ProbeDone{Detail: "no buffer space available"}
	for r.did("probe") == 0 {
		r.run(time.Millisecond)
	}
	r.probes = nil // the answer comes at once
	r.step(r.verdict)
	r.run(2 * reprobeZombie)
	r.wantState(Backup)
	if n := r.did("probe"); n < 2 {
		t.Errorf("asked %d times, want again", n)
	}
}

// The alarm names the node that serves and is not heard.
func TestRow11NamesTheHolder(t *testing.T) {
	r := started(t)
	r.verdict = found(Live)
	r.run(5 * time.Second)
	if r.alarm.Kind != Filtered || r.alarm.Owner != r.verdict.Owner {
		t.Errorf("alarm %+v, want one about %s", r.alarm, r.verdict.Owner)
	}
}

// The alarm, the reason and the status name the foreign host, and another one when it has taken its place.
func TestRow13NamesTheForeignHost(t *testing.T) {
	r := started(t)
	for _, mac := range []string{"02:00:00:00:09:09", "02:00:00:00:09:0a"} {
		r.verdict = foreignHost(mac)
		r.until(Conflict, 10*time.Second)
		r.run(2 * time.Second)
		s := r.e.Status()
		if r.alarm.Kind != ForeignHolder || r.alarm.Owner != mac {
			t.Errorf("alarm %+v, want one about %s", r.alarm, mac)
		}
		if s.ConflictOwner != mac || s.Conflict != mac+": connection refused" || s.Reason != "foreign holder: "+s.Conflict {
			t.Errorf("conflict %q with %q, reason %q", s.Conflict, s.ConflictOwner, s.Reason)
		}
		if r.did("alarm ForeignHolder: a host that is no peer holds the virtual address (or a node that is not known yet, and is not heard): "+s.Conflict) == 0 {
			t.Errorf("no alarm that names %s", mac)
		}
	}
}

func TestRow13OtherCluster(t *testing.T) {
	r := started(t)
	r.verdict = found(Foreign)
	r.until(Conflict, 5*time.Second)
	r.taken()
	r.run(10 * time.Second)
	if n := r.did("probe"); n < 6 || n > 10 {
		t.Errorf("%d probes in 10 s, want about one a second", n)
	}
}

func TestRow16FreeIsTaken(t *testing.T) {
	r := started(t)
	r.wantWithin("takeover", r.until(Active, 5*time.Second), 3609*time.Millisecond, 3611*time.Millisecond)
	r.wantOrder("probe", "Backup to Active", "acquire", advertisement(100), "announce")
}

// With advertisements of 100 ms the takeover is over 0.45 s after the last one.
func TestRow16FastAdvertisements(t *testing.T) {
	fast := func(c *Config) { c.AdvertisementInterval, c.Lifetime = 100*time.Millisecond, time.Second }
	for _, p := range []uint8{1, 11, 100, 239, 254} {
		r := started(t, fast, priority(p))
		r.hearEvery(upper, 254, 100*time.Millisecond)
		r.wantWithin("takeover", r.until(Active, time.Second), 300*time.Millisecond, 400*time.Millisecond)
	}
}

func TestRow38BackupStops(t *testing.T) {
	for _, verdict := range []Verdict{Free, Live, Zombie, Foreign} {
		for _, after := range []time.Duration{0, 3400 * time.Millisecond, 3800 * time.Millisecond, 8 * time.Second} {
			r := started(t)
			r.verdict = found(verdict)
			r.run(after)
			if r.e.State() == Active {
				continue
			}
			r.taken()
			r.step(Shutdown{})
			r.wantState(Initialize)
			r.wantOrder("release", "finished")
			if r.did("advertise") != 0 {
				t.Errorf("%s after %s: a node that held nothing did %q", verdict, after, r.trace)
			}
			r.step(found(Free))
			r.run(10 * time.Second)
			r.wantState(Initialize)
		}
	}
}

func TestRow39ConflictEnds(t *testing.T) {
	r := started(t)
	r.verdict = zombie(false)
	r.until(Conflict, 10*time.Second)
	r.verdict = found(Free)
	r.wantWithin("two verdicts", r.until(Backup, 5*time.Second), time.Second, 3*time.Second)
	r.wantWithin("takeover", r.until(Active, 5*time.Second), 609*time.Millisecond, 620*time.Millisecond) // the skew time

	r = started(t)
	r.verdict = zombie(false)
	r.until(Conflict, 10*time.Second)
	r.verdict = ProbeDone{Neighbour: Nobody, Detail: "too many open files"} // nobody answers ARP any more
	r.until(Active, 10*time.Second)

	r = started(t)
	r.verdict = zombie(false)
	r.until(Conflict, 10*time.Second)
	r.hear(upper, 200) // a peer took it from the foreign host
	r.wantState(Backup)
}
