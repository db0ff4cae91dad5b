// SPDX-License-Identifier: Apache-2.0

package keyed

import (
	"bytes"
	"encoding/hex"
	"fmt"
	"hash"
	"net/netip"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/harbinger-ha/harbinger/pkg/vrrp"
)

// rows returns the rows of a kind, without the kind.
func rows(t testing.TB, kind string, fields, want int) [][]string {
	t.Helper()
	b, err := os.ReadFile("testdata/vectors.txt")
	if err != nil {
		t.Fatal(err)
	}
	var found [][]string
	for line := range strings.Lines(string(b)) {
		if cells := strings.Split(strings.TrimSpace(line), " | "); cells[0] == kind {
			if len(cells) != fields+1 {
				t.Fatalf("%d fields, want %d: %s", len(cells)-1, fields, line)
			}
			found = append(found, cells[1:])
		}
	}
	if len(found) != want {
		t.Fatalf("%d rows of %q, want %d", len(found), kind, want)
	}
	return found
}

// keys are those of the vectors, by name.
func keys(t testing.TB) map[string]string {
	t.Helper()
	all := map[string]string{}
	for _, row := range rows(t, "key", 2, 5) {
		all[row[0]] = row[1]
	}
	return all
}

// with returns a configuration with keys of the vectors, written as "1=K1"; the first one is active.
func with(t testing.TB, v vrrp.Version, vrid uint8, names ...string) Config {
	t.Helper()
	c := Config{Version: v, VRID: vrid, Mode: Enforce, AntiReplay: Time, Window: DefaultWindow(time.Second)}
	for _, name := range names {
		id, name, _ := strings.Cut(name, "=")
		k, err := ParseKey(uint8(number(t, id)), []byte(keys(t)[name]))
		if err != nil {
			t.Fatal(err)
		}
		c.Keys = append(c.Keys, k)
	}
	c.Active = c.Keys[0].ID
	return c
}

