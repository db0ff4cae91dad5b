// SPDX-License-Identifier: Apache-2.0

package metrics

import (
	"slices"
	"strconv"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/harbinger-ha/harbinger/pkg/apis/status/v1alpha1"
)

var (
	info = desc("info", "1; the labels say what this instance is.", "node", "cluster_name", "version", "mode", "vrid")
	// Each condition has a series for each severity, so that one that becomes worse is no other series, and an alert can name the
	// severity that it wants.
	finding     = desc("finding", "1 while the status has a finding of the condition with that severity, 0 while it has none. Missing for conditions that this node does not have.", "condition", "severity")
	stateSince  = desc("vrrp_state_since_timestamp_seconds", "When the state of the virtual router was entered.", "vrid")
	holderHeard = desc("vrrp_holder_heard_timestamp_seconds", "When an advertisement of the holder was heard last. Missing on the holder, and while none was heard.", "vrid")
	hosts       = desc("hosts", "Hosts of the cluster that this node knows, with itself.", "vrid")
	hostAnswers = desc("host_answers", "1 while another host answers at its identity port, 0 while it does not. Its node is empty until it has answered; missing until it was asked.", "node", "address", "vrid")
	hostHolds   = desc("host_holds", "1 if another host said that it holds the virtual addresses when it answered last. Missing for one that does not answer.", "node", "address", "vrid")
	hostReady   = desc("host_ready", "1 if another host said that it is ready when it answered last. Missing for one that does not answer.", "node", "address", "vrid")
)

// collectFindings collects what is wrong, and the conditions of which nothing is.
func collectFindings(s v1alpha1.HarbingerStatus, gauge collect) {
	r := s.VirtualRouter
	gauge(info, 1, s.Node, s.Cluster, s.Version, r.Mode, strconv.Itoa(int(r.VRID)))
	for _, kind := range v1alpha1.ConditionTypes() {
		of := func(severity string) bool {
			return slices.ContainsFunc(s.Findings, func(f v1alpha1.Finding) bool { return f.Condition == kind && f.Severity == severity })
		}
		critical, warning := of(v1alpha1.SeverityCritical), of(v1alpha1.SeverityWarning)
		has := slices.ContainsFunc(s.Conditions, func(c metav1.Condition) bool { return c.Type == kind })
		if has || critical || warning {
			gauge(finding, number(critical), kind, v1alpha1.SeverityCritical)
			gauge(finding, number(warning), kind, v1alpha1.SeverityWarning)
		}
	}
}

// collectTimes collects since when the virtual router is as it is.
func collectTimes(r v1alpha1.VirtualRouter, gauge collect) {
	vrid := strconv.Itoa(int(r.VRID))
	if !r.Since.IsZero() {
		gauge(stateSince, seconds(r.Since.UnixMilli()), vrid)
	}
	if r.HolderHeard != nil {
		gauge(holderHeard, seconds(r.HolderHeard.UnixMilli()), vrid)
	}
}

// collectHosts collects what the other hosts say of themselves.
func collectHosts(s v1alpha1.HarbingerStatus, gauge collect) {
	if len(s.Hosts) == 0 {
		return
	}
	vrid := strconv.Itoa(int(s.VirtualRouter.VRID))
	gauge(hosts, float64(len(s.Hosts)), vrid)
	for _, h := range s.Hosts {
		if h.Self || h.Answered == nil && h.Failure == "" { // it was not asked yet
			continue
		}
		answers := h.Answered != nil && h.Failure == ""
		gauge(hostAnswers, number(answers), h.Node, h.Address, vrid)
		if answers {
			gauge(hostHolds, number(h.Held), h.Node, h.Address, vrid)
			gauge(hostReady, number(h.Ready), h.Node, h.Address, vrid)
		}
	}
}

func seconds(milliseconds int64) float64 { return float64(milliseconds) / 1000 }
