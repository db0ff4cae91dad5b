// SPDX-License-Identifier: Apache-2.0

package wire

import (
	"net/netip"
	"testing"
	"time"

	"github.com/harbinger-ha/harbinger/pkg/preflight"
	"github.com/harbinger-ha/harbinger/pkg/probe"
)

var epoch = time.Date(2026, 11, 29, 3, 0, 0, 0, time.UTC)

// met is a peer that was met, and has said after some time what it has received.
func met(here, there passed, after time.Duration) *peer {
	return &peer{address: other4, name: "n2", met: epoch, here: here, there: there, thereAt: epoch.Add(after)}
}

// one returns the only result of a check and status, or the zero Result.
func one(results []preflight.Result, check string, status preflight.Status) (found preflight.Result) {
	for _, r := range results {
		if r.Check == check && r.Status == status {
			if found.Check != "" {
				return preflight.Result{}
			}
			found = r
		}
	}
	return found
}

func TestJudgePeer(t *testing.T) {
	ways := path{multicast: true, vrrp: true, port: 10444, iface: "eth0", mtu: 1500, waited: 4 * time.Second}
	const all, late = everything | groupArrived | unicastArrived | fullArrived | identityAsked | echoAsked, 2 * time.Second
	for name, c := range map[string]struct {
		peer   *peer
		check  string
		status preflight.Status
		part   string
	}{
		"112 passes":                    {met(all, all, late), checkVRRP, preflight.OK, "both ways (multicast; unicast as well)"},
		"multicast alone":               {met(all&^unicastDelivered, all, late), checkVRRP, preflight.OK, "both ways (multicast)"},
		"dropped here":                  {met(all&^groupDelivered, all, late), checkVRRP, preflight.Fail, "whose firewall drops it\nnft insert rule inet filter input meta l4proto 112 accept # on this host"},
		"dropped there":                 {met(all, all&^groupDelivered, late), checkVRRP, preflight.Fail, "reaches 192.168.238.77 (n2), whose firewall drops it\nnft insert rule inet filter input meta l4proto 112 accept # on 192.168.238.77 (n2)"},
		"multicast lost":                {met(all&^groupDelivered&^groupArrived, all, late), checkVRRP, preflight.Fail, "election.vrrp.peers"},
		"nothing arrives":               {met(identityAnswered, all, late), checkVRRP, preflight.Fail, "does not arrive here\nnft insert rule inet filter output meta l4proto 112 accept # on 192.168.238.77 (n2)"},
		"nothing arrives there":         {met(all, identityAnswered, late), checkVRRP, preflight.Fail, "does not arrive at 192.168.238.77 (n2)\nnft insert rule inet filter output meta l4proto 112 accept # on this host"},
		"it has said too little so far": {met(all, 0, time.Second), checkVRRP, preflight.Warn, "is not known"},
		"a port that nobody asked":      {met(all&^identityAnswered&^identityAsked, all, late), checkIdentity, preflight.Warn, "was not asked"},
		"a port that is closed":         {met(all&^identityAnswered, all, late), checkIdentity, preflight.Fail, "tcp dport 10444 accept"},
		"our port is closed":            {met(all, all&^identityAnswered, late), checkIdentity, preflight.Fail, "gets no answer from TCP port 10444 of this host"},
		"our port, not known":           {met(all, groupDelivered, late), checkIdentity, preflight.Warn, "it has not said so"},
		"long ones lost from it":        {met(all&^fullArrived&^fullDelivered, all, late), checkMTU, preflight.Fail, "(from it)"},
		"long ones lost both ways":      {met(all&^fullArrived&^fullDelivered, all&^fullArrived&^fullDelivered, late), checkMTU, preflight.Fail, "(from it, to it)"},
		"long ones by echo":             {met(echoAnswered|fullEchoAnswered, 0, late), checkMTU, preflight.OK, "both ways"},
		"long echoes lost":              {met(echoAnswered, 0, late), checkMTU, preflight.Fail, "shorter ones do"},
		"long ones not asked":           {met(identityAnswered, 0, late), checkMTU, preflight.Warn, "could not be asked"},
		"an echo":                       {met(all, all, late), checkEcho, preflight.OK, "answers an ICMP echo"},
		"no echo":                       {met(all&^echoAnswered, all, late), checkEcho, preflight.Warn, "icmp type echo-request accept"},
		"an echo that was not sent":     {met(0, 0, late), checkEcho, preflight.Warn, "could be sent"},
	} {
		if r := one(ways.judgePeer(c.peer), c.check, c.status); !is(r, c.status, c.part) {
			t.Errorf("%s: %+v in %+v", name, r, ways.judgePeer(c.peer))
		}
	}
	forbidden := met(all, identityAnswered, late)
	forbidden.forbids = true
	if r := one(ways.judgePeer(forbidden), checkVRRP, preflight.Fail); !is(r, preflight.Fail, "does not leave this host", "output meta l4proto 112") {
		t.Errorf("forbidden here: %+v", r)
	}
	narrow := met(all&^fullArrived&^fullDelivered, all, late)
	narrow.longest = 1400
	if r := one(ways.judgePeer(narrow), checkMTU, preflight.Fail); !is(r, preflight.Fail, "\nip link set dev eth0 mtu 1400 # on all nodes") {
		t.Errorf("a path of 1400 bytes: %+v", r)
	}
	// Where the checks of this host know its firewall, their remedy counts.
	ways.host = []preflight.Result{
		{Check: "FirewallVRRP", Status: preflight.OK, Remedy: "nothing"}, {Check: "FirewallVRRP", Status: preflight.Fail, Remedy: "iptables -I INPUT -p 112 -j ACCEPT"},
		{Check: "FirewallIdentity", Status: preflight.Warn, Remedy: "ufw allow 10444/tcp"},
	}
	closed := ways.judgePeer(met(all&^groupDelivered, all&^identityAnswered, late))
	if r := one(closed, checkVRRP, preflight.Fail); r.Remedy != "iptables -I INPUT -p 112 -j ACCEPT" {
		t.Errorf("%+v", r)
	}
	if r := one(closed, checkIdentity, preflight.Fail); r.Remedy != "ufw allow 10444/tcp" {
		t.Errorf("%+v", r)
	}
	ways.vrrp = false
	if r := ways.judgePeer(met(all&^groupDelivered, all, late)); one(r, checkVRRP, preflight.Fail).Check != "" {
		t.Errorf("an election without advertisements: %+v", r)
	}
	ways.vrrp, ways.multicast = true, false
	if r := one(ways.judgePeer(met(all, all&^groupDelivered, late)), checkVRRP, preflight.OK); !is(r, preflight.OK, "both ways (unicast)") {
		t.Errorf("unicast: %+v", r)
	}
}

