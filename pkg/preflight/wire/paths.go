// SPDX-License-Identifier: Apache-2.0

package wire

import (
	"fmt"
	"strings"
	"time"

	"github.com/harbinger-ha/harbinger/pkg/preflight"
)

// A path is what a verdict on the ways between this host and a peer depends on beside what has passed.
type path struct {
	multicast bool // advertisements are sent to the group
	vrrp      bool // the election uses advertisements
	port      uint16
	iface     string
	mtu       int
	waited    time.Duration
	host      []preflight.Result // of the checks of this host
}

// again is the command that is run on all nodes at the same time.
const again = "harbinger preflight --wire --peers-wait 60s"

// judgePeers says what passes between this host and its peers, both ways.
func (w path) judgePeers(peers []*peer) []preflight.Result {
	var results []preflight.Result
	for _, p := range peers {
		results = append(results, w.judgePeer(p)...)
	}
	if len(results) == 0 {
		return []preflight.Result{{
			Check: checkPeers, Status: preflight.Warn,
			Found:  fmt.Sprintf("no other host runs this check: within %s nobody answered, so that nothing is known of what passes between the nodes", w.waited),
			Remedy: "run it on all nodes at the same time: " + again + " (--wire-peer ADDRESS names a node that is not found by itself)",
		}}
	}
	return results
}

// judgePeer is judgePeers for one of them.
func (w path) judgePeer(p *peer) []preflight.Result {
	if p.met.IsZero() {
		return w.judgeAbsent(p)
	}
	var results []preflight.Result
	if w.vrrp {
		results = append(results, w.judgeVRRP(p)...)
	}
	results = append(results, w.judgeIdentity(p)...)
	results = append(results, w.judgeMTU(p)...)
	return append(results, w.judgeEcho(p))
}

// judgeAbsent is about a node that does not run the check, or of which nothing arrives.
func (w path) judgeAbsent(p *peer) []preflight.Result {
	r := preflight.Result{Check: checkPeers, Status: preflight.Warn, Remedy: "run it on all nodes at the same time: " + again}
	echo := "it does not answer an echo either"
	if p.here&echoAnswered != 0 {
		echo = "it answers an echo"
	}
	switch {
	case p.says.Incarnation != "":
		r.Found = fmt.Sprintf("%s runs Harbinger, whose identity port answers, and not this check: what passes to it was not asked", p)
		r.Remedy = "harbinger status there says what it hears (its findings Filtered and Unreachable); or " + r.Remedy
		return append(append([]preflight.Result{r}, w.judgeAdvertisements(p)...), append(w.judgeMTU(p), w.judgeEcho(p))...)
	case p.here&identityAnswered != 0:
		r.Found = fmt.Sprintf("something else than Harbinger answers at port %d of %s", w.port, p)
		r.Remedy = fmt.Sprintf("stop it, or choose another status.identityPort on all nodes; then %s", r.Remedy)
	default:
		r.Found = fmt.Sprintf("%s did not say within %s that it runs this check, by protocol 112 or at port %d; %s: nothing is known of what passes", p, w.waited, w.port, echo)
	}
	return []preflight.Result{r}
}

// judgeAdvertisements is about those of a node that does not run the check. A Backup sends none.
func (w path) judgeAdvertisements(p *peer) []preflight.Result {
	r := preflight.Result{Check: checkVRRP, Status: preflight.OK, Found: fmt.Sprintf("protocol 112 from %s arrives here: its advertisements were heard", p)}
	switch {
	case !w.vrrp || !p.advertised:
		return nil
	case !p.heard:
		r.Status, r.Found = preflight.Fail, fmt.Sprintf("112 from %s reaches %s of this host, whose firewall drops it", p, w.iface)
		r.Remedy = w.here("FirewallVRRP", letVRRPIn(thisHost))
	}
	return []preflight.Result{r}
}

// The bits of one way that advertisements go.
func (w path) bits() (arrived, delivered passed, name, other string) {
	if w.multicast {
		return groupArrived, groupDelivered, "multicast", "unicast"
	}
	return unicastArrived, unicastDelivered, "unicast", "multicast"
}

// otherWay says whether the way passes that the configuration does not use.
func (w path) otherWay(set passed) bool {
	if w.multicast {
		return set&unicastDelivered != 0
	}
	return set&groupDelivered != 0
}

// judgeVRRP is about protocol 112, both ways.
func (w path) judgeVRRP(p *peer) []preflight.Result {
	_, delivered, name, other := w.bits()
	if p.here&p.there&delivered != 0 {
		found := fmt.Sprintf("protocol 112 passes between %s and this host, both ways (%s", p, name)
		if w.otherWay(p.here) && w.otherWay(p.there) {
			found += "; " + other + " as well"
		}
		return []preflight.Result{{Check: checkVRRP, Status: preflight.OK, Found: found + ")"}}
	}
	return []preflight.Result{w.judgeInbound(p), w.judgeOutbound(p)}
}

