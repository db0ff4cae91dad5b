// SPDX-License-Identifier: Apache-2.0

package election

import (
	"slices"
	"time"
)

// How the hosts of the simulation find out whom they reach, whether the holder serves clients, and whether they would; and the
// faults of it: cuts that are no partition, switches that lie, ports that are blocked, and hosts that report what is not so.

// reported is how old a check may be that a host reports to the holder, and reportedFailures after how many it reports that
// the holder cannot be reached.
const (
	reported         = 6 * time.Second
	reportedFailures = 3
)

// liar is how a switch answers ARP at its ports for others, whether they are behind it or not.
type liar uint8

const (
	strangeAddress liar = 1 + iota // for the virtual address, with a hardware address of its own
	rightAddress                   // for every address, with that of the host
	ownAddresses                   // for the hosts' own addresses only
)

// reachKinds are the faults of this file, begun (on) and ended (off).
var reachKinds = map[string]func(w *world, f fault, on bool){
	"cutPair":   func(w *world, f fault, on bool) { w.cuts(f.i, f.j, on); w.cuts(f.j, f.i, on) },
	"cutOneway": func(w *world, f fault, on bool) { w.cuts(f.i, f.j, on) },
	"txdead": func(w *world, f fault, on bool) { // nothing that the host sends leaves it
		for j := range w.cut[f.i] {
			w.cut[f.i][j] = on && f.i != j
		}
	},
	"deafPair":   func(w *world, f fault, on bool) { w.deafens(f.i, f.j, on); w.deafens(f.j, f.i, on) },
	"deafOneway": func(w *world, f fault, on bool) { w.deafens(f.i, f.j, on) },
	"shatter":    func(w *world, f fault, on bool) { w.shatters(on, on && f.j == 1) },
	"scatter":    func(w *world, _ fault, on bool) { w.shatters(on, false) }, // every host has the API still
	"silentcut": func(w *world, f fault, on bool) { // neither frames nor the API, and the carrier stays
		h := w.hosts[f.i]
		h.port, h.offline = !on && h.carrier, on
		w.examine()
	},
	"uplink": func(w *world, f fault, on bool) { // behind its switch, which has the carrier and may lie; the API has another network
		if w.side[f.i] = 0; on {
			w.side[f.i] = len(w.hosts) + f.i
		}
	},
	"apiOnlyFor": func(w *world, f fault, on bool) {
		for i, h := range w.hosts {
			h.offline = on && i != f.i
		}
		w.examine()
	},
	"loss40": func(w *world, _ fault, on bool) {
		if w.loss = 0; on {
			w.loss = 0.40
		}
	},
	"liarStrange": func(w *world, _ fault, on bool) { w.lie(strangeAddress, on) },
	"liarRight":   func(w *world, _ fault, on bool) { w.lie(rightAddress, on) },
	"liarOwn":     func(w *world, _ fault, on bool) { w.lie(ownAddresses, on) },
	"shut":        func(w *world, f fault, on bool) { w.each(f.i, func(p *path) { p.shut = on; p.identity = shutWay(on) }) },
	"portBlocked": func(w *world, f fault, on bool) { w.hosts[f.i].blocked = on },
	"portBlockedAll": func(w *world, _ fault, on bool) {
		for _, h := range w.hosts {
			h.blocked = on
		}
	},
	"deafWitness": func(w *world, f fault, on bool) { // it cannot reach the port of any other host
		for j := range w.hosts {
			if w.paths[f.i][j].client = open; on && j != f.i {
				w.paths[f.i][j].client = drops
			}
		}
	},
	"liarWitness": func(w *world, f fault, on bool) { w.hosts[f.i].lies = on },
}

// shatters has every host alone, and without the API where it is offline; the client is with the first.
func (w *world) shatters(on, offline bool) {
	for i, h := range w.hosts {
		if w.side[i] = 0; on {
			w.side[i] = i
		}
		h.offline = offline
	}
	w.examine()
}

func shutWay(on bool) way {
	if on {
		return drops
	}
	return open
}

func (w *world) cuts(from, to int, on bool) { w.cut[from][to] = on && from != to }

// deafens drops advertisements and ARP from one host to another. Without ARP no connection is made, in whichever direction.
func (w *world) deafens(from, to int, on bool) {
	if from != to {
		w.filter[from][to], w.paths[to][from].quiet = on, on
		w.paths[from][to].deaf, w.paths[to][from].deaf = on, on
	}
}

func (w *world) lie(l liar, on bool) {
	if w.liar = 0; on {
		w.liar = l
	}
}

// clientWay is what becomes of a connection to the port of the control plane at the virtual address, by a path.
func (h *host) clientWay(p path) way {
	if h.blocked {
		return drops
	}
	return p.client
}

// proves reports whether a host that is asked would prove that frames pass both ways: by its process, or by its kernel alone, on
// whatever channel no firewall closes.
func (w *world) proves(from, to int) bool {
	p := w.paths[from][to]
	return w.hosts[to].alive() && w.connected(from, to) && !p.deaf && !p.shut
}

