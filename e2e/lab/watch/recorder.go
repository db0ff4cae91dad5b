// SPDX-License-Identifier: Apache-2.0

//go:build linux

// Package watch watches a virtual address in a lab: a client says when it is
// served, the kernels of the hosts say who has it, and ARP and neighbour
// discovery say who answers for it. It changes nothing in the lab, and reports
// in the vocabulary of package observe.
package watch

import (
	"slices"
	"sync"
	"time"

	"github.com/harbinger-ha/harbinger/e2e/observe"
)

// A recorder keeps who has an address from when it is first told so. Its methods
// may be called at the same time.
type recorder struct {
	control *Control

	mu      sync.Mutex
	began   time.Time // zero before the first call of record
	changes []observe.Change
	hosts   []string // those that have it now, sorted
}

// record says who has the address from now on.
func (r *recorder) record(now time.Time, hosts []string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.set(now, hosts)
}

// change says that a host has the address from now on, or has it no more.
func (r *recorder) change(now time.Time, host string, has bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	hosts := slices.DeleteFunc(slices.Clone(r.hosts), func(h string) bool { return h == host })
	if has {
		hosts = append(hosts, host)
	}
	r.set(now, hosts)
}

func (r *recorder) set(now time.Time, hosts []string) {
	if r.began.IsZero() {
		r.began = now
	}
	for _, h := range r.hosts {
		if !slices.Contains(hosts, h) {
			r.changes = append(r.changes, observe.Change{At: now, Host: h})
		}
	}
	for _, h := range hosts {
		if !slices.Contains(r.hosts, h) {
			r.changes = append(r.changes, observe.Change{At: now, Host: h, Has: true})
		}
	}
	r.hosts = slices.Sorted(slices.Values(hosts))
}

// Now returns the hosts that have the address.
func (r *recorder) Now() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.hosts
}

// Since returns who had the address since a moment, or since the first record,
// without stalls of the machine. Hosts that are named are left out: they are
// dead, frozen or cut off.
func (r *recorder) Since(since time.Time, except ...string) observe.Timeline {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.began.IsZero() {
		return nil
	}
	if since.Before(r.began) {
		since = r.began
	}
	return observe.NewTimeline(r.changes, since, time.Now()).Without(except...).LeaveOut(r.control.Stalled)
}
