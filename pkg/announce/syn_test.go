// SPDX-License-Identifier: Apache-2.0

package announce

import (
	"bytes"
	"context"
	"net"
	"net/netip"
	"testing"
	"time"

	"golang.org/x/net/bpf"
	"golang.org/x/sys/unix"
)

// The frame of a SYN is one that a kernel takes, and that the watch for it finds.
func TestFrameOfASYN(t *testing.T) {
	from, to := net.HardwareAddr{2, 0, 0, 0, 0, 1}, net.HardwareAddr{2, 0, 0, 0, 0, 2}
	for _, tt := range []struct {
		source, target string
		length, header int
	}{
		{"192.0.2.1:65510", "192.0.2.100:6443", 54, ipv4Len},
		{"[2001:db8::1]:65510", "[2001:db8::100]:6443", 74, ipv6Len},
	} {
		s := SYN{Source: netip.MustParseAddrPort(tt.source), Target: netip.MustParseAddrPort(tt.target), Sequence: 3000000001}
		frame := s.frame(from, to)
		if len(frame) != tt.length || !bytes.HasPrefix(frame, append(append([]byte{}, to...), from...)) {
			t.Fatalf("frame %x", frame)
		}
		packet := frame[ethernetLen:]
		segment := packet[tt.header:]
		if s.Target.Addr().Is4() && fold(sum16(packet[:tt.header])) != 0 {
			t.Errorf("checksum of the header of %x", packet)
		}
		pseudo := sum16(s.Source.Addr().AsSlice()) + sum16(s.Target.Addr().AsSlice()) + unix.IPPROTO_TCP + tcpLen
		if fold(pseudo+sum16(segment)) != 0 || segment[13] != flagSYN {
			t.Errorf("segment %x", segment)
		}
		for sequence, want := range map[uint32]bool{s.Sequence: true, 7: false} {
			if matches(t, synTo(s.Target.Addr(), sequence), frame) != want {
				t.Errorf("the watch for %d finds %v", sequence, !want)
			}
		}
		if matches(t, synTo(s.Source.Addr(), s.Sequence), frame) {
			t.Error("the watch finds the SYN of another address")
		}
	}
}

// matches runs the program of the kernel.
func matches(t *testing.T, fields []field, frame []byte) bool {
	t.Helper()
	raw, err := filter(fields)
	must(t, err)
	program, _ := bpf.Disassemble(raw)
	vm, err := bpf.NewVM(program)
	must(t, err)
	n, err := vm.Run(frame)
	must(t, err)
	return n > 0
}

func TestSYNOnTheWire(t *testing.T) {
	all := newStations(t, 2)
	syn := SYN{Source: netip.AddrPortFrom(all[1].own(vip4), 65510), Target: netip.AddrPortFrom(vip4, 6443), Sequence: 9}
	for sequence, want := range map[uint32]bool{9: true, 10: false} {
		ctx, cancel := context.WithTimeout(t.Context(), 500*time.Millisecond)
		var wait func() bool
		must(t, all[0].Do(func() (err error) {
			wait, err = all[0].HearSYN(ctx, vip4, sequence)
			return err
		}))
		must(t, all[1].SendSYN(syn, all[0].MAC))
		if wait() != want {
			t.Errorf("%d is heard: %v", sequence, !want)
		}
		cancel()
	}
}

func TestHardwareAddressOfAPeer(t *testing.T) {
	a := &Announcer{peers: map[netip.Addr]peer{vip4: {mac: net.HardwareAddr{2, 0, 0, 0, 0, 1}}}}
	if got := a.HardwareAddress(vip4).String(); got != "02:00:00:00:00:01" {
		t.Errorf("%s", got)
	}
	if got := a.HardwareAddress(vip6); got != nil {
		t.Errorf("%s has never answered", got)
	}
}
