// SPDX-License-Identifier: Apache-2.0

package sidecar_test

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"net/netip"
	"syscall"
	"testing"
	"time"

	"github.com/harbinger-ha/harbinger/e2e/lab/labtest"
	"github.com/harbinger-ha/harbinger/pkg/apis/status/v1alpha1"
)

// learnt is within what a silent client knows that its connection is over.
const learnt = time.Second

// Silent sessions are reset when this node yields, by whichever family they came and whoever has them: the balancer, or, beside the
// apiserver on one port and without steering, the apiserver itself. Those by the node's own address stay.
func TestSilentSessionsEndAtAYield(t *testing.T) {
	own := netip.MustParseAddr("192.168.238.130")
	for _, c := range []struct {
		name, config string
		port         uint16
		virtual      []netip.Addr
	}{
		{"own port, both families", dualStack, 4300, []netip.Addr{vip4.Addr(), vip6.Addr()}},
		{"shared port, not steered", "virtualAddresses: [192.168.238.100/24]\nloadBalancer: {steering: {mode: None}}\n", 6443, []netip.Addr{vip4.Addr()}},
	} {
		t.Run(c.name, func(t *testing.T) {
			serveAPI(t)
			k := start(t, c.config+body("VRRP", ""))
			k.until("this node holds the addresses", active)
			var sessions []net.Conn
			for _, vip := range c.virtual {
				sessions = append(sessions, openSession(t, netip.AddrPortFrom(vip, c.port)))
			}
			stays := openSession(t, netip.AddrPortFrom(own, 6443))
			advertise(t, 250)
			k.until("this node is Backup", func(s v1alpha1.HarbingerStatus) bool {
				return s.VirtualRouter.State == "Backup" && !s.VirtualRouter.Held
			})
			for _, s := range sessions {
				if err := silence(t, s, learnt); !errors.Is(err, syscall.ECONNRESET) {
					t.Errorf("a session by %s: %v, want a reset", s.RemoteAddr(), err)
				}
			}
			var timeout net.Error
			if err := silence(t, stays, learnt/10); !errors.As(err, &timeout) || !timeout.Timeout() {
				t.Errorf("the session by the node's own address: %v, want silence", err)
			}
		})
	}
}

// openSession begins a session as a client on another host, in which nothing is asked.
func openSession(t *testing.T, address netip.AddrPort) net.Conn {
	t.Helper()
	var session *tls.Conn
	labtest.Until(t, patience, "a session with "+address.String(), func() bool {
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		conn, err := third.Dial(ctx, "tcp", address.String())
		if err != nil {
			return false
		}
		session = tls.Client(conn, &tls.Config{InsecureSkipVerify: true})
		if err := session.HandshakeContext(ctx); err != nil {
			conn.Close()
			return false
		}
		return true
	})
	t.Cleanup(func() { session.NetConn().Close() })
	return session
}

// silence returns how a session ends in which nothing is said, or that time is over.
func silence(t *testing.T, session net.Conn, bound time.Duration) error {
	t.Helper()
	labtest.Must(t, session.SetReadDeadline(time.Now().Add(bound)))
	_, err := session.Read(make([]byte, 1))
	return err
}
