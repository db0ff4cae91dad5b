// SPDX-License-Identifier: Apache-2.0

package election

import (
	"testing"
	"time"
)

// The tests of this file hold RFC 9568, section 6.4. What it says of forwarding by the virtual router's MAC address, of Router
// Advertisements and of packets to the virtual address is kept by the address being in the kernel or not (invariant S6).
// An owner (priority 255) is refused by the configuration, as the virtual address is never a node's own.

// "If a Startup event is received, then: [...] Set the Active_Down_Timer to Active_Down_Interval; Transition to the
// {Backup} state."  Section 6.4.1.
func TestRFC9568InitializeStartup(t *testing.T) {
	r := newRouter(t)
	r.step(Startup{})
	r.wantState(Backup)
	r.wantWithin("Active_Down_Interval", r.until(Active, 5*time.Second), 3609*time.Millisecond, 3611*time.Millisecond)
}

// "While in Backup state [...] It MUST NOT respond to ARP requests for the IPv4 address(es) associated with the Virtual
// Router." and "MUST NOT accept packets addressed to the IPvX address(es)". Section 6.4.2: the kernel does not have them.
func TestRFC9568BackupHasNoAddress(t *testing.T) {
	r := started(t)
	for range 100 {
		r.hear(upper, 200)
		r.run(time.Second)
	}
	r.wantState(Backup)
	if r.did("acquire")+r.did("announce")+r.did("advertise") != 0 {
		t.Errorf("a Backup did %q", r.trace)
	}
}

// "If a Shutdown event is received, then: Cancel the Active_Down_Timer; Transition to the {Initialize} state."  Section 6.4.2.
func TestRFC9568BackupShutdown(t *testing.T) {
	r := started(t)
	r.step(Shutdown{})
	r.wantState(Initialize)
	r.wantOrder("release", "finished")
	if !r.e.Deadline().IsZero() && r.e.State() == Backup {
		t.Error("a timer still runs")
	}
	r.run(10 * time.Second)
	r.wantState(Initialize)
}

// "If the Active_Down_Timer fires, then: Send an ADVERTISEMENT; [...] broadcast a gratuitous ARP message [...] Set the
// Adver_Timer to Advertisement_Interval; Transition to the {Active} state."  Section 6.4.2.
func TestRFC9568BackupActiveDown(t *testing.T) {
	r := started(t)
	r.until(Active, 5*time.Second)
	r.wantOrder("acquire", advertisement(100), "announce")
	r.taken()
	r.run(990 * time.Millisecond)
	if r.did("advertise") != 0 {
		t.Error("advertised before the Adver_Timer")
	}
	r.run(20 * time.Millisecond)
	if r.did("advertise") != 1 {
		t.Error("no advertisement when the Adver_Timer fired")
	}
}

// "If the Priority in the ADVERTISEMENT is 0, then: Set the Active_Down_Timer to Skew_Time."  Section 6.4.2.
func TestRFC9568BackupPriorityZero(t *testing.T) {
	r := started(t)
	r.hear(upper, 200)
	r.run(500 * time.Millisecond)
	r.hear(upper, 0)
	r.wantWithin("takeover", r.until(Active, 2*time.Second), 609*time.Millisecond, 611*time.Millisecond)
}

// "If Preempt_Mode is False, or if the Priority in the ADVERTISEMENT is greater than or equal to the local Priority, then:
// Set Active_Adver_Interval to Max Advertise Interval contained in the ADVERTISEMENT; Recompute the Skew_Time; Recompute the
// Active_Down_Interval; Set the Active_Down_Timer to Active_Down_Interval."  Section 6.4.2.
func TestRFC9568BackupDefers(t *testing.T) {
	for _, tc := range []struct {
		name     string
		options  []option
		priority uint8
	}{
		{"higher", nil, 101},
		{"equal", nil, 100},
		{"lower without preemption", []option{noPreempt}, 50},
	} {
		t.Run(tc.name, func(t *testing.T) {
			r := started(t, tc.options...)
			r.run(3 * time.Second)
			r.hearEvery(lower, tc.priority, 200*time.Millisecond)
			// 3 x 200 ms + 156/256 x 200 ms
			r.wantWithin("Active_Down_Interval of the learned interval", r.until(Active, 5*time.Second), 721*time.Millisecond, 724*time.Millisecond)
		})
	}
}

