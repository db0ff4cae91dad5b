// SPDX-License-Identifier: Apache-2.0

package page

import (
	"cmp"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/harbinger-ha/harbinger/pkg/apis/status/v1alpha1"
	"github.com/harbinger-ha/harbinger/pkg/view"
)

// health are the tones of the states of a backend.
var health = map[string]tone{"Unknown": warn, "Healthy": good, "Suspect": warn, "NotReady": bad, "Down": bad}

// balancer has the figures of the balancer and its backends.
func (r reader) balancer() section {
	b := r.Balancer
	process := fact{Name: "Process", Text: "down", Tone: bad, Notes: notes(view.Count(b.Restarts, "restart", "restarts"))}
	if b.Up {
		process.Text, process.Tone, process.Notes = "runs", good, notes("pid "+strconv.Itoa(b.PID), view.Count(b.Restarts, "restart", "restarts"))
	}
	if b.Degraded {
		process.Text, process.Tone = "runs without a healthy backend", bad
	}
	if b.Keeps != "" {
		process.Tone, process.Notes = warn, append(process.Notes, "keeps "+b.Keeps)
	}
	refused := fact{Name: "Refused", Text: view.Number(b.Refused), Notes: reasons(b.RefusedByReason)}
	if b.Refused > 0 {
		refused.Tone = warn
	}
	listens := fact{Name: "Listens on", Text: cmp.Or(strings.Join(b.Frontends, ", "), "nothing")}
	if b.Steering != "none" && b.Steering != "" {
		listens.Notes = notes("steering by "+b.Steering, yes(b.Steered, "steers now", "does not steer now"))
	}
	passes := fact{Name: "Passed on by", Text: b.Mode}
	return section{ID: "balancer", Title: "Balancer", Facts: []fact{
		{Name: "Connections", Text: view.Number(b.Active), Notes: notes("peak "+view.Number(b.Peak), limit(b))},
		{Name: "Accepted", Text: view.Number(b.Accepted), Notes: notes(view.Number(b.Rate)+" per second", "peak "+view.Number(b.PeakRate)+" per second")},
		refused,
		{Name: "From clients", Text: view.Bytes(b.Received)},
		{Name: "To clients", Text: view.Bytes(b.Sent)},
		process, listens, passes,
	}, Tables: []table{r.backends()}}
}

// limit says how many connections there may be.
func limit(b v1alpha1.Balancer) string {
	switch {
	case b.Limit == 0:
		return ""
	case b.Lowered != "":
		return "at most " + view.Number(b.Limit) + ": " + b.Lowered
	}
	return "at most " + view.Number(b.Limit)
}

func reasons(counts map[string]uint64) (all []string) {
	for _, reason := range slices.Sorted(maps.Keys(counts)) {
		if counts[reason] > 0 {
			all = append(all, view.Words(reason)+": "+view.Number(counts[reason]))
		}
	}
	return all
}

func (r reader) backends() table {
	t := table{ID: "backends", Caption: "Backends, as the balancer of this host sees them", Empty: "There is no backend.",
		Columns: columns("Backend", "State", "Last check", "Downs#", "Connections#", "Opened#", "Failed#", "Sent#", "Received#")}
	for _, x := range r.Balancer.Backends {
		checked := cell{Text: "none yet", At: r.maybe(x.Checked)}
		if x.CheckTook != "" {
			checked.Notes = notes("took " + view.DurationOf(x.CheckTook))
		}
		if x.CheckFailure != "" {
			checked.Tone, checked.Notes = warn, append(checked.Notes, "failed: "+x.CheckFailure)
		}
		downs := cell{Text: view.Number(x.Downs)}
		if x.Downtime != "" {
			downs.Notes = notes(view.DurationOf(x.Downtime) + " in all")
		}
		failed := cell{Text: view.Number(x.Failures)}
		if x.Failures > 0 {
			failed.Tone = warn
		}
		t.add(x.Address, r.endpoint(x.Address, marks(x)...),
			cell{Text: x.State, Tone: health[x.State], Notes: notes(x.Admin, r.since(x.Since), x.Reason)},
			checked, downs, cell{Text: view.Number(x.Connections), Notes: notes("peak " + view.Number(x.Peak))},
			cell{Text: view.Number(x.Total)}, failed, cell{Text: view.Bytes(x.Sent)}, cell{Text: view.Bytes(x.Received)})
	}
	return t
}

// marks are what is to know of a backend beside its state.
func marks(x v1alpha1.Backend) []string {
	return notes(yes(x.Backup, "backup", ""), yes(x.Proved, "certificate proved", ""),
		yes(x.Accepts, "accepts connections", ""))
}