// lostAsked says that a frame of a question for peers is lost.
func (w *world) lostAsked() bool { return w.loss > 0 && w.asks.Float64() < w.loss }

// roundTrip reports whether neither the question nor the answer is lost.
func (w *world) roundTrip() bool {
	asked, answered := !w.lostAsked(), !w.lostAsked()
	return asked && answered
}

// latency is the time of a question and its answer.
func (w *world) latency() time.Duration {
	return w.lan(2*time.Millisecond + time.Duration(w.asks.Float64()*float64(8*time.Millisecond)))
}

// attempts makes three attempts in the time of a question, until one says that there is nothing left to wait for, and answers
// then, or when the time is over.
func (w *world) attempts(from *host, timeout time.Duration, try func() bool, answer func() Event) {
	incarnation, over := from.incarnation, false
	end := func() {
		if !over && from.incarnation == incarnation {
			from.event(answer())
		}
		over = true
	}
	for attempt := range time.Duration(3) {
		w.with(from, attempt*timeout/3+w.latency(), func() {
			if !over && try() {
				end()
			}
		})
	}
	w.with(from, timeout, end)
}

func always() bool { return true }

// muster is AskPeers: every other host, and the gateway.
func (w *world) muster(from *host, timeout time.Duration) {
	if from.unable {
		w.attempts(from, timeout, always, func() Event { return PeersDone{CouldNotAsk: true} })
		return
	}
	reached := make([]bool, len(w.hosts))
	d := PeersDone{Gateway: Nobody}
	if w.desert {
		d.Gateway = CouldNotAsk
	}
	try := func() bool {
		all := d.Gateway != Nobody
		for j, h := range w.hosts {
			if h == from {
				continue
			}
			proved := w.proves(from.id, j) || w.byARP && w.liar >= rightAddress && from.port
			reached[j] = reached[j] || proved && w.roundTrip()
			all = all && reached[j]
		}
		if !w.desert && w.reachable(from.id) && w.roundTrip() {
			d.Gateway = Answers
		}
		return all && d.Gateway != Nobody
	}
	w.attempts(from, timeout, try, func() Event {
		for j, h := range w.hosts {
			if reached[j] && slices.Contains(from.cfg.others(), h.addr) {
				d.Reached = append(d.Reached, h.addr)
				w.testify(from, h, &d)
			}
		}
		return d
	})
}

// testify adds what a host reports of a holder that asks it.
func (w *world) testify(holder, h *host, d *PeersDone) {
	e, ok := h.core.(*Election)
	if !ok || !h.live() || w.paths[holder.id][h.id].identity != open || !w.proves(holder.id, h.id) {
		return
	}
	status := e.Status()
	found := status.Witness
	age := h.time().Sub(found.At)
	tried := found.Holder == holder.addr && age <= reported
	if found.Holder.IsValid() && !found.At.IsZero() && age <= reported && !status.Silent(h.time()) {
		d.Heard = append(d.Heard, found.Holder)
	}
	if h.lies || tried {
		d.Witnesses = append(d.Witnesses, h.addr)
	}
	if h.lies || tried && found.Failures >= reportedFailures {
		d.Unreachable = append(d.Unreachable, h.addr)
	}
}

// checkHolder is CheckHolder: the port of the control plane at the virtual address, as a client of this host finds it.
func (w *world) checkHolder(from *host, timeout time.Duration) {
	if from.unable {
		w.attempts(from, timeout, always, func() Event { return HolderChecked{Client: CouldNotAsk} })
		return
	}
	d := HolderChecked{Client: Nobody}
	w.attempts(from, timeout, func() bool {
		if w.roundTrip() {
			_, client, _ := w.react(&inquiry{from: from, done: found(Free)})
			d.Client = max(d.Client, client)
		}
		return d.Client == Answers
	}, func() Event { return d })
}

// rehearse is Rehearse: a peer tries the port of the control plane of this host. In some worlds no peer can.
func (w *world) rehearse(from *host, timeout time.Duration) {
	d := Rehearsed{}
	try := func() bool {
		for j, h := range w.hosts {
			if h == from || h.plain || !h.live() || w.alone || from.unable || !w.proves(from.id, j) || w.paths[from.id][j].identity != open || w.lostAsked() || w.lostAsked() {
				continue
			}
			if d.Client = from.clientWay(w.paths[j][from.id]).through(Answers); d.Client == Answers {
				return true
			}
		}
		return false
	}
	w.attempts(from, timeout, try, func() Event { return d })
}

// someCut reports whether frames between two hosts that run are dropped, other than by a partition.
func (w *world) someCut() bool {
	for a := range w.hosts {
		for b := range w.hosts {
			if w.cut[a][b] && w.hosts[a].alive() && w.hosts[b].alive() {
				return true
			}
		}
	}
	return false
}
