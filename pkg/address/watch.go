// SPDX-License-Identifier: Apache-2.0

package address

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"syscall"
	"time"

	"github.com/harbinger-ha/harbinger/pkg/guard"
	"github.com/vishvananda/netlink/nl"
	"golang.org/x/sys/unix"
)

// EventKind says what happened.
type EventKind uint8

// The link is in the state that the last of the first three kinds named.
const (
	// LinkUp: packets pass, and the node has its own addresses. It comes again when the link is another, or has another name,
	// hardware address or address than before.
	LinkUp EventKind = iota + 1
	// LinkDown: the link is administratively down, without carrier, or deleted.
	LinkDown
	// PrimaryLost: packets pass, but an address of the node is gone. LinkUp follows when it is back, or another in its place.
	PrimaryLost
	// AddressRemoved: a virtual address that is held vanished from the kernel.
	AddressRemoved
	// StrayFound: a virtual address is on this host that is not from here. It was removed, or could not be.
	StrayFound
)

var eventKinds = [...]string{
	LinkUp: "LinkUp", LinkDown: "LinkDown", PrimaryLost: "PrimaryLost", AddressRemoved: "AddressRemoved", StrayFound: "StrayFound",
}

// String returns the name of the kind.
func (k EventKind) String() string { return eventKinds[k] }

// An Event is a change on the link.
type Event struct {
	Kind    EventKind
	Address netip.Addr // of the last three kinds
	Link    Link       // as it is now, of the first three kinds
	Stray   Stray      // of the last kind
}

// equal reports whether two events say the same of the link.
func (e Event) equal(other Event) bool {
	return e.Kind == other.Kind && e.Address == other.Address && e.Link.Equal(other.Link)
}

const (
	// settle is how long the node's own address may be away before that is reported: one may be replaced by another, or move to
	// a bridge.
	settle = 100 * time.Millisecond
	// settleGone is the same for the link itself. Nothing can be said on it any more, so that nobody learns sooner.
	settleGone = 500 * time.Millisecond
)

// Watch reports the state of the link, then every change of it and every virtual address that vanishes while held. It follows
// the link (see Follow), and takes the virtual addresses along to another one. It returns nil when ctx ends.
//
// Messages of the kernel only say where to look: an event reports what is there now, so messages lost in an overflow of the socket
// lose nothing but time.
func (a *Addresses) Watch(ctx context.Context, events chan<- Event) error {
	w, err := a.newWatcher(events)
	if err != nil {
		return err
	}
	defer w.socket.Close()
	defer context.AfterFunc(ctx, w.socket.Close)()
	g, inner := guard.WithContext(ctx)
	changed := make(chan struct{})
	g.Go(func() error {
		defer close(changed)
		return w.listen(inner, changed)
	})
	g.Go(func() error {
		defer w.socket.Close() // ends the other
		return w.run(inner, changed)
	})
	if err := g.Wait(); ctx.Err() == nil {
		return err
	}
	return nil
}

// A watcher is a Watch that runs.
type watcher struct {
	*Addresses
	socket *nl.NetlinkSocket
	events chan<- Event
	last   Link      // that was up with all addresses
	state  Event     // last reported, one of LinkUp, LinkDown, PrimaryLost
	lostAt time.Time // when an address or the link was found missing first; zero: nothing is
	strays map[stray]time.Time
	known  segment // of the goroutine that listens
}

// newWatcher returns a watcher that misses nothing from here on.
func (a *Addresses) newWatcher(events chan<- Event) (*watcher, error) {
	socket, err := nl.Subscribe(unix.NETLINK_ROUTE, unix.RTNLGRP_LINK, unix.RTNLGRP_IPV4_IFADDR, unix.RTNLGRP_IPV6_IFADDR)
	if err != nil {
		return nil, fmt.Errorf("subscribe to netlink: %w", err)
	}
	return &watcher{Addresses: a, socket: socket, events: events, last: a.link(), strays: map[stray]time.Time{}, known: segment{}}, nil
}

