// SPDX-License-Identifier: Apache-2.0

package vrrpconn

import (
	"errors"
	"net"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"go.uber.org/goleak"
	"golang.org/x/sys/unix"

	"github.com/harbinger-ha/harbinger/e2e/lab"
	"github.com/harbinger-ha/harbinger/e2e/lab/labtest"
	"github.com/harbinger-ha/harbinger/pkg/socket"
	"github.com/harbinger-ha/harbinger/pkg/vrrp"
)

func TestSendReceive(t *testing.T) {
	hosts := labtest.Hosts(t, 2)
	for _, m := range modes {
		t.Run(m.name, func(t *testing.T) {
			sender := listen(t, hosts[0], m.config(t, hosts[0], hosts[1]))
			receiver := listen(t, hosts[1], m.config(t, hosts[1], hosts[0]))
			must(t, sender.Send(m.advertisement(100)))
			must(t, receiver.Wait())
			must(t, receiver.Wait()) // the first one left it in the queue
			want := vrrp.Packet{
				Advertisement: m.advertisement(100), Source: m.address(t, hosts[0]), Destination: sender.destinations[0],
				TTL: 255, Form: vrrp.ChecksumPseudo,
			}
			if m.version == vrrp.Version2 {
				want.Form = vrrp.ChecksumNone
			}
			if diff := cmp.Diff(want, receive(t, receiver), cmpopts.EquateComparable(netip.Addr{})); diff != "" {
				t.Errorf("packet (-want +got):\n%s", diff)
			}
			if _, ok, err := sender.Receive(); ok || err != nil {
				t.Errorf("the sender heard itself: %t, %v", ok, err)
			}
		})
	}
}

// TestAcceptedPacketIsTheCallers shows that the memory of a packet is not that of the next one.
func TestAcceptedPacketIsTheCallers(t *testing.T) {
	hosts := labtest.Hosts(t, 2)
	m := modes[2]
	sender := listen(t, hosts[0], m.config(t, hosts[0]))
	receiver := listen(t, hosts[1], m.config(t, hosts[1]))
	must(t, sender.Send(m.advertisement(100)))
	first := receive(t, receiver)
	other := m.advertisement(100)
	other.Addresses = []netip.Addr{hosts[0].Address.Addr()} // refused for it
	must(t, sender.Send(other))
	must(t, sender.Send(m.advertisement(99)))
	receive(t, receiver)
	if got := first.Advertisement; got.Addresses[0] != vip4 || got.Priority != 100 {
		t.Errorf("the first packet became %+v", got)
	}
}

// TestHeader compares the IP header with that of keepalived: type of service 0xc0, TTL 255, no fragment bits, protocol 112.
func TestHeader(t *testing.T) {
	hosts := labtest.Hosts(t, 2)
	for _, m := range modes {
		t.Run(m.name, func(t *testing.T) {
			sender := listen(t, hosts[0], m.config(t, hosts[0], hosts[1]))
			fd := openCapture(t, hosts[1], m.ipv6)
			must(t, sender.Send(m.advertisement(100)))
			b := capture(t, fd, m.ipv6)
			got := []byte{b[1], b[6], b[7], b[8], b[9]}
			want := []byte{0xc0, 0, 0, 255, vrrp.Protocol}
			if m.ipv6 {
				got = []byte{b[0]<<4 | b[1]>>4, b[6], b[7]}
				want = []byte{0xc0, vrrp.Protocol, 255}
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("header %x (-keepalived +ours):\n%s", b, diff)
			}
		})
	}
}

// openCapture opens a socket that sees every packet of a family that a host gets.
func openCapture(t *testing.T, h *lab.Host, ipv6 bool) int {
	t.Helper()
	protocol := uint16(unix.ETH_P_IP)
	if ipv6 {
		protocol = unix.ETH_P_IPV6
	}
	protocol = protocol<<8 | protocol>>8
	fd := -1
	must(t, h.Do(func() error {
		var err error
		fd, err = unix.Socket(unix.AF_PACKET, unix.SOCK_DGRAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, int(protocol))
		return err
	}))
	t.Cleanup(func() { must(t, unix.Close(fd)) })
	return fd
}

// capture returns the next packet of protocol 112.
func capture(t *testing.T, fd int, ipv6 bool) []byte {
	t.Helper()
	at := 9
	if ipv6 {
		at = 6
	}
	var b []byte
	must(t, lab.Until(5*time.Second, "the packet is on the wire", func() bool {
		b = make([]byte, 1500)
		n, _, err := unix.Recvfrom(fd, b, 0)
		if err == nil {
			b = b[:n]
		}
		return err == nil && b[at] == vrrp.Protocol
	}))
	return b
}

