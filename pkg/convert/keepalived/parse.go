// SPDX-License-Identifier: Apache-2.0

package keepalived

import (
	"slices"
	"strings"

	"github.com/harbinger-ha/harbinger/pkg/convert"
)

// statements takes the files apart into statements, with the blocks in braces that belong to them. No fault of a file is an error:
// keepalived goes on, and what it does is said.
func (r *reader) statements() []convert.Statement {
	var file convert.Statement
	open := []*convert.Statement{&file} // the blocks that are open
	opens := false                      // the last statement may have a block
	for {
		text, ok := r.next()
		if !ok {
			break
		}
		block := open[len(open)-1]
		switch {
		case text == "{" && opens:
			open = append(open, &block.Block[len(block.Block)-1])
		case text == "{":
			r.Fault(r.statement(text), "opens a block of nothing: keepalived ignores the brace")
			open = append(open, block)
		case text == "}" && len(open) == 1:
			r.Fault(r.statement(text), "closes no block: keepalived ignores the brace")
		case text == "}":
			open = open[:len(open)-1]
		default:
			list, closed := words(text)
			if !closed {
				r.Fault(r.statement(`"`), "the quote is not closed: keepalived reads the line up to it")
			}
			if len(list) == 0 {
				continue
			}
			if list[0] == "" {
				list[0] = `""`
			}
			block.Block = append(block.Block, r.statement(list...))
			opens = true
			continue
		}
		opens = false
	}
	for i, block := range open[1:] {
		if block == open[i] { // a block of nothing, which is said
			continue
		}
		shown := *block
		if secret(shown) {
			shown = name(shown)
		}
		r.Fault(shown, "the block is not closed: keepalived takes the end of the file for its end")
	}
	return file.Block
}

// conditions says which lines are for other config ids. Where none is for the one that the file is read with, and they decide
// something, there is no configuration.
func (k *keepalived) conditions(r *reader) {
	var ids []string
	var first *other
	for i, o := range r.others {
		switch {
		case o.negated:
			k.Drop(o.Statement, "it is for every config id but %s", o.id)
			continue
		case r.ID == "":
			k.Drop(o.Statement, "it is for the config id %s, and none is named", o.id)
		default:
			k.Drop(o.Statement, "it is for the config id %s, and the file is read for %s", o.id, r.ID)
		}
		if !slices.Contains(ids, o.id) {
			ids = append(ids, o.id)
		}
		if first == nil && k.decides(o.Word(1)) {
			first = &r.others[i]
		}
	}
	if first != nil && !r.matched {
		k.Refuse(first.Statement, "there are lines for the config ids %s, and none for %q: name the config id of the host, which keepalived has by -i, or from the name of the host",
			strings.Join(ids, ", "), r.ID)
	}
}
