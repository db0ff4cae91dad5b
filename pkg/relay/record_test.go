// SPDX-License-Identifier: Apache-2.0

package relay

import (
	"fmt"
	"io"
	"net"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/harbinger-ha/harbinger/pkg/balance"
	"github.com/harbinger-ha/harbinger/pkg/logging"
	"github.com/harbinger-ha/harbinger/pkg/session"
)

// withLog starts a relay with an access log.
func withLog(t *testing.T, log balance.AccessLog, backends ...netip.AddrPort) *bench {
	return newRelayWith(t, 2, func(r *Relay) *Route {
		route := routeTo(r, defaults, backends...)
		route.AccessLog = log
		return route
	})
}

// ended returns the lines of the access log, once there are as many.
func (b *bench) ended(t *testing.T, count int) []string {
	t.Helper()
	var all []string
	until(t, fmt.Sprintf("the access log has %d lines", count), func() bool {
		all = nil
		for _, line := range b.logged() {
			if strings.Contains(line, logging.MsgConnectionEnded) {
				all = append(all, line)
			}
		}
		return len(all) >= count
	})
	if len(all) > count {
		t.Errorf("the access log has %d lines, want %d: %q", len(all), count, all)
	}
	return all
}

// wantAll holds that a line has all parts.
func wantAll(t *testing.T, line string, parts ...string) {
	t.Helper()
	for _, part := range parts {
		if !strings.Contains(line, part) {
			t.Errorf("line %s lacks %s", line, part)
		}
	}
}

func TestAccessLogOfAll(t *testing.T) {
	to := newBackend(t, echo)
	b := withLog(t, balance.AccessLogAll, to)
	conn := dialTo(t, b.address)
	io.WriteString(conn, "question")
	must(t, conn.CloseWrite())
	_, err := io.ReadAll(conn)
	must(t, err)
	line := b.ended(t, 1)[0]
	wantAll(t, line, `"address"="`+conn.LocalAddr().String()+`"`, `"frontend"="`+b.address.String()+`"`, `"backend"="`+to.String()+`"`,
		`"reason"="Finished"`, `"connected"=`, `"answered"=`, `"received"=8 "sent"=8 "retries"=0 "suppressed"=0`)
	for _, wrong := range []string{`"connected"="0s"`, `"answered"="0s"`} {
		if strings.Contains(line, wrong) {
			t.Errorf("line %s has %s", line, wrong)
		}
	}
}

// The log of failures has no connection that its client or its backend ended as usual.
func TestAccessLogOfFailures(t *testing.T) {
	refusing := closedPort(t)
	b := withLog(t, balance.AccessLogFailures, refusing)
	conn, err := net.Dial("tcp", b.address.String())
	if err == nil {
		wantReset(t, conn)
	}
	wantAll(t, b.ended(t, 1)[0], `"reason"="BackendFailed"`, `"backend"=""`, `"connected"="0s" "answered"="0s"`, `"received"=0 "sent"=0`)
	b.SetRoute(&Route{Pool: routeTo(b.Relay, defaults, newBackend(t, echo)).Pool, Timeouts: defaults, AccessLog: balance.AccessLogFailures,
		Servers: []*Server{b.Server(newBackend(t, echo))}})
	for range 3 {
		conn := dialTo(t, b.address)
		must(t, ask(conn))
		must(t, conn.Close())
	}
	b.SetRoute(&Route{Pool: routeTo(b.Relay, defaults, refusing).Pool, Timeouts: defaults, AccessLog: balance.AccessLogFailures,
		Servers: []*Server{b.Server(newBackend(t, func(conn *net.TCPConn) {
			io.Copy(conn, struct{ io.Reader }{conn})
			resets(conn) // after the client has finished
		}))}})
	finished := dialTo(t, b.address)
	must(t, ask(finished))
	must(t, finished.CloseWrite())
	wantReset(t, finished)
	b.SetRoute(&Route{Pool: routeTo(b.Relay, defaults, refusing).Pool, Timeouts: defaults, AccessLog: balance.AccessLogFailures,
		Servers: []*Server{b.Server(newBackend(t, echo))}})
	reset := dialTo(t, b.address)
	must(t, ask(reset))
	resets(reset)
	until(t, "all have ended", func() bool { return b.Figures().Active == 0 })
	b.ended(t, 1)
}

