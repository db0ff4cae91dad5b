// SPDX-License-Identifier: Apache-2.0

package announce

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"time"
)

const (
	// mostAsks and leastApart keep a question that is repeated from being a flood.
	mostAsks   = 60
	leastApart = time.Millisecond
	// longestAnswer is the time that is left for the answer to the last question, of a short time a quarter.
	longestAnswer = 10 * time.Millisecond
	// mostNeighbours are asked for their own addresses, and mostOwners for one that all were asked for: any host may invent some.
	mostNeighbours = 16
	mostOwners     = 8
)

// Inquire asks who has the target so often as asks says, spread evenly over the time of ctx, as frames may be lost: all hosts, its last
// owner, and each host that answers, alone. It returns the hardware addresses of those that answer also when they are asked alone: a
// fabric that suppresses broadcasts answers those itself, even for a host that is dead. It ends early where one of them is a peer's.
//
// The peers, and the gateway where it is valid, are asked for their own addresses as often. Asked is how many of these questions went
// to hosts that answered one at least, and heard how many were answered: what the link loses now, both ways together.
//
// Source is the address of this node to ask with. An error says that nobody has answered, and that fewer questions were sent while
// there was time for an answer: this is no silence. It is context.DeadlineExceeded where this process did not run in its time.
func (a *Announcer) Inquire(ctx context.Context, target, source, gateway netip.Addr, asks int) (owners []net.HardwareAddr, asked, heard int, err error) {
	q, err := a.newInquiry(target, source, asks)
	if err != nil {
		return nil, 0, 0, err
	}
	defer a.giveBack(target, q.receiver)
	q.meet(gateway)
	err = q.run(ctx)
	if owners = q.confirmed(); len(owners) > 0 {
		err = nil
	}
	for _, n := range q.neighbours {
		if n.heard > 0 {
			asked, heard = asked+n.asked, heard+n.heard
		}
	}
	return owners, asked, heard, err
}

const (
	// confirmAsks are the questions of a Confirm at least, and confirmStep is the time between two where there is more time.
	confirmAsks = 5
	confirmStep = 20 * time.Millisecond
)

// Confirm reports whether a host that answers for the target does so also when its hardware address alone is asked, until ctx ends: a
// fabric that answers the questions to all hosts itself passes those on. Source is the address of this node to ask with.
func (a *Announcer) Confirm(ctx context.Context, target, source netip.Addr) (bool, error) {
	asks := mostAsks
	if deadline, ok := ctx.Deadline(); ok {
		asks = max(confirmAsks, int(time.Until(deadline)/confirmStep))
	}
	q, err := a.newInquiry(target, source, asks)
	if err != nil {
		return false, err
	}
	defer a.giveBack(target, q.receiver)
	q.one = true
	err = q.run(ctx)
	confirmed := slices.ContainsFunc(q.owners, func(o *respondent) bool { return o.heard > 0 })
	if confirmed {
		err = nil
	}
	return confirmed, err
}

// newInquiry returns one that is not begun. Its receiver is given back after it.
func (a *Announcer) newInquiry(target, source netip.Addr, asks int) (*inquiry, error) {
	r, err := a.borrow(target)
	if err != nil {
		return nil, err
	}
	all, err := question(r.own, source, target, nil)
	if err != nil {
		a.giveBack(target, r)
		return nil, fmt.Errorf("ask for %s: %w", target, err)
	}
	return &inquiry{announcer: a, receiver: r, target: target, source: source, asks: min(asks, mostAsks), all: all}, nil
}

// An inquiry is a question under way.
type inquiry struct {
	announcer      *Announcer
	receiver       *receiver
	target, source netip.Addr
	asks           int
	all            []byte        // the question to all hosts
	owners         []*respondent // who may have the target
	neighbours     []*respondent
	gateway        *respondent // until its hardware address is known; nil: there is none
	one            bool        // one host that answers alone is enough, peer or not
	ends           time.Time   // shortly after a peer has answered; zero: none has
}

// A respondent is a host that is asked alone.
type respondent struct {
	addr         netip.Addr // that it is asked for
	mac          net.HardwareAddr
	frame        []byte // the question; nil: it cannot be asked
	asked, heard int
	claims       bool // it has used the address, or answered what all were asked
	alone        bool // it was the last to be asked for the address, not all
}

// meet makes the hosts respondents that are known.
func (q *inquiry) meet(gateway netip.Addr) {
	if owner := q.announcer.owner(q.target); owner != nil {
		q.owners = append(q.owners, q.respondent(q.target, owner))
	}
	for addr, mac := range q.announcer.known(q.target, mostNeighbours) {
		q.neighbours = append(q.neighbours, q.respondent(addr, mac))
	}
	known := slices.ContainsFunc(q.neighbours, func(n *respondent) bool { return n.addr == gateway })
	if gateway.IsValid() && gateway.Is6() == q.target.Is6() && !known {
		q.gateway = q.respondent(gateway, nil)
	}
}

