// SPDX-License-Identifier: Apache-2.0

package proxy

import (
	"errors"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/go-logr/logr"
	"golang.org/x/sys/unix"

	"github.com/harbinger-ha/harbinger/pkg/balance"
	"github.com/harbinger-ha/harbinger/pkg/health"
	"github.com/harbinger-ha/harbinger/pkg/socket"
)

// newRoute returns a route over healthy backends that are tried in the order given.
func newRoute(t *testing.T, connect time.Duration, backends ...netip.AddrPort) *route {
	r := &route{limit: 100, timeouts: balance.Timeouts{Connect: connect}}
	cfg := balance.Config{Policy: balance.RoundRobin}
	for _, a := range backends {
		r.servers = append(r.servers, newServer(t.Context(), a))
		cfg.Backends = append(cfg.Backends, balance.Candidate{Backend: balance.Backend{Address: a}, Healthy: true})
	}
	r.pool = balance.New(cfg)
	return r
}

// connectOnce dials for one client and returns which backends were blamed for being silent, in order.
func connectOnce(t *testing.T, r *route) (silent []netip.AddrPort) {
	t.Helper()
	d := newDispatcher(logr.Discard())
	if l, _ := d.connect(t.Context(), r, &balance.Request{Now: time.Now(), Active: r.active}); l != nil {
		l.Close()
	}
	for {
		select {
		case s := <-d.signs:
			if e, ok := s.event.(health.DialFailed); ok && strings.HasPrefix(e.Reason, "no answer") {
				silent = append(silent, s.server.address)
			}
		default:
			return silent
		}
	}
}

// A backend that refuses has answered. It is not blamed for the silence of one that was dialled before it.
func TestConnectDoesNotBlameABackendThatRefused(t *testing.T) {
	deaf, refusing := deafPort(t), closedPort(t)
	if got := connectOnce(t, newRoute(t, time.Second, deaf, refusing)); len(got) != 1 || got[0] != deaf {
		t.Errorf("blamed for silence: %v, want %v alone, once", got, deaf)
	}
}

// The time for an answer may be over before a process that did not run meanwhile finds that the answer came in time. No time at
// all stands for that here: whatever the order in which the process learns of both, a backend that accepts is not blamed.
func TestConnectDoesNotBlameABackendThatAccepted(t *testing.T) {
	for range 50 {
		a := newListener(t)
		must(t, listen(a))
		if got := connectOnce(t, newRoute(t, 0, a.Address())); len(got) != 0 {
			t.Fatalf("%v was blamed for silence", got)
		}
	}
}

// askedRelay returns a relay whose client has sent its first bytes, and whom it blames.
func askedRelay(t *testing.T, silence time.Duration) (r *relay, far func() *link, blamed *[]*server) {
	_, fromClient := connected(t)
	near, backend := connected(t)
	blamed = new([]*server)
	r = &relay{client: fromClient, backend: newLink(near), silence: time.Hour}
	r.silent = func(s *server) { *blamed = append(*blamed, s) }
	if _, err := (upstream{r}).Write([]byte("question")); err != nil {
		t.Fatal(err)
	}
	r.question.Stop() // the test calls doubt itself
	r.silence = silence
	return r, func() *link { return newLink(backend) }, blamed
}

func TestDoubtDoesNotBlameABackendWhoseAnswerIsUnread(t *testing.T) {
	r, far, blamed := askedRelay(t, time.Nanosecond)
	backend := far()
	r.doubt()
	if len(*blamed) != 1 {
		t.Fatalf("blamed %d times without an answer, want once", len(*blamed))
	}
	_, err := backend.Write([]byte("answer"))
	must(t, err)
	must(t, socket.ControlConn(r.backend.TCPConn, func(fd int) error { // the answer is in the kernel of this host
		_, err := unix.Poll([]unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}, int(patience/time.Millisecond))
		return err
	}))
	if r.doubt(); len(*blamed) != 1 {
		t.Error("the backend was blamed although its answer has come")
	}
}

// The doubt of one backend may come while another one takes the connection. That one has had no time to answer.
func TestDoubtDoesNotBlameTheNextBackend(t *testing.T) {
	r, _, blamed := askedRelay(t, time.Hour)
	r.opening.sent, r.opening.over = clientHello(t), false
	near, _ := connected(t)
	next := newLink(near)
	r.use(r.backend)
	r.again = func(*server, error) *link { return next }
	r.silence, r.asked = time.Minute, time.Now().Add(-time.Hour) // of the backend before
	if !r.reopen(errors.New("reset")) {
		t.Fatal("the connection did not move")
	}
	if r.doubt(); len(*blamed) != 0 {
		t.Error("the backend that has just taken the connection was blamed")
	}
}
