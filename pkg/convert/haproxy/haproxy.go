// SPDX-License-Identifier: Apache-2.0

// Package haproxy converts a haproxy.cfg of haproxy 2 or 3.
//
// One frontend of mode tcp and its backend are converted, with what they inherit from a section of defaults. What is not needed for
// them may contain anything. A table has every keyword (see Keywords); one that it does not have is named, and left out. The file is
// refused only where a line that is left out decides who is served.
//
// It is one package because a line is understood by all of it: the lexer, the section that it is in or inherited from, and the table.
package haproxy

import (
	"fmt"
	"slices"
	"strings"

	"github.com/harbinger-ha/harbinger/pkg/apis/config/v1alpha1"
	"github.com/harbinger-ha/harbinger/pkg/balance"
	"github.com/harbinger-ha/harbinger/pkg/convert"
)

// Options are what the file itself does not say.
type Options struct {
	Frontend    string                      // name of the frontend or listen to convert; "" is the only one of mode tcp
	Environment func(string) (string, bool) // a variable of haproxy's environment, and whether it is set; nil: none is
	Excerpt     bool                        // lines may be left out, for which ... stands
}

// haproxy reads one file.
type haproxy struct {
	convert.Findings
	*lexer
	readers
	file    string
	options Options
	cfg     *v1alpha1.HarbingerConfiguration

	// Of the file.
	number    int    // of the line that is read
	section   string // that it is in
	variables map[string]*string
	blocks    []block
	dots      []convert.Statement
	faulty    map[int]string // why haproxy does not take a line
	sections  []*section

	// Of what is converted.
	frontend, backend *section
	target            string // the name of the backend
	done              map[int]bool
	caBase            string
	servers           []server
	preset            settings  // of default-server
	current           *settings // of the line that is read
	names             []named   // servers without an address
	check             check
	bound             int32 // the port of the frontend
	stuck             bool  // a table binds clients to servers
}

// Convert puts what a haproxy.cfg says into a configuration: a frontend of mode tcp and its backend. It wins over what a
// keepalived.conf has put there.
func Convert(file convert.File, o Options, cfg *v1alpha1.HarbingerConfiguration) convert.Findings {
	h := &haproxy{file: file.Name, options: o, cfg: cfg, variables: map[string]*string{}, faulty: map[int]string{},
		done: map[int]bool{}, preset: settings{weight: 1}}
	h.readers = newReaders()
	h.lexer = &lexer{lookup: h.lookup}
	h.parse(string(file.Content))
	h.inherit()
	frontend, backend, ok := h.choose()
	h.frontend, h.backend = frontend, backend
	for _, s := range h.sections {
		switch {
		case s.Word(0) == "global":
			h.each(&section{Statement: s.Statement, lines: s.Block}, bothSides, inGlobal)
		case s.Word(0) == "defaults" || !ok || s == frontend || s == backend:
		case slices.Contains([]string{"frontend", "backend", "listen"}, s.Word(0)):
			h.Drop(s.Statement, "only %s is carried over; %s", strings.Join(frontend.Words, " "), statusPage)
		default:
			row, _ := find(inFile, s.Word(0))
			h.Drop(s.Statement, "it is not carried over: %s", row.text)
		}
	}
	if !ok {
		return h.Findings
	}
	h.check.choose(backend)
	if frontend == backend {
		h.each(frontend, bothSides, inProxy)
	} else {
		h.each(frontend, frontSide, inProxy)
		h.each(backend, backSide, inProxy)
	}
	h.finish()
	h.sayOf(frontend, backend)
	return h.Findings
}

// sayOf says what became of the sections.
func (h *haproxy) sayOf(frontend, backend *section) {
	h.Take(frontend.Statement, "the frontend that is converted")
	if backend != frontend {
		h.Take(backend.Statement, "the backend of %s", frontend.name())
	}
	for _, s := range h.sections {
		inherited := func(line convert.Statement) bool {
			return slices.ContainsFunc(s.Block, func(mine convert.Statement) bool { return mine.Line == line.Line })
		}
		switch {
		case s.Word(0) != "defaults":
		case slices.ContainsFunc(frontend.lines, inherited) || slices.ContainsFunc(backend.lines, inherited):
			h.Take(s.Statement, "what it says for these sections")
		default:
			h.Build(s.Statement, "neither section inherits from it")
		}
	}
}

// whole is the file, for a finding that is about no line of it.
func (h *haproxy) whole(about string) convert.Statement {
	return convert.Statement{File: h.file, Line: 1, Words: []string{about}}
}

// each reads the lines of a section that count.
func (h *haproxy) each(in *section, as side, block string) {
	lines := in.lines
	if block == inProxy {
		lines = h.settled(in, as)
	}
	for _, s := range lines {
		row, known := find(block, s.Words...)
		switch negated := s.Word(0) == "no" || s.Word(0) == "default"; {
		case h.done[s.Line] && s.Line != in.Line:
			continue
		case negated && len(s.Words) > 1:
			if _, known := find(block, s.Words[1:]...); known {
				h.Build(s, "what it turns off is not in the configuration")
				break
			}
			fallthrough
		case !known:
			h.Drop(s, "%s", unknown(s.Word(0)))
		case row.side != 0 && row.side&as == 0 && in.own(s):
			h.misplaced(s, in, row)
		case row.side != 0 && row.side&as == 0:
			continue // the other section reads it
		default:
			h.read(s, row)
		}
		h.done[s.Line] = true
	}
}

