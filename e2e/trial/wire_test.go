// SPDX-License-Identifier: Apache-2.0

package trial

import (
	"net/netip"
	"slices"
	"testing"
	"time"

	"github.com/harbinger-ha/harbinger/e2e/lab"
	"github.com/harbinger-ha/harbinger/e2e/lab/guest"
	"github.com/harbinger-ha/harbinger/e2e/promise"
	"github.com/harbinger-ha/harbinger/pkg/apis/config/v1alpha1"
)

// limits returns what is promised in the lab with stand-ins, at the default interval between advertisements.
func limits(p promise.Promise) promise.Limits {
	return p.In(promise.StandIns, promise.At(v1alpha1.DefaultAdvertisementInterval))
}

// Longest times for which two live hosts may have the address.
var (
	dualOpen     = limits(promise.Healed).Live
	dualFiltered = limits(promise.HealedFiltered).Live
)

// expectStill checks that one node had the address all the time.
func expectStill(t *testing.T, p *Plane, n *Node, since time.Time) {
	t.Helper()
	for _, span := range p.Holders.Since(since) {
		if !slices.Equal(span.Hosts, []string{n.Name}) {
			t.Errorf("the address was on %s, want %s all the time", span, n.Name)
		}
	}
}

// expectDual checks for how long two nodes had the address at once.
func expectDual(t *testing.T, p *Plane, since time.Time, bound time.Duration) {
	t.Helper()
	if span := p.Holders.Since(since).Shared().Longest(); span.Length() > bound {
		t.Errorf("the address was on %s, want at most %v", span, bound)
	}
}

// Without advertisements the backups find by their probe that the address is served.
func TestFilteredAdvertisementsMoveNothing(t *testing.T) {
	t.Parallel()
	p := startPlane(t, Config{System: harbinger})
	n := holder(t, p)
	start := time.Now()
	must(t, p.Lab.Drop(lab.Drop{Traffic: lab.VRRP}))
	until(t, p, 15*time.Second, "a backup says that it hears nothing of a live holder", func() bool {
		return slices.ContainsFunc(p.Others(n), func(o *Node) bool { return status(t, o).VirtualRouter.SplitSuspected })
	})
	must(t, p.Lab.Pass())
	observeFor(2 * time.Second)
	expectStill(t, p, n, start)
}

func TestAdvertisementsFilteredOneWayMoveNothing(t *testing.T) {
	t.Parallel()
	p := startPlane(t, Config{System: harbinger})
	n := holder(t, p)
	start := time.Now()
	must(t, p.Lab.Drop(lab.Drop{Traffic: lab.VRRP, From: n.Host}))
	observeFor(8 * time.Second)
	expectStill(t, p, n, start)
	must(t, p.Lab.Pass())
	observeFor(2 * time.Second)
	expectStill(t, p, n, start)
}

// A quarter of all packets lost must not give the address to two nodes.
func TestLossOfPackets(t *testing.T) {
	t.Parallel()
	p := startPlane(t, Config{System: harbinger})
	start := time.Now()
	must(t, p.Lab.Drop(lab.Drop{Traffic: lab.VRRP, Percent: 25}, lab.Drop{Traffic: lab.ARP, Percent: 25}))
	observeFor(15 * time.Second)
	expectDual(t, p, start, dualOpen)
	must(t, p.Lab.Pass())
	must(t, p.Settle())
}

// A node that is cut off without losing its carrier is a partition of one: it has the address on its side, and gives it up
// when the wire heals.
func TestSilentCutOfTheHolder(t *testing.T) {
	t.Parallel()
	p := startPlane(t, Config{System: harbinger})
	old := holder(t, p)
	start := time.Now()
	must(t, old.Blackhole())
	until(t, p, 6*time.Second, "another node has the address", func() bool {
		return slices.ContainsFunc(p.Holders.Now(), func(name string) bool { return name != old.Name })
	})
	must(t, p.Settle(old.Name))
	if o, bound := p.Client.Outage(start), limits(promise.HostLoss).Outage; o.Length() > bound {
		t.Errorf("outage %v, want at most %v", o, bound)
	}
	healed := time.Now()
	must(t, old.Unblackhole())
	must(t, p.Settle())
	expectDual(t, p, healed, dualOpen)
}

func TestPartitionOfThreeNodes(t *testing.T) {
	t.Parallel()
	p := startPlane(t, Config{System: harbinger})
	old := holder(t, p)
	var drops []lab.Drop
	for _, n := range p.Others(old) {
		drops = append(drops, lab.Drop{From: old.Host, To: n.Host}, lab.Drop{From: n.Host, To: old.Host})
	}
	must(t, p.Lab.Drop(drops...))
	until(t, p, 10*time.Second, "each side has the address once", func() bool { return len(p.Holders.Now()) == 2 })
	observeFor(2 * time.Second)
	if got := p.Holders.Now(); len(got) != 2 || !slices.Contains(got, old.Name) {
		t.Errorf("holders in a partition: %v, want one on each side", got)
	}
	healed := time.Now()
	must(t, p.Lab.Pass())
	must(t, p.Settle())
	expectDual(t, p, healed, dualOpen)
}

