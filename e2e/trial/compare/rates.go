// SPDX-License-Identifier: Apache-2.0

package compare

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/harbinger-ha/harbinger/e2e/load"
)

// A measure is one job that the client does through each relay.
type measure struct {
	name  string // as -only knows it, after "relay "
	title string
	job   load.Job
	unit  unit
	to    comparison // of the rate, beside that to haproxy
}

// A unit says how what was done is written.
type unit struct {
	rate    string  // of what is done in a second
	divisor float64 // of the rate
	cost    string  // of processor time for one
	factor  float64 // from seconds for one to that
}

var (
	each  = unit{"per second", 1, "us each", 1e6}
	bytes = unit{"GB/s", 1e9, "s per GB", 1e9}
)

// warmUp is how long a job is done before it counts.
const warmUp = 300 * time.Millisecond

var measures = []measure{
	{"connections", "New connections, 64 in parallel (request 200 bytes, answer 1 KiB)", load.Job{Kind: load.Connections, Parallel: 64}, each, toDirect},
	{"one connection", "New connections, one at a time (request 200 bytes, answer 1 KiB)", load.Job{Kind: load.Connections, Parallel: 1}, each, toDirect},
	{"ping-pong", "Requests over 64 kept connections (1 KiB each way)", load.Job{Kind: load.PingPong, Parallel: 64}, each, toDirect},
	{"download 1", "Download over 1 connection", load.Job{Kind: load.Download, Parallel: 1}, bytes, toDirect},
	{"download 8", "Download over 8 connections", load.Job{Kind: load.Download, Parallel: 8}, bytes, toDirect},
	{"download 64", "Download over 64 connections", load.Job{Kind: load.Download, Parallel: 64}, bytes, toDirect},
}

var secureConnections = measure{"tls", "New connections by TLS, 32 in parallel (request 200 bytes, answer 1 KiB; the certificate's chain is not verified)",
	load.Job{Kind: load.Secure, Parallel: 32}, each, toDirect}

// Parts returns the names that [Options.Only] is matched with.
func Parts() (names []string) {
	for _, p := range parts {
		names = append(names, p.name)
	}
	for _, m := range append(slices.Clone(measures), secureConnections) {
		names = append(names, m.part())
	}
	names = append(names, idlePart, oddPart, callsPart)
	for _, e := range events {
		names = append(names, e.part())
	}
	return names
}

func (m measure) part() string { return "relay " + m.name }

// benchRelays measures relays side by side.
func benchRelays(out io.Writer, o Options) error {
	for _, part := range []func(io.Writer, Options) error{benchRates, benchSecure, benchIdle, benchOdd, benchCalls, benchEvents} {
		if err := part(out, o); err != nil {
			return err
		}
	}
	return nil
}

// benchRates measures what does not need a ground of its own.
func benchRates(out io.Writer, o Options) error { return benchMeasures(out, o, false, measures) }

// benchSecure measures with backends that serve TLS.
func benchSecure(out io.Writer, o Options) error {
	return benchMeasures(out, o, true, []measure{secureConnections})
}

// benchMeasures measures on a new ground, where any of the measures is wanted.
func benchMeasures(out io.Writer, o Options, secure bool, all []measure) error {
	wanted := slices.DeleteFunc(slices.Clone(all), func(m measure) bool { return !o.Only.MatchString(m.part()) })
	if len(wanted) == 0 {
		return nil
	}
	relays, err := selectRelays(relaysOf(o), o.Planes)
	if err != nil {
		return err
	}
	g, err := newGround(secure, relays)
	if err != nil {
		return err
	}
	defer g.close()
	return g.write(out, o, wanted)
}

// write measures, and writes a table for each measure.
func (g *ground) write(out io.Writer, o Options, measures []measure) error {
	for _, m := range measures {
		r, err := g.rounds(m, o)
		if err != nil {
			return fmt.Errorf("%s: %w", m.name, err)
		}
		r.write(out, o.Others)
	}
	return nil
}

// repetitions is how many rounds may be dropped, for each that is wanted: those in which others took more of the processors than
// [Options.Others], all relays alike.
const repetitions = 3

// rounds are the results of a measure.
type rounds struct {
	measure
	relays  []*relay
	results [][]load.Result // by relay, of the rounds that count
	dropped int
}

// rounds measures in rounds: each relay once, another one first each time.
func (g *ground) rounds(m measure, o Options) (r rounds, err error) {
	m.job.WarmUp, m.job.Length = warmUp, o.length()
	r = rounds{measure: m, relays: g.relays, results: make([][]load.Result, len(g.relays))}
	for n := 0; n < o.Runs && r.dropped <= repetitions*o.Runs; {
		round, quiet, err := g.round(m.job, n+r.dropped, o.Others)
		if err != nil {
			return r, err
		}
		if !quiet {
			r.dropped++
			continue
		}
		for i, result := range round {
			r.results[i] = append(r.results[i], result)
		}
		n++
	}
	return r, nil
}

