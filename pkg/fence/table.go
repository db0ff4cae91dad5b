// SPDX-License-Identifier: Apache-2.0

package fence

import (
	"crypto/rand"
	"encoding/binary"
	"net/netip"
	"slices"
	"time"

	"github.com/google/nftables/expr"
	"github.com/mdlayher/netlink"
	"golang.org/x/sys/unix"
)

// maxName is the longest name of a table that is easy to type; the kernel takes 255.
const maxName = 64

// Chains of the table. Each frame has one that carries it out.
const (
	ingress = "ingress" // on the links: drops what comes for an address that is not alive
	control = "control" // on lo: takes the frames by their marks
)

var steps = [purposes]string{renew: "renew", open: "renew", shut: "shut", disarm: "disarm", refuse: "refuse", answer: "answer"}

// purposeBits are those of a mark that say what a frame is for.
const purposeBits = 7

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
	t := table{name: cfg.Name, timeout: cfg.Timeout, mark: binary.NativeEndian.Uint32(mark[:])&^purposeBits | 1<<31}
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
		for i, name := range []string{"addresses4", "alive4", "refused4", "asked4", "addresses6", "alive6", "refused6", "asked6"} {
			t.newSet(b, name, uint32(i+1))
		}
		for _, a := range t.addresses {
			t.arm(b, a)
		}
		for _, name := range steps[open:] {
			t.newChain(b, name, nil)
		}
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
	b.message("add "+a.String(), unix.NFT_MSG_NEWSETELEM, unix.NLM_F_CREATE, t.element("addresses", a, func(e *netlink.AttributeEncoder) {
		e.Uint64(unix.NFTA_SET_ELEM_TIMEOUT, uint64(Disarm.Milliseconds()))
	}))
}

// alive asks for the element that ends first.
func (t table) alive() *batch {
	b := &batch{}
	b.message("read what is alive", unix.NFT_MSG_GETSETELEM, 0, t.element("alive", t.addresses[0], func(*netlink.AttributeEncoder) {}))
	return b
}

// asked asks whether a question for an address was refused.
func (t table) asked(a netip.Addr) *batch {
	b := &batch{}
	b.message("read what was asked for", unix.NFT_MSG_GETSETELEM, 0, t.element("asked", a, func(*netlink.AttributeEncoder) {}))
	return b
}

// element names one, of the set of its family.
func (t table) element(set string, a netip.Addr, more attributes) attributes {
	return func(e *netlink.AttributeEncoder) {
		e.String(unix.NFTA_SET_ELEM_LIST_TABLE, t.name)
		e.String(unix.NFTA_SET_ELEM_LIST_SET, set+family(a))
		nested(e, unix.NFTA_SET_ELEM_LIST_ELEMENTS, func(e *netlink.AttributeEncoder) {
			nested(e, unix.NFTA_LIST_ELEM, func(e *netlink.AttributeEncoder) {
				nested(e, unix.NFTA_SET_ELEM_KEY, func(e *netlink.AttributeEncoder) { e.Bytes(unix.NFTA_DATA_VALUE, a.AsSlice()) })
				more(e)
			})
		})
	}
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
	for _, name := range append(steps[open:], ingress, control) {
		b.message("read chain "+name, unix.NFT_MSG_GETCHAIN, 0, func(e *netlink.AttributeEncoder) {
			e.String(unix.NFTA_CHAIN_TABLE, t.name)
			e.String(unix.NFTA_CHAIN_NAME, name)
		})
	}
	return b
}
