// SPDX-License-Identifier: Apache-2.0

package election

import (
	"maps"
	"slices"
	"testing"
	"time"
)

// The channels other than advertisements by which the hosts of the simulation learn of each other: the identity port, the port
// of the control plane, ARP and announcements. Each may be closed in one direction, lie, or not be asked at all.

// way is what becomes of a connection to a port of another host.
type way uint8

const (
	open    way = iota
	drops       // a firewall drops it
	rejects     // a firewall answers with an ICMP message
	resets      // a firewall answers with RST
)

// through returns what is found of a port by this way.
func (y way) through(f Finding) Finding { return [...]Finding{f, Nobody, Rejected, Reset}[y] }

// path is what lies between a host and another one that it asks.
type path struct {
	identity, client way
	deaf             bool // ARP is not answered; no connection is made then either
	quiet            bool // announcements do not arrive
	shut             bool // no echo is answered, nor a connection to the host's own address
}

// gateway is the hardware address of a router with proxy ARP.
const gateway = "02:00:00:00:0f:0f"

// channelKinds are the faults of channels, begun (on) and ended (off).
var channelKinds = map[string]func(w *world, f fault, on bool){
	"deny":    func(w *world, f fault, on bool) { w.deny(f, 1<<f.i, on) }, // a firewall on one host, as nftables and firewalld begin
	"denyAll": func(w *world, f fault, on bool) { w.deny(f, 1<<len(w.hosts)-1, on) },
	"denyOne": func(w *world, f fault, on bool) { // from one host alone
		if f.i != f.j {
			w.filter[f.j][f.i], w.paths[f.j][f.i].identity = on, f.way(on)
		}
	},
	"closed":    func(w *world, f fault, on bool) { w.each(f.i, func(p *path) { p.client = f.way(on) }) },
	"unnoticed": func(w *world, f fault, on bool) { w.each(f.i, func(p *path) { p.quiet = on }) },
	"deaf": func(w *world, f fault, on bool) {
		for j := range w.hosts {
			w.paths[f.i][j].deaf = on
		}
	},
	"gag":      func(w *world, f fault, on bool) { w.hosts[f.i].gagged = on }, // its own output filter
	"unable":   func(w *world, f fault, on bool) { w.hosts[f.i].unable = on },
	"unasked":  func(w *world, f fault, on bool) { w.hosts[f.i].unable, w.hosts[f.i].blind = on, on },
	"blind":    func(w *world, f fault, on bool) { w.hosts[f.i].blind = on },
	"suppress": func(w *world, _ fault, on bool) { w.suppress = on },
	"proxy":    func(w *world, _ fault, on bool) { w.proxy = on },
}

// way is that of a firewall.
func (f fault) way(on bool) way {
	if !on {
		return open
	}
	return drops + way(f.mask%3)
}

// deny closes protocol 112 and the identity port of some hosts.
func (w *world) deny(f fault, hosts uint, on bool) {
	for i := range w.hosts {
		if hosts>>i&1 == 0 {
			continue
		}
		for j := range w.hosts {
			w.filter[j][i] = on && i != j
		}
		w.each(i, func(p *path) { p.identity = f.way(on) })
	}
}

// each changes every path to a host.
func (w *world) each(to int, change func(*path)) {
	for from := range w.hosts {
		change(&w.paths[from][to])
	}
}

// inquiry is a probe under way.
type inquiry struct {
	from   *host
	done   ProbeDone
	accept bool // a kernel has accepted a connection for a process that says nothing
	asks   int  // questions by ARP, each answer of which is confirmed by one to its sender alone
	made   int  // of them so far
	hits   []int
}

