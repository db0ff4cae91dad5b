// SPDX-License-Identifier: Apache-2.0

package election

import (
	"testing"
	"time"
)

// The tests of this file hold RFC 3768, section 6.4. An owner (priority 255) is refused by the configuration, as the virtual
// address is never a node's own.

// "If a Startup event is received, then: [...] Set the Master_Down_Timer to Master_Down_Interval; Transition to the {Backup}
// state."  Section 6.4.1.
func TestRFC3768InitializeStartup(t *testing.T) {
	r := newRouter(t, version2)
	r.step(Startup{})
	r.wantState(Backup)
	r.wantWithin("Master_Down_Interval", r.until(Active, 5*time.Second), 3609*time.Millisecond, 3611*time.Millisecond)
}

// "While in this state, a VRRP router MUST do the following: MUST NOT respond to ARP requests for the IP address(s)
// associated with the virtual router. [...] MUST NOT accept packets addressed to the IP address(es) associated with the
// virtual router."  Section 6.4.2: the kernel does not have them.
func TestRFC3768BackupHasNoAddress(t *testing.T) {
	r := started(t, version2)
	for range 100 {
		r.hear(upper, 200)
		r.run(time.Second)
	}
	r.wantState(Backup)
	r.wantNone("acquire", "announce", "advertise")
}

// "If a Shutdown event is received, then: Cancel the Master_Down_Timer; Transition to the {Initialize} state."  Section 6.4.2.
func TestRFC3768BackupShutdown(t *testing.T) {
	r := started(t, version2)
	r.step(Shutdown{})
	r.run(10 * time.Second)
	r.wantState(Initialize)
	r.wantNone("acquire", "advertise")
}

// "If the Master_Down_Timer fires, then: Send an ADVERTISEMENT; Broadcast a gratuitous ARP request [...]; Set the Adver_Timer
// to Advertisement_Interval; Transition to the {Master} state."  Section 6.4.2.
func TestRFC3768BackupMasterDown(t *testing.T) {
	r := started(t, version2, interval(2*time.Second))
	r.until(Active, 10*time.Second)
	r.wantOrder("acquire", advertisement(100), "announce")
	r.taken()
	r.run(1990 * time.Millisecond)
	r.wantNone("advertise")
	r.run(20 * time.Millisecond)
	r.wantOrder(advertisement(100))
}

// "else: Discard the ADVERTISEMENT."  Section 6.4.2, of a lower priority with Preempt_Mode.
func TestRFC3768BackupPreempts(t *testing.T) {
	r := started(t, version2)
	for range 3 {
		r.run(time.Second)
		r.hear(lower, 50)
	}
	r.wantWithin("preemption", 3*time.Second+r.until(Active, 2*time.Second), 3609*time.Millisecond, 3611*time.Millisecond)
}

// "If the Adver_Timer fires, then: Send an ADVERTISEMENT; Reset the Adver_Timer to Advertisement_Interval."  Section 6.4.3.
func TestRFC3768MasterAdverTimer(t *testing.T) {
	r := active(t, version2, interval(2*time.Second))
	r.run(20 * time.Second)
	if n := r.did(advertisement(100)); n != 10 {
		t.Errorf("%d advertisements in 20 s", n)
	}
}

// "If the Priority in the ADVERTISEMENT is Zero, then: Send an ADVERTISEMENT; Reset the Adver_Timer to
// Advertisement_Interval."  Section 6.4.3.
func TestRFC3768MasterPriorityZero(t *testing.T) {
	r := active(t, version2)
	r.run(300 * time.Millisecond)
	r.taken()
	r.hear(lower, 0)
	r.run(990 * time.Millisecond)
	if r.did(advertisement(100)) != 1 {
		t.Errorf("did %q, want one advertisement, at once", r.trace)
	}
}

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
