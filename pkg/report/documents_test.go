// SPDX-License-Identifier: Apache-2.0

package report

import (
	"encoding/json"
	"flag"
	"fmt"
	"net/netip"
	"os"
	"testing"
	"time"

	"github.com/harbinger-ha/harbinger/pkg/apis/status/v1alpha1"
	"github.com/harbinger-ha/harbinger/pkg/control"
	"github.com/harbinger-ha/harbinger/pkg/election"
	"github.com/harbinger-ha/harbinger/pkg/health"
	"github.com/harbinger-ha/harbinger/pkg/kubeapi"
	"github.com/harbinger-ha/harbinger/pkg/proxy"
)

var rewrite = flag.Bool("rewrite", false, "rewrite the golden file")

// documents returns the facts of the golden documents. What shows a status has these as examples of what it must show.
func documents() map[string]Facts {
	return map[string]Facts{
		"holder": holder(), "backup": backup(), "degraded": unwell(), "busy": busy(), "normal": normal(), "split": split(), "conflict": conflict(), "no-api": withoutAPI(),
		"seven-backends": sevenBackends(), "expiring": expiring(),
	}
}

// document returns one of the golden documents. What is wrong in the pictures of a state has been so for 12 minutes.
func document(name string, facts Facts) v1alpha1.HarbingerStatus {
	if name == "holder" || name == "backup" || name == "degraded" || name == "busy" {
		return Status(facts, nil)
	}
	earlier := facts
	earlier.Now = ago(12 * time.Minute)
	return Status(facts, Status(earlier, nil).Conditions)
}

// server returns a backend that has been in its state for an hour.
func server(address string, state health.State, reason string) proxy.BackendStatus {
	b := backend(state, reason)
	b.Address, b.Since, b.Total, b.Proved = netip.MustParseAddrPort(address), ago(time.Hour), 120, true
	return b
}

// normal returns the facts of a well holder with two well peers.
func normal() Facts {
	f := backup()
	f.Node.Started, f.Loop.Held, f.Fence.Open = ago(48*time.Hour), true, true
	f.Node.Frontends, f.Node.Steering, f.Steered = []netip.AddrPort{netip.MustParseAddrPort("0.0.0.0:16443")}, "BPF", true
	f.Peers = []Peer{says("node2", "192.0.2.2", election.Backup, 100), says("node3", "192.0.2.3", election.Backup, 100)}
	e := &f.Loop.Election
	e.State, e.Since, e.Reason, e.Epoch, e.Priority = election.Active, ago(26*time.Hour), "no advertisement heard, virtual address free", 4, 244
	e.Holder, e.HeardAt, e.HeardPriority = netip.Addr{}, time.Time{}, 0
	e.Lease = election.Lease{Holder: "node1/boot/1", Node: "node1", Epoch: 4}
	asks(&f, "192.0.2.2", "192.0.2.3")
	f.Loop.Moves = []control.Move{
		{Time: ago(48 * time.Hour), From: "Initialize", To: "Backup", Reason: "started"},
		{Time: ago(26*time.Hour + 300*time.Millisecond), From: "Backup", To: "Claiming", Reason: "no advertisement heard"},
		{Time: ago(26 * time.Hour), From: "Claiming", To: "Active", Reason: e.Reason, Silence: 3609 * time.Millisecond, Unserved: 3612 * time.Millisecond,
			Cause: election.Cause(e.Reason), Evidence: "identity port Nobody, client port Nobody, ARP or neighbour discovery Nobody; 12 of 12 questions to other neighbours answered; peers that answer: 2; Lease claimed with epoch 4"},
	}
	f.Loop.Holders = []control.HolderSpan{
		{Holder: netip.MustParseAddr("192.0.2.2"), From: ago(47 * time.Hour), Seen: ago(26*time.Hour + 3609*time.Millisecond)},
		{Own: true, From: ago(26 * time.Hour), Seen: now, Unserved: 3609 * time.Millisecond, Reason: e.Reason},
	}
	f.API = &kubeapi.Status{Expires: now.AddDate(0, 11, 0)}
	f.Balancer.Active, f.Balancer.Accepted = 37, 4711
	f.Balancer.Backends = nil
	for i := 1; i <= 3; i++ {
		address := fmt.Sprintf("192.0.2.%d:6443", i)
		f.Balancer.Backends = append(f.Balancer.Backends, server(address, health.Healthy, "check passed"))
		f.API.Backends = append(f.API.Backends, kubeapi.BackendStatus{Address: netip.MustParseAddrPort(address), OKAt: ago(time.Second)})
	}
	return f
}

// asks has a node ask its peers and the gateway, which answer.
func asks(f *Facts, peers ...string) {
	f.Asked = Asked{Gateway: netip.MustParseAddr("192.0.2.254")}
	for _, p := range peers {
		f.Asked.Peers = append(f.Asked.Peers, netip.MustParseAddr(p))
	}
	f.Loop.Election.Reach, f.Loop.Election.ReachAt = election.PeersDone{Reached: f.Asked.Peers, Gateway: election.Answers}, ago(time.Second)
}

// split returns the facts of a Backup whose firewall drops the advertisements of the holder.
func split() Facts {
	f := normal()
	b := backup()
	f.Loop.Held, f.Loop.Election, f.Peers, f.Fence = false, b.Loop.Election, b.Peers, b.Fence
	f.Loop.Moves = f.Loop.Moves[:1]
	f.Loop.Holders = []control.HolderSpan{{Holder: peer4, From: ago(48 * time.Hour), Seen: ago(12 * time.Minute)}}
	e := &f.Loop.Election
	e.Since, e.HeardAt, e.SplitSuspected, e.Unheard = ago(48*time.Hour), ago(12*time.Minute), true, election.Unheard{Advertisements: true, Peer: peer4}
	f.Reception = Reception{Undelivered: []netip.Addr{peer4}, Watched: true}
	asks(&f, "192.0.2.2", "192.0.2.3")
	return f
}

