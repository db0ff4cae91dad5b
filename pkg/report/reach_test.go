// SPDX-License-Identifier: Apache-2.0

package report

import (
	"net/netip"
	"strings"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"

	"github.com/harbinger-ha/harbinger/pkg/apis/status/v1alpha1"
	"github.com/harbinger-ha/harbinger/pkg/control"
	"github.com/harbinger-ha/harbinger/pkg/election"
)

// asked returns the facts of a node that has asked two others by both families, of which it reached one.
func asked() Facts {
	f := backup()
	f.Asked = Asked{Peers: []netip.Addr{peer4, netip.MustParseAddr("192.0.2.2"), peer6, netip.MustParseAddr("2001:db8::2")}, Gateway: netip.MustParseAddr("192.0.2.254")}
	f.Loop.Election.Reach = election.PeersDone{Reached: []netip.Addr{peer4, peer6}, Gateway: election.Nobody}
	f.Loop.Election.ReachAt = ago(time.Second)
	return f
}

// Each fault says what was found and what helps.
func TestProofsInWords(t *testing.T) {
	for _, tc := range []struct {
		name, kind string
		change     func(*Facts)
		says       []string
		ready      bool
	}{
		{"isolated", v1alpha1.ConditionIsolated, func(f *Facts) { f.Loop.Election.Isolated = true },
			[]string{"reaches 1 of 2 peers, gateway: Nobody", "takes nothing from a holder that it cannot see to be dead", "tcp dport 10444 accept", "ICMP echo"}, true},
		{"unreachable by its peers", v1alpha1.ConditionUnreachable, func(f *Facts) {
			e := &f.Loop.Election
			e.Unreachable, e.Reach.Witnesses, e.Reach.Unreachable = true, []netip.Addr{peer4, peer6}, []netip.Addr{peer4}
		}, []string{"1 of 2 peers cannot reach", "--add-port=6443/tcp", "nft insert rule inet filter input tcp dport 6443 accept", "a switch"}, false},
		{"unreachable, as a rehearsal found", v1alpha1.ConditionUnreachable, func(f *Facts) { f.Loop.Election.Unreachable = true },
			[]string{"clients would not reach the virtual address at this node"}, false},
		{"forged", v1alpha1.ConditionForged, func(f *Facts) { f.Loop.Election.Forged = peer4 }, []string{"from 192.0.2.3", "hardware address: not known"}, true},
		{"forged by a known host", v1alpha1.ConditionForged, func(f *Facts) {
			f.Loop.Election.Forged, f.Loop.Forgery = peer4, control.Forgery{Source: peer4, HardwareAddress: "02:00:00:00:09:09"}
		}, []string{"hardware address: 02:00:00:00:09:09", "election.vrrp.authentication"}, true},
		{"forged, after another one", v1alpha1.ConditionForged, func(f *Facts) {
			f.Loop.Election.Forged, f.Loop.Forgery = peer4, control.Forgery{Source: peer6, HardwareAddress: "02:00:00:00:09:09"}
		}, []string{"hardware address: not known"}, true},
	} {
		t.Run(tc.name, func(t *testing.T) {
			f := asked()
			tc.change(&f)
			s := Status(f, nil)
			c := meta.FindStatusCondition(s.Conditions, tc.kind)
			for _, part := range tc.says {
				if !meta.IsStatusConditionTrue(s.Conditions, tc.kind) || !strings.Contains(c.Message, part) {
					t.Errorf("%s is %s: %q, want %q in it", c.Type, c.Status, c.Message, part)
				}
			}
			if s.Ready != tc.ready {
				t.Errorf("ready %v: %q", s.Ready, s.NotReady)
			}
		})
	}
}

func TestReachOfEachPeer(t *testing.T) {
	f := asked()
	f.Loop.Election.Reach.Witnesses, f.Loop.Election.Reach.Unreachable = []netip.Addr{peer4, peer6}, []netip.Addr{peer6}
	r := Status(f, nil).VirtualRouter.Reach
	want := []v1alpha1.PeerReach{{Address: "192.0.2.3", Reached: true, Witness: "Reached"}, {Address: "192.0.2.2"}, {Address: "2001:db8::3", Reached: true, Witness: "Unreachable"}, {Address: "2001:db8::2"}}
	for i, peer := range want {
		if r.Peers[i] != peer {
			t.Errorf("%+v, want %+v", r.Peers[i], peer)
		}
	}
	if r.Gateway != (v1alpha1.Gateway{Address: "192.0.2.254", Finding: "Nobody"}) || !r.Asked.Equal(ago(time.Second)) {
		t.Errorf("%+v", r)
	}
	f.Loop.Election.ReachAt = time.Time{}
	if r := Status(f, nil).VirtualRouter; r.Reach != nil || r.Witness != nil || r.Forged != nil {
		t.Errorf("before anything was asked: %+v", r)
	}
	f.Loop.Election.Witness.Holder = peer4
	if w := Status(f, nil).VirtualRouter.Witness; w != nil {
		t.Errorf("before the first check: %+v", w)
	}
}
