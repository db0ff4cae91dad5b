// SPDX-License-Identifier: Apache-2.0

package keyed

import (
	"cmp"
	"net/netip"
	"slices"
	"time"
)

// mostOthers is how many sources without a place of their own have a mark: all those of multicast, and of unicast the peers of
// before.
const mostOthers = 32

// Mark is the last sequence that was accepted of a source.
type Mark struct {
	Source   netip.Addr
	Sequence Sequence
}

type mark struct {
	Mark
	used uint64 // when, by the count of uses
}

// marks has one mark for each peer, and a bounded number for others, of which the least recently used one gives way.
type marks struct {
	peers []netip.Addr
	all   []mark
	uses  uint64
}

// find returns where the mark of a source is, or nil.
func (m *marks) find(source netip.Addr) *mark {
	for i := range m.all {
		if m.all[i].Source == source {
			return &m.all[i]
		}
	}
	return nil
}

// set sets the mark of a source.
func (m *marks) set(source netip.Addr, s Sequence) {
	m.uses++
	at := m.find(source)
	if at == nil {
		at = m.place(source)
	}
	*at = mark{Mark{source, s}, m.uses}
}

// place makes a place for the mark of a source: of a peer in any case, of another one by taking that of the least recently used.
func (m *marks) place(source netip.Addr) *mark {
	var oldest *mark
	others := 0
	for i := range m.all {
		if at := &m.all[i]; !slices.Contains(m.peers, at.Source) {
			others++
			if oldest == nil || at.used < oldest.used {
				oldest = at
			}
		}
	}
	if others >= mostOthers && !slices.Contains(m.peers, source) {
		return oldest
	}
	m.all = append(m.all, mark{})
	return &m.all[len(m.all)-1]
}

// setPeers replaces the peers. The mark of one that is gone stays among the others.
func (m *marks) setPeers(peers []netip.Addr) {
	m.peers = m.peers[:0]
	for _, p := range peers {
		m.peers = append(m.peers, plain(p))
	}
	for {
		others := slices.DeleteFunc(slices.Clone(m.all), func(at mark) bool { return slices.Contains(m.peers, at.Source) })
		if len(others) <= mostOthers {
			break
		}
		oldest := slices.MinFunc(others, byUse)
		m.all = slices.DeleteFunc(m.all, func(at mark) bool { return at.Source == oldest.Source })
	}
	m.all = slices.Grow(m.all, len(m.peers)+mostOthers-len(m.all))
}

func byUse(a, b mark) int { return cmp.Compare(a.used, b.used) }

// export returns all marks, the least recently used one first.
func (m *marks) export() []Mark {
	var out []Mark
	for _, at := range slices.SortedFunc(slices.Values(m.all), byUse) {
		out = append(out, at.Mark)
	}
	return out
}

// restore sets the marks that are later than those here. With a window it leaves out those that lie ahead of it: the clock that
// made them was wrong, or is now.
func (m *marks) restore(now time.Time, window time.Duration, saved []Mark) {
	for _, s := range saved {
		source := plain(s.Source)
		at := m.find(source)
		if window > 0 && s.Sequence.secondsAhead(SequenceAt(now)) > window || at != nil && !s.Sequence.After(at.Sequence) {
			continue
		}
		m.set(source, s.Sequence)
	}
}
