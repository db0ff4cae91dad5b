// SPDX-License-Identifier: Apache-2.0

package election

import (
	"cmp"
	"fmt"
	"net/netip"
	"time"
)

// Lease is what the election reads and writes of a Lease (coordination.k8s.io/v1). There is one for all virtual addresses that
// move together. Its times are for people: clocks of two hosts are never compared.
type Lease struct {
	// Version is metadata.resourceVersion; empty: there is no such object.
	Version string
	// Holder is spec.holderIdentity, the identity of one process of one boot of a node; empty: released.
	Holder string
	// Epoch is spec.leaseTransitions. Every claim has a higher one.
	Epoch int
	// Node is the name of the holder's node, Address its own address that advertisements come from, and Priority the configured one.
	Node     string
	Address  netip.Addr
	Priority uint8
	// Known is the address by which the other nodes know the holder's node. Invalid: it is Address.
	Known netip.Addr
	// Preferred is the name of the node that the holder invites to take the Lease over.
	Preferred string
}

// holderName returns the name of the holder for people.
func (l Lease) holderName() string { return cmp.Or(l.Node, l.Holder) }

// reachable returns the address at which the other nodes ask for the holder's node.
func (l Lease) reachable() netip.Addr {
	if l.Known.IsValid() {
		return l.Known
	}
	return l.Address
}

// String returns the holder, epoch and version.
func (l Lease) String() string {
	switch {
	case l.Version == "":
		return "no lease"
	case l.Holder == "":
		return fmt.Sprintf("lease released epoch=%d version=%s", l.Epoch, l.Version)
	}
	return fmt.Sprintf("lease of %s epoch=%d version=%s", l.Holder, l.Epoch, l.Version)
}

// ReadLease asks for the Lease as a quorum of the store has it, not as a cache does. It is answered by exactly one LeaseDone,
// at the latest after Timeout.
type ReadLease struct{ Timeout time.Duration }

// WriteLease stores the Lease if its Version is still the stored one; with an empty Version, if there is none. It is answered
// by exactly one LeaseDone, at the latest after Timeout. A write that was not answered may still be carried out later.
type WriteLease struct {
	Timeout time.Duration
	Lease   Lease
}

// LeaseDone answers a ReadLease or a WriteLease.
type LeaseDone struct {
	Outcome LeaseOutcome
	// Lease is what is stored: what was read, or what was written with its new Version. It is valid if Outcome is Answered.
	Lease Lease
	// Sent is when the question was sent.
	Sent time.Time
	// Detail says why there was no answer.
	Detail string
}

// LeaseOutcome is how a question for the Lease ended.
type LeaseOutcome uint8

// The outcomes.
const (
	Answered   LeaseOutcome = iota // it was read, or written
	Refused                        // it was not written: another Version is stored, or none
	Unanswered                     // it is not known: no credentials, no permission, no quorum, a timeout
)

var leaseOutcomes = [...]string{"Answered", "Refused", "Unanswered"}

// String returns the name of the outcome.
func (o LeaseOutcome) String() string { return leaseOutcomes[o] }

func (LeaseDone) event() {}
func (e LeaseDone) String() string {
	return fmt.Sprintf("lease %s: %s %s", e.Outcome, e.Lease, e.Detail)
}

func (ReadLease) action()           {}
func (WriteLease) action()          {}
func (a ReadLease) String() string  { return fmt.Sprintf("read lease timeout=%s", a.Timeout) }
func (a WriteLease) String() string { return fmt.Sprintf("write %s timeout=%s", a.Lease, a.Timeout) }
