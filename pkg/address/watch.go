// SPDX-License-Identifier: Apache-2.0

package address

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"syscall"

	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netlink/nl"
	"golang.org/x/sys/unix"
)

// ErrLinkReplaced is the error of Watch when the interface was created again, with its name or another, or got another hardware
// address: sockets and announcements that are bound to the old one do not work any more.
var ErrLinkReplaced = errors.New("interface was replaced")

// EventKind says what happened.
type EventKind uint8

// The link is in the state that the last of the first three kinds named.
const (
	// LinkUp: packets pass, and the node has its own addresses.
	LinkUp EventKind = iota + 1
	// LinkDown: the link is administratively down, without carrier, or deleted.
	LinkDown
	// PrimaryLost: packets pass, but an address of the node is gone. LinkUp follows when all are back.
	PrimaryLost
	// AddressRemoved: a virtual address that is held vanished from the kernel.
	AddressRemoved
)

var eventKinds = [...]string{LinkUp: "LinkUp", LinkDown: "LinkDown", PrimaryLost: "PrimaryLost", AddressRemoved: "AddressRemoved"}

// String returns the name of the kind.
func (k EventKind) String() string { return eventKinds[k] }

// An Event is a change on the link. Address is set for the last two kinds.
type Event struct {
	Kind    EventKind
	Address netip.Addr
}

// Watch reports the state of the link, then every change of it and every virtual address that vanishes while held. It
// returns nil when ctx ends.
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
	for err = w.look(ctx); err == nil; err = w.next(ctx) {
	}
	if ctx.Err() != nil {
		return nil
	}
	return err
}

// own returns the addresses that the node needs to take part: its own in the subnets of the virtual addresses and, with
// an IPv6 one among those, its link-local address if it has one.
func (a *Addresses) own() []netip.Addr {
	var own []netip.Addr
	for _, p := range a.cfg.Addresses {
		own = append(own, a.cfg.Link.Primary(p.Addr()))
		if ll := a.cfg.Link.LinkLocal(); p.Addr().Is6() && ll.IsValid() {
			own = append(own, ll)
		}
	}
	return own
}

// A watcher is a Watch that runs.
type watcher struct {
	*Addresses
	own    []netip.Addr
	socket *nl.NetlinkSocket
	events chan<- Event
	state  Event // last reported, one of LinkUp, LinkDown, PrimaryLost
}

// newWatcher returns a watcher that misses nothing from here on.
func (a *Addresses) newWatcher(events chan<- Event) (*watcher, error) {
	socket, err := nl.Subscribe(unix.NETLINK_ROUTE, unix.RTNLGRP_LINK, unix.RTNLGRP_IPV4_IFADDR, unix.RTNLGRP_IPV6_IFADDR)
	if err != nil {
		return nil, fmt.Errorf("subscribe to netlink: %w", err)
	}
	return &watcher{Addresses: a, own: a.own(), socket: socket, events: events}, nil
}

// next waits for messages and looks if they are about this link.
func (w *watcher) next(ctx context.Context) error {
	messages, _, err := w.socket.Receive()
	if errors.Is(err, unix.ENOBUFS) {
		return w.look(ctx)
	}
	if err != nil {
		return fmt.Errorf("receive from netlink: %w", err)
	}
	for _, m := range messages {
		if addr, ok := w.lost(m); ok {
			if err := w.report(ctx, Event{PrimaryLost, addr}); err != nil {
				return err
			}
		}
	}
	if !slices.ContainsFunc(messages, w.concerns) {
		return nil
	}
	return w.look(ctx)
}

// lost returns the node's address whose removal a message reports. It may be back already, but its prefix route went with
// it and stays away while a virtual address of the same prefix is there: that must go first.
func (w *watcher) lost(m syscall.NetlinkMessage) (netip.Addr, bool) {
	if m.Header.Type != unix.RTM_DELADDR || indexOf(m) != w.cfg.Link.Index || w.state.Kind != LinkUp {
		return netip.Addr{}, false
	}
	addr := addressOf(m)
	return addr, slices.Contains(w.own, addr)
}

