// SPDX-License-Identifier: Apache-2.0

package relay

import (
	"io"
	"net"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/harbinger-ha/harbinger/pkg/logging"
	"github.com/harbinger-ha/harbinger/pkg/session"
)

var one, two = netip.MustParseAddr("192.0.2.1"), netip.MustParseAddr("192.0.2.2")

func TestSourcesCountEachAddress(t *testing.T) {
	s := newSources()
	for range 2 {
		if !s.enter(one, 2) {
			t.Fatal("one below the limit was refused")
		}
	}
	if s.enter(one, 2) || !s.enter(one, 0) || !s.enter(two, 2) {
		t.Error("want a refusal at the limit, none without one, and none of another address")
	}
	s.leave(one, 1)
	s.leave(one, 1)
	if !s.enter(one, 2) {
		t.Error("a place that is free again was refused")
	}
}

// A source is named at the first refusal, and then once a minute with what was refused meanwhile.
func TestSourcesAreNamedOnceAMinute(t *testing.T) {
	s := newSources()
	for _, tt := range []struct {
		at    time.Duration
		of    netip.Addr
		count int
		name  bool
	}{
		{1, one, 1, true}, {2, one, 0, false}, {3, two, 1, true}, {time.Minute, one, 0, false}, {time.Minute + 1, one, 3, true},
	} {
		if count, name := s.refused(tt.of, tt.at); count != tt.count || name != tt.name {
			t.Errorf("%s at %v: %d, %t, want %d, %t", tt.of, tt.at, count, name, tt.count, tt.name)
		}
	}
}

func TestSourceDoubtsNowAndThen(t *testing.T) {
	s := newSources()
	if !s.mayDoubt(one, 1) || s.mayDoubt(one, 2) || !s.mayDoubt(two, 2) || !s.mayDoubt(one, doubtEvery+1) {
		t.Error("each source makes a backend suspect once in a while")
	}
}

// What is known of a source goes with its last connection, when it is old.
func TestSourcesAreForgotten(t *testing.T) {
	s := newSources()
	s.enter(one, 0)
	s.refused(one, 1)
	s.leave(one, 2)
	if len(s.all) != 1 {
		t.Error("one that was named a moment ago was forgotten")
	}
	s.enter(one, 0)
	s.leave(one, time.Hour)
	if len(s.all) != 0 {
		t.Errorf("it keeps %v", s.all)
	}
}

// limited returns a route with limits.
func limited(limit, perSource int, unlimited ...netip.Prefix) func(t *testing.T) func(*Relay) *Route {
	return func(t *testing.T) func(*Relay) *Route {
		to := newBackend(t, echo)
		return func(r *Relay) *Route {
			route := routeTo(r, defaults, to)
			route.Limit, route.PerSource, route.Unlimited = limit, perSource, unlimited
			return route
		}
	}
}

// dialFrom connects from an address of this host.
func dialFrom(t testing.TB, from string, to netip.AddrPort) *net.TCPConn {
	t.Helper()
	conn, err := connectFrom(from, to)
	must(t, err)
	t.Cleanup(func() { conn.Close() })
	return withDeadline(t, conn.(*net.TCPConn))
}

func connectFrom(from string, to netip.AddrPort) (net.Conn, error) {
	d := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(from)}, Timeout: patience}
	return d.Dial("tcp", to.String())
}

// One client opens as many silent connections as it can: it gets its share, and others are served.
func TestOneSourceDoesNotShutOutOthers(t *testing.T) {
	b := newRelayWith(t, 2, limited(40, 10)(t))
	for range 60 {
		if conn, err := connectFrom("127.0.0.2", b.address); err == nil { // it may be reset before it is established
			defer conn.Close()
		}
	}
	until(t, "what is beyond the share was reset", func() bool { return b.Figures().RefusedBy[session.SourceLimit] == 50 })
	for range 10 {
		must(t, ask(dialFrom(t, "127.0.0.3", b.address)))
	}
	if lines := b.logged(); len(lines) != 1 || !strings.Contains(lines[0], logging.MsgSourceLimit) || !strings.Contains(lines[0], `"address"="127.0.0.2"`) {
		t.Errorf("it logs %q", lines)
	}
}

