// SPDX-License-Identifier: Apache-2.0

package terminal_test

import (
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/harbinger-ha/harbinger/pkg/apis/status/v1alpha1"
	"github.com/harbinger-ha/harbinger/pkg/view/terminal"
)

// What somebody on call looks for in each state is there.
func TestStatesSayWhatIsLookedFor(t *testing.T) {
	all := read(t)
	for name, wanted := range map[string][]string{
		"normal": {
			"Well: node1 holds 192.0.2.100, 2 hosts could take over.\n",
			"ADDRESS   192.0.2.100/24 on eth0, held by this host\n",
			"ARBITER   Lease kube-system/harbinger of node1, epoch 4, answered 1s ago\n",
			"node1 *  Active",
			"node3    Healthy",
			"for 3.6s as far as this host knows\n",
		},
		"backup": {
			"held by node3",
			"heard node3 ",
			"node3    Active",
		},
		"degraded": {
			"CRITICAL: ",
			"FINDINGS  Degraded (critical, for ",
			"degraded: no backend is healthy",
			"etcd failed",
		},
		"split": {
			"CRITICAL: ",
			"FINDINGS  SplitSuspected (critical, for ",
			"  nft insert rule inet filter input ",
			" \\\n",
		},
		"conflict": {
			"CRITICAL: ",
			"CONFLICT  ",
			"02:00:00:00:09:09",
			"STATE     Conflict on node1 for ",
		},
		"no-api": {
			"WARNING: ",
			"ARBITER   vrrp alone, not the Lease kube-system/harbinger",
			"FINDINGS  APIReachable (warning, for ",
		},
		"seven-backends": {
			"2001:db8::100/64",
			"node7 ",
			"Down ",
		},
		"expiring": {
			"WARNING: ",
			"in 20 days",
			"harbinger kubeconfig --renew\n",
		},
	} {
		s, ok := all[name]
		if !ok {
			t.Errorf("there is no document of the state %s", name)
			continue
		}
		text := terminal.Render(s, terminal.Options{Now: now, Width: 80})
		for _, want := range wanted {
			if !strings.Contains(text, want) {
				t.Errorf("%s has no %q:\n%s", name, want, text)
			}
		}
	}
	// What decided a takeover is a long line.
	if text := terminal.Render(all["normal"], terminal.Options{Now: now, Width: 200, Wide: true}); !strings.Contains(text, "as far as this host knows (identity port Nobody,") {
		t.Errorf("normal has no evidence in\n%s", text)
	}
}

func TestHeadlineOfHosts(t *testing.T) {
	host := func(name string, change func(*v1alpha1.HostSummary)) v1alpha1.HostSummary {
		h := v1alpha1.HostSummary{Node: name, Address: "192.0.2.1", Ready: true, Answered: &now, State: "Backup"}
		if change != nil {
			change(&h)
		}
		return h
	}
	holds := func(h *v1alpha1.HostSummary) { h.Held, h.State = true, "Active" }
	unready := func(h *v1alpha1.HostSummary) { h.Ready = false }
	silent := func(h *v1alpha1.HostSummary) { h.Failure = "refuses connections" }
	finding := func(h *v1alpha1.HostSummary) { h.Finding, h.Severity = "FilesCurrent", v1alpha1.SeverityWarning }
	for _, tt := range []struct {
		hosts []v1alpha1.HostSummary
		want  string
	}{
		{
			[]v1alpha1.HostSummary{host("a", holds), host("b", nil)},
			"Well: a holds the virtual addresses, 1 host could take over.\n",
		},
		{
			[]v1alpha1.HostSummary{host("a", holds), host("b", holds)},
			"CRITICAL: a and b hold the virtual addresses at the same time.\n",
		},
		{
			[]v1alpha1.HostSummary{host("a", nil), host("b", nil)},
			"CRITICAL: No host holds the virtual addresses.\n",
		},
		{
			[]v1alpha1.HostSummary{host("a", nil), host("b", silent)},
			"CRITICAL: No host that answers holds the virtual addresses; b does not answer.\nThe reason is below.\n",
		},
		{
			[]v1alpha1.HostSummary{host("a", holds), host("b", silent), host("c", silent)},
			"CRITICAL: b, c do not answer.\n",
		},
		{
			[]v1alpha1.HostSummary{host("a", holds), host("b", unready)},
			"CRITICAL: b is not ready.\n",
		},
		{
			[]v1alpha1.HostSummary{host("a", holds), host("b", finding)},
			"WARNING: Every host is ready, but something should be looked at on b (FilesCurrent).\nRun harbinger status there.\n",
		},
	} {
		text := terminal.Hosts(tt.hosts, terminal.Options{Now: now, Width: 100})
		if !strings.HasPrefix(text, tt.want) {
			t.Errorf("want %q, got\n%s", tt.want, text)
		}
	}
}

