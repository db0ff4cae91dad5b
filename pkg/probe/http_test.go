// SPDX-License-Identifier: Apache-2.0

package probe

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"io"
	"log"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/harbinger-ha/harbinger/pkg/health"
)

// A checker is what the balancer takes a check for.
type checker interface {
	Check(context.Context) error
	Close() error
}

// A backend is a server with what it has seen.
type backend struct {
	*httptest.Server
	connections atomic.Int32
	log         logBuffer
	thawed      chan struct{} // closed: connections are read
}

type logBuffer struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (l *logBuffer) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.Write(b)
}

func (l *logBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.String()
}

// newBackend returns a server that has not started.
func newBackend(t *testing.T, handler http.HandlerFunc) *backend {
	t.Helper()
	b := &backend{Server: httptest.NewUnstartedServer(handler), thawed: make(chan struct{})}
	b.Config.ErrorLog = log.New(&b.log, "", 0)
	b.Config.ConnState = func(_ net.Conn, s http.ConnState) {
		if s == http.StateNew {
			b.connections.Add(1)
		}
	}
	t.Cleanup(b.Close)
	return b
}

func (b *backend) address() netip.AddrPort {
	return b.Listener.Addr().(*net.TCPAddr).AddrPort()
}

// following is a check that trusts what the CA file of its configuration has, as a keeper reads it before each check.
type following struct {
	*HTTPS
	file CAFile
}

func (f *following) Check(ctx context.Context) error {
	a, _ := f.file.Look(f.cfg.CAFile) // the check says what is wrong with it
	f.Trust(a)
	return f.HTTPS.Check(ctx)
}

// https returns a check of the backend that trusts it.
func (b *backend) https(t *testing.T, timeout time.Duration) *following {
	t.Helper()
	h := &following{HTTPS: NewHTTPS(b.address(), health.Config{
		Path:       "/readyz",
		ServerName: "example.com", // of the certificate of httptest
		CAFile:     writeCA(t, filepath.Join(t.TempDir(), "ca.crt"), b.Certificate()),
		Timeout:    timeout,
	}, nil)}
	t.Cleanup(func() { must(t, h.Close()) })
	return h
}

func writeCA(t *testing.T, path string, cert *x509.Certificate) string {
	t.Helper()
	text := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: cert.Raw})
	must(t, os.WriteFile(path+".new", text, 0o644))
	must(t, os.Rename(path+".new", path))
	return path
}

// otherCA returns a certificate that has signed nothing.
func otherCA(t *testing.T) *x509.Certificate {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	must(t, err)
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour), IsCA: true, BasicConstraintsValid: true}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	must(t, err)
	cert, err := x509.ParseCertificate(der)
	must(t, err)
	return cert
}

func ready(w http.ResponseWriter, r *http.Request) {
	if r.URL.Path != "/readyz" {
		http.NotFound(w, r)
	}
}

// eventually repeats a check until it succeeds.
func eventually(t *testing.T, c checker) {
	t.Helper()
	var err error
	for deadline := time.Now().Add(5 * time.Second); time.Now().Before(deadline); {
		if err = c.Check(t.Context()); err == nil {
			return
		}
	}
	t.Fatalf("still not healthy: %v", err)
}

func wantError(t *testing.T, err error, text string) {
	t.Helper()
	if err == nil || !strings.Contains(err.Error(), text) {
		t.Errorf("error %v, want %q", err, text)
	}
}

func wantTimeout(t *testing.T, err error) {
	t.Helper()
	var timeout net.Error
	if !errors.As(err, &timeout) || !timeout.Timeout() {
		t.Errorf("error %v, want a timeout", err)
	}
}

func TestChecksKeepOneConnection(t *testing.T) {
	b := newBackend(t, ready)
	b.StartTLS()
	h := b.https(t, 5*time.Second)
	for range 10 {
		must(t, h.Check(t.Context()))
	}
	if got := b.connections.Load(); got != 1 {
		t.Errorf("%d connections, want 1", got)
	}
	if got := b.log.String(); got != "" {
		t.Errorf("the backend logged %q", got)
	}
}

