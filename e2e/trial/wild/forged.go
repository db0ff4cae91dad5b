// SPDX-License-Identifier: Apache-2.0

package wild

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"time"

	"github.com/harbinger-ha/harbinger/e2e/fault"
	"github.com/harbinger-ha/harbinger/e2e/lab"
	"github.com/harbinger-ha/harbinger/e2e/lab/guest"
	"github.com/harbinger-ha/harbinger/e2e/promise"
	"github.com/harbinger-ha/harbinger/e2e/trial"
	"github.com/harbinger-ha/harbinger/pkg/vrrp"
)

// A source says from whom a forged advertisement seems to come.
type source string

const (
	aPeer     source = "a peer"
	anUnknown source = "an unknown host"
	changing  source = "changing addresses"
)

// A flood is what is forged for a time: the priority that beats every other, or claims of every epoch in turn.
type flood struct {
	owner bool
	rate  int // packets a second
	from  source
}

func (fl flood) String() string {
	what := "claims"
	if fl.owner {
		what = "priority 255"
	}
	return fmt.Sprintf("%s, %d/s from %s", what, fl.rate, fl.from)
}

// floods are those of a row. The short ones have both priorities, both extremes of the rate, and each source.
func floods(unicast, long bool) (all []flood) {
	if unicast && !long {
		return []flood{{true, 1000, aPeer}, {false, 1, aPeer}, {false, 1000, anUnknown}}
	}
	if !long {
		return []flood{{true, 1, anUnknown}, {false, 1000, anUnknown}, {false, 1, aPeer}, {true, 1000, changing}}
	}
	for _, owner := range []bool{true, false} {
		for _, rate := range []int{1, 10, 1000} {
			for _, from := range []source{aPeer, anUnknown, changing} {
				all = append(all, flood{owner, rate, from})
			}
		}
	}
	return all
}

// What is asked of a sidecar that is flooded.
const (
	alarmedWithin = 2 * time.Second
	// alarmedAgain is within what it raises the alarm once more, where that goes on.
	alarmedAgain = 12 * time.Second
	mostGrown    = 8 << 20 // bytes of resident memory
	mostBusy     = 0.5     // of a processor
)

// floodTime is how long each flood lasts: an alarm comes again within it.
func (r *run) floodTime() time.Duration {
	if r.cfg.Long {
		return 30 * time.Second
	}
	return 10 * time.Second
}

// forgeBesideLease floods hosts whose Lease is fresh, and kills the holder in the middle of a flood.
func (r *run) forgeBesideLease() error {
	if err := errors.Join(r.startCluster(), r.Start()); err != nil {
		return err
	}
	if err := r.arbitrated(); err != nil {
		return err
	}
	f, err := r.opens()
	if err != nil {
		return err
	}
	defer f.forger.Close()
	for i, flood := range floods(r.setting.unicast, r.cfg.Long) {
		if err := f.endure(flood, i == 0); err != nil {
			return fmt.Errorf("%s: %w", flood, err)
		}
	}
	return f.kills()
}

// arbitrated waits until every node decides by the Lease.
func (r *run) arbitrated() error {
	return r.await(settleTime, "the arbiter is the Lease on every node", func() bool {
		return r.Each(func(n *trial.Node) error {
			s, err := n.Status()
			if err == nil && s.VirtualRouter.Arbiter != "lease" {
				err = fmt.Errorf("the arbiter of %s is %s", n.Name, s.VirtualRouter.Arbiter)
			}
			return err
		}) == nil
	})
}

// A floodgate sends floods to the hosts of a run, from a host that has no part in it.
type floodgate struct {
	*run
	forger *guest.Forger
	host   *lab.Host
}

// opens returns a floodgate on a host of its own. Its forger is to be closed.
func (r *run) opens() (*floodgate, error) {
	host, err := r.UnknownHost()
	if err != nil {
		return nil, err
	}
	forger, err := guest.NewForger(host)
	if err != nil {
		return nil, err
	}
	return &floodgate{run: r, forger: forger, host: host}, nil
}

// endure sends a flood for a time. Nothing may come of it but the alarm.
func (f *floodgate) endure(fl flood, first bool) error {
	holder, err := f.Holder()
	if err != nil {
		return err
	}
	lease, err := f.Lease()
	if err != nil {
		return err
	}
	before, err := f.loads()
	if err != nil {
		return err
	}
	quiet, start := f.alarms(), time.Now()
	end := f.open(fl, holder)
	if within := alarmedAgain; f.refuses(fl) {
		err = f.counted(fl, holder)
	} else {
		if first {
			within = alarmedWithin
		}
		err = f.alarmed(fl, holder, quiet, within)
	}
	f.row.Fail(err)
	f.row.Fail(f.keepsLease(*lease.Spec.HolderIdentity, time.Until(start.Add(f.floodTime()))))
	length := time.Since(start)
	if err := end(); err != nil {
		return err
	}
	f.sample(f.Sample(start))
	return errors.Join(f.judgeLoad(fl, before, length), f.Settle())
}

// refuses reports whether a flood is refused before the election sees it: what no peer sends to a unicast router.
func (f *floodgate) refuses(fl flood) bool { return f.setting.unicast && fl.from != aPeer }

