// SPDX-License-Identifier: Apache-2.0

package sidecar_test

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"github.com/harbinger-ha/harbinger/e2e/lab"
	"github.com/harbinger-ha/harbinger/e2e/lab/labtest"
	"github.com/harbinger-ha/harbinger/pkg/apis/status/v1alpha1"
)

// onLink changes the interface of this host, which may have been renamed.
func onLink(name string, change func(netlink.Link) error) error {
	link, err := netlink.LinkByName(name)
	if err != nil {
		return err
	}
	return change(link)
}

func setName(from, to string) error {
	return onLink(from, func(l netlink.Link) error { return netlink.LinkSetName(l, to) })
}

func setMAC(mac net.HardwareAddr) error {
	return onLink(lab.Interface, func(l netlink.Link) error { return netlink.LinkSetHardwareAddr(l, mac) })
}

// replace puts an address in the place of another, as one command does.
func replace(before, after netip.Prefix) error {
	return errors.Join(self.DeleteAddress(before), self.AddAddress(after))
}

// outage asks a virtual address from the other host all the time, until the function that is returned is called: it returns
// how long it had no answer at the longest.
func outage(t *testing.T, address netip.AddrPort) (end func() time.Duration) {
	t.Helper()
	const patience = 30 * time.Millisecond // with a question; then it is asked again
	ctx, cancel := context.WithCancel(t.Context())
	var longest time.Duration
	var asking sync.WaitGroup
	asking.Go(func() {
		for answered := time.Now(); ctx.Err() == nil; {
			attempt, stop := context.WithTimeout(ctx, patience)
			conn, err := peer.Dial(attempt, "tcp", address.String())
			stop()
			if err == nil {
				conn.Close()
				longest, answered = max(longest, time.Since(answered)), time.Now()
			} else if ctx.Err() == nil {
				longest = max(longest, time.Since(answered))
			}
		}
	})
	end = sync.OnceValue(func() time.Duration {
		cancel()
		asking.Wait()
		return longest
	})
	t.Cleanup(func() { end() })
	return end
}

// A holder goes on with what its link has become: nobody takes over, and clients notice next to nothing.
func TestHolderFollowsItsLink(t *testing.T) {
	serveAPI(t)
	k := start(t, "interface: eth0\n"+dualStack+body("Hybrid", ""))
	k.until("this node holds the addresses", active)
	moves := len(status().Moves)
	own, other, wide := self.Address, netip.MustParsePrefix("192.168.238.150/24"), netip.PrefixFrom(self.Address.Addr(), 16)
	own6, other6 := self.Address6, netip.MustParsePrefix("fd00:99::150/64")
	mac := net.HardwareAddr{2, 0, 0, 0, 1, 1}
	for _, tt := range []struct {
		name         string
		change, undo func() error
		identity     netip.Addr // of this node, at another address than before
	}{
		{"hardware address", func() error { return setMAC(mac) }, func() error { return setMAC(self.MAC) }, netip.Addr{}},
		{"name", func() error { return setName(lab.Interface, "ens192") }, func() error { return setName("ens192", lab.Interface) }, netip.Addr{}},
		{"own address", func() error { return replace(own, other) }, func() error { return replace(other, own) }, other.Addr()},
		{"own address of IPv6", func() error { return replace(own6, other6) }, func() error { return replace(other6, own6) }, other6.Addr()},
		{"prefix", func() error { return replace(own, wide) }, func() error { return replace(wide, own) }, own.Addr()},
	} {
		t.Run(tt.name, func(t *testing.T) {
			for _, vip := range []netip.Prefix{vip4, vip6} {
				end := outage(t, netip.AddrPortFrom(vip.Addr(), 10444))
				changes := k.log.Count("Interface changed")
				labtest.Must(t, tt.change())
				labtest.Until(t, patience, "the change is followed", func() bool { return k.log.Count("Interface changed") > changes })
				if tt.identity.IsValid() {
					labtest.Until(t, patience, "the node answers at its address", func() bool {
						conn, err := peer.Dial(t.Context(), "tcp", netip.AddrPortFrom(tt.identity, 10444).String())
						if err != nil {
							return false
						}
						return conn.Close() == nil
					})
				}
				if tt.name == "name" {
					k.until("the status has the new name", func(s v1alpha1.HarbingerStatus) bool { return s.Interface == "ens192" && s.StartedOn == lab.Interface })
				}
				labtest.Must(t, tt.undo())
				k.until("this node holds the addresses", active)
				wantServed(t, netip.AddrPortFrom(vip.Addr(), 4300))
				if longest := end(); longest > 500*time.Millisecond { // 0.1 s on a quiet machine
					t.Errorf("%s had no answer for %s", vip, longest)
				}
			}
		})
	}
	if got := status().Moves; len(got) != moves {
		t.Errorf("moves %+v", got)
	}
}

