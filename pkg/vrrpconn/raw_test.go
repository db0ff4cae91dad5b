// SPDX-License-Identifier: Apache-2.0

package vrrpconn

import (
	"bytes"
	"net/netip"
	"slices"
	"testing"
	"time"

	"github.com/harbinger-ha/harbinger/e2e/lab"
	"github.com/harbinger-ha/harbinger/e2e/lab/labtest"
	"github.com/harbinger-ha/harbinger/pkg/vrrp"
)

// raw opens a raw socket in a host.
func raw(t *testing.T, h *lab.Host, source netip.Addr) (r *Raw) {
	t.Helper()
	must(t, h.Do(func() (err error) {
		r, err = ListenRaw(*eth0(t), source)
		return err
	}))
	t.Cleanup(func() { must(t, r.Close()) })
	return r
}

// ear overhears in a host.
func overhear(t *testing.T, h *lab.Host) (e *Ear) {
	t.Helper()
	must(t, h.Do(func() (err error) {
		e, err = OpenEar(*eth0(t))
		return err
	}))
	t.Cleanup(func() { must(t, e.Close()) })
	return e
}

// take waits for a message with a payload, and returns a copy of it.
func take(t *testing.T, next func() (Message, bool, error), payload []byte) (found Message) {
	t.Helper()
	must(t, lab.Until(5*time.Second, "the message arrives", func() bool {
		for {
			m, ok, err := next()
			must(t, err)
			if !ok {
				return false
			}
			if bytes.Equal(m.Payload, payload) {
				found = m
				return true
			}
		}
	}))
	return found
}

// Any message of protocol 112 passes, to the group, to a host and to everybody, over both families; short ones arrive without what
// Ethernet pads them with, and one that is too long for the interface is not sent in parts.
func TestRaw(t *testing.T) {
	hosts := labtest.Hosts(t, 2)
	ear := overhear(t, hosts[1])
	for _, m := range []mode{{version: vrrp.Version3}, {version: vrrp.Version3, ipv6: true, unicast: true}} {
		from, to := m.address(t, hosts[0]), m.address(t, hosts[1])
		sender, receiver := raw(t, hosts[0], from), raw(t, hosts[1], to)
		all, header := netip.MustParseAddr("255.255.255.255"), 20
		if m.ipv6 {
			all, header = netip.IPv6LinkLocalAllNodes(), 40
		}
		for i, destination := range []netip.Addr{to, group(from), all} {
			payload := []byte{1, 2, byte(i)}
			must(t, sender.Send(destination, payload))
			for name, next := range map[string]func() (Message, bool, error){"socket": receiver.Receive, "ear": ear.Next} {
				if m.ipv6 && name == "socket" && destination == all {
					continue // a socket of IPv6 gets what its groups get
				}
				got := take(t, next, payload)
				if got.Source != from || got.Destination != destination || got.TTL != 255 || got.Authenticated || name == "ear" && !slices.Equal(got.MAC, hosts[0].MAC) {
					t.Errorf("%s, to %s: %+v", name, destination, got)
				}
			}
		}
		must(t, sender.Send(to, make([]byte, 1500-header)))
		take(t, ear.Next, make([]byte, 1500-header))
		if err := sender.Send(to, make([]byte, 1500-header+1)); err == nil {
			t.Error("a packet that is too long for the interface was sent")
		}
	}
}

// What an input filter drops reaches the interface all the same: that shows which firewall it is.
func TestEarHearsBeforeTheFirewall(t *testing.T) {
	hosts := labtest.Hosts(t, 2)
	labtest.Firewall(t, hosts[1], "chain input { type filter hook input priority 0; meta l4proto 112 drop; }")
	m := modes[2]
	sender, receiver := raw(t, hosts[0], m.address(t, hosts[0])), raw(t, hosts[1], m.address(t, hosts[1]))
	ear := overhear(t, hosts[1])
	payload := []byte("through no filter")
	must(t, sender.Send(vrrp.GroupIPv4, payload))
	take(t, ear.Next, payload)
	if got, ok, err := receiver.Receive(); ok || err != nil {
		t.Errorf("the socket has %+v, %v", got, err)
	}
	// It hears nothing that this host sends, and nothing of another protocol.
	must(t, receiver.Send(vrrp.GroupIPv4, []byte("own")))
	labtest.Meet(t, hosts[1], hosts[0])
	if got, ok, err := ear.Next(); ok || err != nil {
		t.Errorf("it hears %+v, %v", got, err)
	}
}

// The headers of a packet are taken off, whatever they claim.
func TestParsePacket(t *testing.T) {
	header := func(length, protocol byte, options int) []byte {
		b := append([]byte{0x45 + byte(options), 0xc0, 0, length, 0, 0, 0, 0, 255, protocol, 0, 0, 192, 0, 2, 1, 224, 0, 0, 18}, make([]byte, 4*options)...)
		return b
	}
	payload := []byte{0x31, 51, 100}
	ah := append([]byte{vrrp.Protocol, 4, 0, 0, 0, 0, 0, 1, 0, 0, 0, 1}, make([]byte, 12)...)
	v6 := append([]byte{0x60, 0, 0, 0, 0, 3, vrrp.Protocol, 255}, make([]byte, 32)...)
	for name, c := range map[string]struct {
		packet        []byte
		want          []byte
		authenticated bool
	}{
		"IPv4":                {append(header(23, 112, 0), payload...), payload, false},
		"padded":              {append(append(header(23, 112, 0), payload...), 0, 0, 0, 0), payload, false},
		"with options":        {append(header(31, 112, 2), payload...), payload, false},
		"IPv6, padded":        {append(append(v6, payload...), 0, 0), payload, false},
		"authenticated":       {append(append(header(47, 51, 0), ah...), payload...), payload, true},
		"cut":                 {append(header(200, 112, 0), payload...), payload, false},
		"another protocol":    {append(header(23, 6, 0), payload...), nil, false},
		"shorter than itself": {append(header(3, 112, 0), payload...), nil, false},
		"options cut off":     {header(20, 112, 0)[:20:20], []byte{}, false},
		"a header of nothing": {append([]byte{0x41}, header(23, 112, 0)[1:]...), nil, false},
		"AH cut":              {append(header(30, 51, 0), ah[:10]...), nil, false},
		"AH longer than all":  {append(header(47, 51, 0), append([]byte{vrrp.Protocol, 200}, make([]byte, 30)...)...), nil, false},
		"AH of TCP":           {append(header(47, 51, 0), append([]byte{6, 4}, make([]byte, 30)...)...), nil, false},
		"nothing":             {nil, nil, false},
	} {
		m, ok := parsePacket(c.packet)
		if ok != (c.want != nil) || ok && (!bytes.Equal(m.Payload, c.want) || m.Authenticated != c.authenticated || m.TTL != 255) {
			t.Errorf("%s: %+v, %t", name, m, ok)
		}
	}
}

// FuzzParsePacket: nothing on the wire makes the reader fail.
func FuzzParsePacket(f *testing.F) {
	f.Add([]byte{0x45, 0, 0, 23, 0, 0, 0, 0, 255, 51, 0, 0, 192, 0, 2, 1, 224, 0, 0, 18, 112, 4, 0})
	f.Add(append([]byte{0x60, 0, 0, 0, 0, 3, 112, 255}, make([]byte, 35)...))
	f.Fuzz(func(t *testing.T, b []byte) {
		if m, ok := parsePacket(b); ok && (!m.Source.IsValid() || len(m.Payload) > len(b)) {
			t.Fatalf("%+v", m)
		}
	})
}
