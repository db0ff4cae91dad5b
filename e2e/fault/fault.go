// SPDX-License-Identifier: Apache-2.0

// Package fault is the one catalogue of what is done to a control plane, with the promise that each fault is judged by; the
// random plan of faults; and the rows and tables in which results are shown.
//
// A fault is data: it names the acts that inject and undo it. What carries an act out is a [Target]: the plane of the lab
// (e2e/trial, and e2e/trial/inject for what needs a whole cluster) or the hosts of docker and kind (e2e/cluster). So the
// catalogue imports neither, and both can import it.
package fault

import (
	"time"

	"github.com/harbinger-ha/harbinger/e2e/promise"
)

// A Fault is something that happens to a control plane.
type Fault struct {
	Name    string // in reports
	Promise promise.Promise
	Act     Act // injects it
	Reverse Act // undoes it; [Nothing] where it ends by itself
	// Linger is for how long the plane is watched after it has settled, before the fault is undone: what is left behind may
	// stay or go.
	Linger time.Duration
	Needs  Needs
	// Keeps says that the holder may have the address beside the next one until the fault is undone: it is cut off from it, and
	// releases the Lease alone (F24).
	Keeps bool
	Once  bool // takes its time or does not depend on chance, and is not repeated
	Smoke bool // is done in the short run of the kind cluster too
}

// Needs are what a fault needs of a plane of the lab. Faults of the same needs share a plane.
type Needs struct {
	Bare      bool // nothing runs: the fault starts it
	Backplane bool // etcd has a network of its own
	Unicast   bool // advertisements are unicast
	Discovery bool // backends are discovered
}

// A Target is a control plane that carries acts out on its hosts.
type Target interface {
	// Do carries an act out on the host of that name, or on all hosts where the act says so. It returns an error for an act
	// that the target does not know.
	Do(act Act, host string) error
}

// Inject does the fault to a host.
func (f Fault) Inject(t Target, host string) error { return t.Do(f.Act, host) }

// Undo ends the fault.
func (f Fault) Undo(t Target, host string) error {
	if f.Reverse == Nothing {
		return nil
	}
	return t.Do(f.Reverse, host)
}

// Moves reports whether another host has to take the address.
func (f Fault) Moves() bool { return f.Promise.Moves == 1 }

// Apart reports whether the holder is dead, frozen or cut off then: its kernel may have the address for a while in addition to the
// new holder.
func (f Fault) Apart() bool {
	return f.Promise.Class == promise.Takeover || f.Promise.Class == promise.HostLost
}

// Off reports whether the machine is off before the fault is undone: who watches its network has to begin again.
func (f Fault) Off() bool { return f.Reverse == PowerOn }

// An Act is one thing that a target does to a host.
type Act string

