// SPDX-License-Identifier: Apache-2.0

package wire

import (
	"errors"
	"net"
	"net/netip"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/harbinger-ha/harbinger/pkg/address"
	"github.com/harbinger-ha/harbinger/pkg/apis/config/scheme"
	"github.com/harbinger-ha/harbinger/pkg/membership"
	"github.com/harbinger-ha/harbinger/pkg/preflight"
	"github.com/harbinger-ha/harbinger/pkg/probe"
	"github.com/harbinger-ha/harbinger/pkg/vrrp"
	"github.com/harbinger-ha/harbinger/pkg/vrrpconn"
)

var (
	vip4   = netip.MustParseAddr("192.168.238.100")
	other4 = netip.MustParseAddr("192.168.238.77")
	macA   = net.HardwareAddr{0x52, 0x54, 0, 1, 2, 3}
	macB   = net.HardwareAddr{0, 0, 0x5e, 0, 1, 51}
)

// segmentOf returns a segment of a configuration, on which routers were heard.
func segmentOf(t *testing.T, config string, heard ...vrrpconn.Message) segment {
	t.Helper()
	cfg, err := scheme.Decode([]byte("apiVersion: harbinger.dev/v1alpha1\nkind: HarbingerConfiguration\n" + config))
	if err != nil {
		t.Fatal(err)
	}
	link := address.Link{Name: "eth0", Addresses: []netip.Prefix{netip.MustParsePrefix("192.168.238.130/24"), netip.MustParsePrefix("fd00:99::82/64")}}
	s := segment{view: membership.View{Config: cfg, Link: link}, listened: 4 * time.Second, identities: map[netip.Addr]probe.Identity{}}
	for _, m := range heard {
		s.routers.hear(m)
	}
	return s
}

// advertised is a packet of a router.
func advertised(t *testing.T, a vrrp.Advertisement) vrrpconn.Message {
	t.Helper()
	m := vrrpconn.Message{Source: other4, Destination: vrrp.GroupIPv4, TTL: 255, MAC: macA}
	if a.Addresses[0].Is6() {
		m.Source, m.Destination = netip.MustParseAddr("fe80::1"), vrrp.GroupIPv6
	}
	var err error
	if m.Payload, err = a.AppendBinary(nil, m.Source, m.Destination, vrrp.ChecksumPseudo); err != nil {
		t.Fatal(err)
	}
	return m
}

func advertisement(id uint8, addresses ...netip.Addr) vrrp.Advertisement {
	return vrrp.Advertisement{Version: vrrp.Version3, VRID: id, Priority: 120, Interval: time.Second, Addresses: addresses}
}

// is reports whether a result has a status and its text all parts.
func is(r preflight.Result, status preflight.Status, parts ...string) bool {
	ok := r.Status == status
	for _, part := range parts {
		ok = ok && strings.Contains(r.Found+"\n"+r.Remedy, part)
	}
	return ok
}

func TestJudgeAddress(t *testing.T) {
	s := segmentOf(t, vip, advertised(t, advertisement(51, vip4)))
	elsewhere := segmentOf(t, vip, advertised(t, advertisement(60, vip4)))
	nobody := segmentOf(t, vip)
	waits := segmentOf(t, vip+"election: {lease: {predecessor: kube-system/plndr-cp-lock}}\n")
	one := []net.HardwareAddr{macA}
	for name, c := range map[string]struct {
		segment segment
		answer  answer
		status  preflight.Status
		parts   []string
	}{
		"nobody":             {nobody, answer{}, preflight.OK, []string{"no other host answers"}},
		"not asked":          {nobody, answer{err: syscall.EPERM}, preflight.Warn, []string{"nobody could be asked", "not permitted", "as root"}},
		"ours":               {nobody, answer{macs: one, says: probe.Identity{Cluster: "kubernetes", Node: "n2", Incarnation: "x"}}, preflight.OK, []string{"this cluster on n2"}},
		"another cluster":    {nobody, answer{macs: one, says: probe.Identity{Cluster: "other", Node: "n2", Incarnation: "x"}}, preflight.Fail, []string{`cluster "other"`, "choose another"}},
		"two":                {s, answer{macs: []net.HardwareAddr{macA, macB}}, preflight.Fail, []string{"2 hosts", "QEMU", "ID 51"}},
		"a host":             {nobody, answer{macs: one}, preflight.Fail, []string{"52:54:00:01:02:03 (a virtual machine of QEMU or KVM) answers", "choose another", "kube-vip", "--predecessor"}},
		"kube-vip":           {waits, answer{macs: one}, preflight.Warn, []string{"without Harbinger", "whose Lease is kube-system/plndr-cp-lock", "waits beside it"}},
		"a node":             {nobody, answer{macs: one, nodes: map[string]netip.Addr{macA.String(): other4}}, preflight.Fail, []string{"node 192.168.238.77, 52:54:00:01:02:03, answers"}},
		"the recipe":         {s, answer{macs: one}, preflight.Warn, []string{"from 192.168.238.77 with this virtual router ID", "host by host"}},
		"its virtual MAC":    {s, answer{macs: []net.HardwareAddr{macB}}, preflight.Warn, []string{"a virtual router of VRRP or CARP with ID 51", "from 192.168.238.77"}},
		"the recipe, not ID": {elsewhere, answer{macs: one}, preflight.Fail, []string{"with virtual router ID 60", "--virtual-router-id 60"}},
		"the gateway":        {nobody, answer{macs: one, gateway: macA}, preflight.Fail, []string{"proxy ARP"}},
	} {
		c.answer.vip = vip4
		if r := c.segment.judgeAddress(c.answer); !is(r, c.status, c.parts...) {
			t.Errorf("%s: %+v", name, r)
		}
	}
}

