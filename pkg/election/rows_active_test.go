// SPDX-License-Identifier: Apache-2.0

package election

import (
	"net/netip"
	"slices"
	"testing"
	"time"
)

var foreign = netip.Addr{} // whose hardware address is not a peer's

func (r *router) claim(peer netip.Addr) {
	r.t.Helper()
	r.step(AddressClaimed{Address: vip, Owner: "02:00:00:00:09:09", Peer: peer})
}

func (r *router) wantNone(prefixes ...string) {
	r.t.Helper()
	for _, p := range prefixes {
		if r.did(p) != 0 {
			r.t.Errorf("did %q, want no %q", r.trace, p)
		}
	}
}

func TestRow21AdvertisesAndAnnounces(t *testing.T) {
	r := started(t)
	r.until(Active, 5*time.Second)
	r.run(4500 * time.Millisecond)
	if a, g := r.did("advertise"), r.did("announce"); a != 5 || g != len(train) {
		t.Errorf("%d advertisements and %d announcements in 4.5 s, want 5 and %d", a, g, len(train))
	}
	r.taken()
	r.run(20 * time.Second)
	if n := r.did("announce"); n != 4 {
		t.Errorf("%d announcements in 20 s, want 4", n)
	}
}

func TestRow21DistressIsAdvertisedAtOnce(t *testing.T) {
	r := active(t)
	r.step(HealthChanged{Healthy: false})
	r.run(DistressAfter + time.Millisecond) // the next advertisement is due 0.4 s later
	r.wantOrder(advertisement(4))
}

func TestRow21LateAnnouncesAgain(t *testing.T) {
	r := active(t)
	r.run(9 * time.Second)
	r.taken()
	r.now = r.e.presence.advertised.Add(2800 * time.Millisecond)
	r.step(Tick{})
	r.wantState(Active)
	r.wantOrder("refresh", "advertise", "announce")
	r.run(500 * time.Millisecond)
	if r.did("announce") < 3 {
		t.Errorf("did %q, want the train", r.trace)
	}
}

func TestRow21LateFence(t *testing.T) {
	events := map[string]Event{
		"tick": Tick{}, "health": HealthChanged{Healthy: true}, "claim": AddressClaimed{Address: vip, Peer: lower},
		"lost": AddressLost{}, "late": AddressLate{}, "stop": Shutdown{}, "link": LinkChanged{Up: false},
		"losing advertisement": Received{Source: lower},
	}
	for name, ev := range events {
		t.Run(name, func(t *testing.T) {
			r := active(t)
			r.now = r.e.presence.advertised.Add(2901 * time.Millisecond)
			r.step(ev)
			if r.e.State() == Active || len(r.trace) == 0 || r.trace[0] != "release" {
				t.Errorf("state %s; did %q", r.e.State(), r.trace)
			}
			r.wantNone("refresh", "announce", "advertise priority=1", "acquire")
		})
	}
}

func TestRow22Refreshes(t *testing.T) {
	r := active(t)
	r.run(10 * time.Second)
	if n := r.did("refresh"); n != 20 {
		t.Errorf("%d refreshes in 10 s, want one each half interval", n)
	}
	r = started(t, func(c *Config) { c.AdvertisementInterval, c.Lifetime = 10*time.Second, 2*time.Second })
	r.until(Active, time.Minute)
	r.taken()
	r.run(10 * time.Second)
	if n := r.did("refresh"); n != 20 {
		t.Errorf("%d refreshes in 10 s, want four each lifetime", n)
	}
}

func TestRow22Late(t *testing.T) {
	r := active(t)
	r.step(AddressLate{})
	r.wantState(Backup)
	r.wantOrder("alarm AddressUnkeepable", "release", "Active to Backup")
	r.wantNone("advertise") // another may hold them
}

func TestRow23ReleaseOfAnother(t *testing.T) {
	r := active(t)
	r.run(300 * time.Millisecond)
	r.taken()
	r.hear(upper, 0)
	r.wantState(Active)
	r.wantOrder(advertisement(100))
}