// The acts on one host, unless they say that they are on all. Those that restore what another act has broken do nothing where
// the target restores it by itself, as a kubelet does.
const (
	Nothing Act = ""

	StopSidecar    Act = "stop the sidecar" // by plan
	KillSidecar    Act = "kill the sidecar" // all its processes, with SIGKILL
	KillWithAPI    Act = "kill the sidecar and the apiserver"
	StartWithAPI   Act = "start the apiserver, and the sidecar"
	FreezeSidecar  Act = "freeze the sidecar" // with SIGSTOP
	ThawSidecar    Act = "thaw the sidecar"
	RestartSidecar Act = "restart the sidecar" // one that has ended, or is killed for it
	CrashBalancer  Act = "crash the balancer"
	RestartEach    Act = "restart each sidecar" // one after the other, the holder last
	HandOver       Act = "hand over"            // to whoever is the first
	HandOverTo     Act = "hand over to a node"  // that is named
	TakeManifest   Act = "take ha.yaml away"
	PutManifest    Act = "put ha.yaml back"
	ChangeImage    Act = "name another image"    // in ha.yaml
	DeletePod      Act = "delete the mirror pod" // by the API
	RestartKubelet Act = "restart the kubelet"
	RenewCerts     Act = "renew the certificates" // with kubeadm, and restart the apiserver

	PowerOff           Act = "power off"
	PowerOn            Act = "power on"
	PauseHost          Act = "pause the host" // as a hypervisor does
	UnpauseHost        Act = "unpause the host"
	ShutDown           Act = "shut down"            // by its init system
	ShutDownGracefully Act = "shut down gracefully" // the kubelet ends the pods first
	CutCable           Act = "cut the cable"        // the carrier is gone
	JoinCable          Act = "join the cable"
	Blackhole          Act = "blackhole" // nothing passes, the carrier stays
	EndBlackhole       Act = "end the blackhole"
	CutOff             Act = "cut off" // the same of every network of the host
	EndCutOff          Act = "end the cut"

	Mute          Act = "drop advertisements of the host"
	MuteAll       Act = "drop all advertisements" // of all hosts
	Unmute        Act = "pass advertisements of the host"
	UnmuteAll     Act = "pass all advertisements"
	LoseAQuarter  Act = "lose a quarter of the frames" // to all hosts
	LoseTwoFifths Act = "lose two fifths of the frames"
	Saturate      Act = "saturate the processors"

	MeddleRules  Act = "flush and load rules" // of the holder, as other programs do
	SlowOthers   Act = "have other programs list and load thousands of rules"
	ReplaceLink  Act = "replace the link" // by another of the same name
	ReuseAddress Act = "kill everything, and add the address by hand"
	KillUnfenced Act = "kill without nf_tables"
	SplitHosts   Act = "split, and heal without an API" // and without advertisements
	ForgeMany    Act = "forge advertisements, multicast"
	ForgeEach    Act = "forge advertisements, unicast"

	StartAlone       Act = "start a host" // that is the only one
	StartTogether    Act = "start all hosts"
	StartFiltered    Act = "start behind the firewall" // of all hosts, as distributions have it
	KillFiltered     Act = "kill the holder behind the firewall"
	LoadFirewall     Act = "load the firewall"       // of all hosts
	ReplaceAddress   Act = "replace the own address" // the new one comes first
	RenewAddress     Act = "take the own address"    // and give another
	ChangeMAC        Act = "change the MAC"          // of an interface that is up
	RenameInterface  Act = "rename the interface"    // that is up
	MoveToBridge     Act = "move to a bridge"        // and back
	HandOverSessions Act = "hand over with sessions" // that watch and download
	StopSessions     Act = "stop with sessions"      // that watch and download
	ThrottleBalancer Act = "throttle the balancer"   // with sessions and new connections
	FreezeBalancer   Act = "freeze the balancer"
	ForgeClaims      Act = "forge advertisements beside a Lease"
	ClosePort        Act = "close the port of the clients" // on the holder
	ClosePorts       Act = "close the port of the clients everywhere"
	LoseBackends     Act = "kill all apiservers, and start them"
	IsolateHolder    Act = "cut the holder off" // its API is alive by another network
	IsolateBackups   Act = "cut Backups off"    // the same
	PublishMany      Act = "publish thousands of apiservers"

	KillAPIServer  Act = "kill the apiserver"
	StartAPIServer Act = "start the apiserver"
	KillAPIs       Act = "kill all apiservers"
	StartAPIs      Act = "start all apiservers"
	HangAPIs       Act = "hang all apiservers" // they accept connections and never answer
	ThawAPIs       Act = "thaw all apiservers"
	SlowAPIs       Act = "slow all apiservers" // they stand still for ten seconds, again and again
	EndSlowAPIs    Act = "end the slowness"
	KillEtcd       Act = "kill etcd"
	FreezeQuorum   Act = "freeze etcd on two" // of three
	ThawQuorum     Act = "thaw etcd on two"
	KillQuorum     Act = "kill etcd on two" // of three, not the host, for 20 s
	DeleteLease    Act = "delete the Lease"
	RestoreEtcd    Act = "restore an older etcd"
	TakeCredential Act = "take the credentials" // of all hosts
	GiveCredential Act = "give the credentials"
	StartCluster   Act = "start a cluster" // the API comes last
	AddNode        Act = "add a node"
	CountLoad      Act = "count the load"
	ListRights     Act = "list the rights"
)
