// SPDX-License-Identifier: Apache-2.0

package probe

import (
	"net"
	"net/netip"
	"time"
)

// The bounds of the answers of the identity port: a node asks another some ten times a second.
const (
	answersPerSecond = 200 // to one client
	maxClients       = 256 // that are counted apart; all others together count as one
)

// clients are who has asked for the identity in the current second, and how often.
type clients struct {
	since time.Time
	asked map[netip.Addr]int
}

// admit reports whether a client gets an answer.
func (c *clients) admit(client net.Addr, now time.Time) bool {
	if c.asked == nil || now.Sub(c.since) >= time.Second {
		c.since, c.asked = now, map[netip.Addr]int{}
	}
	var source netip.Addr
	if tcp, ok := client.(*net.TCPAddr); ok {
		source = tcp.AddrPort().Addr().Unmap()
	}
	if _, known := c.asked[source]; !known && len(c.asked) >= maxClients {
		source = netip.Addr{}
	}
	c.asked[source]++
	return c.asked[source] <= answersPerSecond
}