// Releases cost the holder one advertisement in 250 ms, however many come, and an advertisement follows the last of them: a Backup
// that heard it waits for its skew time alone.
func TestRow23AnswersAtARate(t *testing.T) {
	for _, every := range []time.Duration{time.Millisecond, 20 * time.Millisecond, 240 * time.Millisecond} {
		t.Run(every.String(), func(t *testing.T) {
			r := active(t)
			r.run(300 * time.Millisecond)
			r.taken()
			const long = 10 * time.Second
			for spent := time.Duration(0); spent < long; spent += every {
				r.hear(upper, 0)
				r.run(every)
			}
			if n := r.did("advertise"); n > 41 || n < 38 {
				t.Errorf("%d answers in %s, want one in 250 ms", n, long)
			}
			r.taken()
			r.hear(upper, 0)
			r.run(defendEvery)
			if r.did("advertise") == 0 {
				t.Error("no advertisement followed the last release")
			}
			r.wantState(Active)
		})
	}
}

// A planned stop releases twice, 20 ms apart.
func TestRow23AnswersTheSecondRelease(t *testing.T) {
	r := active(t)
	r.run(300 * time.Millisecond)
	r.taken()
	r.hear(upper, 0)
	r.run(secondRelease)
	r.hear(upper, 0)
	r.run(defendEvery - secondRelease - time.Millisecond)
	if n := r.did("advertise"); n != 1 {
		t.Errorf("%d answers in less than %s, want 1", n, defendEvery)
	}
	r.run(2 * time.Millisecond)
	if n := r.did("advertise"); n != 2 {
		t.Errorf("%d answers to two releases, want 2", n)
	}
}

// The loser advertises once more, so that the winner answers and announces last.
func TestRow25Yields(t *testing.T) {
	r := active(t)
	r.hear(lower, 200)
	r.wantState(Backup)
	r.wantOrder(advertisement(100), "release", "Active to Backup")
}

// The addresses of two families may have another order: the first family decides, while it is heard.
func TestRow25TieInTwoFamilies(t *testing.T) {
	const own6, upper6 = "2001:db8::2", "2001:db8::3"
	r := active(t, func(c *Config) { c.Primary = append(c.Primary, netip.MustParseAddr(own6)) })
	r.hear(lower, 100)
	r.hear(netip.MustParseAddr(upper6), 100)
	r.wantState(Active)
	r.hear(netip.MustParseAddr(upper6), 101) // no tie
	r.wantState(Backup)

	r = active(t, func(c *Config) { c.Primary = append(c.Primary, netip.MustParseAddr(own6)) })
	r.run(5 * time.Second)
	r.hear(netip.MustParseAddr(upper6), 100)
	r.wantState(Backup)
}

// How long a kernel keeps the addresses of a dead holder counts from its last advertisement.
func TestRow26RefreshesKeepStep(t *testing.T) {
	r := active(t)
	r.run(300 * time.Millisecond)
	r.hear(lower, 50)
	r.taken()
	r.run(time.Millisecond)
	r.wantOrder("refresh")
	r.taken()
	r.run(998 * time.Millisecond)
	if r.did("refresh") != 1 || r.did("advertise") != 0 {
		t.Errorf("did %q", r.trace)
	}
	r.run(2 * time.Millisecond)
	r.wantOrder("refresh", "refresh", advertisement(100))
}

func TestRow26DefendsAtARate(t *testing.T) {
	r := active(t)
	r.run(time.Second)
	r.taken()
	for range 100 {
		r.hear(lower, 50)
		r.now = r.now.Add(5 * time.Millisecond)
	}
	if n := r.did("advertise"); n != 2 {
		t.Errorf("%d answers in 500 ms, want 2", n)
	}
	r.wantOrder("advertise", "announce", "advertise", "announce")
}

func TestRow27ForeignClaim(t *testing.T) {
	r := active(t)
	r.run(time.Second)
	r.taken()
	for range 95 {
		r.claim(foreign)
		r.run(100 * time.Millisecond)
	}
	r.wantState(Active)
	// One defence of four announcements in 9.5 s, in addition to one every 5 s; advertisements as usual and one more.
	if a, g := r.did("advertise"), r.did("announce"); a < 9 || a > 11 || g < 4 || g > 6 {
		t.Errorf("%d advertisements, %d announcements", a, g)
	}
	want := Alarm{Kind: AddressConflict, Detail: "a foreign host, 02:00:00:00:09:09, claims 192.0.2.100", Owner: "02:00:00:00:09:09"}
	if !slices.Contains(r.e.Step(r.now, AddressClaimed{Address: vip, Owner: want.Owner}), Action(want)) {
		t.Errorf("no %s of %s", want, want.Owner)
	}
	if s := r.e.Status(); s.ConflictOwner != want.Owner || s.ConflictPeer.IsValid() || s.Conflict != want.Detail {
		t.Errorf("conflict with %q of %s: %s", s.ConflictOwner, s.ConflictPeer, s.Conflict)
	}
}

