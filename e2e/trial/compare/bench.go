// SPDX-License-Identifier: Apache-2.0

package compare

import (
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
}

// parts are those of the bench.
var parts = []part{
	{"outages every 200ms", outagesAt(v1alpha1.DefaultAdvertisementInterval)},
	{"outages every 1s", outagesAt(time.Second)},
	{"balancer", balancers},
	{"cost", func(out io.Writer, ours trial.System, _ int) error { return costs(out, ours) }},
}

// Bench builds Harbinger at a path, measures it and keepalived with haproxy in turn, so many times each, and writes tables
// in Markdown, of the parts whose names match.
func Bench(out io.Writer, binary string, runs int, names *regexp.Regexp) error {
	ours, err := trial.Build(binary)
	if err != nil {
		return err
	}
	for _, p := range parts {
		if !names.MatchString(p.name) {
			continue
		}
		if err := p.measure(out, ours, runs); err != nil {
			return fmt.Errorf("%s: %w", p.name, err)
		}
	}
	return nil
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
		err := p.backendDeaths(runs)
		p.rates(runs)
		return err
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

// rates measures how many connections a second pass.
func (p pair) rates(runs int) {
	table := p.table("New connections per second with one request each, 64 in parallel; client, balancer and backends share this machine",
		"Harbinger", "haproxy", "ratio")
	rates := make([]numbers, 2)
	for range runs {
		for i, plane := range p.planes {
			rates[i] = append(rates[i], plane.Rate(3*time.Second))
		}
	}
	table.Cells(rates[0].String(), rates[1].String(), rates[0].ratio(rates[1]))
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

// String returns the median and the range.
func (n numbers) String() string {
	if len(n) == 0 {
		return "–"
	}
	return fmt.Sprintf("%.4g (%.4g to %.4g)", n.median(), slices.Min(n), slices.Max(n))
}

// ratio returns how the median compares with another.
func (n numbers) ratio(other numbers) string {
	if other.median() == 0 {
		return "–"
	}
	return fmt.Sprintf("%.2f", n.median()/other.median())
}
