// SPDX-License-Identifier: Apache-2.0

package trial

import (
	"fmt"
	"net/netip"
	"slices"
	"testing"
	"time"

	"github.com/harbinger-ha/harbinger/e2e/fault"
	"github.com/harbinger-ha/harbinger/pkg/vrrp"
)

// A dialect is a form of VRRP that Harbinger and keepalived share.
type dialect struct {
	name     string
	version  int
	password string
	sixth    bool // over IPv6
	unicast  bool
}

func dialects() (all []dialect) {
	for _, unicast := range []bool{false, true} {
		way := "multicast"
		if unicast {
			way = "unicast"
		}
		all = append(all,
			dialect{name: "v2 " + way, version: 2, unicast: unicast},
			dialect{name: "v2 PASS " + way, version: 2, password: "lab4711", unicast: unicast},
			dialect{name: "v3 IPv4 " + way, version: 3, unicast: unicast},
			dialect{name: "v3 IPv6 " + way, version: 3, sixth: true, unicast: unicast},
		)
	}
	return all
}

// interval is as short as the dialect can, but no hurry for a loaded machine.
func (d dialect) interval() time.Duration {
	if d.version == 2 {
		return time.Second
	}
	return 300 * time.Millisecond
}

func (d dialect) config(nodes int) Config {
	cfg := Config{Nodes: nodes, Interval: d.interval()}
	cfg.Client.Interval = 100 * time.Millisecond // no outage is judged
	if d.sixth {
		cfg.Prefix6 = netip.MustParsePrefix("fd00:238::/64")
		cfg.VirtualAddresses = []netip.Prefix{netip.MustParsePrefix("fd00:238::100/64")}
	}
	return cfg
}

// passwordFile is where a node has the password of the dialect.
const passwordFile = "/etc/kubernetes/vrrp-password"

// ours returns Harbinger as it speaks the dialect.
func (d dialect) ours(p *Plane, priority int) Harbinger {
	flags := []string{"--vrrp-version", fmt.Sprint(d.version), "--priority", fmt.Sprint(priority), "--election-mode", "vrrp"}
	if d.password != "" {
		flags = append(flags, "--auth-pass-file", passwordFile)
	}
	if d.unicast {
		for _, n := range p.Nodes {
			flags = append(flags, "--peer", p.NodeAddress(n).String())
		}
		if d.sixth {
			flags = append(flags, "--minimum-ttl", "64") // what keepalived sends
		}
	}
	return Harbinger{Binary: harbinger.Binary, Flags: flags}
}

// theirs returns keepalived as it speaks the dialect.
func (d dialect) theirs(priority int) Keepalived {
	return Keepalived{Version: d.version, Priority: uint8(priority), Password: d.password, Unicast: d.unicast}
}

// run starts a system on a node, whatever ran there.
func run(t *testing.T, p *Plane, n *Node, system System) {
	t.Helper()
	p.System = system
	must(t, p.StartSidecar(n))
}

// expectHolder waits until a node has had the address alone for an interval.
func expectHolder(t *testing.T, p *Plane, n *Node) {
	t.Helper()
	calm := p.Interval
	until(t, p, settleTime, n.Name+" has the address alone", func() bool {
		spans := p.Holders.Since(time.Now().Add(-calm))
		return len(spans) == 1 && slices.Equal(spans[0].Hosts, []string{n.Name})
	})
}

// stop ends the sidecar of a node in good order.
func stop(t *testing.T, n *Node) {
	t.Helper()
	must(t, n.Sidecar.Stop())
	must(t, n.Sidecar.Keeper.Wait(40*time.Second))
	must(t, n.Sidecar.Kill()) // what is left of it: haproxy
}

