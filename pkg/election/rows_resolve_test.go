// SPDX-License-Identifier: Apache-2.0

package election

import (
	"net/netip"
	"testing"
	"time"
)

// cutOff returns a holder that has reached its peers, and then nobody for a while.
func cutOff(t *testing.T, options ...option) *router {
	r := active(t, append([]option{peerList}, options...)...)
	r.run(time.Second)
	r.peers = PeersDone{}
	r.run(2 * time.Second)
	if r.did("resolve refused") != 1 || r.did("resolve answered") > 0 {
		t.Errorf("did %q, want resolution refused once", r.trace)
	}
	r.wantState(Active)
	r.taken()
	return r
}

// Row 34: a holder that reaches nobody does not answer who asks, and announces nothing, until it has reached somebody and has
// heard no other holder for 1.5 A.
func TestHolderThatIsCutOffAnswersNobody(t *testing.T) {
	r := cutOff(t)
	r.run(20 * time.Second)
	r.wantNone("resolve")
	r.wantNone("announce")
	r.peers.Reached = []netip.Addr{upper}
	r.run(2010 * time.Millisecond) // at least one question more, and 1.5 s
	if r.did("resolve answered") != 1 || r.did("announce") == 0 {
		t.Errorf("did %q, want resolution answered again", r.trace)
	}
}

// One answer without anybody may be an accident, and a node that never reached anybody cannot know.
func TestOneSilentAnswerIsNoCut(t *testing.T) {
	r := active(t, peerList)
	r.run(time.Second)
	r.peers = PeersDone{Gateway: Answers}
	for range 10 {
		r.step(PeersDone{})
		r.run(time.Second)
	}
	r.wantNone("resolve")

	r = newRouter(t, peerList)
	r.peers = PeersDone{}
	r.step(Startup{}, HealthChanged{Healthy: true})
	r.unproved()
	r.run(20 * time.Second)
	r.wantState(Active)
	r.wantNone("resolve")
}

// Row 34: while another holder is heard, the one that was cut off does not answer beside it.
func TestHolderThatWasCutOffHearsAnother(t *testing.T) {
	r := cutOff(t)
	r.peers.Reached = []netip.Addr{upper}
	for range 5 {
		r.hear(upper, 50)
		r.run(time.Second)
	}
	r.wantState(Active)
	r.wantNone("resolve")
	r.run(501 * time.Millisecond)
	if r.did("resolve answered") != 1 {
		t.Errorf("did %q, want resolution answered again", r.trace)
	}
}

// Row 34: the peers may be dead. That clients ask shows that frames pass; nobody is kept waiting for long.
func TestHolderWithoutPeersAnswersWhoAsksAgain(t *testing.T) {
	r := cutOff(t)
	r.step(AddressAsked{})
	r.run(1400 * time.Millisecond)
	r.wantNone("resolve")
	r.run(200 * time.Millisecond)
	if r.did("resolve answered") != 1 {
		t.Errorf("did %q, want resolution answered again", r.trace)
	}
	r.taken()
	r.run(30 * time.Second) // it still reaches nobody, which is no news
	r.wantNone("resolve")
}

// Row 25: from a claim on the wire to the read of the Lease that refutes it, the holder answers nobody who asks. Whatever is forged
// after that does not silence it again at once.
func TestHolderDoesNotAnswerBesideAClaimThatIsRead(t *testing.T) {
	r, f := holdingLease(t)
	f.takes = 40 * time.Millisecond
	r.run(time.Second - 10*time.Millisecond)
	r.hear(upper, claimPriority(2))
	if r.did("resolve refused") != 1 {
		t.Errorf("did %q, want resolution refused", r.trace)
	}
	r.wantWithin("the read", r.wait("resolve answered"), 0, 90*time.Millisecond)
	r.taken()
	silent, from := time.Duration(0), r.now
	for range 1000 {
		r.hear(upper, claimPriority(2))
		r.run(10 * time.Millisecond)
		if r.e.resolution.refused {
			silent += 10 * time.Millisecond
		}
	}
	if all := r.now.Sub(from); silent > all/10 {
		t.Errorf("it did not answer for %s of %s", silent, all)
	}
	r.wantState(Active)
}

// Row 25: without an answer of the API, it answers again when the claim is heard no more.
func TestHolderAnswersAgainWithoutARead(t *testing.T) {
	r, f := holdingLease(t)
	f.takes = time.Hour
	r.hear(upper, claimPriority(2))
	r.wantWithin("the silence", r.wait("resolve answered"), 1490*time.Millisecond, 1510*time.Millisecond)
	r.wantState(Active)
}

// wait runs until an action was taken, for ten seconds at most, and returns how long that took.
func (r *router) wait(action string) time.Duration {
	r.t.Helper()
	from := r.now
	for r.did(action) == 0 && r.now.Sub(from) < 10*time.Second {
		r.run(time.Millisecond)
	}
	return r.now.Sub(from)
}
