// SPDX-License-Identifier: Apache-2.0

//go:build e2e

package e2e

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/harbinger-ha/harbinger/e2e/cluster"
	"github.com/harbinger-ha/harbinger/e2e/fault"
	"github.com/harbinger-ha/harbinger/e2e/observe"
	"github.com/harbinger-ha/harbinger/e2e/promise"
	"github.com/harbinger-ha/harbinger/pkg/apis/config/v1alpha1"
)

// A story is a cluster with those who watch it.
type story struct {
	*cluster.Cluster
	t         *testing.T
	addresses map[*cluster.Host][]*cluster.Observer // one after another: a machine that is switched on has a new network
	arp       *cluster.Observer
	witness   *cluster.Observer
}

// begin ends the cluster with the test, and keeps its logs where the test failed.
func begin(t *testing.T, c *cluster.Cluster) *story {
	t.Helper()
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(t.Context()), 3*time.Minute)
		defer cancel()
		if t.Failed() {
			directory := filepath.Join(c.Out, strings.ReplaceAll(t.Name(), "/", "-"))
			t.Logf("logs are in %s", directory)
			c.Save(ctx, directory) // what it cannot get is missing there
		}
		if err := c.Remove(ctx); err != nil {
			t.Error(err)
		}
	})
	return &story{Cluster: c, t: t, addresses: make(map[*cluster.Host][]*cluster.Observer)}
}

// watch starts those who look at the network.
func (s *story) watch() {
	s.t.Helper()
	for _, h := range s.ControlPlane {
		s.watchAddresses(h)
	}
	var err error
	s.arp, err = s.ObserveARP(s.t.Context())
	must(s.t, err)
}

func (s *story) watchAddresses(h *cluster.Host) {
	s.t.Helper()
	o, err := s.ObserveAddresses(s.t.Context(), h, len(s.addresses[h])+1)
	must(s.t, err)
	s.addresses[h] = append(s.addresses[h], o)
}

// settle waits for the state in which a fault may be judged: every node and pod is ready, one host holds the virtual IP,
// and the Lease arbitrates everywhere.
func (s *story) settle(t *testing.T) *cluster.Host {
	t.Helper()
	must(t, s.Ready(t.Context(), 5*time.Minute))
	must(t, s.Arbitrated(t.Context(), time.Minute))
	holder, err := s.Holder(t.Context(), time.Minute)
	must(t, err)
	return holder
}

// startWitness starts the client that lists, writes and watches through the virtual IP all the time.
func (s *story) startWitness(t *testing.T, arguments ...string) {
	t.Helper()
	var err error
	s.witness, err = s.Client(t.Context(), "witness", witness, arguments...)
	must(t, err)
	for _, op := range []observe.Op{observe.Version, observe.List, observe.Write, observe.Watch} {
		s.served(t, op, time.Time{})
	}
}

// log returns what the witness has written since a time.
func (s *story) log(t *testing.T, since time.Time) observe.Log {
	t.Helper()
	text, err := s.witness.Log(t.Context(), since)
	must(t, err)
	log, err := observe.ReadLog(strings.NewReader(text))
	must(t, err)
	return log
}

// served waits until a request that was begun after the time given has been answered.
func (s *story) served(t *testing.T, op observe.Op, after time.Time) {
	t.Helper()
	must(t, cluster.Until(t.Context(), 2*time.Minute, fmt.Sprintf("a %s is answered through the virtual IP", op), func(context.Context) error {
		if !s.log(t, after).Since(after).Answered(op) {
			return errors.New("none is yet")
		}
		return nil
	}))
}

