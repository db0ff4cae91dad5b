// SPDX-License-Identifier: Apache-2.0

package v1alpha1

import "time"

// ConnectionList is what the balancer of a host relays, and has relayed, and what its kernel passes on: the answer of "harbinger status --connections -o json".
type ConnectionList struct {
	// running are the connections now, the oldest first, 1,000 at most.
	Running []Connection `json:"running"`
	// leftOut counts those that run beside them.
	LeftOut int `json:"leftOut,omitempty"`
	// ended are the last that have ended, the newest first, 100 at most. The balancer process forgets them at its end.
	Ended []Connection `json:"ended"`
	// passed are those that the kernel passes on now (loadBalancer.mode: Kernel), by the addresses of their clients, 1,000 at most. Left
	// out: there are none.
	Passed []PassedConnection `json:"passed,omitempty"`
	// passedLeftOut counts those that are passed on beside them.
	PassedLeftOut int `json:"passedLeftOut,omitempty"`
}

// PassedConnection is one connection that the kernel passes on. It does not note when that began, or what was sent.
type PassedConnection struct {
	// client is its address and port.
	Client string `json:"client"`
	// frontend is the address and port at which it comes in.
	Frontend string `json:"frontend"`
	// backend is the address and port of the apiserver.
	Backend string `json:"backend"`
	// state is that of TCP as the kernel has seen it: SynSent, SynReceived, Established, FinWait, CloseWait or LastAck.
	State string `json:"state"`
}

// Connection is one connection of a client.
type Connection struct {
	// client is its address and port.
	Client string `json:"client"`
	// frontend is the address and port at which it came in: a virtual address, or one of the host. Left out where it has ended without a
	// line in the access log.
	Frontend string `json:"frontend,omitempty"`
	// backend is the address and port of the apiserver. Left out: none has accepted it.
	Backend string `json:"backend,omitempty"`
	// began is when it was accepted.
	Began time.Time `json:"began"`
	// active is when something was sent last, either way. Left out: nothing was.
	Active *time.Time `json:"active,omitempty"`
	// bytesReceived counts bytes from the client.
	Received uint64 `json:"bytesReceived"`
	// bytesSent counts bytes to the client.
	Sent uint64 `json:"bytesSent"`
	// retried says that another backend had to take it over.
	Retried bool `json:"retried,omitempty"`
	// ended is when it ended. Left out: it runs.
	Ended *time.Time `json:"ended,omitempty"`
	// reason is why it ended, as the access log has it.
	Reason string `json:"reason,omitempty"`
}