// All nodes have the same interval, and so has a recipe that they replace.
func TestJudgeInterval(t *testing.T) {
	old := advertisement(51, vip4)
	old.Version = vrrp.Version2
	const slow, version2 = "election: {vrrp: {advertisementInterval: 1s}}\n", "election: {vrrp: {version: 2, advertisementInterval: 2s}}\n"
	for name, c := range map[string]struct {
		config string
		heard  vrrp.Advertisement
		own    bool
		status preflight.Status
		parts  []string
	}{
		"keepalived, as we":     {slow, advertisement(51, vip4), false, preflight.Warn, []string{"is there already: ID 51"}},
		"keepalived":            {"", advertisement(51, vip4), false, preflight.Warn, []string{"another interval than the 200ms of this node", "--advertisement-interval 1s"}},
		"keepalived, version 2": {version2, old, false, preflight.Fail, []string{"would refuse", "interval differs"}},
		"a node, as we":         {slow, advertisement(51, vip4), true, preflight.OK, []string{"is that of Harbinger of this cluster on n2"}},
		"a node":                {"", advertisement(51, vip4), true, preflight.Warn, []string{"on n2 (192.168.238.77) advertises every 1s, and this node would every 200ms", "follows the interval"}},
		"a node, version 2":     {version2, old, true, preflight.Warn, []string{"every 1s, and this node would every 2s", "two hold the address"}},
	} {
		s := segmentOf(t, vip+c.config, advertised(t, c.heard))
		if c.own {
			s.identities[other4] = probe.Identity{Cluster: "kubernetes", Node: "n2", Incarnation: "x"}
		}
		if results := s.judgeIDs(); len(results) != 1 || !is(results[0], c.status, c.parts...) {
			t.Errorf("%s: %+v", name, results)
		}
	}
}

