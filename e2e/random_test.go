// SPDX-License-Identifier: Apache-2.0

//go:build e2e

package e2e

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/harbinger-ha/harbinger/e2e/cluster"
	"github.com/harbinger-ha/harbinger/e2e/fault"
	"github.com/harbinger-ha/harbinger/e2e/observe"
	"github.com/harbinger-ha/harbinger/e2e/promise"
)

// TestRandom does faults at random for twenty minutes, under fifty requests a second. HARBINGER_E2E_SEED repeats a run.
func TestRandom(t *testing.T) {
	ctx := t.Context()
	s := kind(t, cluster.KindConfig{ControlPlanes: 3, Workers: 1, ProxyMode: "iptables", IPFamily: "ipv4"})
	must(t, s.Credentials(ctx))
	s.settle(t)
	s.startWitness(t, "-rate", "50")

	seed := seed(t)
	t.Logf("HARBINGER_E2E_SEED=%d", seed)
	began := time.Now()
	for _, step := range fault.NewPlan(seed, 20*time.Minute, time.Minute) {
		wait(t, began.Add(step.At))
		holder, err := s.Holder(ctx, time.Minute)
		must(t, err)
		h := s.role(step.Role, holder)
		t.Logf("%s: %v", seconds(time.Since(began)), step)
		must(t, step.Inject(s.Target(ctx), h.Name))
		wait(t, began.Add(step.At+step.For))
		must(t, step.Undo(s.Target(ctx), h.Name))
		if step.Off() {
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

// role returns the host of a role; the holder stands for all of them.
func (s *story) role(role fault.Role, holder *cluster.Host) *cluster.Host {
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
	return holder
}

// judgeAll compares a whole run with what is promised of it.
func (s *story) judgeAll(t *testing.T, began, ended time.Time) {
	t.Helper()
	log := s.log(t, time.Time{})
	available := log.Availability(observe.Version, began, ended, time.Second)
	check(t, available.Share >= promise.Available, "virtual IP available", available.String(), fmt.Sprintf("%g %%", 100*promise.Available))
	checkTime(t, "two hosts had it in their kernels, at most", s.held(t, began, ended).Shared().Longest().Length(), bothHold)
	checkTime(t, "two hosts answered ARP for it, at most", s.claimed(t, began, ended).Shared().Longest().Length(), bothAnswer)
	var longest []string
	for _, outage := range log.Outages(observe.Version, began, ended, time.Second) {
		longest = append(longest, outage.String())
	}
	t.Logf("outages above 1 s:\n%s", strings.Join(longest, "\n"))
}