// TestRefusedIsCounted sends a packet of each kind that only a socket can recognise, of both families.
func TestRefusedIsCounted(t *testing.T) {
	hosts := labtest.Hosts(t, 2)
	for _, m := range modes[2:] {
		t.Run(m.name, func(t *testing.T) {
			cfg := m.config(t, hosts[1], hosts[0])
			d := new(drops)
			cfg.Dropped = d.count
			receiver := listen(t, hosts[1], cfg)
			sender := listen(t, hosts[0], m.config(t, hosts[0], hosts[1]))
			to := sender.destinations[0]
			damaged, err := m.advertisement(100).AppendBinary(nil, sender.cfg.Source, to, vrrp.ChecksumPseudo)
			must(t, err)
			damaged[2]++ // IPv6 too: the kernel must not check it for us
			must(t, inject(sender, damaged, to))
			must(t, inject(sender, nil, to))
			long := make([]byte, 9000) // longer than the reader's memory
			long[1] = m.advertisement(100).VRID
			must(t, inject(sender, long, to))
			must(t, socket.Control(sender.raw, func(fd int) error {
				if m.ipv6 {
					return errors.Join(
						unix.SetsockoptInt(fd, unix.IPPROTO_IPV6, unix.IPV6_UNICAST_HOPS, 254), unix.SetsockoptInt(fd, unix.IPPROTO_IPV6, unix.IPV6_MULTICAST_HOPS, 254))
				}
				return errors.Join(
					unix.SetsockoptInt(fd, unix.IPPROTO_IP, unix.IP_TTL, 254), unix.SetsockoptInt(fd, unix.IPPROTO_IP, unix.IP_MULTICAST_TTL, 254))
			}))
			must(t, sender.Send(m.advertisement(100)))
			must(t, lab.Until(5*time.Second, "4 packets are refused", func() bool {
				_, ok, err := receiver.Receive()
				must(t, err)
				return d.sum() == 4 && !ok
			}))
			want := map[string]int{"checksum": 1, "short": 1, "version": 1, "ttl": 1}
			if diff := cmp.Diff(want, d.byReason); diff != "" || d.source != sender.cfg.Source {
				t.Errorf("from %s (-want +got):\n%s", d.source, diff)
			}
		})
	}
}

// TestDeadPeers: one peer that does not answer and one without a route must not stop the packets to the third, not even
// when the queue of the neighbour that does not answer is full. Over IPv4 the kernel takes a peer without a route for a
// neighbour, as the socket has an interface.
func TestDeadPeers(t *testing.T) {
	tests := []struct {
		mode  mode
		dead  []string
		error string
	}{
		{modes[3], []string{"192.168.238.98", "192.168.238.99", "192.0.2.1"}, ""},
		{modes[5], []string{"fd00:99::98", "fd00:99::99", "2001:db8::1"}, "send to 2001:db8::1: network is unreachable"},
	}
	hosts := labtest.Hosts(t, 2)
	for _, tt := range tests {
		t.Run(tt.mode.name, func(t *testing.T) {
			receiver := listen(t, hosts[1], tt.mode.config(t, hosts[1], hosts[0]))
			cfg := tt.mode.config(t, hosts[0])
			for _, p := range tt.dead {
				cfg.Peers = append(cfg.Peers, netip.MustParseAddr(p))
			}
			cfg.Peers = append(cfg.Peers, tt.mode.address(t, hosts[1]))
			sender := listen(t, hosts[0], cfg)
			for range 1000 {
				if err := sender.Send(tt.mode.advertisement(100)); message(err) != tt.error {
					t.Fatalf("error %v, want %q", err, tt.error)
				}
				receive(t, receiver)
			}
		})
	}
}

// TestSetPeers: a unicast socket sends to its new peers alone, and accepts only theirs.
func TestSetPeers(t *testing.T) {
	hosts := labtest.Hosts(t, 3)
	m := modes[3]
	first := listen(t, hosts[1], m.config(t, hosts[1], hosts[0]))
	second := listen(t, hosts[2], m.config(t, hosts[2], hosts[0]))
	sender := listen(t, hosts[0], m.config(t, hosts[0], hosts[1]))
	must(t, sender.Send(m.advertisement(100)))
	receive(t, first)
	must(t, sender.SetPeers([]netip.Addr{m.address(t, hosts[2])}))
	must(t, sender.Send(m.advertisement(101)))
	receive(t, second)
	if p, ok, err := first.Receive(); ok || err != nil {
		t.Errorf("the former peer got %+v, %v", p, err)
	}
	must(t, second.Send(m.advertisement(102)))
	receive(t, sender)
	if sender.SetPeers(nil) == nil {
		t.Error("a unicast socket became a multicast one")
	}
}