func TestTakeoverWithKeepalived(t *testing.T) {
	for _, d := range dialects() {
		t.Run(d.name, func(t *testing.T) {
			t.Parallel()
			p := newPlane(t, d.config(2))
			a, b := p.Nodes[0], p.Nodes[1]
			must(t, a.WriteFile(passwordFile, d.password))
			must(t, b.WriteFile(passwordFile, d.password))

			run(t, p, b, d.theirs(150))
			expectHolder(t, p, b)
			run(t, p, a, d.ours(p, 100))
			observeFor(4 * d.interval())
			expectHolder(t, p, b) // it ranks higher

			stop(t, b)
			expectHolder(t, p, a) // we take over from it
			run(t, p, b, d.theirs(150))
			expectHolder(t, p, b) // it takes over from us by its priority

			stop(t, a)
			run(t, p, a, d.ours(p, 200))
			expectHolder(t, p, a) // we take over from it by our priority
			stop(t, a)
			expectHolder(t, p, b) // it takes over when we leave
		})
	}
}

// Two that hold the address with the same priority are decided by their own addresses: the higher one keeps it.
func TestTieBreakWithKeepalived(t *testing.T) {
	for _, oursHigher := range []bool{false, true} {
		t.Run(fmt.Sprintf("ours higher %v", oursHigher), func(t *testing.T) {
			t.Parallel()
			d := dialect{version: 3}
			p := newPlane(t, d.config(2))
			low, high := p.Nodes[0], p.Nodes[1]
			if oursHigher {
				run(t, p, low, d.theirs(100))
				run(t, p, high, d.ours(p, 100))
			} else {
				run(t, p, low, d.ours(p, 100))
				run(t, p, high, d.theirs(100))
			}
			until(t, p, settleTime, "one has the address", func() bool { return len(p.Holders.Now()) == 1 })
			must(t, low.Blackhole())
			until(t, p, settleTime, "both have the address", func() bool { return len(p.Holders.Now()) == 2 })
			must(t, low.Unblackhole())
			expectHolder(t, p, high)
		})
	}
}

// Three hosts of keepalived become three of Harbinger, one at a time, and keepalived's again. Clients pay for what keepalived does
// when it leaves, but not for us. Their priorities differ well: of two that are a few milliseconds apart, both may take the address
// at once, and neighbours then keep the loser's for 5 s. The interval is keepalived's own, as harbinger convert writes it.
func TestRollingMigration(t *testing.T) {
	t.Parallel()
	classic := Keepalived{Ranked: true}
	p := startPlane(t, Config{System: classic, Interval: time.Second})
	planned := p.Row(fault.PlannedStop).Limits.Outage
	bound := vrrp.SkewTime(vrrp.Version3, 100, p.Interval) + planned
	for _, n := range p.Nodes {
		replaceOn(t, p, n, harbinger, bound)
	}
	start := time.Now()
	row := do(t, p, fault.PlannedStop, 3)
	if gap := p.Holders.Since(start).Vacant().Longest(); gap.Length() > 0 || row.Outage() > planned {
		t.Errorf("we leave: the address was on %s, outage %v", gap, row.Outage())
	}
	for _, n := range p.Nodes {
		replaceOn(t, p, n, classic, bound)
		expectHolder(t, p, p.Nodes[0]) // it ranks highest, and takes the address back
	}
}

// replaceOn stops what runs on a node and starts another system there. A client has no answer for at most the bound.
func replaceOn(t *testing.T, p *Plane, n *Node, system System, bound time.Duration) {
	t.Helper()
	start, wasHolder := time.Now(), holder(t, p) == n
	stop(t, n)
	must(t, p.Settle())
	run(t, p, n, system)
	if system.Name() == harbinger.Name() {
		until(t, p, 10*time.Second, "the node is ready", func() bool { return status(t, n).Ready })
	}
	must(t, p.Settle())
	o := p.Client.Outage(start)
	t.Logf("%s on %s, holder before: %v: outage %v, stalled %v", system.Name(), n.Name, wasHolder, o, p.Control.Stalled(start, time.Now()))
	if o.Length() > bound {
		t.Errorf("%s on %s: outage %v, want at most %v", system.Name(), n.Name, o, bound)
	}
}
