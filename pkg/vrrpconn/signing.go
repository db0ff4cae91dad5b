// SPDX-License-Identifier: Apache-2.0

package vrrpconn

import (
	"net/netip"
	"slices"
	"sync"
	"time"

	"github.com/harbinger-ha/harbinger/pkg/vrrp/keyed"
)

// maxHeard bounds how many sources are kept apart.
const maxHeard = 64

// Signing signs what the sockets of one virtual address send, and checks the signatures of what they receive. It outlives a socket:
// what was signed and accepted last counts for the next one too. Its methods may be called from any goroutine.
type Signing struct {
	now     func() time.Time
	changed func()

	mu       sync.Mutex
	cfg      keyed.Config
	sender   *keyed.Sender
	receiver *keyed.Receiver
	peers    []netip.Addr // of unicast; nil: multicast
	known    []netip.Addr
	heard    map[netip.Addr]*Heard
}

// Heard is what was accepted from one source.
type Heard struct {
	Source   netip.Addr    // invalid: all that are neither known nor have signed anything
	SignedAt time.Time     // the last one that was signed; zero: none was
	KeyID    uint8         // that it was signed with
	Skew     time.Duration // by how much the clock of the source is ahead of ours
	Skewed   bool          // by more than half of the window
	Unsigned uint64        // how many were not signed
}

// SigningState is what the next process must know, so that no advertisement passes twice, and its own do not look like old ones.
type SigningState struct {
	Reserved keyed.Sequence // no sequence up to it may be signed again; 0: nothing was signed
	Marks    []keyed.Mark
}

// NewSigning returns a Signing by a clock, or what is wrong with a configuration. Changed is called after each change of its state.
func NewSigning(cfg keyed.Config, now func() time.Time, changed func()) (*Signing, error) {
	s := &Signing{now: now, changed: changed, heard: map[netip.Addr]*Heard{}}
	return s, s.Reconfigure(cfg)
}

// Reconfigure replaces the configuration, or leaves it as it is where the new one is invalid. What was signed and accepted before
// goes on to count.
func (s *Signing) Reconfigure(cfg keyed.Config) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	sender, err := cfg.NewSender()
	if err != nil {
		return err
	}
	receiver, err := cfg.NewReceiver(s.peers)
	if err != nil {
		return err
	}
	if s.sender != nil {
		if last, ok := s.sender.Last(); ok {
			sender.Restore(last)
		}
		receiver.Restore(s.now(), s.receiver.Marks())
	}
	s.cfg, s.sender, s.receiver = cfg, sender, receiver
	return nil
}

// SetPeers sets the peers of unicast, none for multicast, and the addresses that other nodes are known by.
func (s *Signing) SetPeers(peers, known []netip.Addr) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.known = slices.Clone(known)
	if s.peers = nil; len(peers) > 0 {
		s.peers = slices.Clone(peers)
		s.receiver.SetPeers(peers)
	}
}

// Heard returns what was accepted from each source: from those that are known, whether or not they were heard, and from those that
// have signed something. What comes from others and is not signed is counted together.
func (s *Signing) Heard() []Heard {
	s.mu.Lock()
	defer s.mu.Unlock()
	all := map[netip.Addr]Heard{}
	for _, known := range s.known {
		all[known] = Heard{Source: known}
	}
	for source, h := range s.heard {
		all[source] = *h
	}
	out := make([]Heard, 0, len(all))
	for _, h := range all {
		out = append(out, h)
	}
	slices.SortFunc(out, func(a, b Heard) int { return a.Source.Compare(b.Source) })
	return out
}

// State returns what the next process must know.
func (s *Signing) State() SigningState {
	s.mu.Lock()
	defer s.mu.Unlock()
	state := SigningState{Marks: s.receiver.Marks()}
	if reserved, ok := s.sender.Reserve(); ok {
		state.Reserved = reserved
	}
	return state
}

// Restore takes over what an earlier process has left.
func (s *Signing) Restore(state SigningState) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.receiver.Restore(s.now(), state.Marks)
	if state.Reserved != 0 {
		s.sender.Restore(state.Reserved)
	}
}

// sign returns the trailer of a message, which lasts until the next one, or nil where nothing is signed.
func (s *Signing) sign(message []byte, source netip.Addr) []byte {
	s.mu.Lock()
	trailer := s.sender.Sign(s.now(), message, source)
	s.mu.Unlock()
	if trailer != nil {
		s.changed()
	}
	return trailer
}

// verify says why a packet that has passed every other check is refused. One that is not refused will not pass again.
func (s *Signing) verify(message, trailer []byte, source netip.Addr) error {
	s.mu.Lock()
	now := s.now()
	verdict, err := s.receiver.Verify(now, message, trailer, source)
	if err == nil {
		s.receiver.Accept(verdict)
		s.note(now, source, verdict)
	}
	s.mu.Unlock()
	if verdict.Signed {
		s.changed()
	}
	return err
}

// note remembers an accepted packet. Only who has a key, or is known, has a place of its own: the others could be any number.
func (s *Signing) note(now time.Time, source netip.Addr, v keyed.Verdict) {
	h := s.heard[source]
	if h == nil {
		own := v.Signed || slices.Contains(s.known, source) || slices.Contains(s.peers, source)
		if !own || len(s.heard) >= maxHeard {
			source = netip.Addr{}
		}
		if h = s.heard[source]; h == nil {
			h = &Heard{Source: source}
			s.heard[source] = h
		}
	}
	if !v.Signed {
		h.Unsigned++
		return
	}
	h.SignedAt, h.KeyID, h.Skew, h.Skewed = now, v.KeyID, v.Skew, v.Skewed
}
