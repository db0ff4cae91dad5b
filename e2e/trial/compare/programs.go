// SPDX-License-Identifier: Apache-2.0

package compare

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/harbinger-ha/harbinger/e2e/lab"
	"github.com/harbinger-ha/harbinger/e2e/trial"
	"github.com/harbinger-ha/harbinger/pkg/election"
	"github.com/harbinger-ha/harbinger/pkg/logging"
)

// haproxy is an ordinary configuration of it with other lines in its sections, and words at the end of its server lines. It has two
// threads, as many as there are processors where the tables of the balancer are made.
type haproxy struct{ Global, Defaults, Server string }

// haproxyFile is where a host has the configuration.
const haproxyFile = "/run/haproxy.cfg"

// relay returns haproxy as a relay of that name.
func (x haproxy) relay(name string) *relay {
	return &relay{name: name, start: x.start, reload: reloadHAProxy, crash: func(g *ground, r *relay) error {
		if err := r.process.Kill(); err != nil {
			return err
		}
		return errors.Join(r.runHAProxy(), g.await(r))
	}}
}

func (x haproxy) start(g *ground, r *relay, _ uint8) error {
	address := netip.AddrPortFrom(r.host.Address.Addr(), relayPort)
	if err := r.host.WriteFile(haproxyFile, x.config(address, g.addresses())); err != nil {
		return err
	}
	r.targets = []netip.AddrPort{address}
	return r.runHAProxy()
}

// runHAProxy runs a master with a worker, so that it can be reloaded.
func (r *relay) runHAProxy() error {
	path, err := lab.FindProgram("haproxy")
	if err != nil {
		return err
	}
	if r.process, err = r.host.Start(lab.Command{Path: path, Args: []string{"-W", "-db", "-f", haproxyFile}}); err != nil {
		return err
	}
	return lab.Until(startTime, "haproxy has a worker", func() bool {
		r.pids = r.process.Children()
		return len(r.pids) == 1
	})
}

// reloadHAProxy returns when a new worker has taken over. A master that still loads misses the signal: it gets another one.
func reloadHAProxy(_ *ground, r *relay) error {
	const loaded, again = "Loading success", time.Second
	workers, before := r.process.Children(), strings.Count(r.process.Output(), loaded)
	var asked time.Time
	var failed error
	err := lab.Until(startTime, "haproxy has a new worker", func() bool {
		if time.Since(asked) > again {
			asked = time.Now()
			failed = errors.Join(failed, r.process.Signal(syscall.SIGUSR2))
		}
		return strings.Count(r.process.Output(), loaded) > before
	})
	// Those of before go on with the sessions that they have.
	r.pids = slices.DeleteFunc(r.process.Children(), func(pid int) bool { return slices.Contains(workers, pid) })
	return errors.Join(failed, err)
}

func (x haproxy) config(bind netip.AddrPort, backends []netip.AddrPort) string {
	var b strings.Builder
	fmt.Fprintf(&b, `global
  nbthread 2
  maxconn 9500
%sdefaults
  mode tcp
  timeout connect 5s
  timeout client 1h
  timeout server 1h
%sfrontend apiserver
  bind %s
  default_backend apiserver
backend apiserver
  balance roundrobin
`, x.Global, x.Defaults, bind)
	for i, backend := range backends {
		fmt.Fprintf(&b, "  server s%d %s check inter 1s%s\n", i+1, backend, x.Server)
	}
	return b.String()
}

// ours is a binary of Harbinger, alone on its host, with other lines in the section loadBalancer of its configuration.
type ours struct{ Binary, LoadBalancer string }

// harbingerFile is where a host has the configuration.
const harbingerFile = "/run/harbinger.yaml"

// relay returns Harbinger as a relay of that name.
func (x ours) relay(name string) *relay {
	return &relay{name: name, start: x.start, reload: x.reload, crash: crashOurs, partner: x.partner, upgrade: x.upgrade}
}

func (x ours) start(g *ground, r *relay, number uint8) error {
	r.number = number
	r.targets = []netip.AddrPort{netip.AddrPortFrom(vipOf(number).Addr(), relayPort)}
	return x.runAs(g, r, election.Active)
}

// runAs runs Harbinger on the relay's own host until it has a state.
func (x ours) runAs(g *ground, r *relay, state election.State) (err error) {
	if r.process, err = x.run(g, r, r.host, state); err == nil {
		// The keeper, its parent, elects: that is no part of relaying.
		r.pids = r.process.Children()
	}
	return err
}

