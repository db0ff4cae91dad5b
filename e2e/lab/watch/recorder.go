// SPDX-License-Identifier: Apache-2.0

// Package watch has the live observers of a virtual address in a lab: a client that records when it is served, one that
// follows which hosts have the address in their kernels, and one that records which hosts answer ARP and neighbour discovery
// for it. They change nothing in the lab, and report in the vocabulary of package observe.
package watch

import (
	"slices"
	"sync"
	"time"

	"github.com/harbinger-ha/harbinger/e2e/observe"
)

// A recorder keeps which hosts had an address, from its first record on. Its methods may be called concurrently.
type recorder struct {
	control *Control

	mu      sync.Mutex
	began   time.Time // zero before the first call of record
	changes []observe.Change
	hosts   []string // those that have it now, sorted
}

// record notes which hosts have the address from now on.
func (r *recorder) record(now time.Time, hosts []string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.set(now, hosts)
}

// change notes that a host has the address from now on, or no longer.
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

// Since returns which hosts had the address since a moment, or since the first record, without stalls of the machine. Hosts
// that are named are left out: they are dead, frozen or cut off.
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
