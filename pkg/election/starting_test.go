// SPDX-License-Identifier: Apache-2.0

package election

import (
	"net/netip"
	"slices"
	"testing"
	"time"

	"github.com/harbinger-ha/harbinger/pkg/vrrp"
)

// Who starts where nobody holds the addresses has them after one probe and its turn.
func TestRow7StartAsks(t *testing.T) {
	for _, tc := range []struct {
		name    string
		options []option
		peers   PeersDone
		want    time.Duration
	}{
		{"among peers", []option{peerList}, PeersDone{Reached: []netip.Addr{upper}}, 442 * time.Millisecond},
		{"the gateway answers alone", []option{peerList}, PeersDone{Gateway: Answers}, 442 * time.Millisecond},
		{"no peer is known", nil, PeersDone{Gateway: Answers}, 422 * time.Millisecond},
		{"fast", []option{interval(200 * time.Millisecond)}, PeersDone{Gateway: Answers}, 232 * time.Millisecond},
	} {
		t.Run(tc.name, func(t *testing.T) {
			r := newRouter(t, tc.options...)
			r.peers = tc.peers
			r.step(Startup{}, HealthChanged{Healthy: true})
			r.wantWithin("takeover", r.until(Active, 5*time.Second), tc.want-time.Millisecond, tc.want+time.Millisecond)
			if n := r.did("probe"); n != 1 || !slices.Contains(r.trace, "probe timeout="+r.e.probeTimeout().String()+" asks=8") {
				t.Errorf("did %q, want one probe that asks often", r.trace)
			}
		})
	}
}

// A probe that nobody answers shows nothing by itself: this link may not forward yet, or lose frames.
func TestRow7StartWithoutProof(t *testing.T) {
	const full = 3629 * time.Millisecond // with the turn of one peer
	silent := found(Free)
	suppressed := silent
	suppressed.Neighbour, suppressed.Owner = Answers, "02:00:00:00:00:99"
	lossy := silent
	lossy.Asked, lossy.Heard = 8, 6
	for _, tc := range []struct {
		name  string
		peers PeersDone
		probe ProbeDone
	}{
		{"nobody is reached", PeersDone{Gateway: Nobody}, silent},
		{"nobody could be asked", PeersDone{CouldNotAsk: true}, silent},
		{"a peer hears a holder", PeersDone{Reached: []netip.Addr{upper}, Heard: []netip.Addr{lower}}, silent},
		{"something answers ARP", PeersDone{Reached: []netip.Addr{upper}}, suppressed},
		{"the link loses frames", PeersDone{Reached: []netip.Addr{upper}}, lossy},
	} {
		t.Run(tc.name, func(t *testing.T) {
			r := newRouter(t, peerList)
			r.peers, r.verdict = tc.peers, tc.probe
			r.step(Startup{}, HealthChanged{Healthy: true})
			r.run(2 * time.Second)
			r.wantState(Backup)
			r.verdict = silent
			r.wantWithin("takeover", 2*time.Second+r.until(Active, 5*time.Second), full, full+2*time.Millisecond)
		})
	}
}

// Whoever is heard or seen before the early end of the timer gives the node the full one.
func TestRow7StartHearsAnother(t *testing.T) {
	for _, tc := range []struct {
		name string
		ev   Event
	}{
		{"a lower priority, which is preempted later", Received{Source: upper, Advertisement: vrrp.Advertisement{Version: vrrp.Version3, Priority: 50, Interval: time.Second}}},
		{"an equal one", Received{Source: upper, Advertisement: vrrp.Advertisement{Version: vrrp.Version3, Priority: 100, Interval: time.Second}}},
		{"an announcement", AddressClaimed{Address: vip, Owner: "02:00:00:00:00:83", Peer: upper}},
	} {
		for _, at := range []time.Duration{100 * time.Millisecond, 400 * time.Millisecond} { // before and after the answers
			t.Run(tc.name+" after "+at.String(), func(t *testing.T) {
				r := newRouter(t, peerList)
				r.step(Startup{}, HealthChanged{Healthy: true})
				r.run(at)
				r.step(tc.ev)
				r.run(2 * time.Second)
				r.wantState(Backup)
			})
		}
	}
}

// The Lease has the last word at the start as well. An API that does not answer is asked twice.
func TestRow7StartReadsTheLease(t *testing.T) {
	for _, tc := range []struct {
		name  string
		lease Lease
		down  bool
		takes time.Duration
		want  time.Duration
	}{
		{"never written", Lease{}, false, 10 * msec, 452 * msec},
		{"released", Lease{Epoch: 4}, false, 10 * msec, 452 * msec},
		{"of this node, which crashed", Lease{Holder: "me/0", Node: "me", Epoch: 4}, false, 10 * msec, 452 * msec},
		{"no answer", Lease{}, true, 10 * msec, 442 * msec},
		{"hung", Lease{}, true, AnswerTimeout, 2*AnswerTimeout + 442*msec}, // the address is asked again
		{"of another node", another(4), false, 10 * msec, 3640 * msec},
	} {
		t.Run(tc.name, func(t *testing.T) {
			r := newRouter(t, hybrid, peerList)
			r.api = &fakeAPI{down: tc.down, takes: tc.takes}
			if tc.lease.Epoch > 0 {
				r.api.put(tc.lease)
			}
			r.step(Startup{}, HealthChanged{Healthy: true})
			r.wantWithin("takeover", r.until(Active, 5*time.Second), tc.want-2*msec, tc.want+2*msec)
		})
	}
}

// Where kube-vip may lead, and in mode Lease, nothing is asked at the start.
func TestRow7StartOfOtherModes(t *testing.T) {
	for name, option := range map[string]option{
		"predecessor": func(c *Config) { c.Mode, c.Predecessor = Hybrid, "kube-system/plndr-cp-lock" },
		"Lease":       func(c *Config) { c.Mode = LeaseOnly },
	} {
		t.Run(name, func(t *testing.T) {
			e := New(newRouter(t, peerList, option).e.cfg)
			for _, a := range e.Step(epoch, Startup{}) {
				if _, asks := a.(Probe); asks {
					t.Errorf("does %s", a)
				}
			}
		})
	}
}
