// SPDX-License-Identifier: Apache-2.0

// Package config holds the configuration of Harbinger as the program uses it: parsed, defaulted, validated and from
// then on immutable. It has no JSON form of its own, reads no file and checks nothing: package v1alpha1 is the form in
// files, package validation holds the rules and package scheme turns one into the other.
package config

import (
	"net/netip"
	"time"

	"github.com/harbinger-ha/harbinger/pkg/balance"
	"github.com/harbinger-ha/harbinger/pkg/election"
	"github.com/harbinger-ha/harbinger/pkg/health"
	"github.com/harbinger-ha/harbinger/pkg/logging"
	"github.com/harbinger-ha/harbinger/pkg/vrrp"
)

// The directories of a node that the pod sees.
const (
	// Directory has what an administrator gives to Harbinger: the configuration file, the kubeconfig. The pod only reads it.
	Directory = "/etc/kubernetes/harbinger"
	// StateDirectory has what Harbinger keeps for its next start.
	StateDirectory = "/var/lib/harbinger"
	// RuntimeDirectory has what Harbinger keeps for its next start until the host is started anew: it is on a tmpfs.
	RuntimeDirectory = "/run/harbinger"
	// File is the configuration file that the pod reads where it is not given its configuration in Variable.
	File = Directory + "/config.yaml"
)

// The environment variables of the pod.
const (
	// Variable carries the configuration document.
	Variable = "HARBINGER_CONFIG"
	// NodeNameVariable carries the name of the node.
	NodeNameVariable = "NODE_NAME"
)

// HarbingerConfiguration is the whole configuration of one Harbinger. It is the same on every node of a cluster.
type HarbingerConfiguration struct {
	// VirtualAddresses are the one or two (one of each family) addresses that move together, with their prefix length.
	VirtualAddresses []netip.Prefix
	// Interface carries the virtual addresses. Empty: the one whose subnet holds the first of them.
	Interface    string
	ControlPlane ControlPlane
	Election     Election
	LoadBalancer LoadBalancer
	HealthCheck  health.Config
	Status       Endpoints
	Logging      Logging
}

// ListensOn reports whether Harbinger itself listens on a port of a node, where no apiserver can be: a connection of the balancer
// to it would come back to a balancer.
func (c *HarbingerConfiguration) ListensOn(port uint16) bool {
	own := c.ControlPlane.Port
	if c.ControlPlane.Shared() {
		own = c.LoadBalancer.Steering.Port
	}
	return port == own || port == c.Status.BindAddress.Port() || port == c.Status.IdentityPort || c.Status.Metrics.Served() && port == c.Status.Metrics.Port
}

// ControlPlane says where clients find the control plane and where its apiservers listen.
type ControlPlane struct {
	// Port is where clients reach the control plane on a virtual address.
	Port uint16
	// APIServerPort is where the apiserver of this node listens.
	APIServerPort uint16
	// ClusterName keeps two clusters on one network segment apart.
	ClusterName string
}

// Shared reports whether clients use the port that the apiserver of the node listens on. The balancer then has a port of its
// own, and connections to the virtual addresses are steered to it.
func (c ControlPlane) Shared() bool { return c.Port == c.APIServerPort }

// Election is the election of the holder.
type Election struct {
	Mode  election.Mode
	VRRP  VRRP
	Lease Arbitration
}

// VRRP is the election on the wire. Its fields are those of RFC 9568, section 6.1, where they have a name there.
type VRRP struct {
	Version               vrrp.Version
	VirtualRouterID       uint8
	Priority              uint8 // of a healthy node
	AdvertisementInterval time.Duration
	Preempt               bool          // a higher priority takes the addresses from a healthy holder
	PreemptDelay          time.Duration // after its start, until a node preempts
	// Peers are the node addresses for unicast advertisements, with or without that of this node. Nil: multicast.
	Peers []netip.Addr
	// SourceAddress is the address of this node that advertisements come from. Invalid: found on the interface.
	SourceAddress netip.Addr
	// MinimumTTL is the least TTL or hop limit that a unicast advertisement of a peer may arrive with.
	MinimumTTL     uint8
	Checksum       vrrp.ChecksumPolicy
	Authentication vrrp.Authentication
	// PasswordFile has the password where it is not in Authentication: an absolute path in Directory, for root alone.
	PasswordFile string
	// HMAC is used where the type of the authentication is AuthenticationHMAC.
	HMAC HMAC
}

// Arbitration of the election by a Kubernetes Lease: where the Lease is, how the API is reached, and the times.
type Arbitration struct {
	Kubeconfig string // absolute path; the file may appear later
	Namespace  string // of the Lease
	Name       string // of the Lease
	// Predecessor is the namespace and the name of kube-vip's Lease, with a slash between them. Empty: there is none.
	Predecessor string
	election.LeaseTimes
}

// LoadBalancer spreads the connections to the virtual addresses over the apiservers.
type LoadBalancer struct {
	// Settings are what the balancer process does. No backends: the apiserver of this node alone.
	balance.Settings
	Mode      balance.Mode
	Discovery bool // the API names further backends
	Steering  Steering
	Drain     Drain
}

// Steering is used only where the control plane port is the apiserver port.
type Steering struct {
	Mode balance.SteeringMode
	// Port is where the balancer listens when it cannot have the control plane port itself.
	Port uint16
}

// Drain bounds how long a planned stop waits for open connections.
type Drain struct {
	Timeout time.Duration
}

// Endpoints are the addresses at which Harbinger serves its own state.
type Endpoints struct {
	// BindAddress serves the status, the metrics and the probes.
	BindAddress netip.AddrPort
	// IdentityPort answers, on the node address and the virtual addresses, who holds them.
	IdentityPort uint16
	// Metrics are served there as well, for a Prometheus on another host.
	Metrics Metrics
}

// Logging of the process, to standard error.
type Logging struct {
	Format    logging.Format
	Verbosity int // 0: what an operator needs; 1: each packet and connection as well
}
