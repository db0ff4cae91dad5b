// SPDX-License-Identifier: Apache-2.0

package sidecar_test

import (
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"

	"github.com/harbinger-ha/harbinger/e2e/lab"
	"github.com/harbinger-ha/harbinger/e2e/lab/labtest"
	"github.com/harbinger-ha/harbinger/pkg/apis/status/v1alpha1"
)

// closedPort keeps clients from the port of the control plane.
const closedPort = "chain input { type filter hook input priority 0; tcp dport 4300 drop; }"

// deployed runs three keepers until all are ready, and returns the host that holds the address.
func deployed(t *testing.T) (d *deployment, holder *lab.Host) {
	t.Helper()
	serveAPI(t)
	d = deploy(t, "Hybrid", oneAddress+calm("Hybrid"), vip4, self, peer, third)
	name := d.holds()
	d.until("all are ready, and the holder knows that it is reached", func(s v1alpha1.HarbingerStatus) bool {
		r := s.VirtualRouter
		if !s.Ready || r.Arbiter != "lease" {
			return false
		}
		return !r.Held && r.Witness != nil && r.Witness.Failures == 0 || r.Held && r.Reach != nil && reachedBy(r, "Reached") == 2
	})
	for _, h := range d.hosts {
		if h.Name == name {
			holder = h
		}
	}
	return d, holder
}

// reachedBy counts the peers that find something of a node.
func reachedBy(r v1alpha1.VirtualRouter, witness string) (n int) {
	for _, p := range r.Reach.Peers {
		if p.Reached && p.Witness == witness {
			n++
		}
	}
	return n
}

// A holder that advertises, renews its Lease and is not reached by clients is found out by the others, and gives way once.
func TestHolderWhomClientsDoNotReach(t *testing.T) {
	d, holder := deployed(t)
	labtest.Firewall(t, holder, closedPort)
	begin := time.Now()
	labtest.Until(t, patience, "another host holds the address", func() bool {
		now := d.holders()
		return len(now) == 1 && now[0] != holder.Name
	})
	if took := time.Since(begin); took > 12*time.Second {
		t.Errorf("moved after %s", took)
	}
	s := d.status(holder)
	if s.Ready || !s.VirtualRouter.Unreachable || !meta.IsStatusConditionTrue(s.Conditions, v1alpha1.ConditionUnreachable) {
		t.Errorf("%s is ready %v, unreachable %v: %q", holder.Name, s.Ready, s.VirtualRouter.Unreachable, s.NotReady)
	}
	d.rests(d.holds(), 5*time.Second)
}

// The same rule on every host moves nothing: no host is better. The alarm is raised all the same.
func TestClientsReachNobody(t *testing.T) {
	d, holder := deployed(t)
	for _, h := range d.hosts {
		labtest.Firewall(t, h, closedPort)
	}
	d.until("the holder knows it", func(s v1alpha1.HarbingerStatus) bool {
		return !s.VirtualRouter.Held || s.VirtualRouter.Unreachable && !s.Ready
	})
	d.rests(holder.Name, 8*time.Second)
}

// Whoever forges a claim beside a Lease that can be read takes nothing, and is named by its hardware address.
func TestForgedClaimNamesItsHost(t *testing.T) {
	serveAPI(t)
	k := start(t, oneAddress+"loadBalancer: {backends: [{address: '192.168.238.130:6443'}]}\n"+body("Hybrid", ""))
	k.until("it holds the Lease", func(s v1alpha1.HarbingerStatus) bool { return active(s) && s.VirtualRouter.Arbiter == "lease" })
	advertise(t, 254)
	k.until("the forger is known", func(s v1alpha1.HarbingerStatus) bool {
		f := s.VirtualRouter.Forged
		return f != nil && f.Source == peer.Address.Addr().String() && f.HardwareAddress == peer.MAC.String() &&
			meta.IsStatusConditionTrue(s.Conditions, v1alpha1.ConditionForged)
	})
	if s := status(); !active(s) || !held(vip4) {
		t.Errorf("the address is gone: %s, %q", s.VirtualRouter.State, s.NotReady)
	}
	k.untilLogged(peer.MAC.String())
}
