// SPDX-License-Identifier: Apache-2.0

package sidecar_test

import (
	"fmt"
	"net"
	"net/netip"
	"os"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/harbinger-ha/harbinger/e2e/lab/labtest"
	"github.com/harbinger-ha/harbinger/pkg/apis/status/v1alpha1"
	"github.com/harbinger-ha/harbinger/pkg/socket"
)

// takenBy has a port taken, until the function that is returned is called: by a program that listens, or by an outgoing
// connection, which a busy host may give any port of its range.
func takenBy(t *testing.T, listener bool, address string) (free func()) {
	t.Helper()
	if listener {
		ln, err := net.Listen("tcp", address)
		labtest.Must(t, err)
		return func() { ln.Close() }
	}
	local := netip.MustParseAddrPort(address)
	serve, dial := "127.0.0.1:0", local.Addr()
	if dial.IsUnspecified() {
		serve, dial = self.Address.Addr().String()+":0", self.Address.Addr()
	}
	ln, err := net.Listen("tcp", serve)
	labtest.Must(t, err)
	defer ln.Close()
	reuse := func(on int) func(fd int) error {
		return func(fd int) error { return syscall.SetsockoptInt(fd, syscall.SOL_SOCKET, syscall.SO_REUSEADDR, on) }
	}
	dialer := net.Dialer{
		LocalAddr: net.TCPAddrFromAddrPort(netip.AddrPortFrom(dial, local.Port())),
		// Connections of tests before this one are in TIME_WAIT.
		Control: func(_, _ string, raw syscall.RawConn) error { return socket.Control(raw, reuse(1)) },
	}
	conn, err := dialer.DialContext(t.Context(), "tcp", ln.Addr().String())
	labtest.Must(t, err)
	labtest.Must(t, socket.ControlConn(conn.(*net.TCPConn), reuse(0))) // as the connections of other programs
	other, err := ln.Accept()
	labtest.Must(t, err)
	return func() {
		conn.(*net.TCPConn).SetLinger(0) // leave no port in TIME_WAIT
		conn.Close()
		other.Close()
	}
}

// A port that another socket has does not end the keeper. It is a Backup in distress that says who has the port, holds the
// addresses where nobody else does, and is a node like others as soon as the port is free.
func TestPortsThatAreTaken(t *testing.T) {
	serveAPI(t)
	for _, tc := range []struct {
		address, want string
		listener      bool
	}{
		{"0.0.0.0:4300", "controlPlane.port", false},
		{"0.0.0.0:4300", "controlPlane.port", true},
		{"192.168.238.130:10444", "status.identityPort", false},
		{"0.0.0.0:10444", "status.identityPort", true}, // of the virtual address as well
	} {
		t.Run(fmt.Sprintf("%s %t", tc.address, tc.listener), func(t *testing.T) {
			stop := advertise(t, 50)
			free := takenBy(t, tc.listener, tc.address)
			k := start(t, oneAddress+body("VRRP", ""))
			k.until("this node is a Backup that says who has the port", func(s v1alpha1.HarbingerStatus) bool {
				return s.VirtualRouter.State == "Backup" && s.VirtualRouter.Distress && slices.ContainsFunc(s.NotReady, func(why string) bool {
					return strings.Contains(why, tc.want) && strings.Contains(why, fmt.Sprintf("(process %d)", os.Getpid())) &&
						strings.Contains(why, map[bool]string{true: "listens on", false: "has a connection from"}[tc.listener])
				})
			})
			k.untilLogged("Port taken")
			stop()
			k.until("it holds the address that nobody else does", func(s v1alpha1.HarbingerStatus) bool {
				return s.VirtualRouter.State == "Active" && s.VirtualRouter.Distress && strings.Contains(s.VirtualRouter.CurrentReason, tc.want)
			})
			free()
			k.until("it is a node like others", func(s v1alpha1.HarbingerStatus) bool { return active(s) && !s.VirtualRouter.Distress })
			wantServed(t, netip.AddrPortFrom(vip4.Addr(), 4300))
			k.untilLogged("Port opened")
		})
	}
}

// Without the port of its status a node serves as others do.
func TestStatusPortIsWaitedFor(t *testing.T) {
	serveAPI(t)
	for _, listener := range []bool{true, false} {
		free := takenBy(t, listener, "127.0.0.1:10443")
		k := start(t, oneAddress+body("VRRP", ""))
		labtest.Until(t, patience, "this node holds the address", func() bool { return held(vip4) })
		wantServed(t, netip.AddrPortFrom(vip4.Addr(), 4300))
		if id := identity(t, netip.AddrPortFrom(vip4.Addr(), 10444)); id.Distress {
			t.Errorf("in distress for the sake of its status: %+v", id)
		}
		k.untilLogged("status.bindAddress")
		free()
		k.until("the status is there", active)
		k.end()
	}
}
