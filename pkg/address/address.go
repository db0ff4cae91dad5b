// SPDX-License-Identifier: Apache-2.0

// Package address adds the virtual addresses to a link with a finite lifetime, renews and removes them, and watches the
// link and the addresses.
//
// The lifetime is a dead man's switch: when the process is killed or frozen, the kernel removes the addresses between
// the lifetime and 1.1 s more after the last refresh. A virtual address has the preferred lifetime 0 (deprecated) and
// no prefix route, so that the host never chooses it as a source address; only connections to the virtual address
// itself come from it. No kernel setting is needed or changed: a listener that must exist before the address uses
// IP_FREEBIND, not ip_nonlocal_bind. It is a host address (/32, /128), whatever its prefix in the configuration: the kernel
// removes an address of a subnet with the first one of that subnet, and takes the route of the subnet from one that comes
// after it. So the node's own addresses may come and go beside it.
//
// It is one package because all of it is about the same entries of the kernel: what adds, watches, moves and removes them must agree on
// whose they are.
//
// The package does not announce addresses, does not decide who holds them, and touches no route and no neighbour entry.
package address

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"sync"
	"time"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// Errors of Refresh.
var (
	ErrLate    = errors.New("lifetime of the virtual addresses had passed")
	ErrNotHeld = errors.New("virtual addresses are not held")
)

// earliest is how far the kernel's expiry may precede the lifetime as seen from here: it rounds by 20 ms
// (ADDRCONF_TIMER_FUZZ_MINUS) and counts in ticks of up to 10 ms.
const earliest = 30 * time.Millisecond

// maxLabel is the longest label of an IPv4 address: IFNAMSIZ without the terminating zero.
const maxLabel = unix.IFNAMSIZ - 1

// Config says which addresses belong to which link.
type Config struct {
	Link      Link
	Addresses []netip.Prefix
	// Name is the configured name of the interface; empty: the one whose subnet has the addresses.
	Name string
	// Required are addresses that the node needs as well to take part, such as a configured source.
	Required []netip.Addr
	// Spare says that another program may have the addresses, whose entries stay until the first Acquire or Release.
	Spare bool
	// Lifetime is how long the kernel keeps an address without a refresh. It counts in whole seconds.
	Lifetime time.Duration
	// Segment is called by Watch with the links of that name, at the start and after every change of a link, before held addresses go to
	// another. It must return soon.
	Segment func(links []string)
	// Now is the clock that lateness is judged by. Default: time.Now, by its monotonic reading.
	Now func() time.Time
}

// Addresses are the virtual addresses of a link. They are held all together or not at all. Its methods may be called
// from several goroutines.
type Addresses struct {
	cfg    Config
	handle *netlink.Handle

	mu       sync.Mutex // guards cfg.Link as well
	held     bool
	spares   bool      // what another program has added stays
	complete bool      // the link was up with all addresses at the last look of Watch
	deadline time.Time // the kernel may remove the addresses from here on
}

// New returns the addresses without touching the host: call Release first, for what a crash may have left.
func New(cfg Config) (*Addresses, error) {
	if cfg.Lifetime < time.Second || cfg.Lifetime%time.Second != 0 {
		return nil, fmt.Errorf("lifetime %s: the kernel counts in whole seconds", cfg.Lifetime)
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	for _, p := range cfg.Addresses {
		if !cfg.Link.Primary(p.Addr()).IsValid() {
			return nil, fmt.Errorf("%s is in no subnet of interface %s", p.Addr(), cfg.Link.Name)
		}
	}
	h, err := netlink.NewHandle(unix.NETLINK_ROUTE)
	if err != nil {
		return nil, fmt.Errorf("open netlink: %w", err)
	}
	return &Addresses{cfg: cfg, handle: h, spares: cfg.Spare}, nil
}

// Close closes the connection to the kernel. It leaves the addresses as they are.
func (a *Addresses) Close() { a.handle.Close() }

// Held reports whether the addresses were acquired and neither released nor found late since.
func (a *Addresses) Held() bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.held
}

// Acquire adds the addresses with a full lifetime, and removes every entry of them that has another: it would outlive this
// process. After an error none of them is there.
func (a *Addresses) Acquire() error {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.spares = false
	deadline := a.nextDeadline()
	if err := a.replace(); err != nil {
		return errors.Join(err, a.remove())
	}
	a.held, a.deadline = true, deadline
	entries, err := addresses(a.handle)
	for _, e := range entries {
		if a.stray(e) {
			err = errors.Join(err, a.delete(e, entries))
		}
	}
	if err != nil {
		return errors.Join(err, a.remove())
	}
	return nil
}

