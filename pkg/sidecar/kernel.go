// SPDX-License-Identifier: Apache-2.0

package sidecar

import (
	"context"
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/go-logr/logr"

	"github.com/harbinger-ha/harbinger/pkg/address"
	"github.com/harbinger-ha/harbinger/pkg/apis/status/v1alpha1"
	"github.com/harbinger-ha/harbinger/pkg/balance"
	"github.com/harbinger-ha/harbinger/pkg/dnat"
	"github.com/harbinger-ha/harbinger/pkg/firewall"
	"github.com/harbinger-ha/harbinger/pkg/health"
	"github.com/harbinger-ha/harbinger/pkg/logging"
	"github.com/harbinger-ha/harbinger/pkg/membership"
	"github.com/harbinger-ha/harbinger/pkg/metrics"
	"github.com/harbinger-ha/harbinger/pkg/preflight"
	"github.com/harbinger-ha/harbinger/pkg/proxy"
	"github.com/harbinger-ha/harbinger/pkg/relay"
	"github.com/harbinger-ha/harbinger/pkg/report"
)

// kernelRetry is how often the kernel is asked again for what it refuses, and its filters for what they drop.
const kernelRetry = 10 * time.Second

// kernel has the kernel pass connections on, where loadBalancer.mode asks for it: its rules follow what the balancer process reports.
// Where it cannot, nothing is lost: without rules every connection reaches the listening sockets of the balancer process.
type kernel struct {
	log     logr.Logger
	metrics *metrics.Metrics
	members *members
	table   string
	changed chan struct{}     // the health or the members may have; a signal that is not taken yet says enough
	leaves  chan chan<- error // the virtual addresses are about to leave: takes what came of ending their connections

	// Of the goroutine that follows, and of the end after it.
	known   []proxy.BackendStatus // of each backend what was found out last
	rules   dnat.Rules            // in force
	there   bool                  // the table may be
	applied bool                  // this process has made it
	dead    []netip.AddrPort      // whose connections were ended
	refused string                // what the kernel lacks, when it was asked last
	asked   time.Time             // when that was; zero: never
	failed  string                // the last failure in the log

	mu  sync.Mutex
	now report.KernelMode
}

func newKernel(log logr.Logger, m *metrics.Metrics, members *members, vrid uint8) *kernel {
	return &kernel{log: log, metrics: m, members: members, table: dnat.Prefix + strconv.Itoa(int(vrid)), changed: make(chan struct{}, 1), leaves: make(chan chan<- error), there: true}
}

// signal has the rules looked at.
func (k *kernel) signal() {
	select {
	case k.changed <- struct{}{}:
	default:
	}
}

