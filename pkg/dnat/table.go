// SPDX-License-Identifier: Apache-2.0

package dnat

import (
	"errors"
	"fmt"
	"os"

	"github.com/google/nftables"
	"github.com/google/nftables/binaryutil"
	"github.com/google/nftables/expr"

	"github.com/harbinger-ha/harbinger/pkg/ruleset"
)

// Prefix begins the name of every table.
const Prefix = "harbinger-balancer-"

// before is how far before those of kube-proxy the chains are, which take the usual priorities.
const before = 1

// chains have the hooks.
var chains = []struct {
	name     string
	hook     *nftables.ChainHook
	priority nftables.ChainPriority
}{
	{"prerouting", nftables.ChainHookPrerouting, *nftables.ChainPriorityNATDest - before},
	{"output", nftables.ChainHookOutput, *nftables.ChainPriorityNATDest - before},
	{"postrouting", nftables.ChainHookPostrouting, *nftables.ChainPriorityNATSource - before},
}

// steps is the chain that picks the connections.
const steps = "balance"

// Apply puts rules in the place of those that a table has, in one transaction, in the network namespace of the calling thread. It makes
// the table where there is none.
func Apply(name string, rules Rules) error {
	conn, err := nftables.New()
	if err != nil {
		return fmt.Errorf("open nf_tables: %w", err)
	}
	if err := fill(conn, name, rules); err != nil {
		return err
	}
	if err := conn.Flush(); err != nil {
		return fmt.Errorf("replace the rules of table inet %s: %w", name, err)
	}
	return nil
}

// fill adds everything to the transaction of a connection.
func fill(conn *nftables.Conn, name string, rules Rules) error {
	table := conn.AddTable(&nftables.Table{Name: name, Family: nftables.TableFamilyINet})
	balance := conn.AddChain(&nftables.Chain{Name: steps, Table: table})
	hooks := map[string]*nftables.Chain{}
	for _, c := range chains {
		hooks[c.name] = conn.AddChain(&nftables.Chain{Name: c.name, Table: table, Type: nftables.ChainTypeNAT, Hooknum: c.hook, Priority: nftables.ChainPriorityRef(c.priority)})
	}
	conn.FlushTable(table) // of its rules
	for _, name := range []string{"prerouting", "output"} {
		conn.AddRule(&nftables.Rule{Table: table, Chain: hooks[name], Exprs: []expr.Any{&expr.Verdict{Kind: expr.VerdictJump, Chain: steps}}})
	}
	for _, f := range families {
		backends := conn.AddChain(&nftables.Chain{Name: f.chain, Table: table})
		if len(rules.of(f)) == 0 {
			continue
		}
		for _, match := range rules.matches(f) {
			conn.AddRule(&nftables.Rule{Table: table, Chain: balance, Exprs: append(match, &expr.Verdict{Kind: expr.VerdictGoto, Chain: f.chain})})
		}
		for _, masquerade := range rules.masquerades(f) {
			conn.AddRule(&nftables.Rule{Table: table, Chain: hooks["postrouting"], Exprs: masquerade})
		}
		for _, c := range rules.choices(f) {
			if err := choose(conn, backends, f, c); err != nil {
				return err
			}
		}
	}
	return nil
}

// choose adds the rule of a choice to its chain.
func choose(conn *nftables.Conn, chain *nftables.Chain, f family, c choice) error {
	exprs := c.expressions
	if len(c.numbers) > 0 {
		elements := make([]nftables.SetElement, 0, len(c.numbers))
		for _, n := range c.numbers {
			elements = append(elements, nftables.SetElement{Key: binaryutil.NativeEndian.PutUint32(n)})
		}
		set := &nftables.Set{Table: chain.Table, Anonymous: true, Constant: true, KeyType: nftables.TypeInteger}
		if err := conn.AddSet(set, elements); err != nil {
			return fmt.Errorf("choices of %s: %w", c.target, err)
		}
		exprs = append(exprs, &expr.Lookup{SourceRegister: 1, SetName: set.Name, SetID: set.ID})
	}
	conn.AddRule(&nftables.Rule{Table: chain.Table, Chain: chain, Exprs: append(exprs, f.send(c.target)...)})
	return nil
}

// Remove removes a table. That there is none is no error.
func Remove(name string) error {
	conn, err := nftables.New()
	if err != nil {
		return fmt.Errorf("open nf_tables: %w", err)
	}
	conn.DelTable(&nftables.Table{Name: name, Family: nftables.TableFamilyINet})
	if err := conn.Flush(); err != nil && !errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("remove table inet %s: %w", name, err)
	}
	return nil
}

// Tables returns the names of the tables that this package, in whatever process, has left in the network namespace of the calling thread,
// with those that are in use.
func Tables() ([]string, error) { return ruleset.Tables(nftables.TableFamilyINet, Prefix) }

// Intact reports whether a table has rules still: others may flush or delete it, as it belongs to nobody. It does not ask for those of
// "postrouting", which the library cannot read.
func Intact(name string) (bool, error) {
	conn, err := nftables.New()
	if err != nil {
		return false, fmt.Errorf("open nf_tables: %w", err)
	}
	table := &nftables.Table{Name: name, Family: nftables.TableFamilyINet}
	for _, chain := range []string{"prerouting", "output", steps} {
		rules, err := conn.GetRules(table, &nftables.Chain{Name: chain, Table: table})
		if errors.Is(err, os.ErrNotExist) || err == nil && len(rules) == 0 {
			return false, nil
		}
		if err != nil {
			return false, fmt.Errorf("read table inet %s: %w", name, err)
		}
	}
	return true, nil
}
