// SPDX-License-Identifier: Apache-2.0

package report

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"github.com/harbinger-ha/harbinger/pkg/apis/status/v1alpha1"
	"github.com/harbinger-ha/harbinger/pkg/election"
	"github.com/harbinger-ha/harbinger/pkg/vrrp"
)

// The directions of a Filter.
const (
	directionIn      = "in"
	directionOut     = "out"
	directionUnknown = "unknown"
)

// protocolVRRP is the protocol of the advertisements in a Filter.
var protocolVRRP = fmt.Sprint(vrrp.Protocol)

// Reception is what the sockets of the advertisements notice on this host.
type Reception struct {
	Undelivered []netip.Addr // senders whose advertisements reach the interface, and not the socket
	Unsent      []netip.Addr // destinations that this host forbids to send to
	Watched     bool         // the interface was watched for long enough, so that what is not undelivered does not reach it
	Blind       string       // why the interface cannot be watched
}

// maxUnknown bounds how many senders are named that are no known nodes.
const maxUnknown = 4

// Few returns the senders that are known nodes and a few of the others: any host can send in the name of any number.
func Few(senders, known []netip.Addr) (few []netip.Addr) {
	unknown := 0
	for _, sender := range senders {
		if !slices.Contains(known, sender) {
			if unknown++; unknown > maxUnknown {
				continue
			}
		}
		few = append(few, sender)
	}
	return few
}

// Suspicious reports whether advertisements may be missed on this host, so that it is worth to watch the interface: a holder serves
// and is not heard, nobody is heard, another host has or claims the addresses, or advertisements are forged, whose sender the interface
// shows.
func Suspicious(e election.Status) bool {
	return e.Forged.IsValid() || e.SplitSuspected || e.State == election.Claiming || e.State == election.Conflict || e.Conflict != ""
}

// filters returns what does not pass between this node and others: what the election misses, and what the sockets notice.
func filters(f Facts) (all []v1alpha1.Filter) {
	missing, port := f.Loop.Election.Unheard, f.Config.Status.IdentityPort
	explained := false
	for _, from := range f.Undelivered {
		explained = explained || !missing.Peer.Is4() || missing.Peer == from
		all = append(all, advertisementsIn(from, port))
	}
	if missing.Advertisements && !explained {
		all = append(all, advertisementsUnknown(missing, f.Reception, port))
	}
	for _, to := range f.Unsent {
		all = append(all, advertisementsOut(to))
	}
	if missing.Identity {
		all = append(all, identityUnknown(missing, port))
	}
	return all
}

// advertisementsIn is what this host drops of what arrives.
func advertisementsIn(from netip.Addr, port uint16) v1alpha1.Filter {
	return v1alpha1.Filter{
		Protocol: protocolVRRP, Peer: from.String(), Direction: directionIn,
		Message: fmt.Sprintf("protocol 112 from %s reaches this host, which drops it: open the firewall of this host", from),
		Remedy:  []string{firewalld(port), nft("input", match("saddr", from)+"meta l4proto 112")},
	}
}

// advertisementsOut is what this host does not let out. A group is not one peer.
func advertisementsOut(to netip.Addr) v1alpha1.Filter {
	f := v1alpha1.Filter{
		Protocol: protocolVRRP, Peer: to.String(), Direction: directionOut,
		Message: fmt.Sprintf("protocol 112 to %s is not let out by this host: open the output filter of this host", to),
		Remedy:  []string{firewalldOut(to), nft("output", match("daddr", to)+"meta l4proto 112")},
	}
	if to.IsMulticast() {
		f.Peer = ""
	}
	return f
}

// advertisementsUnknown is what does not arrive: the other host or the network between drops it, or this host does, where that
// is not known.
func advertisementsUnknown(u election.Unheard, r Reception, port uint16) v1alpha1.Filter {
	f := v1alpha1.Filter{
		Protocol: protocolVRRP, Peer: u.Holder(), Direction: directionUnknown,
		Remedy: []string{firewalld(port), nft("input", source(u.Peer)+"meta l4proto 112")},
	}
	switch {
	case r.Blind != "":
		f.Message = fmt.Sprintf("protocol 112 from %s does not arrive: open the firewalls of both hosts (it is not known which of them drops it: %s)", f.Peer, r.Blind)
	case r.Watched:
		f.Message = fmt.Sprintf("protocol 112 from %s does not reach this host: open the output filter of that host, and the network between", f.Peer)
		f.Remedy = []string{firewalldOut(u.Peer), nft("output", "meta l4proto 112")}
	default:
		f.Message = fmt.Sprintf("protocol 112 from %s does not arrive: open the firewalls of both hosts", f.Peer)
	}
	return f
}

// identityUnknown is the identity port of another host, which does not answer as that of a holder does.
func identityUnknown(u election.Unheard, port uint16) v1alpha1.Filter {
	return v1alpha1.Filter{
		Protocol: fmt.Sprintf("TCP %d", port), Peer: u.Holder(), Direction: directionUnknown,
		Message: fmt.Sprintf("TCP port %d of %s does not answer this host: open the firewall of that host, then the output filter of this one", port, u.Holder()),
		Remedy:  []string{firewalld(port), nft("input", fmt.Sprintf("tcp dport %d", port))},
	}
}

// firewalld opens all that a node needs to receive.
func firewalld(port uint16) string {
	return fmt.Sprintf("firewall-cmd --permanent --add-protocol=vrrp && firewall-cmd --permanent --add-port=%d/tcp && firewall-cmd --reload", port)
}

// firewalldOut lets the advertisements out: firewalld itself filters no output, but for its direct rules.
func firewalldOut(to netip.Addr) string {
	family := "ipv4"
	if to.Is6() {
		family = "ipv6"
	}
	return fmt.Sprintf("firewall-cmd --permanent --direct --add-rule %s filter OUTPUT 0 -p 112 -j ACCEPT && firewall-cmd --reload", family)
}

// nft opens a chain of the table inet filter, whose usual names those of input and output are.
func nft(chain, traffic string) string {
	return fmt.Sprintf("nft insert rule inet filter %s %s accept", chain, traffic)
}

// match is the part of a rule of nft that names an address.
func match(side string, addr netip.Addr) string {
	if addr.Is6() {
		return fmt.Sprintf("ip6 %s %s ", side, addr.WithZone(""))
	}
	return fmt.Sprintf("ip %s %s ", side, addr)
}

// source is match for the sender of advertisements that did not arrive. Over IPv6 the link-local address of the peer sends them,
// which is not known.
func source(peer netip.Addr) string {
	if peer.Is4() {
		return match("saddr", peer)
	}
	return ""
}

// deafness says why a node hears nobody. Empty: it does, or nobody is to be heard.
func deafness(r v1alpha1.VirtualRouter) string {
	heard := func(f v1alpha1.Filter) bool { return f.Protocol != protocolVRRP || f.Direction == directionOut }
	i := slices.IndexFunc(r.Filtered, func(f v1alpha1.Filter) bool { return !heard(f) })
	if i < 0 {
		return ""
	}
	return "advertisements are not heard: " + r.Filtered[i].Message
}

// filterMessages says what is filtered, and what opens it.
func filterMessages(all []v1alpha1.Filter) string {
	var messages []string
	for _, f := range all {
		messages = append(messages, Advice(f))
	}
	return strings.Join(messages, "; ")
}

// Advice says what is filtered, and what opens it.
func Advice(f v1alpha1.Filter) string {
	return fmt.Sprintf("%s (with firewalld: %s; in your own chain: %s)", f.Message, f.Remedy[0], f.Remedy[1])
}
