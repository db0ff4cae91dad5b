// SPDX-License-Identifier: Apache-2.0

package wire

import (
	"context"
	"errors"
	"io"
	"net"
	"net/netip"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/harbinger-ha/harbinger/e2e/lab/labtest"
	"github.com/harbinger-ha/harbinger/pkg/address"
	"github.com/harbinger-ha/harbinger/pkg/apis/config/scheme"
	"github.com/harbinger-ha/harbinger/pkg/preflight"
	"github.com/harbinger-ha/harbinger/pkg/probe"
	"github.com/harbinger-ha/harbinger/pkg/vrrp"
	"github.com/harbinger-ha/harbinger/pkg/vrrpconn"
)

// sessionOf returns a session that has opened nothing.
func sessionOf(t *testing.T, config string) *session {
	t.Helper()
	s := segmentOf(t, config)
	link := s.view.Link.(address.Link)
	return &session{
		options: Options{Config: s.view.Config, Exchange: true, Listen: 4 * time.Second}, link: link, iface: net.Interface{Name: "eth0", MTU: 1500},
		roster: roster{instance: 1, group: groupOf(s.view.Config), own: []netip.Addr{netip.MustParseAddr("192.168.238.130")}},
		asked:  map[netip.Addr]bool{}, events: make(chan event), found: s,
	}
}

func TestArrivalShows(t *testing.T) {
	s := sessionOf(t, vip)
	own := netip.MustParseAddr("192.168.238.130")
	for _, c := range []struct {
		to              netip.Addr
		full, delivered bool
		want            passed
	}{
		{vrrp.GroupIPv4, false, false, groupArrived}, {vrrp.GroupIPv6, false, true, groupArrived | groupDelivered},
		{own, false, false, unicastArrived}, {own, false, true, unicastArrived | unicastDelivered},
		{own, true, false, fullArrived}, {own, true, true, fullArrived | fullDelivered},
		{everybody[false], false, true, 0}, {everybody[true], false, false, 0}, {other4, false, true, 0},
	} {
		if got := s.passed(c.to, c.full, c.delivered); got != c.want {
			t.Errorf("to %s, full %t, delivered %t: %b, want %b", c.to, c.full, c.delivered, got, c.want)
		}
	}
}

// Who is no neighbour and not expected does not have packets sent to it, whatever source it invents.
func TestWhoMayBeAPeer(t *testing.T) {
	s := sessionOf(t, vip)
	far := netip.MustParseAddr("10.9.9.9")
	hello := vrrpconn.Message{Source: far, Destination: vrrp.GroupIPv4, Payload: message{instance: 2}.appendTo(nil, 0)}
	if !s.hear(hello, false, epoch) || len(s.roster.peers) != 0 {
		t.Errorf("a host from far away is a peer: %+v", s.roster.peers)
	}
	s.take(event{from: far, message: &message{instance: 2}})
	s.roster.add(far).expected = true
	s.hear(hello, true, epoch)
	if p := s.roster.add(far); p.met != epoch || p.here != groupArrived|groupDelivered {
		t.Errorf("one that is expected: %+v", p)
	}
	hello.Source = other4
	s.hear(hello, false, epoch)
	if len(s.roster.peers) != 2 {
		t.Errorf("a neighbour is no peer: %+v", s.roster.peers)
	}
	if hello.Payload = []byte{0x31, 51}; s.hear(hello, false, epoch) {
		t.Error("an advertisement is taken for a message")
	}
	s.options.Exchange, s.roster.peers = false, nil
	if hello.Payload = (message{instance: 2}).appendTo(nil, 0); !s.hear(hello, false, epoch) || len(s.roster.peers) != 0 {
		t.Error("a check without an exchange has peers, or takes a message for a router")
	}
}

