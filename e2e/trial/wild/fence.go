// SPDX-License-Identifier: Apache-2.0

package wild

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/harbinger-ha/harbinger/e2e/fault"
	"github.com/harbinger-ha/harbinger/e2e/lab"
	"github.com/harbinger-ha/harbinger/e2e/lab/guest"
	"github.com/harbinger-ha/harbinger/e2e/promise"
	"github.com/harbinger-ha/harbinger/e2e/trial"
	"github.com/harbinger-ha/harbinger/pkg/apis/status/v1alpha1"
	"github.com/harbinger-ha/harbinger/pkg/election"
	"github.com/harbinger-ha/harbinger/pkg/fence"
)

// table is the fence of every plane, in the language of nft.
var table = fmt.Sprintf("netdev %s%d", fence.Prefix, trial.VirtualRouterID)

// meddling is what other programs do to the rules of a host.
type meddling struct {
	name string
	do   func(*run, *trial.Node) error
}

// nft carries commands out that the kernel may refuse: it protects the fence of a process that lives, where it can.
func nft(command string) func(*run, *trial.Node) error {
	return func(_ *run, n *trial.Node) error {
		_ = n.Nft(command)
		return nil
	}
}

// meddlings are done on the holder, one after the other.
var meddlings = []meddling{
	{"nft flush ruleset", nft("flush ruleset")},
	{"nft flush table", nft("flush table " + table)},
	{"nft delete table", nft("delete table " + table)},
	{"iptables -F", flushIptables},
	{"rules of docker", func(_ *run, n *trial.Node) error { return n.Nft(dockerRules) }},
	{"5000 chains rewritten", rewriteChains},
}

func flushIptables(r *run, n *trial.Node) error {
	path, err := lab.FindProgram("iptables-nft")
	if err != nil {
		r.note("%v", err)
		return nil
	}
	p, err := n.Host.Start(lab.Command{Path: path, Args: []string{"-F"}})
	if err != nil {
		return err
	}
	return p.Wait(10 * time.Second)
}

// dockerRules are what dockerd has made of a host without containers but one.
const dockerRules = `table ip nat {
	chain DOCKER { iifname "docker0" return; iifname != "docker0" tcp dport 8080 dnat to 172.17.0.2:80; }
	chain PREROUTING { type nat hook prerouting priority dstnat; policy accept; fib daddr type local jump DOCKER; }
	chain POSTROUTING { type nat hook postrouting priority srcnat; policy accept; ip saddr 172.17.0.0/16 oifname != "docker0" masquerade; }
	chain OUTPUT { type nat hook output priority -100; policy accept; ip daddr != 127.0.0.0/8 fib daddr type local jump DOCKER; }
}
table ip filter {
	chain DOCKER { ip daddr 172.17.0.2 iifname != "docker0" oifname "docker0" tcp dport 80 accept; }
	chain DOCKER-USER { return; }
	chain FORWARD {
		type filter hook forward priority filter; policy drop
		jump DOCKER-USER
		oifname "docker0" ct state established,related accept
		oifname "docker0" jump DOCKER
		iifname "docker0" accept
	}
}
`

// chains are as many as kube-proxy has for some thousand Services; rewrites is how often it replaces them.
const (
	chains   = 5000
	rewrites = 5
)

// rewriteChains replaces a table of many chains again and again, as kube-proxy does in its mode nftables after a restart.
func rewriteChains(_ *run, n *trial.Node) error {
	for range rewrites {
		if err := n.Nft(chainsScript(chains)); err != nil {
			return err
		}
	}
	return n.Nft("delete table ip kube-proxy")
}

// chainsScript replaces the table of kube-proxy by one with so many chains.
func chainsScript(n int) string {
	var b strings.Builder
	b.WriteString("table ip kube-proxy\ndelete table ip kube-proxy\ntable ip kube-proxy {\n")
	for i := range n {
		fmt.Fprintf(&b, "chain service-%d { ip daddr 172.30.%d.%d tcp dport 443 counter accept; }\n", i, i/250, i%250+1)
	}
	b.WriteString("}\n")
	return b.String()
}

// fenceBack is the time within which a fence that was removed is there again.
const fenceBack = time.Second

// fenced reports whether a host has the fence.
func fenced(n *trial.Node) bool {
	return n.Nft("list table "+table) == nil
}

// meddle has other programs change the rules of the holder: it serves on, and the fence is back soon and keeps its promise.
func (r *run) meddle() error {
	if err := r.Start(); err != nil {
		return err
	}
	return r.eachHolder(func(holder *trial.Node) error {
		for _, m := range meddlings {
			if err := r.meddleOnce(m, holder); err != nil {
				return fmt.Errorf("%s: %w", m.name, err)
			}
		}
		return r.outlive(holder)
	})
}

