// SPDX-License-Identifier: Apache-2.0

package relay

import (
	"net/netip"
	"slices"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"

	"github.com/harbinger-ha/harbinger/pkg/balance"
	"github.com/harbinger-ha/harbinger/pkg/session"
)

// A Server is a backend with the connections that it has. It is made by Relay.Server, and lasts as long as the Relay.
type Server struct {
	address  netip.AddrPort
	id       int32
	active   level         // connections, those being dialled included
	total    atomic.Uint64 // connections established
	failures atomic.Uint64 // dials failed
	sent     atomic.Uint64 // bytes from clients to it; what is sent again to another backend counts once
	received atomic.Uint64 // bytes from it to clients
	connects durations     // of the dials that it accepted
	answers  durations     // until its first bytes
	lasted   durations     // of its sessions
	ended    ends          // of its sessions
	greeted  atomic.Bool   // it gets the header of the PROXY protocol first
}

// Address returns where it listens.
func (s *Server) Address() netip.AddrPort { return s.address }

// SetProxyProtocol says what comes before the first byte of a client on the connections to come.
func (s *Server) SetProxyProtocol(p balance.ProxyProtocol) {
	s.greeted.Store(p == balance.ProxyProtocolV2)
}

// ServerFigures are what a Server has counted.
type ServerFigures struct {
	Active, Peak    int    // connections, those being dialled included
	Total, Failures uint64 // connections established, and dials failed
	Sent, Received  uint64 // bytes to it, and from it
	Sessions        session.Figures
}

// Figures returns what it has counted.
func (s *Server) Figures() ServerFigures {
	return ServerFigures{
		Active: s.active.now(), Peak: s.active.peak(), Total: s.total.Load(), Failures: s.failures.Load(),
		Sent: s.sent.Load(), Received: s.received.Load(),
		Sessions: session.Figures{Connects: s.connects.read(), Answers: s.answers.read(), Lasted: s.lasted.read(), Ended: s.ended.read()},
	}
}

// A Route is where connections go: a pool, the servers that its indices name, and how to treat them. It never changes.
type Route struct {
	Pool     *balance.Pool
	Servers  []*Server
	Limit    int // of all connections; 0: none
	PerLimit int // of those to one server; 0: none
	// PerSource is the limit of those of one address; 0: none. There is none for the addresses of Unlimited.
	PerSource int
	Unlimited []netip.Prefix
	Timeouts  balance.Timeouts
	AccessLog balance.AccessLog
}

// active returns the number of connections that server i has.
func (r *Route) active(i int) int { return r.Servers[i].active.now() }

// sourceLimit returns how many connections an address may have; 0: no limit.
func (r *Route) sourceLimit(from netip.Addr) int {
	if slices.ContainsFunc(r.Unlimited, func(p netip.Prefix) bool { return p.Contains(from) }) {
		return 0
	}
	return r.PerSource
}

func (r *Route) timing() session.Timing {
	return session.Timing{Connect: r.Timeouts.Connect, HalfClosed: r.Timeouts.HalfClosed}
}

// slots is how many servers a connection distinguishes, which is as many as there are at the same time. A server that came when another
// one had gone may be taken for that by a connection that failed at it, and is not tried by that connection.
const slots = balance.SetSize

// tried returns which servers of a route a connection has tried, of those whose slots are given.
func (r *Route) tried(slotted balance.Set) (all balance.Set) {
	if slotted == (balance.Set{}) {
		return all
	}
	for i, s := range r.Servers {
		if slotted.Has(int(s.id % slots)) {
			all = all.With(i)
		}
	}
	return all
}

// Multiples of Timeouts.KeepAlive: how often to ask a silent host, and after how long without an answer it is dead. The
// latter also ends a connection whose receiver takes nothing for that long, which is why it is long.
const (
	keepAliveProbes = 3
	userTimeout     = 4
)

// An option of a TCP socket.
type option struct{ level, name, value int }

// noDelay makes the kernel send what is written at once.
var noDelay = option{unix.IPPROTO_TCP, unix.TCP_NODELAY, 1}

// A reader that takes nothing would fill the largest buffers that the kernel gives, many megabytes on both sides. The options below
// bound them.
var (
	// unsent is how much a client's socket takes beyond what is on its way, in bytes.
	unsent = option{unix.IPPROTO_TCP, unix.TCP_NOTSENT_LOWAT, 512 << 10}
	// received is how much of a large answer waits in the socket of a backend, in bytes; the kernel takes twice that, and gives no more
	// than net.core.rmem_max.
	received = option{unix.SOL_SOCKET, unix.SO_RCVBUF, 256 << 10}
)

// keepAlive makes the kernel notice that the host at the other end is dead, also where data is waiting to be sent.
func keepAlive(idle time.Duration) []option {
	if idle == 0 {
		return []option{{unix.SOL_SOCKET, unix.SO_KEEPALIVE, 0}, {unix.IPPROTO_TCP, unix.TCP_USER_TIMEOUT, 0}}
	}
	return []option{
		{unix.IPPROTO_TCP, unix.TCP_KEEPIDLE, seconds(idle)},
		{unix.IPPROTO_TCP, unix.TCP_KEEPINTVL, seconds(idle / keepAliveProbes)},
		{unix.IPPROTO_TCP, unix.TCP_KEEPCNT, keepAliveProbes},
		{unix.SOL_SOCKET, unix.SO_KEEPALIVE, 1},
		{unix.IPPROTO_TCP, unix.TCP_USER_TIMEOUT, int(userTimeout * idle / time.Millisecond)},
	}
}

// seconds rounds up: the kernel counts in whole ones.
func seconds(d time.Duration) int { return int((d + time.Second - 1) / time.Second) }
