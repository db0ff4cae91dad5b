// SPDX-License-Identifier: Apache-2.0

package fault_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/harbinger-ha/harbinger/pkg/fault"
)

// dial returns the error of a connection as package net makes it.
func dial(errno error) error {
	return &net.OpError{Op: "dial", Net: "tcp", Addr: net.TCPAddrFromAddrPort(netip.MustParseAddrPort("192.0.2.1:6443")), Err: os.NewSyscallError("connect", errno)}
}

func get(err error) error {
	return &url.Error{Op: "Get", URL: "https://192.0.2.1:6443/readyz", Err: err}
}

func TestWords(t *testing.T) {
	silent := &net.OpError{Op: "dial", Net: "tcp", Addr: net.TCPAddrFromAddrPort(netip.MustParseAddrPort("[2001:db8::1]:6443")), Err: os.ErrDeadlineExceeded}
	old := x509.CertificateInvalidError{Reason: x509.Expired, Cert: &x509.Certificate{NotAfter: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)}}
	busy := &net.OpError{Op: "listen", Net: "tcp", Addr: net.TCPAddrFromAddrPort(netip.MustParseAddrPort("127.0.0.1:10443")), Err: os.NewSyscallError("bind", syscall.EADDRINUSE)}
	file := filepath.Join(t.TempDir(), "ca.crt")
	_, missing := os.Open(file)
	for _, tc := range []struct {
		name         string
		err          error
		words, brief string
	}{
		{"nothing", nil, "", ""},
		{"refused", dial(syscall.ECONNREFUSED), "192.0.2.1:6443 refuses connections", "refuses connections"},
		{"refused to a request", get(dial(syscall.ECONNREFUSED)), "192.0.2.1:6443 refuses connections", "refuses connections"},
		{"refused with what was done", fmt.Errorf("read the Lease: %w", dial(syscall.ECONNREFUSED)), "read the Lease: 192.0.2.1:6443 refuses connections", "read the Lease: refuses connections"},
		{"silent", silent, "[2001:db8::1]:6443 does not answer in time", "does not answer in time"},
		{"silent to a request", get(context.DeadlineExceeded), "192.0.2.1:6443 does not answer in time", "does not answer in time"},
		{"a deadline alone", context.DeadlineExceeded, "no answer in time", "does not answer in time"},
		{"a deadline with what was done", fmt.Errorf("GET /readyz: %w", context.DeadlineExceeded), "GET /readyz: no answer in time", "GET /readyz: does not answer in time"},
		{"closed", get(io.EOF), "192.0.2.1:6443 closes the connection without an answer", "closes the connection without an answer"},
		{"an error of the kernel, of a request", get(syscall.EPERM), "192.0.2.1:6443: operation not permitted", "operation not permitted"},
		{"no route", dial(syscall.ENETUNREACH), "192.0.2.1:6443 cannot be reached: this host has no route to it", "cannot be reached: this host has no route to it"},
		{"a firewall of this host", dial(syscall.EPERM), "192.0.2.1:6443 cannot be reached: a firewall of this host does not let it out (operation not permitted)",
			"cannot be reached: a firewall of this host does not let it out (operation not permitted)"},
		{"expired", get(old), "192.0.2.1:6443 has a certificate that is not valid now: it is from 0001-01-01T00:00:00Z to 2026-01-02T03:04:05Z",
			"has a certificate that is not valid now: it is from 0001-01-01T00:00:00Z to 2026-01-02T03:04:05Z"},
		{"another CA", get(&tls.CertificateVerificationError{Err: x509.UnknownAuthorityError{}}), "192.0.2.1:6443 has a certificate that the cluster's CA did not sign",
			"has a certificate that the cluster's CA did not sign"},
		{"another name", get(x509.HostnameError{Host: "192.0.2.1", Certificate: &x509.Certificate{}}), "192.0.2.1:6443 has a certificate that is not for 192.0.2.1",
			"has a certificate that is not for 192.0.2.1"},
		{"an alert", get(&net.OpError{Op: "remote error", Err: tls.AlertError(42)}), "192.0.2.1:6443 refuses the TLS connection: bad certificate", "refuses the TLS connection: bad certificate"},
		{"a port in use", busy, "127.0.0.1:10443 is in use by another program", "is in use by another program"},
		{"two errors", errors.Join(dial(syscall.ECONNREFUSED), silent, silent), "192.0.2.1:6443 refuses connections; [2001:db8::1]:6443 does not answer in time", "refuses connections; does not answer in time"},
		{"another error", errors.New("etcd\n  failed"), "etcd failed", "etcd failed"},
		{"an error of the kernel with what was done", fmt.Errorf("announce 192.0.2.100: %w", syscall.ENETDOWN), "announce 192.0.2.100: network is down", "announce 192.0.2.100: network is down"},
		{"a file", missing, file + " does not exist", "does not exist"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			if got := fault.Words(tc.err); got != tc.words {
				t.Errorf("words %q, want %q", got, tc.words)
			}
			if got := fault.Brief(tc.err); got != tc.brief {
				t.Errorf("brief %q, want %q", got, tc.brief)
			}
		})
	}
}

