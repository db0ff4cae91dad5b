// SPDX-License-Identifier: Apache-2.0

package wire

import (
	"context"
	"net"
	"net/netip"
	"testing"
	"time"

	"github.com/harbinger-ha/harbinger/e2e/lab"
	"github.com/harbinger-ha/harbinger/e2e/lab/guest"
	"github.com/harbinger-ha/harbinger/e2e/lab/labtest"
	"github.com/harbinger-ha/harbinger/pkg/preflight"
)

const (
	first  = "192.168.238.130"
	second = "192.168.238.131"
	// unicast names the nodes.
	unicast = vip + "election: {vrrp: {peers: [" + first + ", " + second + "]}}\n"
)

// pair is the check on two hosts that know each other.
var pair = run{Config: vip, Listen: time.Second, Wait: 10 * time.Second, Peers: []netip.Addr{netip.MustParseAddr(first), netip.MustParseAddr(second)}}

// paste carries out a remedy as it stands.
func paste(t *testing.T, h *lab.Host, command string) {
	t.Helper()
	p, err := h.Start(lab.Command{Path: "/bin/sh", Args: []string{"-c", command}, Env: []string{"PATH=/usr/sbin:/usr/bin:/sbin:/bin"}})
	must(t, err)
	if err := p.Wait(10 * time.Second); err != nil {
		t.Fatalf("%s: %v\n%s", command, err, p.Output())
	}
}

// A firewall that drops protocol 112 and the identity port is found on both hosts, in the right direction, and what is said to do opens it.
func TestFirewallOfOneHost(t *testing.T) {
	t.Parallel() // it waits most of the time
	hosts := labtest.Hosts(t, 2)
	must(t, hosts[1].Firewall("table inet filter {\nchain input {\ntype filter hook input priority 0\nmeta l4proto 112 drop\ntcp dport 10444 drop\nicmp type echo-request drop\n}\n}\n"))
	both := pair
	both.Config = "virtualAddresses: [192.168.238.100/24, fd00:99::100/64]\n"
	found := together(t, hosts, both)

	here, there := found[1], found[0]
	in := want(t, here, checkVRRP, preflight.Fail, "112 (multicast) from "+first+" (node1) reaches eth0 of this host, whose firewall drops it", "# on this host,")
	want(t, here, checkVRRP, preflight.OK, "from this host arrives at "+first)
	port := want(t, here, checkIdentity, preflight.Fail, "gets no answer from TCP port 10444 of this host", "# on this host,")
	want(t, here, checkIdentity, preflight.OK, "TCP port 10444 of "+first)
	want(t, here, checkMTU, preflight.OK)
	want(t, here, checkEcho, preflight.OK)

	want(t, there, checkVRRP, preflight.Fail, "112 (multicast) from this host reaches "+second, "# on "+second+" (node2),")
	want(t, there, checkVRRP, preflight.OK, "from "+second+" (node2) arrives here")
	want(t, there, checkIdentity, preflight.Fail, "TCP port 10444 of "+second+" (node2) does not answer here", "# on "+second)
	echo := want(t, there, checkEcho, preflight.Warn, second+" (node2) does not answer an ICMP echo")

	for i := range hosts {
		sixth := hosts[1-i].LinkLocal().Addr().String()
		want(t, found[i], checkVRRP, preflight.Fail, "112 (multicast) ", sixth, "firewall drops it")
		want(t, found[i], checkIdentity, preflight.Fail, sixth, []string{"does not answer", "gets no answer"}[i])
		want(t, found[i], checkEcho, preflight.OK, sixth)
	}
	for _, r := range []preflight.Result{in, port, echo} {
		paste(t, hosts[1], r.Remedy)
	}
	for _, all := range together(t, hosts, both) {
		none(t, all, preflight.Fail)
		none(t, all, preflight.Warn)
	}
}

// What the checks of the host know of its firewall is what is to be done, whichever program keeps the rules.
func TestRemedyIsOfTheFirewall(t *testing.T) {
	t.Parallel() // it waits most of the time
	hosts := labtest.Hosts(t, 2)
	paste(t, hosts[1], "iptables -N mine && iptables -A INPUT -j mine && iptables -A mine -p 112 -j DROP && iptables -A mine -p tcp --dport 10444 -j DROP")
	r := pair
	r.Host = true
	found := together(t, hosts, r)
	paste(t, hosts[1], want(t, found[1], checkVRRP, preflight.Fail, "whose firewall drops it", "iptables -I INPUT -i eth0 -p 112").Remedy)
	paste(t, hosts[1], want(t, found[1], checkIdentity, preflight.Fail, "gets no answer", "iptables -I INPUT -i eth0 -p tcp").Remedy)
	for _, all := range together(t, hosts, r) {
		none(t, all, preflight.Fail)
	}
}

// A host that does not let protocol 112 out knows it; the other one says that nothing arrives.
func TestOutputFilter(t *testing.T) {
	t.Parallel() // it waits most of the time
	hosts := labtest.Hosts(t, 2)
	must(t, hosts[0].Firewall("table inet filter {\nchain output {\ntype filter hook output priority 0\nmeta l4proto 112 drop\n}\n}\n"))
	r := pair
	r.Config = unicast
	found := together(t, hosts, r)
	out := want(t, found[0], checkVRRP, preflight.Fail, "112 to "+second+" (node2) does not leave this host")
	want(t, found[0], checkVRRP, preflight.OK, "from "+second)
	want(t, found[1], checkVRRP, preflight.Fail, "112 (unicast) from "+first+" (node1) does not arrive here", "output meta l4proto 112 accept # on "+first)
	want(t, found[1], checkVRRP, preflight.OK, "from this host arrives at "+first)
	paste(t, hosts[0], out.Remedy)
	for _, all := range together(t, hosts, r) {
		none(t, all, preflight.Fail)
	}
}

