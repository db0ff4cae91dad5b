// SPDX-License-Identifier: Apache-2.0

package fault

import (
	"slices"
	"time"

	"github.com/harbinger-ha/harbinger/e2e/promise"
)

// The faults.
var (
	PlannedStop     = Fault{Name: "planned stop", Promise: promise.PlannedStop, Act: StopSidecar, Reverse: RestartSidecar}
	Kill            = Fault{Name: "kill -9", Promise: promise.Kill, Act: KillSidecar, Reverse: RestartSidecar, Linger: 3 * time.Second, Smoke: true}
	Freeze          = Fault{Name: "freeze", Promise: promise.Freeze, Act: FreezeSidecar, Reverse: ThawSidecar, Linger: 3 * time.Second}
	PowerLoss       = Fault{Name: "power off", Promise: promise.HostLoss, Act: PowerOff, Reverse: PowerOn}
	CableCut        = Fault{Name: "cut cable", Promise: promise.HostLoss, Act: CutCable, Reverse: JoinCable}
	SilentCut       = Fault{Name: "silent cut, API alive", Promise: promise.Unreachable, Act: Blackhole, Reverse: EndBlackhole, Keeps: true, Needs: Needs{Backplane: true}}
	KillOfBoth      = Fault{Name: "kill -9 with its apiserver", Promise: promise.HostLoss, Act: KillWithAPI, Reverse: StartWithAPI, Linger: 3 * time.Second}
	WholeCut        = Fault{Name: "silent cut", Promise: promise.HostLoss, Act: CutOff, Reverse: EndCutOff, Keeps: true}
	APIServerDies   = Fault{Name: "apiserver dies", Promise: promise.APIServerDeath, Act: KillAPIServer, Reverse: StartAPIServer}
	BalancerCrashes = Fault{Name: "balancer crash", Promise: promise.BalancerCrash, Act: CrashBalancer}
	HandedOver      = Fault{Name: "handover", Promise: promise.PlannedStop, Act: HandOver}

	HolderFiltered = Fault{Name: "advertisements of the holder filtered", Promise: promise.Filtered, Act: Mute, Reverse: Unmute, Once: true}
	AllFiltered    = Fault{Name: "all advertisements filtered", Promise: promise.Filtered, Act: MuteAll, Reverse: UnmuteAll, Once: true}
)

// Faults of real hosts with a kubelet.
var (
	HostFreezes    = Fault{Name: "the host freezes, and wakes", Promise: promise.HostHangs, Act: PauseHost, Reverse: UnpauseHost, Smoke: true}
	HostShutDown   = Fault{Name: "the host is shut down, and started", Promise: promise.HostLoss, Act: ShutDown, Reverse: PowerOn}
	NodeShutDown   = Fault{Name: "the kubelet shuts its node down gracefully, and it is started", Promise: promise.PlannedStop, Act: ShutDownGracefully, Reverse: PowerOn}
	EtcdDies       = Fault{Name: "etcd dies", Promise: promise.EtcdDeath, Act: KillEtcd}
	QuorumKilled   = Fault{Name: "kill -9 of etcd on two of three for 20 s: /version", Promise: promise.EtcdDeath, Act: KillQuorum}
	KubeletRestart = Fault{Name: "restart of the kubelet", Promise: promise.Upkeep, Act: RestartKubelet}
	PodDeleted     = Fault{Name: "kubectl delete of the mirror pod", Promise: promise.Upkeep, Act: DeletePod}
	CertsRenewed   = Fault{Name: "renewal of the certificates by kubeadm, and a restart of the apiserver", Promise: promise.Upkeep, Act: RenewCerts}
	ManifestTaken  = Fault{Name: "ha.yaml is taken away, and put back", Promise: promise.PlannedStop, Act: TakeManifest, Reverse: PutManifest}
	ImageChanged   = Fault{Name: "another image in ha.yaml", Promise: promise.PlannedStop, Act: ChangeImage}
)