// The last word of a client is no failure: a backend that has answered and closed resets it. One that closes when it has come, and does not read
// it, finishes nothing: it breaks the connection.
func TestAccessLogOfALastWord(t *testing.T) {
	closed := make(chan struct{}, 1)
	b := withLog(t, balance.AccessLogFailures, newBackend(t, func(conn *net.TCPConn) {
		io.ReadFull(conn, make([]byte, 8))
		conn.Write([]byte("answer"))
		conn.Close()
		closed <- struct{}{}
	}))
	for range 20 {
		conn := dialTo(t, b.address)
		io.WriteString(conn, "question")
		_, err := io.ReadFull(conn, make([]byte, len("answer")))
		must(t, err)
		<-closed
		io.WriteString(conn, "bye") // the end of the answer may have been read by then, or not
	}
	until(t, "all have ended", func() bool { return b.Figures().Active == 0 })
	route := routeTo(b.Relay, defaults, newBackend(t, func(conn *net.TCPConn) {
		io.ReadFull(conn, make([]byte, 8))
		resets(conn)
	}))
	route.AccessLog = balance.AccessLogFailures
	b.SetRoute(route)
	conn := dialTo(t, b.address)
	io.WriteString(conn, "question")
	wantReset(t, conn)
	wantAll(t, b.ended(t, 1)[0], `"reason"="BackendBroke"`)
}

// The log has a line about a connection that another backend has taken over, although it ended well.
func TestAccessLogOfARetry(t *testing.T) {
	failing := newBackend(t, func(conn *net.TCPConn) {
		io.ReadFull(conn, make([]byte, 1))
		resets(conn)
	})
	b := withLog(t, balance.AccessLogFailures, newBackend(t, echo), failing) // the first turn begins with the second
	conn := dialTo(t, b.address)
	_, err := conn.Write([]byte("\x16")) // as a ClientHello begins
	must(t, err)
	_, err = io.ReadFull(conn, make([]byte, 1))
	must(t, err)
	must(t, conn.Close())
	wantAll(t, b.ended(t, 1)[0], `"reason"="Finished"`, `"retries"=1`)
}

// A source that fails all the time has a bounded number of lines, and the next line has those that were left out.
func TestAccessLogIsBoundedForEachSource(t *testing.T) {
	b := withLog(t, balance.AccessLogFailures)
	const count = linesEvery + 10
	for range count {
		if conn, err := net.Dial("tcp", b.address.String()); err == nil {
			conn.SetDeadline(time.Now().Add(patience))
			wantReset(t, conn)
			conn.Close()
		}
	}
	until(t, "all were refused", func() bool { return b.Figures().RefusedBy[session.NoBackend] == count })
	b.ended(t, linesEvery)
	s := newSources()
	for k := range count {
		if _, allowed := s.mayLog(one, time.Second); allowed != (k < linesEvery) {
			t.Errorf("line %d: allowed %t", k, allowed)
		}
	}
	if suppressed, allowed := s.mayLog(one, time.Second+nameEvery); suppressed != count-linesEvery || !allowed {
		t.Errorf("a minute later %d were left out, allowed %t", suppressed, allowed)
	}
}

// Without an access log there is none.
func TestAccessLogOff(t *testing.T) {
	b := withLog(t, balance.AccessLogOff)
	if conn, err := net.Dial("tcp", b.address.String()); err == nil {
		wantReset(t, conn)
	}
	until(t, "it was refused", func() bool { return b.Figures().Refused == 1 })
	b.stop()
	b.ended(t, 0)
}