// question asks on every channel: three attempts, each of which a lost packet may end.
func (w *world) question(from *host, a Probe) {
	timeout := a.Timeout
	q, incarnation, over := &inquiry{from: from, done: found(Free), asks: a.Asks, hits: make([]int, len(w.hosts)+1)}, from.incarnation, false
	if from.unable {
		q.done.Identity, q.done.Client = CouldNotAsk, CouldNotAsk
	}
	if from.blind {
		q.done.Neighbour = CouldNotAsk
	}
	answer := func() {
		d := q.measured()
		if w.believe != nil {
			d = w.believe(d)
		}
		if over = true; from.incarnation == incarnation {
			from.event(d)
		}
	}
	attempts := min(max(a.Asks, 3), 16)
	for attempt := range attempts {
		start := time.Duration(attempt) * timeout * 3 / 4 / time.Duration(attempts)
		if start >= timeout || w.lost() || w.lost() || w.lost() {
			continue
		}
		w.with(from, start+w.lan(w.random(2*time.Millisecond, 10*time.Millisecond)), func() {
			if !over && w.look(q) {
				answer()
			}
		})
	}
	for k := range a.Asks {
		w.with(from, time.Duration(k)*timeout/time.Duration(a.Asks)+w.lan(w.latency()), func() {
			if !over {
				w.arp(q)
			}
		})
	}
	w.with(from, timeout, func() {
		if over {
			return
		}
		if q.accept {
			q.done.Identity = max(q.done.Identity, Answers)
		}
		answer()
	})
}

// asksFor has clients ask for the address of a host that does not answer them. The host looks once a second whether they, or another
// host, did.
func (w *world) asksFor(h *host) {
	w.after(time.Duration(w.clients.Float64()*float64(time.Second)), func() {
		if !h.refuses || !h.held {
			return
		}
		if w.reachable(h.id) || h.asked {
			h.event(AddressAsked{})
		}
		w.asksFor(h)
	})
}

// double reports whether a host that asks for the address is answered by two.
func (w *world) double() bool {
	for i, a := range w.hosts {
		for j, b := range w.hosts[:i] {
			if a.answers() && b.answers() && a.alive() && b.alive() && w.connected(i, j) {
				return true
			}
		}
	}
	return false
}

// arp is one question by ARP, to the virtual address and to every neighbour that is known.
func (w *world) arp(q *inquiry) {
	from, d := q.from, &q.done
	if from.blind || d.Neighbour == CouldNotAsk {
		return
	}
	q.made++
	if w.foreign && w.reachable(from.id) {
		f := foreignHost("02:00:00:00:09:09")
		d.Neighbour, d.Owner, d.Peer = Answers, f.Owner, f.Peer
	}
	for j, h := range w.hosts {
		p := w.paths[from.id][j]
		if h == from || !h.alive() || !w.connected(from.id, j) || p.deaf {
			continue
		}
		if h.answer() && w.roundTrip() && !(w.foreign && w.reachable(from.id)) {
			d.Neighbour, d.Owner, d.Peer = Answers, h.addr.String(), h.addr
		}
		if w.roundTrip() {
			q.hits[j]++
		}
	}
	if w.reachable(from.id) && !w.desert && w.roundTrip() {
		q.hits[len(w.hosts)]++
	}
	if d.Neighbour != Answers {
		if f := w.fabric(q); f.Neighbour == Answers {
			d.Neighbour, d.Owner, d.Peer = Answers, f.Owner, f.Peer
		}
	}
}

// measured adds what the link loses.
func (q *inquiry) measured() ProbeDone {
	d := q.done
	for _, hits := range q.hits {
		if hits > 0 {
			d.Asked += q.made
			d.Heard += hits
		}
	}
	return d
}

// fabric returns what a switch or a router answers for a host that has the address. One that suppresses broadcasts is found out by a
// question to the host alone.
func (w *world) fabric(q *inquiry) ProbeDone {
	from := q.from
	switch {
	case (w.suppress && (q.asks == 0 || w.broadcast) || w.liar == rightAddress && from.port) && w.announcer != nil && w.announcer != from:
		return w.announcer.found(Answers)
	case w.proxy || w.liar == strangeAddress && from.port:
		return ProbeDone{Neighbour: Answers, Owner: gateway}
	}
	return ProbeDone{}
}