// OfTheHolder are the faults that need no Kubernetes: the demo does all, and the bench the first four.
func OfTheHolder() []Fault {
	return []Fault{PlannedStop, Kill, Freeze, CableCut, APIServerDies, BalancerCrashes}
}

// OfABackend are what happens to an apiserver on a host that does not hold the address.
func OfABackend() []Fault {
	return []Fault{
		{Name: "the process dies", Promise: promise.APIServerDeath, Act: KillAPIServer, Reverse: StartAPIServer},
		{Name: "the host vanishes", Promise: promise.BackendHostLoss, Act: Blackhole, Reverse: EndBlackhole},
	}
}

// OfKubernetes are what happens to three hosts with a real API in the lab, those that share a plane one after another. What moves the
// address is repeated as a death or as a handover; the rest is done once, so that five runs of all fit in forty minutes.
func OfKubernetes() []Fault {
	faults := []Fault{
		{Name: "bootstrap", Promise: promise.NoAPI, Act: StartCluster, Needs: Needs{Bare: true}, Once: true},
		{Name: "load on the API", Promise: promise.Steady, Act: CountLoad, Once: true},
		{Name: "least privilege", Promise: promise.Steady, Act: ListRights, Once: true},
		HandedOver,
		{Name: "handover to a node", Promise: promise.PlannedStop, Act: HandOverTo, Once: true},
		{Name: "rolling restart", Promise: promise.PlannedStop, Act: RestartEach, Once: true},
		{Name: "Lease deleted", Promise: promise.LeaseLost, Act: DeleteLease, Once: true},
		{Name: "etcd restored from older copy", Promise: promise.Restored, Act: RestoreEtcd, Once: true},
		{Name: "credentials removed and back", Promise: promise.LeaseLost, Act: TakeCredential, Reverse: GiveCredential, Once: true},
		{Name: "API servers stopped", Promise: promise.NoAPI, Act: KillAPIs, Reverse: StartAPIs, Once: true},
		{Name: "API servers hung", Promise: promise.NoAPI, Act: HangAPIs, Reverse: ThawAPIs, Once: true},
		{Name: "API servers 10 s slow", Promise: promise.NoAPI, Act: SlowAPIs, Reverse: EndSlowAPIs, Once: true},
		{Name: "etcd without quorum", Promise: promise.NoAPI, Act: FreezeQuorum, Reverse: ThawQuorum, Once: true},
		HolderFiltered, AllFiltered,
		{Name: "VRRP filtered, API hung, healed cut", Promise: promise.HealedFiltered, Act: SplitHosts, Once: true},
		{Name: "forged advertisements, multicast", Promise: promise.Forged, Act: ForgeMany, Once: true},
		{Name: "forged advertisements, unicast", Promise: promise.Forged, Act: ForgeEach, Needs: Needs{Unicast: true}, Once: true},
		{Name: "fourth control-plane node", Promise: promise.Discovery, Act: AddNode, Needs: Needs{Discovery: true}, Once: true},
	}
	slices.SortStableFunc(faults, func(a, b Fault) int { return a.Needs.order() - b.Needs.order() })
	return faults
}

// OfDeaths are the ways in which a holder ends, one of them planned. They need a network of its own for etcd, which all but the last
// take from the holder too; that one is the last as hosts may hold off from the Lease for a while after it.
func OfDeaths() []Fault {
	return []Fault{PlannedStop, Kill, KillOfBoth, Freeze, PowerLoss, CableCut, WholeCut, SilentCut}
}

// order puts the needs one after another.
func (n Needs) order() int {
	known := []Needs{{Bare: true}, {}, {Discovery: true}, {Backplane: true}, {Unicast: true}}
	return slices.Index(known, n)
}

