// SPDX-License-Identifier: Apache-2.0

package page

import (
	"cmp"
	"slices"
	"strconv"

	"github.com/harbinger-ha/harbinger/pkg/view"
)

// states are the tones of the states of an election.
var states = map[string]tone{
	"Initialize": warn, "Backup": good, "Claiming": warn, "Active": good, "Conflict": bad, "Leaving": warn, "Seizing": warn, "Stalled": bad,
}

// hosts is each host of the cluster in one row.
func (r reader) hosts() section {
	t := table{ID: "hosts-all", Caption: "What each host says of itself", Empty: "No other host is known yet.",
		Columns: columns("Host", "State", "Has the address", "Ready", "Worst finding", "Priority#", "Answered", "Version")}
	for _, h := range r.Hosts {
		held := cell{Text: yes(h.Held, "yes", "no")}
		if h.Held {
			held.Tone = good
		}
		state := cell{Text: cmp.Or(h.State, "not known"), Tone: states[h.State]}
		if h.Since != nil {
			state.Notes = notes(r.since(*h.Since))
		}
		if h.Epoch > 0 {
			state.Notes = append(state.Notes, "epoch "+strconv.FormatUint(h.Epoch, 10))
		}
		answered := cell{Text: "never", Tone: bad, At: r.maybe(h.Answered), Notes: notes(h.Failure)}
		if h.Answered != nil {
			answered.Tone = tones(h.Failure == "", bad)
		}
		if h.Self {
			answered = cell{Text: "this page", Notes: notes(h.Failure)}
		}
		t.add(cmp.Or(h.Identity, h.Address),
			cell{Text: cmp.Or(h.Node, h.Address), Notes: notes(yes(h.Node != "", h.Address, ""), yes(h.Self, "this host", ""))},
			state, held, cell{Text: yes(h.Ready, "yes", "no"), Tone: tones(h.Ready, bad)},
			cell{Text: cmp.Or(view.Words(h.Finding), "none"), Tone: severities[h.Severity], Notes: notes(h.Severity)},
			cell{Text: strconv.Itoa(int(h.Priority))}, answered, cell{Text: cmp.Or(h.Version, "not known")})
	}
	return section{ID: "hosts", Title: "Hosts", Tables: []table{t}}
}

// peers is whom this node reaches, and who reaches the virtual addresses at it.
func (r reader) peers() section {
	v := r.VirtualRouter
	s := section{ID: "reach", Title: "Who reaches whom"}
	if w := v.Witness; w != nil {
		f := fact{Name: "The addresses at " + r.host(w.Holder), Text: "answer this host", Tone: good, Notes: notes("tried " + view.Age(r.now, w.Checked))}
		if w.Failures > 0 {
			f.Text, f.Tone = "failed "+view.Count(w.Failures, "time", "times")+" in a row", warn
		}
		s.Facts = append(s.Facts, f)
	}
	if v.Reach != nil {
		gateway := fact{Name: "Gateway", Text: view.Words(v.Reach.Gateway.Finding), Notes: notes(v.Reach.Gateway.Address, "asked "+view.Age(r.now, v.Reach.Asked))}
		gateway.Tone = map[string]tone{"Answers": good, "Nobody": bad}[v.Reach.Gateway.Finding]
		s.Facts = append(s.Facts, gateway)
		t := table{ID: "reach-peers", Caption: "Peers, asked " + view.Age(r.now, v.Reach.Asked), Empty: "There is no peer.",
			Columns: columns("Peer", "Answers this host", "Reaches the address here")}
		for _, p := range v.Reach.Peers {
			witness := cell{Text: cmp.Or(view.Words(p.Witness), "has not tried lately")}
			witness.Tone = map[string]tone{"Reached": good, "Unreachable": bad}[p.Witness]
			t.add(p.Address, r.peer(p.Address), cell{Text: yes(p.Reached, "yes", "no"), Tone: tones(p.Reached, bad)}, witness)
		}
		s.Tables = []table{t}
	}
	if len(s.Facts) == 0 {
		return section{}
	}
	return s
}

// moves are the last changes of state, newest first.
func (r reader) moves() section {
	t := table{ID: "moves-all", Caption: "The last changes of state of this host, newest first", Empty: "There was none since the start.",
		Columns: columns("When", "From", "To", "Why", "Silence before", "Nobody served")}
	for _, m := range slices.Backward(r.Moves) {
		t.add(m.Time.Format(timestamp)+m.To, cell{At: r.at(m.Time)}, cell{Text: m.From}, cell{Text: m.To, Tone: states[m.To]}, cell{Text: m.Reason, Notes: notes(m.Cause, m.Evidence)},
			cell{Text: cmp.Or(view.DurationOf(m.Silence), "–")}, unservedCell(m.Unserved))
	}
	return section{ID: "moves", Title: "Moves of this host", Tables: []table{t}}
}

// conditions are all of them, also those that are as they should be.
func (r reader) conditions() section {
	t := table{ID: "conditions-all", Caption: "As Kubernetes has them", Columns: columns("Condition", "Status", "Reason", "Message", "Since"), Empty: "There is none."}
	found := map[string]tone{}
	for _, f := range r.Findings {
		found[f.Condition] = cmp.Or(severities[f.Severity], bad)
	}
	for _, c := range r.Conditions {
		t.add(c.Type, cell{Text: view.Words(c.Type)}, cell{Text: string(c.Status), Tone: found[c.Type]}, cell{Text: view.Words(c.Reason)},
			cell{Text: cmp.Or(c.Message, "–")}, cell{At: r.at(c.LastTransitionTime.Time)})
	}
	return section{ID: "conditions", Title: "Conditions", Folded: "All " + view.Count(len(t.Rows), "condition", "conditions"), Tables: []table{t}}
}
