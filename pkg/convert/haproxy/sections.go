// SPDX-License-Identifier: Apache-2.0

package haproxy

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/harbinger-ha/harbinger/pkg/convert"
)

// section is a section of the file, with the lines that it has from a section of defaults before its own.
type section struct {
	convert.Statement
	lines []convert.Statement
}

func (s section) name() string { return s.Word(1) }

// own reports whether a line is in the section itself.
func (s section) own(line convert.Statement) bool {
	return slices.ContainsFunc(s.Block, func(mine convert.Statement) bool { return mine.Line == line.Line })
}

// mode returns the mode of a proxy.
func (s section) mode() string {
	for _, line := range slices.Backward(s.lines) {
		if line.Word(0) == "mode" {
			return line.Word(1)
		}
	}
	return "tcp" // haproxy's default
}

// has reports whether there is a line with a keyword.
func (s section) has(keywords ...string) bool {
	return slices.ContainsFunc(s.lines, func(line convert.Statement) bool { return slices.Contains(keywords, line.Word(0)) })
}

// waits reports whether there is an end to how long haproxy waits.
func (s section) waits() bool {
	return s.has("contimeout", "clitimeout", "srvtimeout") || slices.ContainsFunc(s.lines, func(line convert.Statement) bool {
		return line.Word(0) == "timeout" && slices.Contains([]string{"connect", "client", "server"}, line.Word(1))
	})
}

// hasOption reports whether an option is on.
func (s section) hasOption(name string) bool {
	on := false
	for _, line := range s.lines {
		switch {
		case line.Word(0) == "option" && line.Word(1) == name:
			on = true
		case line.Word(1) == "option" && line.Word(2) == name: // no, default
			on = false
		}
	}
	return on
}

// parse takes a file apart into sections.
func (h *haproxy) parse(text string) {
	for i, line := range strings.Split(strings.TrimPrefix(text, "\ufeff"), "\n") {
		h.number = i + 1
		words, faults := h.split(line)
		s := convert.Statement{File: h.file, Line: i + 1, Words: words}
		switch {
		case len(words) == 0:
		case leftOut(strings.Join(words, "")):
			h.dots = append(h.dots, s)
		case strings.HasPrefix(words[0], "."):
			h.conditional(s)
		case h.active():
			if len(faults) > 0 {
				h.faulty[s.Line] = faults[0]
			}
			h.place(s)
		}
	}
	if len(h.blocks) > 0 {
		h.Drop(h.whole(".if"), "an .if has no .endif")
	}
	switch {
	case len(h.dots) == 0:
	case h.options.Excerpt:
		h.Fault(h.dots[0], "lines are left out, as articles do%s: haproxy refuses the file; what they say is not carried over", also(h.dots[1:]))
	default:
		h.Refuse(h.dots[0], "lines are left out, as articles do%s: the whole file is wanted, as it is on the host; --excerpt does without them", also(h.dots[1:]))
	}
}

// leftOut reports whether a word stands for what an article leaves out.
func leftOut(word string) bool {
	dots := strings.Trim(strings.ToLower(word), "[](){}<>-#/*;: ")
	return len(dots) > 1 && strings.Trim(dots, ".") == "" || slices.Contains([]string{"…", "snip", "snipped", "omitted"}, dots)
}

// also names the lines of other statements.
func also(others []convert.Statement) string {
	if len(others) == 0 {
		return ""
	}
	var lines []string
	for _, s := range others {
		lines = append(lines, strconv.Itoa(s.Line))
	}
	return " (also in line " + strings.Join(lines, ", ") + ")"
}

// place puts a line into its section.
func (h *haproxy) place(s convert.Statement) {
	if _, ok := rows[key{inFile, s.Words[0]}]; ok {
		h.section = strings.Join(s.Words[:min(2, len(s.Words))], " ")
		if s.Words[0] != "global" {
			h.section = s.Word(1)
		}
		h.sections = append(h.sections, &section{Statement: s})
		return
	}
	if len(h.sections) == 0 {
		h.Refuse(s, "belongs to no section: the whole file is wanted")
		return
	}
	last := h.sections[len(h.sections)-1]
	if last.Word(0) == "global" {
		h.setenv(s)
	}
	last.Block = append(last.Block, public(s))
}

