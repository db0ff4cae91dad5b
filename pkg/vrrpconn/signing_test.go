// SPDX-License-Identifier: Apache-2.0

package vrrpconn

import (
	"bytes"
	"fmt"
	"net/netip"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/harbinger-ha/harbinger/e2e/lab/labtest"
	"github.com/harbinger-ha/harbinger/pkg/vrrp"
	"github.com/harbinger-ha/harbinger/pkg/vrrp/keyed"
)

// clock is a clock that the test sets.
type clock struct{ time.Time }

func (c *clock) now() time.Time { return c.Time }

func newClock() *clock { return &clock{time.Unix(1_800_000_000, 500_000_000)} }

func key(t *testing.T, id uint8, secret string) keyed.Key {
	t.Helper()
	k, err := keyed.ParseKey(id, []byte(secret))
	must(t, err)
	return k
}

const secretA, secretB = "correct-horse-battery-staple-238", "another-horse-battery-staple-239"

// keys returns a configuration of one mode, whose first key is the active one.
func (m mode) keys(mode keyed.Mode, all ...keyed.Key) keyed.Config {
	return keyed.Config{Version: m.version, VRID: 51, Keys: all, Active: all[0].ID, Mode: mode, AntiReplay: keyed.Time, Window: 5 * time.Second}
}

func signing(t *testing.T, c *clock, cfg keyed.Config) *Signing {
	t.Helper()
	s, err := NewSigning(cfg, c.now, func() {})
	must(t, err)
	return s
}

// signed opens a Conn that signs.
func signed(t *testing.T, cfg Config, s *Signing) (Config, *drops) {
	t.Helper()
	d := new(drops)
	cfg.Signing, cfg.Dropped = s, d.count
	s.SetPeers(cfg.Peers, cfg.Peers)
	return cfg, d
}

// What is signed arrives in each version, family and way to send. Its bytes again are a replay, also behind a copy with a wrong
// checksum, and what is not signed, or by another key, is refused under its reason.
func TestSignedAdvertisements(t *testing.T) {
	hosts := labtest.Hosts(t, 2)
	for _, m := range modes {
		t.Run(m.name, func(t *testing.T) {
			c := newClock()
			a := key(t, 1, secretA)
			from, _ := signed(t, m.config(t, hosts[0], hosts[1]), signing(t, c, m.keys(keyed.Enforce, a)))
			to, refused := signed(t, m.config(t, hosts[1], hosts[0]), signing(t, c, m.keys(keyed.Enforce, a)))
			sender, receiver := listen(t, hosts[0], from), listen(t, hosts[1], to)
			must(t, sender.Send(m.advertisement(100)))
			c.Time = c.Add(2 * time.Second) // the receiver's, which is ahead
			if diff := cmp.Diff(m.advertisement(100), receive(t, receiver).Advertisement, cmpopts.EquateComparable(netip.Addr{})); diff != "" {
				t.Errorf("advertisement (-want +got):\n%s", diff)
			}
			h := to.Signing.Heard()
			if len(h) != 1 || h[0].Source != from.Source || h[0].KeyID != 1 || h[0].Skew != -2*time.Second || h[0].Skewed || !h[0].SignedAt.Equal(c.Time) || h[0].Unsigned != 0 {
				t.Errorf("heard is %+v", h)
			}
			must(t, inject(sender, sender.message, sender.destinations[0]))
			refused.want(t, receiver, "hmac_replay")
			must(t, sender.Send(m.advertisement(101))) // arrives behind its damaged copy
			receive(t, receiver)
			next := sendCopy(t, sender, m.advertisement(102), func(b []byte) { b[6] ^= 0x40 })
			refused.want(t, receiver, "checksum")
			must(t, inject(sender, next, sender.destinations[0]))
			if p := receive(t, receiver); p.Advertisement.Priority != 102 {
				t.Errorf("accepted %+v", p)
			}
			sendCopy(t, sender, m.advertisement(103), func(b []byte) { b[len(b)-1] ^= 1 })
			if m.ipv6 {
				refused.want(t, receiver, "checksum") // which covers the trailer
			} else {
				refused.want(t, receiver, "hmac_invalid")
			}
			must(t, from.Signing.Reconfigure(m.keys(keyed.Enforce, key(t, 1, secretB))))
			must(t, sender.Send(m.advertisement(104)))
			refused.want(t, receiver, "hmac_invalid")
			must(t, from.Signing.Reconfigure(m.keys(keyed.Enforce, key(t, 2, secretA))))
			must(t, sender.Send(m.advertisement(105)))
			refused.want(t, receiver, "hmac_unknown_key")
			must(t, from.Signing.Reconfigure(m.keys(keyed.ReceiveOnly, a)))
			must(t, sender.Send(m.advertisement(106)))
			refused.want(t, receiver, "hmac_missing")
			must(t, to.Signing.Reconfigure(m.keys(keyed.Permissive, a)))
			must(t, sender.Send(m.advertisement(107)))
			if p := receive(t, receiver); p.Advertisement.Priority != 107 || to.Signing.Heard()[0].Unsigned != 1 && m.unicast {
				t.Errorf("accepted %+v, heard %+v", p, to.Signing.Heard())
			}
			c.Time = c.Add(6 * time.Second)
			must(t, inject(sender, next, sender.destinations[0]))
			refused.want(t, receiver, "hmac_stale")
		})
	}
}

