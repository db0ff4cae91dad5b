// SPDX-License-Identifier: Apache-2.0

package compare

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/harbinger-ha/harbinger/e2e/lab"
	"github.com/harbinger-ha/harbinger/e2e/load"
)

// callsPart is what the part is called that counts system calls.
const callsPart = "relay calls"

// counted are the jobs whose system calls are counted. Each ends by its limit.
var counted = []struct {
	title string
	job   load.Job
}{
	{"System calls for a new connection, one at a time", load.Job{Kind: load.Connections, Parallel: 1, Limit: 2000}},
	{"System calls for a new connection, 64 in parallel", load.Job{Kind: load.Connections, Parallel: 64, Limit: 5000}},
	{"System calls for a request over 64 kept connections, those that open the connections included", load.Job{Kind: load.PingPong, Parallel: 64, Limit: 20000}},
}

// traceTime is within what a job must end whose relay is traced, which makes it slow.
const traceTime = 30 * time.Second

// benchCalls counts what relays ask of the kernel.
func benchCalls(out io.Writer, o Options) error {
	if !o.Only.MatchString(callsPart) {
		return nil
	}
	relays, err := between(o)
	if err != nil {
		return err
	}
	g, err := newGround(false, relays)
	if err != nil {
		return err
	}
	defer g.close()
	for _, c := range counted {
		counts := make([]map[string]calls, len(relays))
		for i, r := range relays {
			if counts[i], err = g.trace(r, c.job); err != nil {
				return fmt.Errorf("%s: %w", r.name, err)
			}
		}
		writeCalls(out, fmt.Sprintf("%s (%d counted)", c.title, c.job.Limit), relays, counts, float64(c.job.Limit))
	}
	return nil
}

// calls are how often one system call was made, and how often it failed: mostly because there was nothing to do.
type calls struct{ all, failed int }

// trace lets the client do a job through a relay, and counts the system calls of the relay by their names.
func (g *ground) trace(r *relay, job load.Job) (map[string]calls, error) {
	path, err := lab.FindProgram("strace")
	if err != nil {
		return nil, err
	}
	args := []string{"-c", "-f"}
	for _, pid := range r.pids {
		args = append(args, "-p", strconv.Itoa(pid))
	}
	tracer, err := r.host.Start(lab.Command{Path: path, Args: args})
	if err != nil {
		return nil, err
	}
	defer func() { _ = tracer.Kill() }() // it may have ended
	if err := lab.Until(startTime, "strace is attached", func() bool { return tracer.Wrote("attached") }); err != nil {
		return nil, err
	}
	job.Length = traceTime
	result, err := g.run(r, job)
	if err != nil {
		return nil, err
	}
	err = errors.Join(tracer.Signal(os.Interrupt), lab.Until(startTime, "strace ends", func() bool { return tracer.Wrote(" total") }))
	if err != nil || result.Done != job.Limit {
		return nil, errors.Join(err, fmt.Errorf("%d of %d done (%s): %s", result.Done, job.Limit, result.Error, tracer.Output()))
	}
	return parseCalls(tracer.Output())
}

// parseCalls reads the table of strace -c: share of time, seconds, microseconds each, calls, errors where there were any, name.
func parseCalls(output string) (map[string]calls, error) {
	counts := map[string]calls{}
	for line := range strings.Lines(output) {
		fields := strings.Fields(line)
		if len(fields) < 5 || !strings.Contains(fields[0], ".") {
			continue
		}
		name := fields[len(fields)-1]
		all, err := strconv.Atoi(fields[3])
		failed := 0
		if err == nil && len(fields) == 6 {
			failed, err = strconv.Atoi(fields[4])
		}
		if err != nil {
			return nil, fmt.Errorf("strace: %q: %w", line, err)
		}
		counts[name] = calls{all, failed}
	}
	if _, ok := counts["total"]; !ok {
		return nil, fmt.Errorf("strace printed no table: %s", output)
	}
	return counts, nil
}

// leastCalls of a call for one connection leave it out of the table.
const leastCalls = 0.005

// writeCalls writes a table with a row for each call and a column for each relay.
func writeCalls(out io.Writer, title string, relays []*relay, counts []map[string]calls, connections float64) {
	most := map[string]int{}
	titles := []string{"call"}
	for i, r := range relays {
		titles = append(titles, r.name)
		for name, c := range counts[i] {
			most[name] = max(most[name], c.all)
		}
	}
	table := pair{out: out}.table(title, titles...)
	names := slices.SortedFunc(maps.Keys(most), func(a, b string) int {
		return cmp.Or(cmp.Compare(most[b], most[a]), strings.Compare(a, b))
	})
	for _, name := range names {
		if float64(most[name])/connections < leastCalls {
			continue
		}
		cells := []string{name}
		for _, of := range counts {
			cells = append(cells, of[name].each(connections))
		}
		table.Cells(cells...)
	}
}

// each returns how often a call was made for each connection.
func (c calls) each(connections float64) string {
	text := fmt.Sprintf("%.2f", float64(c.all)/connections)
	if failed := float64(c.failed) / connections; failed >= leastCalls {
		text += fmt.Sprintf(" (%.2f failed)", failed)
	}
	return text
}
