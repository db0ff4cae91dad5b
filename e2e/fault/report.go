// SPDX-License-Identifier: Apache-2.0

package fault

import (
	"fmt"
	"io"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/harbinger-ha/harbinger/e2e/promise"
)

// A Column is one of a report: its title and its width in characters. A column that is last may be wider.
type Column struct {
	Title string
	Width int
}

// A Report writes rows in columns, or as a table in Markdown.
type Report struct {
	Out      io.Writer
	Columns  []Column
	Markdown bool
}

// Titles writes the titles of the columns.
func (r Report) Titles() {
	var titles, rule []string
	for _, c := range r.Columns {
		titles, rule = append(titles, c.Title), append(rule, "---")
	}
	r.Cells(titles...)
	if r.Markdown {
		fmt.Fprintf(r.Out, "|%s|\n", strings.Join(rule, "|"))
	}
}

// Cells writes one line.
func (r Report) Cells(cells ...string) {
	if r.Markdown {
		fmt.Fprintf(r.Out, "| %s |\n", strings.Join(cells, " | "))
		return
	}
	var b strings.Builder
	for i, cell := range cells {
		b.WriteString(cell)
		b.WriteString(strings.Repeat(" ", max(0, r.Columns[i].Width-utf8.RuneCountInString(cell))) + "  ")
	}
	fmt.Fprintln(r.Out, strings.TrimRight(b.String(), " "))
}

// Lines writes texts under a line, each of their lines indented.
func (r Report) Lines(texts ...string) {
	for _, text := range texts {
		for line := range strings.Lines(strings.TrimSpace(text)) {
			fmt.Fprintln(r.Out, "    "+strings.TrimRight(line, "\n"))
		}
	}
}

// HolderColumns are those of [Row.HolderCells].
var HolderColumns = []Column{
	{"fault", 15}, {"system", 10}, {"outage", 8}, {"bound", 9}, {"at repair", 9}, {"holder", 15}, {"two live", 8}, {"two answered", 12},
	{"left behind", 11},
}

// HolderCells returns a row of a fault of the holder, which may have been done to a system that promises nothing.
func (r Row) HolderCells(promises bool) []string {
	bound, left, worst := "", "no", r.worst()
	if promises {
		bound = "≤ " + seconds(r.Limits.Outage)
	}
	if r.Left() > 0 {
		left = "YES"
	}
	return []string{
		r.Fault.Name, r.System, seconds(r.Outage()), bound, seconds(r.Undoing()), r.way(), seconds(worst.Live), seconds(worst.Kernel), left,
	}
}

// way returns the way of the address through the runs.
func (r Row) way() string {
	var names []string
	for i, s := range r.Samples {
		if i == 0 {
			names = append(names, s.Before)
		}
		names = append(names, s.After)
	}
	return strings.Join(names, " → ")
}

// ClusterColumns are those of [Row.ClusterCells].
var ClusterColumns = []Column{
	{"fault", 38}, {"outage", 8}, {"bound", 7}, {"gone", 12}, {"two live", 14}, {"two answered", 14}, {"moves", 7}, {"epoch", 9}, {"verdict", 7},
}

// ClusterCells returns a row with every bound and the epochs of the Lease.
func (r Row) ClusterCells() []string {
	verdict, worst := "ok", r.worst()
	if len(r.Broken()) > 0 {
		verdict = "BROKEN"
	}
	moves, epochs := fmt.Sprint(worst.Moves), ""
	if r.Limits.Moves != promise.Any {
		moves = fmt.Sprintf("%d ≤ %d", worst.Moves, r.Limits.Moves)
	}
	if n := len(r.Samples); n > 0 {
		epochs = fmt.Sprintf("%d→%d", r.Samples[0].EpochBefore, r.Samples[n-1].EpochAfter)
	}
	return []string{
		r.Fault.Name, bare(worst.Outage), atMost(r.Limits.Outage), pair(worst.Nobody, r.Limits.Nobody), pair(worst.Live, r.Limits.Live),
		pair(worst.Kernel, r.Limits.Kernel), moves, epochs, verdict,
	}
}

// DeathColumns are those of [Row.DeathCells].
var DeathColumns = []Column{
	{"death of the holder", 26}, {"setting", 13}, {"outage", 19}, {"bound", 7}, {"goal", 6}, {"reached", 7}, {"served after", 12}, {"two answered", 14}, {"two live", 14},
	{"in kernels", 10}, {"moves", 5}, {"pause", 5}, {"keepalived", 19}, {"two answered", 12}, {"verdict", 7},
}

// DeathCells returns a row of a death of the holder in a setting, with how many runs reached a goal, and what came of the same death of
// another system: nothing where that has no name.
func (r Row) DeathCells(setting string, goal time.Duration, peer Row) []string {
	verdict, worst := "ok", r.worst()
	if len(r.Broken()) > 0 {
		verdict = "BROKEN"
	}
	var had, pause time.Duration
	for _, s := range r.Samples {
		had, pause = max(had, s.Had.Length()), max(pause, s.Pause)
	}
	beside := []string{"", ""}
	if peer.System != "" {
		beside = []string{peer.spread(), bare(peer.worst().Kernel)}
	}
	served := ""
	if median, longest := r.Served(); longest > 0 {
		served = bare(median) + " " + bare(longest)
	}
	cells := []string{
		r.Fault.Name, setting, r.spread(), atMost(r.Limits.Outage), atMost(goal), fmt.Sprintf("%d/%d", r.Within(goal), len(r.Samples)), served,
		pair(worst.Kernel, r.Limits.Kernel), pair(worst.Live, r.Limits.Live), bare(had), fmt.Sprint(worst.Moves), bare(pause),
	}
	return append(append(cells, beside...), verdict)
}

func (r Row) spread() string {
	least, median, most := r.Spread()
	return fmt.Sprintf("%s %s %s", bare(least), bare(median), bare(most))
}

// bare returns a time in seconds without the unit.
func bare(d time.Duration) string { return strings.TrimSuffix(seconds(d), " s") }

func atMost(limit time.Duration) string {
	if limit == promise.Unbounded {
		return ""
	}
	return "≤ " + strings.TrimSuffix(promise.Seconds(limit), " s")
}

func pair(got, limit time.Duration) string { return strings.TrimSpace(bare(got) + " " + atMost(limit)) }
