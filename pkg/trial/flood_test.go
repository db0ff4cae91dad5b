// SPDX-License-Identifier: Apache-2.0

//go:build linux

package trial

import (
	"encoding/binary"
	"math/rand/v2"
	"net"
	"net/netip"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/harbinger-ha/harbinger/pkg/internal/lab"
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

// flood sends garbage to the multicast group from a host, so many packets a
// second, and returns how many it sent.
func flood(t *testing.T, h *lab.Host, rate int, length time.Duration) int64 {
	t.Helper()
	const senders = 4
	group := netip.MustParseAddr("224.0.0.18")
	start := time.Now()
	var sent atomic.Int64
	var ended sync.WaitGroup
	for range senders {
		ended.Go(func() {
			err := h.Do(func() error {
				conn, err := multicastSocket()
				if err != nil {
					return err
				}
				defer conn.Close()
				var buf [128]byte
				for time.Since(start) < length {
					if sent.Load() > int64(time.Since(start).Seconds()*float64(rate)) {
						time.Sleep(time.Millisecond) // ahead of the rate
						continue
					}
					b := garbage[rand.IntN(len(garbage))](buf[:0], h.Address.Addr(), group)
					if _, err := conn.WriteToIP(b, &net.IPAddr{IP: group.AsSlice()}); err != nil {
						return err
					}
					sent.Add(1)
				}
				return nil
			})
			if err != nil {
				t.Error(err)
			}
		})
	}
	ended.Wait()
	return sent.Load()
}

// multicastSocket returns a raw socket of VRRP that sends to multicast groups
// as VRRP does.
func multicastSocket() (*net.IPConn, error) {
	conn, err := net.ListenIP("ip4:112", &net.IPAddr{IP: net.IPv4zero})
	if err != nil {
		return nil, err
	}
	raw, err := conn.SyscallConn()
	if err != nil {
		return nil, err
	}
	var setErr error
	err = raw.Control(func(fd uintptr) {
		setErr = unix.BindToDevice(int(fd), lab.Interface)
		if setErr == nil {
			setErr = syscall.SetsockoptInt(int(fd), syscall.IPPROTO_IP, syscall.IP_MULTICAST_TTL, 255)
		}
	})
	if err == nil {
		err = setErr
	}
	return conn, err
}

func TestFloodOfGarbageMovesNothing(t *testing.T) {
	const rate, length = 50_000, 10 * time.Second
	p := startPlane(t, Config{System: harbinger})
	before := holder(t, p)
	start := time.Now()
	sent := flood(t, p.clientHost, rate, length)
	t.Logf("sent %d packets, %.0f a second", sent, float64(sent)/length.Seconds())
	if sent < rate*9 {
		t.Errorf("the machine sent %d packets in %v: too slow for this test", sent, length)
	}
	for _, span := range p.Holders.Since(start) {
		if len(span.Hosts) != 1 || span.Hosts[0] != before.Name {
			t.Errorf("the address was on %s, want %s all the time", span, before.Name)
		}
	}
	counts := dropped(t, before)
	for _, reason := range []string{"checksum", "vrid", "addresses"} {
		if counts[reason] == 0 {
			t.Errorf("no packet counted as refused for %q: %v", reason, counts)
		}
	}
}
