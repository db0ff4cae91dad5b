// SPDX-License-Identifier: Apache-2.0

package election

import "time"

// The durations of the specification (README.md, Constants), with its letters. Those that are not here follow from the
// configuration: the interval A, the renewal interval R, and StaleAfter St.
const (
	// LongestProbe (P) is the longest time in which a probe finds that nobody answers for an address. It is shorter with an interval
	// below 600 ms, half of that and a little for the answer.
	LongestProbe = 300 * time.Millisecond
	// KernelSlack is how much longer than its lifetime (L) the kernel may keep an address that nobody refreshes.
	KernelSlack = 1100 * time.Millisecond
	// RankStep is the longest delay between two nodes of equal priority that take over.
	RankStep = 20 * time.Millisecond
	// shortestStep parts two such nodes by more than a frame takes, where the interval allows it.
	shortestStep = 4 * time.Millisecond
	// ColdStartJitter is the longest random delay of a first takeover.
	ColdStartJitter = 200 * time.Millisecond
	// AnnounceEvery (GR) is the time between two announcements of a holder, after the train.
	AnnounceEvery = 5 * time.Second
	// DistressAfter is for how long a node must be without a healthy backend before it is in distress.
	DistressAfter = 500 * time.Millisecond
	// DistressPatience is for how long a Backup accepts a holder in distress at least: the Backup may find the same
	// fault up to 2.9 s later, or the fault ends.
	DistressPatience = 3 * time.Second
	// AnswerTimeout (T) is the time after which a question to the API has no answer.
	AnswerTimeout = 700 * time.Millisecond
	// UnreachableAfter is the number of questions in a row without an answer after which the API counts as unreachable.
	UnreachableAfter = 2
	// SeizeAfter (G) is for how long a holder must be silent, and its address free, until its fresh Lease is seized.
	SeizeAfter = 8 * time.Second
	// SeizeMargin is added to R + T for the wait (D) of a seizure, until the old holder must have read its loss.
	SeizeMargin = 300 * time.Millisecond
)

// Times of a probe, of distress and of a takeover.
const (
	reprobeZombie   = 100 * time.Millisecond
	reprobeForeign  = time.Second
	retryLive       = 500 * time.Millisecond // next probe after the virtual address was found to be served
	announceSlack   = time.Second            // an announcement that is older than AnnounceEvery and this was of an earlier holder
	verdictAge      = time.Second            // an older verdict says nothing of now
	distressEnds    = 2 * time.Second        // with a healthy backend again
	startAsks       = 8                      // questions by ARP of a node that starts, in the time of a probe
	startLoss       = 5                      // one lost answer of so many: more of them, and the silence of a holder may be an accident
	shortestLearned = 10 * time.Millisecond
	longestLearned  = 10 * time.Second
	defendEvery     = 250 * time.Millisecond // between two answers to a release, to a losing advertisement, or to a peer's claim by ARP
	defendForeign   = 10 * time.Second       // answers to a foreign host's claim, after the first
	conflictWindow  = 10 * time.Second       // claims of peers are counted for so long
	settleSlack     = time.Second            // added to 2 A: two holders that meet are one again
	defiance        = 10 * time.Second       // a peer that ignores a newer claim for so long knows nothing of claims
	lowestPriority  = 1
	highestDistress = 10
)

// Times of a planned stop and of a handover.
const (
	secondRelease     = 20 * time.Millisecond  // after the first
	linger            = 50 * time.Millisecond  // of a leaving holder after its successor was heard, until the neighbours know
	leaverRemoves     = 50 * time.Millisecond  // a keepalived removes the addresses after its release; skew time/4 where that is shorter
	lingerByLease     = 500 * time.Millisecond // the same, after the successor was seen in the Lease
	leaveSlack        = 500 * time.Millisecond // added to the longest Active_Down_Interval
	invitationTime    = 10 * time.Second       // a named successor must take over within
	handoverHold      = 5 * time.Minute        // a node that handed over does not preempt before
	releasesOfLeaving = 2
)

// Times of the arbitration by the Lease.
const (
	readAge             = time.Second             // an older read is no ground for a claim
	verifyEvery         = 500 * time.Millisecond  // reads that the wire gives rise to, at most
	readsAtOnce         = 3                       // after challenges beside one epoch of the Lease, before that counts
	readsOfCluster      = 1100 * time.Millisecond // between two reads of all Backups together, on average
	retryRefused        = 500 * time.Millisecond  // next try, at the latest, after another's Lease was fresh
	renewals            = 3                       // one of so many was written by a holder whose claim counts as confirmed
	closeReads          = 3 * time.Second         // two reads closer than this that differ show a renewal of now
	distressAfterOutage = 4 * time.Second         // after an outage of the API a holder in distress keeps the Lease for so long
	abdicationFor       = 3                       // intervals for which a release on the wire stands for one of the Lease
	seizeProbes         = 3 * time.Second         // longest wait for an address that is served still
	seizeAgain          = 60 * time.Second        // a node that has seized does not seize before
	seizeRetries        = 3                       // the holder's renewals come between
	refusedLead         = 50 * time.Millisecond   // a takeover that is tried again and again has its verdict in time
)