// A port that does not answer counts only from when the peer runs the check: before, it had no reason to listen.
func TestConversationsCount(t *testing.T) {
	s := sessionOf(t, vip)
	p := s.roster.add(other4)
	s.take(event{from: other4, what: identityAsked, started: epoch})
	s.take(event{from: other4, what: echoAsked | echoAnswered})
	if p.here != echoAsked|echoAnswered {
		t.Errorf("before it was met: %b", p.here)
	}
	s.take(event{from: other4, message: &message{instance: 2, name: "n2"}})
	s.take(event{from: other4, what: identityAsked, started: p.met.Add(-time.Millisecond)})
	if p.met.IsZero() || p.here&identityAsked != 0 {
		t.Errorf("one begun before it was met: %+v", p)
	}
	s.take(event{from: other4, what: identityAsked, started: p.met})
	s.take(event{from: other4, says: probe.Identity{Incarnation: "x", Node: "n2"}})
	s.take(event{from: other4, says: probe.Identity{}})
	if p.here&identityAsked == 0 || p.says.Node != "n2" {
		t.Errorf("%+v", p)
	}
	s.take(event{from: netip.MustParseAddr("192.168.238.130"), what: echoAsked}) // this host itself
	if len(s.roster.peers) != 1 {
		t.Errorf("%+v", s.roster.peers)
	}
}

func TestFinished(t *testing.T) {
	deadline := epoch.Add(10 * time.Second)
	for name, c := range map[string]struct {
		prepare func(*session)
		now     time.Duration
		want    bool
	}{
		"nobody so far":                {func(*session) {}, 9 * time.Second, false},
		"nobody":                       {func(*session) {}, 10 * time.Second, true},
		"one that has just been met":   {func(s *session) { s.roster.add(other4).met = epoch.Add(9 * time.Second) }, 11 * time.Second, false},
		"one that was met long enough": {func(s *session) { s.roster.add(other4).met = epoch.Add(9 * time.Second) }, 12 * time.Second, true},
		"whoever comes late":           {func(s *session) { s.roster.add(other4).met = epoch.Add(13 * time.Second) }, 13*time.Second + 1, true},
		"all that are expected":        {func(s *session) { p := s.roster.add(other4); p.met, p.expected = epoch, true }, 4 * time.Second, true},
		"without an exchange":          {func(s *session) { s.options.Exchange = false }, 4 * time.Second, true},
	} {
		s := sessionOf(t, vip)
		c.prepare(s)
		if got := s.finished(epoch.Add(c.now), deadline); got != c.want {
			t.Errorf("%s: %t", name, got)
		}
	}
	if d := (Options{}).deadline(epoch); !d.Equal(epoch.Add(DefaultListen)) {
		t.Errorf("by default the end is %s", d)
	}
	if d := (Options{Listen: time.Second, Wait: time.Minute}).deadline(epoch); !d.Equal(epoch.Add(time.Minute)) {
		t.Errorf("with a wait the end is %s", d)
	}
}

// The verdicts come in the order of the checks, and each has a name that can be ignored.
func TestResults(t *testing.T) {
	s := sessionOf(t, vip)
	s.found.answers = []answer{{vip: vip4}}
	p := s.roster.add(other4)
	p.met, p.group = epoch, s.roster.group+1
	all := s.results()
	order, last := Checks(), 0
	for _, r := range all {
		i := 0
		for i < len(order) && order[i].Name != r.Check {
			i++
		}
		if i < last || i == len(order) || r.Found == "" || r.Status != preflight.OK && r.Remedy == "" {
			t.Errorf("%+v is out of order, unknown, or says too little", r)
		}
		last = i
	}
	want(t, all, checkPeers, preflight.Warn, "with another configuration")
	s.mute = errors.New("not permitted")
	want(t, s.results(), checkPeers, preflight.Warn, "no test packet could be sent: not permitted")
	lease := sessionOf(t, vip+"election: {mode: Lease}\n")
	for _, r := range lease.results() {
		if r.Check == checkID || r.Check == checkVRRP {
			t.Errorf("an election without advertisements: %+v", r)
		}
	}
}

// Nodes belong together whose configurations mean the same virtual router, in whatever order they name things.
func TestGroupOf(t *testing.T) {
	group := func(text string) uint64 {
		cfg, err := scheme.Decode([]byte("apiVersion: harbinger.dev/v1alpha1\nkind: HarbingerConfiguration\n" + text))
		must(t, err)
		return groupOf(cfg)
	}
	own := group("virtualAddresses: [192.168.238.100/24, fd00:99::100/64]\n")
	for text, same := range map[string]bool{
		"virtualAddresses: [fd00:99::100/64, 192.168.238.100/24]\n":                                          true,
		"virtualAddresses: [192.168.238.100/24, fd00:99::100/64]\nelection: {vrrp: {priority: 77}}\n":        true,
		"virtualAddresses: [192.168.238.100/24]\n":                                                           false,
		"virtualAddresses: [192.168.238.100/24, fd00:99::100/64]\nelection: {vrrp: {virtualRouterID: 52}}\n": false,
		"virtualAddresses: [192.168.238.100/24, fd00:99::100/64]\ncontrolPlane: {clusterName: other}\n":      false,
	} {
		if got := group(text) == own; got != same {
			t.Errorf("%q: the same group: %t", text, got)
		}
	}
}

