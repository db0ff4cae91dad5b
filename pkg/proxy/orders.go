// SPDX-License-Identifier: Apache-2.0

package proxy

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/harbinger-ha/harbinger/pkg/apis/status/v1alpha1"
	"github.com/harbinger-ha/harbinger/pkg/balance"
	"github.com/harbinger-ha/harbinger/pkg/health"
	"github.com/harbinger-ha/harbinger/pkg/logging"
)

// order takes what was ordered of the backends by hand. One that comes back starts slowly, and after maintenance as one that is not
// known.
func (m *monitor) order(now time.Time, orders balance.Orders) {
	for _, b := range m.backends {
		from, to := b.admin, orders.Of(b.Address)
		if from == to {
			continue
		}
		b.admin = to
		switch {
		case to == balance.Maintenance:
			m.retire(b.prober)
			b.prober = m.newProber(b.Backend)
			m.step(now, b, health.Suspended{Reason: "in maintenance"})
		case from == balance.Maintenance:
			b.returns = true
			m.step(now, b, health.Resumed{})
		}
		if to.Takes() {
			b.slowSince = now
			m.moves.Came(now.Add(m.settings.SlowStart))
		}
	}
}

// candidate is a backend as a pool sees it.
func candidate(backend balance.Backend, admin balance.AdminState, state health.State, accepts bool) balance.Candidate {
	return balance.Candidate{
		Backend:   backend,
		Admin:     admin,
		Healthy:   state == health.Healthy,
		Undecided: state == health.Unknown || state == health.Suspect,
		NotReady:  state == health.NotReady && accepts,
		Late:      state == health.Down && accepts,
	}
}

// Order takes a backend out of service or back, until the Supervisor ends or it is a backend no more. It returns what was ordered of
// it before, as soon as the balancer process does it, or ctx is done; where no process runs, the next one does. The last backend that
// can take connections goes only with force. Its error is for whoever asked.
func (s *Supervisor) Order(ctx context.Context, backend netip.AddrPort, to balance.AdminState, force bool) (from balance.AdminState, err error) {
	reason := "a command"
	s.setCommand(func(c *command) {
		from = c.Orders.Of(backend)
		if err = s.mayOrder(c, backend, to); err != nil && force && known(c.Settings.Backends, backend) {
			reason, err = "a command with --force: "+err.Error(), nil
		}
		if err == nil {
			c.Orders = c.Orders.Give(backend, to)
		}
	})
	if err != nil {
		return from, err
	}
	if from != to {
		s.logOrder(backend, from, to, reason)
	}
	s.await(ctx, func(status Status) bool {
		return slices.ContainsFunc(status.Backends, func(b BackendStatus) bool { return b.Address == backend && b.Admin == to })
	})
	return from, nil
}

// Connections returns the connections that the balancer relays, and those that have ended last. Its error is for whoever asked.
func (s *Supervisor) Connections(ctx context.Context) (v1alpha1.ConnectionList, error) {
	s.mu.Lock()
	s.asking++
	s.mu.Unlock()
	defer func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		if s.asking--; s.asking == 0 {
			s.list = nil
		}
	}()
	number := s.number(func(c *command) *int { return &c.List })
	s.await(ctx, func(status Status) bool { return status.List >= number })
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.status.PID == 0:
		return v1alpha1.ConnectionList{}, errors.New("no balancer process runs now: harbinger status has the reason")
	case s.status.List < number || s.list == nil:
		return v1alpha1.ConnectionList{}, errors.New("the balancer process has not answered in time: ask again")
	}
	return *s.list, nil
}

func known(backends []balance.Backend, address netip.AddrPort) bool {
	return slices.ContainsFunc(backends, func(b balance.Backend) bool { return b.Address == address })
}

// mayOrder returns why an order is refused, or nil. It is called with mu held.
func (s *Supervisor) mayOrder(c *command, backend netip.AddrPort, to balance.AdminState) error {
	if !known(c.Settings.Backends, backend) {
		var all []string
		for _, b := range c.Settings.Backends {
			all = append(all, b.Address.String())
		}
		return fmt.Errorf("%s is no backend of this balancer. Its backends are: %s", backend, strings.Join(all, ", "))
	}
	if !slices.Contains(balance.AdminStates(), to) {
		return fmt.Errorf("%q is no state of a backend", to)
	}
	if to.Takes() || !c.Orders.Of(backend).Takes() {
		return nil
	}
	orders := c.Orders.Give(backend, to)
	var others []string
	cfg := balance.Config{}
	for _, b := range c.Settings.Backends {
		state, accepts := health.Unknown, false
		if i := slices.IndexFunc(s.status.Backends, func(x BackendStatus) bool { return x.Address == b.Address }); i >= 0 {
			state, accepts = s.status.Backends[i].State, s.status.Backends[i].Accepts
		}
		cfg.Backends = append(cfg.Backends, candidate(b, orders.Of(b.Address), state, accepts))
		switch {
		case b.Address == backend:
		case !orders.Of(b.Address).Takes():
			others = append(others, fmt.Sprintf("%s is in %s", b.Address, orders.Of(b.Address)))
		default:
			others = append(others, fmt.Sprintf("%s is %s", b.Address, state))
		}
	}
	if balance.New(cfg).Usable() {
		return nil
	}
	if others == nil {
		others = []string{"there is no other one"}
	}
	return fmt.Errorf("no other backend could take connections: %s", strings.Join(others, ", "))
}

// logOrder says what has become of a backend by hand.
func (s *Supervisor) logOrder(backend netip.AddrPort, from, to balance.AdminState, reason string) {
	s.cfg.Log.Info(logging.MsgBackendOrdered, logging.KeyBackend, backend.String(), logging.KeyFrom, string(from), logging.KeyTo, string(to), logging.KeyReason, reason)
}
