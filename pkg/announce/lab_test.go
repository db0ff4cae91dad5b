// SPDX-License-Identifier: Apache-2.0

package announce

import (
	"bytes"
	"context"
	"net"
	"net/netip"
	"testing"
	"time"

	"github.com/vishvananda/netlink"

	"github.com/harbinger-ha/harbinger/e2e/lab"
	"github.com/harbinger-ha/harbinger/e2e/lab/labtest"
)

var (
	vip4 = netip.MustParseAddr("192.168.238.100")
	vip6 = netip.MustParseAddr("fd00:99::100")
)

func TestMain(m *testing.M) { labtest.Main(m) }

// A station is a host with an announcer.
type station struct {
	*lab.Host
	*Announcer
}

// newStations returns hosts on one wire.
func newStations(t *testing.T, count int) []station {
	t.Helper()
	_, all := newLab(t, count)
	return all
}

// newLab returns hosts and their wire.
func newLab(t *testing.T, count int) (*lab.Lab, []station) {
	t.Helper()
	l := labtest.New(t, lab.Config{Nodes: count, Prefix6: labtest.Prefix6})
	var all []station
	for _, h := range l.Hosts() {
		s := station{h, newAnnouncer(t, h)}
		if len(all) > 0 {
			s.meet(t, all[0])
		}
		all = append(all, s)
	}
	return l, all
}

func newAnnouncer(t *testing.T, h *lab.Host) *Announcer {
	t.Helper()
	var a *Announcer
	must(t, h.Do(func() error {
		link, err := netlink.LinkByName(lab.Interface)
		if err != nil {
			return err
		}
		a, err = New(Link{Name: lab.Interface, Index: link.Attrs().Index, MAC: h.MAC})
		return err
	}))
	t.Cleanup(func() { must(t, a.Close()) })
	return a
}

// own returns the address of a station in the family of another address.
func (s station) own(family netip.Addr) netip.Addr {
	if family.Is4() {
		return s.Host.Address.Addr()
	}
	return s.Host.Address6.Addr()
}

// hold gives the station an address of the family's subnet.
func (s station) hold(t *testing.T, addr netip.Addr) {
	t.Helper()
	must(t, s.AddAddress(netip.PrefixFrom(addr, addr.BitLen())))
}

// meet waits until the wire carries frames both ways: the ports of a new switch take a moment.
func (s station) meet(t *testing.T, other station) {
	t.Helper()
	checkMACs(t, s.resolve(t, other.own(vip4), 5*time.Second), other.MAC)
}

// watch runs a Watch of both addresses until the test ends.
func (s station) watch(t *testing.T) <-chan Claim {
	t.Helper()
	claims, done := make(chan Claim), make(chan error, 1)
	go func() { // ends with the test
		done <- s.Do(func() error { return s.Announcer.Watch(t.Context(), []netip.Addr{vip4, vip6}, claims) })
	}()
	t.Cleanup(func() { must(t, <-done) })
	return claims
}

// resolve runs a Resolve of the given time.
func (s station) resolve(t *testing.T, target netip.Addr, timeout time.Duration) []net.HardwareAddr {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), timeout)
	defer cancel()
	var found []net.HardwareAddr
	must(t, s.Do(func() (err error) {
		found, err = s.Resolve(ctx, target, s.own(target))
		return err
	}))
	return found
}

// claim announces until the watch reports a claim: a watch that has just started may miss the first.
func claim(t *testing.T, claims <-chan Claim, from station, addr netip.Addr) Claim {
	t.Helper()
	deadline, again := time.After(5*time.Second), time.NewTicker(2*claimInterval)
	defer again.Stop()
	for {
		must(t, from.Announce(addr))
		select {
		case c := <-claims:
			return c
		case <-again.C:
		case <-deadline:
			t.Fatalf("no claim of %s", addr)
		}
	}
}

func checkMACs(t *testing.T, got []net.HardwareAddr, want ...net.HardwareAddr) {
	t.Helper()
	if len(got) != len(want) {
		t.Fatalf("hardware addresses %v, want %v", got, want)
	}
	for _, w := range want {
		found := false
		for _, g := range got {
			found = found || bytes.Equal(g, w)
		}
		if !found {
			t.Errorf("hardware addresses %v, want %v", got, want)
		}
	}
}

// must ends the test at an error.
var must = labtest.Must
