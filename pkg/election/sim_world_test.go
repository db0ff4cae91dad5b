// SPDX-License-Identifier: Apache-2.0

package election

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"time"

	"github.com/harbinger-ha/harbinger/pkg/vrrp"
)

// The files sim_*_test.go are a simulation in virtual time: hosts with a kernel, a process and a clock of their own on a
// LAN, faults, and an oracle that holds the invariants of README.md after every event.

// nobody and foreigner are what a client's neighbour cache may hold instead of the number of a host.
const (
	nobody    = -1
	foreigner = -2
)

// world is a LAN with its hosts, a client, and perhaps a foreign host. The client and the foreign host are on side 0.
type world struct {
	rng    *rand.Rand
	now    time.Duration
	queue  queue
	hosts  []*host
	faulty time.Duration // the last fault began or ended

	side      []int             // of a partition, by host
	cut       [][]bool          // every frame is dropped from one host to another; the last one is the client, and the gateway with it
	filter    [][]bool          // protocol 112 is dropped from one host to another
	paths     [][]path          // of the other channels, from a host that asks
	told      [][]time.Duration // when a host last saw an announcement of another
	arrived   [][]time.Duration
	loss      float64
	foreign   bool          // another host has the virtual address
	intruded  time.Duration // since when
	client    int           // whom the client's neighbour cache points to
	announcer *host         // the last host that announced
	suppress  bool          // the fabric answers ARP for it
	broadcast bool          // and answers of a broadcast are not confirmed
	proxy     bool          // a router answers ARP for everything
	liar      liar          // the switch answers ARP for others at its ports
	desert    bool          // there is no gateway
	forging   int           // how many hosts forge advertisements
	vips      *kubeVIPs     // nil: there is none
	alone     bool          // no peer can try this host's port before it has the address
	store     store
	asks      *rand.Rand // of the questions for peers: a world without them is as it was
	clients   *rand.Rand // of their questions for an address that is refused, for the same reason

	// what makes a world faulty
	endless    bool // the kernel's addresses do not expire, and nobody looks whether a refresh is late
	quiet      bool // nobody announces after the first seconds
	curt       bool // a host that yields does not advertise once more
	believe    func(ProbeDone) ProbeDone
	timerFirst bool // overdue timers speak before queued packets are heard
	credulous  bool // a probe finds the address free at once, whoever has it
	reopens    bool // a fence that has closed opens again with the next renewal
	byARP      bool // an answer of ARP passes for the proof that a peer is reached

	hybrid bool
	quick  bool // frames take less than a millisecond
	oracle oracle
	trace  func(string)
	zero   time.Duration // the times of the trace count from it
}

// params describe a world.
type params struct {
	seed     uint64
	hosts    int
	options  []option // of all hosts
	each     func(i int, c *Config)
	spoil    func(*world)     // makes the world faulty
	plain    func(i int) bool // the host runs keepalived
	together bool             // all processes start within 200 ms
	down     bool             // no process starts by itself
	hybrid   bool             // the hosts arbitrate by a Lease
	fence    func(i int) bool // the host has a fence; nil: none has
	interval time.Duration    // of all advertisements, with the times of a Lease that are the default; 0: each host's own
	desert   bool             // there is no gateway
	alone    bool             // no peer can try the port of a host that has not the address
}

func newWorld(p params) *world {
	w := &world{rng: rand.New(rand.NewPCG(p.seed, 7)), asks: rand.New(rand.NewPCG(p.seed, 17)), clients: rand.New(rand.NewPCG(p.seed, 27)), client: nobody, hybrid: p.hybrid, desert: p.desert, alone: p.alone, oracle: newOracle(p)}
	w.quick = p.interval > 0 && p.interval < 100*time.Millisecond
	if p.spoil != nil {
		p.spoil(w)
	}
	w.side, w.cut = make([]int, p.hosts), make([][]bool, p.hosts+1)
	for i := range w.cut {
		w.cut[i] = make([]bool, p.hosts+1)
	}
	for i := range p.hosts {
		w.filter = append(w.filter, make([]bool, p.hosts))
		w.paths, w.told = append(w.paths, make([]path, p.hosts)), append(w.told, make([]time.Duration, p.hosts))
		w.arrived = append(w.arrived, make([]time.Duration, p.hosts+1))
		w.hosts = append(w.hosts, newHost(w, i, p))
	}
	spread := 10 * time.Second
	if p.together || w.rng.IntN(2) == 0 {
		spread = 200 * time.Millisecond
	}
	for _, h := range w.hosts {
		if !p.down {
			w.after(w.random(0, spread), h.start)
		}
	}
	return w
}

func address(i int) netip.Addr { return netip.AddrFrom4([4]byte{192, 0, 2, byte(1 + i)}) }

