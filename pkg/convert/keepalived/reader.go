// SPDX-License-Identifier: Apache-2.0

package keepalived

import (
	"path"
	"regexp"
	"strings"

	"github.com/harbinger-ha/harbinger/pkg/convert"
)

// The limits of what a file may become, which keepalived has none of.
const (
	mostLines   = 50_000 // with those that sequences and definitions make
	longestLine = 4096
	mostRounds  = 100 // of definitions in definitions
	deepest     = 20  // files that include each other
)

// place is where a line is.
type place struct {
	file string
	line int
}

// source gives lines: a file, the other lines of a definition, or those of a sequence.
type source struct {
	place
	file  bool
	lines []string
	sets  [][]binding // what is defined for each of the lines of a sequence
}

// binding gives a name its value.
type binding struct{ name, value string }

// reader makes of files the lines that keepalived sees: without comments, with what they include, with the conditions that hold, and
// with the values of definitions.
type reader struct {
	*convert.Findings
	Options
	open    []*source // the innermost last
	defined map[string][]string
	cut     map[place]bool // a comment begins within a word
	read    int
	here    place
	matched bool // a condition names the config id
	others  []other
}

// other is a line for another config id.
type other struct {
	convert.Statement
	id      string
	negated bool
}

func newReader(file convert.File, o Options, f *convert.Findings) *reader {
	r := &reader{Findings: f, Options: o, cut: map[place]bool{}}
	r.defined = map[string][]string{"_INSTANCE": {o.ID}, "_HASH": {"#"}, "_BANG": {"!"}}
	r.push(file)
	return r
}

func (r *reader) push(file convert.File) {
	const mark = "\ufeff"
	if text, marked := strings.CutPrefix(string(file.Content), mark); marked {
		r.Fault(convert.Statement{File: file.Name, Line: 1, Words: []string{`"\ufeff"`}}, "the file begins with a byte order mark: keepalived does not know its first word with it; remove the mark")
		file.Content = []byte(text)
	}
	r.open = append(r.open, &source{place: place{file.Name, 0}, file: true, lines: strings.Split(string(file.Content), "\n")})
}

// insert reads lines before all others, as if they were at the place of the last one.
func (r *reader) insert(sets [][]binding, lines ...string) {
	r.open = append(r.open, &source{place: r.here, lines: lines, sets: sets})
}

// statement is a directive at the last place.
func (r *reader) statement(words ...string) convert.Statement {
	return convert.Statement{File: r.here.file, Line: r.here.line, Words: words}
}

// take returns the next line, which is empty where it is blank.
func (r *reader) take() (text string, ok bool) {
	for len(r.open) > 0 {
		s := r.open[len(r.open)-1]
		if len(s.lines) == 0 {
			r.open = r.open[:len(r.open)-1]
			continue
		}
		text, s.lines = s.lines[0], s.lines[1:]
		if r.read++; r.read > mostLines {
			r.here = s.place
			r.Refuse(r.statement("~SEQ"), "the files have more than %d lines with what their sequences and definitions make: convert a file that has one vrrp_instance", mostLines)
			r.open = nil
			return "", false
		}
		if s.file {
			s.line++
			blank := strings.TrimRight(text, "\r") == ""
			if text = r.clean(strings.TrimRight(text, "\r"), s.place); text == "" && !blank {
				continue
			}
		}
		r.here = s.place
		if len(s.sets) > 0 {
			for _, b := range s.sets[0] {
				r.defined[b.name] = []string{b.value}
			}
			s.sets = s.sets[1:]
		}
		return text, true
	}
	return "", false
}

// clean removes comments twice, as keepalived 2.2 does: its processes read a copy of the file whose comments are gone already.
func (r *reader) clean(text string, at place) string {
	for range 2 {
		var cut bool
		if text, cut = uncomment(text); cut {
			r.cut[at] = true
		}
	}
	return text
}

// next returns the next line or brace.
func (r *reader) next() (text string, ok bool) {
	for {
		raw, ok := r.take()
		if !ok {
			return "", false
		}
		text := r.resolve(raw)
		if text == "" || r.include(text) {
			continue
		}
		first, rest := split(text)
		if rest != "" {
			r.insert(nil, rest)
		}
		return first, true
	}
}

