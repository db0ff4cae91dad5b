// SPDX-License-Identifier: Apache-2.0

package election

import "time"

// Times of the election from which the bounds of an outage follow.
const (
	// KernelSlack is how much longer than its lifetime the kernel may keep an address that nobody refreshes.
	KernelSlack = kernelSlack
	// LongestProbe is the longest time in which a probe finds that nobody answers for an address.
	LongestProbe = longestProbe
	// RankStep is the longest delay between two takers of equal priority.
	RankStep = rankStep
	// ColdStartJitter is the longest random delay of a first takeover.
	ColdStartJitter = coldStartJitter
	// AnnounceEvery is the time between two announcements of a holder, after the first six.
	AnnounceEvery = announceEvery
	// DistressAfter is for how long a node must be without a healthy backend before it says so.
	DistressAfter = distressAfter
	// DistressPatience is how long a holder in distress is borne with at least.
	DistressPatience = distressPatience
	// AnswerTimeout is after what time a question to the API has no answer.
	AnswerTimeout = answerTimeout
	// Unreachable is the number of questions in a row without an answer after which the API counts as unreachable.
	Unreachable = unreachable
	// SeizeAfter is how long a holder must be silent and its address free beside a fresh Lease until the Lease is seized.
	SeizeAfter = seizeAfter
	// SeizeMargin is added to the time in which a holder sees that it has lost its Lease.
	SeizeMargin = seizeMargin
)

// Lifetime returns how long the kernel keeps an address without a refresh: 1 s with advertisements faster than one a second,
// otherwise 2 s. The kernel counts in whole seconds and may keep the address up to [KernelSlack] longer, which must end
// before another node could take over: after 3 intervals at the least.
func Lifetime(advertisementInterval time.Duration) time.Duration {
	if advertisementInterval < time.Second {
		return time.Second
	}
	return 2 * time.Second
}

// RefreshInterval returns the time between two refreshes of an address by its holder.
func RefreshInterval(advertisementInterval, lifetime time.Duration) time.Duration {
	return min(advertisementInterval/2, lifetime/4)
}
