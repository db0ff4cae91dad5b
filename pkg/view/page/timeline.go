// SPDX-License-Identifier: Apache-2.0

package page

import (
	"cmp"
	"slices"
	"strconv"
	"time"

	"github.com/harbinger-ha/harbinger/pkg/apis/status/v1alpha1"
	"github.com/harbinger-ha/harbinger/pkg/view"
)

// timestamp is how the keys of rows have a time.
const timestamp = "20060102150405.000"

// colours is how many hosts have one of their own on the bar.
const colours = 6

// The bar is drawn on a width of barWidth. What lasted short is drawn wider than it was, so that it is seen.
const (
	barWidth  = 1000
	leastSpan = 12
	leastGap  = 8
)

// timeline is who held the virtual addresses, as a bar. The table under it has the same as text.
type timeline struct {
	Text   string // for those who do not see the bar
	Bars   []bar
	Legend []entry
	From   moment
	Until  string
}

// bar is one part of the timeline.
type bar struct {
	X, Width float64
	Swatch   int // colour of the host; 0: nobody served
	Title    string
	lasted   time.Duration
}

// entry names a colour.
type entry struct {
	Swatch int
	Name   string
	Share  string
}

// history is who held the virtual addresses, as a bar and as a table, newest first.
func (r reader) history() section {
	if len(r.Holders) == 0 {
		return section{ID: "history", Title: "Who held it when", Intro: "This host has seen nobody hold the address yet."}
	}
	swatches := r.swatches()
	t := table{ID: "history-all", Caption: "As this host saw it, newest first", Columns: columns("Host", "From", "Until", "For", "Nobody served before", "Why")}
	for _, h := range slices.Backward(r.Holders) {
		until, end := cell{Text: "now", Tone: good}, r.now
		if h.Until != nil {
			until, end = cell{At: r.at(*h.Until)}, *h.Until
		}
		name := r.holder(h)
		t.add(h.From.Format(timestamp)+h.Holder, cell{Text: name, Swatch: swatches[name], Notes: notes(yes(view.Safe(h.Holder) != name, h.Holder, ""))},
			cell{At: r.at(h.From)}, until, cell{Text: view.Duration(end.Sub(h.From))}, unservedCell(h.Unserved), cell{Text: cmp.Or(h.Reason, "–")})
	}
	return section{ID: "history", Title: "Who held it when", Intro: r.unserved(), Timeline: r.timeline(swatches), Tables: []table{t}}
}

// unservedCell shows a time in which nobody served.
func unservedCell(duration string) cell {
	if duration == "" {
		return cell{Text: "–"}
	}
	return cell{Text: view.DurationOf(duration), Tone: bad}
}

func (r reader) holder(h v1alpha1.HolderSpan) string {
	return view.Safe(cmp.Or(h.Node, r.names.Of(h.Holder)))
}

// swatches gives each host its colour, from 1, in the order of names, so that it keeps it.
func (r reader) swatches() map[string]int {
	var names []string
	for _, h := range r.Holders {
		names = append(names, r.holder(h))
	}
	slices.Sort(names)
	swatches := map[string]int{}
	for i, name := range slices.Compact(names) {
		swatches[name] = i%colours + 1
	}
	return swatches
}

// unserved says for how long nobody served.
func (r reader) unserved() string {
	gaps, total := 0, time.Duration(0)
	for _, h := range r.Holders {
		if d, err := time.ParseDuration(h.Unserved); err == nil && d > 0 {
			gaps++
			total += d
		}
	}
	first := r.Holders[0].From
	text := "Somebody held it all the time since " + view.Age(r.now, first) + "."
	if gaps > 0 {
		text = "Nobody served for " + view.Duration(total) + " in all, in " + view.Count(gaps, "gap", "gaps") + " since " + view.Age(r.now, first) + "."
	}
	if last := r.Holders[len(r.Holders)-1]; last.Until != nil {
		text += " Nobody has been seen to serve for " + view.For(r.now, *last.Until) + "."
	}
	return text
}

// parts are the spans and the gaps between them, oldest first.
func (r reader) parts(swatches map[string]int) (parts []bar) {
	gap := func(d time.Duration) {
		parts = append(parts, bar{Title: "nobody for " + view.Duration(d), lasted: d})
	}
	for _, h := range r.Holders {
		if d, err := time.ParseDuration(h.Unserved); err == nil && d > 0 {
			gap(d)
		}
		end := r.now
		if h.Until != nil {
			end = *h.Until
		}
		d, name := max(0, end.Sub(h.From)), r.holder(h)
		parts = append(parts, bar{Swatch: swatches[name], Title: name + " for " + view.Duration(d), lasted: d})
	}
	if last := r.Holders[len(r.Holders)-1]; last.Until != nil && r.now.After(*last.Until) {
		gap(r.now.Sub(*last.Until))
	}
	return parts
}

// timeline draws the parts: each has its least width, and a share of the rest by how long it lasted.
func (r reader) timeline(swatches map[string]int) *timeline {
	parts := r.parts(swatches)
	total, least := time.Duration(0), 0.0
	for i := range parts {
		p := &parts[i]
		p.lasted = max(1, p.lasted)
		total += p.lasted
		least += p.least()
	}
	line := timeline{From: r.at(r.Holders[0].From), Until: "now"}
	x, shares := 0.0, map[int]time.Duration{}
	for _, p := range parts {
		p.X, p.Width = round(x), round(p.least()*min(1, barWidth/least)+float64(p.lasted)/float64(total)*max(0, barWidth-least))
		x += p.Width
		line.Bars = append(line.Bars, p)
		line.Text += yes(line.Text != "", ", then ", "") + p.Title
		shares[p.Swatch] += p.lasted
	}
	line.Legend = legend(swatches, shares)
	return &line
}

func (b bar) least() float64 {
	if b.Swatch == 0 {
		return leastGap
	}
	return leastSpan
}

// legend names the colours, with how long each host held the addresses in all. Hosts that share a colour share a line.
func legend(swatches map[string]int, shares map[int]time.Duration) (all []entry) {
	names := make([]string, colours+1)
	for name, swatch := range swatches {
		names[swatch] = name + yes(names[swatch] != "", ", "+names[swatch], "")
	}
	for swatch, name := range names {
		if name != "" {
			all = append(all, entry{Swatch: swatch, Name: name, Share: view.Duration(shares[swatch])})
		}
	}
	if shares[0] > 0 {
		all = append(all, entry{Name: "nobody", Share: view.Duration(shares[0])})
	}
	return all
}

// round keeps two digits, so that a bar that did not change does not change.
func round(x float64) float64 {
	x, _ = strconv.ParseFloat(strconv.FormatFloat(x, 'f', 2, 64), 64)
	return x
}