// secret are the lines whose words behind some first ones are nobody's business.
var secret = map[string]int{"stats auth": 2, "setenv": 2, "presetenv": 2, "cluster-secret": 1, "dynamic-cookie-key": 1, "tcp-check send": 2,
	"tcp-check send-lf": 2, "tcp-check send-binary": 2, "tcp-check send-binary-lf": 2}

// public returns a line without its secrets, which the findings repeat.
func public(s convert.Statement) convert.Statement {
	for n := min(2, len(s.Words)); n > 0; n-- {
		if keep, ok := secret[strings.Join(s.Words[:n], " ")]; ok {
			s.Words = s.Words[:min(keep, len(s.Words))]
			return s
		}
	}
	hide := 0 // how many words from here on
	for i, word := range s.Words {
		switch lower := strings.ToLower(word); {
		case hide == 1:
			s.Words[i] = "***"
		case strings.Contains(lower, "authorization:") || strings.Contains(lower, "cookie:") || strings.Contains(lower, "token:"):
			s.Words[i] = word[:strings.IndexAny(word+"\r", "\r\n")] + "\r\n***"
		case lower == "ca-sign-pass" || lower == "body" || lower == "body-lf":
			hide = 2
		case lower == "hdr" && strings.ToLower(s.Word(i+1)) != "host":
			hide = 3
		}
		hide = max(0, hide-1)
	}
	return s
}

// setenv reads what a line of global does to the variables of the lines below.
func (h *haproxy) setenv(s convert.Statement) {
	switch _, set := h.lookup(s.Word(1)); s.Word(0) {
	case "presetenv":
		if set {
			return
		}
		fallthrough
	case "setenv":
		value := s.Word(2)
		h.variables[s.Word(1)] = &value
	case "unsetenv":
		for _, name := range s.Words[1:] {
			h.variables[name] = nil
		}
	}
}

// lookup returns the value of a variable, and whether it is set.
func (h *haproxy) lookup(name string) (string, bool) {
	switch name {
	case ".FILE":
		return h.file, true
	case ".LINE":
		return strconv.Itoa(h.number), true
	case ".SECTION":
		return h.section, true
	}
	if value, known := h.variables[name]; known {
		if value == nil {
			return "", false
		}
		return *value, true
	}
	if h.options.Environment == nil {
		return "", false
	}
	return h.options.Environment(name)
}

// inherit gives every proxy the lines of its defaults: the last ones before it, or those that it names.
func (h *haproxy) inherit() {
	var last *section
	named := map[string]*section{}
	for _, s := range h.sections {
		from := last
		if at := slices.Index(s.Words, "from"); at > 0 && at+1 < len(s.Words) {
			if from = named[s.Words[at+1]]; from == nil {
				h.Fault(s.Statement, "there is no section of defaults with the name %s above: haproxy does not start", s.Words[at+1])
			}
		} else if s.Word(0) == "defaults" {
			from = nil
		}
		if from != nil {
			s.lines = slices.Clone(from.lines)
		}
		if address := s.Word(2); (s.Word(0) == "listen" || s.Word(0) == "frontend") && strings.Contains(address, ":") { // before haproxy 1.5
			s.lines = append(s.lines, convert.Statement{File: s.File, Line: s.Line, Words: []string{"bind", address}})
		}
		s.lines = append(s.lines, s.Block...)
		if s.Word(0) == "defaults" {
			last = s
			named[s.name()] = s
		}
	}
}

// miss refuses a file in which something is not found, unless it is known not to be whole.
func (h *haproxy) miss(s convert.Statement, format string, arguments ...any) {
	if h.Err() == nil {
		h.Refuse(s, format, arguments...)
	}
}