// sendCopy sends a damaged copy of what Send would send, and returns what it was made from.
func sendCopy(t *testing.T, c *Conn, a vrrp.Advertisement, damage func([]byte)) []byte {
	t.Helper()
	trailer, err := c.sign(a)
	must(t, err)
	whole, err := a.AppendSigned(nil, c.cfg.Source, c.destinations[0], vrrp.ChecksumPseudo, trailer)
	must(t, err)
	damaged := bytes.Clone(whole)
	damage(damaged)
	must(t, inject(c, damaged, c.destinations[0]))
	return whole
}

// want waits until one packet is refused for a reason, and none is accepted.
func (d *drops) want(t *testing.T, c *Conn, reason string) {
	t.Helper()
	d.mu.Lock()
	before := d.byReason[reason]
	d.mu.Unlock()
	labtest.Until(t, 5*time.Second, "a packet is refused: "+reason, func() bool {
		if p, ok, err := c.Receive(); ok || err != nil {
			t.Fatalf("accepted %+v: %v", p, err)
		}
		d.mu.Lock()
		defer d.mu.Unlock()
		return d.byReason[reason] == before+1
	})
}

// A host without keys refuses what is signed, as an older one does.
func TestSignedIsTooLongWithoutKeys(t *testing.T) {
	hosts := labtest.Hosts(t, 2)
	m := modes[2]
	from, _ := signed(t, m.config(t, hosts[0]), signing(t, newClock(), m.keys(keyed.Permissive, key(t, 1, secretA))))
	to, refused := m.config(t, hosts[1]), new(drops)
	to.Dropped = refused.count
	sender, receiver := listen(t, hosts[0], from), listen(t, hosts[1], to)
	must(t, sender.Send(m.advertisement(100)))
	refused.want(t, receiver, "length")
}

// Each advertisement is signed once: the copies to the peers of unicast have one trailer, and each its own checksum in IPv6.
func TestCopiesShareATrailer(t *testing.T) {
	hosts := labtest.Hosts(t, 3)
	m := modes[5]
	c := newClock()
	a := key(t, 1, secretA)
	from, _ := signed(t, m.config(t, hosts[0], hosts[1], hosts[2]), signing(t, c, m.keys(keyed.Enforce, a)))
	sender := listen(t, hosts[0], from)
	for _, h := range hosts[1:] { // which resolves them
		to, _ := signed(t, m.config(t, h, hosts[0]), signing(t, c, m.keys(keyed.Enforce, a)))
		receiver := listen(t, h, to)
		must(t, sender.Send(m.advertisement(100)))
		receive(t, receiver)
	}
	fds := []int{openCapture(t, hosts[1], true), openCapture(t, hosts[2], true)}
	must(t, sender.Send(m.advertisement(100)))
	first, second := capture(t, fds[0], true), capture(t, fds[1], true)
	n := len(first) - vrrp.TrailerLength
	if !bytes.Equal(first[n:], second[n:]) || bytes.Equal(first[46:48], second[46:48]) {
		t.Errorf("the copies are\n%x\n%x", first[40:], second[40:])
	}
}

