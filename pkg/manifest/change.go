// SPDX-License-Identifier: Apache-2.0

package manifest

import (
	"net/netip"
	"reflect"
	"time"

	"github.com/harbinger-ha/harbinger/pkg/apis/config"
	"github.com/harbinger-ha/harbinger/pkg/apis/config/validation"
	"github.com/harbinger-ha/harbinger/pkg/election"
	"github.com/harbinger-ha/harbinger/pkg/vrrp"
)

// HandoverOutage is for how long no client is answered while a holder that is stopped by plan hands over.
const HandoverOutage = 100 * time.Millisecond

// A Cost is what a change asks for beside the start of the pod anew: of two costs, the higher is the dearer one.
type Cost int

// The costs.
const (
	Nothing  Cost = iota // no more than that this host has it
	Move                 // the virtual addresses go to another host or interface
	Reset                // connections of clients end
	AllHosts             // the other hosts are changed at the same time
)

// String returns the cost in words.
func (c Cost) String() string {
	return [...]string{"nothing more", "move", "reset", "all hosts"}[c]
}

// A Change is a field that differs.
type Change struct {
	Field string
	Cost  Cost
	Means string // what comes of it, and what else is to be done
}

// A Start is who starts the pod anew after a change.
type Start int

// Who starts the pod anew.
const (
	NoStart       Start = iota // nobody: the running pod takes the change over within seconds
	Kubelet                    // the kubelet, as the manifest is another one
	Administrator              // nobody by himself: the pod goes on with what it has read before
)

// StartAfter says who starts the pod anew. manifest says that the text of the manifest is another one.
func StartAfter(before, after *config.HarbingerConfiguration, manifest bool) Start {
	switch {
	case manifest:
		return Kubelet
	case len(validation.NeedsRestart(before, after)) > 0:
		return Administrator
	}
	return NoStart
}

// Changes returns what differs between two configurations of a host, in the order of their fields, and what that costs.
func Changes(before, after *config.HarbingerConfiguration) []Change {
	var all []Change
	for _, r := range rows {
		if len(all) > 0 && all[len(all)-1].Field == r.Field { // an earlier row has said the worst of it
			continue
		}
		if !reflect.DeepEqual(r.value(before), r.value(after)) {
			all = append(all, r.Change)
		}
	}
	return all
}

// A row is a field of the configuration: what a change of it costs.
type row struct {
	Change
	value func(*config.HarbingerConfiguration) any
}