// "else (i.e., Preempt_Mode was True and the Priority was less than the local Priority): Discard the ADVERTISEMENT."  Section
// 6.4.2: the timer runs on, and the lower one is preempted.
func TestRFC9568BackupPreempts(t *testing.T) {
	r := started(t)
	for range 3 {
		r.run(time.Second)
		r.hear(lower, 50)
	}
	r.wantWithin("preemption", 3*time.Second+r.until(Active, 2*time.Second), 3609*time.Millisecond, 3611*time.Millisecond)
	if r.did("probe") != 0 {
		t.Error("a holder that is heard was asked whether it is there")
	}
}

// "If a Shutdown event is received, then: Cancel the Adver_Timer; Send an ADVERTISEMENT with Priority = 0; Transition to the
// {Initialize} state."  Section 6.4.3. Between the last two, Leaving makes before it breaks.
func TestRFC9568ActiveShutdown(t *testing.T) {
	r := active(t)
	r.step(Shutdown{})
	if r.did(advertisement(0)) != 1 {
		t.Errorf("did %q, want priority 0 at once", r.trace)
	}
	r.until(Initialize, 6*time.Second)
	if r.did(advertisement(100)) != 0 {
		t.Error("the Adver_Timer was not cancelled")
	}
}

// "If the Adver_Timer fires, then: Send an ADVERTISEMENT; Reset the Adver_Timer to Advertisement_Interval."  Section 6.4.3.
func TestRFC9568ActiveAdverTimer(t *testing.T) {
	r := active(t)
	r.run(20 * time.Second)
	if n := r.did(advertisement(100)); n != 20 {
		t.Errorf("%d advertisements in 20 s", n)
	}
}

// "If the Priority in the ADVERTISEMENT is 0, then: Send an ADVERTISEMENT; Reset the Adver_Timer."  Section 6.4.3.
func TestRFC9568ActivePriorityZero(t *testing.T) {
	r := active(t)
	r.run(300 * time.Millisecond)
	r.taken()
	r.hear(lower, 0)
	if r.did(advertisement(100)) != 1 {
		t.Errorf("did %q, want one advertisement at once", r.trace)
	}
	r.run(990 * time.Millisecond)
	if r.did("advertise") != 1 {
		t.Error("the Adver_Timer was not reset")
	}
	r.wantState(Active)
}

// "If the Priority in the ADVERTISEMENT is greater than the local Priority or [...] equal to the local Priority and the primary
// IPvX Address of the sender is greater than the local primary IPvX Address (based on an unsigned integer comparison [...]),
// then: Cancel the Adver_Timer; Set Active_Adver_Interval to Max Advertise Interval [...]; Set the Active_Down_Timer to
// Active_Down_Interval; Transition to the {Backup} state."  Section 6.4.3.
func TestRFC9568ActiveYields(t *testing.T) {
	for _, tc := range []struct {
		name     string
		priority uint8
		yields   bool
	}{
		{"higher priority, lower address", 101, true},
		{"equal priority, lower address", 100, false},
		{"lower priority", 99, false},
	} {
		t.Run(tc.name, func(t *testing.T) {
			r := active(t)
			r.run(time.Second)
			r.taken()
			r.hearEvery(lower, tc.priority, 200*time.Millisecond)
			if got := r.e.State() == Backup; got != tc.yields {
				t.Fatalf("state %s; did %q", r.e.State(), r.trace)
			}
			if tc.yields {
				r.wantOrder("release")
				r.wantWithin("Active_Down_Interval of the learned interval", r.until(Active, 5*time.Second), 721*time.Millisecond, 724*time.Millisecond)
			}
		})
	}
	r := active(t)
	r.hear(upper, 100)
	r.wantState(Backup) // equal priority, higher address
}

// "else (new Active logic): Discard the ADVERTISEMENT; Send an ADVERTISEMENT immediately to assert the {Active} state to the
// sending VRRP Router and to update any learning bridges with the correct Active Router path."  Section 6.4.3.
func TestRFC9568ActiveAsserts(t *testing.T) {
	r := active(t)
	r.run(time.Second)
	r.taken()
	r.hear(lower, 100)
	r.wantState(Active)
	r.wantOrder(advertisement(100), "announce")
}
