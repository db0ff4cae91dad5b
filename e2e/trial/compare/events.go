// SPDX-License-Identifier: Apache-2.0

package compare

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/harbinger-ha/harbinger/e2e/load"
)

// An event happens to relays, or to a backend of theirs, while clients connect at a rate and hold sessions.
type event struct {
	name    string // as -only knows it, after "event "
	title   string
	rate    int // connections a second through each relay
	times   int // in each run, half as often in the short form
	prepare func(*ground, *relay) error
	once    func(*ground) error         // happens to all relays together
	each    func(*ground, *relay) error // happens to each relay by itself; exactly one of both is set
	does    func(*relay) bool           // whether it can happen to that relay
}

var events = []event{
	{name: "process dies", title: "The process of one of three backends dies", rate: 200, times: 1,
		once: func(g *ground) error { return g.backends[0].Kill() }},
	{name: "host vanishes", title: "The host of one of three backends loses its link", rate: 200, times: 1,
		once: func(g *ground) error { return g.hosts[0].Cut() }},
	{name: "reload", title: "The configuration changes", rate: 500, times: 20,
		each: func(g *ground, r *relay) error { return r.reload(g, r) }, does: func(r *relay) bool { return r.reload != nil }},
	{name: "kill", title: "The process that relays is killed, and started again", rate: 500, times: 4,
		each: func(g *ground, r *relay) error { return r.crash(g, r) }, does: func(r *relay) bool { return r.crash != nil }},
	{name: "upgrade", title: "The program is replaced by plan, with a second host that takes over meanwhile", rate: 500, times: 1,
		prepare: func(g *ground, r *relay) error { return r.partner(g, r) },
		each:    func(g *ground, r *relay) error { return r.upgrade(g, r) }, does: func(r *relay) bool { return r.upgrade != nil }},
}

func (e event) part() string { return "event " + e.name }

// Around an event.
const (
	heldSessions = 60
	quietTime    = time.Second     // of the clients, before the event
	eventTime    = 5 * time.Second // for which they go on after it
)

// benchEvents measures what events cost clients.
func benchEvents(out io.Writer, o Options) error {
	for _, e := range events {
		if !o.Only.MatchString(e.part()) {
			continue
		}
		if o.short() {
			e.times = (e.times + 1) / 2
		}
		sums := map[string]*toll{}
		var order []string
		for range o.Runs {
			relays, err := e.relays(o)
			if err == nil && len(relays) > 0 {
				err = e.run(relays, sums)
			}
			if err != nil {
				return fmt.Errorf("%s: %w", e.part(), err)
			}
			order = names(relays)
		}
		e.write(out, order, sums, o.Runs)
	}
	return nil
}

// names returns those of relays.
func names(relays []*relay) (all []string) {
	for _, r := range relays {
		all = append(all, r.name)
	}
	return all
}

// relays returns those that an event can happen to.
func (e event) relays(o Options) ([]*relay, error) {
	all, err := selectRelays(eventRelays(o), o.Planes)
	return slices.DeleteFunc(all, func(r *relay) bool { return e.does != nil && !e.does(r) }), err
}

// run lets the event happen on a new ground, to all relays at the same time, and adds what it costs.
func (e event) run(relays []*relay, sums map[string]*toll) error {
	g, err := newGround(false, relays)
	if err != nil {
		return err
	}
	defer g.close()
	if err := g.prepare(e); err != nil {
		return err
	}
	clients, err := g.startClients(e.rate)
	if err != nil {
		return err
	}
	time.Sleep(quietTime)
	start := time.Now()
	if err := g.happen(e); err != nil {
		return err
	}
	time.Sleep(eventTime)
	return clients.toll(start, relays, sums)
}

// toll ends the clients, and adds what became of them since a moment.
func (all clients) toll(start time.Time, relays []*relay, sums map[string]*toll) error {
	var stopping errgroup.Group
	for i := range all {
		stopping.Go(func() (err error) {
			all[i].attempts, err = all[i].pacer.Stop()
			return err
		})
	}
	if err := stopping.Wait(); err != nil {
		return err
	}
	for i, r := range relays {
		if sums[r.name] == nil {
			sums[r.name] = new(toll)
		}
		sums[r.name].add(start, all[i].attempts, all[i].holder.Lost())
	}
	return nil
}

