// SPDX-License-Identifier: Apache-2.0

package control

import (
	"net/netip"
	"testing"
	"time"

	"github.com/harbinger-ha/harbinger/pkg/vrrp"
)

func TestJitter(t *testing.T) {
	const none = -1
	start := time.Unix(1000, 0)
	var a arrival
	for _, step := range []struct {
		name     string
		source   string
		at       time.Duration
		priority uint8
		interval time.Duration
		want     time.Duration // none: no jitter is observed
	}{
		{"the first one", "192.0.2.1", 0, 100, time.Second, none},
		{"in time", "192.0.2.1", time.Second, 100, time.Second, 0},
		{"late", "192.0.2.1", 2200 * time.Millisecond, 100, time.Second, 200 * time.Millisecond},
		{"early", "192.0.2.1", 3 * time.Second, 100, time.Second, 200 * time.Millisecond},
		{"with another interval", "192.0.2.1", 3100 * time.Millisecond, 100, 100 * time.Millisecond, 0},
		{"after a lost one", "192.0.2.1", 5100 * time.Millisecond, 100, time.Second, time.Second},
		{"of another holder", "192.0.2.2", 5200 * time.Millisecond, 100, time.Second, none},
		{"a release", "192.0.2.2", 5300 * time.Millisecond, vrrp.PriorityRelease, time.Second, none},
		{"the first one after it", "192.0.2.2", 6 * time.Second, 100, time.Second, none},
		{"after a stop", "192.0.2.2", 15 * time.Second, 100, time.Second, none},
		{"in time again", "192.0.2.2", 16 * time.Second, 100, time.Second, 0},
	} {
		p := vrrp.Packet{Source: netip.MustParseAddr(step.source), Advertisement: vrrp.Advertisement{Priority: step.priority, Interval: step.interval}}
		jitter, ok := a.next(p, start.Add(step.at))
		if want := step.want != none; ok != want || ok && jitter != step.want {
			t.Errorf("%s: jitter %v, %t, want %v", step.name, jitter, ok, step.want)
		}
	}
}
