// SPDX-License-Identifier: Apache-2.0

package control

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/harbinger-ha/harbinger/pkg/election"
	"github.com/harbinger-ha/harbinger/pkg/fault"
	"github.com/harbinger-ha/harbinger/pkg/guard"
	"github.com/harbinger-ha/harbinger/pkg/logging"
)

// perform does one action of the election. It returns the event that the action itself gave rise to, if any.
func (l *Loop) perform(ctx context.Context, a election.Action) election.Event {
	switch a := a.(type) {
	case election.Acquire:
		if l.acquire() != nil {
			return election.AddressLate{} // what the kernel does not hold must not be advertised
		}
	case election.Refresh:
		if l.outcome("refresh", l.cfg.Addresses.Refresh()) != nil && !l.cfg.Addresses.Held() {
			return election.AddressLate{}
		}
	case election.Resolve:
		_ = l.outcome("resolve", l.cfg.Addresses.Resolve(a.Answered))
	case election.Release:
		l.release(ctx, a)
	case election.Advertise:
		if !l.advertise(a.Priority) {
			return election.AdvertisementUnsent{}
		}
		l.serves()
	case election.Announce:
		l.announce()
	case election.Probe:
		l.noteSilence()
		l.probe(ctx, a)
	case election.AskPeers:
		ask(ctx, l, "peers", a.Timeout, election.PeersDone{CouldNotAsk: true}, l.cfg.Prober.AskPeers, nil)
	case election.CheckHolder:
		ask(ctx, l, "holder", a.Timeout, election.HolderChecked{}, l.cfg.Prober.CheckHolder, func(done election.HolderChecked) {
			l.cfg.Metrics.Checked(done.Client.String())
		})
	case election.Rehearse:
		ask(ctx, l, "rehearsal", a.Timeout, election.Rehearsed{}, l.cfg.Prober.Rehearse, nil)
	case election.ReadLease:
		l.consult(ctx, "read", a.Timeout, l.readLease)
	case election.WriteLease:
		l.consult(ctx, "write", a.Timeout, func(ctx context.Context) election.LeaseDone { return l.cfg.Arbiter.Write(ctx, a.Lease) })
	case election.ReadPredecessor, election.TakePredecessor:
		l.askPredecessor(ctx, a)
	case election.Waits:
		l.waits(a)
	case election.Transition:
		l.transition(a)
	case election.Alarm:
		l.alarm(a)
	case election.Finished:
		l.finished = true
	}
	return nil
}

// probe asks who serves the addresses.
func (l *Loop) probe(ctx context.Context, a election.Probe) {
	question := func(ctx context.Context) election.ProbeDone { return l.cfg.Prober.Probe(ctx, a.Asks) }
	ask(ctx, l, "probe", a.Timeout, election.ProbeDone{}, question, func(done election.ProbeDone) {
		verdict, _ := done.Evidence().Judge()
		l.cfg.Metrics.Probed(verdict.String())
	})
}

// acquire adds the addresses.
func (l *Loop) acquire() error {
	began := l.cfg.Now()
	if err := l.outcome("acquire", l.cfg.Addresses.Acquire()); err != nil {
		return err
	}
	l.changes.added(began, l.acquired)
	l.takeover.begun = l.takeover.begun || !l.acquired
	l.acquired = true
	return nil
}

// release removes the addresses, after the sessions that came in by them.
func (l *Loop) release(ctx context.Context, a election.Release) {
	held := l.acquired
	if held {
		l.acquired, l.takeover.begun = false, false
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), LeaveTime)
		defer cancel()
		l.cfg.Leave(ctx)
	}
	remove := l.cfg.Addresses.Release
	if a.Spare {
		remove = l.cfg.Addresses.ReleaseOwn
	}
	if l.outcome("release", remove()) == nil && held {
		l.removed()
	}
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
	if l.outcome("announce", failed) == nil {
		l.announced()
	}
}

