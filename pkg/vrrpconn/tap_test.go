// SPDX-License-Identifier: Apache-2.0

package vrrpconn

import (
	"errors"
	"net/netip"
	"slices"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/harbinger-ha/harbinger/e2e/lab"
	"github.com/harbinger-ha/harbinger/e2e/lab/labtest"
)

// look looks in the host of a Conn, while another one advertises, until what it reports is as wanted.
func look(t *testing.T, h *lab.Host, c *Conn, send func(), what string, wanted func(Reception) bool) {
	t.Helper()
	must(t, lab.Until(5*time.Second, what, func() bool {
		var r Reception
		must(t, h.Do(func() error { r = c.Look(true); return nil }))
		send()
		return wanted(r)
	}))
}

func drainAll(t *testing.T, c *Conn) (received int) {
	t.Helper()
	for {
		_, ok, err := c.Receive()
		must(t, err)
		if !ok {
			return received
		}
		received++
	}
}

// What this host drops is known from what the other sends or not.
func TestWhatReachesTheInterfaceButNotTheSocket(t *testing.T) {
	hosts := labtest.Hosts(t, 2)
	for _, m := range modes[1:] {
		t.Run(m.name, func(t *testing.T) {
			a, b := listen(t, hosts[0], m.config(t, hosts[0], hosts[1])), listen(t, hosts[1], m.config(t, hosts[1], hosts[0]))
			from := m.address(t, hosts[0])
			send := func() { must(t, a.Send(m.advertisement(100))) }
			heard := 0
			for range 2 * minLooks { // one that is delivered is never reported
				look(t, hosts[1], b, func() { send(); heard += drainAll(t, b) }, "a look", func(r Reception) bool {
					return r.Undelivered == nil && r.Blind == nil
				})
			}
			must(t, lab.Until(5*time.Second, "it is heard", func() bool { heard += drainAll(t, b); return heard > 0 }))
			open := labtest.Firewall(t, hosts[1], "chain in { type filter hook input priority 0; meta l4proto 112 drop; }")
			look(t, hosts[1], b, send, "the sender is reported", func(r Reception) bool { return slices.Equal(r.Undelivered, []netip.Addr{from}) })
			open()
			look(t, hosts[1], b, func() { send(); drainAll(t, b) }, "it is no more", func(r Reception) bool { return r.Undelivered == nil })
			if r := b.Look(false); r.Undelivered != nil || r.Blind != nil || b.tap != nil {
				t.Errorf("a look that is not close: %+v", r)
			}
		})
	}
}

// What the others do not send, or send to others, is not dropped here.
func TestWhatIsNotForThisSocket(t *testing.T) {
	hosts := labtest.Hosts(t, 3)
	m := modes[3] // unicast
	b := listen(t, hosts[1], m.config(t, hosts[1], hosts[0]))
	group := modes[2]
	foreign := group.config(t, hosts[0])
	a, other := listen(t, hosts[0], foreign), listen(t, hosts[2], m.config(t, hosts[2], hosts[1]))
	labtest.Firewall(t, hosts[1], "chain in { type filter hook input priority 0; meta l4proto 112 drop; }")
	wrong := m.advertisement(100)
	wrong.VRID = 52
	look(t, hosts[1], b, func() {
		must(t, a.Send(group.advertisement(100))) // to the group, which the socket has not joined
		must(t, a.Send(wrong))
		must(t, other.Send(m.advertisement(100)))
	}, "only the sender of this router is reported", func(r Reception) bool {
		return slices.Equal(r.Undelivered, []netip.Addr{m.address(t, hosts[2])})
	})
	must(t, b.Close())
	if r := b.Look(true); r.Undelivered != nil || b.tap != nil {
		t.Errorf("a closed Conn looks: %+v", r)
	}
}

// An output filter of this host is known from the kernel's answer.
func TestWhatThisHostForbidsToSend(t *testing.T) {
	hosts := labtest.Hosts(t, 3)
	for _, m := range []mode{modes[3], modes[4]} {
		t.Run(m.name, func(t *testing.T) {
			a := listen(t, hosts[0], m.config(t, hosts[0], hosts[1], hosts[2]))
			must(t, a.Send(m.advertisement(100)))
			if r := a.Look(false); r.Unsent != nil {
				t.Errorf("without a filter: %v", r.Unsent)
			}
			open := labtest.Firewall(t, hosts[0], "chain out { type filter hook output priority 0; ip daddr "+hosts[2].Address.Addr().String()+" drop; ip6 daddr ff02::12 drop; }")
			if err := a.Send(m.advertisement(100)); !errors.Is(err, unix.EPERM) {
				t.Errorf("sending: %v", err)
			}
			want := m.address(t, hosts[2])
			if !m.unicast {
				want = group(want)
			}
			for range forbiddenLooks {
				if r := a.Look(false); !slices.Equal(r.Unsent, []netip.Addr{want}) {
					t.Fatalf("forbidden are %v, want %s", r.Unsent, want)
				}
			}
			if r := a.Look(false); r.Unsent != nil {
				t.Errorf("forbidden are %v long after the last advertisement", r.Unsent)
			}
			if err := a.Send(m.advertisement(100)); err == nil {
				t.Error("it can be sent again")
			}
			open()
			must(t, a.Send(m.advertisement(100)))
			if r := a.Look(false); r.Unsent != nil {
				t.Errorf("after the filter: %v", r.Unsent)
			}
		})
	}
}

