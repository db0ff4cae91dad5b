// SPDX-License-Identifier: Apache-2.0

// Package firewall says whether the packet filters of this host let a packet in: it reads the rules of nf_tables, of which those of
// firewalld, ufw and iptables-nft are some, and of iptables-legacy, and follows them as the kernel does. It changes none, and sends
// nothing. Where the rules ask for what is not known of the packet, it says that it cannot decide.
package firewall

import (
	"fmt"
	"net/netip"
)

// Protocols of a packet.
const (
	ICMP   = 1
	TCP    = 6
	ICMPv6 = 58
	VRRP   = 112
)

// A Packet is one that arrives from another host: the first of a TCP connection, an echo request, or an advertisement.
type Packet struct {
	Interface string
	Index     int          // of the interface
	Source    netip.Prefix // it comes from some address of this
	To        netip.Addr
	Protocol  uint8
	Port      uint16 // of TCP, on this host
	// Forwarded says that this host has given it the address of another one (DNAT) and passes it on, by the interface that it came by: what
	// filters that is asked, and not what filters its own traffic.
	Forwarded bool
}

// String returns the packet in words.
func (p Packet) String() string {
	what := fmt.Sprintf("protocol %d", p.Protocol)
	switch p.Protocol {
	case TCP:
		what = fmt.Sprintf("TCP port %d", p.Port)
	case ICMP, ICMPv6:
		what = "ICMP echo"
	}
	if p.Forwarded {
		what = "forwarded " + what
	}
	return fmt.Sprintf("%s from %s to %s", what, p.Source, p.To)
}

// Verdict is what becomes of a packet.
type Verdict int

// The verdicts.
const (
	Admitted  Verdict = iota // it is let in
	Refused                  // it is dropped or rejected
	Undecided                // that depends on what is not known of it
)

// Tool is what keeps the rules of a chain.
type Tool string

// The tools.
const (
	NFT            Tool = "nft"
	Firewalld      Tool = "firewalld"
	UFW            Tool = "ufw"
	IPTables       Tool = "iptables"
	IPTablesLegacy Tool = "iptables-legacy"
)

// A Place is a base chain that refuses a packet, or may do so.
type Place struct {
	Tool   Tool
	Family string // in the words of nft
	Table  string
	Chain  string
	By     string // the rule or policy
}

// An Answer is what becomes of a packet, and where it is not let in for certain.
type Answer struct {
	Verdict Verdict
	Places  []Place
}

// A Ruleset is what the filters of a host do with packets that arrive.
type Ruleset struct {
	bases  []*chain // in the order in which the kernel asks them
	chains map[chainKey]*chain
	// Unread is why filters that there are could not be read. Empty: all could.
	Unread []string
}

// Empty reports whether there is no filter.
func (r Ruleset) Empty() bool { return len(r.bases) == 0 && len(r.Unread) == 0 }

// Judge follows the rules with a packet.
func (r Ruleset) Judge(p Packet) Answer {
	image := newImage(p)
	answer := Answer{Verdict: Admitted}
	for _, base := range r.bases {
		if !base.sees(image) {
			continue
		}
		end := r.walk(base, image, 0)
		if end.falls && base.drops {
			end.refuse(fmt.Sprintf("the policy of chain %s", base.key.name))
		} else if end.falls {
			end.admits = true
		}
		if end.refuses == "" {
			continue
		}
		answer.Places = append(answer.Places, Place{base.tool, base.key.family, base.key.table, base.key.name, end.refuses})
		if !end.admits && base.hook != hookIngress { // of those it is not known which interface they are for
			answer.Verdict = Refused
		} else if answer.Verdict == Admitted {
			answer.Verdict = Undecided
		}
	}
	if len(r.Unread) > 0 && answer.Verdict == Admitted {
		answer.Verdict = Undecided
	}
	return answer
}
