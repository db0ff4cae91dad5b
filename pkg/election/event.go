// SPDX-License-Identifier: Apache-2.0

package election

import (
	"fmt"
	"net/netip"
	"strings"
	"time"

	"github.com/harbinger-ha/harbinger/pkg/vrrp"
)

// Event is something that happened to this node. The events are the types below.
type Event interface {
	event()
	String() string
}

// Startup begins the election. It is the first event.
type Startup struct{}

// Shutdown begins the planned stop, which ends with Finished.
type Shutdown struct{}

// Tick says that time has passed: deadlines that are due are met in it, and only in it. The caller of Step passes every queued
// packet on before it ticks.
type Tick struct{}

// Received is an advertisement that passed the receive checks.
type Received struct {
	Source        netip.Addr
	Advertisement vrrp.Advertisement
}

// LinkChanged says whether the link can carry the virtual addresses: carrier, and the node's own address.
type LinkChanged struct{ Up bool }

// HealthChanged says whether the balancer has a healthy backend. Until the first one it has none.
type HealthChanged struct{ Healthy bool }

// Reconfigured changes what may change while the election runs. The next advertisement and the next timers count with it.
type Reconfigured struct {
	Priority     uint8
	Preempt      bool
	PreemptDelay time.Duration
	Peers        []netip.Addr // as in Config; nil: unchanged
	Known        []netip.Addr // as in Config; nil: unchanged
	Primary      []netip.Addr // as in Config; nil: unchanged
	Predecessor  string       // as in Config; empty: there is none any more
}

// Handover asks a node that holds the addresses to give them to another one, and to go on as a Backup. To names the successor,
// which is invited by the Lease; empty: any node.
type Handover struct{ To string }

// ProbeDone answers a Probe: what each channel found, as in Evidence.
type ProbeDone struct {
	Identity, Client, Neighbour Finding
	// Owner is the hardware address that answers ARP or neighbour discovery for the virtual address. Empty: not known.
	Owner string
	// Peer is the known peer that has this hardware address; invalid: none.
	Peer netip.Addr
	// Asked is how many questions went to neighbours that answered at least one of them in this probe, and Heard how many they
	// answered: what the link loses now.
	Asked, Heard int
	Detail       string // of every channel, for people
}

// Evidence returns what the channels found, without what an election knows in addition.
func (d ProbeDone) Evidence() Evidence {
	return Evidence{Identity: d.Identity, Client: d.Client, Neighbour: d.Neighbour, Peer: d.Peer.IsValid()}
}

// CouldNotAsk names the channels on which this node could not ask, with the error of each. Empty: it could on all of them, or a
// holder has said who it is, after which nobody else is asked.
func (d ProbeDone) CouldNotAsk() string {
	if d.Identity >= SaysLeaving && d.Identity <= SaysActive {
		return ""
	}
	var channels []string
	for _, c := range []struct {
		name  string
		found Finding
	}{{"identity port", d.Identity}, {"port of the control plane", d.Client}, {"ARP or neighbour discovery", d.Neighbour}} {
		if c.found == CouldNotAsk {
			channels = append(channels, c.name)
		}
	}
	if len(channels) == 0 {
		return ""
	}
	return strings.Join(channels, ", ") + " (" + d.Detail + ")"
}

// AdvertisementUnsent says that an advertisement of this node could not be sent: its own output filter, or it has no route.
type AdvertisementUnsent struct{}

// AddressClaimed says that another host claims a virtual address by ARP or neighbour discovery.
type AddressClaimed struct {
	Address netip.Addr
	Owner   string     // hardware address of the host
	Peer    netip.Addr // the peer that has this hardware address; invalid: the host is no peer
}

// AddressLost says that a held virtual address vanished from the kernel.
type AddressLost struct{}

// AddressLate says that the virtual addresses are gone from the kernel because they could not be kept: a refresh came too
// late, or they could not be added.
type AddressLate struct{}

func (Startup) event()             {}
func (Shutdown) event()            {}
func (Tick) event()                {}
func (Received) event()            {}
func (LinkChanged) event()         {}
func (HealthChanged) event()       {}
func (Reconfigured) event()        {}
func (Handover) event()            {}
func (ProbeDone) event()           {}
func (AdvertisementUnsent) event() {}
func (AddressClaimed) event()      {}
func (AddressLost) event()         {}
func (AddressLate) event()         {}

func (Startup) String() string  { return "startup" }
func (Shutdown) String() string { return "shutdown" }
func (Tick) String() string     { return "tick" }
func (e Received) String() string {
	return fmt.Sprintf("received priority=%d from %s", e.Advertisement.Priority, e.Source)
}
func (e LinkChanged) String() string   { return fmt.Sprintf("link up=%t", e.Up) }
func (e HealthChanged) String() string { return fmt.Sprintf("health healthy=%t", e.Healthy) }
func (e Reconfigured) String() string {
	return fmt.Sprintf("reconfigured priority=%d preempt=%t delay=%s", e.Priority, e.Preempt, e.PreemptDelay)
}
func (e Handover) String() string { return fmt.Sprintf("handover to=%s", e.To) }
func (d ProbeDone) String() string {
	return fmt.Sprintf("probe identity=%s client=%s neighbour=%s owner=%s peer=%s %s", d.Identity, d.Client, d.Neighbour, d.Owner, d.Peer, d.Detail)
}
func (e AddressClaimed) String() string {
	return fmt.Sprintf("claimed %s by %s owner=%s", e.Address, e.Peer, e.Owner)
}
func (AdvertisementUnsent) String() string { return "advertisement unsent" }
func (AddressLost) String() string         { return "address lost" }
func (AddressLate) String() string         { return "address late" }

