// SPDX-License-Identifier: Apache-2.0

package sidecar

import (
	"context"
	"errors"
	"net/netip"
	"time"

	"github.com/harbinger-ha/harbinger/pkg/apis/status/v1alpha1"
	"github.com/harbinger-ha/harbinger/pkg/balance"
	"github.com/harbinger-ha/harbinger/pkg/command"
	"github.com/harbinger-ha/harbinger/pkg/election"
	"github.com/harbinger-ha/harbinger/pkg/guard"
	"github.com/harbinger-ha/harbinger/pkg/logging"
)

// leave ends the sessions of the virtual addresses, which are about to leave this host, while their clients can still be sent a
// reset: those of the balancer, those that the kernel passes on, and those of whatever else listens on the addresses.
func (s *sidecar) leave(ctx context.Context) {
	all, _ := guard.WithContext(ctx) // each is tried, whatever becomes of the others
	all.Go(func() error {
		s.balancing.supervisor.EndSessions(ctx)
		return nil
	})
	all.Go(func() error { return s.balancing.kernel.leave(ctx) })
	all.Go(func() error { return s.addresses.EndSessions(ctx) })
	if err := all.Wait(); err != nil && !errors.Is(err, context.DeadlineExceeded) {
		s.metrics.Failed("end sessions")
		s.Log.Error(err, logging.MsgSessionsNotEnded)
	}
}

// settle gives the sessions of the virtual addresses time before a planned move: downloads end, while this host still has the
// addresses and serves. It returns how much of the drain is left for the connections that stay.
func (s *sidecar) settle(ctx context.Context) (left time.Duration) {
	left = s.members.now().Config.LoadBalancer.Drain.Timeout
	if !s.loop.Status().Held {
		return left
	}
	began := time.Now()
	s.balancing.settle(ctx, left)
	if took := time.Since(began); took > time.Second {
		s.Log.Info(logging.MsgSettled, logging.KeyLasted, took.Round(time.Millisecond).String())
	}
	return max(0, left-time.Since(began))
}

// handover accepts the request for a planned move of the addresses to another node, and returns how long it may take until that
// begins.
func (s *sidecar) handover(_ context.Context, to string) (within time.Duration, err error) {
	return s.members.now().Config.LoadBalancer.Drain.Timeout, s.guarded("handover", func() error {
		if err := command.CheckHandover(s.loop.Status().Election, s.Node, to); err != nil {
			return err
		}
		select {
		case s.handovers <- to:
			return nil
		default:
			return errors.New("a handover is under way already")
		}
	})
}

// orderTime bounds how long an order, or a question, waits for the balancer process.
const orderTime = 5 * time.Second

// order takes a backend out of service, or back.
func (s *sidecar) order(ctx context.Context, backend netip.AddrPort, to balance.AdminState, force bool) (from balance.AdminState, err error) {
	ctx, cancel := context.WithTimeout(ctx, orderTime)
	defer cancel()
	err = s.guarded("order", func() (err error) {
		from, err = s.balancing.supervisor.Order(ctx, backend, to, force)
		return err
	})
	return from, err
}

// connections returns the connections of the balancer, and those that the kernel passes on.
func (s *sidecar) connections(ctx context.Context) (list v1alpha1.ConnectionList, err error) {
	ctx, cancel := context.WithTimeout(ctx, orderTime)
	defer cancel()
	err = s.guarded("connections", func() (err error) {
		if list, err = s.balancing.supervisor.Connections(ctx); err != nil {
			return err
		}
		list.Passed, list.PassedLeftOut, err = s.balancing.kernel.passed()
		return err
	})
	return list, err
}

// handOver begins the planned moves that were asked for.
func (s *sidecar) handOver(ctx context.Context) error {
	for {
		select {
		case to := <-s.handovers:
			s.Log.Info(logging.MsgHandingOver, logging.KeyTo, to)
			s.settle(ctx)
			s.loop.Notify(ctx, election.Handover{To: to})
		case <-ctx.Done():
			return nil
		}
	}
}