func (w *world) random(low, high time.Duration) time.Duration {
	return low + time.Duration(w.rng.Float64()*float64(high-low))
}

func (w *world) log(format string, args ...any) {
	if w.trace != nil {
		w.trace(fmt.Sprintf("%.3fs ", (w.now-w.zero).Seconds()) + fmt.Sprintf(format, args...))
	}
}

// run lets time pass. The oracle sees every state of the world and how long it lasted.
func (w *world) run(d time.Duration) {
	w.oracle.sight.valid = false // a test may have changed anything
	for end := w.now + d; ; {
		if len(w.queue.all) == 0 || w.queue.all[0].at > end {
			w.now = end
			w.oracle.elapse(w)
			return
		}
		next := w.queue.pop()
		w.now = next.at
		w.oracle.elapse(w)
		next.happen()
		w.oracle.look(w, next.of)
	}
}

// after schedules what may change anything, with what changes nothing that the oracle reads but of one host.
func (w *world) after(d time.Duration, do func())         { w.schedule(d, happening{do: do}) }
func (w *world) with(h *host, d time.Duration, do func()) { w.schedule(d, happening{of: h, do: do}) }

func (w *world) schedule(d time.Duration, what happening) {
	what.at = w.now + max(0, d)
	w.queue.push(what)
}

// connected reports whether frames pass between two hosts, both ways.
func (w *world) connected(i, j int) bool {
	return w.carries(i, j) && w.carries(j, i)
}

// carries reports whether frames pass from one host to another.
func (w *world) carries(from, to int) bool {
	return w.hosts[from].port && w.hosts[to].port && w.side[from] == w.side[to] && !w.cut[from][to]
}

// reachable reports whether frames pass between a host and the client.
func (w *world) reachable(i int) bool {
	n := len(w.hosts)
	return w.hosts[i].port && w.side[i] == 0 && !w.cut[i][n] && !w.cut[n][i]
}

// delay is that of a frame; frames between two places do not overtake each other.
func (w *world) delay(from, to int) time.Duration {
	at := max(w.now+w.lan(w.random(time.Millisecond, 5*time.Millisecond)), w.arrived[from][to])
	w.arrived[from][to] = at
	return at - w.now
}

// lan is what a time of a frame is on this LAN: 50 µs to 1 ms in one direction with fast advertisements, 1 to 5 ms otherwise.
func (w *world) lan(d time.Duration) time.Duration {
	if w.quick {
		return d / 5
	}
	return d
}

func (w *world) lost() bool { return w.loss > 0 && w.rng.Float64() < w.loss }

// advertise sends an advertisement to all.
func (w *world) advertise(from *host, priority uint8) {
	adv := vrrp.Advertisement{Version: from.cfg.Version, Priority: priority, Interval: from.cfg.AdvertisementInterval}
	if from.gagged {
		w.after(time.Millisecond, func() { from.event(AdvertisementUnsent{}) })
		return
	}
	var ev Event = Received{Source: from.addr, Advertisement: adv}
	for _, to := range w.hosts {
		if to != from && w.carries(from.id, to.id) && !w.filter[from.id][to.id] && !w.lost() {
			w.with(to, w.delay(from.id, to.id), func() { to.packet(ev) })
		}
	}
}

// announce sends a gratuitous ARP to all and to the client.
func (w *world) announce(from *host) {
	if w.quiet && w.now-from.since > 4500*time.Millisecond {
		return
	}
	for _, to := range w.hosts {
		if to != from && w.carries(from.id, to.id) && !w.paths[to.id][from.id].quiet && !w.lost() {
			w.after(w.delay(from.id, to.id), func() {
				if to.live() {
					w.told[to.id][from.id] = w.now
				}
				to.frame(AddressClaimed{Address: vip, Owner: from.addr.String(), Peer: from.addr})
			})
		}
	}
	w.announcer = from
	if w.reachable(from.id) && !w.lost() {
		w.after(w.delay(from.id, len(w.hosts)), func() { w.client = from.id })
	}
	if w.foreign && w.reachable(from.id) {
		w.after(5*time.Millisecond, w.intrude) // it defends itself, too
	}
}

// intrude is a gratuitous ARP of the foreign host.
func (w *world) intrude() {
	if !w.foreign {
		return
	}
	w.client = foreigner
	for _, to := range w.hosts {
		if w.reachable(to.id) {
			to.frame(AddressClaimed{Address: vip, Owner: "02:00:00:00:09:09"})
		}
	}
}

// disturb notes that a fault begins or ends.
func (w *world) disturb(format string, args ...any) {
	w.log(format, args...)
	for _, h := range w.hosts {
		h.said.probe = nil // the next one is of another silence
	}
	w.faulty = w.now
	w.oracle.disturbed(w.now)
}