// resolve returns what is left of a line after its conditions, definitions and sequences.
func (r *reader) resolve(text string) string {
	conditional := true // one condition, and another one in each definition
	for range mostRounds {
		switch {
		case conditional && strings.HasPrefix(text, "@"):
			var holds bool
			if text, holds = r.condition(text); !holds {
				return ""
			}
			conditional = false
			continue
		case r.define(text):
			return ""
		case strings.HasPrefix(text, "~SEQ") || strings.HasPrefix(text, "~LST"):
			r.sequence(text)
			return ""
		}
		replaced, changed := r.replace(text)
		if !changed {
			return text
		}
		text, conditional = r.clean(replaced, r.here), true
		r.read++ // a definition that has itself in several lines would take long otherwise
	}
	r.Fault(r.statement("$"), "the definitions of the line have no end: it is left out")
	return ""
}

// condition returns what follows @id or @^id, if it counts on this host.
func (r *reader) condition(text string) (rest string, holds bool) {
	id, rest, ok := strings.Cut(strings.ReplaceAll(text[1:], "\t", " "), " ")
	if !ok {
		return "", false
	}
	id, negated := strings.CutPrefix(id, "^")
	rest = strings.TrimLeft(rest, " ")
	same := id == r.ID && r.ID != ""
	r.matched = r.matched || same
	if same != negated {
		return rest, true
	}
	list, _ := words(rest)
	if len(list) > 0 { // the values may be secret
		o := other{r.statement("@"+strings.Repeat("^", map[bool]int{true: 1}[negated])+id, list[0]), id, negated}
		r.others = append(r.others, o)
	}
	return "", false
}

var definition = regexp.MustCompile(`^\$([A-Za-z_][A-Za-z0-9_]*)=[ \t]*(.*)$`)

// define keeps what a line defines. A backslash at the end continues the definition in the next line.
func (r *reader) define(text string) bool {
	if !strings.HasPrefix(text, "$") {
		return false
	}
	parts := definition.FindStringSubmatch(text)
	if parts == nil {
		return false
	}
	line, more := strings.CutSuffix(parts[2], `\`)
	lines := []string{strings.TrimRight(line, " \t")}
	if more && lines[0] == "" {
		lines = nil
	}
	for more {
		text, ok := r.take()
		if !ok || text == "" {
			break
		}
		if text, more = strings.CutSuffix(text, `\`); strings.TrimRight(text, " \t") != "" {
			lines = append(lines, strings.TrimRight(text, " \t"))
		}
	}
	if lines == nil {
		lines = []string{""}
	}
	r.defined[parts[1]] = lines
	return true
}

var use = regexp.MustCompile(`\$(?:\{([A-Za-z_][A-Za-z0-9_]*)\}|([A-Za-z_][A-Za-z0-9_]*)(?:[ \t,)]|$))`)

// replace puts the first definition that a line uses into it. One of several lines must end the line.
func (r *reader) replace(text string) (string, bool) {
	r.defined["_PWD"] = []string{path.Dir(r.here.file)}
	for from := 0; ; {
		at := use.FindStringSubmatchIndex(text[from:])
		if at == nil {
			return text, false
		}
		start, end := from+at[0], from+max(at[3]+1, at[5])
		name := strings.Trim(text[start:end], "${}")
		lines, known := r.defined[name]
		if !known || len(lines) > 1 && end < len(text) || len(text)+len(lines[0]) > longestLine {
			from = start + 1
			continue
		}
		if len(lines) > 1 {
			r.insert(nil, lines[1:]...)
		}
		return text[:start] + lines[0] + text[end:], true
	}
}

var includes = regexp.MustCompile(`^(include[rmwba]?)\s+(.*)$`)

// include reads the files that a line names next.
func (r *reader) include(text string) bool {
	parts := includes.FindStringSubmatch(text)
	if parts == nil {
		return false
	}
	s, pattern := r.statement(parts[1], parts[2]), parts[2]
	if !path.IsAbs(pattern) {
		pattern = path.Join(path.Dir(r.here.file), pattern)
	}
	depth := 0
	for _, open := range r.open {
		if open.file {
			depth++
		}
	}
	switch {
	case r.Include == nil:
		r.Refuse(s, "the file is not at hand: put its text in place of the line")
		return true
	case depth > deepest:
		r.Refuse(s, "the files include each other without end")
		r.open = nil
		return true
	}
	files, err := r.Include(pattern)
	switch {
	case err != nil:
		r.Refuse(s, "%v", err)
	case len(files) == 0:
		r.Fault(s, "no such file here: keepalived goes on without it; convert on the host where it is")
	default:
		r.Take(s, "the file is read")
	}
	for i := len(files) - 1; i >= 0; i-- {
		r.push(files[i])
	}
	return true
}