// OfHosts are what happens to the holder among the hosts of a kind cluster.
func OfHosts() []Fault {
	return []Fault{
		HostFreezes, HostShutDown, NodeShutDown, PowerLoss, CableCut, Kill, APIServerDies, KubeletRestart, PodDeleted,
		ManifestTaken, ImageChanged, HandedOver, CertsRenewed, QuorumKilled,
	}
}

// OfRealHosts are what firewalls, network managers and a lack of time do to hosts.
func OfRealHosts() []Fault {
	return []Fault{
		{Name: "start of one host", Promise: promise.Alone, Act: StartAlone},
		{Name: "start of three hosts at once", Promise: promise.ColdStart, Act: StartTogether},
		{Name: "firewall", Promise: promise.Firewall, Act: StartFiltered},
		{Name: "client port closed on the holder", Promise: promise.PortClosed, Act: ClosePort},
		{Name: "client port closed everywhere", Promise: promise.PortClosedEverywhere, Act: ClosePorts},
		{Name: "kill -9 behind the firewall", Promise: promise.FirewallKill, Act: KillFiltered},
		{Name: "firewall loaded later", Promise: promise.Filtered, Act: LoadFirewall},
		{Name: "own address replaced", Promise: promise.LinkChanged, Act: ReplaceAddress},
		{Name: "own address gone, another comes", Promise: promise.LinkReplaced, Act: RenewAddress},
		{Name: "MAC changed", Promise: promise.LinkChanged, Act: ChangeMAC},
		{Name: "interface renamed", Promise: promise.LinkChanged, Act: RenameInterface},
		{Name: "moved to a bridge, and back", Promise: promise.LinkReplaced, Act: MoveToBridge},
		{Name: "handover with 250 sessions", Promise: promise.PlannedStop, Act: HandOverSessions},
		{Name: "stop with 250 sessions", Promise: promise.PlannedStop, Act: StopSessions},
		{Name: "balancer at a tenth of a core", Promise: promise.BalancerStarved, Act: ThrottleBalancer, Once: true},
		{Name: "balancer frozen", Promise: promise.BalancerHang, Act: FreezeBalancer},
		{Name: "forged claims", Promise: promise.Forged, Act: ForgeClaims},
		{Name: "every apiserver dies, and comes back", Promise: promise.AllDistress, Act: LoseBackends},
		{Name: "holder cut off, API alive", Promise: promise.Unreachable, Act: IsolateHolder},
		{Name: "Backup cut off, API alive", Promise: promise.CutOff, Act: IsolateBackups},
		{Name: "link re-created", Promise: promise.LinkReplaced, Act: ReplaceLink},
		{Name: "rules of other programs", Promise: promise.Meddled, Act: MeddleRules},
		{Name: "thousands of rules of other programs", Promise: promise.Meddled, Act: SlowOthers, Once: true},
		{Name: "address by hand after a kill -9 of everything", Promise: promise.Disarmed, Act: ReuseAddress, Once: true},
		{Name: "kill -9 without nf_tables", Promise: promise.Kill, Act: KillUnfenced, Reverse: RestartSidecar, Linger: 3 * time.Second},
		{Name: "25 % of frames lost", Promise: promise.Lossy, Act: LoseAQuarter, Once: true},
		{Name: "40 % of frames lost", Promise: promise.VeryLossy, Act: LoseTwoFifths, Once: true},
		{Name: "processors saturated", Promise: promise.Saturated, Act: Saturate, Once: true},
		{Name: "thousands of endpoints", Promise: promise.Discovery, Act: PublishMany},
	}
}

// Catalogue returns every fault once.
func Catalogue() []Fault {
	all := slices.Concat(OfTheHolder(), OfABackend(), OfKubernetes(), OfDeaths(), OfHosts(), OfRealHosts(), AtRandom())
	seen := map[string]bool{}
	return slices.DeleteFunc(all, func(f Fault) bool {
		before := seen[f.Name]
		seen[f.Name] = true
		return before
	})
}
