// SPDX-License-Identifier: Apache-2.0

package view_test

import (
	"net/netip"
	"strings"
	"testing"

	"github.com/harbinger-ha/harbinger/pkg/apis/status/v1alpha1"
	"github.com/harbinger-ha/harbinger/pkg/view"
)

// healthy is the status of node1, which holds the address, with two others that could take over.
func healthy() *v1alpha1.HarbingerStatus {
	return &v1alpha1.HarbingerStatus{
		Node: "node1", Ready: true, VirtualAddresses: []netip.Prefix{netip.MustParsePrefix("192.0.2.100/24")},
		VirtualRouter: v1alpha1.VirtualRouter{State: "Active", Held: true, Holder: "node1"},
		Hosts: []v1alpha1.HostSummary{
			{Node: "node1", Address: "192.0.2.1", Self: true, Held: true, Ready: true},
			{Node: "node2", Address: "192.0.2.2", Ready: true},
			{Node: "node3", Address: "2001:db8::3", Ready: true},
		},
	}
}

func TestHeadline(t *testing.T) {
	conflict := v1alpha1.Finding{Condition: v1alpha1.ConditionConflict, Severity: v1alpha1.SeverityCritical, Summary: "node-x has 192.0.2.100 too", Action: "Find it."}
	for name, tt := range map[string]struct {
		change func(*v1alpha1.HarbingerStatus)
		want   view.Headline
	}{
		"holder": {func(*v1alpha1.HarbingerStatus) {}, view.Headline{Text: "Well: node1 holds 192.0.2.100, 2 hosts could take over."}},
		"backup": {func(s *v1alpha1.HarbingerStatus) {
			s.Node, s.VirtualRouter.Held, s.VirtualRouter.Holder = "node2", false, "192.0.2.1"
			s.Hosts[2].Failure = "does not answer"
		}, view.Headline{Text: "Well: node1 holds 192.0.2.100, 1 host could take over."}},
		"no host was asked": {func(s *v1alpha1.HarbingerStatus) { s.Hosts = nil }, view.Headline{Text: "Well: node1 holds 192.0.2.100."}},
		"nobody is known": {func(s *v1alpha1.HarbingerStatus) {
			s.VirtualRouter = v1alpha1.VirtualRouter{State: "Initialize"}
		}, view.Headline{Severity: "Warning", Condition: "Ready", Text: "This host has not heard yet who holds 192.0.2.100: it is Initialize."}},
		"findings": {func(s *v1alpha1.HarbingerStatus) {
			s.Findings = []v1alpha1.Finding{conflict, {Condition: v1alpha1.ConditionRedundant}}
		}, view.Headline{Severity: "Critical", Condition: "Conflict", Text: "node-x has 192.0.2.100 too.", Action: "Find it.", Repeated: true}},
		"not ready, no findings": {func(s *v1alpha1.HarbingerStatus) {
			s.Ready, s.NotReady = false, []string{"no backend is healthy", "announce:\nnetwork is down"}
		}, view.Headline{Severity: "Critical", Condition: "Ready", Text: "This host is not ready: no backend is healthy; announce: network is down."}},
		"another host": {func(s *v1alpha1.HarbingerStatus) {
			s.Hosts[1].Finding, s.Hosts[1].Severity = v1alpha1.ConditionFilesCurrent, v1alpha1.SeverityWarning
			s.Hosts[2].Finding, s.Hosts[2].Severity = v1alpha1.ConditionBackendsHealthy, v1alpha1.SeverityWarning
		}, view.Headline{
			Severity: "Warning", Condition: "BackendsHealthy", Text: "This host is well, but node3 has a finding: Backends healthy.",
			Action: "Run harbinger status on node3.",
		}},
	} {
		s := healthy()
		tt.change(s)
		if got := view.HeadlineOf(s); got != tt.want {
			t.Errorf("%s: headline is %+v, want %+v", name, got, tt.want)
		}
	}
}

func TestNames(t *testing.T) {
	s := healthy()
	s.Hosts = append(s.Hosts, v1alpha1.HostSummary{Address: "192.0.2.9"}, v1alpha1.HostSummary{Node: "x", Address: "none"})
	s.Holders = []v1alpha1.HolderSpan{{Holder: "192.0.2.7", Node: "old\x1b"}, {Holder: "node1"}}
	names := view.NamesOf(s)
	for address, want := range map[string]string{
		"192.0.2.2": "node2", "192.0.2.2:6443": "node2", "::ffff:192.0.2.2": "node2", "2001:db8::3": "node3", "[2001:db8::3%eth0]:6443": "node3",
		"192.0.2.9": "192.0.2.9", "192.0.2.9:6443": "192.0.2.9:6443", "node5": "node5", "192.0.2.7": "old\uFFFD", "a\x1b": "a\uFFFD", "": "",
	} {
		if got := names.Of(address); got != want {
			t.Errorf("%q is called %q, want %q", address, got, want)
		}
	}
	s.VirtualRouter.Held, s.VirtualRouter.Holder = false, "2001:db8::3"
	if got := names.Holder(s); got != "node3" {
		t.Errorf("holder is %q", got)
	}
	if s.VirtualRouter.Holder = ""; names.Holder(s) != "" {
		t.Errorf("holder is %q of none", names.Holder(s))
	}
	if n := view.Standby(s); n != 2 || strings.Contains(view.HeadlineOf(s).Text, "Well") {
		t.Errorf("%d hosts could take over, %q", n, view.HeadlineOf(s).Text)
	}
}
