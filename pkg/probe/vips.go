// SPDX-License-Identifier: Apache-2.0

package probe

import (
	"cmp"
	"context"
	"net/netip"
	"slices"
	"sync"

	"github.com/harbinger-ha/harbinger/pkg/election"
)

// VIPs are the probes of the virtual addresses, which move together: one answer counts for all.
type VIPs map[netip.Addr]VIPProbe

// Probe asks all virtual addresses at once and returns the severest answer. It always answers, as VIPProbe does.
func (v VIPs) Probe(ctx context.Context) election.ProbeDone {
	answers := make(chan election.ProbeDone, len(v))
	var asking sync.WaitGroup
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

// severity orders the verdicts: what one address shows must not be lost behind the silence of the other.
var severity = []election.Verdict{election.Free, election.Unasked, election.Zombie, election.LiveDistress, election.Foreign, election.Live}

// severest returns the severest answer. Of equal verdicts, the one counts that names a foreign host, and then the one that
// names any.
func severest(answers []election.ProbeDone) election.ProbeDone {
	rank := func(a election.ProbeDone) int {
		switch {
		case a.KnownOwner:
			return 1
		case a.Owner != "":
			return 2
		}
		return 0
	}
	return slices.MaxFunc(answers, func(a, b election.ProbeDone) int {
		return cmp.Or(cmp.Compare(slices.Index(severity, a.Verdict), slices.Index(severity, b.Verdict)), cmp.Compare(rank(a), rank(b)))
	})
}
