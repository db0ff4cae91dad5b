// SPDX-License-Identifier: Apache-2.0

package proxy

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

func TestRefusedListenerKeepsItsPort(t *testing.T) {
	ln := newListener(t)
	must(t, refuse(ln))
	if !refused(ln.Address()) {
		t.Error("connection was not refused")
	}
	// net.Listen sets SO_REUSEADDR, which would succeed together with a socket that has it as well.
	other, err := net.Listen("tcp", ln.Address().String())
	if !errors.Is(err, syscall.EADDRINUSE) {
		t.Errorf("another listener got the port: %v", err)
		other.Close()
	}
	must(t, listen(ln))
	dial(t, ln.Address())
}

// acceptFrom accepts a connection.
func acceptFrom(t testing.TB, ln *Listener) (conn *os.File, err error) {
	t.Helper()
	err = ln.control(func(fd int) error {
		accepted, _, err := unix.Accept4(fd, unix.SOCK_CLOEXEC)
		if err == nil {
			conn = os.NewFile(uintptr(accepted), "connection")
			t.Cleanup(func() { conn.Close() })
		}
		return err
	})
	return conn, err
}

func TestRefuseReachesEveryProcess(t *testing.T) {
	ln := newListener(t)
	inherited := handOver(t, ln)
	defer inherited.Close()
	established := dial(t, ln.Address())
	accepted, err := acceptFrom(t, inherited)
	must(t, err)
	queued := dial(t, ln.Address())

	must(t, refuse(inherited))
	must(t, refuse(inherited)) // twice does no harm
	if !refused(ln.Address()) {
		t.Error("connection was not refused")
	}
	wantReset(t, queued)
	if _, err := acceptFrom(t, inherited); !errors.Is(err, syscall.EINVAL) {
		t.Errorf("accept ended with %v", err)
	}

	must(t, listen(ln))
	must(t, listen(ln))
	dial(t, ln.Address())
	_, err = acceptFrom(t, inherited)
	must(t, err)
	accepted.WriteString("x")
	if _, err := established.Read(make([]byte, 1)); err != nil {
		t.Errorf("established connection: %v", err)
	}
}

func TestRefusedListenerComesBackBesideItsConnections(t *testing.T) {
	ln := newListener(t)
	dial(t, ln.Address()).Close() // leaves a connection in TIME_WAIT or the queue
	inherited := handOver(t, ln)
	_, err := acceptFrom(t, inherited)
	must(t, err)
	must(t, refuse(ln))
	must(t, listen(ln))
	must(t, inherited.Close())
	must(t, ln.Close())
	again, err := Listen(ln.Address())
	must(t, err)
	again.Close()
}

func TestListenOnAnAddressOfTomorrow(t *testing.T) {
	for _, address := range []string{"192.0.2.1:4300", "[2001:db8::1]:4300"} {
		ln, err := Listen(netip.MustParseAddrPort(address))
		if err != nil {
			t.Errorf("%s: %v", address, err)
			continue
		}
		ln.Close()
	}
}

func TestListenSaysWhere(t *testing.T) {
	taken := newListener(t)
	_, err := Listen(taken.Address())
	if want := "listen tcp " + taken.Address().String() + ": bind: address already in use"; err == nil || err.Error() != want {
		t.Errorf("error is %q, want %q", err, want)
	}
	if _, err := Listen(loopback); !errors.Is(err, errNoPort) {
		t.Errorf("without a port: %v", err)
	}
}

func TestDescriptorLimit(t *testing.T) {
	var now syscall.Rlimit
	must(t, syscall.Getrlimit(syscall.RLIMIT_NOFILE, &now))
	affordable := (int(now.Cur) - ownDescriptors) / 2
	for limit, want := range map[int]int{0: affordable, 10: 10, affordable: affordable, affordable + 1: affordable, 1 << 30: affordable} {
		got, lowered := descriptorLimit(limit)
		if got != want || (lowered != "") != (limit > want) {
			t.Errorf("limit %d becomes %d (%s), want %d", limit, got, lowered, want)
		}
		if lowered != "" && !strings.Contains(lowered, fmt.Sprintf("%d are configured, and the process has %d file descriptors", limit, now.Cur)) {
			t.Errorf("limit %d: %s", limit, lowered)
		}
	}
}