func TestPlainHTTP(t *testing.T) {
	b := newBackend(t, ready)
	b.Start()
	h := NewHTTP(b.address(), health.Config{Path: "/readyz", Timeout: 5 * time.Second}, nil)
	defer h.Close()
	must(t, h.Check(t.Context()))
	b.Close()
	if err := h.Check(t.Context()); !errors.Is(err, syscall.ECONNREFUSED) {
		t.Errorf("error %v, want ECONNREFUSED", err)
	}
}

func TestTCP(t *testing.T) {
	b := newBackend(t, ready)
	b.Start()
	c := TCP{Address: b.address(), Timeout: 5 * time.Second}
	must(t, c.Check(t.Context()))
	b.Close()
	if err := c.Check(t.Context()); !errors.Is(err, syscall.ECONNREFUSED) {
		t.Errorf("error %v, want ECONNREFUSED", err)
	}
	must(t, c.Close())
}

func TestAnswers(t *testing.T) {
	for _, tt := range []struct {
		name    string
		handler http.HandlerFunc
		want    string
	}{
		{"redirect", func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, "/", http.StatusFound) }, "302 Found"},
		{"unauthorized", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusUnauthorized) }, "refuses anonymous requests"},
		{"forbidden", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusForbidden) }, "refuses anonymous requests"},
		{"failed checks", func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(http.StatusInternalServerError)
			_, _ = io.WriteString(w, "[+]ping ok\n[-]etcd failed: reason withheld\n[-]poststarthook/rbac failed\nreadyz check failed\n")
		}, "500 Internal Server Error: etcd failed: reason withheld, poststarthook/rbac failed"},
		{"no content", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNoContent) }, "204 No Content"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			b := newBackend(t, tt.handler)
			b.StartTLS()
			wantError(t, b.https(t, 5*time.Second).Check(t.Context()), tt.want)
		})
	}
}

// The check of an endless answer ends, and the next one has a connection of its own.
func TestLongAnswer(t *testing.T) {
	b := newBackend(t, func(w http.ResponseWriter, _ *http.Request) {
		_, _ = w.Write(make([]byte, 4*maxBody))
	})
	b.StartTLS()
	h := b.https(t, 5*time.Second)
	must(t, h.Check(t.Context()))
	must(t, h.Check(t.Context()))
	if got := b.connections.Load(); got != 2 {
		t.Errorf("%d connections, want 2", got)
	}
}

// What a backend says of itself is cut: it goes into the status and the log.
func TestReasonIsShort(t *testing.T) {
	var header, body string
	b := newBackend(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Junk", header)
		w.WriteHeader(http.StatusInternalServerError)
		_, _ = io.WriteString(w, body)
	})
	b.Start()
	h := NewHTTP(b.address(), health.Config{Timeout: 5 * time.Second}, nil)
	defer h.Close()
	body = "[-]" + strings.Repeat("\xff€", maxBody)
	err := h.Check(t.Context())
	if err == nil || len(err.Error()) > 2*maxText || !utf8.ValidString(err.Error()) {
		t.Errorf("%d bytes of %.80v", len(err.Error()), err)
	}
	header = strings.Repeat("x", 2*maxBody)
	wantError(t, h.Check(t.Context()), "server response headers exceeded")
}

func TestConnectionOfAHungBackendIsDropped(t *testing.T) {
	var hung atomic.Bool
	b := newBackend(t, func(_ http.ResponseWriter, r *http.Request) {
		if hung.Load() {
			<-r.Context().Done()
		}
	})
	b.StartTLS()
	h := b.https(t, 200*time.Millisecond)
	eventually(t, h)
	before := b.connections.Load()
	hung.Store(true)
	wantTimeout(t, h.Check(t.Context()))
	hung.Store(false)
	eventually(t, h)
	if got := b.connections.Load(); got != before+1 {
		t.Errorf("%d connections after the time out, want one more than %d", got, before)
	}
}

// frozen is the listener of a process that is stopped: the kernel accepts, nobody answers.
type frozen struct {
	net.Listener
	thawed <-chan struct{}
}

func (f frozen) Accept() (net.Conn, error) {
	conn, err := f.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return frozenConn{conn, f.thawed}, nil
}

type frozenConn struct {
	net.Conn
	thawed <-chan struct{}
}

func (f frozenConn) Read(b []byte) (int, error) {
	<-f.thawed
	return f.Conn.Read(b)
}

