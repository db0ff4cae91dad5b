// SPDX-License-Identifier: Apache-2.0

package report

import (
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/harbinger-ha/harbinger/pkg/apis/status/v1alpha1"
	"github.com/harbinger-ha/harbinger/pkg/balance"
	"github.com/harbinger-ha/harbinger/pkg/election"
	"github.com/harbinger-ha/harbinger/pkg/health"
	"github.com/harbinger-ha/harbinger/pkg/proxy"
	"github.com/harbinger-ha/harbinger/pkg/vrrpconn"
)

// Each type of condition has its finding.
func TestEveryConditionHasAFinding(t *testing.T) {
	for _, kind := range v1alpha1.ConditionTypes() {
		rule, ok := finders[kind]
		bad, severity := Judgement(kind)
		if !ok || rule.say == nil || bad != metav1.ConditionTrue && bad != metav1.ConditionFalse || !strings.Contains(severity, "Critical") && severity != "Warning" {
			t.Errorf("%s: %s, %q, %+v", kind, bad, severity, rule)
		}
	}
	if len(finders) != len(v1alpha1.ConditionTypes()) {
		t.Errorf("%d findings for %d conditions", len(finders), len(v1alpha1.ConditionTypes()))
	}
}

// kinds returns the conditions of findings, worst first, with a mark for the critical ones.
func kinds(all []v1alpha1.Finding) (kinds []string) {
	for _, f := range all {
		if f.Severity == v1alpha1.SeverityCritical {
			kinds = append(kinds, f.Condition+"!")
		} else {
			kinds = append(kinds, f.Condition)
		}
	}
	return kinds
}