// state returns what there is to report, nil where the relay is configured.
func (k *kernel) state() *report.KernelMode {
	if k.members.now().Config.LoadBalancer.Mode != balance.ModeKernel {
		return nil
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	now := k.now
	return &now
}

// report changes that, and logs it where it is new.
func (k *kernel) report(now report.KernelMode) {
	k.mu.Lock()
	before := k.now
	k.now = now
	k.mu.Unlock()
	if before == now || !now.Decided {
		return
	}
	if now.InForce {
		k.log.Info(logging.MsgKernelPasses, logging.KeyBackends, len(k.rules.Targets))
		return
	}
	logging.Warn(k.log, logging.MsgKernelCannot, logging.KeyReason, now.Reason)
}

// follow keeps the rules as the backends and the members are. It looks once a second too: others may have removed them, or changed what
// they need.
func (k *kernel) follow(ctx context.Context, status func() proxy.Status) error {
	ticker := time.NewTicker(lookEvery)
	defer ticker.Stop()
	for {
		k.sync(status())
		select {
		case <-k.changed:
		case <-ticker.C:
		case <-ctx.Done():
			return nil
		}
	}
}

// dismiss does what leave asks for, beside follow: new rules take longer than the virtual addresses may stay.
func (k *kernel) dismiss(ctx context.Context) error {
	for {
		select {
		case done := <-k.leaves:
			view := k.members.now()
			_, err := dnat.Leave(view.Config.ControlPlane.Port, view.VirtualAddresses())
			done <- err
		case <-ctx.Done():
			return nil
		}
	}
}

// sync does what a status asks for.
func (k *kernel) sync(status proxy.Status) {
	view := k.members.now()
	k.known = status.Known(k.known)
	switch {
	case view.Config.LoadBalancer.Mode != balance.ModeKernel:
		k.withdraw(view, report.KernelMode{})
		return
	case !proxy.Decided(k.known): // what a process before this one has left goes on
		return
	}
	all := ownAddresses()
	own := func(a netip.Addr) bool { return slices.Contains(all, a) }
	wanted := settings(view, health.Authority{})
	rules := kernelRules(view, wanted.Takers(k.known))
	if reason := k.obstacle(view, rules, own); reason != "" {
		k.withdraw(view, report.KernelMode{Decided: true, Reason: reason})
		return
	}
	if err := k.apply(rules); err != nil {
		k.asked, k.refused = time.Now(), err.Error()
		k.withdraw(view, report.KernelMode{Decided: true, Reason: err.Error()})
		return
	}
	k.report(report.KernelMode{Decided: true, InForce: true, Reason: relayed(view, rules)})
	k.end(view, wanted.Dead(k.known))
}

// obstacle says what keeps the kernel from passing connections on as the rules say; empty: nothing.
func (k *kernel) obstacle(view membership.View, rules dnat.Rules, own func(netip.Addr) bool) string {
	if err := dnat.Forwards(rules.Targets, own); err != nil {
		return err.Error()
	}
	waited := time.Since(k.asked)
	if k.asked.IsZero() || k.refused != "" && waited >= kernelRetry {
		k.refused = ""
		if err := dnat.Try(k.table + "-try"); err != nil {
			k.refused = err.Error()
		}
	} else if waited < kernelRetry {
		return k.refused
	}
	k.asked = time.Now()
	if filters, err := firewall.Read(); err == nil && k.refused == "" {
		k.refused = preflight.Forwards(filters, view.Link.(address.Link), view.Config.VirtualAddresses, rules.Targets, own)
	}
	return k.refused
}

// apply puts rules in force that are not, or not any more.
func (k *kernel) apply(rules dnat.Rules) error {
	intact, err := dnat.Intact(k.table)
	if err != nil {
		return err
	}
	if intact && rules.Equal(k.rules) {
		return nil
	}
	k.there = true
	if err := dnat.Apply(k.table, rules); err != nil {
		return err
	}
	k.rules, k.applied = rules, true
	return nil
}

// withdraw takes the rules away, with the connections through them: whatever else the host has would not know these.
func (k *kernel) withdraw(view membership.View, now report.KernelMode) {
	if k.there {
		k.there = k.failure(k.remove(view))
	}
	k.rules, k.dead = dnat.Rules{}, nil
	k.report(now)
}

// remove removes the table, if there is one, and ends the connections with every backend that is known.
func (k *kernel) remove(view membership.View) error {
	tables, err := dnat.Tables()
	if !k.applied && err != nil { // where nf_tables cannot even be asked, nobody has left a table
		return nil
	}
	if err != nil || !slices.Contains(tables, k.table) {
		return err
	}
	if err := dnat.Remove(k.table); err != nil {
		return err
	}
	all := view.Backends(ownAddresses())
	for _, b := range k.known {
		all = append(all, balance.Backend{Address: b.Address})
	}
	_, err = dnat.End(view.Config.ControlPlane.Port, addresses(kernelRules(view, all).Targets))
	return err
}

// end has the clients of dead backends reset, once for each time that a backend dies.
func (k *kernel) end(view membership.View, dead []netip.AddrPort) {
	fresh := slices.DeleteFunc(slices.Clone(dead), func(d netip.AddrPort) bool { return slices.Contains(k.dead, d) })
	if len(fresh) > 0 {
		count, err := dnat.End(view.Config.ControlPlane.Port, fresh)
		if k.failure(err) {
			return // and tries again
		}
		k.log.Info(logging.MsgKernelEnded, logging.KeyBackends, fresh, logging.KeyCount, count)
	}
	k.dead = dead
}

// leave has the clients reset whose connections the kernel passes on from the virtual addresses, and waits for that until ctx ends: a list
// of very many connections takes longer than the addresses may stay.
func (k *kernel) leave(ctx context.Context) error {
	if now := k.state(); now == nil || !now.InForce {
		return nil
	}
	done := make(chan error, 1)
	select {
	case k.leaves <- done:
	case <-ctx.Done():
		return ctx.Err()
	}
	select {
	case err := <-done:
		return err
	case <-ctx.Done():
		return ctx.Err()
	}
}

// passed lists the connections that the kernel passes on, if any, and counts those that are too many for a list.
func (k *kernel) passed() (list []v1alpha1.PassedConnection, leftOut int, err error) {
	if now := k.state(); now == nil || !now.InForce {
		return nil, 0, nil
	}
	all, err := dnat.Passed(k.members.now().Config.ControlPlane.Port)
	slices.SortFunc(all, func(a, b dnat.Connection) int { return a.Client.Compare(b.Client) })
	leftOut = max(0, len(all)-relay.MostRunning)
	for _, c := range all[:len(all)-leftOut] {
		list = append(list, v1alpha1.PassedConnection{Client: c.Client.String(), Frontend: c.Frontend.String(), Backend: c.Backend.String(), State: c.State})
	}
	return list, leftOut, err
}

// failure reports whether an error is one, and logs it where it is new.
func (k *kernel) failure(err error) bool {
	if err == nil {
		k.failed = ""
		return false
	}
	k.metrics.Failed("kernel")
	if k.failed != err.Error() {
		k.failed = err.Error()
		k.log.Error(err, logging.MsgKernelFailed)
	}
	return true
}

// close leaves nothing.
func (k *kernel) close() error {
	if !k.there {
		return nil
	}
	return k.remove(k.members.now())
}

func addresses(backends []balance.Backend) (all []netip.AddrPort) {
	for _, b := range backends {
		all = append(all, b.Address)
	}
	return all
}

// kernelRules are the rules that send connections to backends.
func kernelRules(view membership.View, takers []balance.Backend) dnat.Rules {
	rules := dnat.Rules{Port: view.Config.ControlPlane.Port, Policy: view.Config.LoadBalancer.Policy}
	vips := view.VirtualAddresses()
	if view.Config.ControlPlane.Shared() { // the port of all other addresses is the apiserver's
		rules.Addresses = vips
	}
	for _, taker := range takers {
		for i, vip := range vips {
			target := taker
			if taker.Address.Addr().IsLoopback() { // from other hosts it is reached by an address of this one
				target.Address = netip.AddrPortFrom(view.Primary(vip), taker.Address.Port())
			}
			another := slices.ContainsFunc(vips[:i], func(x netip.Addr) bool { return x.Is6() == vip.Is6() })
			if a := target.Address.Addr(); a.IsValid() && a.Is6() == vip.Is6() && !another && !a.IsLinkLocalUnicast() && !slices.Contains(rules.Targets, target) {
				rules.Targets = append(rules.Targets, target)
			}
		}
	}
	return rules
}

// relayed says which virtual addresses are relayed all the same; empty: none.
func relayed(view membership.View, rules dnat.Rules) string {
	for _, vip := range view.VirtualAddresses() {
		if !slices.ContainsFunc(rules.Targets, func(t balance.Backend) bool { return t.Address.Addr().Is6() == vip.Is6() }) {
			return fmt.Sprintf("%s is relayed: no backend that takes connections has an address of its family", vip)
		}
	}
	return ""
}