// conflict returns the facts of a node that finds the virtual address at an unknown host, at its start.
func conflict() Facts {
	f := normal()
	f.Loop.Held, f.Fence.Open, f.Peers[1].Said.State = false, false, "conflict"
	f.Peers[1].Said.Ready, f.Peers[1].Said.Finding, f.Peers[1].Said.Severity = false, "Conflict", "Critical"
	f.Peers[0].Failure = "192.0.2.2:10444 refuses connections"
	e := &f.Loop.Election
	e.State, e.Since, e.Epoch, e.Priority, e.Lease = election.Conflict, ago(3*time.Minute), 0, 100, election.Lease{}
	e.ConflictOwner = "02:00:00:00:09:09"
	e.Conflict = e.ConflictOwner + ": identity port 10444: refuses connections; port 6443: accepts a connection; hardware address [02:00:00:00:09:09]"
	e.Reason = "foreign holder: " + e.Conflict
	f.Loop.Moves = []control.Move{
		{Time: ago(4 * time.Minute), From: "Initialize", To: "Backup", Reason: "started"}, {Time: ago(200 * time.Second), From: "Backup", To: "Claiming", Reason: "no advertisement heard"},
		{Time: ago(3 * time.Minute), From: "Claiming", To: "Conflict", Reason: e.Reason},
	}
	return f
}

// withoutAPI returns the facts of a holder that has lost the API.
func withoutAPI() Facts {
	f := normal()
	e := &f.Loop.Election
	e.Arbitrated, e.LeaseAnswered = false, ago(7*time.Minute)
	e.LeaseFailure = "192.0.2.1:6443 does not answer in time; 192.0.2.2:6443 refuses connections; 192.0.2.3:6443 does not answer in time"
	for i, failure := range []string{"does not answer in time", "refuses connections", "does not answer in time"} {
		f.API.Backends[i].OKAt, f.API.Backends[i].Error = e.LeaseAnswered, failure
	}
	f.Balancer.Backends[1] = server("192.0.2.2:6443", health.Down, "refuses connections")
	f.Balancer.Backends[1].Since, f.Balancer.Backends[1].Failures = ago(7*time.Minute), 31
	return f
}

// sevenBackends returns the facts of a holder over IPv6 with seven apiservers, three of which are unwell.
func sevenBackends() Facts {
	f := normal()
	f.Node.Address, f.Config.VirtualAddresses = netip.MustParseAddr("2001:db8::1"), []netip.Prefix{netip.MustParsePrefix("2001:db8::100/64")}
	f.Node.Frontends = []netip.AddrPort{netip.MustParseAddrPort("[::]:16443")}
	f.Balancer.Backends, f.API.Backends, f.Peers = nil, nil, nil
	unwell := map[int]proxy.BackendStatus{
		3: server("[2001:db8::3]:6443", health.Down, "refuses connections"),
		5: server("[2001:db8::5]:6443", health.NotReady, "GET https://[2001:db8::5]:6443/readyz: 500 Internal Server Error: etcd failed: reason withheld, poststarthook/rbac/bootstrap-roles failed: reason withheld"),
		6: server("[2001:db8::6]:6443", health.Down, "does not answer in time"),
	}
	for i := 1; i <= 7; i++ {
		address := fmt.Sprintf("2001:db8::%d", i)
		b, ok := unwell[i]
		if !ok {
			b = server("["+address+"]:6443", health.Healthy, "check passed")
		} else {
			b.Since, b.Failures = ago(time.Duration(i)*time.Minute), uint64(i)
		}
		f.Balancer.Backends = append(f.Balancer.Backends, b)
		f.API.Backends = append(f.API.Backends, kubeapi.BackendStatus{Address: b.Address, OKAt: ago(time.Second)})
		if i > 1 {
			f.Peers = append(f.Peers, says(fmt.Sprintf("node%d", i), address, election.Backup, 100))
		}
	}
	f.Peers[4].Failure, f.Peers[4].Answered = "[2001:db8::6]:10444 does not answer in time", ago(6*time.Minute)
	asks(&f, "2001:db8::2", "2001:db8::3", "2001:db8::4", "2001:db8::5", "2001:db8::6", "2001:db8::7")
	f.Asked.Gateway = netip.MustParseAddr("2001:db8::fe")
	return f
}

// expiring returns the facts of a well holder whose certificate for the Lease is good for 20 days.
func expiring() Facts {
	f := normal()
	f.API.Expires = now.AddDate(0, 0, 20)
	return f
}

// The documents are a contract: a change of these files that is no addition breaks those who read a status.
func TestDocuments(t *testing.T) {
	for name, facts := range documents() {
		golden := "../apis/status/v1alpha1/testdata/" + name + ".json"
		got, err := json.MarshalIndent(document(name, facts), "", "  ")
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, '\n')
		if *rewrite {
			if err := os.WriteFile(golden, got, 0o644); err != nil {
				t.Fatal(err)
			}
		}
		want, err := os.ReadFile(golden)
		if err != nil {
			t.Fatal(err)
		}
		if string(got) != string(want) {
			t.Errorf("the document has changed (go test ./pkg/report -rewrite, and read the difference):\n%s", got)
		}
	}
}