// A command that is divided is the same one for a shell.
func TestCommandsCanBeCopied(t *testing.T) {
	const command = `printf '%s|' one "two words" 'three  words' four-is-rather-long five-is-rather-long six`
	s := &v1alpha1.HarbingerStatus{Findings: []v1alpha1.Finding{{Condition: "Conflict", Severity: "Critical", Summary: "s", Action: "Do.", Commands: []string{command}}}}
	for _, wide := range []int{48, 60, 80, 160} {
		text := terminal.Render(s, terminal.Options{Now: now, Width: wide})
		_, printed, ok := strings.Cut(text, "printf")
		if !ok {
			t.Fatalf("at %d the command is not there:\n%s", wide, text)
		}
		out, err := exec.Command("sh", "-c", "printf"+printed).CombinedOutput()
		if want := "one|two words|three  words|four-is-rather-long|five-is-rather-long|six|"; err != nil || string(out) != want {
			t.Errorf("at %d the command prints %q (%v):\n%s", wide, out, err, text)
		}
		if divided := strings.Contains(printed, "\\\n"); divided != (wide < 110) {
			t.Errorf("at %d the command is divided: %t", wide, divided)
		}
	}
}

// Who held the addresses stands with the newest first, with the time in which nobody served.
func TestHistory(t *testing.T) {
	at := func(ago time.Duration) time.Time { return now.Add(-ago) }
	until := at(10 * time.Minute)
	s := &v1alpha1.HarbingerStatus{
		Node: "node1", Ready: true,
		VirtualRouter: v1alpha1.VirtualRouter{Held: true},
		Holders: []v1alpha1.HolderSpan{
			{Holder: "192.0.2.2", Node: "node2", From: at(70 * time.Minute), Until: &until},
			{Holder: "node1", From: at(10 * time.Minute), Unserved: "3.612s", Reason: "no advertisement heard"},
		},
	}
	text := terminal.Render(s, terminal.Options{Now: now, Width: 120})
	want := "HISTORY   node1  holds it since 10m ago; before that nobody served for 3.6s; no advertisement heard\n" +
		"          node2  held it for 1h0m, until 10m ago\n" +
		"          Nobody served for 3.6s in all, since 70m ago.\n"
	if !strings.Contains(text, want) {
		t.Errorf("want\n%sin\n%s", want, text)
	}
	for range 10 {
		s.Moves = append(s.Moves, v1alpha1.Move{Time: at(time.Hour), From: "Backup", To: "Claiming", Reason: "silence"})
	}
	for wide, older := range map[bool]int{false: 1, true: 0} {
		text := terminal.Render(s, terminal.Options{Now: now, Width: 80, Wide: wide})
		if strings.Count(text, "6 older with -o wide") != older {
			t.Errorf("wide %t:\n%s", wide, text)
		}
	}
}

// What is said once is enough, and what never occurred is not said.
func TestNothingIsSaidTwice(t *testing.T) {
	const missing = "no credentials: /etc/kubernetes/harbinger/kubeconfig does not exist"
	s := &v1alpha1.HarbingerStatus{
		Ready:         true,
		VirtualRouter: v1alpha1.VirtualRouter{Arbiter: "vrrp"},
		Lease:         &v1alpha1.Lease{Name: "kube-system/harbinger", Failure: missing, API: v1alpha1.API{Credentials: missing}},
		Balancer:      v1alpha1.Balancer{Up: true, Refused: 2, RefusedByReason: map[string]uint64{"NoBackend": 2, "ConnectionLimit": 0}},
	}
	text := terminal.Render(s, terminal.Options{Now: now, Width: 120})
	if strings.Count(text, missing) != 1 || !strings.Contains(text, "2 refused (2 No backend)\n") {
		t.Errorf("printed\n%s", text)
	}
}
