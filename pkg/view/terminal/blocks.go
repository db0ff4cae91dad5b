// SPDX-License-Identifier: Apache-2.0

package terminal

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/harbinger-ha/harbinger/pkg/apis/status/v1alpha1"
	"github.com/harbinger-ha/harbinger/pkg/view"
)

// balancer says whether the process runs, and what it has done.
func (c *screen) balancer() {
	b := &c.s.Balancer
	c.block("BALANCER")
	if !b.Up {
		c.text(0, bad, "down: connections to the virtual addresses are refused")
		return
	}
	text := fmt.Sprintf("process %d", b.PID)
	if b.Steered {
		text += ", steered by " + b.Steering
	}
	if b.Mode == "Kernel" {
		text += ", the kernel passes connections on"
	}
	if b.Restarts > 0 {
		text += ", started again " + view.Count(b.Restarts, "time", "times")
	}
	c.text(0, plain, text+"; "+view.Count(b.Active, "connection", "connections")+", "+view.Number(b.Accepted)+" accepted, "+view.Number(b.Refused)+" refused"+reasons(b.RefusedByReason))
	if b.Degraded {
		c.text(0, bad, "degraded: no backend is healthy, connections go to those that accept them all the same")
	}
	if b.Lowered != "" {
		c.text(0, bad, "takes "+view.Count(b.Limit, "connection", "connections")+" at a time: "+b.Lowered)
	}
	if !c.Wide {
		return
	}
	if b.Limit > 0 && b.Lowered == "" {
		c.text(0, plain, "takes "+view.Count(b.Limit, "connection", "connections")+" at a time")
	}
	c.text(0, plain, fmt.Sprintf("at most %s at a time; %s accepted per second, at most %s; %s received, %s sent", view.Number(b.Peak), view.Number(b.Rate), view.Number(b.PeakRate),
		view.Bytes(b.Received), view.Bytes(b.Sent)))
	if len(b.Frontends) > 0 {
		c.text(0, plain, "listens on "+strings.Join(b.Frontends, ", "))
	}
}

// reasons says how many there were of each that there were any of.
func reasons(counts map[string]uint64) string {
	var all []string
	for _, reason := range slices.Sorted(maps.Keys(counts)) {
		if n := counts[reason]; n > 0 {
			all = append(all, view.Number(n)+" "+view.Words(reason))
		}
	}
	if all == nil {
		return ""
	}
	return " (" + strings.Join(all, ", ") + ")"
}

var backendColumns = []column{
	{title: "BACKEND"}, {title: "ADDRESS", spare: 9}, {title: "STATE"}, {title: "ADMIN"}, {title: "FOR", spare: 1}, {title: "CONN", spare: 2, right: true},
	{title: "TOTAL", spare: 5, right: true}, {title: "FAILED", spare: 3, right: true}, {title: "DOWNS", spare: 4, right: true}, {title: "DOWNTIME", spare: 8, right: true},
	{title: "PEAK", spare: 12, right: true}, {title: "SENT", spare: 10, right: true}, {title: "RECEIVED", spare: 11, right: true},
	{title: "CHECKED", spare: 6}, {title: "TOOK", spare: 7, right: true},
}

// backends are the apiservers, with the reason below each that is not healthy.
func (c *screen) backends() {
	c.block("BACKENDS")
	named := map[string]int{}
	for _, b := range c.s.Balancer.Backends {
		named[c.names.Of(b.Address)]++
	}
	var rows []row
	for _, b := range c.s.Balancer.Backends {
		name := c.names.Of(b.Address)
		if named[name] > 1 {
			name = b.Address
		}
		style := bad
		switch b.State {
		case "Healthy":
			style = good
		case "Suspect", "Unknown":
			style = doubt
		}
		r := row{cells: []cell{
			{name, strong}, {}, {b.State, style}, {b.Admin, doubt}, {view.For(c.Now, b.Since), plain}, {view.Number(b.Connections), plain}, {view.Number(b.Total), plain},
			{view.Number(b.Failures), plain}, {view.Number(b.Downs), plain}, {}, {}, {}, {}, {}, {},
		}}
		if b.Checked != nil {
			r.cells[13].text, r.cells[14].text = view.Age(c.Now, *b.Checked), view.DurationOf(b.CheckTook)
		}
		if c.Wide {
			r.cells[1].text, r.cells[9].text, r.cells[10].text = b.Address, view.DurationOf(b.Downtime), view.Number(b.Peak)
			r.cells[11].text, r.cells[12].text = view.Bytes(b.Sent), view.Bytes(b.Received)
		}
		if note := backendNote(b); note != "" {
			r.notes = []cell{{note, plain}}
		}
		rows = append(rows, r)
	}
	c.table(backendColumns, rows)
	if n := c.s.Balancer.LeftOut; n > 0 {
		c.text(0, doubt, view.Count(n, "apiserver is", "apiservers are")+" not used: see the finding BackendsLeftOut")
	}
}

