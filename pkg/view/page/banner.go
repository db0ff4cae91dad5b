// SPDX-License-Identifier: Apache-2.0

package page

import (
	"cmp"
	"strings"

	"github.com/harbinger-ha/harbinger/pkg/apis/status/v1alpha1"
	"github.com/harbinger-ha/harbinger/pkg/view"
)

// banner says the worst of the status.
type banner struct {
	Tone     tone
	Word     string // for the tone
	Text     string
	Detail   string
	Since    moment
	Action   string
	Commands []string
	Runbook  string // the condition
}

// finding is one that the banner has no room for.
type finding struct {
	Tone   tone
	Word   string
	Name   string // of the condition
	Key    string
	Text   string
	Detail string
	Since  moment
	Action string

	Commands []string
}

// banner is green only where there is no finding, here or at another host, and this node is ready.
func (r reader) banner() banner {
	head := view.HeadlineOf(r.HarbingerStatus)
	b := banner{Tone: good, Word: "Well", Text: strings.TrimPrefix(head.Text, "Well: "), Action: head.Action, Runbook: head.Condition}
	if head.Severity != "" || !r.Ready {
		b.Tone, b.Word = cmp.Or(severities[head.Severity], bad), cmp.Or(head.Severity, v1alpha1.SeverityCritical)
	}
	if worst := r.Worst(); worst != nil {
		b.Detail, b.Since, b.Commands = worst.Detail, r.at(worst.Since), worst.Commands
	}
	return b
}

// findings are those beside the worst, which the banner has.
func (r reader) findings() section {
	if len(r.Findings) < 2 {
		return section{}
	}
	s := section{ID: "findings", Title: "Also wrong"}
	for _, f := range r.Findings[1:] {
		s.Findings = append(s.Findings, finding{
			Tone: cmp.Or(severities[f.Severity], bad), Word: f.Severity, Name: view.Words(f.Condition), Key: f.Condition, Text: f.Summary, Detail: f.Detail,
			Since: r.at(f.Since), Action: f.Action, Commands: f.Commands,
		})
	}
	return s
}

// glance is what somebody looks for first.
func (r reader) glance() []fact {
	v, holder := r.VirtualRouter, r.names.Holder(r.HarbingerStatus)
	holds := fact{Name: "Holds the address", Text: cmp.Or(holder, "nobody is heard"), Tone: tones(holder != "", bad)}
	switch {
	case v.Held:
		holds.Notes = notes("this host")
	case v.HolderHeard != nil:
		_, address := r.named(v.Holder)
		holds.Notes = notes("heard "+view.Age(r.now, *v.HolderHeard), address)
	}
	decides := fact{Name: "Decides", Text: r.arbiter(), Notes: notes("mode " + v.Mode)}
	if v.Mode != "VRRP" {
		decides.Tone = tones(v.Arbiter == "lease", warn)
	}
	return []fact{
		holds,
		{Name: "This host", Text: v.State, Tone: states[v.State], Notes: notes(r.since(v.Since), yes(v.Held, "has the address", ""))},
		decides, r.healthy(), r.together(),
		{Name: "Connections", Text: view.Number(r.Balancer.Active), Notes: notes(view.Number(r.Balancer.Rate) + " new per second")},
	}
}

func (r reader) arbiter() string {
	return yes(r.VirtualRouter.Arbiter == "lease", "Lease", "VRRP alone")
}

// healthy counts the backends.
func (r reader) healthy() fact {
	n, all := 0, r.Balancer.Backends
	for _, x := range all {
		if x.Healthy {
			n++
		}
	}
	f := fact{Name: "Backends", Text: count(n, len(all)) + " healthy", Tone: tones(n == len(all), warn)}
	if n == 0 {
		f.Tone = bad
	}
	if r.Balancer.LeftOut > 0 {
		f.Notes = notes(view.Number(r.Balancer.LeftOut) + " left out")
	}
	return f
}

// together counts the hosts.
func (r reader) together() fact {
	n := 0
	for _, h := range r.Hosts {
		if h.Ready && h.Failure == "" {
			n++
		}
	}
	f := fact{Name: "Hosts", Text: count(n, len(r.Hosts)) + " ready", Tone: tones(n == len(r.Hosts), warn)}
	if len(r.Hosts) == 0 {
		f.Text, f.Tone = "not asked yet", plain
	}
	return f
}

func count(n, of int) string { return view.Number(n) + " of " + view.Number(of) }
