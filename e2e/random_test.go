// SPDX-License-Identifier: Apache-2.0

//go:build e2e

package e2e

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/harbinger-ha/harbinger/e2e/cluster"
	"github.com/harbinger-ha/harbinger/e2e/fault/plan"
	"github.com/harbinger-ha/harbinger/e2e/observe"
)

// TestRandom does faults at random for twenty minutes, under fifty requests a second. HARBINGER_E2E_SEED repeats a run.
func TestRandom(t *testing.T) {
	ctx := t.Context()
	s := kind(t, cluster.KindConfig{ControlPlanes: 3, Workers: 1, ProxyMode: "iptables", IPFamily: "ipv4"})
	must(t, s.Credentials(ctx))
	s.settle(t)
	s.startWitness(t, "-rate", "50")

	seed := seed(t)
	faults := plan.New(seed, 20*time.Minute, time.Minute)
	t.Logf("HARBINGER_E2E_SEED=%d", seed)
	began := time.Now()
	for _, fault := range faults {
		wait(t, began.Add(fault.At))
		holder, err := s.Holder(ctx, time.Minute)
		must(t, err)
		h := s.role(fault.Role, holder)
		t.Logf("%s: %v", seconds(time.Since(began)), fault)
		must(t, s.strike(ctx, fault, h))
		wait(t, began.Add(fault.At+fault.For))
		must(t, s.repair(ctx, fault, h))
		if fault.Kind == plan.Stop {
			s.watchAddresses(h)
		}
	}
	s.settle(t)
	s.served(t, observe.Write, time.Now())
	ended := time.Now()
	s.nothingLost(t)
	s.judgeAll(t, began, ended)
}

func seed(t *testing.T) uint64 {
	text := os.Getenv("HARBINGER_E2E_SEED")
	if text == "" {
		return uint64(time.Now().UnixNano())
	}
	n, err := strconv.ParseUint(text, 10, 64)
	must(t, err)
	return n
}

// role returns the host of a role, or nil for all of them.
func (s *story) role(role plan.Role, holder *cluster.Host) *cluster.Host {
	var names []string
	for _, h := range s.ControlPlane {
		names = append(names, h.Name)
	}
	name := role.Of(names, holder.Name)
	for _, h := range s.ControlPlane {
		if h.Name == name {
			return h
		}
	}
	return nil
}

func (s *story) strike(ctx context.Context, fault plan.Fault, h *cluster.Host) error {
	switch fault.Kind {
	case plan.Pause:
		return h.Pause(ctx)
	case plan.Stop:
		return h.PowerOff(ctx)
	case plan.Unplug:
		return h.Unplug(ctx)
	case plan.KillHarbinger:
		return h.Kill(ctx, "harbinger")
	case plan.KillAPIServer:
		return h.Kill(ctx, "kube-apiserver")
	case plan.KillEtcd:
		return h.Kill(ctx, "etcd")
	case plan.RestartKubelet:
		return h.RestartKubelet(ctx)
	case plan.DeleteMirrorPod:
		return s.DeletePod(ctx, h)
	case plan.HandOver:
		return h.HandOver(ctx)
	case plan.FilterFrom:
		return h.Mute(ctx)
	case plan.FilterAll:
		return s.DropVRRP(ctx)
	}
	return fmt.Errorf("nobody knows how to do the fault %q", fault.Kind)
}

func (s *story) repair(ctx context.Context, fault plan.Fault, h *cluster.Host) error {
	switch fault.Kind {
	case plan.Pause:
		return h.Unpause(ctx)
	case plan.Stop:
		return errors.Join(h.PowerOn(ctx), s.RoutePods(ctx))
	case plan.Unplug:
		return errors.Join(h.Plug(ctx), s.RoutePods(ctx))
	case plan.FilterFrom:
		return h.Unmute(ctx)
	case plan.FilterAll:
		return s.PassVRRP(ctx)
	}
	return nil
}

// judgeAll compares a whole run with what is promised of it.
func (s *story) judgeAll(t *testing.T, began, ended time.Time) {
	t.Helper()
	log := s.log(t, time.Time{})
	available := log.Availability(observe.Version, began, ended, time.Second)
	check(t, available.Share >= .99, "virtual IP available", available.String(), "99 %")
	checkTime(t, "two hosts had it in their kernels, at most", s.held(t, began, ended).Shared().Longest().Length(), bothHold)
	checkTime(t, "two hosts answered ARP for it, at most", s.claimed(t, began, ended).Shared().Longest().Length(), bothAnswer)
	var longest []string
	for _, outage := range log.Outages(observe.Version, began, ended, time.Second) {
		longest = append(longest, outage.String())
	}
	t.Logf("outages above 1 s:\n%s", strings.Join(longest, "\n"))
}
