// SPDX-License-Identifier: Apache-2.0

package address

import (
	"errors"
	"fmt"
	"math"
	"net/netip"
	"slices"
	"time"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// A Stray is an entry of a virtual address in the kernel that is not from here.
type Stray struct {
	Address   netip.Addr
	Interface string
	// Permanent says that it has no lifetime: a configuration of the network or another program added it.
	Permanent bool
	// Err is why it could not be removed.
	Err error
}

// String returns the entry as people look for it.
func (s Stray) String() string {
	if s.Permanent {
		return fmt.Sprintf("%s on %s, without a lifetime", s.Address, s.Interface)
	}
	return fmt.Sprintf("%s on %s", s.Address, s.Interface)
}

// strayEvery is how often the same stray is removed: what adds it again and again is not to be fought.
const strayEvery = 10 * time.Second

// stray is a place where a stray was found.
type stray struct {
	addr  netip.Addr
	index int
}

// Kernel returns the virtual addresses that are held but missing in the kernel, and the entries that are not from here.
func (a *Addresses) Kernel() (missing []netip.Addr, strays []Stray, err error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	entries, err := addresses(a.handle)
	if err != nil {
		return nil, nil, err
	}
	for _, e := range entries {
		if a.stray(e) {
			strays = append(strays, a.describe(e))
		}
	}
	if a.held {
		missing = a.without(entries)
	}
	return missing, strays, nil
}

// stray reports whether an entry is one of a virtual address, and not what Acquire adds while held.
func (a *Addresses) stray(e netlink.Addr) bool {
	p := prefixOf(e)
	return a.virtual(p.Addr()) && !a.spares && !(a.held && e.LinkIndex == a.cfg.Link.Index && p.IsSingleIP())
}

func (a *Addresses) describe(e netlink.Addr) Stray {
	name := fmt.Sprintf("interface %d", e.LinkIndex)
	if link, err := a.handle.LinkByIndex(e.LinkIndex); err == nil {
		name = link.Attrs().Name
	}
	return Stray{Address: prefixOf(e).Addr(), Interface: name, Permanent: e.ValidLft == math.MaxUint32}
}

// without returns the virtual addresses that are not among the entries of the link.
func (a *Addresses) without(entries []netlink.Addr) []netip.Addr {
	var missing []netip.Addr
	for _, p := range a.cfg.Addresses {
		if !slices.ContainsFunc(entries, func(e netlink.Addr) bool {
			return e.LinkIndex == a.cfg.Link.Index && prefixOf(e) == host(p)
		}) {
			missing = append(missing, p.Addr())
		}
	}
	return missing
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
	return a.without(entries), nil
}

// tidy removes and returns strays, and keeps the virtual IPv4 addresses behind the node's own.
func (w *watcher) tidy(now time.Time) (strays []Stray, err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	entries, err := addresses(w.handle)
	if err != nil {
		return nil, err
	}
	for _, e := range entries {
		at := stray{prefixOf(e).Addr(), e.LinkIndex}
		if !w.stray(e) || now.Sub(w.strays[at]) < strayEvery {
			continue
		}
		w.strays[at] = now
		found := w.describe(e)
		found.Err = w.delete(e, entries)
		strays = append(strays, found)
	}
	if w.held && !w.late() && w.leads(entries) {
		err = w.reinsert()
	}
	return strays, err
}

// leads reports whether a virtual IPv4 address comes before one of the node on the link: the kernel takes the first address of
// a link as the source where nothing else decides. It never takes a secondary one, which stays behind the virtual ones.
func (a *Addresses) leads(entries []netlink.Addr) bool {
	found := false
	for _, e := range entries {
		p := prefixOf(e)
		switch {
		case e.LinkIndex != a.cfg.Link.Index || !p.Addr().Is4() || e.Flags&unix.IFA_F_SECONDARY != 0:
		case a.virtual(p.Addr()):
			found = true
		case found:
			return true
		}
	}
	return false
}

// reinsert puts the virtual IPv4 addresses behind the node's own ones, within the lifetime that they have.
func (a *Addresses) reinsert() error {
	for _, p := range a.cfg.Addresses {
		if p.Addr().Is6() {
			continue
		}
		e := a.entry(p)
		if err := errors.Join(a.handle.AddrDel(nil, e), a.handle.AddrReplace(nil, e)); err != nil {
			return fmt.Errorf("put %s behind the addresses of the node: %w", p.Addr(), err)
		}
	}
	return nil
}

// link returns the link that carries the addresses.
func (a *Addresses) link() Link {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.cfg.Link
}

// watched returns the link, and whether it was up with all addresses at the last look.
func (a *Addresses) watched() (Link, bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.cfg.Link, a.complete
}

// relink notes what the link is, and takes held addresses along to another one: they are there before they go here. Where that
// fails they vanish, which is reported.
func (a *Addresses) relink(link Link, complete bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.complete = complete; !complete {
		return
	}
	before := a.cfg.Link.Index
	a.cfg.Link = link
	if !a.held || link.Index == before || a.late() || a.replace() != nil {
		return
	}
	entries, _ := addresses(a.handle)
	for _, e := range entries {
		if e.LinkIndex == before && a.virtual(prefixOf(e).Addr()) {
			_ = a.delete(e, entries) // what stays is found as a stray
		}
	}
}