// The advertisements do not pass, and both sides have the address: ARP decides.
func TestHealedPartitionWithoutAdvertisements(t *testing.T) {
	t.Parallel()
	p := startPlane(t, Config{System: harbinger, Nodes: 2})
	old := holder(t, p)
	must(t, p.Lab.Drop(lab.Drop{Traffic: lab.VRRP}))
	must(t, old.Blackhole())
	until(t, p, 10*time.Second, "both nodes have the address", func() bool { return len(p.Holders.Now()) == 2 })
	healed := time.Now()
	must(t, old.Unblackhole())
	must(t, p.Settle())
	expectDual(t, p, healed, dualFiltered)
}

func TestColdStartOfAll(t *testing.T) {
	t.Parallel()
	p := newPlane(t, Config{System: harbinger})
	start := time.Now()
	must(t, p.Start())
	expectDual(t, p, start, dualOpen)
	n := holder(t, p)
	observeFor(3 * time.Second)
	expectStill(t, p, n, time.Now().Add(-3*time.Second))
}

func TestColdStartOfAllWithoutAdvertisements(t *testing.T) {
	t.Parallel()
	p := newPlane(t, Config{System: harbinger, Nodes: 2})
	must(t, p.Lab.Drop(lab.Drop{Traffic: lab.VRRP}))
	start := time.Now()
	must(t, p.Start())
	expectDual(t, p, start, dualFiltered)
}

func TestRollingRestart(t *testing.T) {
	t.Parallel()
	p := startPlane(t, Config{System: harbinger})
	start := time.Now()
	for _, n := range p.Nodes {
		must(t, n.Sidecar.Stop())
		must(t, n.Sidecar.Keeper.Wait(40*time.Second))
		must(t, p.Settle())
		must(t, p.StartSidecar(n))
		until(t, p, 10*time.Second, "the restarted node is ready", func() bool { return status(t, n).Ready })
	}
	if gone, bound := p.Holders.Since(start).Vacant().Longest(), limits(promise.PlannedStop).Nobody; gone.Length() > bound {
		t.Errorf("the address was on %s in a rolling restart, want at most %v", gone, bound)
	}
	expectDual(t, p, start, dualOpen)
}

// Hosts that advertise once a second get the default of 200 ms, one after the other: the address moves by the restart of the holder
// alone, and nobody else takes it.
func TestRollingChangeOfTheInterval(t *testing.T) {
	t.Parallel()
	p := startPlane(t, Config{System: harbinger, Interval: time.Second})
	fast := harbinger
	fast.Flags = append(slices.Clone(fast.Flags), "--advertisement-interval", v1alpha1.DefaultAdvertisementInterval.String())
	p.System = fast
	begin := time.Now()
	for _, n := range p.Nodes {
		start, held := time.Now(), holder(t, p)
		stop(t, n)
		must(t, p.Settle())
		must(t, p.StartSidecar(n))
		until(t, p, 10*time.Second, "the changed node is ready", func() bool { return status(t, n).Ready })
		must(t, p.Settle())
		if held != n && holder(t, p) != held {
			t.Errorf("%s was changed, and the address went from %s to %s", n.Name, held.Name, holder(t, p).Name)
		}
		if o, bound := p.Client.Outage(start), limits(promise.PlannedStop).Outage; o.Length() > bound {
			t.Errorf("%s was changed: outage %v, want at most %v", n.Name, o, bound)
		}
	}
	expectDual(t, p, begin, promise.Healed.In(promise.StandIns, promise.At(time.Second)).Live)
}

// The holder without a healthy backend of its own gives the address to one that has some.
func TestHolderWithoutBackendsGivesWay(t *testing.T) {
	t.Parallel()
	p := startPlane(t, Config{System: harbinger})
	n := holder(t, p)
	// Its own API server and the way to the others.
	must(t, n.APIServer.Kill())
	must(t, p.Lab.Drop(
		lab.Drop{Traffic: lab.TCP(APIServerPort), From: n.Host},
		lab.Drop{Traffic: lab.TCP(APIServerPort), To: n.Host}))
	start := time.Now()
	until(t, p, limits(promise.HolderDistress).Outage, "a node with backends has the address", func() bool {
		now := p.Holders.Now()
		return len(now) == 1 && now[0] != n.Name
	})
	must(t, p.Settle())
	t.Logf("outage %v", p.Client.Outage(start))
	expectDual(t, p, start, dualOpen)
}

// Another virtual router with our VRID is on the same wire.
func TestUnknownRouterWithOurVRID(t *testing.T) {
	t.Parallel()
	p := newPlane(t, Config{System: harbinger})
	unknown, err := p.Lab.AddHost("unknown", 60)
	must(t, err)
	_, err = guest.Keepalived{
		VirtualRouterID:       VirtualRouterID,
		Priority:              200,
		AdvertisementInterval: time.Second,
		VirtualAddresses:      []netip.Prefix{netip.MustParsePrefix("192.168.238.99/24")},
	}.Start(unknown)
	must(t, err)
	must(t, p.Start())
	n := holder(t, p)
	start := time.Now()
	observeFor(5 * time.Second)
	expectStill(t, p, n, start)
	if dropped(t, n)["addresses"] == 0 {
		t.Errorf("refused packets: %v, want some for their addresses", dropped(t, n))
	}
}
