// SPDX-License-Identifier: Apache-2.0

package v1alpha1

import (
	"cmp"
	"slices"
	"time"
)

// The types of conditions.
const (
	// ConditionReady is True while ready is.
	ConditionReady = "Ready"
	// ConditionBackendAvailable is True while the balancer has a healthy backend.
	ConditionBackendAvailable = "BackendAvailable"
	// ConditionDegraded is True while no backend is healthy, and the balancer goes on with those that still accept connections.
	ConditionDegraded = "Degraded"
	// ConditionBackendsLeftOut is True while some of the apiservers that the configuration or the API name are not used: they lead back
	// to Harbinger, cannot be apiservers, or are more than 64. The message says which, and why.
	ConditionBackendsLeftOut = "BackendsLeftOut"
	// ConditionConflict is True while another host has or claims the virtual addresses that has no right to.
	ConditionConflict = "Conflict"
	// ConditionSplitSuspected is True while the holder serves or renews its Lease, but is not heard.
	ConditionSplitSuspected = "SplitSuspected"
	// ConditionFiltered is True while a firewall keeps the nodes from hearing each other. The message says what opens it.
	ConditionFiltered = "Filtered"
	// ConditionIsolated is True while this node reaches fewer peers than a majority, and takes nothing from a holder.
	ConditionIsolated = "Isolated"
	// ConditionUnreachable is True while most peers cannot reach the virtual addresses at this node. The message says what helps.
	ConditionUnreachable = "Unreachable"
	// ConditionForged is True while advertisements claim what the Lease does not confirm. The message says from where.
	ConditionForged = "Forged"
	// ConditionFilesCurrent is True while the files of the host (CA, configuration, credentials) are in use as they are there.
	ConditionFilesCurrent = "FilesCurrent"
	// ConditionAuthenticated is True while no advertisement was refused for its signature in the last minute, and the clocks are good
	// enough for signatures. Only signed advertisements have it.
	ConditionAuthenticated = "Authenticated"
	// ConditionAPIReachable is True while the Kubernetes API answers, and Unknown until it was asked.
	ConditionAPIReachable = "APIReachable"
	// ConditionBackendsHealthy is True while every backend is healthy.
	ConditionBackendsHealthy = "BackendsHealthy"
	// ConditionArbitrated is True while the Lease decides who holds the virtual addresses. Only the modes Hybrid and Lease have it. False
	// says that VRRP decides alone.
	ConditionArbitrated = "Arbitrated"
	// ConditionCredentialsCurrent is True while the client certificate of the kubeconfig is good for 30 days and more. Only where
	// there is one.
	ConditionCredentialsCurrent = "CredentialsCurrent"
	// ConditionRedundant is True while every other host answers that it serves or could take over, and Unknown until all were asked. The
	// message says which do not.
	ConditionRedundant = "Redundant"
	// ConditionActionsSucceed is True while no action on the host fails (acquire, refresh, release, advertise, announce).
	ConditionActionsSucceed = "ActionsSucceed"
	// ConditionFenced is True while a fence keeps the virtual addresses of a killed or frozen process off the wire, and Unknown while a
	// predecessor may have them on this host. The message says why there is none.
	ConditionFenced = "Fenced"
	// ConditionConfined is True while the balancer process, which reads what any client sends, may do nothing that it does not need, and Unknown while
	// it does not run. The message says what it keeps, and why.
	ConditionConfined = "Confined"
	// ConditionKernelBalances is True while the kernel passes connections on, and Unknown until a backend was checked. Only where
	// loadBalancer.mode is Kernel. False says that the balancer process relays them, and the message why.
	ConditionKernelBalances = "KernelBalances"
	// ConditionAdvertisementsRefused is True while advertisements with the virtual router ID of this node are refused. Those of other
	// virtual routers on the link are nothing to look at.
	ConditionAdvertisementsRefused = "AdvertisementsRefused"
)

// The severities of findings.
const (
	// SeverityCritical is what keeps clients from being served, or may at any moment.
	SeverityCritical = "Critical"
	// SeverityWarning is what should be looked at before something else fails too.
	SeverityWarning = "Warning"
)

// Finding is a condition that is not as it should be, for people.
type Finding struct {
	// condition is its type.
	Condition string `json:"condition"`
	// severity is Critical or Warning.
	Severity string `json:"severity"`
	// summary says in one sentence what is wrong.
	Summary string `json:"summary"`
	// detail says what the summary leaves out: which, where, the error. Left out: nothing.
	Detail string `json:"detail,omitempty"`
	// since is when the condition became so.
	Since time.Time `json:"since"`
	// action says in one sentence what to do.
	Action string `json:"action"`
	// commands do it, or show more. Left out: there are none.
	Commands []string `json:"commands,omitempty"`
}

// conditionTypes are the types of conditions that a finding can be of, the worst first.
var conditionTypes = []string{
	ConditionConflict, ConditionSplitSuspected, ConditionUnreachable, ConditionDegraded, ConditionBackendAvailable, ConditionActionsSucceed,
	ConditionReady, ConditionForged, ConditionFiltered, ConditionIsolated, ConditionAuthenticated, ConditionAPIReachable, ConditionArbitrated,
	ConditionRedundant, ConditionBackendsHealthy, ConditionFenced, ConditionCredentialsCurrent, ConditionFilesCurrent, ConditionAdvertisementsRefused,
	ConditionBackendsLeftOut, ConditionConfined, ConditionKernelBalances,
}

// ConditionTypes returns the types of all conditions, the worst to have first.
func ConditionTypes() []string { return slices.Clone(conditionTypes) }

// CompareFindings orders findings, the worst first: by their severity, then by their condition.
func CompareFindings(a, b Finding) int {
	critical := func(f Finding) int {
		if f.Severity == SeverityCritical {
			return 0
		}
		return 1
	}
	return cmp.Or(critical(a)-critical(b), slices.Index(conditionTypes, a.Condition)-slices.Index(conditionTypes, b.Condition))
}

// Worst returns the worst finding; nil: all is well.
func (s *HarbingerStatus) Worst() *Finding {
	if len(s.Findings) == 0 {
		return nil
	}
	return &s.Findings[0]
}