// open sends a flood until the function that it returns is called.
func (f *floodgate) open(fl flood, holder *trial.Node) (end func() error) {
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	// Ends when the flood is ended.
	go func() { ended <- f.pour(ctx, fl, holder) }()
	return func() error {
		cancel()
		return <-ended
	}
}

// pour sends a flood at its rate.
func (f *floodgate) pour(ctx context.Context, fl flood, holder *trial.Node) error {
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	start := time.Now()
	for sent := 0; ; {
		for due := 1 + int(time.Since(start).Seconds()*float64(fl.rate)); sent < due; sent++ {
			if err := f.send(fl, sent, holder); err != nil {
				return err
			}
		}
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}

// send sends the next advertisement of a flood: to the group, or to every node.
func (f *floodgate) send(fl flood, number int, holder *trial.Node) error {
	for _, to := range f.destinations() {
		from := f.source(fl.from, holder)
		payload, err := fl.advertisement(f.VirtualAddress(), f.Interval, number).AppendBinary(nil, from, to, vrrp.ChecksumPseudo)
		if err != nil {
			return err
		}
		if err := f.forger.Send(guest.Packet{Source: from, Destination: to, Payload: payload}); err != nil {
			return fmt.Errorf("forge an advertisement from %s to %s: %w", from, to, err)
		}
	}
	return nil
}

// advertisement returns one of a flood.
func (fl flood) advertisement(address netip.Addr, interval time.Duration, number int) vrrp.Advertisement {
	const firstClaim, claims = 240, 15
	priority := uint8(vrrp.PriorityOwner)
	if !fl.owner {
		priority = uint8(firstClaim + number%claims)
	}
	return vrrp.Advertisement{
		Version: vrrp.Version3, VRID: trial.VirtualRouterID, Priority: priority, Interval: interval, Addresses: []netip.Addr{address},
	}
}

// destinations are where the advertisements of the plane go.
func (f *floodgate) destinations() (all []netip.Addr) {
	switch {
	case f.setting.unicast:
		for _, n := range f.Nodes {
			all = append(all, f.NodeAddress(n))
		}
		return all
	case f.setting.six:
		return []netip.Addr{vrrp.GroupIPv6}
	}
	return []netip.Addr{vrrp.GroupIPv4}
}

// source returns an address from which advertisements of the plane may come.
func (f *floodgate) source(of source, holder *trial.Node) netip.Addr {
	host := f.host
	if of == aPeer {
		host = f.Others(holder)[0].Host
	}
	address := host.Address.Addr()
	if f.setting.six && !f.setting.unicast {
		address = host.LinkLocal().Addr()
	} else if f.setting.six {
		address = host.Address6.Addr()
	}
	if of != changing {
		return address
	}
	b := address.AsSlice()
	b[len(b)-1] = byte(1 + rand.IntN(90)) // of hosts that are not there
	address, _ = netip.AddrFromSlice(b)
	return address
}

// kills kills the holder in the middle of floods. Where the API can be read, no advertisement keeps the others from the address.
func (f *floodgate) kills() error {
	from := anUnknown
	if f.setting.unicast {
		from = aPeer
	}
	all := []flood{{false, 10, from}}
	if f.cfg.Long {
		all = []flood{{false, 1, from}, {false, 10, from}, {false, 1000, from}, {true, 1, from}, {true, 1000, from}}
	}
	for _, fl := range all {
		if err := f.kill(fl); err != nil {
			return fmt.Errorf("kill -9 of the holder under %s: %w", fl, err)
		}
	}
	return nil
}

func (f *floodgate) kill(fl flood) error {
	holder, err := f.Holder()
	if err != nil {
		return err
	}
	begin := time.Now()
	end := f.open(fl, holder)
	observeFor(4 * time.Second) // so long that everybody waits for who seems to advertise
	f.sample(f.Sample(begin))
	start := time.Now()
	if err := holder.Sidecar.Kill(); err != nil {
		return errors.Join(err, end())
	}
	err = f.Control.Until(deafTime, "another host has the address", func() bool { return f.Settled() && f.Holders.Now()[0] != holder.Name })
	f.judge("kill -9 of the holder under "+fl.String(), promise.Kill, f.Sample(start, holder.Name))
	return errors.Join(err, end(), f.StartSidecar(holder), f.Settle())
}

// judge keeps what was measured of a part of the row that has a promise of its own.
func (r *run) judge(part string, of promise.Promise, s fault.Sample) {
	own := r.Plane.Row(fault.Fault{Name: part, Promise: of})
	own.Samples = []fault.Sample{s}
	r.note("%s: outage %.3f s, nobody %.3f s, two hosts %.3f s, %d moves", part, s.Outage.Length().Seconds(), s.Nobody.Length().Seconds(),
		s.Live.Length().Seconds(), s.Moves)
	r.row.Fail(own.Check())
}

// forgings are the settings in which advertisements are forged.
func forgings(f fault.Fault, long bool) (all []scenario) {
	settings := []setting{{name: ", multicast", lease: true}, {name: ", unicast", lease: true, unicast: true}}
	if long {
		settings = append(settings, setting{name: ", multicast, IPv6", lease: true, six: true}, setting{name: ", unicast, IPv6", lease: true, six: true, unicast: true})
	}
	for _, s := range settings {
		all = append(all, scenario{fault: f, hosts: 3, setting: s})
	}
	return all
}