// What was not asked is never called good.
func TestJudgeAbsent(t *testing.T) {
	ways := path{vrrp: true, port: 10444}
	for name, c := range map[string]struct {
		peer peer
		part string
	}{
		"silent":         {peer{}, "it does not answer an echo either"},
		"a kernel":       {peer{here: echoAnswered}, "it answers an echo"},
		"Harbinger":      {peer{here: identityAnswered, says: probe.Identity{Incarnation: "x", Node: "n3"}}, "(n3) runs Harbinger"},
		"something else": {peer{here: identityAnswered}, "something else than Harbinger"},
	} {
		c.peer.address = other4
		r := ways.judgePeers([]*peer{&c.peer})
		if (len(r) != 1) != (name == "Harbinger") || r[0].Check != checkPeers || !is(r[0], preflight.Warn, c.part, "at the same time") {
			t.Errorf("%s: %+v", name, r)
		}
	}
	for status, heard := range map[preflight.Status]bool{preflight.OK: true, preflight.Fail: false} {
		p := peer{address: other4, says: probe.Identity{Incarnation: "x"}, here: identityAnswered | echoAsked | echoAnswered | fullEchoAnswered, advertised: true, heard: heard}
		r := ways.judgePeers([]*peer{&p})
		if one(r, checkVRRP, status).Check == "" || one(r, checkMTU, preflight.OK).Check == "" || one(r, checkEcho, preflight.OK).Check == "" {
			t.Errorf("Harbinger that advertises, heard %t: %+v", heard, r)
		}
	}
	if r := ways.judgePeers(nil); len(r) != 1 || !is(r[0], preflight.Warn, "nobody answered", "--peers-wait") {
		t.Errorf("nobody: %+v", r)
	}
}

