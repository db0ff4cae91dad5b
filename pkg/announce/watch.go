// SPDX-License-Identifier: Apache-2.0

package announce

import (
	"context"
	"net"
	"net/netip"
	"slices"
	"time"

	"github.com/harbinger-ha/harbinger/pkg/guard"
)

// A Claim is another hardware address that uses a virtual address.
type Claim struct {
	Address netip.Addr
	MAC     net.HardwareAddr
	Peer    netip.Addr // whose hardware address it is; invalid for a foreign host
}

// claimInterval is the shortest time between two claims of one address, so that no host can keep the receiver busy. A
// train of announcements has larger steps.
const claimInterval = 50 * time.Millisecond

// Watch reports every use of one of the addresses by another host: as the sender of an ARP packet, or as the target of
// a neighbour advertisement. It also learns the hardware addresses of peers. It returns nil when ctx ends.
//
// A link that goes down is silent, not an error: the watch goes on when it is up again, or on another one (see SetLink). A watch
// on a link that was deleted hears nothing. A gateway that answers for others (proxy ARP) answers the one who asked, so it is
// never seen here, only by Resolve.
func (a *Announcer) Watch(ctx context.Context, addrs []netip.Addr, claims chan<- Claim) error {
	for {
		link, valid := a.current()
		inner, cancel := context.WithCancel(ctx)
		stop := context.AfterFunc(valid, cancel)
		err := a.watchOn(inner, link, addrs, claims)
		stop()
		cancel()
		if ctx.Err() != nil {
			return nil
		}
		if valid.Err() == nil || err != nil {
			return err
		}
		if _, next := a.current(); next == valid {
			return nil // closed
		}
	}
}

// watchOn watches on one link until ctx ends.
func (a *Announcer) watchOn(ctx context.Context, link Link, addrs []netip.Addr, claims chan<- Claim) error {
	g, ctx := guard.WithContext(ctx)
	for _, family := range [][]netip.Addr{only(addrs, netip.Addr.Is4), only(addrs, netip.Addr.Is6)} {
		if len(family) == 0 {
			continue
		}
		if spare, err := a.borrow(family[0]); err == nil {
			a.giveBack(family[0], spare) // opened before it is needed
		}
		r, err := newReceiver(ctx, link, protocolOf(family[0]), claimsOf(family[0]))
		g.Go(func() error {
			if err != nil {
				return err // ends the other family's watch too
			}
			defer r.close()
			return a.watch(r, family, claims)
		})
	}
	return g.Wait()
}

func only(addrs []netip.Addr, is func(netip.Addr) bool) []netip.Addr {
	return slices.DeleteFunc(slices.Clone(addrs), func(addr netip.Addr) bool { return !is(addr) })
}

// watch is the Watch of one family.
func (a *Announcer) watch(r *receiver, addrs []netip.Addr, claims chan<- Claim) error {
	reported := map[netip.Addr]time.Time{}
	for {
		s, err := r.next(time.Time{})
		if r.ctx.Err() != nil {
			return nil
		}
		if err != nil {
			return err
		}
		a.see(s)
		now := time.Now()
		if !slices.Contains(addrs, s.addr) || now.Sub(reported[s.addr]) < claimInterval {
			continue
		}
		reported[s.addr] = now
		a.claimed(s)
		owner, _ := a.PeerOf(s.mac)
		select {
		case claims <- Claim{s.addr, s.mac, owner}:
		case <-r.ctx.Done():
			return nil
		}
	}
}
