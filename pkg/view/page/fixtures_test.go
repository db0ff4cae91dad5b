// SPDX-License-Identifier: Apache-2.0

package page

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/harbinger-ha/harbinger/pkg/apis/status/v1alpha1"
)

// now is a second after the last event of the documents.
var now = time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)

// golden returns a document of the status API by its name.
func golden(t testing.TB, name string) *v1alpha1.HarbingerStatus {
	t.Helper()
	text, err := os.ReadFile("../../apis/status/v1alpha1/testdata/" + name + ".json")
	if err != nil {
		t.Fatal(err)
	}
	var s v1alpha1.HarbingerStatus
	if err := json.Unmarshal(text, &s); err != nil {
		t.Fatal(err)
	}
	return &s
}

// rendered returns the page of a status.
func rendered(t testing.TB, s *v1alpha1.HarbingerStatus) string {
	t.Helper()
	var w bytes.Buffer
	if err := Write(&w, s, now); err != nil {
		t.Fatal(err)
	}
	return w.String()
}

func ago(d time.Duration) time.Time { return now.Add(-d) }

func at(t time.Time) *time.Time { return &t }

// threeHosts returns the status of node1 of three, which is well and holds the addresses, with a history.
func threeHosts(t testing.TB) *v1alpha1.HarbingerStatus {
	s := golden(t, "holder")
	s.Ready, s.NotReady, s.Findings, s.VirtualRouter.Distress, s.VirtualRouter.Priority = true, nil, nil, false, 100
	s.VirtualRouter.Conflict, s.VirtualRouter.ConflictWith, s.VirtualRouter.Forged, s.VirtualRouter.Failing = "", nil, nil, nil
	s.VirtualRouter.Isolated, s.VirtualRouter.Unreachable, s.VirtualRouter.SplitSuspected, s.VirtualRouter.Filtered = false, false, false, nil
	s.VirtualRouter.CouldNotAsk, s.VirtualRouter.CurrentReason, s.VirtualRouter.Witness = "", "holds the virtual addresses", nil
	s.VirtualRouter.Since = ago(40 * time.Minute)
	if s.VirtualRouter.Reach != nil {
		for i := range s.VirtualRouter.Reach.Peers {
			s.VirtualRouter.Reach.Peers[i].Witness = "Reached"
		}
	}
	s.Lease.Failure, s.Lease.Credentials, s.API.Credentials, s.API.APIServers = "", "", "", nil
	for i := range 3 {
		s.API.APIServers = append(s.API.APIServers, v1alpha1.APIServer{Address: fmt.Sprintf("192.0.2.%d:6443", i+1), Answered: at(ago(time.Duration(i+1) * time.Second))})
	}
	s.Hosts, s.Balancer.Backends = nil, nil
	for i := range 3 {
		address := fmt.Sprintf("192.0.2.%d", i+1)
		h := v1alpha1.HostSummary{Node: fmt.Sprintf("node%d", i+1), Address: address, Identity: address + ":10444", Version: "v0.1.0", Answered: at(ago(2 * time.Second)),
			State: "Backup", Since: at(ago(3 * time.Hour)), Ready: true, Priority: 100}
		if i == 0 {
			h.Self, h.State, h.Held, h.Since, h.Epoch = true, "Active", true, at(ago(40*time.Minute)), 4
		}
		s.Hosts = append(s.Hosts, h)
		s.Balancer.Backends = append(s.Balancer.Backends, v1alpha1.Backend{Address: address + ":6443", State: "Healthy", Healthy: true, Proved: true, Since: ago(5 * time.Hour),
			Checked: at(ago(time.Second)), CheckTook: "3.2ms", Connections: 31 + i, Peak: 60, Total: 4012, Sent: 812345678, Received: 9123456789})
	}
	b := &s.Balancer
	b.Up, b.Degraded, b.Active, b.Peak, b.Accepted, b.Rate, b.PeakRate, b.Refused, b.RefusedByReason = true, false, 96, 180, 12036, 3, 41, 2, map[string]uint64{"ConnectionLimit": 2}
	b.Received, b.Sent = 2437037034, 27370370367
	s.Holders = []v1alpha1.HolderSpan{
		{Holder: "192.0.2.3", Node: "node3", From: ago(5 * time.Hour), Until: at(ago(3 * time.Hour))},
		{Holder: "192.0.2.2", Node: "node2", From: ago(3*time.Hour - 3600*time.Millisecond), Until: at(ago(40*time.Minute + 120*time.Millisecond)), Unserved: "3.6s"},
		{Holder: "node1", Node: "node1", From: ago(40 * time.Minute), Reason: "node2 leaves: planned stop"},
	}
	return s
}

// ill makes a status one with findings.
func ill(s *v1alpha1.HarbingerStatus, findings ...v1alpha1.Finding) *v1alpha1.HarbingerStatus {
	s.Findings = findings
	for i := range s.Hosts {
		if s.Hosts[i].Self {
			s.Hosts[i].Finding, s.Hosts[i].Severity = findings[0].Condition, findings[0].Severity
			s.Hosts[i].Ready = s.Ready
		}
	}
	return s
}

