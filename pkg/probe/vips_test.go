// SPDX-License-Identifier: Apache-2.0

package probe

import (
	"context"
	"net"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/harbinger-ha/harbinger/pkg/election"
)

// What one address shows is not lost behind the silence of the other, in whatever order the answers come.
func TestSeverestAnswerCounts(t *testing.T) {
	silent := election.ProbeDone{Identity: election.Nobody, Client: election.Nobody, Neighbour: election.Nobody}
	unasked := election.ProbeDone{Neighbour: election.Nobody}
	known := election.ProbeDone{Identity: election.Nobody, Client: election.Nobody, Neighbour: election.Answers, Owner: "02:00:00:00:00:83", Peer: peer}
	refuses, serves, foreign := known, known, known
	refuses.Identity, refuses.Client = election.Reset, election.Reset
	serves.Client = election.Answers
	foreign.Client, foreign.Owner, foreign.Peer = election.Reset, "02:00:00:00:09:09", netip.Addr{}
	distress, live := known, known
	distress.Identity, live.Identity = election.SaysDistress, election.SaysActive
	order := []election.ProbeDone{silent, known, unasked, refuses, distress, serves, foreign, live}
	for i, less := range order {
		for _, more := range order[i:] {
			for _, answers := range [][]election.ProbeDone{{less, more}, {more, less}} {
				if got := severest(answers); got != more {
					t.Errorf("%s and %s: %s", less, more, got)
				}
			}
		}
	}
}

// An address of this host cannot be asked: the other one's silence must not hide it.
func TestAllAddressesAreAsked(t *testing.T) {
	own, absent := netip.MustParseAddr("127.0.0.1"), netip.MustParseAddr("192.0.2.100")
	p := VIPProbe{
		Cluster: "kubernetes", Node: "node1", Port: 10444, Client: 6443, Interface: 1, Source: own, Resolver: nobody{},
		PeerOf: func(net.HardwareAddr) (netip.Addr, bool) { return netip.Addr{}, false },
	}
	loses := p
	loses.Asks = 5
	short, done := context.WithTimeout(t.Context(), 10*time.Millisecond)
	defer done()
	if got := (VIPs{netip.MustParseAddr("192.0.2.101"): loses, absent: loses}).Probe(short); got.Asked != 8 || got.Heard != 6 {
		t.Errorf("%d of %d questions to neighbours were answered, want 6 of 8", got.Heard, got.Asked)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel() // nobody is asked for long
	got := VIPs{own: p, absent: p}.Probe(ctx)
	if want := "127.0.0.1 is an address of this host: it cannot be asked from here"; got.Identity != election.CouldNotAsk || got.Detail != want && !strings.Contains(got.Detail, "began too late") {
		t.Errorf("%s", got)
	}
}

// nobody answers for any address.
type nobody struct{}

func (nobody) Resolve(context.Context, netip.Addr, netip.Addr) ([]net.HardwareAddr, error) {
	return nil, nil
}

func (nobody) Inquire(context.Context, netip.Addr, netip.Addr, netip.Addr, int) ([]net.HardwareAddr, int, int, error) {
	return nil, 4, 3, nil
}