// What real clients meet has words, without the names of Go's functions.
func TestWordsOfRealErrors(t *testing.T) {
	server := httptest.NewServer(http.NotFoundHandler())
	address := server.Listener.Addr().String()
	_, err := http.Get("https://" + address)
	if got, want := fault.Words(err), address+" does not speak TLS"; got != want && !strings.Contains(got, "HTTP response to HTTPS") {
		t.Errorf("%q, want %q", got, want)
	}
	server.Close()
	_, err = http.Get("http://" + address)
	if got, want := fault.Words(err), address+" refuses connections"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
	trusted := httptest.NewTLSServer(http.NotFoundHandler())
	defer trusted.Close()
	_, err = http.Get(trusted.URL)
	if got := fault.Words(err); !strings.HasSuffix(got, " has a certificate that the cluster's CA did not sign") {
		t.Errorf("%q of an unknown CA", got)
	}
}

// A host that the caller knows is the subject, whatever the error says.
func TestWordsOfAKnownHost(t *testing.T) {
	for want, err := range map[string]error{
		"node2 refuses connections":     dial(syscall.ECONNREFUSED),
		"node2 does not answer in time": context.DeadlineExceeded,
		"node2: etcd failed":            errors.New("etcd failed"),
	} {
		if got := fault.Of("node2", err); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}

// What another host has sent is bounded.
func TestWordsAreBounded(t *testing.T) {
	if got := fault.Words(errors.New(strings.Repeat("é", 5000))); len(got) > 600 || !strings.HasSuffix(got, "…") {
		t.Errorf("%d bytes", len(got))
	}
}

// Each error of a connection has words of its own, which name neither a function nor a system call.
func TestWordsOfConnections(t *testing.T) {
	for _, tc := range []struct {
		err  error
		want string
	}{
		{syscall.ENETUNREACH, "cannot be reached: this host has no route to it"},
		{syscall.ECONNRESET, "resets the connection"},
		{os.ErrDeadlineExceeded, "does not answer in time"},
		{fmt.Errorf("read: %w", io.EOF), "closes the connection without an answer"},
		{syscall.EPIPE, "has closed the connection"},
		{syscall.EHOSTUNREACH, "cannot be reached: no answer to ARP"},
		{syscall.EHOSTDOWN, "cannot be reached: the host is down"},
		{syscall.ETIMEDOUT, "does not answer in time"},
		{io.ErrUnexpectedEOF, "closes the connection before its answer is complete"},
		{context.Canceled, "was not waited for"},
		{&net.DNSError{Name: "api.example", IsNotFound: true}, "cannot be reached: no address is known for api.example"},
		{x509.CertificateInvalidError{Reason: x509.TooManyIntermediates}, "has a certificate that is not valid: "},
		{tls.RecordHeaderError{Msg: "first record does not look like a TLS handshake"}, "does not speak TLS"},
	} {
		got := fault.Words(get(tc.err))
		if !strings.HasPrefix(got, "192.0.2.1:6443 "+tc.want) {
			t.Errorf("%v: %q, want %q", tc.err, got, tc.want)
		}
		if got := fault.Of("node1", get(tc.err)); !strings.HasPrefix(got, "node1") || strings.Contains(got, "192.0.2.1:6443 192") {
			t.Errorf("%v: %q of a host that is known", tc.err, got)
		}
		for _, raw := range []string{"dial", "connect:", "Get ", "read tcp"} {
			if strings.Contains(got, raw) {
				t.Errorf("%q has %q", got, raw)
			}
		}
	}
}

// What keeps a port from being opened, or a file from being read, is said with what helps.
func TestWordsOfThisHost(t *testing.T) {
	listen := func(errno error) error {
		at := net.TCPAddrFromAddrPort(netip.MustParseAddrPort("192.0.2.100:443"))
		return &net.OpError{Op: "listen", Net: "tcp", Addr: at, Err: os.NewSyscallError("bind", errno)}
	}
	file := func(errno error) error { return &os.PathError{Op: "open", Path: "/etc/ca.crt", Err: errno} }
	for _, tc := range []struct {
		err  error
		want string
	}{
		{listen(syscall.EACCES), "192.0.2.100:443 cannot be listened on: the capability NET_BIND_SERVICE is missing"},
		{listen(syscall.EADDRNOTAVAIL), "192.0.2.100:443 cannot be listened on: the address is not on this host"},
		{file(syscall.EACCES), "/etc/ca.crt may not be used by this process (permission denied)"},
		{file(syscall.EIO), "/etc/ca.crt cannot be used: input/output error"},
		{fmt.Errorf("controlPlane.caFile: %w", file(syscall.ENOENT)), "controlPlane.caFile: /etc/ca.crt does not exist"},
	} {
		if got := fault.Words(tc.err); got != tc.want {
			t.Errorf("%v: %q, want %q", tc.err, got, tc.want)
		}
	}
}