// A new process goes on where the one before was: what passed there is a replay here, and what it signs is later than what was
// signed there, by whatever the clock was put back.
func TestStateOutlivesTheProcess(t *testing.T) {
	m, c := modes[2], newClock()
	source := netip.MustParseAddr("192.168.238.11")
	cfg := m.keys(keyed.Enforce, key(t, 1, secretA))
	before, receiver := signing(t, c, cfg), signing(t, c, cfg)
	message, err := m.advertisement(100).AppendBinary(nil, source, vrrp.GroupIPv4, vrrp.ChecksumPseudo)
	must(t, err)
	recorded := bytes.Clone(before.sign(message, source))
	must(t, receiver.verify(message, recorded, source))

	c.Time = c.Add(-time.Second)
	after, again := signing(t, c, cfg), signing(t, c, cfg)
	if err := signing(t, c, cfg).verify(message, recorded, source); err != nil {
		t.Errorf("a receiver without the state refuses it too: %v", err)
	}
	again.Restore(receiver.State())
	if err := again.verify(message, recorded, source); vrrp.Reason(err) != "hmac_replay" {
		t.Errorf("the recorded packet: %v", err)
	}
	if err := again.verify(message, signing(t, c, cfg).sign(message, source), source); vrrp.Reason(err) != "hmac_replay" {
		t.Errorf("a sender without the state, whose clock went back: %v", err)
	}
	after.Restore(before.State())
	must(t, again.verify(message, after.sign(message, source), source))
	must(t, again.Reconfigure(m.keys(keyed.Permissive, key(t, 2, secretB), key(t, 1, secretA))))
	if err := again.verify(message, recorded, source); vrrp.Reason(err) != "hmac_replay" {
		t.Errorf("the recorded packet, after other keys: %v", err)
	}
	if state := (&SigningState{}); signing(t, c, cfg).State().Reserved != state.Reserved {
		t.Error("something is reserved where nothing was signed")
	}
}

// An invalid configuration changes nothing.
func TestInvalidKeysChangeNothing(t *testing.T) {
	m, c := modes[2], newClock()
	source := netip.MustParseAddr("192.168.238.11")
	s := signing(t, c, m.keys(keyed.Enforce, key(t, 1, secretA)))
	message, err := m.advertisement(100).AppendBinary(nil, source, vrrp.GroupIPv4, vrrp.ChecksumPseudo)
	must(t, err)
	for _, wrong := range []func(*keyed.Config){
		func(k *keyed.Config) { k.Active = 2 }, func(k *keyed.Config) { k.Keys = nil }, func(k *keyed.Config) { k.Mode = "" },
	} {
		cfg := m.keys(keyed.Enforce, key(t, 1, secretA))
		wrong(&cfg)
		if err := s.Reconfigure(cfg); err == nil {
			t.Errorf("%+v is taken", cfg)
		}
		if s, err := NewSigning(cfg, c.now, func() {}); err == nil {
			t.Errorf("%+v makes %v", cfg, s)
		}
	}
	if s.sign(message, source) == nil || vrrp.Reason(s.verify(message, nil, source)) != "hmac_missing" {
		t.Error("it no longer signs, or accepts what is not signed")
	}
}

// Whatever number of sources there is, few are kept apart: those that are known, whether heard or not, and those that have signed.
func TestHeardIsBounded(t *testing.T) {
	m, c := modes[2], newClock()
	at := func(i int) netip.Addr { return netip.MustParseAddr(fmt.Sprintf("10.0.%d.%d", i/256, i%256)) }
	s := signing(t, c, m.keys(keyed.Permissive, key(t, 1, secretA)))
	s.SetPeers(nil, []netip.Addr{at(1), at(2)})
	for i := range 1000 {
		must(t, s.verify(make([]byte, 12), nil, at(i)))
	}
	want := []Heard{{Unsigned: 998}, {Source: at(1), Unsigned: 1}, {Source: at(2), Unsigned: 1}}
	if got := s.Heard(); !slices.Equal(got, want) {
		t.Errorf("heard %+v, want %+v", got, want)
	}
	for i := range 200 {
		message, err := m.advertisement(100).AppendBinary(nil, at(i), vrrp.GroupIPv4, vrrp.ChecksumPseudo)
		must(t, err)
		must(t, s.verify(message, signing(t, c, m.keys(keyed.Enforce, key(t, 1, secretA))).sign(message, at(i)), at(i)))
	}
	if n := len(s.Heard()); n > maxHeard+2 {
		t.Errorf("%d sources are kept apart", n)
	}
}
