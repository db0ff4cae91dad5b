// SPDX-License-Identifier: Apache-2.0

package report

import (
	"cmp"
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"github.com/harbinger-ha/harbinger/pkg/apis/status/v1alpha1"
	"github.com/harbinger-ha/harbinger/pkg/election"
)

// Asked are the hosts that were asked last whether this node reaches them.
type Asked struct {
	Peers   []netip.Addr
	Gateway netip.Addr // invalid: there is none
}

// What a witness finds of the virtual addresses at this node.
const (
	witnessReaches = "Reached"
	witnessFails   = "Unreachable"
)

// reach says whom this node reaches; nil: it has asked nobody yet.
func reach(f Facts) *v1alpha1.Reach {
	e := f.Loop.Election
	if e.ReachAt.IsZero() {
		return nil
	}
	r := &v1alpha1.Reach{Asked: wall(e.ReachAt), Gateway: v1alpha1.Gateway{Finding: e.Reach.Gateway.String()}}
	if f.Asked.Gateway.IsValid() {
		r.Gateway.Address = f.Asked.Gateway.String()
	}
	for _, peer := range f.Asked.Peers {
		p := v1alpha1.PeerReach{Address: peer.String(), Reached: slices.Contains(e.Reach.Reached, peer)}
		switch {
		case slices.Contains(e.Reach.Unreachable, peer):
			p.Witness = witnessFails
		case slices.Contains(e.Reach.Witnesses, peer):
			p.Witness = witnessReaches
		}
		r.Peers = append(r.Peers, p)
	}
	return r
}

// witness says what this node finds of the holder; nil: it has tried nothing.
func witness(e election.Status) *v1alpha1.Witness {
	w := e.Witness
	if !w.Holder.IsValid() || w.At.IsZero() {
		return nil
	}
	return &v1alpha1.Witness{Holder: w.Holder.String(), Failures: w.Failures, Checked: wall(w.At)}
}

// forgery says where the last forged advertisement came from; nil: there was none.
func forgery(f Facts) *v1alpha1.Forgery {
	last := f.Loop.Forgery
	if !last.Source.IsValid() {
		return nil
	}
	return &v1alpha1.Forgery{Source: last.Source.String(), HardwareAddress: last.HardwareAddress, Last: wall(last.At)}
}

// isolation says in words that this node is isolated, and what may help. Empty: it is not.
func isolation(f Facts) string {
	e := f.Loop.Election
	if !e.Isolated {
		return ""
	}
	reached, all := reachedPeers(f)
	return fmt.Sprintf("this node reaches %d of %d peers, gateway: %s: it takes nothing from a holder that it cannot see to be dead. If its network is sound, let TCP port %d and ICMP echo pass between the nodes (with firewalld: %s; in your own chain: %s)",
		reached, all, e.Reach.Gateway, f.Config.Status.IdentityPort, firewalld(f.Config.Status.IdentityPort), nft("input", fmt.Sprintf("tcp dport %d", f.Config.Status.IdentityPort)))
}

// reachedPeers counts the peers that answer, and all of them.
func reachedPeers(f Facts) (reached, all int) {
	for _, peer := range f.Asked.Peers {
		if peer.Is6() != f.Asked.Peers[0].Is6() {
			continue // the same nodes by the other family
		}
		if all++; slices.Contains(f.Loop.Election.Reach.Reached, peer) {
			reached++
		}
	}
	return reached, all
}

// unreachability says in words that clients do not reach this node, and what may help. Empty: nothing says so.
func unreachability(f Facts) string {
	e, port := f.Loop.Election, f.Config.ControlPlane.Port
	if !e.Unreachable {
		return ""
	}
	found := "clients would not reach the virtual address at this node"
	if n := len(e.Reach.Witnesses); n > 0 {
		found = fmt.Sprintf("%d of %d peers cannot reach the virtual address at this node", len(e.Reach.Unreachable), n)
	}
	return fmt.Sprintf("%s: open TCP port %d of the virtual address in the firewall of this host (with firewalld: firewall-cmd --permanent --add-port=%d/tcp && firewall-cmd --reload; in your own chain: %s). "+
		"If it is open, look for a switch that has the hardware address of this node at another port", found, port, port, nft("input", fmt.Sprintf("tcp dport %d", port)))
}

// forged says in words where forged advertisements come from, and what may help. Empty: none came lately.
func forged(f Facts) string {
	e, last := f.Loop.Election, f.Loop.Forgery
	if !e.Forged.IsValid() {
		return ""
	}
	where := "not known"
	if last.Source == e.Forged {
		where = cmp.Or(last.HardwareAddress, where)
	}
	return fmt.Sprintf("advertisements from %s claim what the Lease does not confirm (hardware address: %s). Find the port of that hardware address in the tables of the switches; "+
		"advertisements that are signed (election.vrrp.authentication) cannot be forged", e.Forged, where)
}

// proofs are the reasons for which a node is not ready that the proofs of reach give.
func proofs(f Facts) (why []because) {
	if message := unreachability(f); message != "" {
		message, _, _ = strings.Cut(message, ". ")
		why = append(why, because{message, v1alpha1.ConditionUnreachable})
	}
	return why
}
