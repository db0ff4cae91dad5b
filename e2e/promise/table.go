// SPDX-License-Identifier: Apache-2.0

package promise

import (
	"fmt"
	"time"

	"github.com/harbinger-ha/harbinger/pkg/apis/config/v1alpha1"
	"github.com/harbinger-ha/harbinger/pkg/election"
)

// Bounds that several promises share.
var (
	// nothing may change; the clients have their own bound.
	unmoved = Bounds{Nobody: fixed(0), Live: fixed(0), Kernel: fixed(0), Moves: 0}
	served  = bound(connect, unmoved)

	onlyLive = sum(interval, delay)                                  // S1 of the invariants of the election
	onlyDead = sum(lifetime, fixed(election.KernelSlack))            // S3
	asked    = fixed(500 * time.Millisecond)                         // a host that hears nobody asks again
	filtered = fixed(election.AnnounceEvery + 1500*time.Millisecond) // S2

	planned  = Bounds{Outage: fixed(2 * Delay), Nobody: fixed(2 * Delay), Live: onlyLive, Kernel: onlyLive, Moves: 1}
	onWire   = either(onlyLive, onlyDead)
	takeover = Bounds{Live: onlyLive, Kernel: onWire, Moves: 1}
	silenced = bound(either(sum(down, turns, delay), sum(longest(sum(down, turns), sum(kept, probe)), delay)), takeover)
	// lost is that of a whole host: what it leaves of the API may not answer.
	lost = sum(down, turns, waits, delay)
)

// bound returns bounds with an outage.
func bound(outage Formula, b Bounds) Bounds {
	b.Outage = outage
	return b
}