func (r *run) meddleOnce(m meddling, holder *trial.Node) error {
	start := time.Now()
	err := m.do(r, holder)
	done := time.Now()
	if err == nil {
		err = r.Control.Until(fenceBack, "the fence is back", func() bool { return fenced(holder) })
	}
	back := r.Control.Between(done, time.Now())
	observeFor(time.Until(done.Add(2 * fenceBack)))
	s := r.Sample(start)
	r.sample(s)
	r.note("%s: outage %.3f s, the fence was there %.3f s later", m.name, s.Outage.Length().Seconds(), back.Seconds())
	return errors.Join(err, holder.Firewall(""), r.Settle())
}

// outlive kills the holder, looks at how long it answers still, and starts it again when another host serves.
func (r *run) outlive(holder *trial.Node) error {
	start := time.Now()
	if err := holder.Sidecar.Kill(); err != nil {
		return err
	}
	err := r.Control.Until(deafTime, "another host has the address", func() bool { return r.Settled(holder.Name) })
	outage, bound := r.Client.Outage(start), r.Plane.Row(fault.Kill).Limits.Outage
	r.note("kill -9 of the holder after that: outage %.3f s ≤ %.2f", outage.Length().Seconds(), bound.Seconds())
	if err == nil && outage.Length() > bound {
		err = fmt.Errorf("outage after a kill -9 %v, bound %v", outage, bound)
	}
	return errors.Join(err, r.silent(start), r.Control.Until(deafTime, "the killed one has lost the address", func() bool { return r.Settled() }),
		r.StartSidecar(holder), r.Settle())
}

// silent returns an error where the host that had the address at a moment, and was killed then, answered for longer than its fence
// was open.
func (r *run) silent(since time.Time) error {
	var answered time.Duration
	var who []string
	for _, span := range r.Answers.Since(since) {
		if who == nil {
			who = span.Hosts
		}
		if len(span.Hosts) > 0 && slices.Contains(who, span.Hosts[0]) {
			answered = r.Control.Between(since, span.To)
		}
	}
	bound := election.FenceTimeout(r.Interval, true) + promise.Delay
	r.note("the killed host answered for %.3f s more ≤ %.2f", answered.Seconds(), bound.Seconds())
	if answered > bound {
		return fmt.Errorf("the killed host answered for %v more, bound %v: it had no fence", answered, bound)
	}
	return nil
}

// takenBack is when another program may have the address of a host whose processes were killed: the fence has disarmed by then.
const takenBack = fence.Disarm + 2*time.Second

// reuse kills everything, and has another program use the address on the host that had it.
func (r *run) reuse() error {
	if err := r.Start(); err != nil {
		return err
	}
	holder, err := r.Holder()
	if err != nil {
		return err
	}
	if err := r.Each(func(n *trial.Node) error { return n.Sidecar.Kill() }); err != nil {
		return err
	}
	observeFor(takenBack)
	if left := r.Holders.Now(); len(left) > 0 {
		return fmt.Errorf("%v after a kill -9 of everything %v have the address", takenBack, left)
	}
	start := time.Now()
	if err := holder.AddAddress(r.VirtualAddresses[0]); err != nil {
		return err
	}
	ln, err := holder.Listen(r.Endpoint().String())
	if err != nil {
		return err
	}
	defer ln.Close()
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	conn, err := r.ClientHost().Dial(ctx, "tcp", r.Endpoint().String())
	if err != nil {
		return fmt.Errorf("a client does not reach the address that %s has by hand: %w", holder.Name, err)
	}
	r.note("%v after a kill -9 of everything the address was added by hand, and a client was connected after %.3f s", takenBack,
		time.Since(start).Seconds())
	r.row.Samples = append(r.row.Samples, fault.Sample{})
	return conn.Close()
}

// killUnfenced kills the holder on hosts without nf_tables: the lifetime of the address is what ends it there, and the status says so.
func (r *run) killUnfenced() error {
	r.row.Limits = r.fault.Promise.In(promise.StandIns, promise.At(r.Interval).Unfenced())
	if err := r.Start(); err != nil {
		return err
	}
	if err := r.Each(unfenced); err != nil {
		return err
	}
	f := r.fault
	f.Act = fault.KillSidecar
	for range r.cfg.Runs {
		s, err := r.Measure(f)
		if err != nil {
			return err
		}
		r.sample(s)
	}
	return nil
}

// unfenced returns an error unless the status of a host says that it has no fence, and why.
func unfenced(n *trial.Node) error {
	s, err := n.Status()
	if err != nil {
		return err
	}
	for _, c := range s.Conditions {
		if c.Type == v1alpha1.ConditionFenced && c.Status == "False" && c.Message != "" {
			return nil
		}
	}
	return fmt.Errorf("no condition of %s says why it has no fence: %+v", n.Name, s.Conditions)
}

// replaced is a change: the link of the host is taken away, and another comes in its place.
func replaced(h *lab.Host, _ bool) error { return h.Replug() }

// fences are the scenarios of a fault that tries the fence.
func fences(f fault.Fault) scenario {
	s := scenario{fault: f, hosts: 3}
	if f.Act == fault.KillUnfenced {
		s.setting.without = guest.NoNFTables
	}
	return s
}