// Each state and rank has another patience, so that of two peers one yields first.
func TestRow28ClaimOfAPeer(t *testing.T) {
	for _, tc := range []struct {
		name       string
		peer       netip.Addr
		distressed bool
		patience   int
	}{
		{"of a higher peer, in distress", upper, true, 1},
		{"of a lower peer, in distress", lower, true, 2},
		{"of a higher peer", upper, false, 3},
		{"of a lower peer", lower, false, 8},
	} {
		t.Run(tc.name, func(t *testing.T) {
			r := active(t)
			r.step(HealthChanged{Healthy: !tc.distressed})
			r.run(time.Second)
			for n := 1; n < tc.patience; n++ {
				r.claim(tc.peer)
				r.wantState(Active)
				r.run(300 * time.Millisecond)
			}
			r.taken()
			r.claim(tc.peer)
			r.wantState(Backup)
			r.wantOrder("release", "Active to Backup")
		})
	}
}

// The same over IPv6, where the claim shows the address that the peer is known by.
func TestRow28ClaimOfAPeerOverIPv6(t *testing.T) {
	own := netip.MustParseAddr("2001:db8::2")
	for peer, patience := range map[string]int{"2001:db8::3": 3, "2001:db8::1": 8} {
		r := active(t, func(c *Config) {
			c.Primary, c.Known = []netip.Addr{netip.MustParseAddr("fe80::2")}, []netip.Addr{own}
			c.Peers = []netip.Addr{own, netip.MustParseAddr(peer)}
		})
		for n := 1; n < patience; n++ {
			r.claim(netip.MustParseAddr(peer))
			r.wantState(Active)
			r.run(300 * time.Millisecond)
		}
		r.claim(netip.MustParseAddr(peer))
		r.wantState(Backup)
	}
}

// A peer that is heard advertises with a lower rank, or this node had yielded: it does not yield to the peer's claims.
func TestRow28ClaimOfAPeerThatIsHeard(t *testing.T) {
	r := active(t)
	for range 20 {
		r.hear(upper, 50)
		r.claim(upper)
		r.run(400 * time.Millisecond)
	}
	r.wantState(Active)
	if s := r.e.Status(); s.Conflict != "192.0.2.3 claims 192.0.2.100" || s.ConflictPeer != upper || s.ConflictOwner != "02:00:00:00:09:09" {
		t.Errorf("conflict %q with %s, %q", s.Conflict, s.ConflictPeer, s.ConflictOwner)
	}
	r.run(30 * time.Second)
	if s := r.e.Status(); s.Conflict != "" || s.ConflictPeer.IsValid() || s.ConflictOwner != "" {
		t.Errorf("conflict %q with %s, %q long after the last claim", s.Conflict, s.ConflictPeer, s.ConflictOwner)
	}
}

// Two holders that meet, as when a cut heals, claim the addresses until one of them yields: that is no conflict. What a peer claims
// later is one, whether the own claim is confirmed or there is none.
func TestRow28ConflictIsWhatLasts(t *testing.T) {
	withoutLease := active(t)
	withoutLease.run(time.Second)
	withLease, f := holdingLease(t)
	for name, r := range map[string]*router{"without the Lease": withoutLease, "with the Lease": withLease} {
		settle := r.e.cfg.settle()
		r.taken()
		claims := func() {
			for range 3 { // fewer than end the patience
				r.claim(lower)
				r.run(settle/3 - 10*time.Millisecond)
			}
		}
		claims()
		if r.did("alarm") > 0 || r.e.Status().Conflict != "" {
			t.Errorf("%s: conflict %q, did %q", name, r.e.Status().Conflict, r.trace)
		}
		r.run(conflictWindow + settle)
		claims()
		if r.did("alarm") > 0 {
			t.Errorf("%s: the next meeting: did %q", name, r.trace)
		}
		r.run(100 * time.Millisecond)
		r.claim(lower)
		r.wantOrder("alarm AddressConflict")
		if s := r.e.Status(); s.Conflict != "192.0.2.1 claims 192.0.2.100" || s.ConflictPeer != lower {
			t.Errorf("%s: conflict %q with %s", name, s.Conflict, s.ConflictPeer)
		}
	}
	f.wantHolder(t, "me/1", 1)
}