// The promises, in the order of the failure table.
var (
	PlannedStop = Promise{
		Name: "planned stop", Class: Planned, Bounds: planned,
		Happens: "planned stop, drain, upgrade of the pod, `harbinger handover`",
		Does:    "advertises priority 0 and serves until it hears its successor; then open connections drain",
		Tests:   []string{"TestRollingRestart", "TestBothFamiliesMoveTogether", "TestPlannedStopMakesBeforeItBreaks"},
	}
	Kill = Promise{
		Name: "kill", Class: Takeover, Bounds: silenced,
		Happens: "kill -9 or crash of everything on the holder",
		Does: "within 2 intervals of its last refresh a fence lets no frame for the address in, and within " + Seconds(onlyDead.At(At(v1alpha1.DefaultAdvertisementInterval))) +
			" the kernel drops it; a Backup takes over after 3 intervals and its skew time",
		Tests: []string{"TestFaultsOfTheHolder", "TestBothFamiliesMoveTogether"},
	}
	Freeze = Promise{
		Name: "freeze", Class: Takeover, Bounds: silenced,
		Happens: "freeze of the holder's processes (SIGSTOP)",
		Does:    "the same; when it runs again, it reads the queued advertisements first, and steps down",
		Tests:   []string{"TestFaultsOfTheHolder", "TestThawHearsBeforeItSpeaks"},
	}
	HostHangs = Promise{
		Name: "host hangs", Class: HostLost, Bounds: bound(either(lost, sum(longest(sum(down, turns, etcd), sum(kept, probe)), delay)), takeover),
		Happens: "the holder's host hangs, its VM is paused",
		Does:    "the same; its member of etcd is gone too: a Backup waits for the API for half an interval, or 50 ms",
	}
	HostLoss = Promise{
		Name: "host lost", Class: HostLost, Bounds: bound(either(lost, sum(down, turns, etcd, delay)), takeover),
		Happens: "power off, cut cable",
		Does:    "a Backup takes over after 3 intervals and its skew time; a holder that loses its carrier drops the address at once",
		Tests:   []string{"TestFaultsOfTheHolder", "TestSilentCutOfTheHolder"},
	}
	BalancerCrash = Promise{
		Name: "balancer crash", Bounds: served,
		Happens: "crash of the balancer",
		Does:    "the keeper holds the listening sockets: connections wait in the queue for the next balancer",
		Tests:   []string{"TestFaultsOfTheHolder", "TestCrashRefusesNoConnection"},
	}
	BalancerHang = Promise{
		Name: "balancer hang", Bounds: unmoved,
		Happens: "hung balancer",
		Does: "when it sends no report for 2 s, stopped or asleep, it is killed and started again; one that uses its processor for " +
			"nothing after 10 s",
		Tests: []string{"TestHungBalancerIsReplaced", "TestDeadlockedBalancerIsReplaced"},
	}
	BalancerStarved = Promise{
		Name: "balancer starved", Bounds: unmoved,
		Happens: "the balancer gets a tenth of a processor",
		Does:    "it is late and is left alone: its sessions live on",
		Tests:   []string{"TestStarvedBalancerIsLeftAlone", "TestHang"},
	}
	APIServerDeath = Promise{
		Name: "apiserver death", Bounds: served,
		Happens: "an apiserver dies",
		Does: "its sessions are closed. A dial that fails goes to the next backend; so does, once, a connection that has no answer " +
			"yet and has sent no more than its TLS ClientHello. The address stays",
		Tests: []string{"TestFaultsOfTheHolder", "TestDeathOfABackendFailsFewConnections", "TestBalancerTriesTheNextBackend"},
	}
	BackendHostLoss = Promise{
		Name: "backend host lost", Bounds: unmoved,
		Happens: "the host of an apiserver dies or hangs",
		Does: "the same; after 250 ms without an answer the next backend is dialled in parallel. A backend that leaves a client " +
			"without an answer for 500 ms is left out and checked at once; so is the backend of a silent holder",
		Tests: []string{"TestDeathOfABackendFailsFewConnections", "TestBalancerDoesNotWaitForABackendThatLetsItWait"},
	}
	HolderDistress = Promise{
		Name: "holder in distress", Class: Takeover,
		Bounds: Bounds{
			Outage: sum(detection, fixed(election.DistressAfter), fixed(election.DistressPatience), skew, turns, probe, delay),
			Live:   onlyLive, Kernel: onlyLive, Moves: 1,
		},
		Happens: "no healthy backend on the holder",
		Does:    "it advertises a priority of 1 to 10, and a host with a healthy backend takes over, also with `--nopreempt`",
		Tests:   []string{"TestHolderWithoutBackendsGivesWay"},
	}
	AllDistress = Promise{
		Name: "distress everywhere", Bounds: unmoved,
		Happens: "no healthy backend anywhere",
		Does: "the address stays. Backends that still accept connections get them, those that are not ready (an outage of etcd) before " +
			"those that answer late: `Degraded` in the status. Where none does, the kernel refuses connections at once",
		Tests: []string{"TestWithoutBackendConnectionsAreRefusedAtOnce", "TestNotReadyEverywhereIsServed", "TestRow8DistressDoesNotPreempt"},
	}
	Filtered = Promise{
		Name: "filtered", Bounds: served,
		Happens: "protocol 112 filtered",
		Does: "no takeover: the probe shows that the holder serves, and the Lease that it lives; an alarm and the " +
			"condition `Filtered` name what opens it; who does not hear is not ready",
		Tests: []string{"TestFilteredAdvertisementsMoveNothing", "TestAdvertisementsFilteredOneWayMoveNothing"},
	}
	Firewall = Promise{
		Name: "firewall", Bounds: Bounds{Live: filtered, Kernel: filtered, Moves: 1},
		Happens: "the firewall of the hosts lets neither protocol 112 nor TCP 10444 in, as the defaults of firewalld and nftables do",
		Does: "one host has the address, by what the others see of it on the wire; alarm `Filtered` names protocol, port and peer, and a " +
			"Backup that cannot hear its holder is not ready",
	}
	FirewallKill = Promise{
		Name: "kill, firewall", Class: Takeover,
		Bounds:  Bounds{Outage: sum(longest(sum(down, turns), sum(kept, probe)), asked, delay), Live: filtered, Kernel: filtered, Moves: 1},
		Happens: "kill -9 of everything on the holder behind such a firewall",
		Does:    "a Backup takes over once the wire shows that nobody serves the address",
	}
	LinkChanged = Promise{
		Name: "link changed", Bounds: planned,
		Happens: "the interface gets another name or hardware address while it is up, or another address before the old one goes",
		Does:    "the holder goes on with it and announces the address, or hands over first",
	}
	LinkReplaced = Promise{
		Name: "link replaced", Class: HostLost, Bounds: bound(fixed(LinkTime), takeover),
		Happens: "the host's own address goes before another comes, or moves to a bridge or bond",
		Does:    "the holder follows it, or another host takes over",
	}
	Unreachable = Promise{
		Name: "unreachable", Class: HostLost,
		Bounds:  bound(either(lost, sum(longest(sum(down, turns), alone), answer, probe, delay)), takeover),
		Happens: "the holder is cut off from the other hosts, its API alive",
		Does: "a host that reaches a majority takes the address and the Lease from a holder whom it does not reach, fresh or not; one that reaches " +
			"neither a peer nor the gateway releases it",
		Tests: []string{"TestSeizure"},
	}
	PortClosed = Promise{
		Name: "client port closed", Class: Planned,
		Bounds:  Bounds{Outage: fixed(10 * time.Second), Live: onlyLive, Kernel: onlyLive, Moves: 1},
		Happens: "clients do not reach the port of the control plane on the holder: a firewall, steering that is gone, a switch that forgot its hardware address",
		Does: "Backups try the port; when most of them failed three times in a row, the holder is not ready, raises the alarm `Unreachable`, " +
			"and a host that clients do reach takes over",
	}
	PortClosedEverywhere = Promise{
		Name: "client port closed everywhere", Bounds: unmoved,
		Happens: "the same on every host",
		Does:    "the address stays, with the alarm `Unreachable`: no host is better",
	}
	CutOff = Promise{
		Name: "cut off", Bounds: served,
		Happens: "a Backup is cut off from the other hosts, its API alive",
		Does:    "it takes nothing: it reaches no majority, or with two nodes neither the peer nor the gateway",
	}
	Meddled = Promise{
		Name: "rules of other programs", Bounds: served,
		Happens: "`nft flush ruleset`, `iptables -F`, rules of docker or kube-proxy on the holder",
		Does:    "it serves on; a fence that was removed is back within 1 s",
	}
	Disarmed = Promise{
		Name: "disarmed", Bounds: Bounds{Moves: Any},
		Happens: "kill -9 of everything on every host, and another program uses the address",
		Does:    "10 s after the last renewal the fence lets all pass: the other program is reached",
	}
	Lossy = Promise{
		Name: "frames lost", Bounds: Bounds{Live: fixed(0), Kernel: fixed(0), Moves: 0},
		Happens: "a quarter of the frames to the hosts is lost, for as long as it may be",
		Does:    "nothing moves: a holder that is not heard is asked for, as often as the loss needs",
		Tests:   []string{"TestLossOfPackets"},
	}
	VeryLossy = Promise{
		Name: "more frames lost", Bounds: Bounds{Live: onlyLive, Kernel: onlyLive, Moves: 1},
		Happens: "two of five frames to the hosts are lost",
		Does:    "the same; the address moves once in ten minutes at most",
	}
	Saturated = Promise{
		Name: "saturated", Bounds: served,
		Happens: "other processes take every processor of the hosts",
		Does:    "nothing moves; where the process is refused SCHED_RR, it says so",
	}
	Healed = Promise{
		Name: "healed", Bounds: Bounds{Live: onlyLive, Kernel: onlyDead, Moves: Any},
		Happens: "both hosts held it (partition healed, a paused VM woke up)",
		Does:    "the host with the newer claim keeps the address; without a Lease the priority decides, then the address; the winner announces again",
		Tests:   []string{"TestSilentCutOfTheHolder", "TestPartitionOfThreeNodes", "TestColdStartOfAll"},
	}
	HealedFiltered = Promise{
		Name: "healed, filtered", Bounds: Bounds{Live: filtered, Kernel: filtered, Moves: Any},
		Happens: "the same, while protocol 112 stays filtered",
		Does:    "ARP shows each host the other, and one gives way",
		Tests:   []string{"TestHealedPartitionWithoutAdvertisements", "TestColdStartOfAllWithoutAdvertisements"},
	}
	ForeignHolder = Promise{
		Name: "foreign holder", Bounds: Bounds{Live: fixed(0), Kernel: fixed(0), Moves: 0},
		Happens: "a foreign host has the address",
		Does:    "it is never taken: state Conflict, not ready, an alarm with the hardware address",
		Tests:   []string{"TestForeignHolderIsNotOusted", "TestAddressOfAnotherClusterIsNotTaken"},
	}
	KubeVIPStops = Promise{
		Name: "kube-vip stops", Bounds: bound(fixed(time.Second), Bounds{Nobody: fixed(time.Second), Live: fixed(time.Second), Kernel: fixed(time.Second), Moves: 1}),
		Happens: "the last kube-vip, whose Lease `election.lease.predecessor` names, is stopped",
		Does:    "until then the hosts wait, take nothing and remove nothing; one of them stands for that Lease as soon as it is released, and takes the address",
		Tests:   []string{"TestFromKubeVIP"},
	}
	KubeVIPDies = Promise{
		Name: "kube-vip dies", Bounds: Bounds{Nobody: fixed(0), Live: fixed(0), Kernel: fixed(0), Moves: 0},
		Happens: "that kube-vip is killed, and leaves the address on its host",
		Does: "the address serves on there until the Lease of kube-vip has expired; then Harbinger on that host goes on with it. Without one there: " +
			"state Conflict, with what to do",
		Tests: []string{"TestFromKilledKubeVIP"},
	}
	ForeignClaim = Promise{
		Name: "foreign claim", Bounds: Bounds{Nobody: fixed(0), Moves: 0},
		Happens: "a foreign host takes it later",
		Does:    "the holder defends it by gratuitous ARP; an alarm",
		Tests:   []string{"TestAddressIsDefendedAgainstALateForeignHost"},
	}
	Deleted = Promise{
		Name: "deleted", Bounds: Bounds{Nobody: fixed(time.Second), Live: fixed(0), Kernel: fixed(0), Moves: 1},
		Happens: "the address is deleted by hand",
		Does:    "the holder adds it again and announces it",
		Tests:   []string{"TestAddressDeletedByHandIsRepaired"},
	}
	NoAPI = Promise{
		Name: "no API", Bounds: unmoved,
		Happens: "the API or etcd is down, hangs, is slow, or forbids access",
		Does:    "the holder stays, whatever the priorities; VRRP decides alone until the API is back (`arbiter` in the status)",
		Tests:   []string{"TestHolderWithoutAPIKeepsItsClaim"},
	}
	LeaseLost = Promise{
		Name: "Lease lost", Bounds: served,
		Happens: "the Lease is deleted, or the credentials for it",
		Does:    "the holder writes it again with a newer epoch; the address stays",
	}
	Restored = Promise{
		Name: "restored", Bounds: unmoved,
		Happens: "etcd is restored from a snapshot",
		Does:    "the same",
	}
	EtcdDeath = Promise{
		Name: "etcd death", Bounds: served,
		Happens: "a member of etcd dies, or its quorum",
		Does:    "the same; what the apiservers answer without etcd is served",
	}
	Upkeep = Promise{
		Name: "upkeep", Bounds: served,
		Happens: "restart of the kubelet, deletion of the mirror pod, renewal of the certificates",
		Does:    "nothing: the pod keeps running, and the address stays",
	}
	Forged = Promise{
		Name: "forged", Bounds: served,
		Happens: "garbage or forged advertisements",
		Does:    "they are refused and counted by reason; the status shows the last source",
		Tests:   []string{"TestFloodOfGarbageMovesNothing"},
	}
	Alone = Promise{
		Name: "first start", Class: Stays, Bounds: Bounds{Outage: sum(longestDown, fixed(time.Second)), Live: fixed(0), Kernel: fixed(0), Moves: 1},
		Happens: "the first host starts, alone",
		Does:    "it listens, probes, and takes the address",
		Tests:   []string{"TestAloneAnnouncesWithinFiveSeconds", "TestWalk"},
	}
	ColdStart = Promise{
		Name: "cold start", Class: Start, Bounds: Bounds{Outage: Alone.Outage, Live: onlyLive, Kernel: onlyLive, Moves: Any},
		Happens: "all hosts start at once",
		Does:    "one of them takes the address, with or without the API",
		Tests:   []string{"TestColdStartOfAll", "TestKind"},
	}
	Steady = Promise{
		Name: "steady state", Bounds: served,
		Happens: "nothing fails",
		Does: fmt.Sprintf("the whole cluster asks the API for at most %g writes and %d reads of the Lease a second, with no more rights "+
			"than these need", MostWrites, MostReads),
		Tests: []string{"TestLoadCountsEachRequestOnce"},
	}
	Discovery = Promise{
		Name: "discovery", Bounds: served,
		Happens: "a control-plane node joins",
		Does:    "its apiserver gets connections within " + Seconds(DiscoveryTime) + ", and no file of another host changes",
	}
)