// situations are the hosts that somebody on call may see.
func situations(t testing.TB) map[string]*v1alpha1.HarbingerStatus {
	degraded := threeHosts(t)
	degraded.Ready, degraded.NotReady, degraded.Balancer.Degraded = false, []string{"no healthy backend"}, true
	for i := range degraded.Balancer.Backends {
		x := &degraded.Balancer.Backends[i]
		x.State, x.Healthy, x.Since, x.Reason, x.Downs, x.Downtime, x.Failures = "Down", false, ago(4*time.Minute), "dial tcp "+x.Address+": connect: connection refused", 3, "4m10s", 12
	}
	split := threeHosts(t)
	split.VirtualRouter.SplitSuspected, split.VirtualRouter.State, split.VirtualRouter.Held, split.VirtualRouter.Holder = true, "Backup", false, ""
	split.VirtualRouter.Filtered = golden(t, "full").VirtualRouter.Filtered
	conflict := threeHosts(t)
	conflict.VirtualRouter.Conflict, conflict.VirtualRouter.ConflictWith = "an unknown host claims 192.0.2.100", &v1alpha1.Host{HardwareAddress: "02:00:00:00:00:99"}
	noAPI := threeHosts(t)
	noAPI.VirtualRouter.Arbiter, noAPI.Lease.Failure = "vrrp", "no answer within 5s"
	for i := range noAPI.API.APIServers {
		noAPI.API.APIServers[i].Failure = "dial tcp 192.0.2.1:6443: i/o timeout"
	}
	seven := threeHosts(t)
	seven.Balancer.Backends = seven.Balancer.Backends[:0]
	for i := range 7 {
		seven.Balancer.Backends = append(seven.Balancer.Backends, v1alpha1.Backend{Address: fmt.Sprintf("[2001:db8:1234:5678:9abc:def0:1234:%d]:6443", 1000+i), State: "Healthy", Healthy: true, Since: ago(time.Hour)})
	}
	seven.Balancer.Backends[6].State, seven.Balancer.Backends[6].Healthy, seven.Balancer.Backends[6].Reason = "NotReady", false, "503 Service Unavailable: [-]etcd failed: reason withheld"
	expiring := threeHosts(t)
	expiring.API.Expires = at(now.Add(20*24*time.Hour + time.Hour))
	backup := threeHosts(t)
	backup.Node = "node2"
	all := map[string]*v1alpha1.HarbingerStatus{
		"normal": threeHosts(t), "full": golden(t, "full"),
		"backup": func() *v1alpha1.HarbingerStatus {
			v := &backup.VirtualRouter
			v.State, v.Held, v.Holder, v.HolderHeard, v.HolderPriority, v.Epoch = "Backup", false, "192.0.2.1", at(ago(time.Second)), 100, 0
			backup.Hosts[0].Self, backup.Hosts[1].Self = false, true
			return backup
		}(),
		"degraded": ill(degraded, v1alpha1.Finding{Condition: "Degraded", Severity: "Critical", Summary: "No apiserver is healthy: connections go to those that still accept them.", Since: ago(4 * time.Minute),
			Detail: "192.0.2.1:6443, 192.0.2.2:6443 and 192.0.2.3:6443 refuse connections.", Action: "Look why the apiservers do not run.", Commands: []string{"crictl ps -a --name kube-apiserver", "journalctl -u kubelet --since -10min"}}),
		"split": ill(split, v1alpha1.Finding{Condition: "SplitSuspected", Severity: "Critical", Summary: "node2 serves 192.0.2.100, but this host does not hear its advertisements.", Since: ago(2 * time.Minute),
			Action: "Let protocol 112 pass between the hosts.", Commands: split.VirtualRouter.Filtered[0].Remedy},
			v1alpha1.Finding{Condition: "Filtered", Severity: "Warning", Summary: "A firewall drops protocol 112 from 192.0.2.3.", Since: ago(2 * time.Minute), Action: "Open it on both hosts.", Commands: split.VirtualRouter.Filtered[0].Remedy}),
		"conflict": ill(conflict, v1alpha1.Finding{Condition: "Conflict", Severity: "Critical", Summary: "An unknown host claims 192.0.2.100.", Detail: "Its hardware address is 02:00:00:00:00:99.", Since: ago(50 * time.Second),
			Action: "Find the port of that hardware address in the tables of the switches, and take the address from that host.", Commands: []string{"ip neighbour show | grep -i 02:00:00:00:00:99"}}),
		"no-api":         ill(noAPI, v1alpha1.Finding{Condition: "APIReachable", Severity: "Warning", Summary: "No apiserver answers: VRRP decides alone.", Since: ago(3 * time.Minute), Action: "Look at the apiservers and at etcd.", Commands: []string{"kubectl --server https://192.0.2.1:6443 get --raw /readyz?verbose"}}),
		"seven-backends": ill(seven, v1alpha1.Finding{Condition: "BackendsHealthy", Severity: "Warning", Summary: "1 of 7 apiservers is not healthy.", Since: ago(3 * time.Minute), Action: "Look at its log."}),
		"expiring":       ill(expiring, v1alpha1.Finding{Condition: "CredentialsCurrent", Severity: "Warning", Summary: "The client certificate of the kubeconfig expires in 20d.", Since: ago(72 * time.Hour), Action: "Renew it.", Commands: []string{"harbinger kubeconfig --renew"}}),
	}
	for _, name := range []string{"normal", "split", "conflict", "no-api", "seven-backends", "expiring"} { // as the server says them
		all["document-"+name] = golden(t, name)
	}
	return all
}

// contains finds a part in the text of a page, however its lines are broken.
func contains(text, part string) bool {
	return strings.Contains(strings.Join(strings.Fields(text), " "), part)
}