// A switch that filters multicast, and a path that is too narrow one way, are found, and what is said to do about multicast works.
func TestNetworkBetween(t *testing.T) {
	t.Parallel() // it waits most of the time
	network := labtest.New(t, lab.Config{Nodes: 2})
	hosts := network.Hosts()
	labtest.Meet(t, hosts[0], hosts[1])
	must(t, network.Drop(lab.Drop{Traffic: "ether daddr 01:00:5e:00:00:12"}, lab.Drop{Traffic: "ip length > 1400", From: hosts[0], To: hosts[1]}))
	unnamed := pair
	unnamed.Peers, unnamed.Wait = nil, 5*time.Second // they find each other
	found := together(t, hosts, unnamed)
	for i, other := range []string{second, first} {
		want(t, found[i], checkVRRP, preflight.Fail, "112 (multicast) from "+other, "does not arrive here", "name all nodes in election.vrrp.peers")
		want(t, found[i], checkVRRP, preflight.Fail, "112 (multicast) from this host does not arrive at "+other)
		want(t, found[i], checkIdentity, preflight.OK, "both ways")
	}
	for i, way := range []string{"(to it)", "(from it)"} {
		r := want(t, found[i], checkMTU, preflight.Fail, "packets of 1500 bytes", way, "mtu 1400 # on all nodes")
		paste(t, hosts[i], r.Remedy)
	}
	r := pair
	r.Config = unicast
	for _, all := range together(t, hosts, r) {
		want(t, all, checkVRRP, preflight.OK, "both ways (unicast)")
		want(t, all, checkMTU, preflight.OK, "packets of 1400 bytes")
	}
}

// Nobody else runs the check, or a node does with another configuration: nothing that was not asked is called good.
func TestAlone(t *testing.T) {
	t.Parallel() // it waits most of the time
	hosts := labtest.Hosts(t, 2)
	alone := quick
	alone.Exchange = true
	want(t, check(t, hosts[0], alone), checkPeers, preflight.Warn, "no other host runs this check", "at the same time")
	alone.Peers = []netip.Addr{hosts[1].Address.Addr(), netip.MustParseAddr("192.168.238.77")}
	all := check(t, hosts[0], alone)
	want(t, all, checkPeers, preflight.Warn, second+" did not say", "it answers an echo", "at the same time")
	want(t, all, checkPeers, preflight.Warn, "192.168.238.77 did not say", "it does not answer an echo either")
	for _, r := range all {
		if r.Status == preflight.OK && (r.Check == checkVRRP || r.Check == checkIdentity || r.Check == checkMTU) {
			t.Errorf("%s is called good, and was not asked: %s", r.Check, r.Found)
		}
	}
	// Another host of the segment with other virtual addresses.
	other := pair
	other.Exchange = true
	p := start(t, hosts[0], other)
	other.Config = "virtualAddresses: [192.168.238.101/24]\n"
	q := start(t, hosts[1], other)
	want(t, results(t, p), checkPeers, preflight.Warn, second+" (node2) runs this check with another configuration")
	want(t, results(t, q), checkPeers, preflight.Warn, first+" (node1) runs this check with another configuration")
}

// Three nodes that name nobody find each other over both families, and a host that sends what it likes disturbs them as little as
// one that holds connections open.
func TestThreeNodesBesideAHostileOne(t *testing.T) {
	t.Parallel() // it waits most of the time
	hosts := labtest.Hosts(t, 4)
	forger, err := guest.NewForger(hosts[3])
	must(t, err)
	defer forger.Close()
	nodes := hosts[:3]
	var processes []*lab.Process
	for _, h := range nodes {
		processes = append(processes, start(t, h, run{Config: "virtualAddresses: [fd00:99::100/64]\n", Listen: 2 * time.Second, Wait: 6 * time.Second, Exchange: true}))
	}
	group := netip.MustParseAddr("ff02::12")
	forged, number := netip.MustParseAddr("2001:db8::"), uint16(0)
	var held []net.Conn
	labtest.Until(t, 30*time.Second, "the check ends", func() bool {
		for range 20 { // routers and nodes that do not exist
			bytes := forged.As16()
			number++
			bytes[14], bytes[15] = byte(number>>8), byte(number)
			source := netip.AddrFrom16(bytes)
			must(t, forger.Send(guest.Packet{Source: source, Destination: group, Payload: message{instance: uint64(number), name: "x"}.appendTo(nil, 0)}))
			must(t, forger.Send(guest.Packet{Source: source, Destination: group, Payload: []byte{0x31, 51, 200, 200, 0, 1, 0, 0}}))
		}
		if ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond); len(held) < 8 {
			if conn, err := hosts[3].Dial(ctx, "tcp", first+":10444"); err == nil {
				held = append(held, conn)
			}
			cancel()
		} else {
			cancel()
		}
		for _, p := range processes {
			select {
			case <-p.Done():
			default:
				return false
			}
		}
		return true
	})
	for _, conn := range held {
		conn.Close()
	}
	for i, p := range processes {
		all := results(t, p)
		for j, other := range nodes {
			if i != j {
				want(t, all, checkVRRP, preflight.OK, "("+other.Name+") and this host, both ways")
				want(t, all, checkIdentity, preflight.OK, "("+other.Name+") and this host, both ways")
			}
		}
		want(t, all, checkRouters, preflight.Warn, "more than are counted")
		if peers := find(t, all, checkEcho, nodes[(i+1)%3].Name); peers.Status != preflight.OK {
			t.Errorf("%+v", peers)
		}
	}
}
