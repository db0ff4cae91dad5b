// SPDX-License-Identifier: Apache-2.0

// Package converttest is what the tests of the conversions share: lines as users have them, and what is said of each.
package converttest

import (
	"slices"
	"strings"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/harbinger-ha/harbinger/pkg/convert"
)

// Seconds returns a time of so many seconds.
func Seconds(n float64) metav1.Duration {
	return metav1.Duration{Duration: time.Duration(n * float64(time.Second))}
}

// Warned returns the texts of what is left out, or wrong.
func Warned(found convert.Findings) []string { return Texts(found, convert.Dropped, convert.Wrong) }

// Texts returns the findings of some classes.
func Texts(found convert.Findings, classes ...convert.Class) (all []string) {
	for _, f := range found.Of(classes...) {
		all = append(all, f.String())
	}
	return all
}

// Check holds that each text has what is wanted of it, in the same order, and that there are no others.
func Check(t testing.TB, texts, want []string) {
	t.Helper()
	if len(texts) != len(want) {
		t.Errorf("%d texts, want %d: %q", len(texts), len(want), texts)
		return
	}
	for i := range want {
		if !strings.Contains(texts[i], want[i]) {
			t.Errorf("text %q, want %q in it", texts[i], want[i])
		}
	}
}

// A Directive is a line as users have it, and what is said of it: nothing where it is carried over or not needed, a warning, or
// an error that refuses the file.
type Directive struct{ Line, Warned, Refused string }

// Knows reports whether a line is of a directive of that name.
func (d Directive) Knows(name string) bool {
	return d.Line == name || strings.HasPrefix(d.Line, name+" ")
}

// A Section is a block or section of a language, and the file in which a line is in it.
type Section struct {
	Name       string
	Block      string // as the table of keywords names it
	File       func(line string) string
	Directives []Directive
}

// Has reports whether a section has a line of a directive of that name.
func (s Section) Has(name string) bool {
	return slices.ContainsFunc(s.Directives, func(d Directive) bool { return d.Knows(name) })
}

// Run converts the file of each line, and holds what is said of it.
func Run(t *testing.T, sections []Section, of func(raw string) convert.Findings) {
	for _, s := range sections {
		for _, d := range s.Directives {
			t.Run(s.Name+"/"+d.Line, func(t *testing.T) {
				found := of(s.File(d.Line))
				switch err := found.Err(); {
				case d.Refused == "" && err != nil:
					t.Errorf("it is refused: %v", err)
				case d.Refused != "" && (err == nil || !strings.Contains(err.Error(), d.Refused)):
					t.Errorf("error %v, want %q in it", err, d.Refused)
				}
				var want []string
				if d.Warned != "" {
					want = []string{d.Warned}
				}
				Check(t, Warned(found), want)
			})
		}
	}
}
