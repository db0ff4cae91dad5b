// SPDX-License-Identifier: Apache-2.0

package control

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/harbinger-ha/harbinger/pkg/election"
	"github.com/harbinger-ha/harbinger/pkg/logging"
)

// alarmEvery is how often a standing alarm of one kind is written to the log; the metric counts every one.
const alarmEvery = 10 * time.Second

// perform does one action of the election. It returns the event that the action itself gave rise to, if any.
func (l *Loop) perform(ctx context.Context, a election.Action) election.Event {
	switch a := a.(type) {
	case election.Acquire:
		if l.outcome("acquire", l.cfg.Addresses.Acquire()) != nil {
			return election.AddressLate{} // what the kernel does not hold must not be advertised
		}
		l.acquired = true
	case election.Refresh:
		if l.outcome("refresh", l.cfg.Addresses.Refresh()) != nil && !l.cfg.Addresses.Held() {
			return election.AddressLate{}
		}
	case election.Release:
		l.release(ctx)
	case election.Advertise:
		if !l.advertise(a.Priority) {
			return election.AdvertisementUnsent{}
		}
	case election.Announce:
		l.announce()
	case election.Probe:
		l.probe(ctx, a.Timeout)
	case election.ReadLease:
		l.consult(ctx, "read", a.Timeout, l.readLease)
	case election.WriteLease:
		l.consult(ctx, "write", a.Timeout, func(ctx context.Context) election.LeaseDone { return l.cfg.Arbiter.Write(ctx, a.Lease) })
	case election.Transition:
		l.transition(a)
	case election.Alarm:
		l.alarm(a)
	case election.Finished:
		l.finished = true
	}
	return nil
}

// release removes the addresses, after the sessions that came in by them.
func (l *Loop) release(ctx context.Context) {
	if l.acquired {
		l.acquired = false
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), LeaveTime)
		defer cancel()
		l.cfg.Leave(ctx)
	}
	_ = l.outcome("release", l.cfg.Addresses.Release())
}

// advertise reports whether an advertisement was sent.
func (l *Loop) advertise(priority uint8) bool {
	var failed []error
	for _, p := range l.cfg.Ports {
		adv := p.Advertisement
		adv.Priority = priority
		if err := p.Conn.Send(adv); err != nil {
			failed = append(failed, err)
		}
	}
	if len(failed) < len(l.cfg.Ports) {
		l.cfg.Metrics.Sent(priority)
	}
	_ = l.outcome("advertise", errors.Join(failed...))
	return len(failed) == 0 || len(failed) < len(l.cfg.Ports)
}

func (l *Loop) announce() {
	var failed error
	for _, vip := range l.cfg.VirtualAddresses {
		err := l.cfg.Announcer.Announce(vip)
		if err == nil {
			l.cfg.Metrics.Announced()
		}
		failed = errors.Join(failed, err)
	}
	_ = l.outcome("announce", failed)
}

// probe asks in a goroutine of its own, which ends with the probe's timeout, and comes back as an event.
func (l *Loop) probe(ctx context.Context, timeout time.Duration) {
	l.work(func() error {
		bounded, cancel := context.WithTimeout(ctx, timeout)
		defer cancel()
		done := l.cfg.Prober.Probe(bounded)
		verdict, _ := done.Evidence().Judge()
		l.cfg.Metrics.Probed(verdict.String())
		l.Notify(ctx, done)
		return nil
	})
}

func (l *Loop) readLease(ctx context.Context) election.LeaseDone { return l.cfg.Arbiter.Read(ctx) }

// consult asks for the Lease as probe does for the address.
func (l *Loop) consult(ctx context.Context, kind string, timeout time.Duration, ask func(context.Context) election.LeaseDone) {
	sent := l.cfg.Now()
	l.work(func() error {
		bounded, cancel := context.WithTimeout(ctx, timeout)
		defer cancel()
		done := ask(bounded)
		done.Sent = sent
		l.cfg.Metrics.Consulted(kind, done.Outcome.String(), l.cfg.Now().Sub(sent).Seconds())
		l.Notify(ctx, done)
		return nil
	})
}

// silence is after how many of its intervals a holder is silent: the advertisements of a live one are late at times.
const silence = 2

// ofHolder are the actions that only a holder performs. Their failures no longer count once the node has stopped holding.
var ofHolder = []string{"refresh", "advertise", "announce"}

func (l *Loop) transition(t election.Transition) {
	if t.To != election.Active && t.To != election.Leaving {
		for _, action := range ofHolder {
			delete(l.failing, action)
		}
	}
	l.cfg.Metrics.StateChanged(t.From.String(), t.To.String())
	now := l.cfg.Now()
	l.cfg.Log.Info(logging.MsgStateChanged, logging.KeyFrom, t.From.String(), logging.KeyTo, t.To.String(), logging.KeyLasted, now.Sub(l.changed).Round(time.Millisecond).String(), logging.KeyReason, t.Reason)
	l.changed = now
	l.recordMove(t)
	if t.From == election.Backup && t.To == election.Claiming {
		if e := l.cfg.Election.Status(); e.Holder.IsValid() && now.Sub(e.HeardAt) > silence*e.AdvertisementInterval {
			l.cfg.Silent(e.Holder)
		}
	}
	if t.From == election.Active || t.To == election.Active {
		l.cfg.Notice("State"+t.To.String(), fmt.Sprintf("from %s to %s: %s", t.From, t.To, t.Reason), false)
	}
}

func (l *Loop) alarm(a election.Alarm) {
	kind := a.Kind.String()
	l.cfg.Metrics.Alarm(kind)
	now := l.cfg.Now()
	if last, ok := l.alarmed[kind]; ok && now.Sub(last) < alarmEvery {
		return
	}
	l.alarmed[kind] = now
	l.cfg.Log.Info(logging.MsgAlarmRaised, logging.KeyKind, kind, logging.KeyHardwareAddress, a.Owner, logging.KeyReason, a.Detail)
	l.cfg.Notice(kind, a.Detail, true)
}

// outcome counts a failed action and logs the first failure, a changed one, and the recovery. It returns err.
func (l *Loop) outcome(action string, err error) error {
	switch last, failing := l.failing[action]; {
	case err != nil:
		l.cfg.Metrics.Failed(action)
		if !failing || last != err.Error() {
			l.failing[action] = err.Error()
			l.cfg.Log.Error(err, logging.MsgActionFailed, logging.KeyAction, action)
		}
	case failing:
		delete(l.failing, action)
		l.cfg.Log.Info(logging.MsgActionSucceeds, logging.KeyAction, action)
	}
	return err
}