// judge compares what was seen since a time with the bounds.
func (s *story) judge(t *testing.T, f fault.Fault, before, after *cluster.Host, began time.Time) {
	t.Helper()
	now := time.Now()
	s.served(t, observe.Watch, now) // and the writes that make the events
	log := s.log(t, time.Time{})
	outage := log.Outage(observe.Version, began, now)
	what := f.Name
	checkTime(t, what, outage.Length(), limits(f.Promise).Outage)
	t.Logf("/version: %v; list: %v; write: %v", outage, log.Outage(observe.List, began, now), log.Outage(observe.Write, began, now))

	moved := before != after
	check(t, f.Moves() || !moved, "  the virtual IP", before.Name+" -> "+after.Name, map[bool]string{true: "may move", false: "stays"}[f.Moves()])
	kernels, listeners := s.held(t, began, now), s.claimed(t, began, now)
	checkTime(t, "  two hosts had it in their kernels", kernels.Shared().Longest().Length(), bothHold)
	checkTime(t, "  two hosts answered ARP for it", listeners.Shared().Longest().Length(), bothAnswer)
	broken := 0
	for _, b := range log.Since(began).Breaks() {
		if b.Resumed.IsZero() {
			broken++
		}
	}
	check(t, broken == 0, "  watches that did not come back by themselves", fmt.Sprint(broken), "0")
}

// nothingLost ends the witness, and checks that what the API has acknowledged to it is there, and was shown to its watch.
func (s *story) nothingLost(t *testing.T) {
	t.Helper()
	must(t, s.witness.Stop(t.Context()))
	log := s.log(t, time.Time{})
	lost, err := log.Lost()
	must(t, err)
	missed, err := log.Missed()
	must(t, err)
	acknowledged := len(slices.DeleteFunc(log.Of(observe.Write), func(l observe.Line) bool { return !l.OK }))
	check(t, len(lost) == 0, fmt.Sprintf("of %d acknowledged writes lost", acknowledged), fmt.Sprint(len(lost)), "0")
	check(t, len(missed) == 0, fmt.Sprintf("of %d acknowledged writes not shown by the watch", acknowledged), fmt.Sprint(len(missed)), "0")
}

// Whatever happens, two kernels have the address no longer than a dead host's keeps it behind its fence (S3 of the invariants), and two
// hosts announce it no longer than two live hosts may have it (S1).
var (
	bothHold   = inKernels(v1alpha1.DefaultAdvertisementInterval)
	bothAnswer = limits(promise.Kill).Live
)

// inKernels returns for how long two kernels may have the address at an interval between advertisements.
func inKernels(interval time.Duration) time.Duration {
	return promise.Kill.In(promise.Kind, promise.At(interval).Unfenced()).Kernel
}

// held returns which kernels had the virtual IP when.
func (s *story) held(t *testing.T, from, to time.Time) observe.Timeline {
	t.Helper()
	var changes []observe.Change
	for h, observers := range s.addresses {
		for _, o := range observers {
			text, err := o.Log(t.Context(), time.Time{})
			must(t, err)
			some, err := observe.ReadAddresses(strings.NewReader(text), h.Name, s.VIP)
			must(t, err)
			changes = append(changes, some...)
		}
	}
	return observe.NewTimeline(changes, from, to)
}

// claimed returns which hosts answered for the virtual IP when, as another one on the network heard it.
func (s *story) claimed(t *testing.T, from, to time.Time) observe.Timeline {
	t.Helper()
	text, err := s.arp.Log(t.Context(), time.Time{})
	must(t, err)
	claims, err := observe.ReadClaims(strings.NewReader(text), s.VIP)
	must(t, err)
	return observe.NewTimeline(observe.Claimants(claims, 6*time.Second), from, to)
}

// wait waits for a moment.
func wait(t *testing.T, moment time.Time) {
	t.Helper()
	select {
	case <-time.After(time.Until(moment)):
	case <-t.Context().Done():
		t.Fatal(t.Context().Err())
	}
}

// must ends the test, with a row of the table, where something could not be done or did not come to be.
func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		check(t, false, strings.TrimPrefix(t.Name(), root(t)+"/"), err.Error(), "no error")
		t.FailNow()
	}
}
