// SPDX-License-Identifier: Apache-2.0

package report

import (
	"cmp"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/harbinger-ha/harbinger/pkg/apis/status/v1alpha1"
	"github.com/harbinger-ha/harbinger/pkg/election"
	"github.com/harbinger-ha/harbinger/pkg/probe"
)

// Peer is another host, and what it said of itself when it was asked last.
type Peer struct {
	Address  netip.Addr
	Asked    bool           // an answer, or none, is known
	Said     probe.Identity // of the last answer. Zero: there was none
	Answered time.Time      // wall clock, of the last answer
	Failure  string         // why it did not answer when it was asked last. Empty: it did
}

// stalled is the state of a host whose control loop does not turn.
const stalled = "Stalled"

// hosts returns the hosts of the cluster that are known, this one first, the others by their name or address. A host of both
// families is one.
func hosts(f Facts, s *v1alpha1.HarbingerStatus) []v1alpha1.HostSummary {
	r, port := s.VirtualRouter, f.Config.Status.IdentityPort
	since, answered := r.Since, wall(f.Now)
	own := v1alpha1.HostSummary{
		Node: s.Node, Self: true, Version: s.Version, Answered: &answered, State: r.State, Since: &since, Held: r.Held, Ready: s.Ready,
		Priority: r.Priority, Epoch: uint64(r.Epoch),
	}
	if f.Node.Address.IsValid() {
		own.Address, own.Identity = f.Node.Address.String(), netip.AddrPortFrom(f.Node.Address, port).String()
	}
	others := []v1alpha1.HostSummary{}
	for _, p := range f.Peers {
		h := HostOf(p, port)
		same := func(x v1alpha1.HostSummary) bool { return h.Node != "" && x.Node == h.Node }
		i := slices.IndexFunc(others, same)
		switch {
		case i < 0:
			others = append(others, h)
		case others[i].Failure != "" && h.Failure == "" || others[i].Failure == h.Failure && others[i].Answered.Before(*h.Answered):
			others[i] = h
		}
	}
	slices.SortStableFunc(others, func(a, b v1alpha1.HostSummary) int {
		return cmp.Compare(cmp.Or(a.Node, a.Address), cmp.Or(b.Node, b.Address))
	})
	return append([]v1alpha1.HostSummary{own}, others...)
}

// HostOf is what a peer said of itself. A version that does not say whether it is ready and holds the virtual addresses is judged by
// its state.
func HostOf(p Peer, port uint16) v1alpha1.HostSummary {
	id := p.Said
	h := v1alpha1.HostSummary{
		Node: id.Node, Address: p.Address.String(), Identity: netip.AddrPortFrom(p.Address, port).String(), Version: id.Version,
		Answered: known(p.Answered), Failure: p.Failure, Priority: id.Priority, Epoch: id.Epoch, Finding: id.Finding, Severity: id.Severity,
	}
	for _, state := range election.States() {
		if strings.EqualFold(state.String(), id.State) {
			h.State = state.String()
		}
	}
	if h.State == "" && id.State != "" {
		h.State = stalled
	}
	holds := h.State == election.Active.String() || h.State == election.Leaving.String()
	h.Held, h.Ready = holds, holds && !id.Distress || h.State == election.Backup.String()
	if id.Version != "" {
		h.Held, h.Ready = id.Held, id.Ready
	}
	if h.State == stalled {
		h.Held, h.Ready = false, false
	}
	if id.SinceMs > 0 && !p.Answered.IsZero() {
		since := wall(p.Answered.Add(-time.Duration(id.SinceMs) * time.Millisecond))
		h.Since = &since
	}
	return h
}

// nameOf is the name of another node, by what its hosts or the Lease say. Empty: they do not.
func (f Facts) nameOf(address netip.Addr) string {
	for _, p := range f.Peers {
		if p.Address.WithZone("") == address.WithZone("") && p.Said.Node != "" {
			return p.Said.Node
		}
	}
	if l := f.Loop.Election.Lease; l.Holder != "" && l.Address == address {
		return l.Node
	}
	return ""
}

// called is the name of a host, or its address.
func called(h v1alpha1.HostSummary) string { return cmp.Or(h.Node, h.Address) }

// missing returns what keeps each other host from taking over. Unasked says that one was not asked yet.
func missing(f Facts, all []v1alpha1.HostSummary) (missing []string, unasked bool) {
	for _, h := range all[1:] {
		switch name := called(h); {
		case h.Answered == nil && h.Failure == "":
			unasked = true
		case h.Failure != "":
			missing = append(missing, fmt.Sprintf("%s: its identity port does not answer: %s", name, h.Failure))
		case h.State == stalled:
			missing = append(missing, name+": its control loop does not turn")
		case !h.Ready && h.Finding != "":
			missing = append(missing, fmt.Sprintf("%s is not ready (%s)", name, h.Finding))
		case !h.Ready:
			missing = append(missing, name+" is not ready")
		}
	}
	for _, p := range f.Peers {
		unasked = unasked || !p.Asked
	}
	return missing, unasked
}

// redundancy sets whether another host could take over.
func (c *setter) redundancy(all []v1alpha1.HostSummary, f Facts) {
	gone, unasked := missing(f, all)
	others := len(all) - 1
	switch {
	case unasked:
		c.put(v1alpha1.ConditionRedundant, metav1.ConditionUnknown, "NotAsked", "")
	case others == 0:
		c.put(v1alpha1.ConditionRedundant, metav1.ConditionFalse, "NoOtherHost", "no other host is known")
	case len(gone) == others:
		c.put(v1alpha1.ConditionRedundant, metav1.ConditionFalse, "NoOtherHost", strings.Join(gone, "; "))
	case len(gone) > 0:
		c.put(v1alpha1.ConditionRedundant, metav1.ConditionFalse, "HostsMissing", strings.Join(gone, "; "))
	default:
		c.put(v1alpha1.ConditionRedundant, metav1.ConditionTrue, "HostsReady", "")
	}
}
