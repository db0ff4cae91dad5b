// SPDX-License-Identifier: Apache-2.0

package address

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"syscall"
	"testing"
	"time"

	"github.com/harbinger-ha/harbinger/e2e/lab/labtest"
)

// A connection by a virtual address is reset at both ends, whatever socket has accepted it; one by the node's own address stays,
// and so does what listens.
func TestEndSessions(t *testing.T) {
	hosts := labtest.Hosts(t, 2)
	h, client := hosts[0], hosts[1]
	waitUp(t, h)
	labtest.Meet(t, client, h)
	a := newAddresses(t, h, Config{})
	must(t, a.Acquire())
	ln, err := h.Listen(":6443") // of IPv6 and IPv4, as an apiserver's
	must(t, err)
	t.Cleanup(func() { ln.Close() })
	connect := func(to netip.Addr) (near, far net.Conn) {
		t.Helper()
		near, err := client.Dial(t.Context(), "tcp", netip.AddrPortFrom(to, 6443).String())
		must(t, err)
		t.Cleanup(func() { near.Close() })
		far, err = ln.Accept()
		must(t, err)
		t.Cleanup(func() { far.Close() })
		return near, far
	}
	end := func(ctx context.Context) error { return h.Do(func() error { return a.EndSessions(ctx) }) }
	reset := func(conn net.Conn, want error) {
		t.Helper()
		must(t, conn.SetReadDeadline(time.Now().Add(5*time.Second)))
		if _, err := conn.Read(make([]byte, 1)); !errors.Is(err, want) {
			t.Errorf("the connection to %s ended with %v, want %v", conn.LocalAddr(), err, want)
		}
	}
	stays, stayed := connect(h.Address.Addr())
	for _, vip := range []netip.Addr{vip4.Addr(), vip6.Addr()} {
		near, far := connect(vip)
		over, cancel := context.WithCancel(t.Context())
		cancel()
		if err := end(over); !errors.Is(err, context.Canceled) {
			t.Errorf("without time: %v", err)
		}
		must(t, end(t.Context()))
		reset(near, syscall.ECONNRESET)
		reset(far, syscall.ECONNABORTED)
	}
	_, err = stayed.Write([]byte("x"))
	must(t, err)
	must(t, stays.SetReadDeadline(time.Now().Add(5*time.Second)))
	_, err = stays.Read(make([]byte, 1))
	must(t, err)
	connect(vip4.Addr())
}
