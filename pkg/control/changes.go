// SPDX-License-Identifier: Apache-2.0

package control

import (
	"cmp"
	"net/netip"
	"time"

	"github.com/harbinger-ha/harbinger/pkg/election"
	"github.com/harbinger-ha/harbinger/pkg/logging"
)

// changes is what the log has said last of the virtual addresses, the Lease and the holder.
type changes struct {
	adding   time.Time     // when the addresses were added that are not announced yet; zero: there are none
	again    bool          // they had been added before
	held     time.Time     // when this node took them
	unserved time.Duration // before that; zero: not known, or none

	epoch  int // of the Lease that this node holds; 0: none
	before election.Lease
	given  int // the epoch of the Lease that it gave up, until the Lease shows what became of it; 0: none

	holder    netip.Addr // that other nodes follow; invalid: this node, or nobody yet
	ours      bool       // this node had the addresses last
	heard     time.Time  // when the holder was heard last
	candidate netip.Addr // another one, heard once
	first     time.Time  // when
	names     map[netip.Addr]string
	budget    logging.Budget
}

// thisNode names it where a holder is named.
const thisNode = "this node"

// follow writes what has changed between two turns of the loop.
func (l *Loop) follow(now time.Time, e election.Status) {
	l.endAlarms(now, e)
	l.followLease(e)
	l.followHolder(now, e)
}

// added notes that the addresses were added at a time. The line is written once they are announced.
func (c *changes) added(at time.Time, again bool) {
	if c.adding.IsZero() {
		c.adding, c.again = at, again
	}
	if !again {
		c.held = at
	}
}

// announced writes that the addresses are there and announced.
func (l *Loop) announced() {
	c, now := &l.changes, l.cfg.Now()
	began, again, unserved := c.adding, c.again, c.unserved
	if began.IsZero() {
		return
	}
	c.adding, c.unserved = time.Time{}, 0
	log := l.cfg.Log.WithValues(logging.KeyVirtualAddresses, l.cfg.VirtualAddresses, logging.KeyLasted, lasted(began, now))
	switch {
	case !again:
		if unserved > 0 {
			log = log.WithValues(logging.KeyUnserved, unserved.Round(time.Millisecond).String())
		}
		if n := len(l.moves); n > 0 && l.moves[n-1].Evidence != "" {
			log = log.WithValues(logging.KeyEvidence, l.moves[n-1].Evidence)
		}
		log.Info(logging.MsgAddressesAdded)
	case c.budget.Admit(now):
		logging.Warn(log, logging.MsgAddressesRestored)
	}
}

// removed writes that this node has the addresses no more.
func (l *Loop) removed() {
	c := &l.changes
	c.adding = time.Time{}
	l.cfg.Log.Info(logging.MsgAddressesRemoved, logging.KeyVirtualAddresses, l.cfg.VirtualAddresses, logging.KeyLasted, lasted(c.held, l.cfg.Now()))
}

// followLease writes that this node has taken the Lease, and what became of the one that it gave up.
func (l *Loop) followLease(e election.Status) {
	c, before := &l.changes, l.changes.before
	c.before = e.Lease
	switch e.Epoch {
	case c.epoch:
	case 0:
		c.given = c.epoch
	default:
		c.given = 0
		l.cfg.Log.Info(logging.MsgLeaseTaken, logging.KeyEpoch, e.Epoch, logging.KeyFrom, cmp.Or(before.Node, before.Holder))
	}
	c.epoch = e.Epoch
	if c.given == 0 || e.Epoch != 0 {
		return
	}
	switch lease := e.Lease; {
	case lease.Holder == "" && lease.Epoch >= c.given:
		l.cfg.Log.Info(logging.MsgLeaseReleased, logging.KeyEpoch, c.given)
		c.given = 0
	case lease.Holder != "" && lease.Epoch > c.given:
		log := l.cfg.Log.WithValues(logging.KeyTo, cmp.Or(lease.Node, lease.Holder), logging.KeyEpoch, lease.Epoch)
		if before.Preferred == lease.Node || before.Priority < lease.Priority || e.State == election.Leaving {
			log.Info(logging.MsgLeaseLost) // it was invited, or ranks higher
		} else {
			logging.Warn(log, logging.MsgLeaseLost)
		}
		c.given = 0
	}
}

// hears returns the holder that a node hears, and when it heard it last. Of two families the first counts; without advertisements
// the Lease says who it is.
func (l *Loop) hears(e election.Status) (holder netip.Addr, at time.Time) {
	switch {
	case len(l.cfg.Ports) == 0 && e.Lease.Holder != "":
		return e.Lease.Address, e.LeaseAnswered
	case e.Holder.IsValid() && e.Holder.Is6() == l.cfg.VirtualAddresses[0].Is6():
		return e.Holder, e.HeardAt
	}
	return netip.Addr{}, time.Time{}
}

// followHolder notes who holds the addresses, and writes that a Backup follows another holder. Where the one before is not silent, the new one must be heard twice
// without it: for a moment both advertise.
func (l *Loop) followHolder(now time.Time, e election.Status) {
	c := &l.changes
	c.learn(e.Lease)
	if e.State == election.Active || e.State == election.Leaving {
		c.ours, c.holder, c.heard, c.candidate = true, netip.Addr{}, now, netip.Addr{}
		l.history.see(HolderSpan{Own: true, Reason: e.Reason}, now, e.AdvertisementInterval)
		return
	}
	holder, at := l.hears(e)
	switch silent := c.heard.IsZero() || at.Sub(c.heard) > silence*e.AdvertisementInterval; {
	case !holder.IsValid() || at.IsZero() || !at.After(c.heard) && c.ours:
		return
	case holder == c.holder:
		c.heard, c.candidate = at, netip.Addr{}
		l.history.see(HolderSpan{Holder: holder}, at, e.AdvertisementInterval)
		return
	case holder != c.candidate:
		c.candidate, c.first = holder, at
		if !silent {
			return
		}
	case at.Equal(c.first):
		return
	}
	l.history.see(HolderSpan{Holder: holder}, c.first, e.AdvertisementInterval)
	if c.budget.Admit(now) {
		log := l.cfg.Log.WithValues(logging.KeyFrom, c.name(c.holder), logging.KeyTo, c.name(holder), logging.KeyPriority, e.HeardPriority)
		if !c.heard.IsZero() {
			log = log.WithValues(logging.KeySilence, lasted(c.heard, c.first))
		}
		log.Info(logging.MsgHolderChanged)
	}
	c.ours, c.holder, c.heard, c.candidate = false, holder, at, netip.Addr{}
}

// namesKept bounds the names of nodes: who writes the Lease determines them.
const namesKept = 64

// learn keeps the name of the node that the Lease names.
func (c *changes) learn(lease election.Lease) {
	if lease.Node == "" || lease.Holder == "" {
		return
	}
	for _, addr := range []netip.Addr{lease.Address, lease.Known} {
		if addr.IsValid() && c.names[addr] != lease.Node && len(c.names) < namesKept {
			if c.names == nil {
				c.names = map[netip.Addr]string{}
			}
			c.names[addr] = lease.Node
		}
	}
}

// name says who a holder is.
func (c *changes) name(holder netip.Addr) string {
	switch node := c.names[holder]; {
	case node != "":
		return node + " (" + holder.String() + ")"
	case holder.IsValid():
		return holder.String()
	case c.ours:
		return thisNode
	}
	return ""
}