// An own address that stays away is a planned end: the others hear the release, from the address that is gone.
func TestLostOwnAddressIsAnnounced(t *testing.T) {
	serveAPI(t)
	k := start(t, oneAddress+body("VRRP", ""))
	k.until("this node holds the address", active)
	ear := newForger(t)
	labtest.Must(t, self.DeleteAddress(self.Address))
	for priority := byte(1); priority != 0; {
		packet, err := ear.Hear(self.Address.Addr(), patience)
		labtest.Must(t, err)
		priority = packet.Payload[2]
	}
	k.until("this node is in Initialize", func(s v1alpha1.HarbingerStatus) bool { return s.VirtualRouter.State == "Initialize" && !s.Ready })
	labtest.Must(t, self.AddAddress(netip.MustParsePrefix("192.168.238.150/24")))
	k.until("this node holds the address with another own one", active)
	labtest.Must(t, replace(netip.MustParsePrefix("192.168.238.150/24"), self.Address))
	k.until("this node holds the address", active)
}

// The interface becomes a port of a bridge, which gets its addresses, and is alone again after that. The process lives.
func TestLinkMovesIntoABridge(t *testing.T) {
	serveAPI(t)
	k := start(t, oneAddress+body("VRRP", ""))
	k.until("this node holds the address", active)
	attrs := netlink.NewLinkAttrs()
	attrs.Name, attrs.HardwareAddr = "br-ex", net.HardwareAddr{2, 0, 0, 0, 1, 2}
	bridge := &netlink.Bridge{LinkAttrs: attrs}
	labtest.Must(t, netlink.LinkAdd(bridge))
	labtest.Must(t, netlink.LinkSetUp(bridge))
	labtest.Must(t, onLink(lab.Interface, func(l netlink.Link) error { return netlink.LinkSetMaster(l, bridge) }))
	labtest.Must(t, self.DeleteAddress(self.Address))
	address, err := netlink.ParseAddr(self.Address.String())
	labtest.Must(t, err)
	labtest.Must(t, netlink.AddrAdd(bridge, address))
	k.until("this node holds the address on the bridge", func(s v1alpha1.HarbingerStatus) bool { return active(s) && s.Interface == "br-ex" })
	wantServed(t, netip.AddrPortFrom(vip4.Addr(), 4300))
	id := identity(t, netip.AddrPortFrom(vip4.Addr(), 10444))
	if id.State != "active" {
		t.Errorf("identity %+v", id)
	}
	labtest.Must(t, netlink.LinkDel(bridge)) // with the addresses that it has
	labtest.Must(t, self.AddAddress(self.Address))
	k.until("this node holds the address on its interface", func(s v1alpha1.HarbingerStatus) bool { return active(s) && s.Interface == lab.Interface })
	wantServed(t, netip.AddrPortFrom(vip4.Addr(), 4300))
}

