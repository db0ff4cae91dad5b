// SPDX-License-Identifier: Apache-2.0

package validation

import (
	"cmp"
	"reflect"

	"github.com/harbinger-ha/harbinger/pkg/apis/config"
)

// NeedsRestart returns the paths of the fields that differ and cannot change while a keeper runs: those that its sockets,
// addresses and listeners were made from. Every other field may change.
func NeedsRestart(now, next *config.HarbingerConfiguration) []string {
	var paths []string
	differ := func(path string, a, b any) {
		if !reflect.DeepEqual(a, b) {
			paths = append(paths, path)
		}
	}
	differ("virtualAddresses", now.VirtualAddresses, next.VirtualAddresses)
	differ("interface", now.Interface, next.Interface)
	differ("controlPlane", now.ControlPlane, next.ControlPlane)
	differ("election.mode", now.Election.Mode, next.Election.Mode)
	differ("election.lease", withoutPredecessor(now), withoutPredecessor(next))
	differ("election.lease.predecessor", now.Election.Lease.Predecessor, cmp.Or(next.Election.Lease.Predecessor, now.Election.Lease.Predecessor))
	differ("election.vrrp", fixedVRRP(now), fixedVRRP(next))
	differ("election.vrrp.peers", now.Election.VRRP.Peers == nil, next.Election.VRRP.Peers == nil)
	differ("loadBalancer.steering", now.LoadBalancer.Steering, next.LoadBalancer.Steering)
	differ("status", now.Status, next.Status)
	differ("logging", now.Logging, next.Logging)
	return paths
}

// withoutPredecessor is the configuration of the Lease but for the predecessor, which may go while a keeper runs, and not come.
func withoutPredecessor(cfg *config.HarbingerConfiguration) config.Arbitration {
	l := cfg.Election.Lease
	l.Predecessor = ""
	return l
}

// fixedVRRP is the part of the VRRP configuration that cannot change while a keeper runs. Peers may change, but not come or
// go: a socket is for unicast or for multicast. So may keys: whether there are signatures at all is the type.
func fixedVRRP(cfg *config.HarbingerConfiguration) config.VRRP {
	v := cfg.Election.VRRP
	v.Priority, v.Preempt, v.PreemptDelay, v.Peers, v.HMAC = 0, false, 0, nil, config.HMAC{}
	return v
}