// Numbers and times of the questions that find an address silent, and of a takeover by them.
const (
	fewestAsks      = 5                      // questions by ARP or neighbour discovery of a probe
	mostAsks        = 60                     // that one silence needs, whatever is lost
	asksAtOnce      = 25                     // of one probe
	measuredAsks    = 10                     // so many questions to hosts that live measure the loss of frames
	answerSlack     = 10 * time.Millisecond  // for the answer to the last one, where the interval allows it
	longestAskStep  = 20 * time.Millisecond  // between two of them
	oldestSilence   = 500 * time.Millisecond // a silence found longer ago says nothing of now; 2 A where that is shorter
	youngestSilence = 60 * time.Millisecond  // the least that this may be
	leastPatience   = 50 * time.Millisecond  // with the Lease; A/2 where that is longer
	hurriedFor      = 3 * time.Second        // an answer that comes later decides nothing
	lossWeight      = 25                     // of the advertisements whose share that did not arrive is known
	lossyShare      = 0.1                    // of the advertisements that do not arrive, from which on frames count as lost
	mostLoss        = 0.3                    // with which a holder in distress is given twice as long
	accident        = 1e-5                   // probability of a silence by loss alone that is borne
	unheardAfter    = 2                      // intervals after which a holder that lives is heard by somebody
	longestGap      = 4                      // intervals without an advertisement, which loss of frames explains
)

// Times of the proofs: who is reached, and who serves.
const (
	longestReach  = 500 * time.Millisecond // a holder asks whom it reaches; every 10 A where that is shorter
	reachAge      = 2 * time.Second        // an older answer says nothing of now
	doubtAfter    = 2                      // answers in a row without anybody, after which a holder does not answer who asks for the addresses
	aloneAfter    = 3                      // the same, after which it counts as cut off
	lonelyWait    = 3 * time.Second        // a node that reaches nobody leaves a free Lease to others for so long
	lostEvery     = 10 * time.Second       // who lost the Lease asks whether it reaches the winner
	checkEvery    = 2 * time.Second        // a Backup tries to reach the virtual address
	checkTimeout  = time.Second            // of such a check, and of a rehearsal
	checksFailed  = 3                      // checks in a row after which the holder counts as not reached
	rehearsalAge  = 10 * time.Second       // an older rehearsal says nothing of now
	shunFor       = 10 * time.Minute       // a node that clients did not reach stays in distress, unless it is shown to be reached
	reportEvery   = 2 * time.Second        // between two alarms Forged, or Unreachable
	forgedFor     = 20 * time.Second       // the status names the source of a forged advertisement for so long
	rehearseEvery = 10 * time.Second       // a node that clients did not reach asks whether they would now
	absentAfter   = 3                      // answers in a row without the holder of a fresh Lease, before it is seized: one alone may be an accident
	raiseEvery    = 2 * time.Second        // between two epochs that a holder takes to be above a claim of a peer
	epochLeap     = 1 << 16                // no node counts up to the last epochs before MaxInt32
)

// Times of a predecessor.
const (
	predecessorEvery    = 250 * time.Millisecond // between two looks at its Lease
	predecessorRenew    = 2 * time.Second        // between two renewals of it by the holder: a candidate of kube-vip looks as often
	predecessorTurn     = time.Second            // a node that is not the first to take it leaves it to others for so long
	predecessorDuration = 15 * time.Second       // of that Lease, where it says none: kube-vip's default
	predecessorKept     = time.Minute            // as Harbinger writes it: no kube-vip takes it in a short outage of the API
	predecessorAbsent   = 5 * time.Second        // kube-vip makes a Lease anew that is not there in less
	predecessorLeaves   = 3 * time.Second        // it has removed the addresses by then
)

// The trains of announcements: after a takeover, after a losing advertisement, and after another's claim by ARP. The
// loser of an advertisement may have announced a moment after it.
var (
	train        = []time.Duration{0, 100 * time.Millisecond, 300 * time.Millisecond, time.Second, 2 * time.Second, 4 * time.Second}
	assertTrain  = []time.Duration{0, 20 * time.Millisecond, 100 * time.Millisecond, 300 * time.Millisecond, time.Second}
	defenceTrain = []time.Duration{0, 300 * time.Millisecond, 600 * time.Millisecond, time.Second}
)

// Lifetime returns how long the kernel keeps an address without a refresh (L): 1 s with advertisements faster than one a
// second, otherwise 2 s. The kernel counts in whole seconds and may keep the address up to [KernelSlack] longer, which must
// end before another node could take over: after 3 intervals at the least.
func Lifetime(advertisementInterval time.Duration) time.Duration {
	if advertisementInterval < time.Second {
		return time.Second
	}
	return 2 * time.Second
}

// RefreshInterval returns the time between two refreshes of an address by its holder: two may be missed before the address
// expires.
func RefreshInterval(advertisementInterval, lifetime time.Duration) time.Duration {
	return min(advertisementInterval/2, lifetime/4)
}

// ShortestFence is the shortest time after which a fence closes: the kernel counts it in its ticks, of 4 ms on many hosts.
const ShortestFence = 20 * time.Millisecond

// FenceTimeout returns after how long without a refresh the fence of a holder closes: two intervals, so that the address of a dead
// holder is off the wire before another node asks for it, which it does after three. It is never more than the lifetime of the
// address in the kernel. A process without real-time scheduling has all of that lifetime, because a busy host may wake it half a
// second late: with less it would lose the address without a fault.
func FenceTimeout(advertisementInterval time.Duration, realTime bool) time.Duration {
	lifetime := Lifetime(advertisementInterval)
	if !realTime {
		return lifetime
	}
	return min(max(2*advertisementInterval, ShortestFence), lifetime)
}
