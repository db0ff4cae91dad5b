// SPDX-License-Identifier: Apache-2.0

package firewall

import (
	"cmp"
	"encoding/binary"
	"fmt"
	"slices"
	"strings"

	"github.com/google/nftables"
	"github.com/google/nftables/expr"
	"github.com/mdlayher/netlink"
)

// Read reads the filters in the network namespace of the calling thread.
func Read() (Ruleset, error) {
	r := Ruleset{chains: map[chainKey]*chain{}}
	if err := r.readNFT(); err != nil {
		return Ruleset{}, fmt.Errorf("read the rules of nf_tables: %w", err)
	}
	r.readLegacy()
	slices.SortStableFunc(r.bases, func(a, b *chain) int {
		return cmp.Or(cmp.Compare(a.hook, b.hook), cmp.Compare(a.priority, b.priority))
	})
	return r, nil
}

// The hooks that packets pass on their way in, in this order, and on their way to another host.
const (
	hookIngress = iota
	hookPrerouting
	hookInput
	hookForward
)

// families are those whose chains see packets that this host receives, in the words of nft.
var families = map[nftables.TableFamily]string{
	nftables.TableFamilyIPv4: "ip", nftables.TableFamilyIPv6: "ip6", nftables.TableFamilyINet: "inet", nftables.TableFamilyNetdev: "netdev",
}

// reader reads chains, and those to which they jump.
type reader struct {
	*Ruleset
	conn *nftables.Conn
	all  map[chainKey]*nftables.Chain
	sets map[chainKey]map[string]set // by table
}

func (r *Ruleset) readNFT() error {
	conn, err := nftables.New()
	if err != nil {
		return err
	}
	found, err := conn.ListChains()
	if err != nil {
		return err
	}
	read := reader{r, conn, map[chainKey]*nftables.Chain{}, map[chainKey]map[string]set{}}
	ufw := map[string]bool{} // tables that it keeps
	for _, c := range found {
		read.all[keyOf(c)] = c
		if strings.HasPrefix(c.Name, "ufw-") || strings.HasPrefix(c.Name, "ufw6-") {
			ufw[c.Table.Name] = true
		}
	}
	for _, c := range found {
		hook, ok := hookOf(c)
		if !ok || isFence(c.Table) {
			continue
		}
		base, err := read.chain(c)
		if err != nil {
			return err
		}
		base.tool, base.hook = toolOf(c, ufw[c.Table.Name]), hook
		base.drops = c.Policy != nil && *c.Policy == nftables.ChainPolicyDrop
		if c.Priority != nil {
			base.priority = int(*c.Priority)
		}
		r.bases = append(r.bases, base)
	}
	return nil
}

// isFence reports whether a table is that of package fence, which drops only what is sent to a host that must not answer it.
func isFence(t *nftables.Table) bool {
	return t.Family == nftables.TableFamilyNetdev && strings.HasPrefix(t.Name, "harbinger-")
}

func keyOf(c *nftables.Chain) chainKey {
	return chainKey{NFT, families[c.Table.Family], c.Table.Name, c.Name}
}

// hookOf returns where a chain filters what arrives or is passed on. Those that translate addresses do not filter.
func hookOf(c *nftables.Chain) (hook int, ok bool) {
	if c.Hooknum == nil || c.Type != nftables.ChainTypeFilter {
		return 0, false
	}
	switch c.Table.Family {
	case nftables.TableFamilyNetdev:
		return hookIngress, *c.Hooknum == *nftables.ChainHookIngress
	case nftables.TableFamilyIPv4, nftables.TableFamilyIPv6, nftables.TableFamilyINet:
		switch *c.Hooknum {
		case *nftables.ChainHookPrerouting:
			return hookPrerouting, true
		case *nftables.ChainHookInput:
			return hookInput, true
		case *nftables.ChainHookForward:
			return hookForward, true
		case inetIngress:
			return hookIngress, c.Table.Family == nftables.TableFamilyINet
		}
	case nftables.TableFamilyARP, nftables.TableFamilyBridge, nftables.TableFamilyUnspecified:
	}
	return 0, false
}

