// SPDX-License-Identifier: Apache-2.0

package compare

import (
	"fmt"
	"io"
	"strconv"
	"time"

	"github.com/harbinger-ha/harbinger/e2e/lab"
	"github.com/harbinger-ha/harbinger/e2e/load"
)

// oddPart is what the part is called that looks for what odd clients leave.
const oddPart = "relay odd clients"

// An ordeal is what a relay goes through: clients that do everything but what they should, and then many that come and go.
type ordeal struct {
	clients  int           // odd ones
	length   time.Duration // for which they stay
	rate     int           // connections a second after them
	churn    time.Duration // for which those come and go
	patience time.Duration // until what is left must be gone
}

// ordealOf returns that of the bench.
func ordealOf(o Options) ordeal {
	if o.short() {
		return ordeal{clients: 2000, length: 5 * time.Second, rate: 1000, churn: 5 * time.Second, patience: 15 * time.Second}
	}
	return ordeal{clients: 10_000, length: 2 * time.Minute, rate: 1000, churn: time.Minute, patience: 15 * time.Second}
}

// oddShares are how many of 20 odd clients are of each kind. What is never read takes the kernel's memory by the hundred kilobytes.
var oddShares = []struct {
	kind  load.Kind
	share int
}{{load.Silent, 9}, {load.OneByte, 9}, {load.HalfClosed, 1}, {load.NeverReads, 1}}

// benchOdd measures what a relay has before odd clients, with them, and after them.
func benchOdd(out io.Writer, o Options) error {
	if !o.Only.MatchString(oddPart) {
		return nil
	}
	relays, err := between(o, largeBuffers)
	if err != nil {
		return err
	}
	g, err := newGround(false, relays)
	if err != nil {
		return err
	}
	defer g.close()
	d := ordealOf(o)
	title := fmt.Sprintf("%d clients that send nothing, send a byte, or read nothing of a download, a part of them after a finish, for %v; then %d connections a second for %v",
		d.clients, d.length, d.rate, d.churn)
	table := pair{out: out}.table(title, "plane", "descriptors before", "with them", "after all", "threads before", "with them", "after all",
		"memory of the processes before, MB", "with them", "after all", "of them lost by the relay", "connections after them", "of those failed")
	for _, r := range g.relays {
		x, err := g.undergo(r, d)
		if err != nil {
			return fmt.Errorf("%s: %w\n%s", r.name, err, r.process.Output())
		}
		table.Cells(x.cells(r.name)...)
	}
	return nil
}

// A trace is what an ordeal has left.
type trace struct {
	before, during, after footprint
	toll                  // of the odd clients what was lost, of those after them the rest
}

// undergo puts a relay through an ordeal.
func (g *ground) undergo(r *relay, d ordeal) (x trace, err error) {
	if x.before, err = r.footprint(); err != nil {
		return x, err
	}
	if err := g.odd(r, d, &x); err != nil {
		return x, err
	}
	pacer, err := load.Pace(g.client, d.rate, r.targets...)
	if err != nil {
		return x, err
	}
	time.Sleep(d.churn)
	attempts, err := pacer.Stop()
	if err != nil {
		return x, err
	}
	x.add(time.Time{}, attempts, nil)
	_ = lab.Until(d.patience, "what is left is gone", func() bool { // or it is in the table
		x.after, err = r.footprint()
		return err != nil || x.after.descriptors <= x.before.descriptors
	})
	return x, err
}

// odd lets odd clients be there for a while.
func (g *ground) odd(r *relay, d ordeal, x *trace) (err error) {
	var holders []*load.Holder
	began := time.Now()
	defer func() {
		for _, h := range holders {
			_ = h.Kill() // it may have ended
		}
	}()
	for _, s := range oddShares {
		h, err := load.Hold(g.client, s.kind, d.clients*s.share/20, r.targets...)
		if err != nil {
			return err
		}
		holders = append(holders, h)
	}
	time.Sleep(d.length)
	for _, h := range holders {
		x.add(began, nil, h.Lost())
	}
	x.during, err = r.footprint()
	return err
}

func (x trace) cells(name string) []string {
	cells := []string{name}
	for _, of := range []func(footprint) string{
		func(f footprint) string { return strconv.Itoa(f.descriptors) },
		func(f footprint) string { return strconv.Itoa(f.threads) },
		func(f footprint) string { return digits(float64(f.resident) / 1e6) },
	} {
		cells = append(cells, of(x.before), of(x.during), of(x.after))
	}
	return append(cells, strconv.Itoa(x.lost), strconv.Itoa(x.connections), strconv.Itoa(x.failed))
}
