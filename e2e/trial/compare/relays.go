// SPDX-License-Identifier: Apache-2.0

package compare

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/harbinger-ha/harbinger/e2e/lab"
	"github.com/harbinger-ha/harbinger/e2e/load"
)

// The hosts of a ground: its client, its backends, and one for each relay.
const (
	clientNumber = 20
	firstBackend = 30
	firstRelay   = 40
	backendCount = 3
	relayPort    = 4300
)

// A relay is a way from the client to the backends that is measured beside others.
type relay struct {
	name  string
	start func(g *ground, r *relay, number uint8) error // nil: there is nothing in between
	// What events do to it; nil: it cannot.
	reload  func(*ground, *relay) error // gives it another configuration, and returns when that is in force
	crash   func(*ground, *relay) error // kills it, and returns when it serves again
	partner func(*ground, *relay) error // starts a second one that can take over
	upgrade func(*ground, *relay) error // ends it by plan, and starts it again

	number  uint8 // of its host
	reloads int   // so far
	host    *lab.Host
	process *lab.Process
	targets []netip.AddrPort // where the client connects to
	pids    []int            // of the processes that relay

	idle   int              // connections that are held open beside what is measured
	beside *relay           // the same one without those; nil where there are none
	memory *lab.MemoryGroup // what the kernel has for the processes; nil where nobody asks, or the machine has no such groups
}

// largeBuffers is haproxy with what makes it faster over few connections. What is not transferred takes no buffer.
const largeBuffers = "haproxy-256k"

// relaysOf returns all relays, in the order of the tables.
func relaysOf(o Options) []*relay {
	relays := []*relay{
		{name: "direct"},
		haproxy{}.relay("haproxy"),
		haproxy{Global: "  tune.bufsize 262144\n"}.relay(largeBuffers),
		ours{Binary: o.Binary, LoadBalancer: oneSource}.relay("relay"),
		ours{Binary: o.Binary, LoadBalancer: byKernel + oneSource}.relay("kernel"),
	}
	if o.Against != "" {
		relays = append(relays, ours{Binary: o.Against}.relay("against"))
	}
	return relays
}

// eventRelays returns the relays that events happen to: haproxy once as it is, and once with what makes it notice a death sooner.
func eventRelays(o Options) []*relay {
	relays := slices.DeleteFunc(relaysOf(o), func(r *relay) bool { return r.start == nil || r.name == largeBuffers })
	tuned := haproxy{
		Defaults: "  retries 3\n  option redispatch 1\n  timeout connect 300ms\n",
		Server:   " fall 2 observe layer4 error-limit 1 on-error mark-down on-marked-down shutdown-sessions",
	}
	return slices.Insert(relays, 1, tuned.relay("haproxy-tuned"))
}

// selectRelays returns the relays of those names, all where none is given.
func selectRelays(all []*relay, names []string) ([]*relay, error) {
	if len(names) == 0 {
		return all, nil
	}
	var known []string
	for _, r := range all {
		known = append(known, r.name)
	}
	for _, name := range names {
		if !slices.Contains(known, name) {
			return nil, fmt.Errorf("no plane is called %q: choose from %s", name, strings.Join(known, ", "))
		}
	}
	return slices.DeleteFunc(all, func(r *relay) bool { return !slices.Contains(names, r.name) }), nil
}

// between returns the selected relays that are something between the client and the backends, but those of some names.
func between(o Options, but ...string) ([]*relay, error) {
	all, err := selectRelays(relaysOf(o), o.Planes)
	return slices.DeleteFunc(all, func(r *relay) bool { return r.start == nil || slices.Contains(but, r.name) }), err
}

// A ground is a lab in which relays stand side by side between one client and the same backends.
type ground struct {
	secure   bool // the backends serve TLS
	lab      *lab.Lab
	client   *lab.Host
	hosts    []*lab.Host // of the backends
	backends []*lab.Process
	relays   []*relay
}

