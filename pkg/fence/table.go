// SPDX-License-Identifier: Apache-2.0

package fence

import (
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"time"

	"github.com/google/nftables/expr"
	"github.com/mdlayher/netlink"
	"golang.org/x/sys/unix"
)

// maxName is the longest name of a table that is easy to type; the kernel takes 255.
const maxName = 64

// Chains of the table.
const (
	ingress = "ingress" // on the links: drops what comes for an address that is not alive
	control = "control" // on lo: takes the frames of this package by their marks
	renewal = "renewal" // gives all elements their timeouts
	closing = "closing" // arms the addresses, and ends what is alive
)

// The last bits of the mark say what a frame is for.
const (
	markRenew = 1 + iota
	markOpen
	markShut

	markBits = 3
)

// priority is before every chain of other programs that is likely: what these accept comes here first.
const priority = -500

// Flags of a table in linux/netfilter/nf_tables.h: no other socket may change it (Linux 5.12), and it stays when that socket closes
// (6.9). With the first alone the kernel would remove it, and so open the fence, when the process is killed.
const (
	tableOwner   = 2
	tablePersist = 4
)

// Attributes of a hook in linux/netfilter/nf_tables.h.
const (
	hookDevices = 4 // NFTA_HOOK_DEVS
	deviceName  = 1 // NFTA_DEVICE_NAME
)

// Hook numbers of the family netdev in linux/netfilter.h.
const (
	hookIngress = 0
	hookEgress  = 1
)

// dynsetDelete is NFT_DYNSET_OP_DELETE of linux/netfilter/nf_tables.h.
const dynsetDelete = 2

// table is what the fence consists of in the kernel.
type table struct {
	name      string
	addresses []netip.Addr
	timeout   time.Duration
	mark      uint32 // of the frames, but for its last bits
}

// newTable chooses a mark at random: no other process may renew, even where it can set marks.
func newTable(cfg Config) table {
	var mark [4]byte
	_, _ = rand.Read(mark[:]) // it never fails
	t := table{name: cfg.Name, timeout: cfg.Timeout, mark: binary.NativeEndian.Uint32(mark[:])&^markBits | 1<<31}
	for _, a := range cfg.Addresses {
		t.addresses = append(t.addresses, a.Unmap())
	}
	return t
}

// family is the end of the names of the sets of an address.
func family(a netip.Addr) string {
	if a.Is4() {
		return "4"
	}
	return "6"
}

// install returns the transaction that puts the table in the place of what has its name, closed and armed. A plain one is for kernels
// that do not know tables which persist; they may not know a deletion that is content with nothing either.
func (t table) install(links []link, plain bool) *batch {
	return transaction(func(b *batch) {
		if plain {
			t.newTable(b, 0)
			b.message("delete the table", unix.NFT_MSG_DELTABLE, 0, t.named)
			t.newTable(b, 0)
		} else {
			b.message("replace the table", destroyTable, 0, t.named)
			t.newTable(b, tableOwner|tablePersist)
		}
		for i, name := range []string{"addresses4", "alive4", "addresses6", "alive6"} {
			t.newSet(b, name, uint32(i+1))
		}
		for _, a := range t.addresses {
			t.arm(b, a)
		}
		t.newChain(b, renewal, nil)
		t.newChain(b, closing, nil)
		t.newChain(b, ingress, hook(hookIngress, links))
		t.newChain(b, control, hook(hookEgress, []link{{name: "lo"}}))
		t.rules(b)
	})
}

// remove returns the transaction that removes the table.
func (t table) remove() *batch {
	return transaction(func(b *batch) { b.message("remove the table", unix.NFT_MSG_DELTABLE, 0, t.named) })
}

func (t table) named(e *netlink.AttributeEncoder) { e.String(unix.NFTA_TABLE_NAME, t.name) }

func (t table) newTable(b *batch, flags uint32) {
	b.message("make the table", unix.NFT_MSG_NEWTABLE, unix.NLM_F_CREATE, func(e *netlink.AttributeEncoder) {
		t.named(e)
		e.Uint32(unix.NFTA_TABLE_FLAGS, flags)
	})
}

// newSet makes a set whose elements have timeouts, and that rules may change.
func (t table) newSet(b *batch, name string, id uint32) {
	const ipv4, ipv6 = 7, 8 // the types of keys that nft(8) prints as addresses
	kind, size := uint32(ipv4), uint32(4)
	if name[len(name)-1] == '6' {
		kind, size = ipv6, 16
	}
	b.message("make set "+name, unix.NFT_MSG_NEWSET, unix.NLM_F_CREATE, func(e *netlink.AttributeEncoder) {
		e.String(unix.NFTA_SET_TABLE, t.name)
		e.String(unix.NFTA_SET_NAME, name)
		e.Uint32(unix.NFTA_SET_FLAGS, unix.NFT_SET_TIMEOUT|unix.NFT_SET_EVAL)
		e.Uint32(unix.NFTA_SET_KEY_TYPE, kind)
		e.Uint32(unix.NFTA_SET_KEY_LEN, size)
		e.Uint32(unix.NFTA_SET_ID, id)
	})
}

