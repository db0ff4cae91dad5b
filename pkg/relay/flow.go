// SPDX-License-Identifier: Apache-2.0

package relay

import "time"

// A session is transferring while one side has sent something in the last TransferWindow, and either the other side has been
// silent for as long, or it has sent more than transferBytes since the other side spoke. So a download is transferring, and a
// client that asks one small question after another is not: it may ask the next one elsewhere.
const (
	TransferWindow = time.Second
	transferBytes  = 16 << 10
)

// A flow is what one side of a session has sent.
type flow struct {
	at     time.Duration // when it last sent something
	all    int64         // bytes
	burst  int64         // bytes since the other side spoke
	before int64         // bytes of the burst before
}

// sent notes that this side sends, and so ends the burst of the other one.
func (f *flow) sent(now time.Duration, n int, other *flow) {
	f.at = now
	f.all += int64(n)
	f.burst += int64(n)
	if other.burst > 0 {
		other.before, other.burst = other.burst, 0
	}
}

// transfers reports whether this side transfers something at a time.
func (f *flow) transfers(now time.Duration, other *flow) bool {
	recently := func(f *flow) bool { return f.at > 0 && now-f.at < TransferWindow }
	return recently(f) && (!recently(other) || max(f.burst, f.before) > transferBytes)
}
