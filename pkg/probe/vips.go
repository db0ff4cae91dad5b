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

// Probe asks all virtual addresses at once and returns the severest answer, with the questions to the neighbours of all. It always answers, as VIPProbe does.
func (v VIPs) Probe(ctx context.Context) election.ProbeDone {
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	answers := askAll(v, func(p VIPProbe, vip netip.Addr) election.ProbeDone {
		done := p.Probe(ctx, vip)
		if done.Identity == election.SaysActive {
			stop() // no answer is severer
		}
		return done
	})
	done := severest(answers)
	done.Asked, done.Heard = 0, 0
	for _, a := range answers {
		done.Asked, done.Heard = done.Asked+a.Asked, done.Heard+a.Heard
	}
	return done
}

// askAll asks all virtual addresses at once, and returns the answers.
func askAll[T any](v VIPs, ask func(VIPProbe, netip.Addr) T) []T {
	answers := make(chan T, len(v))
	var asking guard.Workers
	for vip, p := range v {
		asking.Go(func() { answers <- ask(p, vip) })
	}
	asking.Wait()
	close(answers)
	all := make([]T, 0, len(v))
	for a := range answers {
		all = append(all, a)
	}
	return all
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

// Check asks all virtual addresses at once whether they serve clients, and returns the worst answer. One that this node cannot ask
// does not count.
func (v VIPs) Check(ctx context.Context) election.HolderChecked {
	found := askAll(v, func(p VIPProbe, vip netip.Addr) election.Finding { return p.Check(ctx, vip) })
	return election.HolderChecked{Client: worst(found)}
}