// Action is something that the caller of Step must do, in the order given. The actions are the types below.
type Action interface {
	action()
	String() string
}

// Stands reports whether an action is to be done even if an earlier one failed: reports, and questions, which are answered.
func Stands(a Action) bool {
	switch a.(type) {
	case Transition, Waits, Probe, AskPeers, CheckHolder, Rehearse, ReadLease, WriteLease, ReadPredecessor, TakePredecessor:
		return true
	}
	return false
}

// Acquire adds the virtual addresses to the kernel, with their lifetime.
type Acquire struct{}

// Refresh gives the virtual addresses in the kernel their full lifetime again.
type Refresh struct{}

// Release deletes the virtual addresses from the kernel, whether they are there or not. With Spare it leaves those that another
// program has added.
type Release struct{ Spare bool }

// Advertise sends an advertisement (RFC 9568, section 5.2) for each family. Priority 0 releases (RFC 9568, section
// 6.4.3).
type Advertise struct{ Priority uint8 }

// Announce sends one gratuitous ARP request or unsolicited neighbour advertisement for each virtual address.
type Announce struct{}

// Probe asks who serves the virtual addresses. It is answered by exactly one ProbeDone, at the latest after Timeout.
type Probe struct {
	Timeout time.Duration
	// Asks is how often the hosts on the link are asked by ARP or neighbour discovery, spread evenly over Timeout: as often as the loss
	// of frames needs, so that silence is no accident. 0: until somebody answers, and seldom.
	Asks int
}

// Transition reports a change of state. A move of the virtual addresses is one.
type Transition struct {
	From, To State
	Reason   string
}

// Alarm reports what a person should know.
type Alarm struct {
	Kind   AlarmKind
	Detail string
	Owner  string // hardware address of the host that has or claims the virtual address, where the alarm is about one
	// Source is the source of the advertisement that the alarm is about; invalid: it is about none.
	Source netip.Addr
}

// Finished says that the planned stop is complete: the virtual addresses are gone.
type Finished struct{}

func (Acquire) action()    {}
func (Refresh) action()    {}
func (Release) action()    {}
func (Advertise) action()  {}
func (Announce) action()   {}
func (Probe) action()      {}
func (Transition) action() {}
func (Alarm) action()      {}
func (Finished) action()   {}

func (Acquire) String() string { return "acquire" }
func (Refresh) String() string { return "refresh" }
func (a Release) String() string {
	if a.Spare {
		return "release what is its own"
	}
	return "release"
}
func (a Advertise) String() string { return fmt.Sprintf("advertise priority=%d", a.Priority) }
func (Announce) String() string    { return "announce" }
func (a Probe) String() string {
	if a.Asks == 0 {
		return fmt.Sprintf("probe timeout=%s", a.Timeout)
	}
	return fmt.Sprintf("probe timeout=%s asks=%d", a.Timeout, a.Asks)
}
func (a Transition) String() string { return fmt.Sprintf("%s to %s: %s", a.From, a.To, a.Reason) }
func (a Alarm) String() string      { return fmt.Sprintf("alarm %s: %s", a.Kind, a.Detail) }
func (Finished) String() string     { return "finished" }

// AlarmKind names an alarm.
type AlarmKind uint8

// The alarms.
const (
	Filtered          AlarmKind = iota // the holder serves, but its advertisements do not arrive: protocol 112 is filtered
	ForeignHolder                      // a host that is no peer holds the virtual address
	AddressConflict                    // another host claims the virtual address that this node holds
	IntervalClamped                    // an advertised interval is out of bounds
	DuplicateAddress                   // an advertisement came from this node's own address
	AddressUnkeepable                  // the kernel does not keep the virtual addresses
	ClaimIgnored                       // a peer with the priority of a claim does not yield to a newer one
	Forged                             // an advertisement claims what the Lease, read after it, does not confirm
	Unreachable                        // most of the peers cannot reach the virtual address at this node
)

var alarmKinds = [...]string{"Filtered", "ForeignHolder", "AddressConflict", "IntervalClamped", "DuplicateAddress", "AddressUnkeepable", "ClaimIgnored", "Forged", "Unreachable"}

// AlarmKinds returns all alarms.
func AlarmKinds() (all []AlarmKind) {
	for k := range alarmKinds {
		all = append(all, AlarmKind(k))
	}
	return all
}

// String returns the name of the alarm.
func (k AlarmKind) String() string { return alarmKinds[k] }
