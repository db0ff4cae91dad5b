// SPDX-License-Identifier: Apache-2.0

package election

import (
	"time"

	"github.com/harbinger-ha/harbinger/pkg/vrrp"
)

// keepalived is VRRP and nothing else, with keepalived's order of things: it advertises before it adds the address and says
// that it leaves before it deletes it; its address has no lifetime; it asks nobody and ignores ARP.
type keepalived struct {
	cfg      Config
	state    State
	learned  time.Duration
	due      time.Time
	announce time.Time // the second five announcements
}

func newKeepalived(cfg Config) *keepalived {
	return &keepalived{cfg: cfg, learned: cfg.AdvertisementInterval}
}

func (k *keepalived) State() State { return k.state }

func (k *keepalived) Deadline() time.Time {
	if !k.announce.IsZero() && k.announce.Before(k.due) {
		return k.announce
	}
	return k.due
}

func (k *keepalived) Step(now time.Time, ev Event) []Action {
	switch ev := ev.(type) {
	case Startup:
		return append([]Action{Release{}}, k.backup(now)...)
	case Shutdown:
		if k.state == Active {
			return []Action{Advertise{}, Release{}, Finished{}}
		}
		return []Action{Release{}, Finished{}}
	case LinkChanged:
		if !ev.Up {
			k.due, k.announce = time.Time{}, time.Time{}
			return append([]Action{Release{}}, k.become(Initialize))
		}
		return k.backup(now)
	case Received:
		return k.received(now, ev)
	case Tick:
		return k.tick(now)
	}
	return nil
}

func (k *keepalived) become(s State) Action {
	t := Transition{From: k.state, To: s, Reason: "keepalived"}
	k.state = s
	return t
}

func (k *keepalived) backup(now time.Time) []Action {
	k.due, k.announce = now.Add(vrrp.ActiveDownInterval(k.cfg.Version, k.cfg.Priority, k.learned)), time.Time{}
	return []Action{k.become(Backup)}
}

func (k *keepalived) tick(now time.Time) (out []Action) {
	if !k.announce.IsZero() && !now.Before(k.announce) {
		k.announce = time.Time{}
		out = append(out, Announce{})
	}
	if k.due.IsZero() || now.Before(k.due) {
		return out
	}
	k.due = now.Add(k.cfg.AdvertisementInterval)
	out = append(out, Advertise{Priority: k.cfg.Priority})
	if k.state == Backup {
		k.announce = now.Add(5 * time.Second)
		out = append(out, k.become(Active), Acquire{}, Announce{})
	}
	return out
}

func (k *keepalived) received(now time.Time, ev Received) []Action {
	p := ev.Advertisement.Priority
	switch {
	case k.state == Backup && p == vrrp.PriorityRelease:
		k.due = now.Add(vrrp.SkewTime(k.cfg.Version, k.cfg.Priority, k.learned))
	case k.state == Backup && (p >= k.cfg.Priority || !k.cfg.Preempt):
		k.learned = ev.Advertisement.Interval
		k.due = now.Add(vrrp.ActiveDownInterval(k.cfg.Version, k.cfg.Priority, k.learned))
	case k.state == Active && (p > k.cfg.Priority || p == k.cfg.Priority && k.cfg.Primary[0].Less(ev.Source)):
		k.learned = ev.Advertisement.Interval
		return append([]Action{Release{}}, k.backup(now)...)
	case k.state == Active: // a loser, or one that leaves
		k.due, k.announce = now.Add(k.cfg.AdvertisementInterval), now.Add(5*time.Second)
		return []Action{Advertise{Priority: k.cfg.Priority}, Announce{}}
	}
	return nil
}
