// SPDX-License-Identifier: Apache-2.0

package wire

import (
	"bytes"
	"context"
	"io"
	"net"
	"net/netip"
	"strconv"
	"syscall"
	"time"

	"github.com/harbinger-ha/harbinger/pkg/probe"
	"github.com/harbinger-ha/harbinger/pkg/socket"
)

const (
	// conversation bounds a conversation over TCP, and pauseBetween is the pause before the next one.
	conversation = time.Second
	pauseBetween = 500 * time.Millisecond
	// echoTime is how long the answer to an echo is waited for, which is asked for twenty times in that time.
	echoTime = 250 * time.Millisecond
	// maxAnswer bounds what is read of an answer.
	maxAnswer = 4096
	// maxConversations and maxOfOne bound how many others may talk to this host at a time.
	maxConversations, maxOfOne = 16, 4
)

// listen answers at the identity port, unless Harbinger does.
func (s *session) listen(ctx context.Context) {
	var config net.ListenConfig
	ln, err := config.Listen(ctx, "tcp", net.JoinHostPort("", strconv.Itoa(int(s.options.Config.Status.IdentityPort))))
	if err != nil {
		return // what has the port answers, and the peers see what that is
	}
	closed := socket.CloseWith(ctx, ln) // ends Accept
	limited := socket.Limit(ln, maxConversations, maxOfOne)
	s.workers.Go(func() {
		defer closed()
		for ctx.Err() == nil {
			conn, err := limited.Accept()
			if err != nil {
				wait(ctx, look)
				continue
			}
			s.workers.Go(func() { s.answer(ctx, conn) })
		}
	})
}

// answer says to a peer what this host has to say, and hears it.
func (s *session) answer(ctx context.Context, conn net.Conn) {
	remote, ok := conn.RemoteAddr().(*net.TCPAddr)
	b := s.talk(ctx, conn)
	if m, err := parse(b); ok && err == nil {
		s.post(ctx, event{from: remote.AddrPort().Addr(), message: &m})
	}
}

// talk writes what this host has to say, reads the answer to its end, and closes the connection.
func (s *session) talk(ctx context.Context, conn net.Conn) []byte {
	defer conn.Close()
	defer context.AfterFunc(ctx, func() { _ = conn.Close() })() // ends the read
	conn.SetDeadline(time.Now().Add(conversation))
	if says := s.says.Load(); says != nil {
		if _, err := conn.Write(*says); err != nil {
			return nil
		}
	}
	if tcp, ok := conn.(*net.TCPConn); ok {
		_ = tcp.CloseWrite() // the other end may have closed it
	}
	b, _ := io.ReadAll(io.LimitReader(conn, maxAnswer)) // what has come counts
	return b
}

// post hands an event to the session.
func (s *session) post(ctx context.Context, e event) {
	select {
	case s.events <- e:
	case <-ctx.Done():
	}
}

// ask starts to ask a peer, once.
func (s *session) ask(ctx context.Context, to netip.Addr) {
	source := s.sourceFor(to)
	if s.asked[to] || !source.IsValid() {
		return
	}
	s.asked[to] = true
	s.workers.Go(func() {
		for ctx.Err() == nil {
			s.askIdentity(ctx, source, to)
			wait(ctx, pauseBetween)
		}
	})
	s.workers.Go(func() { s.askEcho(ctx, source, to) })
}

// sourceFor returns the address of this host that speaks to a peer.
func (s *session) sourceFor(to netip.Addr) netip.Addr {
	for _, l := range s.lanes {
		if l.source.Is6() == to.Is6() && !l.source.IsUnspecified() {
			return l.source
		}
	}
	return netip.Addr{}
}

