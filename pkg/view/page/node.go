// SPDX-License-Identifier: Apache-2.0

package page

import (
	"cmp"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/harbinger-ha/harbinger/pkg/view"
)

// election is the virtual router on this node.
func (r reader) election() section {
	v := r.VirtualRouter
	s := section{ID: "election", Title: "Election on this host", Facts: []fact{
		{Name: "State", Text: v.State, Tone: states[v.State], Notes: notes(r.since(v.Since), v.CurrentReason)},
		{Name: "Last decision", Text: cmp.Or(v.Reason, "none yet")},
		{Name: "Virtual address", Text: yes(v.Held, "in the kernel of this host", "not at this host"), Notes: notes("interface "+r.Interface, yes(r.StartedOn != "", "started on "+r.StartedOn, ""))},
		{Name: "Priority", Text: strconv.Itoa(int(v.Priority)), Notes: notes("configured "+strconv.Itoa(int(v.Configured)), yes(v.Distress, "in distress: no backend is healthy", ""))},
		{Name: "VRRP", Text: "version " + strconv.Itoa(int(v.Version)) + ", router " + strconv.Itoa(int(v.VRID)), Notes: notes("every " + view.DurationOf(v.Interval))},
	}}
	if v.Distress {
		s.Facts[3].Tone = bad
	}
	if f := v.Fence; f != nil {
		s.Facts = append(s.Facts, fact{
			Name: "Fence", Text: cmp.Or(strings.Join(append([]string{f.State}, f.Interfaces...), " "), "–"), Tone: tones(f.Reason == "", warn),
			Notes: notes(f.Reason, "closes "+view.DurationOf(f.Timeout)+" after its last renewal", "table netdev "+f.Table, yes(f.PutBack > 0, "put back "+view.Count(f.PutBack, "time", "times"), "")),
		})
	}
	if v.HolderHeard != nil {
		s.Facts = append(s.Facts, fact{Name: "Other holder", Text: r.host(v.Holder), Notes: notes("heard "+view.Age(r.now, *v.HolderHeard), "priority "+strconv.Itoa(int(v.HolderPriority)))})
	}
	for _, action := range slices.Sorted(maps.Keys(v.Failing)) {
		s.Facts = append(s.Facts, fact{Name: "Fails: " + action, Text: v.Failing[action], Tone: bad})
	}
	return s
}

// wire is what is wrong between the hosts.
func (r reader) wire() section {
	v := r.VirtualRouter
	s := section{ID: "wire", Title: "Between the hosts"}
	if v.SplitSuspected {
		s.Facts = append(s.Facts, fact{Name: "Split", Text: "the holder serves or renews its Lease, but is not heard here", Tone: bad})
	}
	if v.Conflict != "" {
		f := fact{Name: "Conflict", Text: v.Conflict, Tone: bad, Notes: notes("hardware address not known")}
		if w := v.ConflictWith; w != nil && w.HardwareAddress != "" {
			f.Notes = notes("hardware address "+w.HardwareAddress, yes(w.Address != "", "of "+r.host(w.Address), "of no host of this cluster"))
		}
		s.Facts = append(s.Facts, f)
	}
	for _, f := range v.Filtered {
		peer := yes(f.Peer != "", r.host(f.Peer), "every host")
		s.Facts = append(s.Facts, fact{Name: "Filtered: " + protocol(f.Protocol) + ", " + peer, Text: f.Message, Tone: bad, Notes: notes("direction " + f.Direction), Commands: f.Remedy})
	}
	if v.Isolated {
		s.Facts = append(s.Facts, fact{Name: "Isolated", Text: "this host reaches fewer peers than a majority", Tone: bad})
	}
	if v.Unreachable {
		s.Facts = append(s.Facts, fact{Name: "Unreachable", Text: "most peers cannot reach the virtual address at this host", Tone: bad})
	}
	if v.Forged != nil {
		s.Facts = append(s.Facts, fact{Name: "Forged", Text: "the Lease does not confirm what " + r.host(v.Forged.Source) + " advertises", Tone: bad,
			Notes: notes("hardware address "+cmp.Or(v.Forged.HardwareAddress, "not known"), "last "+view.Age(r.now, v.Forged.Last))})
	}
	if v.CouldNotAsk != "" {
		s.Facts = append(s.Facts, fact{Name: "Could not ask", Text: v.CouldNotAsk, Tone: warn})
	}
	if len(v.Dropped) > 0 {
		s.Tables = []table{r.dropped()}
	}
	if len(s.Facts)+len(s.Tables) == 0 {
		return section{}
	}
	return s
}

