// SPDX-License-Identifier: Apache-2.0

package election

import (
	"strings"
	"testing"
	"time"
)

// cutOffBackup is silentHolder for a node that reaches the gateway alone.
func cutOffBackup(t *testing.T) (*router, *fakeAPI) {
	t.Helper()
	r, f := silentHolder(t)
	r.peers.Reached = nil
	return r, f
}

// Rows 11 and 15: a holder that says it is Active, but is not heard, lived when it said so. By the end of the timer, which the answer
// waits for, a part of the silence that its death needs is over.
func TestRow15SilenceBeginsWithTheAnswer(t *testing.T) {
	r, f := silentHolder(t)
	for r.did("probe") == 0 {
		r.run(time.Millisecond)
	}
	r.probes = nil
	r.step(found(Live))
	for r.did("alarm Filtered") == 0 {
		r.run(time.Millisecond)
	}
	took := r.until(Active, 2*time.Second)
	r.wantWithin("takeover", took, retryLive, retryLive+30*time.Millisecond)
	if f.lease.Holder != "me/1" || f.lease.Epoch != 4 {
		t.Errorf("stored %s", f.lease)
	}
}

// Row 7: who is not of a majority takes the addresses of a holder that has released its Lease as soon as it tries again.
func TestRow7ReadsTheReleaseOfTheLease(t *testing.T) {
	r, f := cutOffBackup(t)
	for !strings.Contains(r.e.Status().Reason, "is fresh") {
		r.run(time.Millisecond)
	}
	l := another(3)
	l.Holder = ""
	f.put(l)
	took := r.until(Active, 2*time.Second)
	r.wantWithin("takeover", took, retryRefused-refusedLead, retryRefused+30*time.Millisecond)
}

// F15: what was read before a question that had no answer refuses nothing. A second one without an answer lets the wire decide.
func TestWhatWasReadBeforeAnOutageRefusesNothing(t *testing.T) {
	r, f := cutOffBackup(t)
	r.run(5 * fast / 2)
	if f.reads == 0 {
		t.Fatal("the Lease was not read in the silence")
	}
	f.down = true
	took := r.until(Active, 2*time.Second)
	r.wantWithin("takeover", took, fast/2, 3*fast/2)
	r.wantOrder("Claiming to Active: no advertisement heard, virtual address free, Lease not readable: down")
}

// Row 11: where nothing but the announcements of the dead holder shows one, the next try is at the moment at which the last of them is too
// old, and the turn.
func TestRow11TriesAgainWhenTheAnnouncementIsOld(t *testing.T) {
	r, _ := silentHolder(t)
	r.verdict = found(Free)
	r.verdict.Neighbour, r.verdict.Owner, r.verdict.Peer = Answers, "02:00:00:00:00:83", upper
	r.step(AddressClaimed{Address: own, Owner: r.verdict.Owner, Peer: upper})
	took := r.until(Active, 8*time.Second)
	least := AnnounceEvery + announceSlack
	r.wantWithin("takeover", took, least, least+r.e.cfg.turn()+40*time.Millisecond)
}