const (
	thisHost  = "this host"
	matchVRRP = "meta l4proto 112"
)

// letIn returns the command that lets something through the input filter of a host, as far as that can be known from elsewhere.
func letIn(host, match, firewalld string) string {
	return fmt.Sprintf("nft insert rule inet filter input %s accept # on %s, in its own table and chain; with firewalld: firewall-cmd --permanent %s && firewall-cmd --reload",
		match, host, firewalld)
}

// letOut is letIn for the output filter.
func letOut(host, match string) string {
	return fmt.Sprintf("nft insert rule inet filter output %s accept # on %s, in its own table and chain", match, host)
}

func letVRRPIn(host string) string { return letIn(host, matchVRRP, "--add-protocol=vrrp") }

func (w path) letIdentityIn(host string) string {
	return letIn(host, fmt.Sprintf("tcp dport %d", w.port), fmt.Sprintf("--add-port=%d/tcp", w.port))
}

// here returns the remedy of a check of this host, which knows its firewall, or another one where that check has none.
func (w path) here(check, remedy string) string {
	for _, r := range w.host {
		if r.Check == check && r.Status != preflight.OK && r.Remedy != "" {
			return r.Remedy
		}
	}
	return remedy
}

// judgeInbound is about what comes from a peer.
func (w path) judgeInbound(p *peer) preflight.Result {
	arrived, delivered, name, _ := w.bits()
	r := preflight.Result{Check: checkVRRP, Status: preflight.Fail}
	switch {
	case p.here&delivered != 0:
		r.Status, r.Found = preflight.OK, fmt.Sprintf("protocol 112 (%s) from %s arrives here", name, p)
	case p.here&arrived != 0:
		r.Found = fmt.Sprintf("112 (%s) from %s reaches %s of this host, whose firewall drops it", name, p, w.iface)
		r.Remedy = w.here("FirewallVRRP", letVRRPIn(thisHost))
	default:
		r.Found = fmt.Sprintf("112 (%s) from %s does not arrive here", name, p)
		r.Remedy = w.lost(p.here, p.String())
	}
	return r
}

// judgeOutbound is about what goes to a peer, as far as that has said so.
func (w path) judgeOutbound(p *peer) preflight.Result {
	arrived, delivered, name, _ := w.bits()
	r := preflight.Result{Check: checkVRRP, Status: preflight.Fail}
	switch {
	case p.there&delivered != 0:
		r.Status, r.Found = preflight.OK, fmt.Sprintf("protocol 112 (%s) from this host arrives at %s", name, p)
	case p.forbids:
		r.Found = fmt.Sprintf("112 to %s does not leave this host, whose firewall forbids it", p)
		r.Remedy = letOut(thisHost, matchVRRP)
	case p.thereAt.Sub(p.met) < reportAge:
		r.Status, r.Found = preflight.Warn, fmt.Sprintf("whether 112 (%s) from this host arrives at %s is not known: nothing that it says of it has come back", name, p)
		r.Remedy = fmt.Sprintf("what is said of the other direction and of port %d first; its own output says it too", w.port)
	case p.there&arrived != 0:
		r.Found = fmt.Sprintf("112 (%s) from this host reaches %s, whose firewall drops it", name, p)
		r.Remedy = letVRRPIn(p.String())
	default:
		r.Found = fmt.Sprintf("112 (%s) from this host does not arrive at %s", name, p)
		r.Remedy = w.lost(p.there, thisHost)
	}
	return r
}

// lost is what to do about packets of a sender that do not reach the interface of the receiver.
func (w path) lost(seen passed, sender string) string {
	if w.multicast && seen&(unicastArrived|unicastDelivered) != 0 {
		return "multicast is filtered on the way, unicast passes: name all nodes in election.vrrp.peers (--peer), or let the switches pass 224.0.0.18 and ff02::12 (IGMP and MLD snooping)"
	}
	return letOut(sender, matchVRRP) + "; or the network between drops it: let IP protocol 112 pass there (a security group, a switch)"
}

