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
	// lastTransitionTime. Their types are listed on the page of the status.
	Conditions []metav1.Condition `json:"conditions"`
	// findings say what is wrong, or should be looked at, worst first: each is a condition that is not as it should be, in words.
	// Left out: all is well.
	Findings []Finding `json:"findings,omitempty"`
	// hosts are the hosts of the cluster that are known, this one first, the others by their name or address.
	Hosts []HostSummary `json:"hosts,omitempty"`
	// moves are the last ten changes of state, newest last.
	Moves []Move `json:"moves"`
	// holders are who held the virtual addresses as this node saw it, newest last, at most 32.
	Holders []HolderSpan `json:"holders,omitempty"`
}

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
	// reach says which peers, and whether the gateway, proved that they answer when they were asked last. Left out: not asked yet.
	Reach *Reach `json:"reach,omitempty"`
	// isolated says that this node reaches fewer peers than a majority: it takes nothing from a holder that it cannot see to be dead.
	Isolated bool `json:"isolated,omitempty"`
	// unreachable says that most peers cannot reach the virtual addresses at this node, or could not if it had them.
	Unreachable bool `json:"unreachable,omitempty"`
	// witness is what this node finds of another holder. Left out: it has tried nothing.
	Witness *Witness `json:"witness,omitempty"`
	// forged is the last advertisement that claimed what the Lease did not confirm. Left out: there was none.
	Forged *Forgery `json:"forged,omitempty"`
	// fence is what keeps the virtual addresses of a killed or frozen process off the wire.
	Fence *Fence `json:"fence,omitempty"`
	// dropped has the packets of protocol 112 that were refused, by the reason.
	Dropped map[string]Drop `json:"dropped,omitempty"`
	// signing is how advertisements are signed. Left out where they are not.
	Signing *Signing `json:"signing,omitempty"`
	// failing has the actions on the host that fail now, with the error.
	Failing map[string]string `json:"failing,omitempty"`
}

// Fence is the filter that lets frames for the virtual addresses in only while the process renews it.
type Fence struct {
	// state is Open while the node holds the virtual addresses behind the fence, Closed while it does not hold them, and Absent where
	// there is no fence.
	State string `json:"state"`
	// table is that of nftables, in the family netdev: `nft list table netdev harbinger-51` shows it.
	Table string `json:"table"`
	// timeout is how long after the last renewal an open fence closes by itself, as a duration.
	Timeout string `json:"timeout"`
	// interfaces are those whose frames it filters. Left out where there is no fence.
	Interfaces []string `json:"interfaces,omitempty"`
	// reason says why there is no fence, or why it is not on all interfaces. Empty: it is.
	Reason string `json:"reason,omitempty"`
	// putBack counts how often something on this host had removed it, since the start.
	PutBack int `json:"putBack"`
}

// Signing is how the advertisements of one node are signed, and what it has accepted.
type Signing struct {
	// mode is Enforce, Permissive or ReceiveOnly.
	Mode string `json:"mode"`
	// antiReplay is Time or Monotonic.
	AntiReplay string `json:"antiReplay"`
	// timeWindow is by how much two clocks may differ, as a duration. Left out with Monotonic.
	TimeWindow string `json:"timeWindow,omitempty"`
	// activeKey is the id of the key that this node signs with; in mode ReceiveOnly it signs nothing.
	ActiveKey int `json:"activeKey"`
	// keys are the ids of the keys that this node accepts, sorted.
	Keys []int `json:"keys"`
	// clockUnsynchronised says that the kernel knows of nothing that keeps the clock of this host right. Always false with Monotonic.
	ClockUnsynchronised bool `json:"clockUnsynchronised"`
	// everyPeerSigned says that each of peers but other was heard with a signature since the start of the process. A node that never held the
	// addresses has sent nothing.
	EveryPeerSigned bool `json:"everyPeerSigned"`
	// peers are the nodes that are known, and those that have signed something.
	Peers []SigningPeer `json:"peers"`
}

// SigningPeer is what was accepted from one node.
type SigningPeer struct {
	// address that its advertisements come from; other: everybody who is neither known nor has signed anything.
	Address string `json:"address"`
	// signed is when the last one that was signed was accepted. Left out: none was.
	Signed *time.Time `json:"signed,omitempty"`
	// key is the id of the key that it was signed with.
	Key int `json:"key,omitempty"`
	// skew is by how much its clock was ahead of that of this node, as a duration, with the time on the way.
	Skew string `json:"skew,omitempty"`
	// skewed says that the skew is more than half of the window.
	Skewed bool `json:"skewed,omitempty"`
	// unsigned counts those that were accepted without a signature, since the start of the process.
	Unsigned uint64 `json:"unsigned"`
}

// Reach says whom a node reaches.
type Reach struct {
	// asked is when they were asked.
	Asked time.Time `json:"asked"`
	// peers are the other nodes, by each address that they are known by.
	Peers []PeerReach `json:"peers,omitempty"`
	// gateway is the next hop of the default route by the interface of the virtual addresses.
	Gateway Gateway `json:"gateway"`
}

// PeerReach says whether one peer is reached.
type PeerReach struct {
	// address of the peer.
	Address string `json:"address"`
	// reached says that the peer proved that it answers: by its identity port, its apiserver or an ICMP echo.
	Reached bool `json:"reached"`
	// witness says what the peer finds of the virtual addresses at this node: Reached or, after three failures, Unreachable. Left out:
	// it has tried nothing lately.
	Witness string `json:"witness,omitempty"`
}

// Gateway is the next hop of the default route.
type Gateway struct {
	// address of the gateway. Left out: there is none.
	Address string `json:"address,omitempty"`
	// finding is Answers, Nobody, or CouldNotAsk where there is no gateway.
	Finding string `json:"finding"`
}

// Witness is what a node finds of another holder, when it tries to reach the virtual addresses as a client does.
type Witness struct {
	// holder is the address that its advertisements come from.
	Holder string `json:"holder"`
	// failures in a row.
	Failures int `json:"failures"`
	// checked is when it was tried last.
	Checked time.Time `json:"checked"`
}

// Forgery is an advertisement that claimed what the Lease did not confirm.
type Forgery struct {
	// source address of the advertisement, which anybody can write.
	Source string `json:"source"`
	// hardwareAddress of the host that sent it. Left out: not known, as with the first of them.
	HardwareAddress string `json:"hardwareAddress,omitempty"`
	// last is when it came.
	Last time.Time `json:"last"`
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
