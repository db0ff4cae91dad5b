// SPDX-License-Identifier: Apache-2.0

package manifest

import (
	"fmt"
	"regexp"
	"strings"
)

// around is how many lines a difference shows before and after what differs.
const around = 3

// withheld stands in a difference where a secret was.
const withheld = "(not shown)"

// secret is a line with a password, which only a file that was not made by this program has.
var secret = regexp.MustCompile(`(?i)(\bpassword\\?["']?\s*:).*`)

// Diff returns what differs between two texts in the unified format, or nothing where they are the same. A password is in neither:
// two texts that differ in nothing else show no difference.
func Diff(name, before, after string) string {
	if before == after {
		return ""
	}
	edits := edits(shownLines(before), shownLines(after))
	var out strings.Builder
	for first := 0; first < len(edits); {
		hunk := nextHunk(edits, first)
		if hunk.end > hunk.begin {
			hunk.write(&out, edits)
		}
		first = hunk.end
		if hunk.end == hunk.begin {
			break
		}
	}
	if out.Len() == 0 {
		return ""
	}
	return fmt.Sprintf("--- %s\n+++ %s (new)\n%s", name, name, out.String())
}

// shownLines returns the lines of a text, without its passwords.
func shownLines(text string) []string {
	text = secret.ReplaceAllString(text, "$1 "+withheld)
	return strings.Split(strings.TrimSuffix(text, "\n"), "\n")
}

// An edit is a line of the one text, the other, or both.
type edit struct {
	kind byte // '-', '+' or ' '
	line string
}

// edits returns the lines of two texts in order, with as many in common as possible.
func edits(before, after []string) []edit {
	common := make([][]int, len(before)+1) // common[i][j] lines are common to before[i:] and after[j:]
	for i := range common {
		common[i] = make([]int, len(after)+1)
	}
	for i := len(before) - 1; i >= 0; i-- {
		for j := len(after) - 1; j >= 0; j-- {
			if before[i] == after[j] {
				common[i][j] = common[i+1][j+1] + 1
			} else {
				common[i][j] = max(common[i+1][j], common[i][j+1])
			}
		}
	}
	var all []edit
	i, j := 0, 0
	for i < len(before) || j < len(after) {
		switch {
		case i < len(before) && j < len(after) && before[i] == after[j]:
			all = append(all, edit{' ', before[i]})
			i, j = i+1, j+1
		case j == len(after) || i < len(before) && common[i+1][j] >= common[i][j+1]:
			all = append(all, edit{'-', before[i]})
			i++
		default:
			all = append(all, edit{'+', after[j]})
			j++
		}
	}
	return all
}

// A hunk is a part of the edits: what differs, and the lines around it.
type hunk struct{ begin, end int }

// nextHunk returns the first hunk from an edit on. An empty one is the last.
func nextHunk(edits []edit, from int) hunk {
	begin := from
	for begin < len(edits) && edits[begin].kind == ' ' {
		begin++
	}
	if begin == len(edits) {
		return hunk{begin, begin}
	}
	end, same := begin, 0
	for i := begin; i < len(edits) && same <= 2*around; i++ {
		if edits[i].kind == ' ' {
			same++
		} else {
			same, end = 0, i+1
		}
	}
	return hunk{max(from, begin-around), min(len(edits), end+around)}
}

// write prints a hunk after a line that says where it is.
func (h hunk) write(out *strings.Builder, edits []edit) {
	lines := func(part []edit, kind byte) (n int) {
		for _, e := range part {
			if e.kind == ' ' || e.kind == kind {
				n++
			}
		}
		return n
	}
	position := func(kind byte) string {
		n, first := lines(edits[h.begin:h.end], kind), lines(edits[:h.begin], kind)
		if n > 0 {
			first++
		}
		return fmt.Sprintf("%d,%d", first, n)
	}
	fmt.Fprintf(out, "@@ -%s +%s @@\n", position('-'), position('+'))
	for _, e := range edits[h.begin:h.end] {
		fmt.Fprintf(out, "%c%s\n", e.kind, e.line)
	}
}
