// SPDX-License-Identifier: Apache-2.0

package sidecar

import (
	"slices"
	"time"

	"github.com/go-logr/logr"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/harbinger-ha/harbinger/pkg/apis/status/v1alpha1"
	"github.com/harbinger-ha/harbinger/pkg/logging"
)

// standing are the conditions that no other line of the log is about: it has one line when one of them is a finding, and one when it
// is none any more.
var standing = []string{v1alpha1.ConditionIsolated, v1alpha1.ConditionRedundant, v1alpha1.ConditionAdvertisementsRefused}

// statusLog writes what changes in the status, once for each change that two looks in a row show: what is lost for a moment is not
// lost.
type statusLog struct {
	log     logr.Logger
	before  v1alpha1.HarbingerStatus // the last look
	lost    time.Time                // since when the API does not answer, as the log has it; zero: it does
	arbiter string                   // as the log has it
	since   map[string]time.Time     // of the conditions that the log has
}

// follow takes the next look.
func (l *statusLog) follow(s v1alpha1.HarbingerStatus, now time.Time) {
	l.followAPI(s)
	l.followArbiter(s)
	l.followFindings(s, now)
	l.before = s
}

func (l *statusLog) followAPI(s v1alpha1.HarbingerStatus) {
	c := meta.FindStatusCondition(s.Conditions, v1alpha1.ConditionAPIReachable)
	b := meta.FindStatusCondition(l.before.Conditions, v1alpha1.ConditionAPIReachable)
	if c == nil || b == nil || c.Status != b.Status { // it has no Lease, or is not settled
		return
	}
	switch {
	case c.Status == metav1.ConditionFalse && l.lost.IsZero():
		l.lost = c.LastTransitionTime.Time
		logging.Warn(l.log, logging.MsgAPILost, logging.KeySince, l.lost.UTC().Format(time.RFC3339), logging.KeyReason, c.Message,
			logging.KeyRemedy, "look at the apiservers and at the credentials of this node; until then VRRP decides alone")
	case c.Status == metav1.ConditionTrue && !l.lost.IsZero():
		l.log.Info(logging.MsgAPIBack, logging.KeyLasted, c.LastTransitionTime.Sub(l.lost).Round(time.Second).String())
		l.lost = time.Time{}
	}
}

func (l *statusLog) followArbiter(s v1alpha1.HarbingerStatus) {
	is := s.VirtualRouter.Arbiter
	if is == l.arbiter || is != l.before.VirtualRouter.Arbiter {
		return
	}
	if l.arbiter != "" || is == "lease" { // without an API it never was another one
		l.log.Info(logging.MsgArbiterChanged, logging.KeyFrom, l.arbiter, logging.KeyTo, is, logging.KeyReason, s.VirtualRouter.CurrentReason)
	}
	l.arbiter = is
}

func (l *statusLog) followFindings(s v1alpha1.HarbingerStatus, now time.Time) {
	for _, kind := range standing {
		found := finding(s, kind)
		since, written := l.since[kind]
		switch {
		case (found == nil) != (finding(l.before, kind) == nil) || written == (found != nil):
		case found == nil:
			delete(l.since, kind)
			l.log.Info(logging.MsgAlarmCleared, logging.KeyKind, kind, logging.KeyLasted, now.Sub(since).Round(time.Second).String())
		default:
			if l.since == nil {
				l.since = map[string]time.Time{}
			}
			l.since[kind] = found.Since
			logging.Warn(l.log, logging.MsgAlarmRaised, logging.KeyKind, kind, logging.KeySince, found.Since.UTC().Format(time.RFC3339),
				logging.KeyReason, found.Summary, logging.KeyRemedy, found.Action)
		}
	}
}

func finding(s v1alpha1.HarbingerStatus, kind string) *v1alpha1.Finding {
	if i := slices.IndexFunc(s.Findings, func(f v1alpha1.Finding) bool { return f.Condition == kind }); i >= 0 {
		return &s.Findings[i]
	}
	return nil
}
