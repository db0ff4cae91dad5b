// SPDX-License-Identifier: Apache-2.0

package election

import (
	"cmp"
	"net/netip"
	"time"
)

// heard is what the advertisements of other nodes show: who holds the addresses, with which priority, and how long none was
// heard. Rows 3 to 10 and 24 to 26 decide by it.
type heard struct {
	interval  time.Duration // learned: Active_Adver_Interval (RFC 9568, section 6.1)
	holder    netip.Addr    // source of the last advertisement
	priority  uint8         // of the last advertisement
	at        time.Time     // of the last advertisement that was no release
	first     time.Time     // the same, of the first family
	firstFrom netip.Addr    // the source of that
	accepted  time.Time     // of the last advertisement that this node accepted
	sign      time.Time     // of the last sign of life of a holder; at first, when this node began to listen
	sick      time.Time     // since when the holder advertises distress; zero: it does not
	ever      bool          // an advertisement was heard since the process began
	split     bool          // the virtual address is served, but its node is not heard
	filtered  Unheard       // what does not arrive from it
	unasked   string        // what kept this node from asking when it asked last
	served    time.Time     // when somebody who did not say who last served the virtual address
	leaver    leaver        // the last to advertise, if it released the addresses
	announced announced
	claims    claimants
	rival     rival
	loss      float64 // moving share of the advertisements that did not arrive
}

// leaver is a host that has released the addresses.
type leaver struct {
	from netip.Addr
	at   time.Time
}

// announced is the last host that announced the addresses by ARP or neighbour discovery.
type announced struct {
	owner string // hardware address
	at    time.Time
}

// Unheard says what does not arrive from a holder that serves. The zero value: everything does, or there is no such holder.
type Unheard struct {
	Advertisements bool       // protocol 112
	Identity       bool       // TCP, its identity port
	Owner          string     // its hardware address; empty: not known
	Peer           netip.Addr // its address, where it is a known peer; else invalid
	Node           string     // its name, where the Lease shows it
}

// Holder names the holder as well as it is known.
func (u Unheard) Holder() string {
	switch {
	case u.Peer.IsValid():
		return u.Peer.String()
	case u.Node != "":
		return u.Node
	}
	return cmp.Or(u.Owner, "the holder")
}

// String says it in words.
func (u Unheard) String() string {
	text := "protocol 112 from " + u.Holder() + " does not arrive here"
	if u.Identity {
		text += ", and neither does an answer of its identity port"
	}
	return text
}

// rival is a peer whose claim meets the claim of this node.
type rival struct {
	from  netip.Addr
	since time.Time
	last  time.Time
}

// note remembers an advertisement. First says that it is of the first family, claims that priorities of claims count,
// and peer that the host is a known one.
func (h *heard) note(now time.Time, from netip.Addr, priority uint8, first, claims, peer bool) {
	h.sign, h.ever = now, true
	if priority == 0 {
		h.leaver = leaver{from, now}
		return
	}
	h.leaver = leaver{}
	if from == h.holder && !h.at.IsZero() {
		h.lose(now.Sub(h.at))
	}
	if claims && inClaim(priority) {
		h.claims.note(from, priority, peer)
	} else {
		h.claims.forget(from)
	}
	switch {
	case !inDistress(priority):
		h.sick = time.Time{}
	case h.sick.IsZero() && now.Sub(h.at) > h.heardWithin(): // it took the addresses in distress, and its time is over
		h.sick = now.Add(-DistressPatience)
	case h.sick.IsZero():
		h.sick = now
	}
	h.holder, h.priority, h.at = from, priority, now
	if first {
		h.first, h.firstFrom = now, from
	}
}

// hear notes that a holder is heard, or that this node is one.
func (h *heard) hear() {
	h.split, h.filtered, h.unasked, h.served, h.leaver = false, Unheard{}, "", time.Time{}, leaver{}
}

// announces reports whether the host with a hardware address announced the addresses a moment ago: a holder repeats that.
func (h *heard) announces(now time.Time, owner string) bool {
	a := h.announced
	return owner != "" && a.owner == owner && now.Before(a.until())
}