// TestMembershipStays: the group is heard again after the cable was out and the addresses were gone.
func TestMembershipStays(t *testing.T) {
	hosts := labtest.Hosts(t, 2)
	for _, m := range []mode{modes[2], modes[4]} {
		t.Run(m.name, func(t *testing.T) {
			sender := listen(t, hosts[0], m.config(t, hosts[0]))
			receiver := listen(t, hosts[1], m.config(t, hosts[1]))
			must(t, hosts[1].Cut())
			must(t, hosts[1].DeleteAddress(hosts[1].Address))
			must(t, hosts[1].Join())
			must(t, hosts[1].AddAddress(hosts[1].Address))
			labtest.Meet(t, hosts[0], hosts[1])
			must(t, sender.Send(m.advertisement(100)))
			receive(t, receiver)
		})
	}
}

// A holder that has lost its own address says so, from that address: the peers know it by that. Only the route to a peer of IPv6
// goes with the address.
func TestSendsFromAnAddressThatIsGone(t *testing.T) {
	for _, m := range modes[2:5] {
		t.Run(m.name, func(t *testing.T) {
			hosts := labtest.Hosts(t, 2)
			sender := listen(t, hosts[0], m.config(t, hosts[0], hosts[1]))
			receiver := listen(t, hosts[1], m.config(t, hosts[1], hosts[0]))
			must(t, sender.Send(m.advertisement(100))) // a unicast peer is resolved
			receive(t, receiver)
			source := m.address(t, hosts[0])
			must(t, hosts[0].DeleteAddress(netip.PrefixFrom(source, source.BitLen())))
			must(t, sender.Send(m.advertisement(0)))
			if p := receive(t, receiver); p.Source != source || p.Advertisement.Priority != 0 {
				t.Errorf("packet %+v, want priority 0 from %s", p, source)
			}
		})
	}
}

func message(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}

func TestReceiveDoesNotWait(t *testing.T) {
	hosts := labtest.Hosts(t, 1)
	m := modes[2]
	c := listen(t, hosts[0], m.config(t, hosts[0]))
	waited := make(chan error)
	go func() { waited <- c.Wait() }() // ends with Close
	for range 1000 {
		if _, ok, err := c.Receive(); ok || err != nil {
			t.Fatalf("accepted %t, %v from an empty queue", ok, err)
		}
		must(t, c.Send(m.advertisement(100)))
	}
	must(t, c.Close())
	if err := <-waited; !errors.Is(err, net.ErrClosed) {
		t.Errorf("Wait after Close: %v", err)
	}
	if _, ok, err := c.Receive(); ok || !errors.Is(err, net.ErrClosed) {
		t.Errorf("Receive after Close: %t, %v", ok, err)
	}
	if err := c.Send(m.advertisement(100)); !errors.Is(err, net.ErrClosed) {
		t.Errorf("Send after Close: %v", err)
	}
	goleak.VerifyNone(t)
}

func TestListenFails(t *testing.T) {
	hosts := labtest.Hosts(t, 1)
	cfg := modes[2].config(t, hosts[0])
	cfg.Interface = net.Interface{Index: 9999, Name: "none"}
	must(t, hosts[0].Do(func() error {
		c, err := Listen(cfg)
		if err == nil {
			return c.Close()
		}
		if !strings.Contains(err.Error(), "none") || !errors.Is(err, unix.ENODEV) {
			t.Errorf("error %q", err)
		}
		return nil
	}))
}

func TestSendRefuses(t *testing.T) {
	hosts := labtest.Hosts(t, 1)
	c := listen(t, hosts[0], modes[2].config(t, hosts[0]))
	a := modes[2].advertisement(100)
	a.VRID = 0
	if err := c.Send(a); err == nil {
		t.Error("an invalid advertisement was sent")
	}
}

// TestQueueOfOtherInterfacesIsDiscarded: a raw socket hears every interface from the moment that it exists.
func TestQueueOfOtherInterfacesIsDiscarded(t *testing.T) {
	hosts := labtest.Hosts(t, 2)
	m := modes[3]
	sender := listen(t, hosts[0], m.config(t, hosts[0], hosts[1]))
	cfg := m.config(t, hosts[1], hosts[0])
	must(t, hosts[1].Do(func() error {
		cfg.Interface = *eth0(t)
		fd, err := unix.Socket(unix.AF_INET, unix.SOCK_RAW|unix.SOCK_CLOEXEC, vrrp.Protocol)
		if err != nil {
			return err
		}
		defer unix.Close(fd)
		if err := sender.Send(m.advertisement(100)); err != nil {
			return err
		}
		peek := func(flags int) error {
			_, _, err := unix.Recvfrom(fd, nil, unix.MSG_PEEK|flags)
			return err
		}
		if err := errors.Join(peek(0), configure(fd, cfg)); err != nil {
			return err
		}
		if err := peek(unix.MSG_DONTWAIT); !errors.Is(err, unix.EAGAIN) {
			t.Errorf("after configure the queue says %v", err)
		}
		return nil
	}))
}
