// SPDX-License-Identifier: Apache-2.0

package firewall

import "fmt"

// truth says whether something holds, as far as the packet is known.
type truth int8

const (
	no truth = iota
	maybe
	yes
)

// not is the opposite.
func (t truth) not() truth { return yes - t }

// unless is the opposite where it is inverted.
func (t truth) unless(inverted bool) truth {
	if inverted {
		return t.not()
	}
	return t
}

// is the truth of what is known.
func is(condition bool) truth {
	if condition {
		return yes
	}
	return no
}

// kind is what a rule does with a packet.
type kind int8

const (
	goOn kind = iota
	accept
	drop
	jump
	jumpForGood // the chain after it does not come back
	back
	elsewhere // another program decides
)

// verdict is the end of a rule.
type verdict struct {
	kind  kind
	chain string // to jump to
}

// alternative is an end that a rule may have for a packet.
type alternative struct {
	truth   truth
	verdict verdict
}

// rule returns the ends that it has for a packet, the first that is certain last.
type rule struct {
	name string
	run  func(*image) []alternative
}

type chainKey struct {
	tool                Tool // NFT for all that nf_tables has
	family, table, name string
}

// chain is a list of rules. The fields after them are those of a base chain.
type chain struct {
	key   chainKey
	rules []rule

	tool     Tool
	hook     int // in the order in which packets pass the hooks
	priority int
	drops    bool // by its policy
}

// sees reports whether the kernel asks a base chain about a packet.
func (c *chain) sees(p *image) bool {
	if (c.hook == hookForward) != p.Forwarded {
		return false
	}
	switch c.key.family {
	case "ip":
		return p.To.Is4()
	case "ip6":
		return p.To.Is6()
	}
	return true
}

// end is how a chain may end for a packet.
type end struct {
	admits  bool
	refuses string // by what; empty: it does not
	falls   bool   // back to where it was called
}

func (e *end) refuse(by string) {
	if e.refuses == "" {
		e.refuses = by
	}
}

// deepest is how many chains the kernel lets call each other.
const deepest = 16

// walk follows the rules of a chain.
func (r Ruleset) walk(c *chain, p *image, depth int) (e end) {
	if c == nil || depth > deepest {
		return end{admits: true, falls: true, refuses: "a chain that could not be read"}
	}
	for _, rule := range c.rules {
		for _, a := range rule.run(p) {
			if a.truth != no && r.follow(&e, c, rule, a, p, depth) {
				return e
			}
		}
	}
	e.falls = true
	return e
}

// follow adds one end of a rule to those of its chain, and reports whether the packet is certain to go no further in it.
func (r Ruleset) follow(e *end, c *chain, rule rule, a alternative, p *image, depth int) (over bool) {
	certain := a.truth == yes
	by := fmt.Sprintf("%s of chain %s", rule.name, c.key.name)
	switch a.verdict.kind {
	case accept:
		e.admits = true
	case drop:
		e.refuse(by)
	case elsewhere:
		e.admits = true
		e.refuse(by)
	case back:
		e.falls = true
	case jump, jumpForGood:
		key := c.key
		key.name = a.verdict.chain
		called := r.walk(r.chains[key], p, depth+1)
		e.admits = e.admits || called.admits
		if called.refuses != "" {
			e.refuse(called.refuses)
		}
		if !called.falls {
			return certain
		}
		if a.verdict.kind == jump {
			return false
		}
		e.falls = true
	default:
		return false
	}
	return certain
}