// until returns when an announcement says nothing of now any more.
func (a announced) until() time.Time { return a.at.Add(AnnounceEvery + announceSlack) }

// released reports whether the last host that advertised has released the addresses, may be a peer, and may still serve until it
// hears a successor: who serves later has taken them again. A peer is known by one address of each family, and advertises over
// IPv6 from the link-local one.
func (h *heard) released(now time.Time, cfg *Config, peer netip.Addr) bool {
	l := h.leaver
	if !l.from.IsValid() || now.Sub(l.at) > cfg.leaving() {
		return false
	}
	return !peer.IsValid() || l.from == peer || l.from.Is6()
}

// hears reports whether a peer was the last to advertise, a moment ago.
func (h *heard) hears(now time.Time, peer netip.Addr) bool {
	return h.holder == peer && now.Sub(h.at) < 3*h.interval
}

// hearsClaim reports whether a holder with a claim is heard.
func (h *heard) hearsClaim(now time.Time) bool {
	return inClaim(h.priority) && !h.at.IsZero() && now.Sub(h.at) < 2*h.interval
}

// hearsHolder reports whether the holder of the Lease is heard, with the claim of its epoch.
func (h *heard) hearsHolder(now time.Time, l Lease) bool {
	return h.firstFrom == l.Address && h.claims.claim(l.Address) == claimPriority(l.Epoch) && now.Sub(h.first) < 2*h.interval
}

// preemptable reports whether a holder is heard that this node does not accept.
func (h *heard) preemptable(now time.Time) bool {
	return h.at.After(h.accepted) && now.Sub(h.at) < 3*h.interval
}

// defied notes that the claim of a peer meets that of this node, and reports whether the two have met for so long that the
// peer knows nothing of claims (F17).
func (h *heard) defied(now time.Time, from netip.Addr, interval time.Duration) bool {
	r := &h.rival
	if r.from != from || now.Sub(r.last) > 3*interval {
		*r = rival{from: from, since: now}
	}
	r.last = now
	return h.defies(now, from)
}

// defies reports whether a peer is known to ignore the claim of this node.
func (h *heard) defies(now time.Time, from netip.Addr) bool {
	return h.rival.from == from && now.Sub(h.rival.since) >= defiance
}

// expired returns when the kernel of a holder that died unseen has dropped the addresses at the latest (row 12). Its last
// refresh was the last one before the advertisement that did not come.
func (h *heard) expired(cfg *Config) time.Time {
	return cfg.expires(h.sign.Add(h.interval - cfg.refreshEvery()))
}

// suspicions are the times, in tenths of an interval of silence, at which the Lease is read to see whether the holder lives:
// far enough apart for a renewal.
var suspicions = []time.Duration{12, 23}

// suspectAt returns when the next of these reads is due, after one at the time read. Zero: never.
func (h *heard) suspectAt(read time.Time) time.Time {
	if h.split || h.accepted.IsZero() {
		return time.Time{}
	}
	for _, tenths := range suspicions {
		if at := h.accepted.Add(tenths * h.interval / 10); read.Before(at) {
			return at
		}
	}
	return time.Time{}
}

// lose counts the advertisements that are missing in a gap between two. One that no loss of frames explains is a cut, or a filter.
func (h *heard) lose(gap time.Duration) {
	missed := int((gap + h.interval/2) / h.interval)
	if missed > longestGap {
		return
	}
	for range missed - 1 {
		h.loss += (1 - h.loss) / lossWeight
	}
	h.loss -= h.loss / lossWeight
}

// lossy reports whether so many frames are lost that silence, and a failed check, may be an accident.
func (h *heard) lossy() bool { return h.loss >= lossyShare }

// heardWithin is how long a holder that lives is silent at most.
func (h *heard) heardWithin() time.Duration {
	if h.lossy() {
		return longestGap * h.interval
	}
	return 2 * h.interval
}

// patience returns for how long a holder in distress is accepted: the longer, the more frames are lost, as its checks fail by them. A
// check that needs an answer takes as many tries as the loss both ways makes of one.
func (h *heard) patience() time.Duration {
	passes := 1 - min(h.loss, mostLoss)
	return time.Duration(float64(DistressPatience) / (passes * passes))
}