func TestJudgeID(t *testing.T) {
	password := advertisement(51, vip4)
	password.Version, password.Authentication = vrrp.Version2, vrrp.Authentication{Type: vrrp.AuthenticationPassword, Password: "s3cret"}
	old := advertisement(51, vip4)
	old.Version = vrrp.Version2
	far := advertised(t, advertisement(51, vip4))
	far.TTL = 64
	broken := advertised(t, advertisement(51, vip4))
	broken.Payload[6]++
	signed := advertised(t, advertisement(51, vip4))
	withTrailer, err := advertisement(51, vip4).AppendSigned(nil, signed.Source, signed.Destination, vrrp.ChecksumPseudo, make([]byte, vrrp.TrailerLength))
	if err != nil {
		t.Fatal(err)
	}
	signed.Payload = withTrailer
	hmac := func(mode string) string {
		return "election: {vrrp: {authentication: {type: HMAC, hmac: {activeKey: 1, mode: " + mode + ", keys: [{id: 1, file: /etc/kubernetes/harbinger/vrrp-keys/1}]}}}}\n"
	}
	ah := advertised(t, old)
	ah.Authenticated = true
	const version2 = "election: {vrrp: {version: 2, authentication: {type: Password, password: s3cret}}}\n"
	const inFile = "election: {vrrp: {version: 2, authentication: {type: Password, passwordFile: /etc/kubernetes/harbinger/p}}}\n"
	for name, c := range map[string]struct {
		config string
		heard  vrrpconn.Message
		status preflight.Status
		parts  []string
	}{
		"the same":              {"", advertised(t, advertisement(51, vip4)), preflight.Warn, []string{"is there already", "migrated host by host", "virtualRouterID: 52"}},
		"another address":       {"", advertised(t, advertisement(51, other4)), preflight.Fail, []string{"another virtual router", "--virtual-router-id 52"}},
		"one more":              {"", advertised(t, advertisement(51, vip4, other4)), preflight.Fail, []string{"another virtual router", "the same addresses: it has 192.168.238.100, 192.168.238.77"}},
		"another ID":            {"", advertised(t, advertisement(60, vip4)), preflight.OK, []string{"ID 51 is free", "4s"}},
		"IPv6 alone":            {"", advertised(t, advertisement(51, host6)), preflight.OK, []string{"ID 51 is free"}},
		"another version":       {"", advertised(t, old), preflight.Fail, []string{"would refuse", "version differs"}},
		"a password":            {"", advertised(t, password), preflight.Fail, []string{"would refuse", "version differs"}},
		"no password":           {version2, advertised(t, old), preflight.Fail, []string{"authentication type differs"}},
		"the password":          {version2, advertised(t, password), preflight.Warn, []string{"is there already", "auth_type PASS"}},
		"one in a file":         {inFile, advertised(t, password), preflight.Warn, []string{"is there already"}},
		"one file, no password": {inFile, advertised(t, old), preflight.Fail, []string{"authentication type differs"}},
		"signed":                {"", signed, preflight.Fail, []string{"would refuse", "signed (auth_hmac)"}},
		"signed, as we":         {hmac("Enforce"), signed, preflight.Warn, []string{"is there already", "signed (auth_hmac)"}},
		"not signed":            {hmac("Enforce"), advertised(t, advertisement(51, vip4)), preflight.Fail, []string{"would refuse its advertisements (not signed)"}},
		"not signed yet":        {hmac("Permissive"), advertised(t, advertisement(51, vip4)), preflight.Warn, []string{"is there already"}},
		"from far away":         {"", far, preflight.Fail, []string{"TTL"}},
		"multicast to peers": {"election: {vrrp: {peers: [192.168.238.130, 192.168.238.77]}}\n", advertised(t, advertisement(51, vip4)), preflight.Fail,
			[]string{"multicast group where peers are configured"}},
		"a wrong checksum":                   {"", broken, preflight.Fail, []string{"another router", "wrong checksum"}},
		"AH":                                 {"election: {vrrp: {version: 2}}\n", ah, preflight.Fail, []string{"would refuse", "auth_type AH"}},
		"many addresses, none of them there": {"", vrrpconn.Message{Source: other4, Payload: []byte{0x31, 51, 1, 9, 0, 1, 0, 0}}, preflight.Fail, []string{"too short", "virtualRouterID: 52"}},
		"AH of nothing":                      {"", vrrpconn.Message{Source: other4, Payload: []byte{0x21, 51, 1, 9, 0, 1, 0, 0}, Authenticated: true}, preflight.Fail, []string{"too short"}},
	} {
		s := segmentOf(t, vip+c.config, c.heard)
		results := s.judgeIDs()
		if len(results) != 1 || !is(results[0], c.status, c.parts...) || results[0].Field != fieldID || strings.Contains(results[0].Found+results[0].Remedy, "s3cret") {
			t.Errorf("%s: %+v", name, results)
		}
	}
}

func TestJudgeIDByIdentity(t *testing.T) {
	s := segmentOf(t, vip+"election: {vrrp: {advertisementInterval: 1s}}\n", advertised(t, advertisement(51, vip4)))
	s.identities[other4] = probe.Identity{Cluster: "kubernetes", Node: "n2", Incarnation: "x"}
	if r := s.judgeIDs(); len(r) != 1 || !is(r[0], preflight.OK, "this cluster on n2") {
		t.Errorf("%+v", r)
	}
	s.identities[other4] = probe.Identity{Cluster: "other", Node: "n2", Incarnation: "x"}
	if r := s.judgeIDs(); len(r) != 1 || !is(r[0], preflight.Fail, "another virtual router") {
		t.Errorf("%+v", r)
	}
	s.deaf = errors.New("not permitted")
	if r := s.judgeIDs(); len(r) != 1 || !is(r[0], preflight.Warn, "not permitted") || s.listRouters() != nil {
		t.Errorf("%+v", r)
	}
}