// newGround starts backends and relays, and waits until each serves.
func newGround(secure bool, relays []*relay) (g *ground, err error) {
	g = &ground{secure: secure, relays: relays}
	if g.lab, err = lab.New(lab.Config{}); err != nil {
		return nil, err
	}
	if err := g.build(); err != nil {
		return nil, errors.Join(err, g.close())
	}
	return g, nil
}

func (g *ground) build() (err error) {
	if g.client, err = g.addHost("client", clientNumber); err != nil {
		return err
	}
	for i := range backendCount {
		host, err := g.addHost(fmt.Sprintf("backend%d", i+1), uint8(firstBackend+i))
		if err != nil {
			return err
		}
		start := load.StartBackend
		if g.secure {
			start = load.StartSecureBackend
		}
		backend, err := start(host)
		if err != nil {
			return err
		}
		g.hosts, g.backends = append(g.hosts, host), append(g.backends, backend)
	}
	for i, r := range g.relays {
		if err := g.startRelay(r, uint8(firstRelay+i)); err != nil {
			return fmt.Errorf("%s: %w", r.name, err)
		}
	}
	return nil
}

// addHost adds a host with room for the connections of a run.
func (g *ground) addHost(name string, number uint8) (*lab.Host, error) {
	h, err := g.lab.AddHost(name, number)
	if err != nil {
		return nil, err
	}
	return h, errors.Join(h.SetSysctl("net/ipv4/ip_local_port_range", "1024 65535"), h.SetSysctl("net/ipv4/tcp_tw_reuse", "1"),
		h.SetSysctl("net/core/somaxconn", "65535"), h.SetSysctl("net/ipv4/ip_forward", "1"))
}

// addresses returns those of the backends.
func (g *ground) addresses() (all []netip.AddrPort) {
	port := uint16(load.Port)
	if g.secure {
		port = load.SecurePort
	}
	for _, h := range g.hosts {
		all = append(all, netip.AddrPortFrom(h.Address.Addr(), port))
	}
	return all
}

// startTime is within what a relay must serve.
const startTime = 20 * time.Second

func (g *ground) startRelay(r *relay, number uint8) (err error) {
	r.targets = g.addresses()
	if r.start != nil {
		if r.host, err = g.addHost(fmt.Sprintf("plane%d", number-firstRelay+1), number); err != nil {
			return err
		}
		if err := r.start(g, r, number); err != nil {
			return err
		}
	}
	if err := g.await(r); err != nil {
		if r.process != nil {
			err = fmt.Errorf("%w\n%s", err, r.process.Output())
		}
		return err
	}
	return nil
}

// await waits until a relay serves.
func (g *ground) await(r *relay) error {
	var failed error
	err := lab.Until(startTime, "it serves", func() bool {
		failed = g.try(r)
		return failed == nil
	})
	if err != nil {
		return fmt.Errorf("%s: %w: %w", r.name, err, failed)
	}
	return nil
}

// try returns an error unless clients are served through a relay now.
func (g *ground) try(r *relay) error {
	kind := load.Connections
	if g.secure {
		kind = load.Secure
	}
	result, err := g.run(r, load.Job{Kind: kind, Parallel: 1, Length: 50 * time.Millisecond})
	if err == nil && (result.Done == 0 || result.Failed > 0) {
		err = fmt.Errorf("%d done, %d failed: %s", result.Done, result.Failed, result.Error)
	}
	return err
}

// The groups of processes whose time is measured, beside the client.
const (
	relayGroup    = "relay"
	backendsGroup = "backends"
)

// run lets the client do a job through a relay.
func (g *ground) run(r *relay, job load.Job) (load.Result, error) {
	job.Targets = r.targets
	job.Groups = map[string][]int{relayGroup: r.pids}
	for _, b := range g.backends {
		job.Groups[backendsGroup] = append(job.Groups[backendsGroup], b.PID())
	}
	return load.Run(g.client, job)
}

// close ends everything.
func (g *ground) close() error {
	err := g.lab.Close()
	for _, r := range g.relays {
		if r.memory != nil {
			err = errors.Join(err, r.memory.Close())
		}
	}
	return err
}
