// SPDX-License-Identifier: Apache-2.0

package sidecar

import (
	"net/netip"
	"slices"
	"time"
)

// Status is what a node says of itself: the answer of /status and of `harbinger status -o json`. Its fields are a stable
// contract: they may grow, but keep their names and meanings.
type Status struct {
	Node             string         `json:"node"`
	Cluster          string         `json:"cluster"`
	Version          string         `json:"version"`
	Incarnation      string         `json:"incarnation"` // boot and process that answer
	Started          time.Time      `json:"started"`
	Interface        string         `json:"interface"`
	VirtualAddresses []netip.Prefix `json:"virtualAddresses"`
	VirtualRouter    VirtualRouter  `json:"virtualRouter"`
	Lease            *Lease         `json:"lease,omitempty"`
	Balancer         Balancer       `json:"balancer"`
	Ready            bool           `json:"ready"`
	NotReady         []string       `json:"notReady,omitempty"` // why not
	Moves            []Move         `json:"moves"`              // the last changes of state, newest last
}

// VirtualRouter is the state of the election on this node.
type VirtualRouter struct {
	VRID           uint8      `json:"vrid"`
	Version        uint8      `json:"version"` // of VRRP
	Mode           string     `json:"mode"`
	Arbiter        string     `json:"arbiter"` // what decides now who holds the addresses: lease or vrrp
	Epoch          int        `json:"epoch"`   // of the Lease that this node holds, 0: none
	State          string     `json:"state"`
	Since          time.Time  `json:"since"`
	Reason         string     `json:"reason"`   // of the last change of state
	Held           bool       `json:"held"`     // the addresses are in this node's kernel
	Priority       uint8      `json:"priority"` // effective
	Configured     uint8      `json:"configuredPriority"`
	Distress       bool       `json:"distress"` // no healthy backend here
	Interval       string     `json:"advertisementInterval"`
	Holder         string     `json:"holder"` // address of the node that advertises last, or of this node
	HolderHeard    *time.Time `json:"holderHeard,omitempty"`
	HolderPrio     uint8      `json:"holderPriority,omitempty"`
	Conflict       string     `json:"conflict,omitempty"` // who else answers for the addresses
	SplitSuspected bool       `json:"splitSuspected"`

	Dropped map[string]Drop   `json:"dropped,omitempty"` // refused packets by reason
	Failing map[string]string `json:"failing,omitempty"` // actions on the host that fail now, with the error
}

// Lease is what this node knows of the Lease.
type Lease struct {
	Name        string      `json:"name"`             // namespace/name
	Holder      string      `json:"holder,omitempty"` // identity of the process that holds it
	Node        string      `json:"node,omitempty"`   // of the holder
	Epoch       int         `json:"epoch"`
	Answered    *time.Time  `json:"answered,omitempty"`    // when the API answered last
	Failure     string      `json:"failure,omitempty"`     // why the last question had no answer
	Credentials string      `json:"credentials,omitempty"` // what is wrong with the kubeconfig
	Expires     *time.Time  `json:"expires,omitempty"`     // when its client certificate does
	APIServers  []APIServer `json:"apiServers,omitempty"`
}

// APIServer is what one apiserver was like when it was asked last for the Lease.
type APIServer struct {
	Address  string     `json:"address"`
	Answered *time.Time `json:"answered,omitempty"`
	Failure  string     `json:"failure,omitempty"`
}

// Drop counts refused packets of one reason.
type Drop struct {
	Count uint64    `json:"count"`
	Last  time.Time `json:"last"`
	From  string    `json:"from"`
}

// Balancer is the state of the balancer process.
type Balancer struct {
	Up        bool      `json:"up"`
	PID       int       `json:"pid,omitempty"`
	Restarts  uint64    `json:"restarts"`
	Frontends []string  `json:"frontends"`
	Steering  string    `json:"steering"` // "none", or how VIP:port reaches the balancer, and whether it does now
	Steered   bool      `json:"steered"`
	Active    int       `json:"connections"`
	Accepted  uint64    `json:"accepted"`
	Refused   uint64    `json:"refused"`
	Backends  []Backend `json:"backends"`
}

// Backend is the state of one backend.
type Backend struct {
	Address     string `json:"address"`
	Backup      bool   `json:"backup,omitempty"`
	Healthy     bool   `json:"healthy"`
	Reason      string `json:"reason,omitempty"` // why not healthy
	Connections int    `json:"connections"`
	Total       uint64 `json:"total"`
	Failures    uint64 `json:"failures"`
}

// Move is one change of state.
type Move struct {
	Time    time.Time `json:"time"`
	From    string    `json:"from"`
	To      string    `json:"to"`
	Reason  string    `json:"reason"`
	Silence string    `json:"silence,omitempty"` // how long no holder was heard before a takeover
}

// judge fills in whether the node is ready: the addresses are where the state says, a backend is healthy, and no action
// on the host fails.
func (s *Status) judge() {
	r := s.VirtualRouter
	holds := r.State == "Active" || r.State == "Leaving"
	switch {
	case holds && !r.Held:
		s.NotReady = append(s.NotReady, "state "+r.State+" without the virtual addresses")
	case !holds && r.Held:
		s.NotReady = append(s.NotReady, "virtual addresses held in state "+r.State)
	}
	if r.State == "Initialize" || r.State == "Conflict" {
		s.NotReady = append(s.NotReady, "virtual router in state "+r.State+": "+r.Reason)
	}
	if !slices.ContainsFunc(s.Balancer.Backends, func(b Backend) bool { return b.Healthy }) {
		s.NotReady = append(s.NotReady, "no healthy backend")
	}
	if !s.Balancer.Up {
		s.NotReady = append(s.NotReady, "balancer down")
	}
	for action, err := range r.Failing {
		s.NotReady = append(s.NotReady, action+": "+err)
	}
	slices.Sort(s.NotReady)
	s.Ready = len(s.NotReady) == 0
}