// A virtual address that the network's configuration adds to a node in Backup is removed; one that is added again at once is
// named.
func TestStrayAddressIsRemovedAndNamed(t *testing.T) {
	api := serveAPI(t)
	advertise(t, 250)
	k := start(t, oneAddress+body("Hybrid", ""))
	k.until("this node is Backup", func(s v1alpha1.HarbingerStatus) bool { return s.VirtualRouter.State == "Backup" && s.Ready })
	labtest.Must(t, self.AddAddress(vip4))
	labtest.Until(t, patience, "the address is removed", func() bool { return !held(vip4) })
	k.untilLogged("192.168.238.100 on eth0, without a lifetime")
	labtest.Until(t, patience, "an Event says so", func() bool { return strings.Contains(strings.Join(api.reasons(), "\n"), "StrayAddress: ") })
	labtest.Must(t, self.AddAddress(vip4))
	k.until("the status names it", func(s v1alpha1.HarbingerStatus) bool {
		return !s.Ready && strings.Contains(strings.Join(s.NotReady, "\n"), "192.168.238.100 on eth0, without a lifetime")
	})
	labtest.Must(t, self.DeleteAddress(vip4))
	k.until("this node is ready", func(s v1alpha1.HarbingerStatus) bool { return s.Ready })
}

// Of two addresses in the subnet, the one that the peers know is the source.
func TestPeersNameTheSecondAddress(t *testing.T) {
	serveAPI(t)
	second := netip.MustParsePrefix("192.168.238.150/24")
	labtest.Must(t, self.AddAddress(second))
	defer func() { labtest.Must(t, self.DeleteAddress(second)) }()
	k := start(t, oneAddress+body("VRRP", ", peers: [192.168.238.131, 192.168.238.150]"))
	k.until("this node holds the address", active)
	_, err := newForger(t).Hear(second.Addr(), patience)
	labtest.Must(t, err)
	k.end()
}

// Advertisements to the group of IPv6 come from the link-local address: it is waited for, and said so.
func TestLinkLocalAddressIsWaitedFor(t *testing.T) {
	serveAPI(t)
	linkLocal := netip.MustParsePrefix("fe80::ff:fe00:82/64")
	labtest.Must(t, self.DeleteAddress(linkLocal))
	k := start(t, dualStack+body("VRRP", ""))
	k.untilLogged("interface eth0 lacks an IPv6 link-local address")
	labtest.Must(t, self.AddAddress(linkLocal))
	k.until("this node holds the addresses", active)
}

// prefer gives this host its IPv6 address with a preferred lifetime in seconds, as a router does.
func prefer(t *testing.T, seconds int) {
	t.Helper()
	labtest.Must(t, onLink(lab.Interface, func(l netlink.Link) error {
		address, err := netlink.ParseAddr(self.Address6.String())
		if err != nil {
			return err
		}
		address.Flags, address.ValidLft, address.PreferedLft = unix.IFA_F_NODAD, 3600, seconds
		return netlink.AddrReplace(l, address)
	}))
}

// The own address of IPv6 becomes deprecated: it is valid.
func TestDeprecatedAddressIsOwn(t *testing.T) {
	serveAPI(t)
	labtest.Must(t, self.DeleteAddress(self.Address6))
	prefer(t, 1800)
	defer func() { labtest.Must(t, replace(self.Address6, self.Address6)) }()
	k := start(t, dualStack+body("VRRP", ""))
	k.until("this node holds the addresses", active)
	prefer(t, 0)
	moves := cameOrWent()
	identity(t, netip.AddrPortFrom(vip6.Addr(), 10444))
	k.end()
	again := start(t, dualStack+body("VRRP", ""))
	again.until("this node holds the addresses after a new start", active)
	if got := cameOrWent(); got > moves {
		t.Errorf("moves %+v", status().Moves)
	}
	again.end()
}

// cameOrWent returns how often the node got or lost the addresses. The states between, through which it may go, are left out.
func cameOrWent() (n int) {
	for _, m := range status().Moves {
		if m.From == "Active" || m.To == "Active" {
			n++
		}
	}
	return n
}