// look adds what the virtual address answers at once, and reports whether nothing is left to wait for.
func (w *world) look(q *inquiry) bool {
	d, from := &q.done, q.from
	identity, client, neighbour := w.react(q)
	if !from.unable {
		d.Identity, d.Client = max(d.Identity, identity), max(d.Client, client)
	}
	if !from.blind && neighbour.Neighbour == Answers && d.Neighbour != Answers {
		d.Neighbour, d.Owner, d.Peer = Answers, neighbour.Owner, neighbour.Peer
	}
	if d.Identity.reacts() {
		d.Detail = d.Identity.String()
	}
	if d.Identity == SaysLeaving || d.Identity == SaysDistress || d.Identity == SaysActive {
		return true
	}
	return d.Identity > Rejected && d.Client > Rejected && d.Neighbour == Answers
}

// react returns what the channels find of one of the hosts that have the address, or of a fabric that answers for another.
func (w *world) react(q *inquiry) (identity, client Finding, neighbour ProbeDone) {
	from := q.from
	if w.foreign && w.reachable(from.id) {
		d := foreignHost("02:00:00:00:09:09")
		return d.Identity, d.Client, d
	}
	for _, i := range w.rng.Perm(len(w.hosts)) {
		h, p := w.hosts[i], w.paths[from.id][i]
		if h == from || !h.alive() || !w.connected(from.id, i) || p.deaf || !h.answer() {
			continue
		}
		identity, client = h.ports()
		q.accept = q.accept || h.frozen && p.identity == open
		return p.identity.through(identity), h.clientWay(p).through(client), h.found(Answers)
	}
	return Nobody, Nobody, w.fabric(q)
}

// ports returns what a host that has the address answers on the two ports.
func (h *host) ports() (identity, client Finding) {
	switch {
	case !h.running && h.shared: // the apiserver listens on every address
		return Reset, Answers
	case !h.running || h.plain:
		return Reset, Reset
	case h.frozen:
		return Nobody, Answers
	}
	return h.identity(), Answers
}

// finds reports whether the channels of one host show it that another one holds the address. A firewall that resets both
// connections looks like a kernel that has outlived its process.
func (w *world) finds(i, j int) bool {
	h, p := w.hosts[i], w.paths[i][j]
	told := w.told[i][j]
	announced := !h.blind && told > h.began && w.now-told < AnnounceEvery+announceSlack/2
	switch {
	case p.deaf, w.hosts[j].refusing():
		return false
	case h.unable:
		return !h.blind
	case p.identity == open:
		return true
	case p.identity == drops && p.client == drops, p.identity == resets && p.client == resets:
		return announced
	}
	return true
}

// askable reports whether every host can ask every other, and nobody lies.
func (w *world) askable() bool {
	for i, h := range w.hosts {
		for j := range w.hosts {
			if p := w.paths[i][j]; i != j && (p.identity != open || p.deaf) {
				return false
			}
		}
		if h.unable || h.blind {
			return false
		}
	}
	return !w.suppress && !w.proxy
}

// Whatever the firewalls close, in whatever direction, and whatever lies: the invariants hold, and the address comes to rest.
func TestSimulationChannels(t *testing.T) { simulate(t, 30, channelNames(allKinds()), runChannels) }

func TestSimulationChannelsHybrid(t *testing.T) {
	simulate(t, 30, channelNames(hybridKinds()), func(seed uint64, from []string, spoil func(*world), trace func(string)) *world {
		return runWorld(sharing(randomWorld(seed, true, spoil)), from, trace)
	})
}

func runChannels(seed uint64, from []string, spoil func(*world), trace func(string)) *world {
	return runWorld(sharing(randomWorld(seed, false, spoil)), from, trace)
}

// sharing lets the apiserver of some hosts answer on every address.
func sharing(w *world) *world {
	for _, h := range w.hosts {
		h.shared = w.rng.IntN(2) == 0
	}
	return w
}

// channelNames adds the faults of channels to others.
func channelNames(others []string) []string {
	return slices.Sorted(slices.Values(append(slices.Collect(maps.Keys(channelKinds)), others...)))
}
