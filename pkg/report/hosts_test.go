// SPDX-License-Identifier: Apache-2.0

package report

import (
	"net/netip"
	"strings"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/harbinger-ha/harbinger/pkg/apis/status/v1alpha1"
	"github.com/harbinger-ha/harbinger/pkg/election"
	"github.com/harbinger-ha/harbinger/pkg/probe"
)

// This node is first, the others come by their names, and one that answers by both families is one.
func TestHosts(t *testing.T) {
	f := normal()
	six := says("node2", "2001:db8::2", election.Backup, 100)
	f.Peers = []Peer{{Address: netip.MustParseAddr("192.0.2.9"), Asked: true, Failure: "192.0.2.9:10444 refuses connections"}, f.Peers[1], f.Peers[0], six}
	s := Status(f, nil)
	var got []string
	for _, h := range s.Hosts {
		got = append(got, h.Node+" "+h.Address)
	}
	if want := "node1 192.0.2.1,, 192.0.2.9,node2 192.0.2.2,node3 192.0.2.3"; strings.Join(got, ",") != strings.Replace(want, ",, ", ", ", 1) {
		t.Errorf("hosts %q", got)
	}
	own, silent := s.Hosts[0], s.Hosts[1]
	if !own.Self || !own.Held || own.Identity != "192.0.2.1:10444" || own.Since == nil {
		t.Errorf("this node is %+v", own)
	}
	if silent.Answered != nil || silent.Failure == "" || silent.State != "" || silent.Ready {
		t.Errorf("a host that never answered is %+v", silent)
	}
}

// Of two addresses of a host the one that answers counts.
func TestHostThatAnswersByOneFamily(t *testing.T) {
	for _, order := range [][2]int{{0, 1}, {1, 0}} {
		f := normal()
		four, six := says("node2", "192.0.2.2", election.Backup, 100), says("node2", "2001:db8::2", election.Backup, 100)
		four.Failure, four.Answered = "192.0.2.2:10444 does not answer in time", ago(time.Hour)
		both := []Peer{four, six}
		f.Peers = []Peer{both[order[0]], both[order[1]]}
		s := Status(f, nil)
		if len(s.Hosts) != 2 || s.Hosts[1].Address != "2001:db8::2" || s.Hosts[1].Failure != "" {
			t.Errorf("hosts %+v", s.Hosts)
		}
	}
}

// What an answer says is taken as it is, and what an older version does not say follows from its state.
func TestSummary(t *testing.T) {
	for _, tc := range []struct {
		name string
		said probe.Identity
		want v1alpha1.HostSummary
	}{
		{"older Backup", probe.Identity{State: "backup"}, v1alpha1.HostSummary{State: "Backup", Ready: true}},
		{"older holder", probe.Identity{State: "active"}, v1alpha1.HostSummary{State: "Active", Ready: true, Held: true}},
		{"older holder in distress", probe.Identity{State: "active", Distress: true}, v1alpha1.HostSummary{State: "Active", Held: true}},
		{"older Conflict", probe.Identity{State: "conflict"}, v1alpha1.HostSummary{State: "Conflict"}},
		{"Backup", probe.Identity{State: "backup", Version: "v2", Finding: "Isolated"}, v1alpha1.HostSummary{State: "Backup"}},
		{"stalled", probe.Identity{State: "stalled", Version: "v2", Ready: true, Held: true}, v1alpha1.HostSummary{State: "Stalled"}},
		{"a state of a later version", probe.Identity{State: "dancing", Version: "v9", Ready: true}, v1alpha1.HostSummary{State: "Stalled"}},
	} {
		got := HostOf(Peer{Address: peer4, Said: tc.said, Answered: now}, 10444)
		if got.State != tc.want.State || got.Ready != tc.want.Ready || got.Held != tc.want.Held {
			t.Errorf("%s: %+v, want %+v", tc.name, got, tc.want)
		}
	}
	said := says("node3", "192.0.2.3", election.Backup, 100)
	if h := HostOf(said, 10444); !h.Since.Equal(ago(time.Hour + time.Second)) {
		t.Errorf("since %s", h.Since)
	}
}

// Each other host counts for the redundancy.
func TestRedundant(t *testing.T) {
	silent := func(f *Facts, i int) { f.Peers[i].Failure = "does not answer in time" }
	for _, tc := range []struct {
		name    string
		change  func(*Facts)
		status  metav1.ConditionStatus
		reason  string
		message string
	}{
		{"both", func(*Facts) {}, metav1.ConditionTrue, "HostsReady", ""},
		{"one", func(f *Facts) { silent(f, 0) }, metav1.ConditionFalse, "HostsMissing", "node2: its identity port does not answer"},
		{"none", func(f *Facts) { silent(f, 0); silent(f, 1) }, metav1.ConditionFalse, "NoOtherHost", "node3"},
		{"not ready", func(f *Facts) { f.Peers[0].Said.Ready = false }, metav1.ConditionFalse, "HostsMissing", "node2 is not ready"},
		{"not ready, with a finding", func(f *Facts) { f.Peers[0].Said.Ready, f.Peers[0].Said.Finding = false, "Conflict" }, metav1.ConditionFalse, "HostsMissing", "node2 is not ready (Conflict)"},
		{"stalled", func(f *Facts) { f.Peers[0].Said.State = "stalled" }, metav1.ConditionFalse, "HostsMissing", "node2: its control loop does not turn"},
		{"not asked", func(f *Facts) { f.Peers[0] = Peer{Address: peer4} }, metav1.ConditionUnknown, "NotAsked", ""},
	} {
		f := normal()
		tc.change(&f)
		c := meta.FindStatusCondition(Status(f, nil).Conditions, v1alpha1.ConditionRedundant)
		if c.Status != tc.status || c.Reason != tc.reason || !strings.Contains(c.Message, tc.message) {
			t.Errorf("%s: %+v, want %s %s %q", tc.name, c, tc.status, tc.reason, tc.message)
		}
	}
}
