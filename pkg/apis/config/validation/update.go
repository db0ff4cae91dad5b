// SPDX-License-Identifier: Apache-2.0

package validation

import (
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
	differ("election.lease", now.Election.Lease, next.Election.Lease)
	differ("election.vrrp", fixedVRRP(now), fixedVRRP(next))
	differ("election.vrrp.peers", now.Election.VRRP.Peers == nil, next.Election.VRRP.Peers == nil)
	differ("loadBalancer.steering", now.LoadBalancer.Steering, next.LoadBalancer.Steering)
	differ("status", now.Status, next.Status)
	differ("logging", now.Logging, next.Logging)
	return paths
}

// fixedVRRP is the part of the VRRP configuration that cannot change while a keeper runs. Peers may change, but not come or
// go: a socket is for unicast or for multicast.
func fixedVRRP(cfg *config.HarbingerConfiguration) config.VRRP {
	v := cfg.Election.VRRP
	v.Priority, v.Preempt, v.PreemptDelay, v.Peers = 0, false, 0, nil
	return v
}