// The networks that are unlimited have no share.
func TestUnlimitedSources(t *testing.T) {
	b := newRelayWith(t, 2, limited(40, 2, netip.MustParsePrefix("127.0.0.2/32"))(t))
	for range 20 {
		must(t, ask(dialFrom(t, "127.0.0.2", b.address)))
	}
	if f := b.Figures(); f.Refused != 0 {
		t.Errorf("%d were refused", f.Refused)
	}
}

// Where all places are taken, the client that has been silent from its begin for the longest time makes room; those that have spoken
// stay.
func TestSilentClientsMakeRoom(t *testing.T) {
	b := newRelayWith(t, 1, limited(20, 0)(t))
	var spoke, silent []*net.TCPConn
	for range 14 {
		conn := dialTo(t, b.address)
		must(t, ask(conn))
		spoke = append(spoke, conn)
	}
	for range 6 {
		silent = append(silent, dialTo(t, b.address))
		until(t, "it is in", func() bool { return b.Figures().Active == len(spoke)+len(silent) })
	}
	for k := range silent {
		must(t, ask(dialTo(t, b.address)))
		wantReset(t, silent[k])
	}
	if conn, err := connectFrom("127.0.0.1", b.address); err == nil { // nobody is silent any more
		if _, err := io.Copy(io.Discard, conn); err == nil {
			t.Error("a connection beyond the limit was not reset")
		}
	}
	for _, conn := range spoke {
		must(t, ask(conn))
	}
	if f := b.Figures(); f.RefusedBy[session.ConnectionLimit] != 1 || f.Active != 20 {
		t.Errorf("figures %+v", f)
	}
}

// No more than a part of all connections may be silent.
func TestSilentClientsAreBounded(t *testing.T) {
	b := newRelayWith(t, 1, limited(40, 0)(t))
	var first *net.TCPConn
	for k := range 30 {
		if conn := dialTo(t, b.address); k == 0 {
			first = conn
		}
	}
	wantReset(t, first)
	until(t, "half are left", func() bool { return b.Figures().Active == 40/silentShare })
}

// The queue of silent connections does not grow with those that have ended.
func TestSilentsForget(t *testing.T) {
	b := newRelayWith(t, 1, limited(1000, 0)(t))
	dialTo(t, b.address) // the oldest stays silent
	for range 3 * chunk {
		conn := dialTo(t, b.address)
		must(t, ask(conn))
		must(t, conn.Close())
	}
	until(t, "all but one have ended", func() bool { return b.Figures().Active == 1 })
	b.inWorker(0, func(w *worker) {
		if n := len(w.silent.queue); n > chunk+2 || w.silent.count != 1 {
			t.Errorf("%d places for %d silent connections", n, w.silent.count)
		}
	})
}

// A client that sends one byte of what begins as a ClientHello asks nothing, however often it does.
func TestAPartOfAHelloIsNoQuestion(t *testing.T) {
	timeouts := defaults
	timeouts.Connect = 50 * time.Millisecond
	b := newRelay(t, timeouts, newBackend(t, func(conn *net.TCPConn) { io.Copy(io.Discard, conn) }))
	for _, sent := range []string{"\x16", "G"} {
		for range 20 {
			_, err := dialTo(t, b.address).Write([]byte(sent))
			must(t, err)
		}
	}
	until(t, "the backend is doubted", func() bool { return len(b.said()) > 0 })
	<-time.After(4 * timeouts.Connect)
	if said := b.said(); len(said) != 1 {
		t.Errorf("it was doubted %d times by one source, want once", len(said))
	}
}