// round measures each relay once, beginning with the first-th. It ends early, and is not quiet, where others had more of the processors.
func (g *ground) round(job load.Job, first int, others float64) (results []load.Result, quiet bool, err error) {
	results = make([]load.Result, len(g.relays))
	for i := range g.relays {
		at := (first + i) % len(g.relays)
		if results[at], err = g.run(g.relays[at], job); err != nil {
			return nil, false, fmt.Errorf("%s: %w", g.relays[at].name, err)
		}
		if results[at].Others > others {
			return nil, false, nil
		}
	}
	return results, true, nil
}

// A column is a number of each result.
type column struct {
	title    string
	of       func(load.Result) float64
	more     bool // is better; else less is
	compared []comparison
}

// A comparison is another column: the ratio to a relay that serves as the measure of the others.
type comparison struct {
	title string
	to    func(r, other *relay) bool // whether other is one that r is compared with: the best of them counts
}

var (
	toHAProxy = comparison{"× haproxy", func(r, other *relay) bool { return strings.HasPrefix(other.name, "haproxy") && other.idle == r.idle }}
	toDirect  = comparison{"× direct", func(_, other *relay) bool { return other.name == "direct" }}
	toItself  = comparison{"× without idle", func(r, other *relay) bool { return r.beside == other }}
)

// columns are those of a measure.
func (m measure) columns() []column {
	haproxy := []comparison{toHAProxy}
	milliseconds := func(of func(load.Latencies) time.Duration) func(load.Result) float64 {
		return func(r load.Result) float64 { return float64(of(r.Latencies)) / 1e6 }
	}
	cost := func(groups ...string) func(load.Result) float64 {
		return func(r load.Result) float64 { return r.Cost(groups...) * m.unit.factor }
	}
	all := []column{{m.unit.rate, func(r load.Result) float64 { return r.Rate() / m.unit.divisor }, true, append(haproxy, m.to)}}
	if m.job.Kind != load.Download {
		all = append(all,
			column{"p50 ms", milliseconds(func(l load.Latencies) time.Duration { return l.Median }), false, haproxy},
			column{"p99 ms", milliseconds(func(l load.Latencies) time.Duration { return l.P99 }), false, haproxy},
			column{"p999 ms", milliseconds(func(l load.Latencies) time.Duration { return l.P999 }), false, nil})
	}
	return append(all, column{"plane's CPU, " + m.unit.cost, cost(relayGroup), false, haproxy},
		column{"CPU of client, plane and backends", cost(relayGroup, backendsGroup, load.ClientGroup), false, haproxy},
		column{"failed", func(r load.Result) float64 { return float64(r.Failed) }, false, nil},
		column{"CPU of others, %", func(r load.Result) float64 { return 100 * r.Others }, false, nil})
}

// write writes the table of a measure.
func (r rounds) write(out io.Writer, others float64) {
	columns := r.columns()
	titles := []string{"plane"}
	for _, c := range columns {
		titles = append(titles, c.title)
		for _, compared := range c.compared {
			titles = append(titles, compared.title)
		}
	}
	title := fmt.Sprintf("%s: median of %d (min to max)", r.title, len(r.results[0]))
	if len(r.results[0]) == 0 {
		fmt.Fprintf(out, "\n## %s\n\nNothing: in each of %d rounds others had more than %.0f %% of the processors. A larger -others lets a round count.\n", r.title, r.dropped, 100*others)
		return
	}
	table := pair{out: out}.table(title, titles...)
	for i := range r.relays {
		cells := []string{r.relays[i].name}
		for _, c := range columns {
			n := c.numbers(r.results[i])
			cells = append(cells, n.String())
			for _, compared := range c.compared {
				cells = append(cells, n.ratio(r.best(c, func(other *relay) bool { return compared.to(r.relays[i], other) })))
			}
		}
		table.Cells(cells...)
	}
	fmt.Fprintf(out, "\n%d rounds were dropped: others had more than %.0f %% of the processors.\n", r.dropped, 100*others)
	for i := range r.relays {
		for _, result := range r.results[i] {
			if result.Error != "" {
				fmt.Fprintf(out, "%s: %d failed, the last one: %s.\n", r.relays[i].name, result.Failed, result.Error)
			}
		}
	}
}

// numbers returns the column of some results.
func (c column) numbers(results []load.Result) (n numbers) {
	for _, r := range results {
		n = append(n, c.of(r))
	}
	return n
}

// best returns a column of the relay that is best in it, of some: haproxy in its better configuration.
func (r rounds) best(c column, among func(*relay) bool) (best numbers) {
	for i := range r.relays {
		if !among(r.relays[i]) {
			continue
		}
		if n := c.numbers(r.results[i]); best == nil || (n.median() > best.median()) == c.more {
			best = n
		}
	}
	return best
}
