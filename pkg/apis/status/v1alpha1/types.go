// SPDX-License-Identifier: Apache-2.0

package v1alpha1

import (
	"net/netip"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// GroupVersion and Kind identify a status document.
const (
	GroupVersion = "harbinger.dev/v1alpha1"
	Kind         = "HarbingerStatus"
)

// HarbingerStatus is what one node says of itself.
type HarbingerStatus struct {
	metav1.TypeMeta `json:",inline"`

	// node is the name of the node.
	Node string `json:"node"`
	// cluster is controlPlane.clusterName of the configuration.
	Cluster string `json:"cluster"`
	// version of the program.
	Version string `json:"version"`
	// incarnation names the boot of the host and the process that answers. It is another one after each start.
	Incarnation string `json:"incarnation"`
	// started is when the process started.
	Started time.Time `json:"started"`
	// interface is the network interface that carries the virtual addresses. It may be renamed, or they may move to another.
	Interface string `json:"interface"`
	// startedOn is the network interface at the start, where it was another: `harbinger handover` finds the process by its name.
	StartedOn string `json:"startedOn,omitempty"`
	// virtualAddresses are the addresses that the nodes elect a holder for, with their prefix lengths.
	VirtualAddresses []netip.Prefix `json:"virtualAddresses"`
	// virtualRouter is the election on this node.
	VirtualRouter VirtualRouter `json:"virtualRouter"`
	// lease is what this node knows of the Lease. Left out in mode VRRP.
	Lease *Lease `json:"lease,omitempty"`
	// api is the access to the Kubernetes API. Left out where no use is made of it.
	API *API `json:"api,omitempty"`
	// balancer is the process that relays connections to the apiservers.
	Balancer Balancer `json:"balancer"`
	// ready says that the virtual addresses are where the state says, that a backend is healthy, and that no action on the host
	// fails.
	Ready bool `json:"ready"`
	// notReady lists why the node is not ready, sorted.
	NotReady []string `json:"notReady,omitempty"`
	// conditions have the form of those of Kubernetes objects: type, status (True, False, Unknown), reason, message and
	// lastTransitionTime. The types are Ready, BackendAvailable, Conflict, SplitSuspected, Filtered,
	// FilesCurrent and, in the modes Hybrid and Lease, APIReachable.
	Conditions []metav1.Condition `json:"conditions"`
	// moves are the last ten changes of state, newest last.
	Moves []Move `json:"moves"`
}

// The types of conditions.
const (
	// ConditionReady is True while ready is.
	ConditionReady = "Ready"
	// ConditionBackendAvailable is True while the balancer has a healthy backend.
	ConditionBackendAvailable = "BackendAvailable"
	// ConditionDegraded is True while no backend is healthy, and the balancer goes on with those that still accept connections.
	ConditionDegraded = "Degraded"
	// ConditionConflict is True while another host has or claims the virtual addresses that has no right to.
	ConditionConflict = "Conflict"
	// ConditionSplitSuspected is True while the holder serves or renews its Lease, but is not heard.
	ConditionSplitSuspected = "SplitSuspected"
	// ConditionFiltered is True while a firewall keeps the nodes from hearing each other. The message says what opens it.
	ConditionFiltered = "Filtered"
	// ConditionFilesCurrent is True while the files of the host (CA, configuration, credentials) are in use as they are there.
	ConditionFilesCurrent = "FilesCurrent"
	// ConditionAPIReachable is True while the Kubernetes API answers, and Unknown until it was asked.
	ConditionAPIReachable = "APIReachable"
)

// VirtualRouter is the election on one node.
type VirtualRouter struct {
	// vrid is the virtual router ID, 1 to 255.
	VRID uint8 `json:"vrid"`
	// version of VRRP, 2 or 3.
	Version uint8 `json:"version"`
	// mode of the election: Hybrid, VRRP or Lease.
	Mode string `json:"mode"`
	// arbiter is what decides now who holds the virtual addresses: lease or vrrp.
	Arbiter string `json:"arbiter"`
	// epoch of the Lease that this node holds; 0: it holds none.
	Epoch int `json:"epoch"`
	// state is Initialize, Backup, Claiming, Active, Conflict, Leaving or Seizing.
	State string `json:"state"`
	// since is when the state was entered.
	Since time.Time `json:"since"`
	// reason of the last decision of the election, which may be older than what holds now.
	Reason string `json:"reason"`
	// currentReason is why the node is in this state now. It changes with its cause.
	CurrentReason string `json:"currentReason"`
	// held says that the virtual addresses are in this node's kernel.
	Held bool `json:"held"`
	// priority that this node advertises or would advertise, 1 to 254.
	Priority uint8 `json:"priority"`
	// configuredPriority is that of the configuration, 1 to 254.
	Configured uint8 `json:"configuredPriority"`
	// distress says that this node has no healthy backend, and gives way to every node that has one.
	Distress bool `json:"distress"`
	// advertisementInterval in use, as a duration: that of this node, or of the node that advertises.
	Interval string `json:"advertisementInterval"`
	// holder is the name of this node where it holds the addresses, else the address of the node that advertised last. Empty:
	// none was heard.
	Holder string `json:"holder"`
	// holderHeard is when another holder was heard last.
	HolderHeard *time.Time `json:"holderHeard,omitempty"`
	// holderPriority is the priority that it advertised, 1 to 255.
	HolderPriority uint8 `json:"holderPriority,omitempty"`
	// conflict says in words who else has or claims the virtual addresses. Empty: nobody.
	Conflict string `json:"conflict,omitempty"`
	// conflictWith identifies that host.
	ConflictWith *Host `json:"conflictWith,omitempty"`
	// splitSuspected says that the holder serves or renews its Lease, but is not heard: protocol 112 may be filtered.
	SplitSuspected bool `json:"splitSuspected"`
	// filtered lists what does not pass between this node and others, with the commands that open it.
	Filtered []Filter `json:"filtered,omitempty"`
	// couldNotAsk says what kept this node, when it asked last, from asking who has the virtual addresses, and on which channels.
	// Empty: nothing. It says nothing of the other nodes.
	CouldNotAsk string `json:"couldNotAsk,omitempty"`
	// dropped has the packets of protocol 112 that were refused, by the reason.
	Dropped map[string]Drop `json:"dropped,omitempty"`
	// failing has the actions on the host that fail now, with the error.
	Failing map[string]string `json:"failing,omitempty"`
}

// Host identifies another host on the link.
type Host struct {
	// hardwareAddress as its answers to ARP or neighbour discovery have it. Empty: it did not answer.
	HardwareAddress string `json:"hardwareAddress,omitempty"`
	// address of the node, where the hardware address is that of a node of this cluster. Empty: it is an unknown host's.
	Address string `json:"address,omitempty"`
}

// Filter is traffic that does not pass between this node and another one.
type Filter struct {
	// protocol is 112 (the advertisements), or TCP and the identity port: "TCP 10444".
	Protocol string `json:"protocol"`
	// peer is the address of the other node, its name, or its hardware address, as well as it is known. Empty: every node.
	Peer string `json:"peer"`
	// direction is in where this host drops what arrives, out where it does not let out what it sends, and unknown where the
	// other host or the network between may do it as well.
	Direction string `json:"direction"`
	// message says it in words.
	Message string `json:"message"`
	// remedy has commands that open it: for a host with firewalld, and for one with rules of nftables.
	Remedy []string `json:"remedy"`
}

// Drop counts refused packets of one reason.
type Drop struct {
	// count of the packets since the start.
	Count uint64 `json:"count"`
	// last is when the last of them came.
	Last time.Time `json:"last"`
	// from is the source of the last one. Empty: the kernel dropped it and does not say.
	From string `json:"from"`
}

// Lease is what one node knows of the Lease.
type Lease struct {
	// name of the Lease, as namespace/name.
	Name string `json:"name"`
	// holder is the identity of the process that holds it. Empty: it is released.
	Holder string `json:"holder,omitempty"`
	// node is the name of the holder's node.
	Node string `json:"node,omitempty"`
	// epoch is the number of the claim that the Lease names: each claim has a higher one.
	Epoch int `json:"epoch"`
	// answered is when the API answered last for the Lease.
	Answered *time.Time `json:"answered,omitempty"`
	// failure says why the last questions for it had no answer. Empty: they had.
	Failure string `json:"failure,omitempty"`

	// API is repeated here, where it was before there was a field of its own.
	API `json:",inline"`
}

// API is the access of one node to the Kubernetes API.
type API struct {
	// credentials says what is wrong with the kubeconfig. Empty: nothing.
	Credentials string `json:"credentials,omitempty"`
	// expires is when the client certificate of the kubeconfig does.
	Expires *time.Time `json:"expires,omitempty"`
	// apiServers are in the order in which they are asked.
	APIServers []APIServer `json:"apiServers,omitempty"`
}

// APIServer is what one apiserver was like when it was asked last.
type APIServer struct {
	// address and port.
	Address string `json:"address"`
	// answered is when it answered last. Left out: never.
	Answered *time.Time `json:"answered,omitempty"`
	// failure says what went wrong since. Empty: nothing.
	Failure string `json:"failure,omitempty"`
}

// Balancer is the process that relays connections.
type Balancer struct {
	// up says that the process runs and reports.
	Up bool `json:"up"`
	// pid is its process ID.
	PID int `json:"pid,omitempty"`
	// restarts counts how often it was started again.
	Restarts uint64 `json:"restarts"`
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
	// accepted counts the connections of clients since the process was started.
	Accepted uint64 `json:"accepted"`
	// refused counts those of them that were reset because there was no backend, or because a limit was reached.
	Refused uint64 `json:"refused"`
	// backends are the apiservers that it relays to.
	Backends []Backend `json:"backends"`
}

// Backend is one apiserver, seen from the balancer of one node.
type Backend struct {
	// address and port.
	Address string `json:"address"`
	// backup says that it gets connections only where no other backend is healthy.
	Backup bool `json:"backup,omitempty"`
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
	// accepts says that it is NotReady or Down, but accepted a connection when it was checked last: it takes connections while no
	// backend is healthy.
	Accepts bool `json:"accepts,omitempty"`
	// connections to it now.
	Connections int `json:"connections"`
	// total counts the connections to it since the process was started.
	Total uint64 `json:"total"`
	// failures counts the connections to it that could not be opened, since the process was started.
	Failures uint64 `json:"failures"`
}

// Move is one change of state.
type Move struct {
	// time of the change.
	Time time.Time `json:"time"`
	// from is the state before.
	From string `json:"from"`
	// to is the state after.
	To string `json:"to"`
	// reason of the change.
	Reason string `json:"reason"`
	// silence is how long no holder was heard before a takeover, as a duration. Left out where none was ever heard.
	Silence string `json:"silence,omitempty"`
}