// backendNote says why a backend is in its state.
func backendNote(b v1alpha1.Backend) string {
	parts := []string{}
	if b.Reason != "" {
		parts = append(parts, b.Reason)
	}
	if b.Backup {
		parts = append(parts, "used only where no other is healthy")
	}
	if b.Accepts {
		parts = append(parts, "accepts connections")
	}
	return strings.Join(parts, "; ")
}

// fewMoves is how many of the last moves and holders are shown without -o wide.
const fewMoves = 4

// recent returns the last of a list, newest first, and how many are left out.
func recent[T any](all []T, wide bool) (last []T, older int) {
	last = slices.Clone(all)
	slices.Reverse(last)
	if wide || len(last) <= fewMoves {
		return last, 0
	}
	return last[:fewMoves], len(last) - fewMoves
}

// older says that a list goes on.
func (c *screen) older(n int) {
	if n > 0 {
		c.text(0, faint, fmt.Sprintf("%d older with -o wide", n))
	}
}

// moves are the last changes of state of this host, the newest first.
func (c *screen) moves() {
	c.block("MOVES")
	moves, older := recent(c.s.Moves, c.Wide)
	ages, column := make([]string, len(moves)), 0
	for i, m := range moves {
		ages[i] = view.Age(c.Now, m.Time)
		column = max(column, width(ages[i]))
	}
	for i, m := range moves {
		text := m.From + " → " + m.To + ": " + m.Reason
		switch {
		case m.Unserved != "":
			text += "; nobody served for " + view.DurationOf(m.Unserved) + " as far as this host knows"
		case m.Silence != "":
			text += ", after " + view.DurationOf(m.Silence) + " of silence"
		}
		if m.Evidence != "" && c.Wide {
			text += " (" + m.Evidence + ")"
		}
		c.item(column, cell{ages[i], plain}, text)
	}
	c.older(older)
}

// history is who held the addresses, the newest first, and for how long nobody did.
func (c *screen) history() {
	c.block("HISTORY")
	holders, older := recent(c.s.Holders, c.Wide)
	names, column := make([]string, len(holders)), 0
	var unserved time.Duration
	for i, h := range holders {
		names[i] = view.Safe(h.Node)
		if names[i] == "" {
			names[i] = c.names.Of(h.Holder)
		}
		column = max(column, width(names[i]))
	}
	for _, h := range c.s.Holders {
		d, err := time.ParseDuration(h.Unserved)
		if err == nil {
			unserved += d
		}
	}
	for i, h := range holders {
		text := "holds it since " + view.Age(c.Now, h.From)
		if h.Until != nil {
			text = "held it for " + view.Duration(h.Until.Sub(h.From)) + ", until " + view.Age(c.Now, *h.Until)
		}
		if h.Unserved != "" {
			text += "; before that nobody served for " + view.DurationOf(h.Unserved)
		}
		if h.Reason != "" {
			text += "; " + h.Reason
		}
		c.item(column, cell{names[i], strong}, text)
	}
	c.older(older)
	if unserved > 0 {
		c.text(0, plain, fmt.Sprintf("Nobody served for %s in all, %s.", view.Duration(unserved), "since "+view.Age(c.Now, c.s.Holders[0].From)))
	}
}

// findings are what is wrong, with what to do. The first one is that of the first line.
func (c *screen) findings() {
	c.block("FINDINGS")
	for _, f := range c.s.Findings {
		c.text(0, severity(f.Severity), fmt.Sprintf("%s (%s, for %s)", f.Condition, strings.ToLower(f.Severity), view.For(c.Now, f.Since)))
		c.text(2, plain, f.Summary)
		if f.Detail != "" && f.Detail != f.Summary {
			c.text(2, plain, f.Detail)
		}
		c.text(2, strong, f.Action)
		for _, command := range f.Commands {
			c.command(command)
		}
	}
}
