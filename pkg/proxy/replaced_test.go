// SPDX-License-Identifier: Apache-2.0

package proxy

import (
	"errors"
	"net/netip"
	"slices"
	"syscall"
	"testing"
	"time"

	"github.com/go-logr/logr"

	"github.com/harbinger-ha/harbinger/pkg/balance"
	"github.com/harbinger-ha/harbinger/pkg/health"
)

// A replacing is a monitor whose backends are replaced by others.
type replacing struct {
	*monitor
	now time.Time
}

func newReplacing(t *testing.T) *replacing {
	m := newMonitor(logr.Discard(), newServer(t), (&verdicts{}).newChecker)
	m.probe = func(*prober, time.Duration) {}
	t.Cleanup(m.close)
	return &replacing{m, time.Unix(1_800_000_000, 0)}
}

// apply names the backends.
func (r *replacing) apply(addresses ...netip.AddrPort) {
	var backends []balance.Backend
	for _, address := range addresses {
		backends = append(backends, balance.Backend{Address: address})
	}
	r.monitor.apply(r.now, testSettings(backends...))
	r.route()
}

// check has a check of a backend end.
func (r *replacing) check(address netip.AddrPort, err error) {
	r.tick(r.now)
	b := find(r.backends, func(b *monitored) bool { return b.Address == address })
	if r.checked(r.now, result{prober: b.prober, err: err}) {
		r.route()
	}
}

// are returns the addresses of all backends, and which of them a new connection reaches first.
func (r *replacing) are() (all []netip.AddrPort, first netip.AddrPort) {
	for _, b := range r.backends {
		all = append(all, b.Address)
	}
	if i, ok := r.pool.Pick(balance.Request{Now: r.now, Active: func(int) int { return 0 }}); ok {
		first = all[i]
	}
	return all, first
}

// want compares all of them, and the first one.
func (r *replacing) want(t *testing.T, first netip.AddrPort, all ...netip.AddrPort) {
	t.Helper()
	if gotAll, gotFirst := r.are(); !slices.Equal(gotAll, all) || gotFirst != first {
		t.Errorf("a connection reaches %v of %v, want %v of %v", gotFirst, gotAll, first, all)
	}
}

// replaced returns a monitor whose one backend, which is healthy, was replaced by another one.
func replaced(t *testing.T) (r *replacing, old, fresh netip.AddrPort) {
	r = newReplacing(t)
	old, fresh = newGreeter(t, "a").address, newGreeter(t, "b").address
	r.apply(old)
	r.check(old, nil)
	r.apply(fresh)
	return r, old, fresh
}

// The only apiserver gets another address, as its discovery names it: the old one is a backend until the new one is known to be
// healthy, so that the node always has a healthy backend.
func TestReplacedBackendStaysUntilAnotherIsHealthy(t *testing.T) {
	r := newReplacing(t)
	old, dead, fresh := newGreeter(t, "a").address, newGreeter(t, "b").address, newGreeter(t, "c").address
	r.apply(old)
	r.check(old, nil)
	r.apply(dead, fresh)
	r.want(t, old, dead, fresh, old)
	for range 5 { // more than any threshold
		r.check(dead, syscall.ECONNREFUSED)
		r.want(t, old, dead, fresh, old)
		r.now = r.now.Add(time.Second)
	}
	r.check(old, nil) // it is checked as long as it is there
	r.check(fresh, nil)
	r.want(t, fresh, dead, fresh)
}

// What replaces a backend turns out not to be healthy: the settings stand.
func TestReplacedBackendGoesWithoutSuccessor(t *testing.T) {
	r, old, fresh := replaced(t)
	for range testSettings().HealthCheck.FailureThreshold {
		r.want(t, old, fresh, old) // one check may just have been slow
		r.now = r.now.Add(time.Second)
		r.check(fresh, errors.New("not ready"))
	}
	if all, _ := r.are(); !slices.Equal(all, []netip.AddrPort{fresh}) {
		t.Errorf("the backends are %v", all)
	}
}

// Nothing keeps a backend that nobody needs: where a healthy one stays, where it is not healthy itself, and where it was ordered out.
func TestRemovedBackendGoesAtOnce(t *testing.T) {
	old, stays, fresh := newGreeter(t, "a").address, newGreeter(t, "b").address, newGreeter(t, "c").address
	for name, prepare := range map[string]func(*replacing){
		"another one is healthy": func(r *replacing) { r.check(stays, nil) },
		"it is down":             func(r *replacing) { r.check(old, syscall.ECONNREFUSED); r.check(stays, syscall.ECONNREFUSED) },
		"it drains":              func(r *replacing) { r.order(r.now, balance.Orders{old: balance.Drain}) },
	} {
		t.Run(name, func(t *testing.T) {
			r := newReplacing(t)
			r.apply(old, stays)
			if name != "it is down" {
				r.check(old, nil)
			}
			prepare(r)
			r.apply(stays, fresh)
			if all, _ := r.are(); !slices.Equal(all, []netip.AddrPort{stays, fresh}) {
				t.Errorf("the backends are %v", all)
			}
		})
	}
}

// One that leaves and is named again is a backend as before, with what is known of it.
func TestReplacedBackendComesBack(t *testing.T) {
	r, old, _ := replaced(t)
	r.apply(old)
	r.want(t, old, old)
	if state := r.backends[0].check.State(); state != health.Healthy {
		t.Errorf("it is %v", state)
	}
}

// As many backends as there may be are replaced by as many others.
func TestAllBackendsReplaced(t *testing.T) {
	r := newReplacing(t)
	var olds, news []netip.AddrPort
	for i := range uint16(balance.MaxBackends) {
		olds = append(olds, netip.AddrPortFrom(netip.MustParseAddr("192.0.2.1"), 1+i))
		news = append(news, netip.AddrPortFrom(netip.MustParseAddr("192.0.2.2"), 1+i))
	}
	r.apply(olds...)
	for _, old := range olds {
		r.check(old, nil)
	}
	r.apply(news...)
	if all, first := r.are(); len(all) != 2*balance.MaxBackends || first.Addr() != olds[0].Addr() {
		t.Errorf("a connection reaches %v of %d", first, len(all))
	}
	r.check(news[0], nil)
	r.want(t, news[0], news...)
}
