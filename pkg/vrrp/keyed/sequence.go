// SPDX-License-Identifier: Apache-2.0

package keyed

import (
	"fmt"
	"time"
)

// Sequence orders what a host has signed: from the high bits to the low ones the seconds since 1970 modulo 2^32, the fraction of
// the second in units of 1/65536 s, and a counter.
type Sequence uint64

// sequenceSecond is one second of a sequence.
const sequenceSecond Sequence = 1 << 32

// SequenceAt is the sequence of a moment, with counter 0.
func SequenceAt(t time.Time) Sequence {
	return Sequence(uint32(t.Unix()))<<32 | Sequence(uint64(t.Nanosecond())<<16/uint64(time.Second))<<16
}

// After reports whether s is later than other: the signed difference of 64 bits, which goes on past the end of the numbers.
func (s Sequence) After(other Sequence) bool { return int64(s-other) > 0 }

// Sub is how much later s is than other, without regard to the counter's meaning.
func (s Sequence) Sub(other Sequence) time.Duration {
	d := int64(s - other)
	return time.Duration(d>>32)*time.Second + time.Duration(d&0xffffffff*int64(time.Second)>>32)
}

// secondsAhead is by how many whole seconds s is ahead of other, negative behind it: the fractions do not count.
func (s Sequence) secondsAhead(other Sequence) time.Duration {
	return time.Duration(int32(s>>32-other>>32)) * time.Second
}

// String has the three parts with dots between them.
func (s Sequence) String() string {
	return fmt.Sprintf("%d.%d.%d", uint32(s>>32), uint16(s>>16), uint16(s))
}
