// SPDX-License-Identifier: Apache-2.0

package wire

import (
	"cmp"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/harbinger-ha/harbinger/pkg/vrrp"
	"github.com/harbinger-ha/harbinger/pkg/vrrpconn"
)

const (
	// maxRouters bounds how many routers are kept apart, and maxShown how many are shown.
	maxRouters, maxShown = 256, 32
	// firstID is where the search for a free virtual router ID begins: the default.
	firstID = 51
)

// carp is what CARP has where VRRP has a number of addresses, and how long its message is. It shares the protocol number, the
// groups, the version 2 and the type.
const carpLength, carpWords = 36, 7

// A router is what one host says of one virtual router.
type router struct {
	key
	mac            net.HardwareAddr
	priority       uint8
	interval       time.Duration
	addresses      []netip.Addr
	authentication string // empty: none
	signed         bool   // by a trailer
	packet         vrrp.Packet
	fault          error // why the packet cannot be read
}

// key distinguishes routers.
type key struct {
	source  netip.Addr
	id      uint8
	version vrrp.Version // 0: CARP
}

// routers are those that were heard.
type routers struct {
	heard map[key]*router
	more  bool // than are kept apart
}

// hear takes a packet of protocol 112.
func (r *routers) hear(m vrrpconn.Message) {
	heard, ok := read(m)
	if !ok {
		return
	}
	if r.heard[heard.key] == nil && len(r.heard) >= maxRouters {
		r.more = true
		return
	}
	if r.heard == nil {
		r.heard = map[key]*router{}
	}
	r.heard[heard.key] = heard
}

// read returns what a packet says of its sender.
func read(m vrrpconn.Message) (*router, bool) {
	b := m.Payload
	if len(b) < vrrpHeader || b[1] == 0 || b[0]&0xf != 1 {
		return nil, false
	}
	r := &router{key: key{m.Source, b[1], vrrp.Version(b[0] >> 4)}, mac: m.MAC}
	if b[0] == 2<<4|1 && b[3] == carpWords && len(b) == carpLength && m.Source.IsValid() {
		r.version, r.priority, r.interval = 0, b[2], time.Duration(b[5])*time.Second
		return r, true
	}
	if r.version != vrrp.Version2 && r.version != vrrp.Version3 {
		return nil, false
	}
	p := vrrp.Packet{Source: m.Source, Destination: m.Destination, TTL: m.TTL}
	var trailer []byte
	p.Form, trailer, r.fault = p.Advertisement.UnmarshalSigned(b, m.Source, m.Destination)
	a := p.Advertisement
	r.priority, r.interval, r.addresses, r.packet = b[2], a.Interval, a.Addresses, p
	switch {
	case errors.Is(r.fault, vrrp.ErrAuthenticationAH) || m.Authenticated && r.fault == nil:
		r.authentication, r.fault = "authenticated by an IPsec header (auth_type AH)", vrrp.ErrAuthenticationAH
	case len(trailer) > 0:
		r.authentication, r.signed = "signed (auth_hmac)", true
	case a.Authentication.Type == vrrp.AuthenticationPassword:
		r.authentication = "with a password (auth_type PASS)"
	}
	return r, true
}

// sorted returns the routers in an order that does not depend on when they were heard.
func (r *routers) sorted() []*router {
	all := make([]*router, 0, len(r.heard))
	for _, one := range r.heard {
		all = append(all, one)
	}
	slices.SortFunc(all, func(a, b *router) int {
		return cmp.Or(cmp.Compare(a.id, b.id), cmp.Compare(a.version, b.version), a.source.Compare(b.source))
	})
	return all
}

// free returns a virtual router ID that nobody was heard with: the own one, or the lowest from the default on.
func (r *routers) free(own uint8) (uint8, bool) {
	used := map[uint8]bool{}
	for k := range r.heard {
		used[k.id] = true
	}
	if !used[own] {
		return own, true
	}
	for n := range 255 {
		if id := uint8((firstID-1+n)%255 + 1); !used[id] {
			return id, true
		}
	}
	return 0, false
}

// of returns the routers that speak of a virtual router ID over a family of addresses.
func (r *routers) of(id uint8, is6 bool) []*router {
	return slices.DeleteFunc(r.sorted(), func(one *router) bool { return one.id != id || one.source.Is6() != is6 })
}

// from returns the routers that have a hardware address or a source.
func (r *routers) from(match func(*router) bool) []*router {
	return slices.DeleteFunc(r.sorted(), func(one *router) bool { return !match(one) })
}

// String describes a router as a row of a table.
func (r *router) String() string {
	var b strings.Builder
	if r.version == 0 {
		fmt.Fprintf(&b, "ID %d: CARP from %s at %s, advskew %d, every %s", r.id, r.source, describe(r.mac), r.priority, r.interval)
		return b.String()
	}
	fmt.Fprintf(&b, "ID %d: VRRP version %d from %s at %s, priority %d", r.id, r.version, r.source, describe(r.mac), r.priority)
	if r.interval > 0 {
		fmt.Fprintf(&b, ", every %s", r.interval)
	}
	if len(r.addresses) > 0 && r.readable() {
		fmt.Fprintf(&b, ", for %s", list(r.addresses))
	}
	fmt.Fprintf(&b, ", %s", cmp.Or(r.authentication, "not authenticated"))
	if r.fault != nil && r.authentication == "" {
		fmt.Fprintf(&b, " (%s)", r.fault)
	}
	return b.String()
}

// readable reports whether the addresses are what the sender has meant.
func (r *router) readable() bool {
	return r.fault == nil || errors.Is(r.fault, vrrp.ErrAuthenticationAH)
}

// list joins what is enumerated in a sentence.
func list[T fmt.Stringer](values []T) string {
	var texts []string
	for _, v := range values {
		texts = append(texts, v.String())
	}
	return strings.Join(texts, ", ")
}