// inetIngress is NF_INET_INGRESS of linux/netfilter.h.
const inetIngress nftables.ChainHook = 5

// toolOf returns what keeps the rules of a chain, by the names that it uses.
func toolOf(c *nftables.Chain, ufw bool) Tool {
	own := c.Table.Family == nftables.TableFamilyIPv4 || c.Table.Family == nftables.TableFamilyIPv6
	switch {
	case c.Table.Name == "firewalld":
		return Firewalld
	case ufw && own:
		return UFW
	case own && strings.ToUpper(c.Name) == c.Name && slices.Contains([]string{"filter", "mangle", "raw", "security"}, c.Table.Name):
		return IPTables
	}
	return NFT
}

// chain reads the rules of a chain, and the chains to which they may go on.
func (r reader) chain(c *nftables.Chain) (*chain, error) {
	key := keyOf(c)
	if known, ok := r.chains[key]; ok {
		return known, nil
	}
	result := &chain{key: key}
	r.chains[key] = result // before those that it calls
	rules, err := r.conn.GetRules(c.Table, c)
	if err != nil {
		return nil, fmt.Errorf("chain %s: %w", c.Name, err)
	}
	for _, found := range rules {
		next, err := r.rule(c.Table, found, result)
		if err != nil {
			return nil, err
		}
		for _, name := range next {
			key.name = name
			if called, ok := r.all[key]; ok {
				if _, err := r.chain(called); err != nil {
					return nil, err
				}
			}
		}
	}
	return result, nil
}

// rule adds a rule to its chain and returns the names of the chains that it may go on to.
func (r reader) rule(table *nftables.Table, found *nftables.Rule, to *chain) (next []string, err error) {
	of := to.key
	of.name = ""
	if r.sets[of] == nil {
		r.sets[of] = map[string]set{}
	}
	sets := r.sets[of]
	for _, e := range found.Exprs {
		switch e := e.(type) {
		case *expr.Verdict:
			next = append(next, e.Chain)
		case *expr.Lookup:
			if _, ok := sets[e.SetName]; !ok {
				if sets[e.SetName], err = r.set(table, e.SetName); err != nil {
					return nil, err
				}
			}
			for _, element := range sets[e.SetName].elements {
				if element.VerdictData != nil {
					next = append(next, element.VerdictData.Chain)
				}
			}
		}
	}
	to.rules = append(to.rules, rule{fmt.Sprintf("the rule with handle %d", found.Handle), func(p *image) []alternative {
		return run(found.Exprs, sets, p)
	}})
	return next, nil
}

// set reads a set.
func (r reader) set(table *nftables.Table, name string) (set, error) {
	found, err := r.conn.GetSetByName(table, name)
	if err != nil {
		return set{}, fmt.Errorf("set %s: %w", name, err)
	}
	found.Table = table
	elements, err := r.conn.GetSetElements(found)
	if err != nil {
		return set{}, fmt.Errorf("elements of set %s: %w", name, err)
	}
	for i := range elements {
		elements[i].VerdictData = verdictData(elements[i].Val)
	}
	return set{found, elements}, nil
}

// verdictData reads the verdict of an element of a map, which the library leaves as its attributes are; nil: it has none. They are
// NFTA_VERDICT_CODE and NFTA_VERDICT_CHAIN of linux/netfilter/nf_tables.h.
func verdictData(value []byte) *expr.Verdict {
	const code, chain = 1, 2
	attributes, err := netlink.NewAttributeDecoder(value)
	if err != nil {
		return nil
	}
	attributes.ByteOrder = binary.BigEndian
	v, found := &expr.Verdict{}, false
	for attributes.Next() {
		switch attributes.Type() {
		case code:
			v.Kind, found = expr.VerdictKind(int32(attributes.Uint32())), true
		case chain:
			v.Chain = attributes.String()
		}
	}
	if attributes.Err() != nil || !found {
		return nil
	}
	return v
}
