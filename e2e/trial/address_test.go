// SPDX-License-Identifier: Apache-2.0

package trial

import (
	"errors"
	"net"
	"net/netip"
	"slices"
	"testing"
	"time"

	"github.com/vishvananda/netlink"

	"github.com/harbinger-ha/harbinger/e2e/fault"
	"github.com/harbinger-ha/harbinger/e2e/lab"
	"github.com/harbinger-ha/harbinger/e2e/lab/guest"
	"github.com/harbinger-ha/harbinger/e2e/lab/watch"
	"github.com/harbinger-ha/harbinger/e2e/promise"
)

// dual is a plane with a virtual address of each family.
func dual() Config {
	return Config{
		System:  harbinger,
		Prefix6: netip.MustParsePrefix("fd00:238::/64"),
		VirtualAddresses: []netip.Prefix{
			netip.MustParsePrefix("192.168.238.100/24"),
			netip.MustParsePrefix("fd00:238::100/64"),
		},
	}
}

// watchHolders watches the kernels of a plane for another of its addresses.
func watchHolders(t *testing.T, p *Plane, address netip.Addr) *watch.Holders {
	t.Helper()
	w, err := watch.NewHolders(p.Control, address, p.hosts()...)
	must(t, err)
	t.Cleanup(w.Stop)
	return w
}

func TestBothFamiliesMoveTogether(t *testing.T) {
	t.Parallel()
	p := startPlane(t, dual())
	sixth := watchHolders(t, p, p.VirtualAddresses[1].Addr())
	until(t, p, 5*time.Second, "both addresses are on one node", func() bool {
		return slices.Equal(p.Holders.Now(), sixth.Now())
	})
	for _, f := range []fault.Fault{fault.PlannedStop, fault.Kill} {
		do(t, p, f, 1)
		if a, b := p.Holders.Now(), sixth.Now(); !slices.Equal(a, b) {
			t.Errorf("after %s the IPv4 address is on %v and the IPv6 address on %v", f.Name, a, b)
		}
	}
}

func TestAddressIsNeverASource(t *testing.T) {
	t.Parallel()
	p := startPlane(t, dual())
	n := holder(t, p)
	for _, target := range []string{"192.168.238.200", "192.168.238.1", "fd00:238::200", "fe80::1", "192.168.238.100", "fd00:238::100"} {
		var routes []netlink.Route
		must(t, n.Do(func() (err error) {
			routes, err = netlink.RouteGetWithOptions(net.ParseIP(target), &netlink.RouteGetOptions{Oif: oif(target)})
			return err
		}))
		for _, vip := range p.VirtualAddresses {
			if target != vip.Addr().String() && routes[0].Src.Equal(vip.Addr().AsSlice()) {
				t.Errorf("packets to %s leave from the virtual address %s", target, vip.Addr())
			}
		}
	}
}

// oif returns the interface that a target needs to be named with.
func oif(target string) string {
	if netip.MustParseAddr(target).IsLinkLocalUnicast() {
		return "eth0"
	}
	return ""
}

func TestAddressDeletedByHandIsRepaired(t *testing.T) {
	t.Parallel()
	p := startPlane(t, dual())
	for _, vip := range p.VirtualAddresses {
		holders := watchHolders(t, p, vip.Addr())
		n := holder(t, p)
		until(t, p, 5*time.Second, "the holder is known", func() bool { return slices.Equal(holders.Now(), []string{n.Name}) })
		start := time.Now()
		// The kernel knows the address by the prefix that Harbinger gave it.
		must(t, deleteAny(n, vip.Addr()))
		until(t, p, 5*time.Second, "the address was gone and is back", func() bool {
			return len(holders.Since(start)) > 1 && slices.Equal(holders.Now(), []string{n.Name})
		})
		if gone := holders.Since(start).Vacant().Longest().Length(); gone > limits(promise.Deleted).Nobody {
			t.Errorf("%s was gone for %v, want at most %v", vip, gone, limits(promise.Deleted).Nobody)
		}
	}
}

// deleteAny deletes an address whatever its prefix.
func deleteAny(n *Node, address netip.Addr) error {
	return n.Do(func() error {
		addrs, err := netlink.AddrList(nil, netlink.FAMILY_ALL)
		if err != nil {
			return err
		}
		for _, addr := range addrs {
			link, err := netlink.LinkByIndex(addr.LinkIndex)
			if err != nil {
				return err
			}
			if addr.IP.Equal(address.AsSlice()) {
				return netlink.AddrDel(link, &netlink.Addr{IPNet: addr.IPNet})
			}
		}
		return nil
	})
}

