// SPDX-License-Identifier: Apache-2.0

package probe

import (
	"context"
	"net/netip"
	"sync"

	"github.com/harbinger-ha/harbinger/pkg/election"
	"github.com/harbinger-ha/harbinger/pkg/guard"
)

// Gateway is what is known of the next hop of the default route, from one question to the next.
type Gateway struct {
	mu      sync.Mutex
	address netip.Addr
	proves  bool // it has answered an echo or a connection once
}

// proved reports whether a gateway has answered more than ARP or neighbour discovery.
func (g *Gateway) proved(address netip.Addr) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.address == address && g.proves
}

// judge says what the gateway answered. One that answers ARP or neighbour discovery and nothing else, as many do, is taken at its
// word; one that has answered more before is not.
func (g *Gateway) judge(address netip.Addr, r *reach, neighbour bool) election.Finding {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.address != address {
		g.address, g.proves = address, false
	}
	g.proves = g.proves || r.proven
	switch {
	case r.proven, neighbour && !g.proves:
		return election.Answers
	case r.asked:
		return election.Nobody
	}
	return election.CouldNotAsk
}

// askGateway asks the gateway on every channel until it has proved that it answers, or ctx ends. It has no port of Harbinger's: it
// refuses the connection, if it does anything.
func (p Peers) askGateway(ctx context.Context) election.Finding {
	from, to := p.ends(p.Gateway)
	unproven, proves := context.WithCancel(ctx)
	defer proves()
	var r reach
	note := func(asked, proven bool) {
		if r.note(asked, proven); proven {
			proves()
		}
	}
	neighbour := false
	var asking guard.Workers
	asking.Go(func() { from.knocks(unproven, netip.AddrPortFrom(to, p.Port), afterwards, note) })
	asking.Go(func() {
		answered, asked := from.echo(unproven, to)
		note(asked, answered)
	})
	asking.Go(func() {
		spread(unproven, afterwards[:1], func(ctx context.Context) bool {
			var err error
			neighbour, err = p.Neighbour(ctx, p.Gateway.Address, p.Gateway.Source)
			if note(err == nil, false); neighbour && !p.Known.proved(p.Gateway.Address) {
				proves() // there will be no better answer
			}
			return true
		})
	})
	asking.Wait()
	return p.Known.judge(p.Gateway.Address, &r, neighbour)
}
