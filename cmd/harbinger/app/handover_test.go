// SPDX-License-Identifier: Apache-2.0

package app_test

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/harbinger-ha/harbinger/cmd/harbinger/app"
	statusv1alpha1 "github.com/harbinger-ha/harbinger/pkg/apis/status/v1alpha1"
)

// Who takes over is said before the move, as far as the hosts have said who they are; a name that none of them has is refused.
func TestHandoverNamesTheNextHolder(t *testing.T) {
	self := statusv1alpha1.HostSummary{Node: "n1", Address: "192.0.2.1", Self: true, Held: true, Ready: true, Priority: 100}
	n2 := statusv1alpha1.HostSummary{Node: "n2", Address: "192.0.2.2", Ready: true, Priority: 100}
	n3 := statusv1alpha1.HostSummary{Node: "n3", Address: "192.0.2.3", Ready: true, Priority: 90}
	unready := statusv1alpha1.HostSummary{Node: "n3", Address: "192.0.2.3", Priority: 90}
	silent := statusv1alpha1.HostSummary{Address: "192.0.2.3", Failure: "does not answer"}
	gone := statusv1alpha1.HostSummary{Node: "n2", Address: "192.0.2.2", Ready: true, Priority: 100, Failure: "refuses connections"}
	for _, tt := range []struct {
		name  string
		hosts []statusv1alpha1.HostSummary
		to    string
		want  string
		err   string
	}{
		{"the highest priority", []statusv1alpha1.HostSummary{n3, self, n2}, "", "n2 will probably take over (priority 100)", ""},
		{"equal priorities", []statusv1alpha1.HostSummary{self, n2, {Node: "n3", Ready: true, Priority: 100}}, "", "n2 or n3 will probably take over", ""},
		{"the one that is ready", []statusv1alpha1.HostSummary{self, gone, n3}, "", "n3 will probably take over (priority 90)", ""},
		{"none is ready", []statusv1alpha1.HostSummary{self, gone, unready}, "", "No other node says that it is ready", ""},
		{"none is known", nil, "", "is not known", ""},
		{"a node", []statusv1alpha1.HostSummary{self, n2, n3}, "n3", "Handing over to n3 (192.0.2.3).", ""},
		{"one that is not ready", []statusv1alpha1.HostSummary{self, n2, unready}, "n3", "which says that it is not ready", ""},
		{"one that does not answer", []statusv1alpha1.HostSummary{self, gone, n3}, "n2", "which does not answer now: refuses connections", ""},
		{"an unknown name", []statusv1alpha1.HostSummary{self, n2, n3}, "n4", "", "--to n4: no node of this cluster has that name: use n2 or n3"},
		{"itself", []statusv1alpha1.HostSummary{self, n2, n3}, "n1", "", "--to n1: it is this node, which holds the virtual addresses already: use n2 or n3"},
		{"itself, the others unknown", nil, "n1", "", "the names of the other nodes are not known"},
		{"no name is known", nil, "n4", "so it is not known whether that is one", ""},
		{"a name that nobody has said", []statusv1alpha1.HostSummary{self, n2, silent}, "n4", "but 192.0.2.3 has not said its own. The others are n2.", ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			status := &statusv1alpha1.HarbingerStatus{Node: "n1", Hosts: tt.hosts}
			status.VirtualRouter.Held = true
			outlook, err := app.Target(status, tt.to)
			if tt.err == "" && (err != nil || !strings.Contains(outlook, tt.want)) {
				t.Errorf("says %q, %v; want %q", outlook, err, tt.want)
			}
			if tt.err != "" && (err == nil || !strings.Contains(err.Error(), tt.err)) {
				t.Errorf("error is %v, want %q", err, tt.err)
			}
		})
	}
	if _, err := app.Target(&statusv1alpha1.HarbingerStatus{Node: "n1"}, "n1"); err == nil || !strings.Contains(err.Error(), "run the command on the holder") {
		t.Errorf("to itself on a host that does not hold: %v", err)
	}
}

// A name that is refused moves nothing.
func TestHandoverRefusesUnknownNames(t *testing.T) {
	defer servePod(t)()
	harbinger("", "handover", "--to", "n22").want(t, 2, "error: --to n22: no node of this cluster has that name: use n2 or n3")
	harbinger("", "handover", "--to", "n1").want(t, 2, "error: --to n1: it is this node")
	var status statusv1alpha1.HarbingerStatus
	if err := json.Unmarshal([]byte(harbinger("", "status", "-o", "json").stdout), &status); err != nil || !status.VirtualRouter.Held {
		t.Errorf("the virtual addresses moved: %v", err)
	}
	r := harbinger("", "handover", "--to", "n3")
	r.want(t, 0, "Handing over to n3 (192.168.238.132).\nHanded over in ")
}

// A host that holds nothing is said to, as before, with nobody announced as the next.
func TestHandoverOfABackup(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte(statusDocument)) }))
	defer server.Close()
	r := harbinger("", "handover", "--address", strings.TrimPrefix(server.URL, "http://"))
	r.want(t, 1, "error: ask the sidecar (as root, on the node that holds the addresses)")
	if strings.Contains(r.stderr, "Handing over") {
		t.Errorf("says %q", r.stderr)
	}
}
