// SPDX-License-Identifier: Apache-2.0

package sidecar

import (
	"strings"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/harbinger-ha/harbinger/e2e/lab/labtest"
	"github.com/harbinger-ha/harbinger/pkg/apis/status/v1alpha1"
	"github.com/harbinger-ha/harbinger/pkg/logging"
)

// looked has the log follow a status for some seconds.
type looked struct {
	log *labtest.Log
	l   statusLog
	now time.Time
}

func newLooked() *looked {
	log := &labtest.Log{}
	return &looked{log: log, l: statusLog{log: log.Logger()}, now: time.Unix(1_800_000_000, 0)}
}

func (k *looked) during(seconds int, s v1alpha1.HarbingerStatus) {
	for range seconds {
		k.l.follow(s, k.now)
		k.now = k.now.Add(time.Second)
	}
}

func (k *looked) want(t *testing.T, message string, lines int, texts ...string) {
	t.Helper()
	if n := k.log.Count(`"` + message + `"`); n != lines {
		t.Errorf("%s: %d lines, want %d:\n%s", message, n, lines, k.log)
	}
	for _, text := range texts {
		if !strings.Contains(k.log.String(), text) {
			t.Errorf("%s: no line has %s:\n%s", message, text, k.log)
		}
	}
}

// answers is a status in which the API does or does not answer since a moment.
func answers(yes metav1.ConditionStatus, since time.Time, arbiter string) v1alpha1.HarbingerStatus {
	s := v1alpha1.HarbingerStatus{Conditions: []metav1.Condition{{
		Type: v1alpha1.ConditionAPIReachable, Status: yes, Message: "192.0.2.1:6443 refuses connections", LastTransitionTime: metav1.NewTime(since),
	}}}
	s.VirtualRouter.Arbiter = arbiter
	return s
}

// An outage of the API is two lines, however long it takes, and so is what follows for the arbiter; a question without an answer is
// none.
func TestALineForTheAPI(t *testing.T) {
	k := newLooked()
	k.during(5, answers(metav1.ConditionUnknown, k.now, "vrrp"))
	k.during(5, answers(metav1.ConditionTrue, k.now, "lease"))
	k.want(t, logging.MsgAPILost, 0)
	k.want(t, logging.MsgArbiterChanged, 1, `"from"="vrrp" "to"="lease"`)
	k.during(1, answers(metav1.ConditionFalse, k.now, "lease"))
	k.during(5, answers(metav1.ConditionTrue, k.now, "lease"))
	k.want(t, logging.MsgAPILost, 0)
	lost := k.now
	k.during(60, answers(metav1.ConditionFalse, lost, "vrrp"))
	k.want(t, logging.MsgAPILost, 1, `"level"=-4`, `"since"="`+lost.UTC().Format(time.RFC3339)+`" "reason"="192.0.2.1:6443 refuses connections" "remedy"=`)
	k.want(t, logging.MsgArbiterChanged, 2, `"from"="lease" "to"="vrrp"`)
	k.want(t, logging.MsgAPIBack, 0)
	k.during(60, answers(metav1.ConditionTrue, k.now, "lease"))
	k.want(t, logging.MsgAPIBack, 1, `"lasted"="1m0s"`)
	k.want(t, logging.MsgArbiterChanged, 3)
	k.want(t, logging.MsgAPILost, 1)
}

// Without a Lease nothing is said of an arbiter or of the API.
func TestNoLineWithoutALease(t *testing.T) {
	k := newLooked()
	s := v1alpha1.HarbingerStatus{}
	s.VirtualRouter.Arbiter = "vrrp"
	k.during(10, s)
	if got := k.log.String(); got != "" {
		t.Errorf("log %s", got)
	}
}

func TestALineForStandingFindings(t *testing.T) {
	for _, kind := range standing {
		k := newLooked()
		bad := v1alpha1.HarbingerStatus{Findings: []v1alpha1.Finding{
			{Condition: v1alpha1.ConditionConflict}, {Condition: kind, Summary: "what", Action: "do it", Since: k.now},
		}}
		k.during(1, bad)
		k.during(3, v1alpha1.HarbingerStatus{})
		k.want(t, logging.MsgAlarmRaised, 0)
		k.during(30, bad)
		k.want(t, logging.MsgAlarmRaised, 1, `"level"=-4`, `"kind"="`+kind+`"`, `"reason"="what" "remedy"="do it"`)
		k.want(t, logging.MsgAlarmCleared, 0)
		k.during(30, v1alpha1.HarbingerStatus{})
		k.want(t, logging.MsgAlarmCleared, 1, `"kind"="`+kind+`" "lasted"="`)
	}
}