// askIdentity has one conversation with the identity port of a peer.
func (s *session) askIdentity(ctx context.Context, source, to netip.Addr) {
	started := time.Now()
	dialing, cancel := context.WithTimeout(ctx, conversation)
	conn, err := dial(dialing, s.link.Index, source, netip.AddrPortFrom(s.zoned(to), s.options.Config.Status.IdentityPort))
	cancel()
	if err != nil {
		s.post(ctx, event{from: to, what: identityAsked, started: started})
		return
	}
	b := s.talk(ctx, conn)
	s.post(ctx, event{from: to, what: identityAnswered})
	if m, err := parse(b); err == nil {
		s.post(ctx, event{from: to, message: &m})
	} else if id, err := probe.ReadIdentity(bytes.NewReader(b)); err == nil {
		s.post(ctx, event{from: to, says: id})
	}
}

// askEcho asks for short echoes until one is answered, then for one as long as the interface allows, and where that has no answer
// for the longest that has.
func (s *session) askEcho(ctx context.Context, source, to netip.Addr) {
	for ctx.Err() == nil {
		answered, asked := s.echo(ctx, source, to, 0)
		if answered {
			s.post(ctx, event{from: to, what: echoAsked | echoAnswered})
			break
		}
		if asked {
			s.post(ctx, event{from: to, what: echoAsked})
		}
		wait(ctx, pauseBetween)
	}
	if answered, _ := s.echo(ctx, source, to, s.iface.MTU); answered {
		s.post(ctx, event{from: to, what: fullEchoAnswered})
		return
	}
	least := leastMTU4
	if to.Is6() {
		least = leastMTU6
	}
	if n := longest(least, s.iface.MTU, func(size int) bool {
		answered, _ := s.echo(ctx, source, to, size)
		return answered
	}); ctx.Err() == nil {
		s.post(ctx, event{from: to, longest: n})
	}
}

// The least that every link carries (RFC 791, section 3.1; RFC 8200, section 5).
const leastMTU4, leastMTU6 = 576, 1280

// longest returns the most, in steps of some bytes, that passes of what is at least one length and less than another; 0: not even that.
func longest(least, limit int, passes func(int) bool) int {
	const step = 4
	low, high := least, limit
	if least >= limit || !passes(least) {
		return 0
	}
	for high-low > step {
		if middle := (low + high) / 2 / step * step; middle > low && passes(middle) {
			low = middle
		} else if middle > low {
			high = middle
		} else {
			break
		}
	}
	return low
}

// echo asks for one echo of a length.
func (s *session) echo(ctx context.Context, source, to netip.Addr, size int) (answered, asked bool) {
	ctx, cancel := context.WithTimeout(ctx, echoTime)
	defer cancel()
	return probe.Echo(ctx, s.link.Index, s.zoned(source), s.zoned(to), size)
}

// zoned gives a link-local address its interface.
func (s *session) zoned(a netip.Addr) netip.Addr { return zoned(a, s.link.Name) }

func zoned(a netip.Addr, iface string) netip.Addr {
	if a.Is6() && a.IsLinkLocalUnicast() {
		return a.WithZone(iface)
	}
	return a
}

// dial makes a connection that leaves by an interface, whatever the routes say.
func dial(ctx context.Context, index int, source netip.Addr, to netip.AddrPort) (net.Conn, error) {
	d := net.Dialer{Control: func(_, _ string, raw syscall.RawConn) error {
		return socket.Control(raw, func(fd int) error { return socket.BindToInterface(fd, index) })
	}}
	if source.IsValid() {
		if to.Addr().Zone() != "" {
			source = source.WithZone(to.Addr().Zone())
		}
		d.LocalAddr = net.TCPAddrFromAddrPort(netip.AddrPortFrom(source, 0))
	}
	return d.DialContext(ctx, "tcp", to.String())
}

// identityAt asks who serves the identity port of an address; the zero Identity: nobody, or something else.
func identityAt(ctx context.Context, index int, source netip.Addr, to netip.AddrPort) probe.Identity {
	ctx, cancel := context.WithTimeout(ctx, conversation)
	defer cancel()
	conn, err := dial(ctx, index, source, to)
	if err != nil {
		return probe.Identity{}
	}
	defer conn.Close()
	conn.SetDeadline(time.Now().Add(conversation))
	id, err := probe.ReadIdentity(conn)
	if err != nil {
		return probe.Identity{}
	}
	return id
}

// wait waits, but not past ctx.
func wait(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}