func TestFindings(t *testing.T) {
	down := func(f *Facts) { f.Balancer.Backends[1] = server("192.0.2.2:6443", health.Down, "refuses connections") }
	for _, tc := range []struct {
		name    string
		facts   Facts
		change  func(*Facts)
		want    []string
		summary string // part of that of the worst
		command string // part of its commands
	}{
		{name: "all is well", facts: normal()},
		{name: "a Backup is well", facts: backup()},
		{name: "split", facts: split(), want: []string{"SplitSuspected!"}, summary: "node3 (192.0.2.3) serves 192.0.2.100, but this host does not hear it: its own firewall drops", command: "nft insert rule inet filter input ip saddr 192.0.2.3"},
		{name: "split, and it is not known where", facts: split(), change: func(f *Facts) { f.Reception = Reception{} }, want: []string{"SplitSuspected!"},
			summary: "advertisements are lost between the two", command: "--add-protocol=vrrp"},
		{name: "an unknown host", facts: conflict(), want: []string{"Conflict!", "Redundant"}, summary: "An unknown host with the hardware address 02:00:00:00:09:09 has 192.0.2.100: this host does not take it."},
		{name: "a node that claims", facts: normal(), change: func(f *Facts) {
			f.Loop.Election.Conflict, f.Loop.Election.ConflictPeer = "192.0.2.3 claims 192.0.2.100", peer4
		}, want: []string{"Conflict!"}, summary: "node3 (192.0.2.3) has or claims 192.0.2.100, which this host holds too."},
		{name: "no API", facts: withoutAPI(), want: []string{"APIReachable", "BackendsHealthy"}, summary: "VRRP decides alone who holds 192.0.2.100"},
		{name: "no API in mode Lease", facts: withoutAPI(), change: func(f *Facts) { f.Config.Election.Mode = election.LeaseOnly }, want: []string{"APIReachable!", "BackendsHealthy"},
			summary: "without the Lease no host can take 192.0.2.100"},
		{name: "no credentials", facts: normal(), change: func(f *Facts) {
			f.Loop.Election.Arbitrated, f.Loop.Election.LeaseAnswered, f.API.CredentialsProblem = false, time.Time{}, "no credentials: /k does not exist"
		}, want: []string{"APIReachable"}, summary: "VRRP decides alone", command: "harbinger kubeconfig"},
		{name: "the Lease is not confirmed", facts: normal(), change: func(f *Facts) { f.Loop.Election.Arbitrated = false }, want: []string{"Arbitrated"}, summary: "The Lease does not decide"},
		{name: "a certificate of 20 days", facts: expiring(), want: []string{"CredentialsCurrent"}, summary: "expires in 20 days, on 2026-01-22", command: "harbinger kubeconfig --renew"},
		{name: "a certificate that has expired", facts: withoutAPI(), change: func(f *Facts) { f.API.Expires = ago(time.Hour) }, want: []string{"BackendsHealthy", "CredentialsCurrent"}},
		{name: "one backend", facts: normal(), change: down, want: []string{"BackendsHealthy"}, summary: "1 of 3 apiservers are not healthy: node2 (192.0.2.2:6443) is Down: refuses connections."},
		{name: "a backend in maintenance", facts: normal(), change: func(f *Facts) {
			f.Balancer.Backends[1] = server("192.0.2.2:6443", health.Unknown, "in maintenance")
			f.Balancer.Backends[1].Admin = balance.Maintenance
		}},
		{name: "all were ordered out", facts: normal(), change: func(f *Facts) {
			for i := range f.Balancer.Backends {
				f.Balancer.Backends[i].Admin = balance.Drain
			}
		}, want: []string{"BackendAvailable!"}, summary: "`harbinger backend` has taken out 192.0.2.1:6443", command: "harbinger backend ready 192.0.2.1:6443"},
		{name: "a backend that was not checked yet", facts: normal(), change: func(f *Facts) { f.Balancer.Backends[1] = server("192.0.2.2:6443", health.Unknown, "") }},
		{name: "no healthy backend, which accept", facts: unwell(), want: []string{"Degraded!", "BackendsLeftOut"}, summary: "node1 (192.0.2.1:6443) and node2 (192.0.2.2:6443)"},
		{name: "no backend", facts: normal(), change: func(f *Facts) { f.Balancer.Backends = nil }, want: []string{"BackendAvailable!"}, summary: "this host refuses the clients of 192.0.2.100"},
		{name: "no balancer", facts: normal(), change: func(f *Facts) { f.Balancer = proxy.Status{} }, want: []string{"BackendAvailable!"}, summary: "The balancer of this host does not run"},
		{name: "a holder fails", facts: normal(), change: func(f *Facts) {
			f.Loop.Failing = map[string]string{"announce": "network is down", "advertise": "network is down"}
		},
			want: []string{"ActionsSucceed!"}, summary: "advertise and announce (network is down)"},
		{name: "a Backup fails", facts: backup(), change: func(f *Facts) { f.Loop.Failing = map[string]string{"release": "no buffer space"} }, want: []string{"ActionsSucceed"}},
		{name: "a port of a Backup is taken", facts: backup(), change: func(f *Facts) { f.Closed = []string{"identity on 0.0.0.0:10444: is in use by another program"} },
			want: []string{"Ready"}, summary: "This host is not ready: identity on 0.0.0.0:10444: is in use by another program."},
		{name: "the kernel has lost the address", facts: normal(), change: func(f *Facts) { f.Kernel.Missing = []netip.Addr{netip.MustParseAddr("192.0.2.100")} }, want: []string{"Ready!"},
			summary: "192.0.2.100 is held, but not in the kernel"},
		{name: "nobody is heard, and the link is down", facts: backup(), change: func(f *Facts) {
			f.Loop.Election.State, f.Loop.Election.Holder = election.Initialize, netip.Addr{}
		}, want: []string{"Ready!"}, summary: "virtual router in state Initialize"},
		{name: "a third host cannot be heard", facts: backup(), change: func(f *Facts) { f.Unsent = []netip.Addr{netip.MustParseAddr("224.0.0.18")} }, want: []string{"Filtered"}, summary: "this host and the other hosts", command: "OUTPUT"},
		{name: "clients do not reach the holder", facts: normal(), change: func(f *Facts) {
			e := &f.Loop.Election
			e.Unreachable, e.Reach.Witnesses, e.Reach.Unreachable = true, e.Reach.Reached, e.Reach.Reached
		}, want: []string{"Unreachable!"}, summary: "Clients do not reach TCP port 6443 of 192.0.2.100", command: "--add-port=6443/tcp"},
		{name: "clients would not reach a Backup", facts: backup(), change: func(f *Facts) { f.Loop.Election.Unreachable = true }, want: []string{"Unreachable"}, summary: "Clients would not reach"},
		{name: "isolated", facts: split(), change: func(f *Facts) {
			e := &f.Loop.Election
			e.SplitSuspected, e.Unheard, f.Reception, e.Isolated, e.Reach.Reached, e.HeardAt = false, election.Unheard{}, Reception{}, true, nil, f.Now
			f.Peers[0].Failure, f.Peers[1].Failure = "192.0.2.2:10444 does not answer in time", "192.0.2.3:10444 does not answer in time"
		}, want: []string{"Isolated"}, summary: "This host reaches 0 of 2 other hosts"},
		{name: "forged", facts: normal(), change: func(f *Facts) {
			f.Loop.Election.Forged, f.Loop.Forgery.Source, f.Loop.Forgery.HardwareAddress = peer4, peer4, "02:00:00:00:09:09"
		}, want: []string{"Forged"}, summary: "A host with the hardware address 02:00:00:00:09:09 sends advertisements in the name of node3 (192.0.2.3)"},
		{name: "a file", facts: normal(), change: func(f *Facts) { f.Unusable = map[string]string{"/etc/ca.crt": "does not exist"} }, want: []string{"FilesCurrent"}, summary: "/etc/ca.crt is not used as it is now: does not exist"},
		{name: "one host gone", facts: normal(), change: func(f *Facts) { f.Peers[1].Failure = "192.0.2.3:10444 does not answer in time" }, want: []string{"Redundant"},
			summary: "1 of 2 other hosts would not take over: node3: its identity port does not answer: 192.0.2.3:10444 does not answer in time."},
		{name: "alone", facts: normal(), change: func(f *Facts) { f.Peers = nil }, want: []string{"Redundant"}, summary: "none is known"},
		{name: "not asked yet", facts: normal(), change: func(f *Facts) { f.Peers[1] = Peer{Address: peer4} }},
		{name: "signatures", facts: normal(), change: func(f *Facts) { signs(f, vrrpconn.Heard{Source: peer4}); f.Signing.Clock = true }, want: []string{"Authenticated"}, summary: "start a client of NTP"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			if tc.change != nil {
				tc.change(&tc.facts)
			}
			s := Status(tc.facts, nil)
			if got := kinds(s.Findings); !slices.Equal(got, tc.want) {
				t.Fatalf("findings %v, want %v", got, tc.want)
			}
			for _, f := range s.Findings {
				wantSentences(t, s, f)
			}
			if worst := s.Worst(); worst != nil && (!strings.Contains(worst.Summary, tc.summary) || !strings.Contains(strings.Join(worst.Commands, "\n"), tc.command)) {
				t.Errorf("worst %+v, want %q and %q", worst, tc.summary, tc.command)
			}
		})
	}
}