func number(t testing.TB, s string) int {
	t.Helper()
	n, err := strconv.Atoi(s)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func unhex(t testing.TB, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(s)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// router is what stands behind a socket: it makes every check of a packet, in the order that Verify asks for.
type router struct {
	rules    vrrp.Rules
	receiver *Receiver
}

// newRouter returns the router of a configuration that has the addresses of a message as its own.
func newRouter(t testing.TB, c Config, message []byte, source, destination netip.Addr) *router {
	t.Helper()
	var a vrrp.Advertisement
	if _, _, err := a.UnmarshalSigned(message, source, destination); err != nil {
		t.Fatal(err)
	}
	r := &router{rules: vrrp.Rules{
		Version: c.Version, VRID: c.VRID, Addresses: a.Addresses, Interval: a.Interval, Multicast: destination.IsMulticast(), MinimumTTL: 255,
	}}
	var err error
	if r.receiver, err = c.NewReceiver(nil); err != nil {
		t.Fatal(err)
	}
	return r
}

// hear returns "accept" or the reason against a packet.
func (r *router) hear(now time.Time, payload []byte, source, destination netip.Addr, ttl int) string {
	p := vrrp.Packet{Source: source, Destination: destination, TTL: ttl}
	form, trailer, err := p.Advertisement.UnmarshalSigned(payload, source, destination)
	if err != nil {
		return vrrp.Reason(err)
	}
	p.Form = form
	if err := r.rules.Check(p); err != nil {
		return vrrp.Reason(err)
	}
	v, err := r.receiver.Verify(now, payload[:len(payload)-len(trailer)], trailer, source)
	if err != nil {
		return vrrp.Reason(err)
	}
	r.receiver.Accept(v)
	return "accept"
}

// packet is one of keepalived.
type packet struct {
	name, key            string // the key as with takes it
	source, destination  netip.Addr
	priority             uint8
	sequence             Sequence
	message, trailer     []byte
	version              vrrp.Version
	vrid                 uint8
	sequenceText, groups string
}

func packets(t testing.TB) []packet {
	t.Helper()
	var all []packet
	for _, row := range rows(t, "packet", 10, 65) {
		p := packet{
			name: row[0], key: row[4] + "=" + row[5], priority: uint8(number(t, row[3])), sequenceText: row[6], groups: row[0][:1],
			source: netip.MustParseAddr(row[1]), destination: netip.MustParseAddr(row[2]), message: unhex(t, row[7]), trailer: unhex(t, row[8]),
		}
		p.version, p.vrid, p.sequence = vrrp.Version(p.message[0]>>4), p.message[1], trailerSequence(p.trailer)
		all = append(all, p)
	}
	return all
}

// clockOf is a moment whose sequence is one with counter 0.
func clockOf(s Sequence) time.Time {
	fraction := uint64(uint16(s >> 16))
	return time.Unix(int64(s>>32), int64((fraction*uint64(time.Second)+0xffff)>>16))
}

// TestPacketsAreMadeAsKeepalivedMakesThem sends each packet of keepalived from what it says.
func TestPacketsAreMadeAsKeepalivedMakesThem(t *testing.T) {
	for _, p := range packets(t) {
		t.Run(p.name, func(t *testing.T) {
			if p.sequence.String() != p.sequenceText {
				t.Errorf("sequence %s, want %s", p.sequence, p.sequenceText)
			}
			var a vrrp.Advertisement
			payload := append(bytes.Clone(p.message), p.trailer...)
			form, trailer, err := a.UnmarshalSigned(payload, p.source, p.destination)
			if err != nil || !bytes.Equal(trailer, p.trailer) || a.Priority != p.priority {
				t.Fatalf("priority %d, trailer %x, %v", a.Priority, trailer, err)
			}
			s, err := with(t, p.version, p.vrid, p.key).NewSender()
			if err != nil {
				t.Fatal(err)
			}
			message, err := a.AppendBinary(nil, p.source, p.destination, form)
			if err != nil {
				t.Fatal(err)
			}
			got, err := a.AppendSigned([]byte("before"), p.source, p.destination, form, s.Sign(clockOf(p.sequence), message, p.source))
			if want := append([]byte("before"), payload...); err != nil || !bytes.Equal(got, want) {
				t.Errorf("sent %x, %v\nwant %x", got, err, want)
			}
		})
	}
}

// TestPacketsAreAccepted hears the packets of each run as an enforcing peer of each destination did.
func TestPacketsAreAccepted(t *testing.T) {
	names := map[string][]string{} // of the keys of a run
	for _, p := range packets(t) {
		if !strings.Contains(fmt.Sprint(names[p.groups]), p.key) {
			names[p.groups] = append(names[p.groups], p.key)
		}
	}
	routers := map[string]*router{}
	for _, p := range packets(t) {
		payload := append(bytes.Clone(p.message), p.trailer...)
		at := p.groups + p.destination.String()
		if routers[at] == nil {
			routers[at] = newRouter(t, with(t, p.version, p.vrid, names[p.groups]...), payload, p.source, p.destination)
		}
		now := time.Unix(int64(p.sequence>>32), 0)
		if got := routers[at].hear(now, payload, p.source, p.destination, 255); got != "accept" {
			t.Errorf("%s: %s", p.name, got)
		}
		if got := routers[at].hear(now, payload, p.source, p.destination, 255); got != "hmac_replay" {
			t.Errorf("%s again: %s", p.name, got)
		}
	}
}

// record is a hash that keeps what is written to it.
type record struct {
	hash.Hash
	bytes.Buffer
}

func (r *record) Write(b []byte) (int, error) { return r.Buffer.Write(b) }
func (r *record) Reset()                      { r.Buffer.Reset() }

func TestWhatIsSigned(t *testing.T) {
	input := map[string]string{}
	for _, row := range rows(t, "signed", 2, 3) {
		input[row[0]] = row[1]
	}
	for _, p := range packets(t) {
		if input[p.name] == "" {
			continue
		}
		var ps pseudo
		ps.set(p.version, p.vrid, p.source)
		var got record
		writeSigned(&got, &ps, p.message, p.trailer[:tagOffset])
		if hex.EncodeToString(got.Bytes()) != input[p.name] {
			t.Errorf("%s signs %x\nwant %s", p.name, got.Bytes(), input[p.name])
		}
	}
}

// TestDraft holds the tags of the published vectors. Their checksums are those that RFC 9568 asks for.
func TestDraft(t *testing.T) {
	for _, row := range rows(t, "draft", 4, 2) {
		source, message, want := netip.MustParseAddr(row[1]), unhex(t, row[2]), unhex(t, row[3])
		s, err := with(t, vrrp.Version3, 51, "1=K1").NewSender()
		if err != nil {
			t.Fatal(err)
		}
		now := clockOf(trailerSequence(want))
		if got := s.Sign(now, message, source); !bytes.Equal(got, want) {
			t.Errorf("%s: signed %x, want %x", row[0], got, want)
		}
		r, err := with(t, vrrp.Version3, 51, "1=K1").NewReceiver(nil)
		if err != nil {
			t.Fatal(err)
		}
		if v, err := r.Verify(now, message, want, source); err != nil || !v.Signed || v.KeyID != 1 {
			t.Errorf("%s: %+v, %v", row[0], v, err)
		}
	}
}

var (
	sender11 = netip.MustParseAddr("192.168.238.11")
	start    = time.Unix(1795874600, 0)
)

// TestVerdicts hears packets in order, in each mode: only that of a packet without a trailer goes by it.
func TestVerdicts(t *testing.T) {
	for _, mode := range []Mode{Enforce, Permissive, ReceiveOnly} {
		t.Run(string(mode), func(t *testing.T) {
			all := rows(t, "verdict", 8, 36)
			c := with(t, vrrp.Version3, 51, "1=K1")
			c.Mode = mode
			r := newRouter(t, c, unhex(t, all[0][4]), sender11, vrrp.GroupIPv4)
			for _, row := range all {
				now, source := time.Unix(int64(number(t, row[1])), 0), netip.MustParseAddr(row[2])
				want := row[6]
				if want == "hmac_missing" && mode != Enforce {
					want = "accept"
				}
				if got := r.hear(now, unhex(t, row[4]), source, vrrp.GroupIPv4, number(t, row[3])); got != want {
					t.Errorf("%s: %s, want %s (%s)", row[0], got, want, row[7])
				}
				if differs := strings.HasPrefix(row[7], "OURS DIFFERS"); differs != (row[5] != row[6]) {
					t.Errorf("%s: %s and %s, but the row says %q", row[0], row[5], row[6], row[7])
				}
			}
		})
	}
}

// TestCounters counts the reasons of all those packets by label, as the metrics do. keepalived 2.4.3 counted the same but for one
// invalid tag, whose packet is refused here for its checksum.
func TestCounters(t *testing.T) {
	for _, mode := range []Mode{Enforce, Permissive, ReceiveOnly} {
		all := rows(t, "verdict", 8, 36)
		c := with(t, vrrp.Version3, 51, "1=K1")
		c.Mode = mode
		r := newRouter(t, c, unhex(t, all[0][4]), sender11, vrrp.GroupIPv4)
		got := map[string]int{}
		for _, row := range all {
			now, source := time.Unix(int64(number(t, row[1])), 0), netip.MustParseAddr(row[2])
			got[r.hear(now, unhex(t, row[4]), source, vrrp.GroupIPv4, number(t, row[3]))]++
		}
		want := map[string]int{
			"accept": 14, "hmac_missing": 1, "hmac_malformed": 2, "hmac_unknown_key": 1, "hmac_invalid": 2, "hmac_stale": 4, "hmac_replay": 5,
			"length": 3, "checksum": 2, "ttl": 1, "vrid": 1,
		}
		if mode != Enforce { // what is not signed is accepted, and not counted as missing
			want["accept"]++
			delete(want, "hmac_missing")
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", mode, diff)
		}
	}
}

// TestVerdictOfAnotherVirtualRouter hears the packet whose VRID was changed behind its tag where it is the right one.
func TestVerdictOfAnotherVirtualRouter(t *testing.T) {
	for _, row := range rows(t, "verdict", 8, 36) {
		if row[0] != "R28" {
			continue
		}
		payload := unhex(t, row[4])
		r := newRouter(t, with(t, vrrp.Version3, 52, "1=K1"), payload, sender11, vrrp.GroupIPv4)
		if got := r.hear(time.Unix(int64(number(t, row[1])), 0), payload, sender11, vrrp.GroupIPv4, 255); got != "hmac_invalid" {
			t.Errorf("%s, want hmac_invalid", got)
		}
		return
	}
	t.Error("the packet is gone")
}

func TestMonotonicVerdicts(t *testing.T) {
	for _, mode := range []Mode{Enforce, Permissive, ReceiveOnly} {
		all := rows(t, "monotonic", 5, 7)
		c := with(t, vrrp.Version3, 52, "1=K1")
		c.Mode, c.AntiReplay, c.Window = mode, Monotonic, 0
		r := newRouter(t, c, unhex(t, all[0][2]), sender11, vrrp.GroupIPv4)
		for _, row := range all {
			if got := r.hear(start, unhex(t, row[2]), netip.MustParseAddr(row[1]), vrrp.GroupIPv4, 255); got != row[3] {
				t.Errorf("%s, %s: %s, want %s (%s)", mode, row[0], got, row[3], row[4])
			}
		}
	}
}

// TestConstructedPacketsAreSigned makes the trailers of the constructed packets that are accepted, whatever their counters.
func TestConstructedPacketsAreSigned(t *testing.T) {
	c := with(t, vrrp.Version3, 51, "1=K1")
	c.AntiReplay = Monotonic
	for _, row := range rows(t, "verdict", 8, 36) {
		if row[6] != "accept" {
			continue
		}
		s, err := c.NewSender()
		if err != nil {
			t.Fatal(err)
		}
		payload := unhex(t, row[4])
		message, want := payload[:len(payload)-vrrp.TrailerLength], payload[len(payload)-vrrp.TrailerLength:]
		s.Restore(trailerSequence(want) - 1)
		if got := s.Sign(start.Add(-time.Minute), message, netip.MustParseAddr(row[2])); !bytes.Equal(got, want) {
			t.Errorf("%s: signed %x, want %x", row[0], got, want)
		}
	}
}
