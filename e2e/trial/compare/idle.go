// SPDX-License-Identifier: Apache-2.0

package compare

import (
	"cmp"
	"fmt"
	"io"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/harbinger-ha/harbinger/e2e/lab"
	"github.com/harbinger-ha/harbinger/e2e/load"
)

// idlePart is what the part is called that measures idle connections.
const idlePart = "relay idle"

// What the part holds open.
const (
	slowReaders = 300
	slowTime    = 5 * time.Second // after which buffers are as full as they get
	calmTime    = time.Second     // after the last connection was opened
)

// idleSteps are the numbers of idle connections at which memory is measured. While the last of them are open, rates are measured.
var idleSteps = []int{1000, 5000, 9000}

// A footprint is what the processes of a relay have.
type footprint struct {
	resident    int64 // bytes of their own
	kernel      int64 // bytes of the kernel for them
	descriptors int
	threads     int
}

// footprint measures it.
func (r *relay) footprint() (f footprint, err error) {
	for _, pid := range r.pids {
		u, err := lab.UsageOf(pid)
		if err != nil {
			return f, err
		}
		open, err := os.ReadDir(fmt.Sprintf("/proc/%d/fd", pid))
		if err != nil {
			return f, err
		}
		threads, err := os.ReadDir(fmt.Sprintf("/proc/%d/task", pid))
		if err != nil {
			return f, err
		}
		f.resident, f.descriptors, f.threads = f.resident+u.Resident, f.descriptors+len(open), f.threads+len(threads)
	}
	if r.memory != nil {
		objects, buffers, err := r.memory.Kernel()
		if err != nil {
			return f, err
		}
		f.kernel = objects + buffers + r.tracked()
	}
	return f, nil
}

// tracked returns the bytes of the connections that the host's kernel tracks: those are no process's. It is 0 where it tracks none.
func (r *relay) tracked() int64 {
	count, err := r.host.ReadFile("/proc/sys/net/netfilter/nf_conntrack_count")
	slabs, errSlabs := os.ReadFile("/proc/slabinfo")
	if err != nil || errSlabs != nil {
		return 0
	}
	return trackedBytes(count, string(slabs))
}

// trackedBytes multiplies a count of tracked connections by the size of one; see slabinfo(5).
func trackedBytes(count, slabs string) int64 {
	n, _ := strconv.ParseInt(strings.TrimSpace(count), 10, 64)
	for line := range strings.Lines(slabs) {
		if fields := strings.Fields(line); len(fields) > 3 && fields[0] == "nf_conntrack" {
			size, _ := strconv.ParseInt(fields[3], 10, 64)
			return n * size
		}
	}
	return 0
}

// benchIdle measures what connections take that nobody uses, or whose client does not read, and what they cost the others.
func benchIdle(out io.Writer, o Options) error {
	if !o.Only.MatchString(idlePart) {
		return nil
	}
	table, slow := newFootprints(), newFootprints()
	for run := range o.Runs {
		g, err := idleGround(o)
		if err != nil {
			return err
		}
		err = g.fill(table, slow)
		if err == nil && run == o.Runs-1 {
			table.write(out, fmt.Sprintf("Idle connections: median of %d (min to max)", o.Runs))
			slow.write(out, fmt.Sprintf("Connections whose client asks for a download and never reads, after %v: median of %d (min to max)", slowTime, o.Runs))
			err = g.write(out, o, idleMeasures())
		}
		g.close()
		if err != nil {
			return err
		}
	}
	return nil
}

// idleMeasures are those that are measured beside idle connections.
func idleMeasures() (all []measure) {
	for _, name := range []string{"connections", "ping-pong", "download 8"} {
		m := measures[slices.IndexFunc(measures, func(m measure) bool { return m.name == name })]
		m.title, m.to = m.title+", beside idle connections and without", toItself
		all = append(all, m)
	}
	return all
}

// idleGround returns a ground with each relay twice: the second is to have the idle connections.
func idleGround(o Options) (*ground, error) {
	selected, err := between(o, largeBuffers)
	if err != nil {
		return nil, err
	}
	var relays []*relay
	for _, r := range selected {
		twin := *r
		twin.name, twin.idle, twin.beside = fmt.Sprintf("%s, %d idle", r.name, idleSteps[len(idleSteps)-1]), idleSteps[len(idleSteps)-1], r
		relays = append(relays, r, &twin)
	}
	g, err := newGround(false, relays)
	if err != nil {
		return nil, err
	}
	for _, r := range g.relays {
		r.memory, _ = lab.GroupMemory(r.pids...) // without the right to make one, there is no column
	}
	return g, nil
}