// misplaced says why haproxy does nothing with a line.
func (h *haproxy) misplaced(s convert.Statement, in *section, row row) {
	switch {
	case in.Word(0) == "listen" && in == h.frontend:
		h.Fault(s, "haproxy does nothing with it here: all go to %s", h.target)
	case in.Word(0) == "listen":
		h.Build(s, "is for what it serves itself")
	case row.side == frontSide:
		h.Fault(s, "haproxy does nothing with it here: it is for a frontend")
	default:
		h.Fault(s, "haproxy does nothing with it here: it is for a backend")
	}
}

// read carries a line over.
func (h *haproxy) read(s convert.Statement, row row) {
	read := h.line[row.key]
	if read == nil {
		h.note(s, row, "")
		return
	}
	if fault := h.faulty[s.Line]; fault != "" {
		h.Refuse(s, "%s", fault)
		return
	}
	before := h.Len()
	read(h, s)
	if h.Len() == before {
		h.Take(s, "%s", row.text)
	}
}

// note says what the table has for a keyword, of which a line may have several.
func (h *haproxy) note(s convert.Statement, row row, option string) {
	text := row.text
	switch {
	case option == "":
	case strings.HasPrefix(text, "has ") || strings.HasPrefix(text, "is "):
		text = option + " " + text
	default:
		text = option + ": " + text
	}
	switch row.class {
	case convert.Refused:
		h.Refuse(s, "%s", text)
	case convert.Dropped:
		h.Drop(s, "%s", text)
	case convert.BuiltIn:
		if option == "" {
			h.Build(s, "%s", text)
		}
	case convert.Taken, convert.Wrong:
	}
}

// walk reads the options of a line.
func (h *haproxy) walk(block string, s convert.Statement, words []string) {
	var others []string
	for len(words) > 0 {
		option := words[0]
		row, ok := find(block, option)
		words = words[1:]
		if !ok {
			others = append(others, option)
			continue
		}
		argument := ""
		if n := min(row.arguments, len(words)); n > 0 {
			argument, words = words[0], words[n:]
		}
		if read := h.readers.word[row.key]; read != nil {
			read(h, s, argument)
		} else {
			h.note(s, row, option)
		}
	}
	if len(others) > 0 {
		h.Drop(s, "%s: %s", strings.Join(others, " "), unknown(others[0]))
	}
}

// repeated are the keywords whose lines add up. Of all others the last line counts.
var repeated = []string{"bind", "server", "server-template", "default-server", "acl", "use_backend", "use-server", "tcp-request", "tcp-response",
	"http-check", "tcp-check", "stick", "stats", "log", "filter", "email-alert", "capture", "errorfile", "setenv", "presetenv", "unsetenv"}

// ofTwo are the keywords that are two words.
var ofTwo = []string{"option", "timeout", "rate-limit", "external-check", "persist", "monitor", "declare", "compression"}

// settled returns the lines of a section but for those that a later one replaces.
func (h *haproxy) settled(in *section, as side) []convert.Statement {
	var kept []convert.Statement
	later := map[string]int{}
	for _, s := range slices.Backward(in.lines) {
		words := s.Words
		if (words[0] == "no" || words[0] == "default") && len(words) > 1 {
			words = words[1:]
		}
		name := words[0]
		if slices.Contains(ofTwo, name) && len(words) > 1 {
			name += " " + words[1]
		}
		if !slices.Contains(repeated, words[0]) && !strings.HasPrefix(words[0], "http-re") {
			if line, replaced := later[name]; replaced {
				if row, ok := find(inProxy, words...); !h.done[s.Line] && (!ok || row.side == 0 || row.side&as != 0) {
					h.Build(s, "line %d replaces it", line)
					h.done[s.Line] = true
				}
				continue
			}
			later[name] = s.Line
		}
		kept = append(kept, s)
	}
	slices.Reverse(kept)
	return kept
}

// finish completes what several lines say together.
func (h *haproxy) finish() {
	if h.cfg.ControlPlane.Port == 0 {
		h.miss(h.frontend.Statement, "its frontend has no bind")
	}
	if mode := h.backend.mode(); mode != "tcp" {
		h.Fault(h.backend.Statement, "it is of mode %s: haproxy reads HTTP where TLS is passed through, which breaks it; here TLS is passed through", mode)
	}
	if !h.frontend.waits() && !h.backend.waits() {
		h.Fault(h.backend.Statement, "it has no timeout connect, client or server: haproxy waits without end; here a dial ends after %v, and TCP keepalive finds dead peers",
			v1alpha1.DefaultConnectTimeout)
	}
	if !h.backend.has("balance") && h.cfg.LoadBalancer.Policy == "" {
		h.cfg.LoadBalancer.Policy = string(balance.RoundRobin)
		h.Build(h.backend.Statement, "it has no balance: RoundRobin, haproxy's default up to version 3.2")
	}
	if h.nameless(); len(h.names) > 0 {
		return
	}
	used := h.used()
	if len(used) == 0 {
		h.miss(h.backend.Statement, "it has no server in use")
		return
	}
	h.carry(used)
	h.checks(used)
}

// named is a server whose address is a name.
type named struct {
	convert.Statement
	host string
}

// nameless refuses servers without an address, as one fault.
func (h *haproxy) nameless() {
	var hosts []string
	for _, s := range h.names {
		hosts = append(hosts, fmt.Sprintf("%s (line %d)", s.host, s.Line))
	}
	if len(hosts) > 0 {
		h.Refuse(h.names[0].Statement, "write the address of %s: names are not resolved", strings.Join(hosts, ", "))
	}
}
