// SPDX-License-Identifier: Apache-2.0

package relay

import (
	"context"
	"io"
	"net"
	"net/netip"
	"sync"
	"testing"
	"time"

	"github.com/go-logr/logr/funcr"
	"golang.org/x/sys/unix"

	"github.com/harbinger-ha/harbinger/pkg/balance"
	"github.com/harbinger-ha/harbinger/pkg/session"
)

// hold serves a connection by giving it to the test.
func hold() (serve func(*net.TCPConn), held chan *net.TCPConn) {
	held = make(chan *net.TCPConn, 1000)
	return func(conn *net.TCPConn) { held <- conn }, held
}

// CloseSessions resets those that have only that server, and moves those that another one may take.
func TestCloseSessions(t *testing.T) {
	serve, held := hold()
	dead, deaf := newBackend(t, serve), deafPort(t)
	b := newRelay(t, defaults, dead)
	first, other := b.server(0), newBackend(t, echo)
	bound, opening, silent := dialTo(t, b.address), dialTo(t, b.address), dialTo(t, b.address)
	io.WriteString(bound, "x")
	for range 3 {
		withDeadline(t, <-held)
	}
	_, err := opening.Write(helloOf(300))
	must(t, err)
	until(t, "the server has all", func() bool { return first.Figures().Sent == 301 })

	route := routeTo(b.Relay, defaults, deaf, other)
	b.SetRoute(route)
	dialled := dialTo(t, b.address) // or the one after it is dialled at the deaf server
	dialled2 := dialTo(t, b.address)
	until(t, "a dial is under way", func() bool { return route.Servers[0].Figures().Active == 1 && route.Servers[1].Figures().Active == 1 })
	must(t, b.CloseSessions(t.Context(), route.Servers[0], session.BackendDown))
	must(t, b.CloseSessions(t.Context(), first, session.BackendDown))
	wantReset(t, bound)
	until(t, "no connection is left", func() bool { return first.Figures().Active+route.Servers[0].Figures().Active == 0 })
	got := make([]byte, 300)
	_, err = io.ReadFull(opening, got)
	must(t, err)
	for _, conn := range []net.Conn{opening, silent, dialled, dialled2} {
		wantEcho(t, conn, randomBytes(1000), 1000)
	}
	if n := route.Servers[1].Figures().Active; n != 4 {
		t.Errorf("the other server has %d connections, want 4", n)
	}
}

// What follows from a command goes by the route that was set before it, even if it comes in the midst of a turn.
func TestCommandGoesByTheRouteBeforeIt(t *testing.T) {
	b := newRelayWith(t, 1, func(r *Relay) *Route { return routeTo(r, defaults, newBackend(t, echo)) })
	b.inWorker(0, func(w *worker) {
		set := routeTo(b.Relay, defaults)
		b.SetRoute(set)
		w.do(func() {
			if w.route.Route != set {
				t.Error("it goes by the route before")
			}
		})
		w.readMail()
	})
}

