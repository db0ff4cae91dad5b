// SPDX-License-Identifier: Apache-2.0

package probe

import (
	"cmp"
	"context"
	"net/netip"
	"slices"

	"github.com/harbinger-ha/harbinger/pkg/election"
	"github.com/harbinger-ha/harbinger/pkg/guard"
)

// VIPs are the probes of the virtual addresses, which move together: one answer counts for all.
type VIPs map[netip.Addr]VIPProbe

// Probe asks all virtual addresses at once and returns the severest answer. It always answers, as VIPProbe does.
func (v VIPs) Probe(ctx context.Context) election.ProbeDone {
	answers := make(chan election.ProbeDone, len(v))
	var asking guard.Workers
	for vip, p := range v {
		asking.Go(func() { answers <- p.Probe(ctx, vip) })
	}
	asking.Wait()
	close(answers)
	var all []election.ProbeDone
	for a := range answers {
		all = append(all, a)
	}
	return severest(all)
}

// severest returns the severest answer: what one address shows must not be lost behind the silence of the other. Of equal
// verdicts, the one counts that names a peer, and then the one that names any host.
func severest(answers []election.ProbeDone) election.ProbeDone {
	rank := func(a election.ProbeDone) int {
		switch {
		case a.Peer.IsValid():
			return 2
		case a.Owner != "":
			return 1
		}
		return 0
	}
	verdict := func(a election.ProbeDone) election.Verdict {
		v, _ := a.Evidence().Judge()
		return v
	}
	return slices.MaxFunc(answers, func(a, b election.ProbeDone) int {
		return cmp.Or(cmp.Compare(verdict(a), verdict(b)), cmp.Compare(rank(a), rank(b)))
	})
}
