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
	"github.com/harbinger-ha/harbinger/e2e/faultplan"
	"github.com/harbinger-ha/harbinger/e2e/record"
)

// TestRandom does faults at random for twenty minutes, under fifty requests a second. HARBINGER_E2E_SEED repeats a run.
func TestRandom(t *testing.T) {
	ctx := t.Context()
	s := kind(t, cluster.KindConfig{ControlPlanes: 3, Workers: 1, ProxyMode: "iptables", IPFamily: "ipv4"})
	must(t, s.Credentials(ctx))
	s.settle(t)
	s.startWitness(t, "-rate", "50")

	seed := seed(t)
	// 99 % of the time leave 12 s to the faults: of those that silence the holder two come in that, seldom three.
	plan := faultplan.New(seed, 20*time.Minute, 90*time.Second)
	t.Logf("HARBINGER_E2E_SEED=%d", seed)
	began := time.Now()
	for _, fault := range plan {
		wait(t, began.Add(fault.At))
		holder, err := s.Holder(ctx, time.Minute)
		must(t, err)
		h := s.role(fault.Role, holder)
		t.Logf("%s: %v", seconds(time.Since(began)), fault)
		must(t, s.strike(ctx, fault, h))
		wait(t, began.Add(fault.At+fault.For))
		must(t, s.repair(ctx, fault, h))
		if fault.Kind == faultplan.Stop {
			s.watchAddresses(h)
		}
	}
	s.settle(t)
	s.served(t, record.Write, time.Now())
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
func (s *story) role(role faultplan.Role, holder *cluster.Host) *cluster.Host {
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

// mute drops what a host says by protocol 112, deaf what is said to it.
const (
	mute = "nft add table inet e2e; nft add chain inet e2e out '{ type filter hook output priority -300; }'; nft add rule inet e2e out meta l4proto 112 drop"
	deaf = "nft add table inet e2e; nft add chain inet e2e in '{ type filter hook input priority -300; }'; nft add rule inet e2e in meta l4proto 112 drop"
)

func (s *story) strike(ctx context.Context, fault faultplan.Fault, h *cluster.Host) error {
	switch fault.Kind {
	case faultplan.Pause:
		return h.Pause(ctx)
	case faultplan.Stop:
		return h.PowerOff(ctx)
	case faultplan.Unplug:
		return h.Unplug(ctx)
	case faultplan.KillHarbinger:
		return h.Kill(ctx, "harbinger")
	case faultplan.KillAPIServer:
		return h.Kill(ctx, "kube-apiserver")
	case faultplan.KillEtcd:
		return h.Kill(ctx, "etcd")
	case faultplan.RestartKubelet:
		_, err := h.Run(ctx, "systemctl", "restart", "kubelet")
		return err
	case faultplan.DeleteMirrorPod:
		_, err := s.Kubectl(ctx, "delete", "pod", "--namespace", "kube-system", "--wait=false", "harbinger-"+h.Name)
		return err
	case faultplan.HandOver:
		_, err := h.Harbinger(ctx, "handover")
		return err
	case faultplan.FilterFrom:
		_, err := h.Shell(ctx, mute)
		return err
	case faultplan.FilterAll:
		var errs []error
		for _, host := range s.ControlPlane {
			_, err := host.Shell(ctx, deaf)
			errs = append(errs, err)
		}
		return errors.Join(errs...)
	}
	return fmt.Errorf("nobody knows how to do the fault %q", fault.Kind)
}

func (s *story) repair(ctx context.Context, fault faultplan.Fault, h *cluster.Host) error {
	switch fault.Kind {
	case faultplan.Pause:
		return h.Unpause(ctx)
	case faultplan.Stop:
		return errors.Join(h.PowerOn(ctx), s.RoutePods(ctx))
	case faultplan.Unplug:
		return errors.Join(h.Plug(ctx), s.RoutePods(ctx))
	case faultplan.FilterFrom:
		_, err := h.Shell(ctx, "nft delete table inet e2e")
		return err
	case faultplan.FilterAll:
		var errs []error
		for _, host := range s.ControlPlane {
			_, err := host.Shell(ctx, "nft delete table inet e2e")
			errs = append(errs, err)
		}
		return errors.Join(errs...)
	}
	return nil
}

// judgeAll compares a whole run with what is promised of it.
func (s *story) judgeAll(t *testing.T, began, ended time.Time) {
	t.Helper()
	log := s.log(t, time.Time{})
	outages := log.Outages(record.Version, began, ended, time.Second)
	var away time.Duration
	for _, o := range outages {
		away += o.Length()
	}
	available := 1 - away.Seconds()/ended.Sub(began).Seconds()
	check(t, available >= .99, "virtual IP available: time but that without an answer for more than 1 s", fmt.Sprintf("%.3f %%", 100*available), "99 %")
	// Of these some met a backend that had just died, with the virtual IP where it should be.
	t.Logf("requests answered within 1 s: %v", log.Availability(record.Version, began, ended, time.Second))
	checkTime(t, "two hosts had it in their kernels, at most", s.held(t, began, ended).Shared().Longest().Length(), bothHold)
	checkTime(t, "two hosts answered ARP for it, at most", s.claimed(t, began, ended).Shared().Longest().Length(), bothAnswer)
	var longest []string
	for _, outage := range outages {
		longest = append(longest, outage.String())
	}
	t.Logf("outages above 1 s:\n%s", strings.Join(longest, "\n"))
}
