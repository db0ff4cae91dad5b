// SPDX-License-Identifier: Apache-2.0

package probe

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/netip"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/harbinger-ha/harbinger/e2e/lab/labtest"
)

func TestMain(m *testing.M) {
	labtest.Main(m, probeRole, peersRole, oftenRole, checkRole, rehearseRole, echoRole, lossRole)
}

// must ends the test at an error.
var must = labtest.Must

var holder = Identity{
	Cluster: "kubernetes", Node: "node2", Incarnation: "3f2a/71", State: stateActive, Epoch: 7, Priority: 247,
}

// serve runs ServeIdentity until the test ends.
func serve(t *testing.T, ln net.Listener, identity func() Identity) {
	t.Helper()
	done := make(chan error, 1)
	go func() { done <- ServeIdentity(t.Context(), ln, identity, nil) }() // ends with the test
	t.Cleanup(func() { must(t, <-done) })
}

func listen(t *testing.T) net.Listener {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	return ln
}

func TestIdentityOnTheWire(t *testing.T) {
	ln := listen(t)
	serve(t, ln, func() Identity { return holder })
	conn, err := net.Dial("tcp", ln.Addr().String())
	must(t, err)
	defer conn.Close()
	got, err := io.ReadAll(conn) // to the end: the server closes
	must(t, err)
	const want = `{"cluster":"kubernetes","node":"node2","incarnation":"3f2a/71","state":"active","epoch":7,"priority":247,"distress":false}` + "\n"
	if string(got) != want {
		t.Errorf("line %q, want %q", got, want)
	}
}

func TestIdentityIsThatOfTheMoment(t *testing.T) {
	ln := listen(t)
	epoch := uint64(0)
	serve(t, ln, func() Identity { epoch++; return Identity{Cluster: "c", Node: "n", State: "backup", Epoch: epoch} })
	for want := range uint64(3) {
		conn, err := net.Dial("tcp", ln.Addr().String())
		must(t, err)
		got, err := ReadIdentity(conn)
		must(t, err)
		must(t, conn.Close())
		if got.Epoch != want+1 {
			t.Errorf("epoch %d, want %d", got.Epoch, want+1)
		}
	}
}

// Clients that connect and say or read nothing keep nobody waiting.
func TestIdleClientsHoldNothing(t *testing.T) {
	ln := listen(t)
	serve(t, ln, func() Identity { return holder })
	for range 100 {
		conn, err := net.Dial("tcp", ln.Addr().String())
		must(t, err)
		defer conn.Close()
	}
	conn, err := net.Dial("tcp", ln.Addr().String())
	must(t, err)
	defer conn.Close()
	must(t, conn.SetDeadline(time.Now().Add(5*time.Second)))
	if got, err := ReadIdentity(conn); err != nil || got != holder {
		t.Errorf("identity %v, %v, want %v", got, err, holder)
	}
}

// scripted is a listener whose Accept fails as scripted, then as a closed one.
type scripted struct {
	net.Listener
	errs []error
}

func (s *scripted) Accept() (net.Conn, error) {
	if len(s.errs) == 0 {
		return nil, net.ErrClosed
	}
	err := s.errs[0]
	s.errs = s.errs[1:]
	return nil, err
}

func (s *scripted) Close() error { return nil }

func TestServingOutlastsAcceptErrors(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		start := time.Now()
		ln := &scripted{errs: []error{syscall.EMFILE, syscall.ECONNABORTED, syscall.EMFILE}}
		err := ServeIdentity(t.Context(), ln, nil, nil)
		wantError(t, err, "use of closed network connection")
		if got := time.Since(start); got != 2*acceptPause {
			t.Errorf("waited %s, want %s", got, 2*acceptPause)
		}
	})
}

func TestServingEndsWithItsContext(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	ln := listen(t)
	must(t, ServeIdentity(ctx, ln, nil, nil))
	if conn, err := net.Dial("tcp", ln.Addr().String()); err == nil {
		conn.Close()
		t.Error("the listener is still open")
	}
}

// Whoever serves next has the port: ServeIdentity returns when it is free, not when its close has begun.
func TestServingEndsWithAFreePort(t *testing.T) {
	ln := listen(t)
	for range 2000 {
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		go func() { ended <- ServeIdentity(ctx, ln, nil, nil) }()
		cancel()
		must(t, <-ended)
		again, err := net.Listen("tcp", ln.Addr().String())
		must(t, err)
		ln = again
	}
	must(t, ln.Close())
}

func TestReadIdentity(t *testing.T) {
	for _, tt := range []struct{ name, line, want string }{
		{"whole", `{"cluster":"c","node":"n","state":"active"}` + "\n", ""},
		{"newer", `{"cluster":"c","node":"n","state":"active","colour":"red"}` + "\n", ""},
		{"nothing", "", "EOF"},
		{"cut off", `{"cluster":"c","node":"n","sta`, "EOF"},
		{"TLS alert", "\x15\x03\x01\x00\x02\x02\x46\n", "decode identity"},
		{"HTTP", "HTTP/1.1 400 Bad Request\r\n", "decode identity"},
		{"another object", "{}\n", "is missing"},
		{"null", "null\n", "is missing"},
		{"priority too high", `{"cluster":"c","node":"n","state":"active","priority":256}` + "\n", "decode identity"},
		{"too long", `{"cluster":"` + strings.Repeat("c", maxLine) + `","node":"n","state":"active"}` + "\n", "EOF"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, err := ReadIdentity(strings.NewReader(tt.line))
			if tt.want == "" {
				must(t, err)
			} else {
				wantError(t, err, tt.want)
			}
		})
	}
}

func FuzzReadIdentity(f *testing.F) {
	line, _ := json.Marshal(holder)
	f.Add(append(line, '\n'))
	f.Add([]byte("null\n"))
	f.Fuzz(func(t *testing.T, line []byte) {
		id, err := ReadIdentity(bytes.NewReader(line))
		if err != nil {
			return
		}
		again, err := json.Marshal(id)
		must(t, err)
		if got, err := ReadIdentity(bytes.NewReader(append(again, '\n'))); err != nil || got != id {
			t.Errorf("%v became %v, %v", id, got, err)
		}
	})
}

// A client that asks all the time gets an answer now and then, however many addresses it asks from, and the others get theirs.
func TestAnswersToOneClientAreFew(t *testing.T) {
	var c clients
	now := time.Unix(1_800_000_000, 0)
	tcp := func(text string) net.Addr { return net.TCPAddrFromAddrPort(netip.MustParseAddrPort(text)) }
	answered := 0
	for i := range 20_000 {
		if c.admit(tcp(fmt.Sprintf("192.0.2.66:%d", 1+i)), now.Add(time.Duration(i)*100*time.Microsecond)) { // for 2 s
			answered++
		}
		if i%2000 == 0 && !c.admit(tcp("[::ffff:192.0.2.2]:1"), now.Add(time.Duration(i)*100*time.Microsecond)) {
			t.Error("another client gets no answer")
		}
	}
	if answered != 2*answersPerSecond {
		t.Errorf("%d answers in 2 s", answered)
	}
	now, answered = now.Add(time.Minute), 0
	for i := range 100_000 {
		if c.admit(tcp(fmt.Sprintf("10.%d.%d.%d:1", i>>16, i>>8&255, i&255)), now) {
			answered++
		}
	}
	if len(c.asked) > maxClients+1 || answered > maxClients+answersPerSecond {
		t.Errorf("%d clients are counted, %d answers", len(c.asked), answered)
	}
}
