// SPDX-License-Identifier: Apache-2.0

package election

import (
	"testing"
	"time"
)

// RFC 3768, section 6.4, where version 2 differs from version 3.

// "Skew_Time: Time to skew Master_Down_Interval in seconds. Calculated as: ( (256 - Priority) / 256 )". Section 6.1: seconds,
// whatever the interval.
func TestRFC3768SkewIsInSeconds(t *testing.T) {
	r := newRouter(t, version2, interval(2*time.Second))
	r.step(Startup{}, HealthChanged{Healthy: true})
	r.wantWithin("Master_Down_Interval", r.until(Active, 10*time.Second), 6609*time.Millisecond, 6611*time.Millisecond)
}

// "If the Priority in the ADVERTISEMENT is Zero, then: Set the Master_Down_Timer to Skew_Time."  Section 6.4.2.
func TestRFC3768BackupPriorityZero(t *testing.T) {
	r := started(t, version2)
	r.hear(upper, 0)
	r.wantWithin("takeover", r.until(Active, 2*time.Second), 609*time.Millisecond, 611*time.Millisecond)
}

// "If Preempt_Mode is False, or If the Priority in the ADVERTISEMENT is greater than or equal to the local Priority, then: Reset
// the Master_Down_Timer to Master_Down_Interval."  Section 6.4.2: the own interval counts, none is learned.
func TestRFC3768BackupLearnsNoInterval(t *testing.T) {
	r := started(t, version2)
	r.run(3 * time.Second)
	r.hearEvery(upper, 200, 7*time.Second)
	r.wantWithin("Master_Down_Interval", r.until(Active, 5*time.Second), 3609*time.Millisecond, 3611*time.Millisecond)
}

// "If the Priority in the ADVERTISEMENT is greater than the local Priority, or [...] equal to the local Priority and the primary
// IP Address of the sender is greater than the local primary IP Address, then: [...] Transition to the {Backup} state, else:
// Discard Advertisement."  Section 6.4.3.
func TestRFC3768MasterTieBreak(t *testing.T) {
	r := active(t, version2)
	r.hear(lower, 100)
	r.wantState(Active)
	r.hear(upper, 100)
	r.wantState(Backup)
}

// "If a Shutdown event is received, then: Cancel the Adver_Timer; Send an ADVERTISEMENT with Priority = 0".  Section 6.4.3.
func TestRFC3768MasterShutdown(t *testing.T) {
	r := active(t, version2)
	r.step(Shutdown{})
	if r.did(advertisement(0)) == 0 {
		t.Errorf("did %q, want priority 0", r.trace)
	}
}
