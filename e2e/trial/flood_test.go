// SPDX-License-Identifier: Apache-2.0

package trial

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"net/netip"
	"testing"
	"time"

	"golang.org/x/net/ipv4"
	"golang.org/x/sys/unix"

	"github.com/harbinger-ha/harbinger/e2e/lab"
	"github.com/harbinger-ha/harbinger/pkg/vrrp"
)

// What the flood is made of: each kind has its own reason to be refused.
var garbage = []func(b []byte, src, dst netip.Addr) []byte{
	func(b []byte, _, _ netip.Addr) []byte { // noise
		for range rand.IntN(64) {
			b = append(b, byte(rand.Uint32()))
		}
		return b
	},
	func(b []byte, src, dst netip.Addr) []byte { // a wrong checksum
		b = advertisement(b, VirtualRouterID, "192.168.238.100", src, dst)
		binary.BigEndian.PutUint16(b[6:], binary.BigEndian.Uint16(b[6:])+1)
		return b
	},
	func(b []byte, src, dst netip.Addr) []byte { // another virtual router
		return advertisement(b, VirtualRouterID+1, "192.168.238.100", src, dst)
	},
	func(b []byte, src, dst netip.Addr) []byte { // our virtual router with another address
		return advertisement(b, VirtualRouterID, "192.168.238.99", src, dst)
	},
}

// advertisement appends one with the highest priority.
func advertisement(b []byte, vrid uint8, address string, src, dst netip.Addr) []byte {
	b, err := vrrp.Advertisement{
		Version:   vrrp.Version3,
		VRID:      vrid,
		Priority:  254,
		Interval:  time.Second,
		Addresses: []netip.Addr{netip.MustParseAddr(address)},
	}.AppendBinary(b, src, dst, vrrp.ChecksumPseudo)
	if err != nil {
		panic(err) // every field is valid
	}
	return b
}

// flood sends garbage to the multicast group from a host, so many packets a second, and returns how many it sent.
func flood(t *testing.T, h *lab.Host, rate int, length time.Duration) (sent int) {
	t.Helper()
	group := netip.MustParseAddr("224.0.0.18")
	batch := make([]ipv4.Message, 100)
	must(t, h.Do(func() error {
		conn, err := multicastSocket()
		if err != nil {
			return err
		}
		defer conn.Close()
		// A sender elsewhere would not wait for our nodes either.
		if err := unix.SchedSetAttr(0, &unix.SchedAttr{
			Size: unix.SizeofSchedAttr, Policy: unix.SCHED_FIFO, Priority: 10,
		}, 0); err != nil {
			return fmt.Errorf("send before everything else runs (needs root): %w", err)
		}
		for i := range batch {
			b := garbage[i%len(garbage)](nil, h.Address.Addr(), group)
			batch[i] = ipv4.Message{Buffers: [][]byte{b}, Addr: &net.IPAddr{IP: group.AsSlice()}}
		}
		for start := time.Now(); time.Since(start) < length; {
			if due := time.Since(start).Seconds() * float64(rate); float64(sent) > due {
				time.Sleep(time.Millisecond)
				continue
			}
			n, err := conn.WriteBatch(batch, 0)
			if err != nil {
				return err
			}
			sent += n
		}
		return nil
	}))
	return sent
}

// multicastSocket returns a raw socket of VRRP that sends to multicast groups as VRRP does.
func multicastSocket() (*ipv4.PacketConn, error) {
	raw, err := net.ListenPacket("ip4:112", "0.0.0.0")
	if err != nil {
		return nil, err
	}
	ifi, err := net.InterfaceByName(lab.Interface)
	if err != nil {
		return nil, err
	}
	conn := ipv4.NewPacketConn(raw)
	return conn, errors.Join(conn.SetMulticastInterface(ifi), conn.SetMulticastTTL(255))
}

func TestFloodOfGarbageMovesNothing(t *testing.T) {
	const rate, length = 50_000, 10 * time.Second
	alone(t)
	p := makePlane(t, Config{System: harbinger})
	must(t, p.Start())
	before := holder(t, p)
	start := time.Now()
	sent := flood(t, p.clientHost, rate, length)
	t.Logf("sent %d packets, %.0f a second", sent, float64(sent)/length.Seconds())
	if sent < rate*9 {
		t.Errorf("the machine sent %d packets in %v: too slow for this test", sent, length)
	}
	expectStill(t, p, before, start)
	counts := dropped(t, before)
	for _, reason := range []string{"checksum", "vrid", "addresses"} {
		if counts[reason] == 0 {
			t.Errorf("no packet counted as refused for %q: %v", reason, counts)
		}
	}
}
