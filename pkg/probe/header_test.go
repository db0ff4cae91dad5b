// SPDX-License-Identifier: Apache-2.0

package probe

import (
	"context"
	"io"
	"net"
	"sync/atomic"
	"testing"
	"time"

	"github.com/harbinger-ha/harbinger/e2e/lab/labtest"
	"github.com/harbinger-ha/harbinger/pkg/health"
)

// A strictListener accepts connections that begin with a header.
type strictListener struct {
	net.Listener
	header  string
	greeted *atomic.Int32
}

func (l strictListener) Accept() (net.Conn, error) {
	for {
		conn, err := l.Listener.Accept()
		if err != nil {
			return nil, err
		}
		got := make([]byte, len(l.header))
		if _, err := io.ReadFull(conn, got); err == nil && string(got) == l.header {
			l.greeted.Add(1)
			return conn, nil
		}
		conn.Close()
	}
}

// A check of whatever scheme sends the header once on each connection, before anything else.
func TestCheckSendsItsHeader(t *testing.T) {
	const header = "header"
	for name, c := range map[string]struct {
		tls   bool
		check func(b *backend, header []byte) interface{ Check(context.Context) error }
	}{
		"HTTP": {false, func(b *backend, header []byte) interface{ Check(context.Context) error } {
			return NewHTTP(b.address(), health.Config{Path: "/readyz", Timeout: 5 * time.Second}, header)
		}},
		"HTTPS": {true, func(b *backend, header []byte) interface{ Check(context.Context) error } {
			return NewHTTPS(b.address(), health.Config{Path: "/readyz", Timeout: 5 * time.Second, InsecureSkipVerify: true}, header)
		}},
		"TCP": {false, func(b *backend, header []byte) interface{ Check(context.Context) error } {
			return TCP{Address: b.address(), Timeout: 5 * time.Second, Header: header}
		}},
	} {
		b := newBackend(t, ready)
		var greeted atomic.Int32
		b.Listener = strictListener{b.Listener, header, &greeted}
		if c.tls {
			b.StartTLS()
		} else {
			b.Start()
		}
		check := c.check(b, []byte(header))
		for range 2 { // over one connection, where that is kept
			if err := check.Check(t.Context()); err != nil {
				t.Errorf("%s: %v", name, err)
			}
		}
		want := int32(1)
		if name == "TCP" {
			want = 2
		}
		labtest.Until(t, 10*time.Second, name+" has sent its headers", func() bool { return greeted.Load() == want })
		if err := c.check(b, nil).Check(t.Context()); err == nil && name != "TCP" {
			t.Errorf("%s without the header: no error", name)
		}
	}
}
