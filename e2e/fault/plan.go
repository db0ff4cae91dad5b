// SPDX-License-Identifier: Apache-2.0

package fault

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"time"
)

// A Role says which of three hosts is meant.
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
	backups := slices.DeleteFunc(slices.Clone(hosts), func(host string) bool { return host == holder })
	return append([]string{"", holder}, backups...)[r]
}

// A Step is one fault of a plan. It names a role, because who holds the virtual IP is known only when the fault is due.
type Step struct {
	Fault
	At       time.Duration // since the begin of the plan
	Role     Role
	For      time.Duration // until it is undone; zero: there is nothing to undo
	Recovery time.Duration // from then on, in which nothing else happens
	verb     string
}

// End returns when the next fault may come.
func (s Step) End() time.Duration { return s.At + s.For + s.Recovery }

// String returns the step in one line.
func (s Step) String() string {
	text := fmt.Sprintf("%6.1f s  %s %s", s.At.Seconds(), s.verb, s.Role)
	if s.For > 0 {
		text += fmt.Sprintf(" for %.1f s", s.For.Seconds())
	}
	return text
}

// A habit is how a fault is done at random: for how long, and how long it takes to recover from it. An apiserver needs half a
// minute after the start of its host.
type habit struct {
	fault       Fault
	verb        string
	least, most time.Duration
	recovery    time.Duration
}

var habits = []habit{
	{HostFreezes, "pause", 1 * time.Second, 20 * time.Second, 20 * time.Second},
	{PowerLoss, "stop", 5 * time.Second, 20 * time.Second, 60 * time.Second},
	{Kill, "kill harbinger", 0, 0, 30 * time.Second},
	{APIServerDies, "kill apiserver", 0, 0, 30 * time.Second},
	{EtcdDies, "kill etcd", 0, 0, 30 * time.Second},
	{CableCut, "unplug", 1 * time.Second, 20 * time.Second, 20 * time.Second},
	{HolderFiltered, "filter VRRP from", 1 * time.Second, 20 * time.Second, 10 * time.Second},
	{AllFiltered, "filter VRRP of", 1 * time.Second, 20 * time.Second, 10 * time.Second},
	{KubeletRestart, "restart kubelet", 0, 0, 20 * time.Second},
	{PodDeleted, "delete mirror pod", 0, 0, 20 * time.Second},
	{HandedOver, "handover by", 0, 0, 10 * time.Second},
}

// AtRandom returns the faults of a plan.
func AtRandom() (faults []Fault) {
	for _, h := range habits {
		faults = append(faults, h.fault)
	}
	return faults
}

// NewPlan returns the steps that fill a time, at random but the same for the same seed: faults are added until the next one
// would not end within it. Before each comes a calm of random length up to the one given, on top of the time to recover. At most
// one host is away at a time and the others have a majority in etcd: what the API acknowledges has to stay.
//
// Every fault comes once before any comes again: so the kubelet restarts a container that is killed again without making it
// wait for long. Of three faults that silence a host one hits the holder, which may cost the clients of the virtual IP some
// seconds.
func NewPlan(seed uint64, length, calm time.Duration) []Step {
	random := rand.New(rand.NewPCG(seed, 0))
	roles := []Role{Holder, FirstBackup, SecondBackup}
	next := deck[habit]{random: random, cards: habits}
	silenced := deck[Role]{random: random, cards: roles}
	others := deck[Role]{random: random, cards: roles}

	var plan []Step
	for at := time.Duration(0); ; {
		h := next.deal()
		step := Step{
			Fault: h.fault, At: at + between(random, 0, calm), For: between(random, h.least, h.most), Recovery: h.recovery, verb: h.verb,
		}
		switch {
		case h.fault.Act == MuteAll:
			step.Role = All
		case h.fault.Act == HandOver:
			step.Role = Holder
		case h.fault.Apart():
			step.Role = silenced.deal()
		default:
			step.Role = others.deal()
		}
		if at = step.End(); at > length {
			return plan
		}
		plan = append(plan, step)
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
