// SPDX-License-Identifier: Apache-2.0

package metrics

import (
	"encoding/json"
	"os"
	"strings"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/harbinger-ha/harbinger/pkg/apis/status/v1alpha1"
)

// scrapeOf returns a scrape of a node with that status.
func scrapeOf(t *testing.T, s v1alpha1.HarbingerStatus) string {
	t.Helper()
	m := New("51", "eth0", Known{})
	m.WatchStatus(func() v1alpha1.HarbingerStatus { return s }, nil)
	return scrape(t, m)
}

// A finding is 1 under its severity, a condition without one is 0 under both, and one that does not apply is missing.
func TestFindings(t *testing.T) {
	s := v1alpha1.HarbingerStatus{
		Conditions: []metav1.Condition{{Type: v1alpha1.ConditionConflict}, {Type: v1alpha1.ConditionSplitSuspected}, {Type: "OfALaterVersion"}},
		Findings:   []v1alpha1.Finding{{Condition: v1alpha1.ConditionSplitSuspected, Severity: v1alpha1.SeverityCritical}},
	}
	body := scrapeOf(t, s)
	wantLines(t, body,
		`harbinger_finding{condition="SplitSuspected",severity="Critical"} 1`, `harbinger_finding{condition="SplitSuspected",severity="Warning"} 0`,
		`harbinger_finding{condition="Conflict",severity="Critical"} 0`, `harbinger_finding{condition="Conflict",severity="Warning"} 0`,
	)
	if n := strings.Count(body, "\nharbinger_finding{"); n != 4 {
		t.Errorf("%d series of findings, want 4", n)
	}
	s.Findings[0].Severity = v1alpha1.SeverityWarning
	wantLines(t, scrapeOf(t, s), `harbinger_finding{condition="SplitSuspected",severity="Critical"} 0`, `harbinger_finding{condition="SplitSuspected",severity="Warning"} 1`)
}

// Whatever status a node shows, its findings are the ones of the metrics.
func TestFindingsOfTheDocuments(t *testing.T) {
	documents, err := os.ReadDir("../apis/status/v1alpha1/testdata")
	if err != nil || len(documents) < 4 {
		t.Fatalf("%d documents: %v", len(documents), err)
	}
	for _, document := range documents {
		if !strings.HasSuffix(document.Name(), ".json") {
			continue
		}
		text, err := os.ReadFile("../apis/status/v1alpha1/testdata/" + document.Name())
		if err != nil {
			t.Fatal(err)
		}
		var s v1alpha1.HarbingerStatus
		if err := json.Unmarshal(text, &s); err != nil {
			t.Fatal(err)
		}
		body := scrapeOf(t, s)
		standing := 0
		for line := range strings.Lines(body) {
			if strings.HasPrefix(line, "harbinger_finding{") && strings.HasSuffix(line, " 1\n") {
				standing++
			}
		}
		if standing != len(s.Findings) {
			t.Errorf("%s: %d findings in the metrics, %d in the status", document.Name(), standing, len(s.Findings))
		}
		for _, f := range s.Findings {
			wantLines(t, body, `harbinger_finding{condition="`+f.Condition+`",severity="`+f.Severity+`"} 1`)
		}
	}
}

func TestTimesAndHosts(t *testing.T) {
	at := time.UnixMilli(1790000000500)
	s := v1alpha1.HarbingerStatus{Node: "node1", Cluster: "prod", Version: "v1", Hosts: []v1alpha1.HostSummary{
		{Node: "node1", Address: "192.0.2.1", Self: true, Held: true},
		{Node: "node2", Address: "192.0.2.2", Answered: &at, Ready: true},
		{Node: "node3", Address: "192.0.2.3", Answered: &at, Failure: "no answer in time", Ready: true},
		{Address: "192.0.2.4", Failure: "no route to host"},
		{Address: "192.0.2.5"}, // not asked yet
	}}
	s.VirtualRouter = v1alpha1.VirtualRouter{VRID: 51, Mode: "Hybrid", Since: at, HolderHeard: &at}
	body := scrapeOf(t, s)
	wantLines(t, body,
		`harbinger_info{cluster_name="prod",mode="Hybrid",node="node1",version="v1",vrid="51"} 1`,
		`harbinger_vrrp_state_since_timestamp_seconds{vrid="51"} 1.7900000005e+09`,
		`harbinger_vrrp_holder_heard_timestamp_seconds{vrid="51"} 1.7900000005e+09`,
		`harbinger_hosts{vrid="51"} 5`,
		`harbinger_host_answers{address="192.0.2.2",node="node2",vrid="51"} 1`, `harbinger_host_answers{address="192.0.2.3",node="node3",vrid="51"} 0`,
		`harbinger_host_answers{address="192.0.2.4",node="",vrid="51"} 0`,
		`harbinger_host_holds{address="192.0.2.2",node="node2",vrid="51"} 0`, `harbinger_host_ready{address="192.0.2.2",node="node2",vrid="51"} 1`,
	)
	for _, absent := range []string{`address="192.0.2.1"`, `address="192.0.2.5"`, `harbinger_host_ready{address="192.0.2.3"`, `harbinger_host_holds{address="192.0.2.4"`} {
		if strings.Contains(body, absent) {
			t.Errorf("there is %s", absent)
		}
	}
}

// What was never asked or heard is missing: a zero would be a lie.
func TestNothingIsSaidOfWhatIsNotKnown(t *testing.T) {
	body := scrapeOf(t, v1alpha1.HarbingerStatus{})
	for _, metric := range []string{"vrrp_state_since", "vrrp_holder_heard", "host", "finding", "question_seconds", "lease_answer", "client_certificate"} {
		if strings.Contains(body, "harbinger_"+metric) {
			t.Errorf("there is a metric %s", metric)
		}
	}
}
