// SPDX-License-Identifier: Apache-2.0

package compare

import (
	"cmp"
	"fmt"
	"io"
	"regexp"
	"slices"
	"time"

	"github.com/harbinger-ha/harbinger/e2e/fault"
	"github.com/harbinger-ha/harbinger/e2e/trial"
	"github.com/harbinger-ha/harbinger/pkg/apis/config/v1alpha1"
)

// A part is what the bench measures on its own.
type part struct {
	name    string
	measure func(out io.Writer, ours trial.System, runs int) error
	long    bool // the short form of the bench leaves it out
}

// parts are those of the bench that measure on control planes.
var parts = []part{
	{name: "outages every 200ms", measure: outagesAt(v1alpha1.DefaultAdvertisementInterval)},
	{name: "outages every 1s", measure: outagesAt(time.Second), long: true},
	{name: "balancer", measure: balancers, long: true}, // the short form has the events
	{name: "cost", measure: costs},
}

// Options say what a bench measures.
type Options struct {
	Binary  string         // of Harbinger
	Against string         // a second binary of Harbinger, whose balancer is measured beside it; none where empty
	Runs    int            // how often each thing is measured
	Only    *regexp.Regexp // of the names of the parts
	Planes  []string       // of the relays that are measured side by side; all where empty
	Others  float64        // a round of relays is dropped where others than client, relay and backends had more of the processors; from 0 to 1
	// Length is for how long each rate is measured: where it is 0, three seconds, and half as long in the short form.
	Length time.Duration
}

// short reports whether this is the short form of the bench, in which everything is measured once, and some things for less time.
func (o Options) short() bool { return o.Runs == 1 }

// length returns for how long each rate is measured.
func (o Options) length() time.Duration {
	const long = 3 * time.Second
	if o.short() {
		return cmp.Or(o.Length, long/2)
	}
	return cmp.Or(o.Length, long)
}

// Bench measures Harbinger, and other programs in turn, and writes tables in Markdown.
func Bench(out io.Writer, o Options) error {
	for _, p := range parts {
		if !o.Only.MatchString(p.name) || p.long && o.short() {
			continue
		}
		if err := p.measure(out, trial.Harbinger{Binary: o.Binary}, o.Runs); err != nil {
			return fmt.Errorf("%s: %w", p.name, err)
		}
	}
	return benchRelays(out, o)
}

// outagesAt measures at an interval between advertisements.
func outagesAt(interval time.Duration) func(io.Writer, trial.System, int) error {
	return func(out io.Writer, ours trial.System, runs int) error {
		return onPair(out, ours, interval, func(p pair) error { return p.outages(runs) })
	}
}

// balancers measures what becomes of connections.
func balancers(out io.Writer, ours trial.System, runs int) error {
	return onPair(out, ours, v1alpha1.DefaultAdvertisementInterval, func(p pair) error {
		return p.backendDeaths(runs)
	})
}

// A pair is two control planes that suffer the same faults in turn.
type pair struct {
	out    io.Writer
	planes []*trial.Plane // ours and theirs, in the order of the columns
}

// onPair calls f with a new pair.
func onPair(out io.Writer, ours trial.System, interval time.Duration, f func(pair) error) error {
	p := pair{out: out}
	defer func() {
		for _, plane := range p.planes {
			plane.Close()
		}
	}()
	for _, system := range []trial.System{ours, trial.Keepalived{}} {
		plane, err := startPlane(system, interval)
		if err != nil {
			return err
		}
		p.planes = append(p.planes, plane)
	}
	return f(p)
}

// table writes a title and the head of a table.
func (p pair) table(title string, columns ...string) fault.Report {
	fmt.Fprintf(p.out, "\n## %s\n\n", title)
	r := fault.Report{Out: p.out, Markdown: true}
	for _, column := range columns {
		r.Columns = append(r.Columns, fault.Column{Title: column})
	}
	r.Titles()
	return r
}

// outages measures for how long a client is not answered after each fault of the holder.
func (p pair) outages(runs int) error {
	table := p.table(fmt.Sprintf("Outage of a client in seconds, advertisements every %v: median of %d (min to max)", p.planes[0].Interval, runs),
		"fault", "Harbinger", "keepalived", "ratio", "Harbinger at repair", "keepalived at repair", "left behind", "keepalived left behind")
	for _, f := range fault.OfTheHolder()[:4] {
		rows := []fault.Row{p.planes[0].Row(f), p.planes[1].Row(f)}
		for range runs {
			for i, plane := range p.planes {
				if err := plane.Run(&rows[i]); err != nil {
					return err
				}
			}
		}
		outages, repairs, left := make([]numbers, 2), make([]numbers, 2), make([]string, 2)
		for i, row := range rows {
			for _, s := range row.Samples {
				outages[i], repairs[i] = append(outages[i], s.Outage.Length().Seconds()), append(repairs[i], s.Undoing.Length().Seconds())
			}
			left[i] = fmt.Sprintf("%d of %d", row.Left(), len(row.Samples))
		}
		table.Cells(f.Name, outages[0].String(), outages[1].String(), outages[0].ratio(outages[1]),
			repairs[0].String(), repairs[1].String(), left[0], left[1])
	}
	return nil
}

// How backendDeaths measures.
const (
	connectionRate = 500
	deathTime      = 5 * time.Second
)

// backendDeaths measures how many new connections the loss of a backend costs.
func (p pair) backendDeaths(runs int) error {
	table := p.table(fmt.Sprintf("One of three backends dies at %d connections a second: failed share in the %v after, in per cent", connectionRate, deathTime),
		"death", "Harbinger", "haproxy, observe layer4")
	for _, f := range fault.OfABackend() {
		shares := make([]numbers, 2)
		for range runs {
			for i, plane := range p.planes {
				available, _, err := plane.LoseBackend(connectionRate, deathTime, f)
				if err != nil {
					return err
				}
				shares[i] = append(shares[i], 100*float64(available.Failed())/float64(available.Requests))
			}
		}
		table.Cells(f.Name, shares[0].String(), shares[1].String())
	}
	return nil
}

// numbers are the results of several runs.
type numbers []float64

func (n numbers) median() float64 {
	sorted := slices.Sorted(slices.Values(n))
	if len(sorted) == 0 {
		return 0
	}
	return sorted[len(sorted)/2]
}

// String returns the median, and of several numbers the range.
func (n numbers) String() string {
	switch len(n) {
	case 0:
		return "–"
	case 1:
		return digits(n[0])
	}
	return fmt.Sprintf("%s (%s to %s)", digits(n.median()), digits(slices.Min(n)), digits(slices.Max(n)))
}

// digits writes four of a number, and all of one that is larger.
func digits(x float64) string {
	if x >= 1e4 {
		return fmt.Sprintf("%.0f", x)
	}
	return fmt.Sprintf("%.4g", x)
}

// ratio returns how the median compares with another.
func (n numbers) ratio(other numbers) string {
	if len(n) == 0 || other.median() == 0 {
		return "–"
	}
	return fmt.Sprintf("%.2f", n.median()/other.median())
}