// DiscoveryTime is within what a new apiserver gets its first connection, from when it is ready.
const DiscoveryTime = 5 * time.Second

// LinkTime is within what one host has the address again, and serves it, after its link was changed.
const LinkTime = 5 * time.Second

// Loads on the API of a whole cluster in the steady state, in requests a second, and the part of a time full of faults in
// which a client is answered within a second.
const (
	MostWrites  = 1.2
	LeastWrites = 0.5 // fewer mean that nobody renews the Lease
	MostReads   = 2
	Available   = 0.99
)

// Table returns all promises.
func Table() []Promise {
	return []Promise{
		PlannedStop, Kill, Freeze, HostHangs, HostLoss, BalancerCrash, BalancerHang, BalancerStarved, APIServerDeath, BackendHostLoss,
		HolderDistress, AllDistress, Filtered, Firewall, FirewallKill, LinkChanged, LinkReplaced, Unreachable, PortClosed, PortClosedEverywhere, CutOff,
		Meddled, Disarmed, Lossy, VeryLossy, Saturated, Healed,
		HealedFiltered,
		ForeignHolder, KubeVIPStops, KubeVIPDies, ForeignClaim, Deleted,
		NoAPI, EtcdDeath, LeaseLost, Restored, Upkeep, Forged, Alone, ColdStart, Discovery, Steady,
	}
}
