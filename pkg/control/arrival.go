// SPDX-License-Identifier: Apache-2.0

package control

import (
	"net/netip"
	"time"

	"github.com/harbinger-ha/harbinger/pkg/vrrp"
)

// arrival is the last advertisement of one family.
type arrival struct {
	source netip.Addr
	at     time.Time
}

// missed is how many intervals may pass between two advertisements of one holder: after more of them a Backup has taken over, so that
// the time between is no jitter.
const missed = 3

// next notes an advertisement that was read now. It returns by how much the time since the one before differs from the interval that it
// names; ok is false where the one before was another holder's, or the holder has stopped in between.
func (a *arrival) next(p vrrp.Packet, now time.Time) (jitter time.Duration, ok bool) {
	last := *a
	*a = arrival{p.Source, now}
	if p.Advertisement.Priority == vrrp.PriorityRelease {
		*a = arrival{}
	}
	passed, interval := now.Sub(last.at), p.Advertisement.Interval
	if last.source != p.Source || a.source != p.Source || passed > (missed+1)*interval {
		return 0, false
	}
	return (passed - interval).Abs(), true
}

// arrived observes when an advertisement was read.
func (l *Loop) arrived(p vrrp.Packet) {
	family := &l.arrivals[0]
	if p.Source.Is6() {
		family = &l.arrivals[1]
	}
	if jitter, ok := family.next(p, l.cfg.Now()); ok {
		l.cfg.Metrics.Jitter(jitter.Seconds())
	}
}