// fill opens the idle connections of a ground, and for a while those of slow readers, and notes what they take.
func (g *ground) fill(table, slow *footprints) error {
	for _, r := range g.relays {
		if r.idle == 0 {
			if err := g.slow(r, slow); err != nil {
				return err
			}
			continue
		}
		err := g.steps(r, load.Idle, idleSteps, calmTime, func(n int, all footprint) { table.add(r.beside.name, n, all, r.memory != nil) })
		if err != nil {
			return err
		}
	}
	return nil
}

// slow measures slow readers, which then go.
func (g *ground) slow(r *relay, slow *footprints) error {
	return g.steps(r, load.NeverReads, []int{slowReaders}, slowTime, func(n int, all footprint) { slow.add(r.name, n, all, r.memory != nil) })
}

// steps opens connections through a relay up to each number in turn, and reports what has been added for each of them.
func (g *ground) steps(r *relay, kind load.Kind, numbers []int, calm time.Duration, report func(int, footprint)) error {
	before, err := r.footprint()
	if err != nil {
		return err
	}
	open := 0
	for _, n := range numbers {
		h, err := load.Hold(g.client, kind, n-open, r.targets...)
		if err != nil {
			return fmt.Errorf("%s: %w", r.name, err)
		}
		if kind == load.NeverReads {
			defer func() { _ = h.Kill() }() // it may have ended
		}
		open = n
		time.Sleep(calm)
		now, err := r.footprint()
		if err != nil {
			return err
		}
		report(n, footprint{resident: now.resident - before.resident, kernel: now.kernel - before.kernel, descriptors: now.descriptors - before.descriptors})
	}
	return nil
}

// footprints are those of relays with some numbers of connections.
type footprints struct {
	keys []footprintKey // in the order in which they came
	rows map[footprintKey]*footprintRow
}

type footprintKey struct {
	relay       string
	connections int
}

type footprintRow struct{ resident, kernel, sum, descriptors numbers }

func newFootprints() *footprints { return &footprints{rows: map[footprintKey]*footprintRow{}} }

// add notes what all connections have added.
func (f *footprints) add(relay string, connections int, all footprint, kernel bool) {
	key := footprintKey{relay, connections}
	row := f.rows[key]
	if row == nil {
		row = new(footprintRow)
		f.keys, f.rows[key] = append(f.keys, key), row
	}
	each := func(n int64) float64 { return float64(n) / float64(connections) }
	row.resident = append(row.resident, each(all.resident))
	row.descriptors = append(row.descriptors, each(int64(all.descriptors)))
	if kernel {
		row.kernel = append(row.kernel, each(all.kernel))
		row.sum = append(row.sum, each(all.resident+all.kernel))
	}
}

// write writes them.
func (f *footprints) write(out io.Writer, title string) {
	table := pair{out: out}.table(title, "plane", "connections", "memory of the processes, KB each", "of the kernel for them, KB each",
		"sum, KB each", "× haproxy", "descriptors each")
	for _, key := range f.keys {
		row := f.rows[key]
		table.Cells(key.relay, strconv.Itoa(key.connections), row.resident.kilobytes().String(), row.kernel.kilobytes().String(),
			row.sum.kilobytes().String(), row.sum.ratio(f.best(key.connections)), row.descriptors.String())
	}
	fmt.Fprint(out, "\nThe kernel's memory is that of the control group of the plane's processes: both sockets, their descriptors, and data in their buffers. To that\ncome the connections that the plane's host tracks.\n")
}

// best returns the sum of haproxy in the configuration that takes less.
func (f *footprints) best(connections int) numbers {
	var all []numbers
	for key, row := range f.rows {
		if strings.HasPrefix(key.relay, "haproxy") && key.connections == connections {
			all = append(all, row.sum)
		}
	}
	if len(all) == 0 {
		return nil
	}
	return slices.MinFunc(all, func(a, b numbers) int { return cmp.Compare(a.median(), b.median()) })
}

// kilobytes returns numbers of bytes in units of 1024.
func (n numbers) kilobytes() (all numbers) {
	for _, x := range n {
		all = append(all, x/1024)
	}
	return all
}
