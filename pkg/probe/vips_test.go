// SPDX-License-Identifier: Apache-2.0

package probe

import (
	"context"
	"net"
	"net/netip"
	"testing"

	"github.com/harbinger-ha/harbinger/pkg/election"
)

// What one address shows is not lost behind the silence of the other, in whatever order the answers come.
func TestSeverestVerdictCounts(t *testing.T) {
	for _, tc := range []struct{ one, other, want election.Verdict }{
		{election.Free, election.Free, election.Free},
		{election.Free, election.Unasked, election.Unasked},
		{election.Unasked, election.Zombie, election.Zombie},
		{election.Zombie, election.LiveDistress, election.LiveDistress},
		{election.LiveDistress, election.Foreign, election.Foreign},
		{election.Foreign, election.Live, election.Live},
		{election.Free, election.Live, election.Live},
	} {
		one, other := election.ProbeDone{Verdict: tc.one, Detail: "one"}, election.ProbeDone{Verdict: tc.other, Detail: "other"}
		for _, answers := range [][]election.ProbeDone{{one, other}, {other, one}} {
			if got := severest(answers); got.Verdict != tc.want {
				t.Errorf("%v and %v: %v, want %v", answers[0].Verdict, answers[1].Verdict, got.Verdict, tc.want)
			}
		}
	}
}

// The foreign host at one address is named, whoever answers for the other one.
func TestSeverestVerdictNamesTheForeignHost(t *testing.T) {
	for _, verdict := range []election.Verdict{election.Unasked, election.Zombie, election.Foreign} {
		foreign := election.ProbeDone{Verdict: verdict, Owner: "02:00:00:00:09:09"}
		for _, other := range []election.ProbeDone{{Verdict: verdict}, {Verdict: verdict, Owner: "02:00:00:00:00:83", KnownOwner: true}} {
			for _, answers := range [][]election.ProbeDone{{foreign, other}, {other, foreign}} {
				if got := severest(answers); got != foreign {
					t.Errorf("%s and %s: %s, want the foreign host", answers[0], answers[1], got)
				}
			}
		}
	}
}

// An address of this host cannot be asked: the other one's silence must not hide it.
func TestAllAddressesAreAsked(t *testing.T) {
	own, absent := netip.MustParseAddr("127.0.0.1"), netip.MustParseAddr("192.0.2.100")
	p := VIPProbe{
		Cluster: "kubernetes", Node: "node1", Port: 10444, Interface: "lo", Source: own, Resolver: nobody{},
		KnownPeer: func(net.HardwareAddr) bool { return false },
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel() // nobody is asked for long
	got := VIPs{own: p, absent: p}.Probe(ctx)
	if want := "127.0.0.1 is an address of this host: it cannot be probed from here"; got.Verdict != election.Zombie || got.Detail != want {
		t.Errorf("%v: %s", got.Verdict, got.Detail)
	}
}

// nobody answers for any address.
type nobody struct{}

func (nobody) Resolve(context.Context, netip.Addr, netip.Addr) ([]net.HardwareAddr, error) {
	return nil, nil
}