// prepare does what an event needs before its clients begin.
func (g *ground) prepare(e event) error {
	if e.prepare == nil {
		return nil
	}
	return g.forEach(func(r *relay) error { return e.prepare(g, r) })
}

// happen lets an event happen as often as it does in a run.
func (g *ground) happen(e event) error {
	if e.once != nil {
		return e.once(g)
	}
	return g.forEach(func(r *relay) error {
		for range e.times {
			if err := e.each(g, r); err != nil {
				return err
			}
		}
		return nil
	})
}

// forEach does something to all relays at the same time.
func (g *ground) forEach(do func(*relay) error) error {
	var all errgroup.Group
	for _, r := range g.relays {
		all.Go(func() error {
			if err := do(r); err != nil {
				return fmt.Errorf("%s: %w\n%s", r.name, err, r.process.Output())
			}
			return nil
		})
	}
	return all.Wait()
}

// clients are those of relays.
type clients []struct {
	holder   *load.Holder
	pacer    *load.Pacer
	attempts []load.Attempt
}

// startClients lets clients hold sessions through each relay, and connect at a rate.
func (g *ground) startClients(rate int) (all clients, err error) {
	all = make(clients, len(g.relays))
	for i, r := range g.relays {
		if all[i].holder, err = load.Hold(g.client, load.Idle, heldSessions, r.targets...); err != nil {
			return nil, fmt.Errorf("%s: %w", r.name, err)
		}
		if all[i].pacer, err = load.Pace(g.client, rate, r.targets...); err != nil {
			return nil, err
		}
	}
	return all, nil
}

// A toll is what events have cost the clients of one relay.
type toll struct {
	connections, failed, refused int
	last                         string // failure
	slowest, slowestLater        time.Duration
	lost                         int
	lastLost                     time.Duration // after the event
}

// add adds what became of the connections since a moment, and when sessions were lost.
func (t *toll) add(start time.Time, attempts []load.Attempt, lost []time.Time) {
	for _, a := range attempts {
		if a.At.Before(start) {
			continue
		}
		t.connections++
		t.slowest = max(t.slowest, a.Took)
		if a.At.Sub(start) >= time.Second {
			t.slowestLater = max(t.slowestLater, a.Took)
		}
		if a.Failure == load.Refused {
			t.refused++
		}
		if a.Failure != "" {
			t.failed++
			t.last = a.Failure
		}
	}
	t.lost += len(lost)
	for _, at := range lost {
		t.lastLost = max(t.lastLost, at.Sub(start))
	}
}

// write writes the table of an event.
func (e event) write(out io.Writer, order []string, sums map[string]*toll, runs int) {
	title := fmt.Sprintf("%s: %d times in %d runs, at %d connections a second, with %d sessions held", e.title, runs*e.times, runs, e.rate, heldSessions)
	table := pair{out: out}.table(title, "plane", "connections", "failed", "of those refused", "slowest, ms", "slowest that began a second later, ms",
		"sessions lost", "the last of them after, s")
	var failures []string
	for _, name := range order {
		t := sums[name]
		table.Cells(t.cells(name, runs)...)
		if t.last != "" {
			failures = append(failures, fmt.Sprintf("%s: the last failure was %q.\n", name, t.last))
		}
	}
	if len(failures) > 0 {
		fmt.Fprintf(out, "\n%s", strings.Join(failures, ""))
	}
}

func (t *toll) cells(name string, runs int) []string {
	after := digits(t.lastLost.Seconds())
	if t.lost == 0 {
		after = "–"
	}
	return []string{name, fmt.Sprint(t.connections), fmt.Sprint(t.failed), fmt.Sprint(t.refused),
		milliseconds(t.slowest), milliseconds(t.slowestLater), fmt.Sprintf("%d of %d", t.lost, runs*heldSessions), after}
}

// milliseconds writes a time in them.
func milliseconds(d time.Duration) string { return digits(float64(d.Microseconds()) / 1000) }