// listenerAt returns a socket that listens at an address.
func listenerAt(t testing.TB, at netip.AddrPort) (int, netip.AddrPort) {
	t.Helper()
	family, sa := unix.AF_INET, unix.Sockaddr(&unix.SockaddrInet4{})
	if at.Addr().Is6() {
		family, sa = unix.AF_INET6, &unix.SockaddrInet6{Addr: at.Addr().As16()}
	} else {
		sa.(*unix.SockaddrInet4).Addr = at.Addr().As4()
	}
	fd, err := unix.Socket(family, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	must(t, err)
	t.Cleanup(func() { unix.Close(fd) })
	must(t, unix.Bind(fd, sa))
	must(t, unix.Listen(fd, 1000))
	return fd, localAddress(int32(fd))
}

// Sessions are distinguished by the address that their client has connected to, also where the socket listens on all.
func TestSessionsOfAnAddress(t *testing.T) {
	serve, held := hold()
	b := newRelay(t, defaults, newBackend(t, serve))
	fd, all := listenerAt(t, netip.MustParseAddrPort("0.0.0.0:0"))
	must(t, b.Accept(fd))
	virtual, own := netip.MustParseAddr("127.0.0.2"), netip.MustParseAddr("127.0.0.1")
	at := func(address netip.Addr) *net.TCPConn { return dialTo(t, netip.AddrPortFrom(address, all.Port())) }
	moving, staying := at(virtual), at(own)
	for range 2 {
		conn := withDeadline(t, <-held)
		_, err := conn.Write(randomBytes(100_000))
		must(t, err)
	}
	for _, conn := range []net.Conn{moving, staying} {
		_, err := io.ReadFull(conn, make([]byte, 100_000))
		must(t, err)
	}
	later := time.Now()
	for _, tt := range []struct {
		of     []netip.Addr
		before time.Time
		want   int
	}{
		{[]netip.Addr{virtual}, later, 1}, {[]netip.Addr{own, virtual}, later, 2}, {nil, later, 0},
		{[]netip.Addr{netip.MustParseAddr("127.0.0.3")}, later, 0}, {[]netip.Addr{virtual}, later.Add(-time.Hour), 0},
	} {
		if n, err := b.Transferring(t.Context(), tt.of, tt.before); n != tt.want || err != nil {
			t.Errorf("%d sessions of %v transfer something (%v), want %d", n, tt.of, err, tt.want)
		}
	}
	must(t, b.EndSessions(t.Context(), []netip.Addr{virtual}))
	wantReset(t, moving)
	if n := b.Figures().Active; n != 1 {
		t.Errorf("%d connections are left, want 1", n)
	}
	n, err := b.Transferring(t.Context(), []netip.Addr{virtual}, later)
	if n != 0 || err != nil {
		t.Errorf("%d sessions transfer something (%v)", n, err)
	}
}

func TestRelayOfIPv6(t *testing.T) {
	loopback6 := netip.MustParseAddr("::1")
	fd, front := listenerAt(t, netip.AddrPortFrom(loopback6, 0))
	ln, err := net.ListenTCP("tcp", net.TCPAddrFromAddrPort(netip.AddrPortFrom(loopback6, 0)))
	must(t, err)
	defer ln.Close()
	b := newRelay(t, defaults, ln.Addr().(*net.TCPAddr).AddrPort())
	must(t, b.Accept(fd))
	four, six := dialTo(t, b.address), dialTo(t, front)
	for range 2 {
		conn, err := ln.Accept()
		must(t, err)
		var wait sync.WaitGroup
		wait.Go(func() { echo(conn.(*net.TCPConn)) })
		t.Cleanup(wait.Wait)
		t.Cleanup(func() { conn.Close() })
	}
	wantEcho(t, four, randomBytes(1000), 1000)
	wantEcho(t, six, randomBytes(1000), 1000)
	must(t, b.EndSessions(t.Context(), []netip.Addr{loopback6}))
	wantReset(t, six)
	wantEcho(t, four, randomBytes(1000), 1000)
}

func TestDrained(t *testing.T) {
	b := newRelay(t, defaults, newBackend(t, echo))
	conns := []*net.TCPConn{dialTo(t, b.address), dialTo(t, b.address)}
	for _, conn := range conns {
		must(t, ask(conn))
	}
	b.StopAccepting(b.fd)
	drained, err := b.Drained(t.Context())
	must(t, err)
	for _, conn := range conns {
		select {
		case <-drained:
			t.Fatal("it is drained while a connection is left")
		default:
		}
		must(t, ask(conn))
		must(t, conn.Close())
	}
	<-drained
	drained, err = b.Drained(t.Context())
	must(t, err)
	<-drained // that nothing is left, it says to each who asks
	waits := dialTo(t, b.address)
	must(t, b.each(t.Context(), func(*worker, int32, *connection) {}))
	if f := b.Figures(); f.Accepted != 2 || f.Active != 0 {
		t.Errorf("after the end it has accepted: %+v", f)
	}
	must(t, b.Accept(b.fd))
	must(t, ask(waits))
}

// The end resets every connection, however far it is, and closes all that the relay has opened.
func TestRunEndsEverything(t *testing.T) {
	patient := balance.Timeouts{Connect: patience} // no other dial begins
	for _, workers := range []int{1, 2, 8} {
		serve, held := hold()
		fd, address := listener(t)
		to := []netip.AddrPort{newBackend(t, serve), deafPort(t)}
		before := descriptors(t)
		r, err := New(Config{Log: funcr.New(func(string, string) {}, funcr.Options{Verbosity: 1}), Workers: workers})
		must(t, err)
		r.SetRoute(routeTo(r, patient, to...))
		must(t, r.Accept(fd))
		ctx, cancel := context.WithCancel(t.Context())
		var running sync.WaitGroup
		running.Go(func() { r.Run(ctx) })
		var conns []net.Conn
		for range 20 {
			conns = append(conns, dialTo(t, address))
		}
		until(t, "all are accepted", func() bool { return r.Figures().Active == 20 && len(held) == 10 })
		cancel()
		running.Wait()
		for _, conn := range conns {
			wantReset(t, conn)
			conn.Close()
		}
		for range 10 {
			(<-held).Close()
		}
		if f := r.Figures(); f.Active != 0 || f.Refused != 0 {
			t.Errorf("after the end: %+v", f)
		}
		if n := descriptors(t); n != before {
			t.Errorf("%d workers: %d descriptors, %d before", workers, n, before)
		}
	}
}

// Who calls a relay that has ended writes to no descriptor: another file may have its number by then.
func TestNothingIsWrittenAfterTheEnd(t *testing.T) {
	b := newRelay(t, defaults)
	wake := int(b.workers[0].wake)
	b.stop()
	var ends [2]int
	must(t, unix.Pipe2(ends[:], unix.O_NONBLOCK|unix.O_CLOEXEC))
	defer unix.Close(ends[0])
	if ends[1] != wake {
		must(t, unix.Dup3(ends[1], wake, unix.O_CLOEXEC))
		defer unix.Close(wake)
	}
	defer unix.Close(ends[1])
	b.StopAccepting(b.fd)
	if n, err := unix.Read(ends[0], make([]byte, 8)); err != unix.EAGAIN {
		t.Errorf("%d bytes were written (%v)", n, err)
	}
}