// A host that does not allow to look goes on without.
func TestBlindReception(t *testing.T) {
	hosts := labtest.Hosts(t, 2)
	m := modes[2]
	c := listen(t, hosts[0], m.config(t, hosts[0]))
	c.cfg.Interface.Index = 9999
	must(t, hosts[0].Do(func() error {
		if r := c.Look(true); !errors.Is(r.Blind, unix.ENODEV) || r.Undelivered != nil || c.tap != nil {
			t.Errorf("no such interface: %+v", r)
		}
		return nil
	}))
}

// The tap keeps little, whatever comes, and forgets who has fallen silent.
func TestTapIsBounded(t *testing.T) {
	tap := tap{delivered: map[netip.Addr]bool{}, missed: map[netip.Addr]*missed{netip.MustParseAddr("192.0.2.1"): {packets: minPackets}}}
	looks := 0
	for len(tap.missed) > 0 {
		tap.compare()
		looks++
	}
	if looks != staleLooks+1 {
		t.Errorf("a silent sender is forgotten after %d looks", looks)
	}
	c := Conn{tap: &tap}
	c.tapped.Store(true)
	for i := range 10 * maxSenders {
		c.delivered(netip.AddrFrom4([4]byte{10, 0, byte(i >> 8), byte(i)}))
	}
	if len(tap.delivered) != maxSenders {
		t.Errorf("%d senders are kept", len(tap.delivered))
	}
	holder := netip.MustParseAddr("192.0.2.2") // whose packets a flood of others must not make look undelivered
	tap.missed[holder] = &missed{packets: minPackets, looks: minLooks}
	c.delivered(holder)
	if undelivered := tap.compare(); len(undelivered) != 0 {
		t.Errorf("undelivered beside a flood: %v", undelivered)
	}
	for _, bytes := range [][]byte{nil, make([]byte, 19), {0x45}, {0x60}, append([]byte{0x60}, make([]byte, 38)...), make([]byte, 64)} {
		if _, _, ok := ends(bytes); ok {
			t.Errorf("ends of %x", bytes)
		}
	}
}

// A source can be forged, the hardware address is that of the host which sent the packet.
func TestHardwareAddressOfASender(t *testing.T) {
	hosts := labtest.Hosts(t, 2)
	for _, m := range modes[1:] {
		t.Run(m.name, func(t *testing.T) {
			a, b := listen(t, hosts[0], m.config(t, hosts[0], hosts[1])), listen(t, hosts[1], m.config(t, hosts[1], hosts[0]))
			from := m.address(t, hosts[0])
			find := func() (found string) {
				must(t, hosts[1].Do(func() error { found = b.HardwareAddress(from); return nil }))
				return found
			}
			must(t, a.Send(m.advertisement(100)))
			if found := find(); found != "" {
				t.Errorf("%s is known of a packet before it was asked for", found)
			}
			must(t, lab.Until(5*time.Second, "it is known", func() bool {
				must(t, a.Send(m.advertisement(100)))
				return find() == hosts[0].MAC.String()
			}))
			if b.Look(false); b.tap == nil {
				t.Error("the interface is not watched until the sender sends again")
			}
			b.sought = b.sought.Add(-soughtTime)
			if b.Look(false); b.tap != nil {
				t.Error("the interface is watched for ever")
			}
			must(t, b.Close())
			if found := find(); found != "" || b.tap != nil {
				t.Errorf("a closed Conn finds %q", found)
			}
		})
	}
}

// A host that invents sources costs a bounded memory.
func TestInventedSourcesAreBounded(t *testing.T) {
	tap := tap{senders: map[netip.Addr]string{}}
	var last netip.Addr
	for i := range 10000 {
		last = netip.AddrFrom4([4]byte{10, 0, byte(i >> 8), byte(i)})
		tap.sent(last, &unix.SockaddrLinklayer{Halen: 6, Addr: [8]byte{2, 0, 0, 0, 9, 9}})
		tap.sent(last, &unix.SockaddrInet4{}) // never that of a packet socket
	}
	if len(tap.senders) > maxSenders || tap.senders[last] != "02:00:00:00:09:09" {
		t.Errorf("%d senders, the last one is %q", len(tap.senders), tap.senders[last])
	}
}