// listen signals messages that can be about a change that is reported.
func (w *watcher) listen(ctx context.Context, changed chan<- struct{}) error {
	for {
		messages, _, err := w.socket.Receive()
		if err != nil && !errors.Is(err, unix.ENOBUFS) {
			return fmt.Errorf("receive from netlink: %w", err)
		}
		if err == nil && !slices.ContainsFunc(messages, w.concerns) {
			continue
		}
		select {
		case changed <- struct{}{}:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// run looks at the start, after every signal, when what was missing has had its time, and for strays that were left for later.
func (w *watcher) run(ctx context.Context, changed <-chan struct{}) error {
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case _, ok := <-changed:
			if !ok {
				return nil // listen says why
			}
		case <-timer.C:
		}
		again, err := w.look(ctx)
		if err != nil {
			return err
		}
		timer.Reset(again)
	}
}

// concerns reports whether a message can be about a change that is reported. The own refreshes are not. Links come and go all the
// time on a host with containers.
func (w *watcher) concerns(m syscall.NetlinkMessage) bool {
	link, complete := w.watched()
	here := indexOf(m) == link.Index || !complete
	switch m.Header.Type {
	case unix.RTM_NEWLINK, unix.RTM_DELLINK:
		return w.known.changed(m) || here
	case unix.RTM_NEWADDR:
		if w.virtual(addressOf(m)) {
			return indexOf(m) != link.Index || m.Data[1] != byte(8*len(addressOf(m).AsSlice())) || !w.Held()
		}
		return here || neighbours(m)
	case unix.RTM_DELADDR:
		return here || w.virtual(addressOf(m)) || neighbours(m)
	}
	return false
}

// again is how long a watch that nothing wakes looks away.
const again = 10 * time.Second

// look reports what changed since the last look, and returns when to look again.
func (w *watcher) look(ctx context.Context) (time.Duration, error) {
	links, err := readLinks(w.handle)
	if err != nil {
		return 0, err
	}
	if w.cfg.Segment != nil { // before the addresses go to another link
		w.cfg.Segment(Segment(links, w.link().Index))
	}
	link := Follow(links, w.last, w.cfg.Name, w.cfg.Addresses)
	state := w.stateOf(link)
	up := state.Kind == LinkUp
	w.relink(link, up)
	if wait := w.unsettled(state, time.Now()); wait > 0 {
		return wait, nil
	}
	if up {
		w.last = link
	}
	if err := w.report(ctx, state); err != nil {
		return 0, err
	}
	strays, err := w.tidy(time.Now())
	for _, s := range strays {
		if err := w.send(ctx, Event{Kind: StrayFound, Address: s.Address, Stray: s}); err != nil {
			return 0, err
		}
	}
	if err != nil || !up {
		return again, err // a virtual address that vanishes now is no news
	}
	vanished, err := w.vanished()
	for _, addr := range vanished {
		if err := w.send(ctx, Event{Kind: AddressRemoved, Address: addr}); err != nil {
			return 0, err
		}
	}
	return again, err
}

// unsettled returns how long a loss is still waited out, which may be the half of a replacement. A carrier that goes while every
// address stays is no such half.
func (w *watcher) unsettled(state Event, now time.Time) time.Duration {
	l := state.Link
	_, lost := l.missing(w.last, w.cfg.Addresses, w.cfg.Required)
	if state.Kind == LinkUp || w.state.Kind != LinkUp || !lost && l.Index == w.last.Index {
		w.lostAt = time.Time{}
		return 0
	}
	if w.lostAt.IsZero() {
		w.lostAt = now
	}
	patience := settle
	if l.Index == 0 {
		patience = settleGone
	}
	return patience - now.Sub(w.lostAt)
}

// report sends a state of the link if it is another than the last.
func (w *watcher) report(ctx context.Context, state Event) error {
	if state.equal(w.state) {
		return nil
	}
	w.state = state
	return w.send(ctx, state)
}

func (w *watcher) send(ctx context.Context, ev Event) error {
	select {
	case w.events <- ev:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (w *watcher) stateOf(l Link) Event {
	if !l.Up {
		return Event{Kind: LinkDown, Link: l}
	}
	if addr, lost := l.missing(w.last, w.cfg.Addresses, w.cfg.Required); lost {
		return Event{Kind: PrimaryLost, Address: addr, Link: l}
	}
	return Event{Kind: LinkUp, Link: l}
}

// indexOf returns the interface that a message is about. In both kinds of message the index follows the same four bytes
// of header.
func indexOf(m syscall.NetlinkMessage) int {
	if len(m.Data) < unix.SizeofIfAddrmsg {
		return 0
	}
	return int(nl.DeserializeIfAddrmsg(m.Data).Index)
}

// addressOf returns the address that a message about an address carries.
func addressOf(m syscall.NetlinkMessage) netip.Addr {
	if len(m.Data) < unix.SizeofIfAddrmsg {
		return netip.Addr{}
	}
	attrs, err := nl.ParseRouteAttr(m.Data[unix.SizeofIfAddrmsg:])
	if err != nil {
		return netip.Addr{}
	}
	var addr netip.Addr
	for _, attr := range attrs {
		// IPv4 has both, and IFA_LOCAL is the host's; IPv6 has IFA_ADDRESS alone.
		local := attr.Attr.Type == unix.IFA_LOCAL
		if local || attr.Attr.Type == unix.IFA_ADDRESS && !addr.IsValid() {
			addr, _ = netip.AddrFromSlice(attr.Value)
		}
	}
	return addr
}