// respondent returns the host that has a hardware address; nil: all of them.
func (q *inquiry) respondent(addr netip.Addr, mac net.HardwareAddr) *respondent {
	frame, err := question(q.receiver.own, q.source, addr, mac)
	if err != nil {
		frame = nil
	}
	return &respondent{addr: addr, mac: slices.Clone(mac), frame: frame}
}

// run asks until the end of its time. In one half of each interval all hosts are asked, in the other one each alone: to which an answer
// belongs is known by when it came.
func (q *inquiry) run(ctx context.Context) error {
	last := time.Now()
	end := last.Add(time.Duration(q.asks) * askAgain)
	if deadline, ok := ctx.Deadline(); ok {
		end = deadline
	}
	left := end.Sub(last)
	half := max((left-min(longestAnswer, left/4))/time.Duration(2*max(q.asks, 1)), leastApart/2)
	start, sent := last, 0
	var failed error
	for i := range 2 * q.asks {
		at := start.Add(time.Duration(i) * half)
		if soonest := last.Add(leastApart / 2); i > 0 && at.Before(soonest) {
			at = soonest // this process did not run for a while
		}
		if !at.Before(end) || !q.listen(ctx, at) {
			break
		}
		ask := [...]func() error{q.askAll, q.askEach}[i%2]
		failed, last, sent = cmp.Or(ask(), failed), time.Now(), i+1
	}
	waited := q.listen(ctx, end)
	if time.Since(last) < leastApart/2 {
		sent-- // there was no time for its answer
	}
	switch {
	case failed != nil:
		return failed
	case !waited && !errors.Is(ctx.Err(), context.DeadlineExceeded):
		return nil // it is known who has the target
	case sent < 2*q.asks:
		return fmt.Errorf("ask for %s: %d of %d questions were sent in time: %w", q.target, max(sent, 0)/2, q.asks, context.DeadlineExceeded)
	}
	return nil
}

// listen takes what comes in until a time, and reports whether there is more to ask.
func (q *inquiry) listen(ctx context.Context, until time.Time) bool {
	over := func() bool {
		return ctx.Err() != nil || !q.ends.IsZero() && !time.Now().Before(q.ends)
	}
	return q.receiver.until(until, over, q.take) == nil && !over()
}

// askAll asks all hosts.
func (q *inquiry) askAll() error {
	for _, o := range q.owners {
		o.alone = false
	}
	if q.gateway != nil && q.gateway.frame != nil {
		_ = q.announcer.send(q.gateway.frame) // it says nothing of the target
	}
	return q.announcer.send(q.all)
}

// askEach asks each respondent alone.
func (q *inquiry) askEach() (failed error) {
	for i, r := range slices.Concat(q.owners, q.neighbours) {
		if r.frame == nil {
			continue
		}
		err := q.announcer.send(r.frame)
		if err == nil {
			r.asked, r.alone = r.asked+1, true
		} else if i < len(q.owners) {
			failed = err
		}
	}
	return failed
}

// take counts a frame that came in.
func (q *inquiry) take(frame []byte) {
	s, ok := parse(frame)
	if !ok || slices.Equal(s.mac, q.receiver.own) {
		return
	}
	q.announcer.see(s)
	answers := isAnswer(frame, q.receiver.own)
	switch {
	case s.addr == q.target:
		q.takeOwner(s, answers)
	case !answers:
	case q.gateway != nil && s.addr == q.gateway.addr:
		q.neighbours, q.gateway = append(q.neighbours, q.respondent(s.addr, s.mac)), nil
	default:
		for _, n := range q.neighbours {
			if n.addr == s.addr && slices.Equal(n.mac, s.mac) {
				n.heard = min(n.heard+1, n.asked)
			}
		}
	}
}

// takeOwner counts what says that a host has the target.
func (q *inquiry) takeOwner(s sighting, answers bool) {
	i := slices.IndexFunc(q.owners, func(o *respondent) bool { return slices.Equal(o.mac, s.mac) })
	if i < 0 {
		if len(q.owners) == mostOwners {
			return
		}
		i, q.owners = len(q.owners), append(q.owners, q.respondent(s.addr, s.mac))
	}
	o := q.owners[i]
	if o.claims = true; !answers || !o.alone {
		return
	}
	o.heard++
	_, peer := q.announcer.PeerOf(s.mac)
	switch {
	case q.one:
		q.ends = time.Now()
	case peer && q.ends.IsZero():
		q.ends = time.Now().Add(grace)
	}
}

// confirmed returns who has the target: it has answered what it was asked alone. That it has not shows nothing where it was asked so for
// less than half of the time, as then it was lost.
func (q *inquiry) confirmed() (owners []net.HardwareAddr) {
	for _, o := range q.owners {
		if o.heard > 0 || o.claims && 2*o.asked < q.asks {
			owners = append(owners, o.mac)
		}
	}
	return owners
}