// vipOf returns the virtual address of the relay with that number.
func vipOf(number uint8) netip.Prefix {
	return netip.PrefixFrom(netip.AddrFrom4([4]byte{192, 168, 238, 100 + number}), 24)
}

// run runs Harbinger on a host until it has a state and its backends are healthy.
func (x ours) run(g *ground, r *relay, h *lab.Host, state election.State) (*lab.Process, error) {
	if err := h.WriteFile(harbingerFile, x.config(r, g.addresses())); err != nil {
		return nil, err
	}
	process, err := h.Start(lab.Command{Path: x.Binary, Args: []string{"run", "--config", harbingerFile}})
	if err != nil {
		return nil, err
	}
	node := &trial.Node{Host: h}
	err = lab.Until(startTime, fmt.Sprintf("the balancer has found its backends healthy, and the node is %s", state), func() bool {
		s, err := node.Status()
		passes := s.Balancer.Mode == "Kernel" || !x.byKernel()
		return err == nil && passes && (trial.Harbinger{}).Ready(node) && s.VirtualRouter.State == state.String()
	})
	if err != nil {
		return nil, fmt.Errorf("%w\n%s", err, process.Output())
	}
	return process, nil
}

// reload returns when the keeper has taken the new configuration.
func (x ours) reload(g *ground, r *relay) error {
	r.reloads++
	if err := r.host.WriteFile(harbingerFile, x.config(r, g.addresses())); err != nil {
		return err
	}
	return lab.Until(startTime, "the changed configuration is in use", func() bool {
		return strings.Count(r.process.Output(), logging.MsgConfigChanged) == r.reloads
	})
}

// crashOurs kills the balancer, and returns when the next one serves.
func crashOurs(g *ground, r *relay) error {
	before := r.process.Children()
	if len(before) != 1 {
		return fmt.Errorf("the keeper has %d children, want the balancer alone", len(before))
	}
	if err := syscall.Kill(before[0], syscall.SIGKILL); err != nil {
		return err
	}
	// A child that is refused its program, or its user, is gone again: only what serves is the next balancer.
	var failed error
	err := lab.Until(startTime, "another balancer serves", func() bool {
		r.pids = r.process.Children()
		if len(r.pids) != 1 || r.pids[0] == before[0] {
			return false
		}
		failed = g.try(r)
		return failed == nil
	})
	return errors.Join(err, failed)
}

// partners is how much more the numbers of the second hosts are.
const partners = 20

// partner starts the second host of a pair.
func (x ours) partner(g *ground, r *relay) error {
	host, err := g.addHost(fmt.Sprintf("partner%d", r.number), r.number+partners)
	if err != nil {
		return err
	}
	_, err = x.run(g, r, host, election.Backup)
	return err
}

// upgrade does to the holder what an upgrade of its pod does.
func (x ours) upgrade(g *ground, r *relay) error {
	if err := r.process.Terminate(); err != nil {
		return err
	}
	if err := r.process.Wait(2 * startTime); err != nil {
		return err
	}
	return x.runAs(g, r, election.Backup)
}

// oneSource lets the one client of the bench have all connections.
const oneSource = "  connectionLimits: {perSource: 20000}\n"

// byKernel has the kernel pass connections on.
const byKernel = "  mode: Kernel\n"

func (x ours) byKernel() bool { return strings.HasPrefix(x.LoadBalancer, byKernel) }

// config has another policy after each reload.
func (x ours) config(r *relay, backends []netip.AddrPort) string {
	var b strings.Builder
	policies := []string{"RoundRobin", "LeastConnections"}
	if x.byKernel() { // which has no other but this
		policies[1] = "SourceHash"
	}
	fmt.Fprintf(&b, `apiVersion: harbinger.dev/v1alpha1
kind: HarbingerConfiguration
virtualAddresses: [%s]
controlPlane: {port: %d}
election: {mode: VRRP, vrrp: {virtualRouterID: %d}}
healthCheck: {scheme: TCP}
loadBalancer:
  policy: %s
%s  backends:
`, vipOf(r.number), relayPort, r.number, policies[r.reloads%2], x.LoadBalancer)
	for _, backend := range backends {
		fmt.Fprintf(&b, "  - address: %s\n", backend)
	}
	return b.String()
}