// judgeIdentity is about the identity port, both ways.
func (w path) judgeIdentity(p *peer) []preflight.Result {
	there := preflight.Result{Check: checkIdentity, Status: preflight.Fail}
	switch {
	case p.here&identityAnswered != 0:
		there.Status, there.Found = preflight.OK, fmt.Sprintf("TCP port %d of %s answers here", w.port, p)
	case p.here&identityAsked == 0:
		there.Status, there.Found = preflight.Warn, fmt.Sprintf("TCP port %d of %s was not asked: no connection was tried to its end", w.port, p)
		there.Remedy = again
	default:
		there.Found = fmt.Sprintf("TCP port %d of %s does not answer here", w.port, p)
		there.Remedy = w.letIdentityIn(p.String()) + "; or the network between drops it (a security group)"
	}
	back := preflight.Result{Check: checkIdentity, Status: preflight.Fail}
	switch {
	case p.there&identityAnswered != 0:
		back.Status, back.Found = preflight.OK, fmt.Sprintf("TCP port %d of this host answers at %s", w.port, p)
	case p.there&identityAsked == 0:
		back.Status, back.Found = preflight.Warn, fmt.Sprintf("whether TCP port %d of this host answers at %s is not known: it has not said so", w.port, p)
		back.Remedy = "its own output says it"
	default:
		back.Found = fmt.Sprintf("%s gets no answer from TCP port %d of this host", p, w.port)
		back.Remedy = w.here("FirewallIdentity", w.letIdentityIn(thisHost))
	}
	if there.Status == preflight.OK && back.Status == preflight.OK {
		there.Found = fmt.Sprintf("TCP port %d passes between %s and this host, both ways", w.port, p)
		return []preflight.Result{there}
	}
	return []preflight.Result{there, back}
}

// judgeMTU is about packets as long as the interface allows.
func (w path) judgeMTU(p *peer) []preflight.Result {
	in, out := direction(p.here, fullArrived|fullDelivered, unicastArrived|unicastDelivered), direction(p.there, fullArrived|fullDelivered, unicastArrived|unicastDelivered)
	if p.here&echoAnswered != 0 || p.here&fullEchoAnswered != 0 { // an echo goes both ways
		both := direction(p.here, fullEchoAnswered, echoAnswered)
		in, out = in.or(both), out.or(both)
	}
	ok := fmt.Sprintf("packets of %d bytes, the MTU of %s, pass between %s and this host, both ways", w.mtu, w.iface, p)
	var ways []string
	switch {
	case in == passes && out == passes:
		return []preflight.Result{{Check: checkMTU, Status: preflight.OK, Found: ok}}
	case in != blocked && out != blocked:
		return []preflight.Result{{
			Check: checkMTU, Status: preflight.Warn, Found: fmt.Sprintf("whether packets of %d bytes pass between %s and this host could not be asked: shorter ones do not pass, or were not seen both ways", w.mtu, p),
			Remedy: "what is said of protocol 112 and of the echo first",
		}}
	}
	if in == blocked {
		ways = append(ways, "from it")
	}
	if out == blocked {
		ways = append(ways, "to it")
	}
	return []preflight.Result{{
		Check: checkMTU, Status: preflight.Fail,
		Found:  fmt.Sprintf("packets of %d bytes, the MTU of %s, do not pass between %s and this host (%s), shorter ones do", w.mtu, w.iface, p, strings.Join(ways, ", ")),
		Remedy: w.narrower(p),
	}}
}

// narrower is what to do about a path that loses long packets.
func (w path) narrower(p *peer) string {
	if p.longest == 0 {
		return fmt.Sprintf("give all nodes and the switches between them the MTU %d, or all nodes the one that ping -M do -s SIZE %s finds (28 bytes more than SIZE over IPv4, 48 over IPv6)",
			w.mtu, p.address)
	}
	return fmt.Sprintf("ip link set dev %s mtu %d # on all nodes, and where that is configured: so much passes; or give the switches between them the MTU %d", w.iface, p.longest, w.mtu)
}

// What is known of one way.
type knowledge int

const (
	unknown knowledge = iota
	passes
	blocked
)

// direction is what is known of long packets where it is known of short ones.
func direction(set, long, short passed) knowledge {
	switch {
	case set&long != 0:
		return passes
	case set&short != 0:
		return blocked
	}
	return unknown
}

// or completes what is not known.
func (k knowledge) or(other knowledge) knowledge {
	if k == unknown {
		return other
	}
	return k
}

// judgeEcho is about ICMP.
func (w path) judgeEcho(p *peer) preflight.Result {
	r := preflight.Result{Check: checkEcho, Status: preflight.Warn}
	protocol := "icmp"
	if p.address.Is6() {
		protocol = "icmpv6"
	}
	switch {
	case p.here&echoAnswered != 0:
		r.Status, r.Found = preflight.OK, fmt.Sprintf("%s answers an ICMP echo", p)
	case p.here&echoAsked == 0:
		r.Found, r.Remedy = fmt.Sprintf("no ICMP echo could be sent to %s", p), asRoot
	default:
		r.Found = fmt.Sprintf("%s does not answer an ICMP echo: a node that is cut off is found out later without", p)
		r.Remedy = letIn(p.String(), protocol+" type echo-request", "--remove-icmp-block=echo-request")
	}
	return r
}
