// SPDX-License-Identifier: Apache-2.0

package report

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/harbinger-ha/harbinger/pkg/apis/status/v1alpha1"
	"github.com/harbinger-ha/harbinger/pkg/election"
)

// The addresses of another node.
var (
	peer4     = netip.MustParseAddr("192.0.2.3")
	peer6     = netip.MustParseAddr("2001:db8::3")
	linkLocal = netip.MustParseAddr("fe80::3")
)

func TestFilters(t *testing.T) {
	unheard := func(u election.Unheard) func(*Facts) {
		return func(f *Facts) { f.Loop.Election.SplitSuspected, f.Loop.Election.Unheard = true, u }
	}
	from4 := unheard(election.Unheard{Advertisements: true, Peer: peer4})
	for _, tc := range []struct {
		name   string
		change []func(*Facts)
		want   []string // protocol, peer, direction
		remedy []string // of the first
		says   string   // part of its message
		deaf   bool
	}{
		{name: "nothing", change: []func(*Facts){}},
		{name: "at first", change: []func(*Facts){from4}, want: []string{"112 192.0.2.3 unknown"}, deaf: true, says: "firewalls of both hosts",
			remedy: []string{"add-protocol=vrrp", "nft insert rule inet filter input ip saddr 192.0.2.3 meta l4proto 112 accept"}},
		{name: "not watched", change: []func(*Facts){from4, func(f *Facts) { f.Blind = "operation not permitted" }}, want: []string{"112 192.0.2.3 unknown"}, deaf: true,
			says: "not known which of them drops it: operation not permitted"},
		{name: "this host's input", change: []func(*Facts){from4, func(f *Facts) { f.Undelivered, f.Watched = []netip.Addr{peer4}, true }}, want: []string{"112 192.0.2.3 in"}, deaf: true,
			says: "the firewall of this host", remedy: []string{"--add-port=10444/tcp", "nft insert rule inet filter input ip saddr 192.0.2.3 meta l4proto 112 accept"}},
		{name: "the other host's output", change: []func(*Facts){from4, func(f *Facts) { f.Watched = true }}, want: []string{"112 192.0.2.3 unknown"}, deaf: true,
			says: "output filter of that host", remedy: []string{"ipv4 filter OUTPUT 0 -p 112 -j ACCEPT", "nft insert rule inet filter output meta l4proto 112 accept"}},
		{name: "a third node's input too", change: []func(*Facts){from4, func(f *Facts) { f.Undelivered, f.Watched = []netip.Addr{netip.MustParseAddr("192.0.2.9")}, true }},
			want: []string{"112 192.0.2.9 in", "112 192.0.2.3 unknown"}, deaf: true},
		{name: "IPv6 input", change: []func(*Facts){unheard(election.Unheard{Advertisements: true, Peer: peer6}), func(f *Facts) { f.Undelivered = []netip.Addr{linkLocal} }},
			want: []string{"112 fe80::3 in"}, deaf: true, remedy: []string{"add-protocol=vrrp", "nft insert rule inet filter input ip6 saddr fe80::3 meta l4proto 112 accept"}},
		{name: "IPv6 output", change: []func(*Facts){unheard(election.Unheard{Advertisements: true, Peer: peer6}), func(f *Facts) { f.Watched = true }},
			want: []string{"112 2001:db8::3 unknown"}, deaf: true, remedy: []string{"ipv6 filter OUTPUT", "nft insert rule inet filter output meta l4proto 112 accept"}},
		{name: "own output to a group", change: []func(*Facts){func(f *Facts) { f.Unsent = []netip.Addr{netip.MustParseAddr("224.0.0.18")} }}, want: []string{"112  out"},
			says: "output filter of this host", remedy: []string{"ipv4 filter OUTPUT", "nft insert rule inet filter output ip daddr 224.0.0.18 meta l4proto 112 accept"}},
		{name: "own output to a peer", change: []func(*Facts){func(f *Facts) { f.Unsent = []netip.Addr{peer6} }}, want: []string{"112 2001:db8::3 out"},
			remedy: []string{"ipv6 filter OUTPUT", "nft insert rule inet filter output ip6 daddr 2001:db8::3 meta l4proto 112 accept"}},
		{name: "the identity port", change: []func(*Facts){unheard(election.Unheard{Identity: true, Peer: peer4}), func(f *Facts) { f.Config.Status.IdentityPort = 9999 }},
			want: []string{"TCP 9999 192.0.2.3 unknown"}, says: "TCP port 9999 of 192.0.2.3", remedy: []string{"--add-port=9999/tcp", "nft insert rule inet filter input tcp dport 9999 accept"}},
		{name: "everything, of a host that is known by its hardware address", change: []func(*Facts){unheard(election.Unheard{Advertisements: true, Identity: true, Owner: "02:00:00:00:00:03"})},
			want: []string{"112 02:00:00:00:00:03 unknown", "TCP 10444 02:00:00:00:00:03 unknown"}, deaf: true, remedy: []string{"add-protocol=vrrp", "nft insert rule inet filter input meta l4proto 112 accept"}},
		{name: "of a host that is known by its Lease", change: []func(*Facts){unheard(election.Unheard{Advertisements: true, Node: "node3"})}, want: []string{"112 node3 unknown"}, deaf: true},
	} {
		t.Run(tc.name, func(t *testing.T) {
			f := backup()
			for _, change := range tc.change {
				change(&f)
			}
			s := Status(f, nil)
			var got []string
			for _, x := range s.VirtualRouter.Filtered {
				got = append(got, fmt.Sprintf("%s %s %s", x.Protocol, x.Peer, x.Direction))
			}
			if !slices.Equal(got, tc.want) {
				t.Fatalf("filtered %q, want %q", got, tc.want)
			}
			wantAdvice(t, s, tc.remedy, tc.says)
			if heard := s.Ready && !strings.Contains(strings.Join(s.NotReady, " "), "not heard"); heard == tc.deaf {
				t.Errorf("ready %v: %q, deaf is %v", s.Ready, s.NotReady, tc.deaf)
			}
			f.Loop.Election.State, f.Loop.Held = election.Active, true
			if s := Status(f, nil); !s.Ready {
				t.Errorf("a holder is not ready: %q", s.NotReady)
			}
		})
	}
}

