// SPDX-License-Identifier: Apache-2.0

// Package convert has what the conversions to a configuration of Harbinger have in common: what is said of each directive of a
// file, and the tables of all directives. Its subpackages know the languages: keepalived, haproxy, kubevip and kubeadm. None of them
// reads files.
package convert

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// Class says what becomes of a directive.
type Class string

// The classes.
const (
	Taken   Class = "taken"                 // it is in the configuration
	BuiltIn Class = "built in"              // Harbinger does so without being asked
	Dropped Class = "dropped"               // it has no counterpart, and the outcome is the same or what is said
	Wrong   Class = "wrong in the original" // the original program does something else than what is written
	Refused Class = "refused"               // leaving it out would change who is elected or who is served
)

// Keyword is a directive of a language: a row of its table.
type Keyword struct {
	Block string // the block or section that it is in, such as vrrp_instance
	Name  string
	Class Class  // in the common case
	Text  string // the field that takes it, what is built in instead, or why it is dropped or refused
}

// File is a file of another program.
type File struct {
	Name    string
	Content []byte
}

// Statement is a directive, with the block in braces that follows it (keepalived) or the lines of its section (haproxy).
type Statement struct {
	File  string
	Line  int
	Words []string
	Block []Statement
}

// Word returns a word of the statement, or nothing.
func (s Statement) Word(i int) string {
	if i < len(s.Words) {
		return s.Words[i]
	}
	return ""
}

// Finding is what the user must know of a directive.
type Finding struct {
	File      string
	Line      int
	Directive string // without secrets
	Class     Class
	Text      string
}

func (f Finding) String() string {
	text := f.File + ": " + f.Directive
	if f.Line > 0 {
		text = fmt.Sprintf("%s:%d: %s", f.File, f.Line, f.Directive)
	}
	if f.Text != "" {
		text += ": " + f.Text
	}
	return text
}

// Findings are what is found in the files of one program.
type Findings struct{ all []Finding }

func (f *Findings) add(c Class, s Statement, text string) {
	f.all = append(f.all, Finding{s.File, s.Line, printable(strings.Join(s.Words, " ")), c, printable(text)})
}

// printable keeps a finding on one line, whatever is in the file.
func printable(text string) string {
	if strings.IndexFunc(text, func(r rune) bool { return !strconv.IsPrint(r) }) < 0 {
		return text
	}
	quoted := strconv.Quote(text)
	return strings.ReplaceAll(quoted[1:len(quoted)-1], `\"`, `"`)
}

// Take notes that a directive is in the configuration.
func (f *Findings) Take(s Statement, format string, args ...any) {
	f.add(Taken, s, fmt.Sprintf(format, args...))
}

// Build notes what is done without the directive.
func (f *Findings) Build(s Statement, format string, args ...any) {
	f.add(BuiltIn, s, fmt.Sprintf(format, args...))
}

// Drop notes why a directive is left out.
func (f *Findings) Drop(s Statement, format string, args ...any) {
	f.add(Dropped, s, fmt.Sprintf(format, args...))
}

// Fault notes what the original program does instead of what is written.
func (f *Findings) Fault(s Statement, format string, args ...any) {
	f.add(Wrong, s, fmt.Sprintf(format, args...))
}

// Refuse notes why there is no configuration.
func (f *Findings) Refuse(s Statement, format string, args ...any) {
	f.add(Refused, s, fmt.Sprintf(format, args...))
}

// Join adds the findings of other files.
func (f *Findings) Join(others Findings) { f.all = append(f.all, others.all...) }

// Len returns how many findings there are.
func (f *Findings) Len() int { return len(f.all) }

// All returns the findings: those of a file in the order of its lines.
func (f *Findings) All() []Finding {
	order := map[string]int{}
	for _, found := range f.all {
		if _, known := order[found.File]; !known {
			order[found.File] = len(order)
		}
	}
	all := slices.Clone(f.all)
	slices.SortStableFunc(all, func(a, b Finding) int {
		if a.File != b.File {
			return order[a.File] - order[b.File]
		}
		return a.Line - b.Line
	})
	return all
}

// Of returns the findings of some classes.
func (f *Findings) Of(classes ...Class) []Finding {
	return slices.DeleteFunc(f.All(), func(found Finding) bool { return !slices.Contains(classes, found.Class) })
}

// Err returns every reason why there is no configuration. Nil: there is one.
func (f *Findings) Err() error {
	var errs []error
	for _, found := range f.Of(Refused) {
		errs = append(errs, errors.New(found.String()))
	}
	return errors.Join(errs...)
}

// Number reads a whole number of the statement.
func (f *Findings) Number(s Statement, text string, low, high int) int32 {
	n, err := strconv.Atoi(text)
	if err != nil || n < low || n > high {
		f.Refuse(s, "want a whole number from %d to %d", low, high)
		return 0
	}
	return int32(n)
}

// longest is the longest time that the files may ask for.
const longest = 24 * time.Hour

// Duration reads a time that is a number of units, or has a unit of its own as haproxy has them.
func (f *Findings) Duration(s Statement, text string, unit time.Duration) metav1.Duration {
	number := strings.TrimRight(text, "abcdefghijklmnopqrstuvwxyz")
	if suffix := text[len(number):]; suffix != "" {
		known, ok := map[string]time.Duration{"us": time.Microsecond, "ms": time.Millisecond, "s": time.Second, "m": time.Minute, "h": time.Hour, "d": 24 * time.Hour}[suffix]
		if !ok {
			number = ""
		}
		unit = known
	}
	n, err := strconv.ParseFloat(number, 64)
	d := n * float64(unit)
	if err != nil || !(d >= float64(time.Microsecond) && d <= float64(longest)) {
		f.Refuse(s, "want a time of up to a day")
		return metav1.Duration{}
	}
	return metav1.Duration{Duration: time.Duration(d).Round(time.Microsecond)}
}
