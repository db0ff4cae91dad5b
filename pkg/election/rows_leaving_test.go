// SPDX-License-Identifier: Apache-2.0

package election

import (
	"testing"
	"time"
)

// The tests of this file hold the planned stop that makes before it breaks, which takes the place of row 36.

func leaving(t *testing.T) *router {
	r := active(t)
	r.run(time.Second)
	r.taken()
	r.step(Shutdown{})
	r.wantState(Leaving)
	return r
}

func TestLeavingServesUntilTheSuccessor(t *testing.T) {
	r := leaving(t)
	r.run(600 * time.Millisecond)
	if r.did(advertisement(0)) != 2 {
		t.Errorf("did %q, want two releases", r.trace)
	}
	r.wantNone("release", "announce", advertisement(100))
	if r.did("refresh") == 0 {
		t.Errorf("did %q, want the addresses kept", r.trace)
	}
	r.taken()
	r.hear(lower, 50)
	r.run(49 * time.Millisecond)
	r.wantState(Leaving)
	r.run(2 * time.Millisecond)
	r.wantState(Initialize)
	r.wantOrder("release", "Leaving to Initialize", "finished")
	r.wantNone("advertise", "announce", "acquire")
}

func TestLeavingAloneIsBounded(t *testing.T) {
	r := leaving(t)
	r.wantWithin("leaving without a successor", r.until(Initialize, 10*time.Second), 4490*time.Millisecond, 4510*time.Millisecond)
	if r.did("release") != 1 || r.did("finished") != 1 {
		t.Errorf("did %q", r.trace)
	}
}

func TestLeavingIgnores(t *testing.T) {
	r := leaving(t)
	r.run(100 * time.Millisecond)
	r.taken()
	r.hear(upper, 0) // another that leaves is no successor
	r.claim(foreign)
	r.step(Shutdown{}, Startup{}, LinkChanged{Up: true}, HealthChanged{Healthy: false}, found(Free))
	r.wantState(Leaving)
	if len(r.trace) != 0 {
		t.Errorf("did %q", r.trace)
	}
}

// Where protocol 112 is filtered, the successor's announcement shows it.
func TestLeavingSeesItsSuccessorByARP(t *testing.T) {
	r := leaving(t)
	r.run(600 * time.Millisecond)
	r.claim(lower)
	r.wantWithin("the end", r.until(Initialize, time.Second), 49*time.Millisecond, 51*time.Millisecond)
}

// From when the successor is on the wire, it alone answers who asks for the addresses.
func TestRow36LeavesAddressResolutionToItsSuccessor(t *testing.T) {
	for name, see := range map[string]func(*router){
		"by its advertisement": func(r *router) { r.hear(lower, 50) },
		"by its announcement":  func(r *router) { r.claim(lower) },
	} {
		t.Run(name, func(t *testing.T) {
			r := leaving(t)
			r.run(600 * time.Millisecond)
			r.hear(upper, 0)
			r.wantNone("resolve")
			r.taken()
			see(r)
			see(r)
			if r.did("resolve refused") != 1 {
				t.Errorf("did %q, want resolution refused once", r.trace)
			}
			r.until(Initialize, time.Second)
			r.wantNone("resolve answered")
		})
	}
}

// Other heard advertisements do not lengthen the linger.
func TestLeavingLingersOnce(t *testing.T) {
	r := leaving(t)
	for range 6 {
		r.hear(lower, 50)
		r.run(10 * time.Millisecond)
	}
	r.wantState(Initialize)
}

func TestLeavingRepairs(t *testing.T) {
	r := leaving(t)
	r.taken()
	r.step(AddressLost{})
	r.wantOrder("acquire")
	r.wantNone("announce")
	r.step(AddressLate{})
	r.wantState(Initialize)
	r.wantOrder("release", "finished")
}

func TestLeavingLinkDown(t *testing.T) {
	r := leaving(t)
	r.step(LinkChanged{Up: false})
	r.wantState(Initialize)
	r.wantOrder("release", "finished")
}

// A frozen process that thaws has not served, and its successor may not have been heard.
func TestLeavingFence(t *testing.T) {
	r := leaving(t)
	r.run(100 * time.Millisecond)
	r.taken()
	r.now = r.now.Add(4 * time.Second)
	r.step(Tick{})
	r.wantState(Initialize)
	r.wantOrder("release", "finished")
	r.wantNone("refresh", "advertise", "announce")
}
