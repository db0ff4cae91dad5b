// SPDX-License-Identifier: Apache-2.0

package convert

import (
	"fmt"
	"path"
	"slices"
	"strings"
	"unicode/utf8"
)

// labels are the classes as a column of the report has them.
var labels = map[Class]string{Taken: "taken", BuiltIn: "built in", Dropped: "dropped", Wrong: "wrong", Refused: "REFUSED"}

// The widths of the report.
const (
	longestLabel     = len("built in")
	longestDirective = 60
	narrowestText    = 30
)

// Report returns a line for each finding, wrapped at a width: where the directive is, its class, the directive, and why. Then come
// notes on all files together, and how many there are of each class.
func (f *Findings) Report(width int, notes []string) string {
	all := f.All()
	short := shortNames(all)
	var places []string
	longest := 0
	for _, found := range all {
		place := short[found.File]
		if found.Line > 0 {
			place += fmt.Sprintf(":%d", found.Line)
		}
		places, longest = append(places, place), max(longest, utf8.RuneCountInString(place))
	}
	var b strings.Builder
	for i, found := range all {
		text := shorten(found.Directive, longestDirective)
		if found.Text != "" {
			text += ": " + found.Text
		}
		row(&b, width, fmt.Sprintf("%-*s  %-*s  ", longest, places[i], longestLabel, labels[found.Class]), text)
	}
	for _, note := range notes {
		row(&b, width, fmt.Sprintf("%-*s  %-*s  ", longest, "together", longestLabel, labels[Dropped]), note)
	}
	b.WriteString("\n")
	row(&b, width, "", f.summary())
	return b.String()
}

// summary counts the findings of each class.
func (f *Findings) summary() string {
	var counts []string
	for _, class := range []Class{Taken, BuiltIn, Dropped, Wrong, Refused} {
		counts = append(counts, fmt.Sprintf("%d %s", len(f.Of(class)), class))
	}
	return fmt.Sprintf("%d directives: %s.", len(f.all), strings.Join(counts, ", "))
}

// shortNames returns the last part of the name of each file, or the whole name where two files have the same last part.
func shortNames(all []Finding) map[string]string {
	files := map[string][]string{} // by last part
	for _, found := range all {
		if last := path.Base(found.File); !slices.Contains(files[last], found.File) {
			files[last] = append(files[last], found.File)
		}
	}
	short := map[string]string{}
	for last, names := range files {
		for _, name := range names {
			short[name] = name
			if len(names) == 1 {
				short[name] = last
			}
		}
	}
	return short
}

// shorten cuts a text that is too long to be read.
func shorten(text string, longest int) string {
	if runes := []rune(text); len(runes) > longest {
		return string(runes[:longest-1]) + "…"
	}
	return text
}

// row writes a head and a text beside it, whose further lines are indented as far as the head is long.
func row(b *strings.Builder, width int, head, text string) {
	indent := utf8.RuneCountInString(head)
	room := max(width-indent, narrowestText)
	line := head
	free := room
	for i, word := range strings.Fields(text) {
		switch length := utf8.RuneCountInString(word); {
		case i == 0:
			line, free = line+word, free-length
		case length+1 <= free:
			line, free = line+" "+word, free-length-1
		default:
			b.WriteString(strings.TrimRight(line, " ") + "\n")
			line, free = strings.Repeat(" ", indent)+word, room-length
		}
	}
	b.WriteString(strings.TrimRight(line, " ") + "\n")
}
