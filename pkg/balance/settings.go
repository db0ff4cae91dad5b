// SPDX-License-Identifier: Apache-2.0

package balance

import (
	"net/netip"
	"time"
)

// MaxBackends is how many backends a balancer has at most. A control plane has a few: more are a mistake or somebody's intent, and
// would keep the balancer busy with their checks.
const MaxBackends = 64

// Settings are how connections are spread and relayed. The configuration contains them, and so does what the balancer process
// is sent.
type Settings struct {
	Backends      []Backend         `json:"backends"`
	Policy        Policy            `json:"policy"`
	SlowStart     time.Duration     `json:"slowStart"` // how long a backend that became healthy takes to get its full share; 0: none
	Limits        Limits            `json:"limits"`
	Timeouts      Timeouts          `json:"timeouts"`
	OnBackendDown BackendDownAction `json:"onBackendDown"`
	AccessLog     AccessLog         `json:"accessLog"`
	Rebalance     Rebalance         `json:"rebalance"`
	PreferLocal   bool              `json:"preferLocal"` // the apiserver of the node itself goes before the others
}

// A Backend is a server that connections may be sent to.
type Backend struct {
	Address netip.AddrPort `json:"address"`
	Backup  bool           `json:"backup"` // takes connections only while no other backend is healthy
	Weight  int            `json:"weight"` // its share of the connections, beside those of the others; 0: none while another one can take them
	// ProxyProtocol is what comes before the first byte of a client; empty: nothing.
	ProxyProtocol ProxyProtocol `json:"proxyProtocol"`
}

// The bounds of Backend.Weight, and that of one that has no other.
const (
	MaxWeight     = 256
	DefaultWeight = 1
)

// Limits bound the number of open connections.
type Limits struct {
	Total      int `json:"total"`      // 0: as many as there are file descriptors
	PerBackend int `json:"perBackend"` // 0: no limit
	PerSource  int `json:"perSource"`  // of one address of a client; 0: no limit
	// UnlimitedSources are the networks for whose addresses PerSource does not count.
	UnlimitedSources []netip.Prefix `json:"unlimitedSources"`
}

// Timeouts bound how long a relayed connection waits. There is none for idle connections: a watch may be silent for hours.
type Timeouts struct {
	Connect    time.Duration `json:"connect"`    // for one backend to accept
	KeepAlive  time.Duration `json:"keepAlive"`  // of silence before the other host is asked whether it lives; 0: never
	HalfClosed time.Duration `json:"halfClosed"` // of silence after one side has finished; 0: for ever
}

// A Policy says which of several usable backends takes a connection.
type Policy string

// The policies.
const (
	// RoundRobin takes the backends in turn.
	RoundRobin Policy = "RoundRobin"
	// LeastConnections takes the backend with the fewest connections. It suits an apiserver, whose clients keep theirs.
	LeastConnections Policy = "LeastConnections"
	// SourceHash takes the same backend for the same client address as long as that backend is usable.
	SourceHash Policy = "SourceHash"
)

// BackendDownAction says what happens to the connections of a backend that cannot be reached any more.
type BackendDownAction string

// The actions.
const (
	// CloseSessions resets the connections, so that their clients reconnect at once.
	CloseSessions BackendDownAction = "CloseSessions"
	// KeepSessions leaves the connections alone. They hang until their clients give up.
	KeepSessions BackendDownAction = "KeepSessions"
)

// AccessLog says which connections get a line in the log at their end.
type AccessLog string

// The access logs.
const (
	// AccessLogOff has no line.
	AccessLogOff AccessLog = "Off"
	// AccessLogFailures has those that were refused, that another backend had to take over, and those that their backend or the
	// balancer ended.
	AccessLogFailures AccessLog = "Failures"
	// AccessLogAll has all.
	AccessLogAll AccessLog = "All"
)

// Mode says who passes the bytes of a connection on.
type Mode string

// The modes.
const (
	// ModeRelay is the balancer process.
	ModeRelay Mode = "Relay"
	// ModeKernel is the kernel, by rules of nf_tables that package dnat makes. The balancer process checks the backends, and relays where
	// the kernel cannot.
	ModeKernel Mode = "Kernel"
)

// SteeringMode says how connections to a virtual address reach the balancer on a node whose apiserver listens on the same
// port. Package steer implements the modes.
type SteeringMode string

// The modes of steering.
const (
	// SteeringAuto is SteeringBPF, or SteeringNFTables where the kernel refuses BPF.
	SteeringAuto SteeringMode = "Auto"
	// SteeringBPF is a program at the socket lookup of the network namespace. It needs CAP_BPF and CAP_NET_ADMIN.
	SteeringBPF SteeringMode = "BPF"
	// SteeringNFTables is a destination NAT in a table that belongs to the process. It needs CAP_NET_ADMIN.
	SteeringNFTables SteeringMode = "NFTables"
	// SteeringNone leaves the connections to the apiserver of the node.
	SteeringNone SteeringMode = "None"
)