// choose finds the frontend and its backend, which are one in a listen: the one of mode tcp, or the one that is asked for.
func (h *haproxy) choose() (frontend, backend *section, ok bool) {
	var tcp, named, others []*section
	for _, s := range h.sections {
		switch {
		case s.Word(0) != "frontend" && s.Word(0) != "listen" || s.has("disabled") && !s.has("enabled"):
		case s.name() == h.options.Frontend && s.name() != "":
			named = append(named, s)
		case s.mode() == "tcp":
			tcp = append(tcp, s)
		default:
			others = append(others, s)
		}
	}
	if h.options.Frontend != "" {
		return h.chooseByName(named, append(tcp, others...))
	}
	serving := slices.DeleteFunc(slices.Clone(tcp), func(s *section) bool {
		return !s.has("bind") || !s.has("server", "server-template", "dispatch", "default_backend", "use_backend")
	})
	if len(serving) > 0 {
		tcp = serving
	}
	switch len(tcp) {
	case 1:
		return h.follow(tcp[0])
	case 0:
		if len(others) > 0 {
			h.miss(others[0].Statement, "want one frontend or listen of mode tcp, there are 0; of another mode: %s: "+
				"TLS is passed through here: have haproxy do so first, by mode tcp", ports(others))
			break
		}
		h.miss(h.whole("mode tcp"), "want one frontend or listen of mode tcp, there are 0")
	default:
		h.Refuse(tcp[1].Statement, "want one frontend or listen of mode tcp, there are %d: %s: choose the one of the apiservers by its name (--frontend); "+
			"the others need a haproxy of their own", len(tcp), ports(tcp))
	}
	return nil, nil, false
}

func (h *haproxy) chooseByName(named, others []*section) (frontend, backend *section, ok bool) {
	switch {
	case len(named) != 1:
		h.miss(h.whole("frontend "+h.options.Frontend), "there are %d frontends of this name; there are: %s", len(named), ports(append(named, others...)))
		return nil, nil, false
	case named[0].mode() != "tcp":
		h.Refuse(named[0].Statement, "it is of mode %s: TLS is passed through here: have haproxy do so first, by mode tcp", named[0].mode())
		return nil, nil, false
	}
	return h.follow(named[0])
}

// ports names sections with what they listen on.
func ports(sections []*section) string {
	var texts []string
	for _, s := range sections {
		var on []string
		for _, line := range s.lines {
			if line.Word(0) == "bind" {
				on = append(on, line.Word(1))
			}
		}
		text := fmt.Sprintf("%s (line %d, no bind)", s.name(), s.Line)
		if len(on) > 0 {
			text = fmt.Sprintf("%s (line %d, bind %s)", s.name(), s.Line, strings.Join(on, " and "))
		}
		texts = append(texts, text)
	}
	if len(texts) == 0 {
		return "none"
	}
	return strings.Join(texts, ", ")
}

// follow finds the backend of a frontend: what use_backend names without a condition, else default_backend, else its own servers.
func (h *haproxy) follow(frontend *section) (_, backend *section, ok bool) {
	name, at := "", frontend.Statement
	var conditional []convert.Statement
	for _, s := range frontend.lines {
		switch s.Word(0) {
		case "default_backend":
			name, at = s.Word(1), s
		case "use_backend":
			conditional = append(conditional, s)
		}
	}
	for i, s := range conditional {
		if when(s.Words[min(2, len(s.Words)):]) == always {
			name, at, conditional = s.Word(1), s, conditional[:i]
			break
		}
	}
	h.target = name
	h.Findings.Join(h.alternatives(conditional, name))
	switch {
	case name != "":
		for _, s := range h.sections {
			if s.name() == name && (s.Word(0) == "backend" || s.Word(0) == "listen") {
				return frontend, s, true
			}
		}
		h.miss(at, "its default_backend is not there: no backend has the name %s", name)
	case frontend.Word(0) == "listen":
		return frontend, frontend, true
	case len(conditional) == 0:
		h.miss(frontend.Statement, "its default_backend is not there: name the backend of the apiservers")
	}
	return nil, nil, false
}

// alternatives refuses the lines that send some clients to another backend.
func (h *haproxy) alternatives(lines []convert.Statement, name string) (found convert.Findings) {
	for _, s := range lines {
		switch {
		case when(s.Words[min(2, len(s.Words)):]) == never:
			found.Build(s, "the condition never holds")
		case s.Word(1) == name:
			found.Build(s, "all go to %s", name)
		default:
			found.Refuse(s, "there is one backend: what is served depends on nothing: remove the line if its backend is not the one of the apiservers")
		}
	}
	return found
}

// chance is when a rule applies.
type chance int

const (
	sometimes chance = iota
	always
	never
)

// when reads the condition of a rule.
func when(words []string) chance {
	switch strings.ToLower(strings.Join(words, " ")) {
	case "", "if true", "if { always_true }", "unless false", "unless { always_false }":
		return always
	case "if false", "if { always_false }", "unless true", "unless { always_true }":
		return never
	}
	return sometimes
}