func protocol(name string) string { return yes(name == "112", "protocol 112 (VRRP)", name) }

// dropped are the packets of protocol 112 that were refused.
func (r reader) dropped() table {
	t := table{ID: "dropped", Caption: "Refused packets of protocol 112 since the start", Columns: columns("Reason", "Count#", "Last", "From")}
	for _, reason := range slices.Sorted(maps.Keys(r.VirtualRouter.Dropped)) {
		d := r.VirtualRouter.Dropped[reason]
		t.add(reason, cell{Text: reason}, cell{Text: view.Number(d.Count)}, cell{At: r.at(d.Last)}, cell{Text: cmp.Or(r.host(d.From), "not known: the kernel dropped it")})
	}
	return t
}

// soon is how long before the end of a certificate that is said.
const soon = 30 * 24 * time.Hour

// lease is the Lease and the access to the API.
func (r reader) lease() section {
	s := section{ID: "api", Title: "Lease and API"}
	if l := r.Lease; l != nil {
		who := fact{Name: "Lease", Text: "held by " + cmp.Or(l.Node, l.Holder, "nobody"), Notes: notes(l.Name, "epoch "+strconv.Itoa(l.Epoch), l.Holder)}
		answered := fact{Name: "Last answer for it", Text: "none yet", Tone: tones(l.Failure == "", warn), At: r.maybe(l.Answered), Notes: notes(l.Failure)}
		s.Facts = append(s.Facts, who, answered)
	}
	if r.API == nil {
		if len(s.Facts) == 0 {
			return section{}
		}
		return s
	}
	s.Facts = append(s.Facts, fact{Name: "Credentials", Text: cmp.Or(r.API.Credentials, "in use"), Tone: tones(r.API.Credentials == "", warn)})
	if e := r.API.Expires; e != nil {
		f := fact{Name: "Certificate expires", At: r.at(*e), Tone: good, Notes: notes(e.UTC().Format(time.DateOnly))}
		switch left := e.Sub(r.now); {
		case left <= 0:
			f.Name, f.Tone = "Certificate expired", bad
		case left < soon:
			f.Tone = warn
		}
		s.Facts = append(s.Facts, f)
	}
	t := table{ID: "apiservers", Caption: "API servers, in the order in which they are asked", Columns: columns("API server", "Answered", "Failure since"), Empty: "None is known."}
	for _, a := range r.API.APIServers {
		answered := cell{Text: "never", At: r.maybe(a.Answered), Tone: tones(a.Failure == "", warn)}
		t.add(a.Address, r.endpoint(a.Address), answered, cell{Text: cmp.Or(a.Failure, "–")})
	}
	s.Tables = []table{t}
	return s
}

// signing is how advertisements are signed.
func (r reader) signing() section {
	v := r.VirtualRouter.Signing
	if v == nil {
		return section{}
	}
	var keys []string
	for _, k := range v.Keys {
		keys = append(keys, strconv.Itoa(k))
	}
	t := table{ID: "signing-peers", Caption: "What was accepted from each peer", Empty: "Nothing yet.",
		Columns: columns("Peer", "Signed", "Key#", "Clock ahead by", "Unsigned#")}
	for _, p := range v.Peers {
		ahead := cell{Text: cmp.Or(view.DurationOf(p.Skew), "–")}
		if p.Skewed {
			ahead.Tone = warn
		}
		unsigned := cell{Text: view.Number(p.Unsigned)}
		if p.Unsigned > 0 {
			unsigned.Tone = warn
		}
		key := cell{Text: "–"}
		if p.Key > 0 {
			key.Text = strconv.Itoa(p.Key)
		}
		t.add(p.Address, r.peer(p.Address), cell{Text: "never", At: r.maybe(p.Signed)}, key, ahead, unsigned)
	}
	return section{ID: "signing", Title: "Signed advertisements", Facts: []fact{
		{Name: "Mode", Text: v.Mode, Notes: notes("against replay: "+v.AntiReplay, yes(v.TimeWindow != "", "window "+view.DurationOf(v.TimeWindow), ""))},
		{Name: "Key in use", Text: strconv.Itoa(v.ActiveKey), Notes: notes("accepts " + strings.Join(keys, ", "))},
		{Name: "Clock", Text: yes(v.ClockUnsynchronised, "nothing keeps it right", "kept right"), Tone: tones(!v.ClockUnsynchronised, warn)},
		{Name: "Every peer signs", Text: yes(v.EveryPeerSigned, "yes", "not seen yet"), Tone: tones(v.EveryPeerSigned, plain)},
	}, Tables: []table{t}}
}