// rows are all fields. Of those of one field the first one counts that differs.
var rows = []row{
	{Change{"virtualAddresses", AllHosts, "hosts with different addresses refuse each other's advertisements. Clients need the new address: kubeadm's controlPlaneEndpoint, each kubeconfig, and the certificates of the apiservers name it"},
		func(c *config.HarbingerConfiguration) any { return addresses(c) }},
	{Change{"virtualAddresses", Nothing, "the prefix length only chooses the interface"}, func(c *config.HarbingerConfiguration) any { return c.VirtualAddresses }},
	{Change{"interface", Move, "the virtual addresses go to this interface"}, func(c *config.HarbingerConfiguration) any { return c.Interface }},
	{Change{"controlPlane.port", AllHosts, "clients need the new port: kubeadm's controlPlaneEndpoint and each kubeconfig name it. Connections to the old one end"},
		func(c *config.HarbingerConfiguration) any { return c.ControlPlane.Port }},
	{Change{"controlPlane.apiServerPort", Reset, "the apiserver of this host must listen on it"}, func(c *config.HarbingerConfiguration) any { return c.ControlPlane.APIServerPort }},
	{Change{"controlPlane.clusterName", AllHosts, "hosts with different names do not accept each other as peers"}, func(c *config.HarbingerConfiguration) any { return c.ControlPlane.ClusterName }},
	{Change{"election.mode", AllHosts, "in mode Lease nothing is advertised: it does not mix with the other modes"},
		func(c *config.HarbingerConfiguration) any { return c.Election.Mode == election.LeaseOnly }},
	{Change{"election.mode", Nothing, "modes Hybrid and VRRP mix: one host after the other"}, func(c *config.HarbingerConfiguration) any { return c.Election.Mode }},
	{Change{"election.vrrp.version", AllHosts, "hosts with different versions refuse each other's advertisements"}, func(c *config.HarbingerConfiguration) any { return c.Election.VRRP.Version }},
	{Change{"election.vrrp.virtualRouterID", AllHosts, "hosts with different virtual router IDs do not hear each other"}, func(c *config.HarbingerConfiguration) any { return c.Election.VRRP.VirtualRouterID }},
	{Change{"election.vrrp.priority", Move, "the host with the highest priority takes the addresses when it hears a lower one"}, preempting},
	{Change{"election.vrrp.priority", Nothing, "without preemption it counts at the next election"}, func(c *config.HarbingerConfiguration) any { return c.Election.VRRP.Priority }},
	{Change{"election.vrrp.advertisementInterval", AllHosts, "in version 2 hosts with different intervals refuse each other's advertisements"}, version2Interval},
	{Change{"election.vrrp.advertisementInterval", Nothing, "the others follow the interval of the holder: one host after the other"}, func(c *config.HarbingerConfiguration) any { return c.Election.VRRP.AdvertisementInterval }},
	{Change{"election.vrrp.preempt", Move, "with preemption the host with the highest priority takes the addresses"}, func(c *config.HarbingerConfiguration) any { return c.Election.VRRP.Preempt }},
	{Change{"election.vrrp.preemptDelay", Nothing, "it counts after the next start"}, func(c *config.HarbingerConfiguration) any { return c.Election.VRRP.PreemptDelay }},
	{Change{"election.vrrp.peers", AllHosts, "unicast and multicast do not mix"}, func(c *config.HarbingerConfiguration) any { return c.Election.VRRP.Peers == nil }},
	{Change{"election.vrrp.peers", AllHosts, "a host that another one does not name is not heard by it: the list is the same everywhere"}, func(c *config.HarbingerConfiguration) any { return c.Election.VRRP.Peers }},
	{Change{"election.vrrp.sourceAddress", AllHosts, "the peers of the other hosts must name it"}, func(c *config.HarbingerConfiguration) any { return c.Election.VRRP.SourceAddress }},
	{Change{"election.vrrp.minimumTTL", Nothing, "peers from farther away are not heard"}, func(c *config.HarbingerConfiguration) any { return c.Election.VRRP.MinimumTTL }},
	{Change{"election.vrrp.checksum", AllHosts, "a host with Pseudo or RFC9568 refuses the other form; one with Auto accepts both"}, func(c *config.HarbingerConfiguration) any { return c.Election.VRRP.Checksum }},
	{Change{"election.vrrp.authentication", AllHosts, "hosts with different passwords refuse each other's advertisements. For signed advertisements there is a way without loss: see signing.md"},
		func(c *config.HarbingerConfiguration) any {
			return []any{c.Election.VRRP.Authentication, c.Election.VRRP.PasswordFile}
		}},
	{Change{"election.vrrp.authentication.hmac", AllHosts, "a key must be on each host before one signs with it: see signing.md"}, func(c *config.HarbingerConfiguration) any { return c.Election.VRRP.HMAC }},
	{Change{"election.lease", AllHosts, "hosts that write different Leases do not know of each other's claims"},
		func(c *config.HarbingerConfiguration) any {
			return []string{c.Election.Lease.Namespace, c.Election.Lease.Name}
		}},
	{Change{"election.lease", Nothing, "one host after the other; the times should be the same on all hosts"}, func(c *config.HarbingerConfiguration) any { return c.Election.Lease }},
	{Change{"loadBalancer.steering", Reset, "connections to the virtual addresses are steered in another way"}, func(c *config.HarbingerConfiguration) any { return c.LoadBalancer.Steering }},
	{Change{"loadBalancer.backends", Nothing, "sessions of a backend that is left out end"}, func(c *config.HarbingerConfiguration) any { return c.LoadBalancer.Backends }},
	{Change{"loadBalancer", Nothing, "it counts for new connections"}, balancing},
	{Change{"healthCheck", Nothing, "it counts from the next check on"}, func(c *config.HarbingerConfiguration) any { return c.HealthCheck }},
	{Change{"status.identityPort", AllHosts, "the hosts ask each other at this port"}, func(c *config.HarbingerConfiguration) any { return c.Status.IdentityPort }},
	{Change{"status.bindAddress", Nothing, "what reads the status or the metrics needs the new address"}, func(c *config.HarbingerConfiguration) any { return c.Status.BindAddress }},
	{Change{"status.metricsBindAddress", Nothing, "what reads the metrics needs the new address"}, func(c *config.HarbingerConfiguration) any {
		return []any{c.Status.Metrics.Address, c.Status.Metrics.Port}
	}},
	{Change{"status.metricsTLS", Nothing, "what reads the metrics needs the CA, or a certificate of its own"}, tlsOfMetrics},
	{Change{"status.metricsTokenFile", Nothing, "what reads the metrics needs the token"}, func(c *config.HarbingerConfiguration) any { return c.Status.Metrics.TokenFile }},
	{Change{"logging", Nothing, "it counts for new lines"}, func(c *config.HarbingerConfiguration) any { return c.Logging }},
}

func addresses(c *config.HarbingerConfiguration) (all []netip.Addr) {
	for _, p := range c.VirtualAddresses {
		all = append(all, p.Addr())
	}
	return all
}

// preempting is the priority where it alone may move the addresses.
func preempting(c *config.HarbingerConfiguration) any {
	if c.Election.VRRP.Preempt {
		return c.Election.VRRP.Priority
	}
	return nil
}

// version2Interval is the interval where all hosts must have the same one.
func version2Interval(c *config.HarbingerConfiguration) any {
	if c.Election.VRRP.Version == vrrp.Version2 {
		return c.Election.VRRP.AdvertisementInterval
	}
	return time.Duration(0)
}

// tlsOfMetrics are the files of the endpoint of the metrics, but for the token.
func tlsOfMetrics(c *config.HarbingerConfiguration) any {
	m := c.Status.Metrics
	return []string{m.CertFile, m.KeyFile, m.ClientCAFile}
}

// balancing is what the balancer does, but for its backends and how connections reach it.
func balancing(c *config.HarbingerConfiguration) any {
	rest := c.LoadBalancer
	rest.Backends, rest.Steering = nil, config.Steering{}
	return rest
}
