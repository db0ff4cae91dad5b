// SPDX-License-Identifier: Apache-2.0

package convert_test

import (
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"

	"github.com/harbinger-ha/harbinger/pkg/convert"
)

func statement(file string, line int, words ...string) convert.Statement {
	return convert.Statement{File: file, Line: line, Words: words}
}

func TestReport(t *testing.T) {
	var f, second convert.Findings
	f.Refuse(statement("/etc/a.conf", 12, "virtual_routes"), "Harbinger adds no routes")
	f.Take(statement("/etc/a.conf", 3, "priority", "101"), "election.vrrp.priority")
	f.Fault(statement("/etc/a.conf", 4, "nopreempt"), "keepalived ignores it beside state MASTER, so that the node took the address back whenever it came up again")
	second.Build(statement("/etc/b.cfg", 1, "daemon"), "")
	second.Drop(statement("/etc/b.cfg", 20, "log-format", strings.Repeat("x", 80)), "there is an access log")
	f.Join(second)
	want := `a.conf:3   taken     priority 101: election.vrrp.priority
a.conf:4   wrong     nopreempt: keepalived ignores it beside state MASTER, so
                     that the node took the address back whenever it came up
                     again
a.conf:12  REFUSED   virtual_routes: Harbinger adds no routes
b.cfg:1    built in  daemon
b.cfg:20   dropped   log-format
                     xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx…: there
                     is an access log
together   dropped   what both say

5 directives: 1 taken, 1 built in, 1 dropped, 1 wrong in the original, 1
refused.
`
	got := f.Report(78, []string{"what both say"})
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	for line := range strings.Lines(got) {
		if utf8.RuneCountInString(line) > 79 {
			t.Errorf("%q is longer than a line of 78", line)
		}
	}
}

// Two files of one name keep their folders, and what is found of a whole file has no line.
func TestReportNames(t *testing.T) {
	var f convert.Findings
	f.Take(statement("a/x.conf", 1, "a"), "")
	f.Take(statement("b/x.conf", 0, "b"), "")
	if got, want := f.Report(80, nil), "a/x.conf:1  taken     a\nb/x.conf    taken     b\n\n"; !strings.HasPrefix(got, want) {
		t.Errorf("the report is\n%s", got)
	}
}

// What a file has in it does not reach the terminal as it is.
func TestFindingsArePrintable(t *testing.T) {
	var f convert.Findings
	f.Drop(statement("x", 1, "description", "\x1b[2Jgone"), "%s", "no \x00 counterpart")
	if got, want := f.All()[0].String(), "x:1: description \\x1b[2Jgone: no \\x00 counterpart"; got != want {
		t.Errorf("the finding is %q, want %q", got, want)
	}
}

// Several files that are read as one keep their names and lines.
func TestJoined(t *testing.T) {
	joined := convert.Joined{{Name: "a", Content: []byte("1\n2")}, {Name: "b", Content: nil}, {Name: "c", Content: []byte("1\n2\n")}}
	file := joined.File()
	if got, want := string(file.Content), "1\n2\n1\n2\n"; got != want {
		t.Errorf("the files are %q, want %q", got, want)
	}
	var f convert.Findings
	for line := range 5 {
		f.Take(statement(file.Name, line+1, "x"), "")
	}
	var places []string
	found := joined.Locate(f)
	for _, one := range found.All() {
		places = append(places, one.String())
	}
	if diff := cmp.Diff([]string{"a:1: x", "a:2: x", "c:1: x", "c:2: x", "c:3: x"}, places); diff != "" {
		t.Errorf("places (-want +got):\n%s", diff)
	}
}
