// SPDX-License-Identifier: Apache-2.0

package haproxy

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/harbinger-ha/harbinger/pkg/convert"
)

// assumed is the version of haproxy that conditions are about.
var assumed = []int{3, 2}

// block is what is open between .if and .endif.
type block struct {
	active bool // its lines count
	done   bool // one of its branches has counted, or none may
}

// active reports whether lines count.
func (h *haproxy) active() bool { return len(h.blocks) == 0 || h.blocks[len(h.blocks)-1].active }

// conditional reads .if, .elif, .else and .endif, which choose lines, and the messages of haproxy.
func (h *haproxy) conditional(s convert.Statement) {
	open := len(h.blocks) - 1
	switch word := s.Word(0); {
	case word == ".if":
		outside := h.active()
		holds := outside && h.holds(s)
		h.blocks = append(h.blocks, block{active: holds, done: holds || !outside})
	case open < 0 && (word == ".elif" || word == ".else" || word == ".endif"):
		h.Drop(s, "belongs to no .if")
	case word == ".elif":
		b := &h.blocks[open]
		b.active = !b.done && h.holds(s)
		b.done = b.done || b.active
	case word == ".else":
		b := &h.blocks[open]
		b.active, b.done = !b.done, true
	case word == ".endif":
		h.blocks = h.blocks[:open]
	case !h.active():
	case word == ".alert":
		h.Fault(s, "haproxy does not start when it reads this line")
	case word == ".diag" || word == ".notice" || word == ".warning":
		h.Build(s, "a message of haproxy, no setting")
	default:
		h.Drop(s, notKnown)
	}
}

// holds evaluates the condition of a line.
func (h *haproxy) holds(s convert.Statement) bool {
	c := condition{rest: strings.Join(s.Words[1:], " "), lookup: h.lookup}
	value := false
	if strings.TrimSpace(c.rest) != "" {
		value = c.or()
	}
	switch {
	case c.bad || strings.TrimSpace(c.rest) != "":
		h.Drop(s, "the condition is not known to this command: the lines below are left out")
		return false
	case c.guessed:
		h.Drop(s, "haproxy %d.%d with all features is assumed: the condition is %t", assumed[0], assumed[1], value)
	default:
		h.Take(s, "the condition is %t", value)
	}
	return value
}

// condition is what of a condition is not read yet.
type condition struct {
	rest    string
	lookup  func(string) (string, bool)
	depth   int
	bad     bool // it can't be read
	guessed bool // it is about the version of haproxy, or how that was built
}

// deepest is how deep the parts of a condition may be in each other.
const deepest = 32

func (c *condition) next(token string) bool {
	after, ok := strings.CutPrefix(strings.TrimLeft(c.rest, " \t"), token)
	if ok {
		c.rest = after
	}
	return ok
}

func (c *condition) or() bool {
	value := c.and()
	for c.next("||") {
		other := c.and()
		value = value || other
	}
	return value
}

func (c *condition) and() bool {
	value := c.term()
	for c.next("&&") {
		other := c.term()
		value = value && other
	}
	return value
}

func (c *condition) term() bool {
	if c.depth++; c.depth > deepest {
		c.bad, c.rest = true, ""
		return false
	}
	defer func() { c.depth-- }()
	switch {
	case c.next("!"):
		return !c.term()
	case c.next("("):
		value := c.or()
		c.bad = c.bad || !c.next(")")
		return value
	}
	text := strings.TrimLeft(c.rest, " \t")
	name := text[:len(text)-len(strings.TrimLeft(text, "abcdefghijklmnopqrstuvwxyz_0123456789"))]
	c.rest = text[len(name):]
	if n, err := strconv.Atoi(name); err == nil {
		return n != 0
	}
	if !c.next("(") {
		c.bad = true
		return false
	}
	arguments, rest, closed := strings.Cut(c.rest, ")")
	c.rest = rest
	c.bad = c.bad || !closed
	return c.predicate(name, strings.Split(arguments, ","))
}

func (c *condition) predicate(name string, arguments []string) bool {
	for i, a := range arguments {
		arguments[i] = strings.Trim(strings.TrimSpace(a), `"'`)
	}
	pair := append(arguments, "")[:2]
	switch name {
	case "defined":
		_, set := c.lookup(pair[0])
		return set
	case "streq":
		return pair[0] == pair[1]
	case "strneq":
		return pair[0] != pair[1]
	case "strstr":
		return strings.Contains(pair[0], pair[1])
	case "feature", "enabled", "openssl_version_atleast", "ssllib_name_startswith":
		c.guessed = true
		return true
	case "openssl_version_before", "awslc_api_atleast", "awslc_api_before":
		c.guessed = true
		return false
	case "version_atleast":
		c.guessed = true
		return !newer(pair[0])
	case "version_before":
		c.guessed = true
		return newer(pair[0])
	}
	c.bad = true
	return false
}

// newer reports whether a version, such as 2.4-dev19, is above the one that is assumed.
func newer(version string) bool {
	have := make([]int, len(assumed))
	for i, part := range strings.SplitN(version, ".", len(have)) {
		if _, err := fmt.Sscanf(part, "%d", &have[i]); err != nil {
			break
		}
	}
	return have[0] > assumed[0] || have[0] == assumed[0] && have[1] > assumed[1]
}
