// SPDX-License-Identifier: Apache-2.0

package election

import (
	"cmp"
	"os"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// HARBINGER_SIM_SEEDS runs more of the random simulations, from HARBINGER_SIM_FIRST on, HARBINGER_SIM_SEED traces one of them.
func seeds(t *testing.T, few int) int {
	s := os.Getenv("HARBINGER_SIM_SEEDS")
	if s == "" {
		return few
	}
	n, err := strconv.Atoi(s)
	if err != nil {
		t.Fatalf("HARBINGER_SIM_SEEDS: %v", err)
	}
	return n
}

// profiles are the versions and intervals that the random runs take in turn. The bounds are those of the slowest.
var profiles = []func(*Config){
	func(*Config) {},
	func(c *Config) { c.AdvertisementInterval, c.Lifetime = 100*time.Millisecond, time.Second },
	func(*Config) {},
	version2,
	func(*Config) {},
}

// forcedInterval returns the interval that HARBINGER_SIM_INTERVAL asks of all advertisements, as 20ms; 0: those of the profiles.
func forcedInterval() time.Duration {
	d, _ := time.ParseDuration(os.Getenv("HARBINGER_SIM_INTERVAL"))
	return d
}

// fences returns which hosts have a fence: all, none or some of them, as HARBINGER_SIM_FENCE asks, else one after the other.
func fences(seed uint64) func(int) bool {
	kind := cmp.Or(os.Getenv("HARBINGER_SIM_FENCE"), []string{"none", "all", "some"}[seed/7%3])
	return func(i int) bool { return kind == "all" || kind == "some" && (uint64(i)+seed)%2 == 0 }
}

// randomWorld has 2 to 5 hosts of random priorities, some of them equal, with or without preemption.
func randomWorld(seed uint64, hybrid bool, spoil func(*world)) *world {
	preempt := seed%3 == 0
	n := []int{2, 3, 3, 3, 3, 5}[seed/3%6]
	p := params{seed: seed, hosts: n, spoil: spoil, hybrid: hybrid, interval: forcedInterval(), fence: fences(seed)}
	p.each = func(i int, c *Config) {
		c.Preempt = preempt
		if p.interval > 0 {
			c.AdvertisementInterval, c.Lifetime = p.interval, Lifetime(p.interval)
		} else {
			profiles[seed%uint64(len(profiles))](c)
		}
		if seed/18%4 != 0 {
			c.Priority += uint8((uint64(i)*7 + seed) % uint64(n) * 10)
		}
		if seed/72%4 == 0 {
			c.Peers = nil
		}
	}
	return newWorld(p)
}

// runRandom runs one world of random faults to the end of what they cause.
func runRandom(seed uint64, from []string, spoil func(*world), trace func(string)) *world {
	return runWorld(randomWorld(seed, false, spoil), from, trace)
}

// runHybrid is the same with a Lease. A third of these clusters has no API at first.
func runHybrid(seed uint64, from []string, spoil func(*world), trace func(string)) *world {
	w := randomWorld(seed, true, spoil)
	if w.rng.IntN(3) == 0 && len(from) == len(hybridKinds()) {
		w.inject(fault{kind: "etcd", dur: w.random(0, 40*time.Second)})
	}
	return runWorld(w, from, trace)
}

func runWorld(w *world, from []string, trace func(string)) *world {
	w.trace = trace
	w.inject(w.randomFaults(from)...)
	w.run(130 * time.Second)
	w.oracle.end(w)
	return w
}

// maxima are the worst of many runs.
type maxima struct {
	runs, bad, moves                                      int
	live, blind, lossy, dead, leaving, idle, sick, misled time.Duration
}

func (m *maxima) add(w *world) {
	o, d := &w.oracle, w.oracle.duals()
	m.runs++
	m.moves += o.moves
	if len(o.violations) > 0 {
		m.bad++
	}
	m.live, m.blind, m.dead = max(m.live, d.live.most), max(m.blind, d.blind.most), max(m.dead, d.dead.most)
	m.leaving, m.idle, m.sick = max(m.leaving, d.leaving.most), max(m.idle, o.idle.most), max(m.sick, o.sick.most)
	m.lossy = max(m.lossy, d.lossy.most)
	m.misled = max(m.misled, o.misled.most)
}

func (m *maxima) log(t *testing.T) {
	t.Logf("%d runs, %d with violations, %.2f moves a run; two holders: %s hearing each other, %s only by ARP, %s with 25 %% loss, %s one dead, %s one leaving; "+
		"no holder on a clean LAN: %s, no healthy one: %s; client misled: %s", m.runs, m.bad, float64(m.moves)/float64(m.runs),
		ms(m.live), ms(m.blind), ms(m.lossy), ms(m.dead), ms(m.leaving), ms(m.idle), ms(m.sick), ms(m.misled))
}

func ms(d time.Duration) time.Duration { return d.Round(time.Millisecond) }

// Whatever faults overlap, the invariants hold; with a Lease, those of the API as well.
func TestSimulation(t *testing.T)       { simulate(t, 60, allKinds(), runRandom) }
func TestSimulationHybrid(t *testing.T) { simulate(t, 50, hybridKinds(), runHybrid) }

func simulate(t *testing.T, few int, from []string, run func(uint64, []string, func(*world), func(string)) *world) {
	t.Parallel()
	if s := os.Getenv("HARBINGER_SIM_SEED"); s != "" {
		seed, _ := strconv.ParseUint(s, 10, 64)
		run(seed, from, nil, func(line string) { t.Log(line) })
		return
	}
	var m maxima
	first, _ := strconv.ParseUint(os.Getenv("HARBINGER_SIM_FIRST"), 10, 64)
	eachInParallel(seeds(t, few), func(i int) func() {
		seed := first + uint64(i)
		w := run(seed, from, nil, nil)
		return func() {
			m.add(w)
			if v := w.oracle.violations; len(v) > 0 {
				t.Errorf("seed %d:\n%s", seed, strings.Join(v, "\n"))
			}
		}
	})
	m.log(t)
}

// eachInParallel does n things on all processors, and what each returns one at a time.
func eachInParallel(n int, do func(i int) func()) {
	var (
		all  sync.WaitGroup
		one  sync.Mutex
		next atomic.Int64
	)
	for range min(n, runtime.GOMAXPROCS(0)) {
		all.Go(func() {
			for i := int(next.Add(1)) - 1; i < n; i = int(next.Add(1)) - 1 {
				then := do(i)
				one.Lock()
				then()
				one.Unlock()
			}
		})
	}
	all.Wait()
}
