// SPDX-License-Identifier: Apache-2.0

package wild

import (
	"errors"
	"fmt"
	"net/http"
	"net/netip"
	"time"

	"github.com/harbinger-ha/harbinger/e2e/fault"
	"github.com/harbinger-ha/harbinger/e2e/trial"
)

// anyAddress is a rule that drops what comes to the port of the clients at any address; the others name the virtual one, and
// end as the setting says.
const anyAddress = "of any address"

// closingRule returns a rule of nft that closes the port of the clients.
func closingRule(rule string, address netip.Addr, port uint16) string {
	family := "ip"
	if address.Is6() {
		family = "ip6"
	}
	switch rule {
	case anyAddress:
		return fmt.Sprintf("tcp dport %d drop", port)
	case "reset":
		rule = "reject with tcp reset"
	}
	return fmt.Sprintf("%s daddr %s tcp dport %d %s", family, address, port, rule)
}

// closePort closes the port of the clients on one host, and nothing else.
func (r *run) closePort(n *trial.Node) error {
	rule := closingRule(r.setting.rule, r.VirtualAddress(), r.Port)
	return n.Firewall("table inet closed {\nchain input {\ntype filter hook input priority filter; policy accept;\n" + rule + "\n}\n}\n")
}

// kindUnreachable is the alarm of a holder whom clients do not reach.
const kindUnreachable = "Unreachable"

// closePortOfHolder closes the port of the clients on the holder: another host, whom they reach, takes the address once.
func (r *run) closePortOfHolder() error {
	if err := errors.Join(r.startCluster(), r.Start()); err != nil {
		return err
	}
	if r.setting.lease {
		if err := r.arbitrated(); err != nil {
			return err
		}
	}
	holder, err := r.Holder()
	if err != nil {
		return err
	}
	start := time.Now()
	if err := r.closePort(holder); err != nil {
		return err
	}
	err = r.Control.Until(deafTime, "another host has the address, and serves it", func() bool { return r.Settled() && r.Holders.Now()[0] != holder.Name })
	r.sample(r.Sample(start))
	if err != nil {
		return err
	}
	r.note("served again after %.2f s", r.Control.Between(start, time.Now()).Seconds())
	settled := time.Now()
	r.row.Fail(r.unready(holder))
	observeFor(r.closedTime())
	r.stays("while it is closed", settled)
	if len(alarmLines(holder, kindUnreachable)) == 0 {
		r.row.Fail(fmt.Errorf("%s has raised no alarm %s", holder.Name, kindUnreachable))
	}
	opened := time.Now()
	if err := holder.Firewall(""); err != nil {
		return err
	}
	observeFor(backTime)
	r.stays("once it is open again", opened)
	return r.Settle()
}

// closedTime is for how long nothing may move.
func (r *run) closedTime() time.Duration {
	switch {
	case r.cfg.Long:
		return 3 * r.cfg.Watch
	case r.setting.lease:
		return r.cfg.Watch / 4 // there is less time for clusters
	}
	return r.cfg.Watch
}

// stays keeps an error unless one host has had the address since a moment, and served it.
func (r *run) stays(when string, since time.Time) {
	s := r.Sample(since)
	if s.Moves > 0 || s.Nobody.Length() > 0 || s.Live.Length() > 0 {
		r.row.Fail(fmt.Errorf("%s: %d moves, nobody had the address for %v, two hosts for %v; want one holder", when, s.Moves, s.Nobody, s.Live))
	}
	if limit := time.Second; s.Outage.Length() > limit {
		r.row.Fail(fmt.Errorf("%s: outage %v, want at most %v", when, s.Outage, limit))
	}
}

// unready waits until a host says that it is not ready because clients do not reach it.
func (r *run) unready(n *trial.Node) error {
	var code int
	var why string
	err := r.await(closedKnown, n.Name+" is not ready", func() (met bool) {
		var err error
		code, why, err = get(n, "/readyz")
		return err == nil && code == http.StatusServiceUnavailable
	})
	if err != nil {
		return fmt.Errorf("%w: it answers %d %q", err, code, why)
	}
	return nil
}

// closedKnown is the time within which a host whose port is closed is not ready.
const closedKnown = 10 * time.Second

// closePorts closes the port of the clients on every host: nobody is better, and the address stays.
func (r *run) closePorts() error {
	if err := r.Start(); err != nil {
		return err
	}
	holder, err := r.Holder()
	if err != nil {
		return err
	}
	start := time.Now()
	if err := r.Each(r.closePort); err != nil {
		return err
	}
	observeFor(r.closedTime() / 2)
	r.sample(r.Sample(start))
	if len(alarmLines(holder, kindUnreachable)) == 0 {
		r.row.Fail(fmt.Errorf("%s has raised no alarm %s", holder.Name, kindUnreachable))
	}
	opened := time.Now()
	if err := r.Each(func(n *trial.Node) error { return n.Firewall("") }); err != nil {
		return err
	}
	err = r.Settle()
	r.note("served again %.2f s after they were opened", r.Control.Between(opened, time.Now()).Seconds())
	if moves := r.Sample(opened).Moves; moves > 0 {
		r.row.Fail(fmt.Errorf("%d moves when the ports were opened", moves))
	}
	return err
}

// loseBackends kills every apiserver, and starts them again: that nobody serves clients is no fault of the holder.
func (r *run) loseBackends() error {
	if err := r.Start(); err != nil {
		return err
	}
	start := time.Now()
	if err := r.Each(func(n *trial.Node) error { return n.APIServer.Kill() }); err != nil {
		return err
	}
	observeFor(r.cfg.Watch / 3)
	s := r.Sample(start)
	if err := r.Each(r.StartAPIServer); err != nil {
		return err
	}
	if err := r.Settle(); err != nil {
		return err
	}
	observeFor(2 * backTime)
	s.Moves = r.Sample(start).Moves
	r.sample(s)
	return r.Each(func(n *trial.Node) error {
		if lines := alarmLines(n, kindUnreachable); len(lines) > 0 {
			return fmt.Errorf("%s has raised an alarm though no backend was there: %s", n.Name, lines[0])
		}
		return nil
	})
}

// closings are the settings in which the port of the clients is closed on the holder.
func closings(f fault.Fault, long bool) (all []scenario) {
	settings := []setting{{name: ", drop", rule: "drop"}, {name: ", reject", rule: "reject"}, {name: ", Lease", rule: "drop", lease: true}}
	if f.Act == fault.ClosePorts {
		settings = []setting{{rule: "drop"}}
	} else if long {
		settings = append(settings, setting{name: ", reset", rule: "reset"}, setting{name: ", any address", rule: anyAddress},
			setting{name: ", IPv6", rule: "drop", six: true})
	}
	for _, s := range settings {
		all = append(all, scenario{fault: f, hosts: 3, setting: s})
	}
	return all
}
