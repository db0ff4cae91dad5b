// SPDX-License-Identifier: Apache-2.0

package v1alpha1

import "time"

// Balancer is the process that relays connections.
type Balancer struct {
	// up says that the process runs and reports.
	Up bool `json:"up"`
	// pid is its process ID.
	PID int `json:"pid,omitempty"`
	// keeps says what it may do that it does not need, and why. Left out: nothing.
	Keeps string `json:"keeps,omitempty"`
	// restarts counts how often it was started again.
	Restarts uint64 `json:"restarts"`
	// mode says who passes connections on now: Relay (the process) or Kernel.
	Mode string `json:"mode"`
	// frontends are the addresses and ports that it listens on.
	Frontends []string `json:"frontends"`
	// steering is how connections to the virtual addresses reach the balancer if an apiserver uses the same port: BPF or
	// NFTables; none if the balancer has a port of its own.
	Steering string `json:"steering"`
	// steered says that they do so now.
	Steered bool `json:"steered"`
	// degraded says that no backend is healthy, and that connections go to those that accept them all the same.
	Degraded bool `json:"degraded"`
	// connections of clients now.
	Active int `json:"connections"`
	// connectionLimit is how many connections of clients it takes at a time: loadBalancer.connectionLimits.total, or fewer where the process has not
	// the file descriptors for them. Left out: it is not known yet.
	Limit int `json:"connectionLimit,omitempty"`
	// connectionLimitLowered says why that is lower than what is configured. Left out: it is not.
	Lowered string `json:"connectionLimitLowered,omitempty"`
	// accepted counts the connections of clients since the process was started.
	Accepted uint64 `json:"accepted"`
	// refused counts those of them that were reset because there was no backend, or because a limit was reached.
	Refused uint64 `json:"refused"`
	// refusedByReason counts them by the reason: NoBackend, ConnectionLimit, BackendFailed (none of those that were tried took the
	// connection) or ClientFailed (the connection of the client could not be used). Connections that the kernel refuses, while no
	// backend may take any, are not accepted and not among them.
	RefusedByReason map[string]uint64 `json:"refusedByReason,omitempty"`
	// peakConnections is the highest number of connections at a time since the process was started.
	Peak int `json:"peakConnections"`
	// acceptedPerSecond is the number of connections accepted in the last second.
	Rate int `json:"acceptedPerSecond"`
	// peakAcceptedPerSecond is the highest of these numbers since the process was started.
	PeakRate int `json:"peakAcceptedPerSecond"`
	// bytesReceived counts bytes from clients that went on to a backend, since the process was started: those of backends that are gone too.
	Received uint64 `json:"bytesReceived"`
	// bytesSent counts bytes to clients since the process was started: those of backends that are gone too.
	Sent uint64 `json:"bytesSent"`
	// leftOut counts the apiservers that the configuration or the API name and that are not used: see the condition BackendsLeftOut.
	LeftOut int `json:"leftOut,omitempty"`
	// backends are the apiservers that it relays to.
	Backends []Backend `json:"backends"`
}

// Backend is one apiserver, seen from the balancer of one node.
type Backend struct {
	// address and port.
	Address string `json:"address"`
	// backup says that it gets connections only where no other backend is healthy.
	Backup bool `json:"backup,omitempty"`
	// admin is what `harbinger backend` has ordered, until the process ends: Drain (it takes no new connections, and keeps those that it
	// has) or Maintenance (it takes none, keeps none, and is not checked). Left out: nothing.
	Admin string `json:"admin,omitempty"`
	// state is Unknown (not checked yet), Healthy, Suspect (a connection to it failed or got no answer, a check decides soon),
	// NotReady (it answers, but not that it is ready) or Down (it cannot be reached, or does not answer in time).
	State string `json:"state"`
	// since is when the state was entered.
	Since time.Time `json:"since,omitzero"`
	// reason of the state. Left out while it is Healthy.
	Reason string `json:"reason,omitempty"`
	// healthy is true for the states Healthy and Suspect: what clients meet does not move the virtual addresses before a check
	// has spoken.
	Healthy bool `json:"healthy"`
	// proved says that its certificate has shown that it belongs to the cluster: signed by the CA, for its address. A discovered host
	// without that is no peer, and its advertisements do not count.
	Proved bool `json:"proved,omitempty"`
	// accepts says that it is NotReady or Down, but accepted a connection when it was checked last: it takes connections while no
	// backend is healthy.
	Accepts bool `json:"accepts,omitempty"`
	// connections to it now.
	Connections int `json:"connections"`
	// total counts the connections to it since the process was started.
	Total uint64 `json:"total"`
	// failures counts the connections to it that could not be opened, since the process was started.
	Failures uint64 `json:"failures"`
	// checked is when the last check ended. Left out: none has ended yet.
	Checked *time.Time `json:"checked,omitempty"`
	// checkTook is how long the last check took, as a duration.
	CheckTook string `json:"checkTook,omitempty"`
	// checkFailure is why the last check failed, in the state Healthy too: one failure changes no state. Left out: it passed.
	CheckFailure string `json:"checkFailure,omitempty"`
	// downs counts how often it went from Healthy or Suspect to NotReady or Down, since it is a backend of the process.
	Downs uint64 `json:"downs"`
	// downtime is for how long it was NotReady or Down in all, as a duration, since it is a backend of the process. Left out: never.
	Downtime string `json:"downtime,omitempty"`
	// peakConnections is the highest number of connections to it at a time, since the process was started.
	Peak int `json:"peakConnections"`
	// bytesSent counts bytes of clients to it since the process was started. Those that are sent again, as another backend failed before
	// it answered, count for that one.
	Sent uint64 `json:"bytesSent"`
	// bytesReceived counts bytes from it to clients since the process was started.
	Received uint64 `json:"bytesReceived"`
}
