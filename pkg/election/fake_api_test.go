// SPDX-License-Identifier: Apache-2.0

package election

import (
	"strconv"
	"testing"
	"time"
)

// fakeAPI is a store of one Lease that answers one router.
type fakeAPI struct {
	lease    Lease
	revision int
	takes    time.Duration
	down     bool
	writes   []Lease
	reads    int
	open     []pendingAnswer
}

type pendingAnswer struct {
	at   time.Time
	done LeaseDone
}

func (f *fakeAPI) ask(now time.Time, a Action) {
	d := LeaseDone{Sent: now}
	switch a := a.(type) {
	case ReadLease:
		f.reads++
		d.Lease = f.lease
	case WriteLease:
		f.writes = append(f.writes, a.Lease)
		switch {
		case f.down:
		case a.Lease.Version != f.lease.Version:
			d.Outcome = Refused
		default:
			f.put(a.Lease)
			d.Lease = f.lease
		}
	default:
		return
	}
	if f.down {
		d = LeaseDone{Outcome: Unanswered, Sent: now, Detail: "down"}
	}
	takes := f.takes
	if takes == 0 {
		takes = 10 * time.Millisecond
	}
	f.open = append(f.open, pendingAnswer{now.Add(takes), d})
}

// put stores a Lease as somebody's write.
func (f *fakeAPI) put(l Lease) {
	f.revision++
	l.Version = strconv.Itoa(f.revision)
	f.lease = l
}

// another is a Lease of another node.
func another(epoch int) Lease {
	return Lease{Holder: "other/1", Node: "other", Epoch: epoch, Address: upper, Priority: 100}
}

// hybrid makes a router that arbitrates by a Lease, as node "me".
func hybrid(c *Config) {
	c.Mode, c.Node, c.Identity = Hybrid, "me", "me/1"
	c.Lease = LeaseTimes{RenewInterval: time.Second, StaleAfter: 2 * time.Second, Duration: 5 * time.Second}
}

// withAPI returns a healthy router in Backup whose API has a Lease.
func withAPI(t *testing.T, l Lease, options ...option) (*router, *fakeAPI) {
	f := &fakeAPI{}
	if l.Holder != "" || l.Epoch > 0 {
		f.put(l)
	}
	r := newRouter(t, append([]option{hybrid}, options...)...)
	r.api = f
	r.step(Startup{}, HealthChanged{Healthy: true})
	r.unproved()
	r.taken()
	return r, f
}