// concerns reports whether a message can be about a change that is reported. The own refreshes are not.
func (w *watcher) concerns(m syscall.NetlinkMessage) bool {
	switch m.Header.Type {
	case unix.RTM_NEWLINK, unix.RTM_DELLINK:
		return w.state.Kind == LinkDown || indexOf(m) == w.cfg.Link.Index
	case unix.RTM_NEWADDR:
		return (w.state.Kind == LinkDown || indexOf(m) == w.cfg.Link.Index) && !w.virtual(addressOf(m))
	case unix.RTM_DELADDR:
		return indexOf(m) == w.cfg.Link.Index
	}
	return false
}

// look reports what changed since the last look.
func (w *watcher) look(ctx context.Context) error {
	link, err := w.link()
	if err != nil {
		return err
	}
	if err := w.report(ctx, w.stateOf(link)); err != nil {
		return err
	}
	if w.state.Kind != LinkUp {
		return nil // a virtual address that vanishes now is no news
	}
	vanished, err := w.vanished()
	for _, addr := range vanished {
		if err := w.send(ctx, Event{AddressRemoved, addr}); err != nil {
			return err
		}
	}
	return err
}

// report sends a state of the link if it is another than the last.
func (w *watcher) report(ctx context.Context, state Event) error {
	if state == w.state {
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

// link returns the watched link as it is now; one that was deleted is just not up.
func (w *watcher) link() (Link, error) {
	found, err := w.handle.LinkByIndex(w.cfg.Link.Index)
	if errors.As(err, new(netlink.LinkNotFoundError)) {
		return Link{}, w.replaced()
	}
	if err != nil {
		return Link{}, fmt.Errorf("read %s: %w", w.cfg.Link.Name, err)
	}
	if !slices.Equal(found.Attrs().HardwareAddr, w.cfg.Link.MAC) {
		return Link{}, fmt.Errorf("%s has the hardware address %s, had %s: %w",
			w.cfg.Link.Name, found.Attrs().HardwareAddr, w.cfg.Link.MAC, ErrLinkReplaced)
	}
	addrs, err := addresses(w.handle)
	return newLink(found.Attrs(), addrs), err
}

// replaced returns ErrLinkReplaced if, in the place of a link that was deleted, there is one with its name or with an address
// of the node.
func (w *watcher) replaced() error {
	if _, err := w.handle.LinkByName(w.cfg.Link.Name); err == nil {
		return fmt.Errorf("%s: %w", w.cfg.Link.Name, ErrLinkReplaced)
	}
	addrs, err := addresses(w.handle)
	for _, addr := range addrs {
		if own := prefixOf(addr).Addr(); slices.Contains(w.own, own) {
			return fmt.Errorf("%s is gone, and %s on another interface: %w", w.cfg.Link.Name, own, ErrLinkReplaced)
		}
	}
	return err
}

func (w *watcher) stateOf(l Link) Event {
	if !l.Up {
		return Event{Kind: LinkDown}
	}
	for _, addr := range w.own {
		if !slices.ContainsFunc(l.Addresses, func(p netip.Prefix) bool { return p.Addr() == addr }) {
			return Event{PrimaryLost, addr}
		}
	}
	return Event{Kind: LinkUp}
}

// vanished returns the addresses that are held but not in the kernel. The lock keeps Acquire and Release from changing
// the one between the looks at both.
func (a *Addresses) vanished() ([]netip.Addr, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if !a.held {
		return nil, nil
	}
	entries, err := addresses(a.handle)
	if err != nil {
		return nil, err
	}
	var missing []netip.Addr
	for _, p := range a.cfg.Addresses {
		if !slices.ContainsFunc(entries, func(e netlink.Addr) bool {
			return e.LinkIndex == a.cfg.Link.Index && prefixOf(e) == p
		}) {
			missing = append(missing, p.Addr())
		}
	}
	return missing, nil
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