// Whatever a client or a server at the identity port does, a conversation ends in time and is taken for what it is.
func TestConversation(t *testing.T) {
	s := sessionOf(t, vip)
	says := message{instance: 1, name: "n1"}.appendTo(nil, 0)
	s.says.Store(&says)
	for name, c := range map[string]struct {
		other func(net.Conn)
		want  string
	}{
		"a peer":   {func(c net.Conn) { _, _ = c.Write(message{instance: 2, name: "n2"}.appendTo(nil, 0)) }, "n2"},
		"silent":   {func(c net.Conn) { _, _ = io.Copy(io.Discard, c) }, ""},
		"gone":     {func(net.Conn) {}, ""},
		"too much": {func(c net.Conn) { _, _ = c.Write(make([]byte, 10*maxAnswer)) }, ""},
	} {
		ln, err := net.Listen("tcp", "127.0.0.1:0")
		must(t, err)
		stop := labtest.Serve(t, ln, c.other)
		conn, err := net.Dial("tcp", ln.Addr().String())
		must(t, err)
		start := time.Now()
		b := s.talk(t.Context(), conn)
		if m, _ := parse(b); m.name != c.want || len(b) > maxAnswer || time.Since(start) > 5*conversation {
			t.Errorf("%s: %d bytes, of %q, in %s", name, len(b), m.name, time.Since(start))
		}
		stop()
	}
}

func TestIdentityAt(t *testing.T) {
	loopback, err := net.InterfaceByName("lo")
	must(t, err)
	for text, want := range map[string]string{
		`{"cluster":"c","node":"n2","incarnation":"x","state":"active"}` + "\n": "n2",
		"SSH-2.0-something\r\n": "", `{"cluster":"c"}` + "\n": "", "no line": "",
	} {
		ln, err := net.Listen("tcp", "127.0.0.1:0")
		must(t, err)
		stop := labtest.Serve(t, ln, func(c net.Conn) { _, _ = io.WriteString(c, text) })
		to := ln.Addr().(*net.TCPAddr).AddrPort()
		if id := identityAt(t.Context(), loopback.Index, netip.Addr{}, to); id.Node != want {
			t.Errorf("%q: %+v", text, id)
		}
		stop()
		if id := identityAt(t.Context(), loopback.Index, netip.MustParseAddr("127.0.0.1"), to); id != (probe.Identity{}) {
			t.Errorf("nobody listens: %+v", id)
		}
	}
	canceled, cancel := context.WithCancel(t.Context())
	cancel()
	if id := identityAt(canceled, loopback.Index, netip.Addr{}, netip.MustParseAddrPort("127.0.0.1:9")); id != (probe.Identity{}) {
		t.Errorf("%+v", id)
	}
}

func TestForbidden(t *testing.T) {
	if !forbidden(errors.Join(syscall.EPERM)) || forbidden(nil) || forbidden(syscall.EMSGSIZE) {
		t.Error("another error than that of a filter counts, or that does not")
	}
	if a := zoned(netip.MustParseAddr("fe80::1"), "eth0"); a.Zone() != "eth0" {
		t.Errorf("a link-local address without its interface: %s", a)
	}
	if a := zoned(host6, "eth0"); a != host6 {
		t.Errorf("%s has an interface", a)
	}
}

// A configuration without a place on this host is a warning, as nothing was asked.
func TestCheckWithoutInterface(t *testing.T) {
	s := segmentOf(t, "virtualAddresses: [203.0.113.9/24]\ninterface: none0\n")
	all := Check(t.Context(), Options{Config: s.view.Config, Listen: time.Second})
	if len(all) != 1 || !is(all[0], preflight.Warn, "nothing was asked on the wire", "none0") || all[0].Field != "interface" {
		t.Errorf("%+v", all)
	}
	if text := strings.Join([]string{all[0].Check, all[0].Remedy}, " "); !strings.Contains(text, "run the check again") {
		t.Errorf("%q", text)
	}
}