func TestForeignHolderIsNotOusted(t *testing.T) {
	t.Parallel()
	p := newPlane(t, Config{System: harbinger})
	foreign, err := p.Lab.AddHost("foreign", 50)
	must(t, err)
	must(t, foreign.AddAddress(p.VirtualAddresses[0]))
	_, err = guest.StartAPIServer(foreign, p.CA, p.Port)
	must(t, err)
	for _, n := range p.Nodes {
		must(t, p.StartSidecar(n))
	}
	until(t, p, 15*time.Second, "every node says that another host has the address", func() bool {
		return !slices.ContainsFunc(p.Nodes, func(n *Node) bool { return status(t, n).VirtualRouter.State != "Conflict" })
	})
	if got := p.Holders.Since(time.Time{}); len(got) != 1 {
		t.Errorf("holders of the address of a foreign host: %v", got)
	}
	for _, n := range p.Nodes {
		wantNamed(t, n, foreign.MAC)
	}
	must(t, foreign.DeleteAddress(p.VirtualAddresses[0]))
	must(t, p.Settle())
}

// wantNamed fails unless status and alarm of a node have the hardware address of an unknown host.
func wantNamed(t *testing.T, n *Node, mac net.HardwareAddr) {
	t.Helper()
	if with := status(t, n).VirtualRouter.ConflictWith; with == nil || with.HardwareAddress != mac.String() || with.Address != "" {
		t.Errorf("%s is in conflict with %+v, want the unknown host %s", n.Name, with, mac)
	}
	if !n.Sidecar.Keeper.Wrote(mac.String()) {
		t.Errorf("the log of %s does not have %s", n.Name, mac)
	}
}

// speak has a host send something from an address, and before that ask on the link where the other one is: nobody hears of an address
// that is only added.
func speak(t *testing.T, h *lab.Host, from, to netip.Addr) {
	t.Helper()
	must(t, h.Do(func() error {
		conn, err := net.DialUDP("udp", net.UDPAddrFromAddrPort(netip.AddrPortFrom(from, 0)), net.UDPAddrFromAddrPort(netip.AddrPortFrom(to, 9)))
		if err != nil {
			return err
		}
		_, err = conn.Write([]byte{0})
		return errors.Join(err, conn.Close())
	}))
}

func TestAddressIsDefendedAgainstALateForeignHost(t *testing.T) {
	t.Parallel()
	p := startPlane(t, Config{System: harbinger})
	before := holder(t, p)
	foreign, err := p.Lab.AddHost("foreign", 50)
	must(t, err)
	must(t, foreign.AddAddress(p.VirtualAddresses[0]))
	start := time.Now()
	speak(t, foreign, p.VirtualAddresses[0].Addr(), before.Host.Address.Addr())
	observeFor(5 * time.Second)
	until(t, p, 15*time.Second, "the holder has heard the foreign host", func() bool { return before.Sidecar.Keeper.Wrote(foreign.MAC.String()) })
	expectStill(t, p, before, start)
	wantNamed(t, before, foreign.MAC)
	must(t, foreign.DeleteAddress(p.VirtualAddresses[0]))
	must(t, p.Settle())
}

// otherCluster makes Harbinger one of another cluster.
const otherCluster = `apiVersion: harbinger.dev/v1alpha1
kind: HarbingerConfiguration
controlPlane:
  clusterName: other
`

func TestAddressOfAnotherClusterIsNotTaken(t *testing.T) {
	t.Parallel()
	p := newPlane(t, Config{System: harbinger, Nodes: 2})
	ours, theirs := p.Nodes[0], p.Nodes[1]
	must(t, theirs.WriteFile("/etc/kubernetes/other.yaml", otherCluster))
	run(t, p, theirs, Harbinger{Binary: harbinger.Binary, Flags: []string{"--config", "/etc/kubernetes/other.yaml"}})
	expectHolder(t, p, theirs)
	start := time.Now()
	// Another virtual router, so that only the address distinguishes them.
	run(t, p, ours, Harbinger{Binary: harbinger.Binary, Flags: []string{"--virtual-router-id", "52"}})
	until(t, p, 15*time.Second, "our node says that another cluster has the address", func() bool {
		return status(t, ours).VirtualRouter.State == "Conflict"
	})
	expectStill(t, p, theirs, start)
}

func TestAloneAnnouncesWithinFiveSeconds(t *testing.T) {
	t.Parallel()
	p := newPlane(t, Config{System: harbinger, Nodes: 1})
	start := time.Now()
	must(t, p.StartSidecar(p.Nodes[0]))
	until(t, p, settleTime, "the address is answered for", func() bool { return len(p.Answers.Now()) == 1 })
	if took := p.Control.Between(start, time.Now()); took > limits(promise.Alone).Outage {
		t.Errorf("the address was announced after %v, want at most %v", took, limits(promise.Alone).Outage)
	}
}