// wantSentences fails unless a finding says what it is about in one sentence each, without what only programmers read, and has the time
// of its condition.
func wantSentences(t *testing.T, s v1alpha1.HarbingerStatus, f v1alpha1.Finding) {
	t.Helper()
	c := meta.FindStatusCondition(s.Conditions, f.Condition)
	if c == nil || !f.Since.Equal(c.LastTransitionTime.Time) {
		t.Errorf("%s: since %s, condition %+v", f.Condition, f.Since, c)
	}
	for _, text := range []string{f.Summary, f.Action} {
		if len(text) < 20 || !strings.HasSuffix(text, ".") || strings.Contains(text, "\n") || strings.Contains(text, "dial tcp") || strings.Contains(text, "%!") {
			t.Errorf("%s says %q", f.Condition, text)
		}
	}
}

// A finding has stood since its condition became so, not since the status was asked for.
func TestFindingsKeepTheirTime(t *testing.T) {
	f := split()
	first := Status(f, nil)
	f.Now = f.Now.Add(10 * time.Minute)
	if second := Status(f, first.Conditions); !second.Findings[0].Since.Equal(now) {
		t.Errorf("since %s, want %s", second.Findings[0].Since, now)
	}
}

// What another virtual router on the link sends is nothing to look at, nor what is long ago.
func TestAdvertisementsRefused(t *testing.T) {
	for _, tc := range []struct {
		reason string
		ago    time.Duration
		signed bool
		want   string // empty: nothing is wrong
	}{
		{"version", time.Second, false, "virtual router ID 51 are refused, the last of 192.0.2.9: VRRP version differs from ours"},
		{"addresses", time.Second, false, "virtual addresses differ from ours"},
		{"hmac_missing", time.Second, false, "not signed"},
		{"version", time.Minute, false, ""},
		{"vrid", time.Second, false, ""},
		{vrrpconn.ReasonOverflow, time.Second, false, ""},
		{"hmac_invalid", time.Second, true, ""}, // Authenticated says so
	} {
		f := normal()
		if tc.signed {
			signs(&f)
		}
		f.Dropped = map[string]v1alpha1.Drop{tc.reason: {Count: 1, Last: ago(tc.ago), From: "192.0.2.9"}}
		c := meta.FindStatusCondition(Status(f, nil).Conditions, v1alpha1.ConditionAdvertisementsRefused)
		if (c.Status == metav1.ConditionTrue) != (tc.want != "") || !strings.Contains(c.Message, tc.want) {
			t.Errorf("%s: %+v, want %q", tc.reason, c, tc.want)
		}
	}
}

// A condition whose API cannot apply is left out, also where the status before had it.
func TestConditionsThatCannotApply(t *testing.T) {
	f := expiring()
	first := Status(f, nil)
	f.Config.Election.Mode, f.API = election.VRRP, nil
	second := Status(f, first.Conditions)
	for _, kind := range []string{v1alpha1.ConditionAPIReachable, v1alpha1.ConditionArbitrated, v1alpha1.ConditionCredentialsCurrent} {
		if meta.FindStatusCondition(first.Conditions, kind) == nil || meta.FindStatusCondition(second.Conditions, kind) != nil {
			t.Errorf("%s: %v, then %v", kind, first.Conditions, second.Conditions)
		}
	}
	if len(second.Findings) != 0 {
		t.Errorf("findings %+v", second.Findings)
	}
}
