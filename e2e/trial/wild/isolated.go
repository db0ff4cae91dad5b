// SPDX-License-Identifier: Apache-2.0

package wild

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/harbinger-ha/harbinger/e2e/fault"
	"github.com/harbinger-ha/harbinger/e2e/lab"
	"github.com/harbinger-ha/harbinger/e2e/promise"
	"github.com/harbinger-ha/harbinger/e2e/trial"
)

// gatewayNumber ends the address of the host that has the default route of the nodes.
const gatewayNumber = 1

// apartTime is for how long hosts are cut off.
func (r *run) apartTime() time.Duration {
	if r.cfg.Long {
		return 10 * time.Minute
	}
	return r.cfg.Watch / 2
}

// isolateHolder cuts so many hosts off that the holder is of the smaller side, while their apiservers are alive by another network.
func (r *run) isolateHolder() error {
	if err := r.startApart(); err != nil {
		return err
	}
	holder, err := r.Holder()
	if err != nil {
		return err
	}
	return r.cutOffHolder(append([]*trial.Node{holder}, r.Others(holder)[:r.smaller()-1]...))
}

// isolateBackups cuts as many hosts off, which do not have the address.
func (r *run) isolateBackups() error {
	if err := r.startApart(); err != nil {
		return err
	}
	holder, err := r.Holder()
	if err != nil {
		return err
	}
	return r.cutOffBackups(r.Others(holder)[:r.smaller()])
}

// smaller returns how many hosts have no majority. Of two hosts it is the one that is not with the gateway.
func (r *run) smaller() int { return max(1, (len(r.Nodes)-1)/2) }

// startApart starts a cluster and a gateway, and waits until the Lease arbitrates.
func (r *run) startApart() error {
	gateway, err := r.Lab.AddHost("gateway", gatewayNumber)
	if err != nil {
		return err
	}
	if err := r.Each(func(n *trial.Node) error { return n.RouteBy(gateway.Address.Addr()) }); err != nil {
		return err
	}
	if err := errors.Join(r.startCluster(), r.Start()); err != nil {
		return err
	}
	return r.arbitrated()
}

// apart cuts hosts off from the others, not from each other, without any loss of the carrier.
func (r *run) apart(side []*trial.Node) error {
	var drops []lab.Drop
	for _, h := range r.Lab.Hosts() {
		for _, n := range side {
			if !slices.ContainsFunc(side, func(o *trial.Node) bool { return o.Host == h }) {
				drops = append(drops, lab.Drop{From: n.Host, To: h}, lab.Drop{From: h, To: n.Host})
			}
		}
	}
	return r.Lab.Drop(drops...)
}

// cutOffHolder cuts the side of the holder off, which is the smaller one: the address moves to the larger one, once, and when
// the sides are joined it stays there.
func (r *run) cutOffHolder(side []*trial.Node) error {
	names := namesOf(side)
	start := time.Now()
	if err := r.apart(side); err != nil {
		return err
	}
	err := r.Control.Until(deafTime, "the larger side has the address", func() bool { return r.Settled(names...) })
	took := r.Control.Between(start, time.Now())
	if err != nil {
		r.sample(r.Sample(start, names...))
		return err
	}
	observeFor(time.Until(start.Add(r.apartTime())))
	s := r.Sample(start, names...)
	r.sample(s)
	r.note("%v cut off: served on the other side after %.2f s; outage %.3f s, %d moves", names, took.Seconds(), s.Outage.Length().Seconds(), s.Moves)
	return r.join(fmt.Sprintf("%v joined", names))
}

// cutOffBackups cuts hosts off that do not have the address: nothing moves.
func (r *run) cutOffBackups(side []*trial.Node) error {
	start := time.Now()
	if err := r.apart(side); err != nil {
		return err
	}
	observeFor(r.apartTime())
	r.sample(r.Sample(start))
	return r.join(fmt.Sprintf("%v joined", namesOf(side)))
}

// join ends what [run.apart] began, and watches that it costs nothing.
func (r *run) join(part string) error {
	healed := time.Now()
	if err := r.Lab.Pass(); err != nil {
		return err
	}
	observeFor(backTime)
	s := r.Sample(healed)
	r.note("%s: outage %.3f s, two hosts %.3f s, %d moves", part, s.Outage.Length().Seconds(), s.Live.Length().Seconds(), s.Moves)
	if s.Moves > 0 || s.Nobody.Length() > 0 {
		r.row.Fail(fmt.Errorf("%s: %d moves, nobody had the address for %v; want none", part, s.Moves, s.Nobody))
	}
	limits := r.Plane.Row(r.fault).Limits
	if live := promise.Healed.In(promise.Lab, promise.At(r.Interval)).Live; s.Live.Length() > live {
		r.row.Fail(fmt.Errorf("%s: two live hosts had the address for %v, want at most %v", part, s.Live, live))
	}
	if limit := promise.Discovery.In(promise.Lab, promise.At(r.Interval)).Outage; s.Outage.Length() > min(limit, limits.Outage) {
		r.row.Fail(fmt.Errorf("%s: a second outage %v, want at most %v", part, s.Outage, limit))
	}
	return errors.Join(r.Settle(), r.awaitReady())
}

// awaitReady waits until every host is ready.
func (r *run) awaitReady() error {
	return r.await(moveTime, "every host is ready", func() bool { return r.Each(ready) == nil })
}

func namesOf(nodes []*trial.Node) (names []string) {
	for _, n := range nodes {
		names = append(names, n.Name)
	}
	return names
}

// isolations are the numbers of hosts that are cut off from each other.
func isolations(f fault.Fault, long bool) (all []scenario) {
	hosts := []int{3, 2}
	if long {
		hosts = []int{3, 2, 5}
	}
	for _, n := range hosts {
		all = append(all, scenario{fault: f, hosts: n, setting: setting{name: fmt.Sprintf(", %d hosts", n), lease: true, backplane: true}})
	}
	return all
}