// Refresh gives the addresses a full lifetime again. The kernel has no call that only extends a lifetime: where an address has
// expired, the call adds it again, perhaps while a successor has it too. A refresh that ends after the deadline is therefore undone
// and returns ErrLate; the addresses are no longer held. After any other error the deadline stands and Refresh may be
// called again.
func (a *Addresses) Refresh() error {
	a.mu.Lock()
	defer a.mu.Unlock()
	if !a.held {
		return ErrNotHeld
	}
	deadline := a.nextDeadline()
	var err error
	if !a.late() {
		err = a.replace()
	}
	if a.late() {
		return errors.Join(ErrLate, a.remove())
	}
	if err != nil {
		return err
	}
	a.deadline = deadline
	return nil
}

// Release removes the addresses. It may be called at any time and again.
//
// It removes every entry of one of the addresses, with any prefix length, on any interface, whoever added it: a crashed run of
// this program with another configuration, or a killed keepalived. A node that does not
// hold a virtual address must not answer for it, and the configuration has no place for a node address that is also a
// virtual one.
func (a *Addresses) Release() error {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.spares = false
	return a.remove()
}

// ReleaseOwn removes the addresses as Release does, but leaves the entries that Acquire cannot have added: of another program that
// has the addresses until it gives them to this one. Nothing removes them as strays before the first Acquire or Release.
func (a *Addresses) ReleaseOwn() error {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.spares = true
	return a.remove()
}

// nextDeadline is the deadline that a refresh beginning now would set.
func (a *Addresses) nextDeadline() time.Time { return a.cfg.Now().Add(a.cfg.Lifetime - earliest) }

func (a *Addresses) late() bool { return a.cfg.Now().After(a.deadline) }

func (a *Addresses) replace() error {
	for _, p := range a.cfg.Addresses {
		if err := a.handle.AddrReplace(nil, a.entry(p)); err != nil {
			return fmt.Errorf("set %s on %s: %w", p, a.cfg.Link.Name, err)
		}
	}
	return nil
}

// host is the entry of an address in the kernel: a subnet of its own.
func host(p netip.Prefix) netip.Prefix { return netip.PrefixFrom(p.Addr(), p.Addr().BitLen()) }

// entry is an address as netlink wants it: deprecated, without a prefix route and without duplicate address detection,
// which would leave the address mute for a second.
func (a *Addresses) entry(p netip.Prefix) *netlink.Addr {
	entry := &netlink.Addr{
		IPNet:       &net.IPNet{IP: p.Addr().AsSlice(), Mask: net.CIDRMask(p.Addr().BitLen(), p.Addr().BitLen())},
		LinkIndex:   a.cfg.Link.Index,
		Flags:       unix.IFA_F_NOPREFIXROUTE,
		ValidLft:    int(a.cfg.Lifetime / time.Second),
		PreferedLft: 0,
	}
	if p.Addr().Is6() {
		entry.Flags |= unix.IFA_F_NODAD
	} else {
		entry.Label = vipLabel(a.cfg.Link.Name)
	}
	return entry
}

// remove deletes all entries of the virtual addresses, but for those of another program that are spared.
func (a *Addresses) remove() error {
	a.held = false
	entries, err := addresses(a.handle)
	if err != nil {
		return err
	}
	var errs []error
	for _, e := range entries {
		if a.virtual(prefixOf(e).Addr()) && !(a.spares && a.others(e)) {
			errs = append(errs, a.delete(e, entries))
		}
	}
	return errors.Join(errs...)
}

// delete deletes an entry and keeps the others: with the first IPv4 address of a subnet the kernel may delete the node's own
// ones, where a configuration of the network has the virtual address before them.
func (a *Addresses) delete(entry netlink.Addr, all []netlink.Addr) error {
	err := a.handle.AddrDel(nil, &entry)
	if err != nil && !errors.Is(err, unix.EADDRNOTAVAIL) { // it may expire meanwhile
		return fmt.Errorf("remove %s: %w", entry.IPNet, err)
	}
	if subnet := prefixOf(entry); subnet.Addr().Is6() || subnet.IsSingleIP() {
		return nil
	}
	var errs []error
	for _, e := range all {
		secondary := e.LinkIndex == entry.LinkIndex && e.Flags&unix.IFA_F_SECONDARY != 0 && prefixOf(e).Masked() == prefixOf(entry).Masked()
		if secondary && !a.virtual(prefixOf(e).Addr()) {
			e.Flags &^= unix.IFA_F_SECONDARY
			errs = append(errs, a.handle.AddrReplace(nil, &e))
		}
	}
	return errors.Join(errs...)
}

// others reports whether an entry has a lifetime that Acquire gives to none.
func (a *Addresses) others(e netlink.Addr) bool { return e.ValidLft > int(a.cfg.Lifetime/time.Second) }

func (a *Addresses) virtual(addr netip.Addr) bool {
	return slices.ContainsFunc(a.cfg.Addresses, func(p netip.Prefix) bool { return p.Addr() == addr })
}
