// SPDX-License-Identifier: Apache-2.0

//go:build e2e

package e2e

import (
	"context"
	"errors"
	"fmt"
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

// limits returns what is promised in these clusters, at the default interval between advertisements.
func limits(p promise.Promise) promise.Limits {
	return p.In(promise.Kind, promise.At(v1alpha1.DefaultAdvertisementInterval))
}

func (s *story) faults(t *testing.T) {
	for _, f := range fault.OfHosts() {
		if testing.Short() && !f.Smoke {
			continue
		}
		t.Run(strings.ReplaceAll(f.Name, " ", "_"), func(t *testing.T) { s.fault(t, f) })
	}
	if !testing.Short() {
		t.Run("cold_start", s.coldStart)
	}
	s.ownAddresses(t)
}

// fault does a fault to the holder, undoes it, and judges what was seen.
func (s *story) fault(t *testing.T, f fault.Fault) {
	ctx := t.Context()
	holder := s.settle(t)
	s.served(t, observe.Version, time.Now())
	began, keeper := time.Now(), holder.Oldest(ctx, "harbinger")

	if err := f.Inject(s.Target(ctx), holder.Name); err != nil {
		must(t, errors.Join(err, f.Undo(s.Target(ctx), holder.Name))) // the faults after this one need the hosts
	}
	// The kubelet starts a pod that was killed within a second, and it may have the address again before another host takes it.
	again := func(ctx context.Context) bool {
		now := ""
		if f.Act == fault.KillSidecar {
			now = holder.Oldest(ctx, "harbinger")
		}
		return now != "" && now != keeper
	}
	if f.Moves() {
		must(t, cluster.Until(ctx, time.Minute, "the virtual IP leaves "+holder.Name+", or its pod is there again", func(ctx context.Context) error {
			if holders := s.Holders(ctx); len(holders) != 1 || holders[0] == holder && !again(ctx) {
				return fmt.Errorf("%d hosts have it", len(holders))
			}
			return nil
		}))
	}
	s.served(t, observe.Version, time.Now())
	must(t, f.Undo(s.Target(ctx), holder.Name))
	if f.Off() {
		s.watchAddresses(holder)
	}
	must(t, s.RoutePods(ctx))
	now := s.settle(t)
	s.judge(t, f, holder, now, began)
}

// coldStart switches all machines off and on: the address is back soon after the kubelets have started the pods, and the
// cluster is usable without a hand.
func (s *story) coldStart(t *testing.T) {
	ctx := t.Context()
	s.settle(t)
	for _, h := range s.ControlPlane {
		must(t, h.PowerOff(ctx))
	}
	// Docker gives a machine of kind's the lowest address that is free.
	byAddress := slices.SortedFunc(slices.Values(s.ControlPlane), func(a, b *cluster.Host) int { return a.Address.Compare(b.Address) })
	for _, h := range byAddress {
		must(t, h.PowerOn(ctx))
		s.watchAddresses(h)
	}
	var started time.Time
	must(t, cluster.Until(ctx, 3*time.Minute, "a kubelet has started the pod", func(ctx context.Context) error {
		var errs []error
		for _, h := range s.ControlPlane {
			pid, err := s.PID(ctx, h)
			if err == nil {
				started, err = h.StartTime(ctx, pid)
			}
			if err == nil {
				return nil
			}
			errs = append(errs, err)
		}
		return errors.Join(errs...)
	}))
	_, err := s.Holder(ctx, time.Minute)
	must(t, err)
	vacant := s.held(t, started, time.Now()).Vacant()
	checkTime(t, "cold start of all hosts: first pod to the virtual IP", vacant.Total(), limits(promise.ColdStart).Outage)
	must(t, s.RoutePods(ctx))
	s.settle(t)
	s.served(t, observe.Version, time.Now())
	reached(t, "cold start of all hosts: the cluster is usable", seconds(time.Since(started)))
}
