// SPDX-License-Identifier: Apache-2.0

package firewall

import (
	"cmp"
	"slices"

	"github.com/google/nftables"
	"github.com/google/nftables/expr"
)

// lookup reports whether a set has what is in a register, and loads what it has with it, which is not followed.
func (m *machine) lookup(e *expr.Lookup) truth {
	found := no
	for _, member := range m.members(e) {
		found = max(found, member.truth)
	}
	if e.IsDestRegSet {
		m.load(e.DestRegister, unknown(16))
	}
	return found.unless(e.Invert)
}

// verdicts returns those of a verdict map for what is in a register, the one that is certain last.
func (m *machine) verdicts(e *expr.Lookup) (ends []alternative) {
	for _, member := range m.members(e) {
		if member.element.VerdictData == nil {
			ends = append(ends, alternative{min(m.certain, maybe), verdict{kind: elsewhere}})
			continue
		}
		ends = append(ends, alternative{min(m.certain, member.truth), verdictOf(member.element.VerdictData)})
	}
	slices.SortStableFunc(ends, func(a, b alternative) int { return cmp.Compare(a.truth, b.truth) })
	return ends
}

// member is an element that may have what is asked for.
type member struct {
	truth   truth
	element nftables.SetElement
}

// members returns the elements that may have what is in a register. A set that could not be read may have anything.
func (m *machine) members(e *expr.Lookup) (found []member) {
	s, ok := m.sets[e.SetName]
	if !ok {
		return []member{{truth: maybe}}
	}
	for _, element := range s.ranges() {
		if t := s.has(m.read(e.SourceRegister, len(element.Key)), element); t != no {
			found = append(found, member{t, element})
		}
	}
	return found
}

// parts are the sizes of those of a key that is a concatenation: each begins at a multiple of four. Those of the keys of verdict maps
// are not known: the library has the type of the data there.
func (s set) parts(key []byte) (sizes []int) {
	if !s.Concatenation {
		return []int{len(key)}
	}
	for _, part := range nftables.ConcatSetTypeElements(s.KeyType) {
		sizes = append(sizes, (int(part.Bytes)+3)/4*4)
	}
	return sizes
}

// ranges returns the elements with both their ends. A set of intervals has their beginnings and what comes after their ends, or both
// ends in one element where it is a concatenation.
func (s set) ranges() (ranges []nftables.SetElement) {
	if !s.Interval || s.Concatenation {
		return s.elements
	}
	sorted := slices.SortedStableFunc(slices.Values(s.elements), func(a, b nftables.SetElement) int {
		return slices.Compare(a.Key, b.Key)
	})
	for i, element := range sorted {
		if element.IntervalEnd {
			continue
		}
		element.KeyEnd = exactly(make([]byte, len(element.Key))).known // the last interval may have no end
		if i+1 < len(sorted) {
			element.KeyEnd = before(sorted[i+1].Key)
		}
		ranges = append(ranges, element)
	}
	return ranges
}

// before is the number before another.
func before(key []byte) []byte {
	key = slices.Clone(key)
	for i := len(key) - 1; i >= 0; i-- {
		key[i]--
		if key[i] != 0xff {
			break
		}
	}
	return key
}

// has reports whether an element has a key, part by part.
func (s set) has(key bits, element nftables.SetElement) truth {
	if len(element.KeyEnd) == 0 {
		return key.equals(element.Key)
	}
	result, from := yes, 0
	for _, size := range s.parts(element.Key) {
		to := from + size
		if size == 0 || to > len(element.Key) || to > len(element.KeyEnd) {
			return maybe
		}
		result = min(result, key.slice(from, size).between(element.Key[from:to], element.KeyEnd[from:to]))
		from = to
	}
	return result
}