// ask puts a question in a goroutine of its own, which ends with the timeout of the question, and comes back as an event: the
// answer, or unasked where the question panics. Kind names the question in the metrics; count, if any, counts the answer.
func ask[E election.Event](ctx context.Context, l *Loop, kind string, timeout time.Duration, unasked E, question func(context.Context) E, count func(E)) {
	sent := l.cfg.Now()
	l.work(func() error {
		bounded, cancel := context.WithTimeout(ctx, timeout)
		defer cancel()
		done := unasked
		err := guard.Run(func() error { done = question(bounded); return nil })
		if err == nil {
			l.cfg.Metrics.Asked(kind, l.cfg.Now().Sub(sent).Seconds())
			if count != nil {
				count(done)
			}
		}
		l.Notify(ctx, done)
		return err
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

// askPredecessor asks for the Lease of the predecessor.
func (l *Loop) askPredecessor(ctx context.Context, a election.Action) {
	question := func(ctx context.Context) election.PredecessorDone { return l.cfg.Predecessor.ReadPredecessor(ctx) }
	if take, ok := a.(election.TakePredecessor); ok {
		question = func(ctx context.Context) election.PredecessorDone {
			return l.cfg.Predecessor.TakePredecessor(ctx, take.Lease)
		}
	}
	sent := l.cfg.Now()
	unasked := election.PredecessorDone{Outcome: election.Unanswered, Sent: sent, Detail: "the question failed"}
	ask(ctx, l, "predecessor", election.AnswerTimeout, unasked, func(ctx context.Context) election.PredecessorDone {
		done := question(ctx)
		done.Sent = sent
		return done
	}, nil)
}

// waits says whom this node waits for, and when that is over.
func (l *Loop) waits(a election.Waits) {
	if !a.Over {
		l.cfg.Log.Info(logging.MsgPredecessorHolds, logging.KeyReason, a.Detail)
		return
	}
	l.cfg.Log.Info(logging.MsgPredecessorOver, logging.KeyReason, a.Detail)
	l.cfg.Notice("PredecessorOver", a.Detail, false)
}

// silence is after how many of its intervals a holder is silent: the advertisements of a live one are late at times.
const silence = 2

// noteSilence has a holder doubted that this node begins to ask for: once in a silence, and before it takes over, so that what the holder's
// host serves is not tried first by then.
func (l *Loop) noteSilence() {
	e := l.cfg.Election.Status()
	if e.Holder.IsValid() && !e.HeardAt.Equal(l.silentSince) && l.cfg.Now().Sub(e.HeardAt) > silence*e.AdvertisementInterval {
		l.silentSince = e.HeardAt
		l.cfg.Silent(e.Holder)
	}
}

// ofHolder are the actions that only a holder performs. Their failures no longer count once the node has stopped holding.
var ofHolder = []string{"refresh", "advertise", "announce"}

func (l *Loop) transition(t election.Transition) {
	if t.To != election.Active && t.To != election.Leaving {
		for _, action := range ofHolder {
			delete(l.failing, action)
		}
	}
	l.cause = election.Cause(t.Reason)
	l.cfg.Metrics.StateChanged(t.From.String(), t.To.String())
	now := l.cfg.Now()
	l.cfg.Log.Info(logging.MsgStateChanged, logging.KeyFrom, t.From.String(), logging.KeyTo, t.To.String(), logging.KeyLasted, now.Sub(l.changed).Round(time.Millisecond).String(), logging.KeyReason, t.Reason)
	l.changed = now
	l.recordMove(t)
	if t.From == election.Active || t.To == election.Active {
		text := fmt.Sprintf("from %s to %s: %s", t.From, t.To, t.Reason)
		if t.To == election.Active {
			text += unservedText(l.history.unserved(now, l.cfg.Election.Status().AdvertisementInterval))
		}
		l.cfg.Notice("State"+t.To.String(), text, false)
	}
}

// outcome counts a failed action and logs the first failure, a changed one, and the recovery. It returns err.
func (l *Loop) outcome(action string, err error) error {
	switch last, failing := l.failing[action]; {
	case err != nil:
		l.cfg.Metrics.Failed(action)
		if !failing || last != fault.Words(err) {
			l.failing[action] = fault.Words(err)
			l.cfg.Log.Error(errors.New(fault.Words(err)), logging.MsgActionFailed, logging.KeyAction, action)
		}
	case failing:
		delete(l.failing, action)
		l.cfg.Log.Info(logging.MsgActionSucceeds, logging.KeyAction, action)
	}
	return err
}
