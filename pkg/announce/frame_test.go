// SPDX-License-Identifier: Apache-2.0

package announce

import (
	"bytes"
	"encoding/hex"
	"net"
	"net/netip"
	"os"
	"testing"

	"github.com/mdlayher/ndp"
)

var (
	macA = net.HardwareAddr{2, 0, 0, 0, 0, 0xa}
	macB = net.HardwareAddr{2, 0, 0, 0, 0, 0xb}
)

// golden reads a frame that keepalived 2.2.7 or the Linux kernel sent.
func golden(t testing.TB, name string) []byte {
	t.Helper()
	text, err := os.ReadFile("testdata/" + name + ".hex")
	if err != nil {
		t.Fatal(err)
	}
	frame, err := hex.DecodeString(string(bytes.TrimSpace(text)))
	if err != nil {
		t.Fatal(err)
	}
	return frame
}

func TestAnnouncementsAreKeepaliveds(t *testing.T) {
	for file, addr := range map[string]string{
		"garp":         "10.99.0.100",
		"na":           "fd00:99::100",
		"na-linklocal": "fe80::100",
	} {
		t.Run(file, func(t *testing.T) {
			got, err := announcement(macA, netip.MustParseAddr(addr))
			if err != nil {
				t.Fatal(err)
			}
			if want := golden(t, file); !bytes.Equal(got, want) {
				t.Errorf("frame\n%x, want\n%x", got, want)
			}
		})
	}
}

func TestParseGoldenFrames(t *testing.T) {
	for file, want := range map[string]sighting{
		"garp":         {netip.MustParseAddr("10.99.0.100"), macA},
		"na":           {netip.MustParseAddr("fd00:99::100"), macA},
		"na-linklocal": {netip.MustParseAddr("fe80::100"), macA},
		"arp-reply":    {netip.MustParseAddr("10.99.0.2"), macB},
	} {
		got, ok := parse(golden(t, file))
		if !ok || got.addr != want.addr || !bytes.Equal(got.mac, want.mac) {
			t.Errorf("%s: %v, %t, want %v", file, got, ok, want)
		}
	}
}

func TestParseRefuses(t *testing.T) {
	change := func(file string, offset int, value byte) []byte {
		frame := golden(t, file)
		frame[offset] = value
		return frame
	}
	probe := golden(t, "garp")
	copy(probe[senderOfARP:], make([]byte, 4))
	for name, frame := range map[string][]byte{
		"empty":                  {},
		"another protocol":       change("garp", 13, 0x35),
		"ARP of another medium":  change("garp", headerARP+1, 6),
		"ARP of another network": change("garp", headerARP+2, 0x86),
		"short ARP":              golden(t, "garp")[:headerARP+arpLen-1],
		"ARP probe":              probe,
		"UDP":                    change("na", offsetNext, 17),
		"NA from afar":           change("na", offsetHop, 254),
		"damaged NA":             change("na", targetOfNA+15, 1),
		"short NA":               golden(t, "na")[:80],
		"NA longer than its IP":  change("na", offsetLength+1, 8),
		"router advertisement":   change("na", headerICMPv6, 134),
		"truncated IPv6":         golden(t, "na")[:headerICMPv6-1],
	} {
		if got, ok := parse(frame); ok {
			t.Errorf("%s: parsed as %v", name, got)
		}
	}
}

// An answer to a unicast question may come without the option; RFC 4861, section 4.4.
func TestParseAdvertisementWithoutOption(t *testing.T) {
	target := netip.MustParseAddr("fd00:99::2")
	frame, err := ndFrame(macB, target, netip.MustParseAddr("fd00:99::1"), macA,
		&ndp.NeighborAdvertisement{Solicited: true, TargetAddress: target})
	if err != nil {
		t.Fatal(err)
	}
	if got, ok := parse(frame); !ok || got.addr != target || !bytes.Equal(got.mac, macB) {
		t.Errorf("%v, %t, want %s at %s", got, ok, target, macB)
	}
}

func TestQuestionsAsTheKernelAsks(t *testing.T) {
	for _, tt := range []struct {
		name           string
		source, target string
		to             net.HardwareAddr
		want           string
	}{
		{"ARP to all", "10.99.0.1", "10.99.0.2", nil,
			"ffffffffffff02000000000a0806000108000604000102000000000a0a6300010000000000000a630002"},
		{"ARP to one", "10.99.0.1", "10.99.0.2", macB,
			"02000000000b02000000000a0806000108000604000102000000000a0a6300010000000000000a630002"},
		{"NS to all", "fe80::ff:fe00:a", "fd00:99::2", nil,
			"3333ff00000202000000000a86dd6000000000203afffe80000000000000000000fffe00000a"},
		{"NS to one", "fe80::ff:fe00:a", "fd00:99::2", macB,
			"02000000000b02000000000a86dd6000000000203afffe80000000000000000000fffe00000a"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got, err := question(macA, netip.MustParseAddr(tt.source), netip.MustParseAddr(tt.target), tt.to)
			if err != nil {
				t.Fatal(err)
			}
			if text := hex.EncodeToString(got); len(text) < len(tt.want) || text[:len(tt.want)] != tt.want {
				t.Errorf("frame %s, want %s…", text, tt.want)
			}
		})
	}
}

func TestQuestionOfMixedFamilies(t *testing.T) {
	if _, err := question(macA, netip.MustParseAddr("fd00:99::1"), netip.MustParseAddr("10.99.0.2"), nil); err == nil {
		t.Error("no error")
	}
}

func FuzzParse(f *testing.F) {
	for _, file := range []string{"garp", "na", "na-linklocal", "arp-reply"} {
		f.Add(golden(f, file))
	}
	f.Fuzz(func(t *testing.T, frame []byte) {
		if s, ok := parse(frame); ok && (!s.addr.IsValid() || len(s.mac) != macLen) {
			t.Errorf("parsed as %v", s)
		}
	})
}
