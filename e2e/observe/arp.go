// SPDX-License-Identifier: Apache-2.0

package observe

import (
	"cmp"
	"errors"
	"io"
	"net/netip"
	"regexp"
	"slices"
	"strings"
	"time"
)

// A Claim is a packet by which its receivers find the virtual IP at a MAC address: any ARP packet whose sender has the virtual
// IP, or a neighbour advertisement of it.
type Claim struct {
	At    time.Time
	MAC   string // 02:42:c0:a8:ee:82
	Reply bool   // to a question; not: an announcement to all
}

// What tcpdump -n -e -tt prints. The MAC address that a reply names is the one that counts, not that of its sender.
var (
	packetLine    = regexp.MustCompile(`^([0-9.]+) ([0-9a-f:]{17}) > ([0-9a-f:]{17}), (.*)$`)
	arpRequest    = regexp.MustCompile(`[:,] Request who-has \S+(?: \(\S+\))? tell ([0-9.]+),`)
	arpReply      = regexp.MustCompile(`[:,] Reply ([0-9.]+) is-at ([0-9a-f:]{17}),`)
	advertisement = regexp.MustCompile(`[:,] ICMP6, neighbor advertisement, tgt is ([0-9a-f:.]+),`)
)

var errNoPacketLine = errors.New("it is no line of tcpdump -n -e -tt")

// ReadClaims reads lines of `tcpdump -n -e -tt`, and returns the claims to the virtual IP.
func ReadClaims(r io.Reader, vip netip.Addr) ([]Claim, error) {
	var claims []Claim
	err := scan(r, func(text string) error {
		line := packetLine.FindStringSubmatch(text)
		if line == nil {
			return errNoPacketLine
		}
		at, err := parseTime(line[1])
		if err != nil {
			return err
		}
		if mac, address := parseClaim(line[2], line[4]); address == vip.String() {
			claims = append(claims, Claim{At: at, MAC: mac, Reply: !toAll(line[3])})
		}
		return nil
	})
	return claims, err
}

// parseClaim returns which MAC address a packet claims which address for; no address if it claims none.
func parseClaim(sender, packet string) (mac, address string) {
	if reply := arpReply.FindStringSubmatch(packet); reply != nil {
		return reply[2], reply[1]
	}
	for _, kind := range []*regexp.Regexp{arpRequest, advertisement} {
		if found := kind.FindStringSubmatch(packet); found != nil {
			return sender, found[1]
		}
	}
	return "", ""
}

// toAll reports whether a MAC address is that of a group.
func toAll(mac string) bool { return strings.Contains("13579bdf", mac[1:2]) }

// Claimants returns when each MAC address claimed the virtual IP, for a [NewTimeline] whose hosts are MAC addresses: from one
// claim to the last of those that follow each other within a window. Nothing is added to the last one. So of two addresses
//   - that claim one after the other, the first not again after the first claim of the second, no time is shared;
//   - of which the first claims for the last time 0.1 s after the first claim of the second, 0.1 s are shared;
//   - of which one claims once while the other claims repeatedly, a moment is shared, a span of no length.
//
// The window must be longer than the time between two claims of an undisturbed holder. A holder that loses the virtual IP and
// has it back within the window seems to have had it all the time: the shared time may come out too long, but not too short.
func Claimants(claims []Claim, window time.Duration) []Change {
	claims = slices.Clone(claims)
	slices.SortStableFunc(claims, func(a, b Claim) int { return cmp.Or(strings.Compare(a.MAC, b.MAC), a.At.Compare(b.At)) })
	var changes []Change
	for i, c := range claims {
		if i == 0 || claims[i-1].MAC != c.MAC || c.At.Sub(claims[i-1].At) > window {
			changes = append(changes, Change{At: c.At, Host: c.MAC, Has: true})
		}
		if i == len(claims)-1 || claims[i+1].MAC != c.MAC || claims[i+1].At.Sub(c.At) > window {
			changes = append(changes, Change{At: c.At, Host: c.MAC})
		}
	}
	return changes
}
