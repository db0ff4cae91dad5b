// SPDX-License-Identifier: Apache-2.0

package terminal

import (
	"cmp"
	"fmt"
	"strings"

	"github.com/harbinger-ha/harbinger/pkg/apis/status/v1alpha1"
	"github.com/harbinger-ha/harbinger/pkg/view"
)

// Hosts returns one table of what hosts say of themselves. Its first line says whether each of them is ready.
func Hosts(hosts []v1alpha1.HostSummary, o Options) string {
	c := newCanvas(o)
	c.headline(hostsHeadline(hosts))
	c.out.WriteByte('\n')
	c.gutter = 0
	c.table(hostColumns, hostRows(hosts, o, true))
	return c.out.String()
}

// hostsHeadline says the worst of some hosts: two holders, none, one that does not answer, one that is not ready, one with a finding.
func hostsHeadline(hosts []v1alpha1.HostSummary) view.Headline {
	var holders, silent, unready, findings []string
	for _, h := range hosts {
		name := cmp.Or(h.Node, h.Address)
		switch {
		case h.Failure != "":
			silent = append(silent, name)
			continue
		case !h.Ready:
			unready = append(unready, name)
		case h.Finding != "":
			findings = append(findings, name+" ("+h.Finding+")")
		}
		if h.Held {
			holders = append(holders, name)
		}
	}
	several := func(names []string) string {
		return strings.Join(names, ", ") + either(len(names), " is", " are")
	}
	critical := func(text, action string) view.Headline {
		return view.Headline{Severity: v1alpha1.SeverityCritical, Text: text, Action: action}
	}
	switch {
	case len(holders) > 1:
		return critical(strings.Join(holders, " and ")+" hold the virtual addresses at the same time.", "Unless a move is under way, run harbinger status on each.")
	case len(holders) == 0 && len(silent) == 0:
		return critical("No host holds the virtual addresses.", "Run harbinger status on the host that should hold them.")
	case len(silent) > 0 && len(holders) == 0:
		return critical("No host that answers holds the virtual addresses; "+strings.Join(silent, ", ")+either(len(silent), " does", " do")+" not answer.", "The reason is below.")
	case len(silent) > 0:
		return critical(strings.Join(silent, ", ")+either(len(silent), " does", " do")+" not answer.", "The reason is below.")
	case len(unready) > 0:
		return critical(several(unready)+" not ready.", "Run harbinger status there.")
	case len(findings) > 0:
		return view.Headline{Severity: v1alpha1.SeverityWarning, Text: "Every host is ready, but something should be looked at on " + strings.Join(findings, ", ") + ".",
			Action: "Run harbinger status there."}
	}
	return view.Headline{Text: fmt.Sprintf("Well: %s holds the virtual addresses, %s could take over.", holders[0], view.Count(len(hosts)-1, "host", "hosts"))}
}

var hostColumns = []column{
	{title: "HOST"}, {title: "ADDRESS", spare: 5}, {title: "STATE"}, {title: "FOR", spare: 3}, {title: "HELD", spare: 2}, {title: "READY"},
	{title: "VERSION", spare: 6}, {title: "ANSWERED", spare: 4}, {title: "FINDING", spare: 1},
}

// hostRows are the rows of hosts. Of a host that does not answer, they have what it said last.
func hostRows(hosts []v1alpha1.HostSummary, o Options, all bool) (rows []row) {
	for _, h := range hosts {
		name := cmp.Or(h.Node, h.Address)
		if h.Self {
			name += " *"
		}
		r := row{cells: make([]cell, len(hostColumns))}
		r.cells[0] = cell{name, strong}
		if all {
			r.cells[1] = cell{h.Address, plain}
			r.cells[6] = cell{h.Version, plain}
		}
		if h.Answered != nil {
			r.cells[2] = cell{h.State, plain}
			if h.Since != nil {
				r.cells[3] = cell{view.For(o.Now, *h.Since), plain}
			}
			r.cells[4] = cell{map[bool]string{true: "yes", false: "no"}[h.Held], plain}
			r.cells[5] = cell{"no", bad}
			if h.Ready {
				r.cells[5] = cell{"yes", good}
			}
			r.cells[7] = cell{view.Age(o.Now, *h.Answered), plain}
		}
		if h.Finding != "" {
			r.cells[8] = cell{h.Finding, severity(h.Severity)}
		}
		if h.Failure != "" {
			r.cells[5] = cell{"?", bad}
			r.notes = append(r.notes, cell{h.Failure, bad})
		}
		rows = append(rows, r)
	}
	return rows
}

// severity is the style of a finding.
func severity(name string) style {
	if name == v1alpha1.SeverityCritical {
		return bad
	}
	return doubt
}

// peers says what the hosts say of themselves, or who answered where they were not asked.
func (c *screen) peers() {
	c.block("HOSTS")
	if len(c.s.Hosts) > 0 {
		c.table(hostColumns, hostRows(c.s.Hosts, c.Options, c.Wide))
		return
	}
	c.reach()
}

// reach says which peers answered.
func (c *screen) reach() {
	if c.s.VirtualRouter.Reach == nil {
		return
	}
	for _, p := range c.s.VirtualRouter.Reach.Peers {
		text, s := " answers", plain
		if !p.Reached {
			text, s = " does not answer", bad
		}
		switch p.Witness {
		case "":
		case "Reached":
			text += ", and reaches the virtual addresses at this host"
		default:
			text += ", and does not reach the virtual addresses at this host"
			s = bad
		}
		c.text(0, s, c.names.Of(p.Address)+text)
	}
}