// A free ID does not depend on chance: the own one, or the lowest from 51 on, and round.
func TestFree(t *testing.T) {
	used := func(ids ...uint8) *routers {
		r := &routers{heard: map[key]*router{}}
		for _, id := range ids {
			r.heard[key{other4, id, 3}] = &router{}
		}
		return r
	}
	var above, all []uint8
	for id := 1; id <= 255; id++ {
		if all = append(all, uint8(id)); id >= 51 {
			above = append(above, uint8(id))
		}
	}
	for _, c := range []struct {
		used []uint8
		own  uint8
		want uint8
	}{{nil, 7, 7}, {[]uint8{51}, 51, 52}, {[]uint8{7, 51, 52, 54}, 7, 53}, {above, 51, 1}, {all, 51, 0}} {
		if got, ok := used(c.used...).free(c.own); got != c.want || ok != (c.want != 0) {
			t.Errorf("%d used, own %d: %d, %t", len(c.used), c.own, got, ok)
		}
	}
	s := segment{routers: *used(all...)}
	if text := s.another(51); !strings.Contains(text, "all virtual router IDs") {
		t.Errorf("%q", text)
	}
}

// CARP has the same first byte as version 2, which with five addresses is as long.
func TestReadTellsCARPApart(t *testing.T) {
	five := advertisement(9, vip4, other4, vip4, other4, vip4)
	five.Version = vrrp.Version2
	m := advertised(t, five)
	if len(m.Payload) != carpLength {
		t.Fatalf("%d bytes", len(m.Payload))
	}
	if r, ok := read(m); !ok || r.version != vrrp.Version2 || len(r.addresses) != 5 {
		t.Errorf("five addresses: %+v", r)
	}
	carp := make([]byte, carpLength)
	copy(carp, []byte{0x21, 9, 100, carpWords, 0, 1})
	m.Payload = carp
	if r, ok := read(m); !ok || r.version != 0 || r.priority != 100 || r.interval != time.Second || !strings.Contains(r.String(), "CARP") {
		t.Errorf("CARP: %+v", r)
	}
	for _, b := range [][]byte{nil, {0x31, 9}, {0x3f, 9, 1, 0, 0, 0, 0, 0}, {0x41, 9, 1, 0, 0, 0, 0, 0}, {0x31, 0, 1, 0, 0, 0, 0, 0}} {
		m.Payload = b
		if r, ok := read(m); ok {
			t.Errorf("%x: %+v", b, r)
		}
	}
}

// A host that invents routers costs a bounded memory, and the list says that it is not whole.
func TestRoutersAreBounded(t *testing.T) {
	s := segmentOf(t, vip)
	for n := range 3 * maxRouters {
		m := advertised(t, advertisement(uint8(n%250+1), other4))
		m.Source = netip.AddrFrom4([4]byte{10, 0, byte(n >> 8), byte(n)})
		s.routers.hear(m)
	}
	list := s.listRouters()
	if len(s.routers.heard) != maxRouters || len(list) != maxShown+1 || !is(list[maxShown], preflight.Warn, "224 more") {
		t.Errorf("%d routers, %d shown, the last: %+v", len(s.routers.heard), len(list), list[len(list)-1])
	}
	if r, ok := read(vrrpconn.Message{Source: other4, Payload: []byte{0x31, 51, 1, 1, 0, 1, 0, 0}}); !ok || !strings.Contains(r.String(), "too short") {
		t.Errorf("a damaged packet: %+v", r)
	}
}

// FuzzRouters: whatever is heard can be judged and listed.
func FuzzRouters(f *testing.F) {
	f.Add([]byte{0x31, 51, 100, 1, 0, 100, 0, 0, 192, 168, 238, 100}, true, false)
	f.Add([]byte{0x21, 51, 100, 7, 0, 1, 0, 0}, true, true)
	f.Add([]byte{0x31, 51, 100, 200, 0, 1, 0, 0}, false, false)
	f.Fuzz(func(t *testing.T, payload []byte, is4, authenticated bool) {
		s := segmentOf(t, "virtualAddresses: [192.168.238.100/24, fd00:99::100/64]\n")
		m := vrrpconn.Message{Source: other4, Destination: vrrp.GroupIPv4, TTL: 255, MAC: macA, Payload: payload, Authenticated: authenticated}
		if !is4 {
			m.Source, m.Destination = host6, vrrp.GroupIPv6
		}
		s.routers.hear(m)
		s.answers = []answer{{vip: vip4, macs: []net.HardwareAddr{macA}}}
		for _, r := range append(append(s.judgeIDs(), s.listRouters()...), s.judgeAddresses()...) {
			if r.Found == "" || r.Status == "" || r.Check == "" {
				t.Fatalf("%x: %+v", payload, r)
			}
		}
	})
}
