// SPDX-License-Identifier: Apache-2.0

package validation_test

import (
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/harbinger-ha/harbinger/pkg/apis/config"
	"github.com/harbinger-ha/harbinger/pkg/apis/config/validation"
	"github.com/harbinger-ha/harbinger/pkg/vrrp/keyed"
)

func TestNeedsRestart(t *testing.T) {
	for _, tc := range []struct {
		name   string
		mutate func(*config.HarbingerConfiguration)
		want   []string
	}{
		{"nothing", func(*config.HarbingerConfiguration) {}, nil},
		{"what may change", func(c *config.HarbingerConfiguration) {
			v, lb := &c.Election.VRRP, &c.LoadBalancer
			v.Priority, v.Preempt, v.PreemptDelay = 120, !v.Preempt, time.Minute
			lb.Mode = "Kernel"
			lb.Policy, lb.SlowStart, lb.Drain.Timeout = "RoundRobin", time.Minute, time.Minute
			c.HealthCheck.Interval = 900 * time.Millisecond
		}, nil},
		{"signatures", func(c *config.HarbingerConfiguration) { signed(c).Mode = keyed.Permissive }, []string{"election.vrrp"}}, // the type is new
		{"virtual address", func(c *config.HarbingerConfiguration) { c.VirtualAddresses = prefixes("192.168.238.101/24") }, []string{"virtualAddresses"}},
		{"virtual router ID", func(c *config.HarbingerConfiguration) { c.Election.VRRP.VirtualRouterID = 52 }, []string{"election.vrrp"}},
		{"multicast to unicast", func(c *config.HarbingerConfiguration) { c.Election.VRRP.Peers = addrs("192.168.238.130") }, []string{"election.vrrp.peers"}},
		{"mode and Lease", func(c *config.HarbingerConfiguration) {
			c.Election.Mode, c.Election.Lease.Name = "other", "other"
		}, []string{"election.mode", "election.lease"}},
		{"listeners and interface", func(c *config.HarbingerConfiguration) {
			c.Interface, c.ControlPlane.Port, c.LoadBalancer.Steering.Port = "eth1", 4300, 4301
			c.Status.IdentityPort++
			c.Logging.Verbosity++
		}, []string{"interface", "controlPlane", "loadBalancer.steering", "status", "logging"}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			now, next := valid(t), valid(t)
			tc.mutate(next)
			if diff := cmp.Diff(tc.want, validation.NeedsRestart(now, next)); diff != "" {
				t.Errorf("-want +got\n%s", diff)
			}
		})
	}
}

// All of signed advertisements may change but that they are.
func TestKeysMayChange(t *testing.T) {
	now, next := valid(t), valid(t)
	signed(now)
	h := signed(next)
	h.Keys = append(h.Keys, config.KeyFile{ID: 2, File: config.Directory + "/vrrp-keys/2"})
	h.ActiveKey, h.Mode, h.AntiReplay, h.TimeWindow = 2, keyed.ReceiveOnly, keyed.Monotonic, 0
	if got := validation.NeedsRestart(now, next); got != nil {
		t.Errorf("needs a restart for %v", got)
	}
}

// A predecessor may go while a keeper runs, and not come.
func TestPredecessorMayGo(t *testing.T) {
	with, without := valid(t), valid(t)
	with.Election.Lease.Predecessor = "kube-system/plndr-cp-lock"
	if got := validation.NeedsRestart(with, without); got != nil {
		t.Errorf("needs a restart for %v", got)
	}
	if diff := cmp.Diff([]string{"election.lease.predecessor"}, validation.NeedsRestart(without, with)); diff != "" {
		t.Errorf("-want +got\n%s", diff)
	}
}

// The peers of a unicast socket may change.
func TestPeersMayChange(t *testing.T) {
	now, next := valid(t), valid(t)
	now.Election.VRRP.Peers = addrs("192.168.238.130", "192.168.238.131")
	next.Election.VRRP.Peers = slices.Concat(now.Election.VRRP.Peers, addrs("192.168.238.132"))
	if got := validation.NeedsRestart(now, next); got != nil {
		t.Errorf("needs a restart for %v", got)
	}
}