// wantAdvice fails unless the first filter has the commands and the words, and the condition has those of all.
func wantAdvice(t *testing.T, s v1alpha1.HarbingerStatus, remedy []string, says string) {
	t.Helper()
	c := meta.FindStatusCondition(s.Conditions, v1alpha1.ConditionFiltered)
	if want := len(s.VirtualRouter.Filtered) > 0; (c.Status == metav1.ConditionTrue) != want {
		t.Errorf("condition %+v", c)
	}
	for i, x := range s.VirtualRouter.Filtered {
		if len(x.Remedy) != 2 || !strings.Contains(c.Message, x.Message) || !strings.Contains(c.Message, x.Remedy[0]) || !strings.Contains(c.Message, x.Remedy[1]) {
			t.Errorf("the condition says %q of %+v", c.Message, x)
		}
		for j, part := range remedy {
			if i == 0 && !strings.Contains(x.Remedy[j], part) {
				t.Errorf("remedy %q, want %q in it", x.Remedy[j], part)
			}
		}
		if i == 0 && !strings.Contains(x.Message, says) {
			t.Errorf("message %q, want %q in it", x.Message, says)
		}
	}
}

// A node that could not ask says so where it matters: a Backup decides by what it asks.
func TestCouldNotAskIsSaid(t *testing.T) {
	f := backup()
	f.Loop.Election.CouldNotAsk = "identity port (too many open files)"
	s := Status(f, nil)
	if s.VirtualRouter.CouldNotAsk != f.Loop.Election.CouldNotAsk || s.Ready || !strings.Contains(s.NotReady[0], "too many open files") {
		t.Errorf("couldNotAsk %q, not ready %q", s.VirtualRouter.CouldNotAsk, s.NotReady)
	}
	f.Loop.Election.State, f.Loop.Held = election.Active, true
	if s := Status(f, nil); !s.Ready {
		t.Errorf("a holder is not ready: %q", s.NotReady)
	}
}

func TestWhenTheInterfaceIsWatched(t *testing.T) {
	for _, tc := range []struct {
		e    election.Status
		want bool
	}{
		{election.Status{State: election.Backup}, false},
		{election.Status{State: election.Active}, false},
		{election.Status{State: election.Backup, SplitSuspected: true}, true},
		{election.Status{State: election.Claiming}, true},
		{election.Status{State: election.Active, Forged: peer4}, true},
		{election.Status{State: election.Conflict}, true},
		{election.Status{State: election.Active, Conflict: "192.0.2.3 claims 192.0.2.100"}, true},
	} {
		if got := Suspicious(tc.e); got != tc.want {
			t.Errorf("%+v is suspicious: %v", tc.e, got)
		}
	}
}

// A host that sends in the name of many others does not hide a known node, nor make each of them a line and a metric.
func TestFewSenders(t *testing.T) {
	known := netip.MustParseAddr("192.0.2.200")
	var senders []netip.Addr
	for i := range 64 {
		senders = append(senders, netip.AddrFrom4([4]byte{192, 0, 2, byte(i)}))
	}
	few := Few(append(senders, known), []netip.Addr{known})
	if len(few) != maxUnknown+1 || few[maxUnknown] != known || few[0] != senders[0] {
		t.Errorf("named are %v", few)
	}
	if got := Few(nil, []netip.Addr{known}); got != nil {
		t.Errorf("named are %v of none", got)
	}
}