func TestRoster(t *testing.T) {
	own := netip.MustParseAddr("fe80::2")
	r := roster{instance: 1, group: 5, own: []netip.Addr{own, host4}}
	hear := func(from string, m message, what passed, after time.Duration) {
		r.hear(netip.MustParseAddr(from), m, what, epoch.Add(after))
	}
	hear("192.0.2.7", message{instance: 1}, groupArrived, 0)    // returned by the network
	hear("fe80::2%eth0", message{instance: 2}, groupArrived, 0) // from an address of this host
	if len(r.peers) != 0 || r.done(epoch) {
		t.Fatalf("%+v", r.peers)
	}
	hear("::ffff:192.0.2.7", message{instance: 2, name: "n2", reports: []report{{host4, groupArrived}}}, groupArrived, 0)
	hear("192.0.2.7", message{instance: 2, name: "n2"}, unicastArrived, time.Second)
	p := r.add(netip.MustParseAddr("192.0.2.7"))
	if len(r.peers) != 1 || p.here != groupArrived|unicastArrived || p.there != groupArrived || !p.thereAt.Equal(epoch) || p.String() != "192.0.2.7 (n2)" {
		t.Fatalf("%+v", p)
	}
	if m := r.message("n1"); m.name != "n1" || m.group != 5 || len(m.reports) != 1 || m.reports[0] != (report{p.address, p.here}) {
		t.Errorf("%+v", m)
	}
	// It takes as long as both need, and less where nothing is missing.
	if p.settled(epoch.Add(settledAfter-1)) || !p.settled(epoch.Add(settledAfter)) {
		t.Error("settled at another time than three seconds after it was met")
	}
	hear("192.0.2.7", message{instance: 2, reports: []report{{host4, everything}}}, everything, time.Second)
	if p.settled(epoch.Add(time.Second+completeAfter-1)) || !p.settled(epoch.Add(time.Second+completeAfter)) {
		t.Error("settled at another time than a second after nothing was missing")
	}
	// Where nobody is expected, others may still come; one that is expected is waited for.
	if late := epoch.Add(time.Hour); r.done(late) {
		t.Error("done, and nobody was expected")
	} else if p.expected = true; !r.done(late) {
		t.Error("not done, and all that are expected were met")
	}
	r.add(other4).expected = true
	if r.done(epoch.Add(time.Hour)) {
		t.Error("done without one that is expected")
	}
	for n := range 3 * maxPeers {
		r.hear(netip.AddrFrom4([4]byte{10, 0, 0, byte(n + 1)}), message{instance: 2}, groupArrived, epoch)
	}
	if len(r.peers) != maxPeers {
		t.Errorf("%d peers", len(r.peers))
	}
}

func TestLongest(t *testing.T) {
	for _, mtu := range []int{0, 575, 576, 900, 1280, 1400, 1454, 1499} {
		asked := 0
		got := longest(leastMTU4, 1500, func(size int) bool {
			asked++
			return size <= mtu
		})
		if want := mtu; mtu < leastMTU4 && got != 0 || mtu >= leastMTU4 && (got > want || want-got > 4) || asked > 10 {
			t.Errorf("a path of %d bytes: %d, after %d questions", mtu, got, asked)
		}
	}
	if got := longest(leastMTU6, 1280, func(int) bool { return true }); got != 0 {
		t.Errorf("nothing is shorter: %d", got)
	}
}