func TestRow28OldClaimsAreForgotten(t *testing.T) {
	r := active(t)
	for range 20 {
		r.claim(upper)
		r.run(6 * time.Second)
	}
	r.wantState(Active)
	if r.did("announce") < 20 {
		t.Errorf("did not defend")
	}
	r.claim(foreign) // of a Backup, whose claim it may hear
	r.hear(upper, 200)
	r.taken()
	r.claim(upper)
	r.wantNone("release", "announce", "alarm")
}

func TestRow35DeletedByHand(t *testing.T) {
	r := active(t)
	r.run(700 * time.Millisecond)
	r.taken()
	r.step(AddressLost{})
	r.wantState(Active)
	r.wantOrder("acquire", "announce")
	r = started(t)
	r.taken()
	r.step(AddressLost{}, AddressLate{})
	if len(r.trace) != 0 {
		t.Errorf("a Backup did %q", r.trace)
	}
}

// Rows 1 and 4 of the health: half a second without a backend is a distress, two with one end it.
func TestDistressHysteresis(t *testing.T) {
	r := active(t)
	healthy := func(h bool, d time.Duration) {
		r.step(HealthChanged{Healthy: h})
		r.run(d)
	}
	want := func(distress bool, p uint8) {
		t.Helper()
		if s := r.e.Status(); s.Distress != distress || s.Priority != p {
			t.Errorf("distress %t with priority %d, want %t with %d", s.Distress, s.Priority, distress, p)
		}
	}
	healthy(false, 490*time.Millisecond)
	want(false, 100)
	healthy(true, 100*time.Millisecond)
	healthy(false, 490*time.Millisecond)
	want(false, 100)
	healthy(false, 20*time.Millisecond) // reported again: the time goes on
	want(true, 4)
	healthy(true, 1900*time.Millisecond)
	want(true, 4)
	healthy(true, 200*time.Millisecond)
	want(false, 100)
	r.wantState(Active)
}

func TestDistressAtStart(t *testing.T) {
	r := newRouter(t)
	r.step(Startup{})
	r.run(time.Second)
	if !r.e.Status().Distress {
		t.Error("no distress without a backend")
	}
	r.step(HealthChanged{Healthy: true})
	if r.e.Status().Distress {
		t.Error("the first healthy backend did not count at once")
	}
}

// The order of the configured priorities is kept within the class, and nobody rises above its own.
func TestDistressClassKeepsTheOrder(t *testing.T) {
	last := uint8(0)
	for p := 1; p <= 254; p++ {
		r := newRouter(t, priority(uint8(p)))
		r.step(Startup{})
		r.run(time.Second)
		got := r.e.Status().Priority
		if got < last || got < lowestPriority || got > highestDistress || int(got) > p {
			t.Errorf("priority %d is %d in distress, %d came before", p, got, last)
		}
		last = got
	}
}

// A changed priority counts from the next advertisement on, and for a Backup from the next timer on.
func TestReconfigured(t *testing.T) {
	r := active(t)
	r.step(Reconfigured{Priority: 150, Preempt: true})
	r.run(time.Second)
	if r.did(advertisement(150)) != 1 || r.did(advertisement(100)) != 0 {
		t.Errorf("did %q", r.trace)
	}
	r.hear(upper, 120)
	r.wantState(Active)
	r.step(Reconfigured{Priority: 110})
	r.hear(upper, 120)
	r.wantState(Backup)
	r.hear(upper, 50) // no preemption any more
	r.run(3500 * time.Millisecond)
	r.wantState(Backup)
}

// A holder whose own address is another is known by that at once, and its own advertisements from there are not another host's.
func TestReconfiguredAddress(t *testing.T) {
	r := active(t)
	r.run(300 * time.Millisecond)
	r.taken()
	other := netip.MustParseAddr("192.0.2.250")
	r.step(Reconfigured{Priority: 100, Primary: []netip.Addr{other}})
	r.run(time.Millisecond)
	if r.did(advertisement(100)) != 1 {
		t.Errorf("did %q", r.trace)
	}
	r.step(Reconfigured{Priority: 100, Primary: []netip.Addr{other}})
	r.step(Reconfigured{Priority: 100})
	r.run(time.Millisecond)
	if r.did(advertisement(100)) != 1 {
		t.Errorf("without a change: did %q", r.trace)
	}
	r.wantState(Active)
	r.hear(upper, 100) // that address was the higher one before
	r.wantState(Active)
}
