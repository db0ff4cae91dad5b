// SPDX-License-Identifier: Apache-2.0

// Package plan plans which faults are done to the hosts of a cluster, and when: at random, but the same for the same seed.
// It does nothing to anybody.
//
// One fault follows another with time to recover in between, so that at most one host is away and the others have a majority
// in etcd: what the API acknowledges has to stay. The fault of a plan names a role, because who holds the virtual IP is known
// only when the fault is due.
package plan

import (
	"fmt"
	"math/rand/v2"
	"time"
)

// A Kind is what is done to a host.
type Kind string

// The kinds of faults.
const (
	Pause           Kind = "pause"             // freeze the whole host for a while
	Stop            Kind = "stop"              // switch it off, and on after a while
	KillHarbinger   Kind = "kill harbinger"    // all its processes, with SIGKILL
	KillAPIServer   Kind = "kill apiserver"    // with SIGKILL
	KillEtcd        Kind = "kill etcd"         // with SIGKILL
	Unplug          Kind = "unplug"            // take it off the network for a while
	FilterFrom      Kind = "filter VRRP from"  // nobody hears its protocol 112 for a while
	FilterAll       Kind = "filter VRRP of"    // nobody hears anybody's
	RestartKubelet  Kind = "restart kubelet"   // by systemd
	DeleteMirrorPod Kind = "delete mirror pod" // of Harbinger, by the API
	HandOver        Kind = "handover by"       // the virtual IP to another host, as an administrator
)

// A Role tells which of three hosts is meant.
type Role int

// The roles. The backups are in the order of the hosts.
const (
	All Role = iota
	Holder
	FirstBackup
	SecondBackup
)

func (r Role) String() string {
	return [...]string{"all", "holder", "first backup", "second backup"}[r]
}

// Of returns the host of the role among three, one of which is the holder. No host has the role All.
func (r Role) Of(hosts []string, holder string) string {
	role := FirstBackup
	for _, host := range hosts {
		if host == holder {
			if r == Holder {
				return host
			}
			continue
		}
		if r == role {
			return host
		}
		role++
	}
	return ""
}

// A Fault is one thing that is done.
type Fault struct {
	At       time.Duration // since the begin of the plan
	Kind     Kind
	Role     Role
	For      time.Duration // until it is undone; zero: there is nothing to undo
	Recovery time.Duration // from then on, in which nothing else happens
}

// End returns when the next fault may come.
func (f Fault) End() time.Duration { return f.At + f.For + f.Recovery }

// String returns the fault in one line.
func (f Fault) String() string {
	s := fmt.Sprintf("%6.1f s  %s %s", f.At.Seconds(), f.Kind, f.Role)
	if f.For > 0 {
		s += fmt.Sprintf(" for %.1f s", f.For.Seconds())
	}
	return s
}

// silences reports whether Harbinger says nothing on a host under a fault of the kind.
func (k Kind) silences() bool {
	return k == Pause || k == Stop || k == KillHarbinger || k == Unplug
}

// A habit is how a kind of fault is done: for how long, and how long it takes to recover from it. An apiserver needs half a
// minute after the start of its host.
type habit struct {
	kind        Kind
	least, most time.Duration
	recovery    time.Duration
}

var habits = []habit{
	{Pause, 1 * time.Second, 20 * time.Second, 20 * time.Second},
	{Stop, 5 * time.Second, 20 * time.Second, 60 * time.Second},
	{KillHarbinger, 0, 0, 30 * time.Second},
	{KillAPIServer, 0, 0, 30 * time.Second},
	{KillEtcd, 0, 0, 30 * time.Second},
	{Unplug, 1 * time.Second, 20 * time.Second, 20 * time.Second},
	{FilterFrom, 1 * time.Second, 20 * time.Second, 10 * time.Second},
	{FilterAll, 1 * time.Second, 20 * time.Second, 10 * time.Second},
	{RestartKubelet, 0, 0, 20 * time.Second},
	{DeleteMirrorPod, 0, 0, 20 * time.Second},
	{HandOver, 0, 0, 10 * time.Second},
}

// New returns a plan that fills a time: faults are added until the next one would not end within it. Before each comes a calm
// of random length up to the one given, beside the time to recover.
//
// Every kind comes once before any comes again: so the kubelet restarts a container that is killed again without making it
// wait for long. Of three faults that silence a host one hits the holder, which may cost the clients of the virtual IP some
// seconds.
func New(seed uint64, length, calm time.Duration) []Fault {
	random := rand.New(rand.NewPCG(seed, 0))
	roles := []Role{Holder, FirstBackup, SecondBackup}
	next := deck[habit]{random: random, cards: habits}
	silenced := deck[Role]{random: random, cards: roles}
	others := deck[Role]{random: random, cards: roles}

	var plan []Fault
	for at := time.Duration(0); ; {
		h := next.deal()
		f := Fault{At: at + between(random, 0, calm), Kind: h.kind, For: between(random, h.least, h.most), Recovery: h.recovery}
		switch {
		case h.kind == FilterAll:
			f.Role = All
		case h.kind == HandOver:
			f.Role = Holder
		case h.kind.silences():
			f.Role = silenced.deal()
		default:
			f.Role = others.deal()
		}
		if at = f.End(); at > length {
			return plan
		}
		plan = append(plan, f)
	}
}

// between returns a random time in tenths of a second.
func between(random *rand.Rand, least, most time.Duration) time.Duration {
	const step = 100 * time.Millisecond
	return least + step*time.Duration(random.Int64N(int64((most-least)/step)+1))
}

// A deck deals each of its cards once, in a random order, before it deals any again.
type deck[T any] struct {
	random *rand.Rand
	cards  []T
	left   []int // of the cards
}

func (d *deck[T]) deal() T {
	if len(d.left) == 0 {
		d.left = d.random.Perm(len(d.cards))
	}
	card := d.cards[d.left[0]]
	d.left = d.left[1:]
	return card
}