// arm adds an address that is not alive.
func (t table) arm(b *batch, a netip.Addr) {
	b.message("add "+a.String(), unix.NFT_MSG_NEWSETELEM, unix.NLM_F_CREATE, func(e *netlink.AttributeEncoder) {
		e.String(unix.NFTA_SET_ELEM_LIST_TABLE, t.name)
		e.String(unix.NFTA_SET_ELEM_LIST_SET, "addresses"+family(a))
		nested(e, unix.NFTA_SET_ELEM_LIST_ELEMENTS, func(e *netlink.AttributeEncoder) {
			nested(e, unix.NFTA_LIST_ELEM, func(e *netlink.AttributeEncoder) {
				nested(e, unix.NFTA_SET_ELEM_KEY, func(e *netlink.AttributeEncoder) { e.Bytes(unix.NFTA_DATA_VALUE, a.AsSlice()) })
				e.Uint64(unix.NFTA_SET_ELEM_TIMEOUT, uint64(Disarm.Milliseconds()))
			})
		})
	})
}

// hook returns where a base chain is called.
func hook(number uint32, links []link) attributes {
	return func(e *netlink.AttributeEncoder) {
		before := int32(priority)
		e.Uint32(unix.NFTA_HOOK_HOOKNUM, number)
		e.Uint32(unix.NFTA_HOOK_PRIORITY, uint32(before))
		if len(links) == 1 {
			e.String(unix.NFTA_HOOK_DEV, links[0].name)
			return
		}
		nested(e, hookDevices, func(e *netlink.AttributeEncoder) {
			for _, l := range links {
				e.String(deviceName, l.name)
			}
		})
	}
}

// newChain makes a chain; without a place it is one that others go to.
func (t table) newChain(b *batch, name string, place attributes) {
	const accept = 1 // NF_ACCEPT
	b.message("make chain "+name, unix.NFT_MSG_NEWCHAIN, unix.NLM_F_CREATE, func(e *netlink.AttributeEncoder) {
		e.String(unix.NFTA_CHAIN_TABLE, t.name)
		e.String(unix.NFTA_CHAIN_NAME, name)
		if place == nil {
			return
		}
		nested(e, unix.NFTA_CHAIN_HOOK, place)
		e.Uint32(unix.NFTA_CHAIN_POLICY, accept)
		e.String(unix.NFTA_CHAIN_TYPE, "filter")
	})
}

func (t table) newRule(b *batch, chain string, parts ...[]expr.Any) {
	b.message("add a rule to chain "+chain, unix.NFT_MSG_NEWRULE, unix.NLM_F_CREATE|unix.NLM_F_APPEND, func(e *netlink.AttributeEncoder) {
		e.String(unix.NFTA_RULE_TABLE, t.name)
		e.String(unix.NFTA_RULE_CHAIN, chain)
		expressions(e, slices.Concat(parts...))
	})
}

// ask returns the questions about the chains. The kernel counts the rules of a chain.
func (t table) ask() *batch {
	b := &batch{}
	for _, name := range []string{ingress, control, renewal, closing} {
		b.message("read chain "+name, unix.NFT_MSG_GETCHAIN, 0, func(e *netlink.AttributeEncoder) {
			e.String(unix.NFTA_CHAIN_TABLE, t.name)
			e.String(unix.NFTA_CHAIN_NAME, name)
		})
	}
	return b
}

// probe asks for a table, which the kernel may refuse whether there is one or not.
func (c *conn) probe(name string) error {
	b := &batch{}
	b.message("read the table", unix.NFT_MSG_GETTABLE, 0, table{name: name}.named)
	_, err := c.ask(b)
	switch {
	case err == nil || errors.Is(err, unix.ENOENT):
		return nil
	case errors.Is(err, unix.EPERM):
		return &Unavailable{"this process may not use nf_tables (CAP_NET_ADMIN)", err}
	}
	return &Unavailable{"the kernel has no nf_tables, or not for the family netdev", err}
}

// install puts the table in place, and notes what its chains look like then.
func (f *Fence) install() error {
	err := f.conn.do(f.table.install(f.links, f.plain))
	if !f.plain && (errors.Is(err, unix.EOPNOTSUPP) || errors.Is(err, unix.EINVAL)) {
		if second := f.conn.do(f.table.install(f.links, true)); second == nil {
			f.plain, err = true, nil
		}
	}
	if errors.Is(err, unix.ENOENT) { // before Linux 6.16 every link must exist
		if there := slices.DeleteFunc(slices.Clone(f.links), func(l link) bool { return l.index == 0 }); len(there) > 0 {
			err = f.conn.do(f.table.install(there, f.plain))
		}
	}
	switch {
	case errors.Is(err, unix.EPERM):
		return fmt.Errorf("table netdev %s: %w (%w)", f.table.name, ErrOwned, err)
	case errors.Is(err, unix.EOPNOTSUPP):
		return &Unavailable{"the kernel lacks what the table needs: the egress hook (Linux 5.16) and sets with timeouts", err}
	case err != nil:
		return fmt.Errorf("install table netdev %s: %w", f.table.name, err)
	}
	f.image, err = f.chains()
	return err
}

// chains returns what the kernel says of the chains: their handles, hooks, links and how many rules they have.
func (f *Fence) chains() ([]byte, error) {
	answers, err := f.conn.ask(f.table.ask())
	if err != nil {
		return nil, fmt.Errorf("read table netdev %s: %w", f.table.name, err)
	}
	var image []byte
	for _, a := range answers {
		image = append(image, a[min(len(a), 4):]...) // struct nfgenmsg has the generation of the whole ruleset
	}
	return image, nil
}

// intact reports whether the chains are those that were made.
func (f *Fence) intact() bool {
	image, err := f.chains()
	return err == nil && slices.Equal(image, f.image)
}