func TestSlowHandshakeIsNotBrokenOff(t *testing.T) {
	b := newBackend(t, ready)
	b.Listener = frozen{b.Listener, b.thawed}
	b.StartTLS()
	h := b.https(t, 100*time.Millisecond)
	wantTimeout(t, h.Check(t.Context()))
	wantTimeout(t, h.Check(t.Context()))
	close(b.thawed)
	eventually(t, h)
	if got := b.connections.Load(); got != 1 {
		t.Errorf("%d connections, want 1", got)
	}
	if got := b.log.String(); got != "" {
		t.Errorf("the backend logged %q", got)
	}
}

func TestCloseEndsAHandshake(t *testing.T) {
	ln := listen(t)
	defer ln.Close()
	h := NewHTTPS(ln.Addr().(*net.TCPAddr).AddrPort(), health.Config{
		InsecureSkipVerify: true, Timeout: 100 * time.Millisecond,
	}, nil)
	wantTimeout(t, h.Check(t.Context()))
	conn, err := ln.Accept()
	must(t, err)
	defer conn.Close()
	must(t, h.Close())
	must(t, conn.SetDeadline(time.Now().Add(handshakeTimeout/2)))
	_, err = io.Copy(io.Discard, conn)
	must(t, err) // the end, and no time out
}

func TestCAFile(t *testing.T) {
	b := newBackend(t, ready)
	b.StartTLS()
	h := b.https(t, 5*time.Second)
	must(t, os.Remove(h.cfg.CAFile))

	wantError(t, h.Check(t.Context()), "does not exist")
	must(t, os.WriteFile(h.cfg.CAFile, []byte("-----BEGIN"), 0o644))
	wantError(t, h.Check(t.Context()), "no certificate in")
	if got := b.connections.Load(); got != 0 {
		t.Fatalf("%d connections without a certificate to trust", got)
	}
	writeCA(t, h.cfg.CAFile, otherCA(t))
	wantError(t, h.Check(t.Context()), "signed by unknown authority")

	writeCA(t, h.cfg.CAFile, b.Certificate())
	must(t, h.Check(t.Context()))
	must(t, os.Remove(h.cfg.CAFile)) // as while it is replaced
	h.client.CloseIdleConnections()
	must(t, h.Check(t.Context()))
}

// A backend proves itself by a certificate for the address that was asked. One that passes the connection on, or whose certificate
// nobody verified, proves nothing, however healthy it is.
func TestProof(t *testing.T) {
	b := newBackend(t, ready)
	b.StartTLS() // its certificate is for 127.0.0.1
	h := b.https(t, 5*time.Second)
	if h.Proved() {
		t.Error("proved before it was asked")
	}
	for range 2 {
		must(t, h.Check(t.Context()))
		if !h.Proved() {
			t.Error("not proved by its own certificate")
		}
	}
	unverified := NewHTTPS(b.address(), health.Config{Path: h.cfg.Path, Timeout: 5 * time.Second, InsecureSkipVerify: true}, nil)
	defer unverified.Close()
	must(t, unverified.Check(t.Context()))
	if unverified.Proved() {
		t.Error("proved without a verification")
	}
	relay, err := net.Listen("tcp", "127.0.0.2:0")
	must(t, err)
	defer relay.Close()
	go func() {
		for in, err := relay.Accept(); err == nil; in, err = relay.Accept() {
			out, err := net.Dial("tcp", b.address().String())
			if err != nil {
				return
			}
			go func() { _, _ = io.Copy(out, in); out.Close() }()
			go func() { _, _ = io.Copy(in, out); in.Close() }()
		}
	}()
	passed := &following{HTTPS: NewHTTPS(netip.MustParseAddrPort(relay.Addr().String()), h.cfg, nil)}
	defer passed.Close()
	must(t, passed.Check(t.Context()))
	if passed.Proved() {
		t.Error("a host that passes connections on has proved itself")
	}
}

func TestCertificateIsVerified(t *testing.T) {
	b := newBackend(t, ready)
	b.StartTLS()
	h := b.https(t, 5*time.Second)
	h.cfg.ServerName = "kubernetes"
	wantError(t, h.Check(t.Context()), "not kubernetes")

	insecure := NewHTTPS(b.address(), health.Config{Path: "/readyz", InsecureSkipVerify: true, Timeout: 5 * time.Second}, nil)
	defer insecure.Close()
	must(t, insecure.Check(t.Context()))
}
