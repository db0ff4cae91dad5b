// SPDX-License-Identifier: Apache-2.0

package labtest

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/harbinger-ha/harbinger/e2e/lab"
)

// Main runs the tests of a package on labs, and fails if one leaves a goroutine behind; see [lab.Main]. It does not return.
func Main(m *testing.M, roles ...lab.Role) {
	os.Exit(lab.Main(func() int {
		code := m.Run()
		if err := goleak.Find(); code == 0 && err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
		return code
	}, roles...))
}

// New returns a lab.
func New(t testing.TB, cfg lab.Config) *lab.Lab {
	t.Helper()
	l, err := lab.New(cfg)
	Must(t, err)
	t.Cleanup(func() { Must(t, l.Close()) })
	return l
}

// Prefix6 is the IPv6 network of [Hosts].
var Prefix6 = netip.MustParsePrefix("fd00:99::/64")

// Hosts returns hosts with addresses of both families, on one wire that passes packets.
func Hosts(t testing.TB, nodes int) []*lab.Host {
	t.Helper()
	hosts := New(t, lab.Config{Nodes: nodes, Prefix6: Prefix6}).Hosts()
	for _, h := range hosts[1:] {
		Meet(t, hosts[0], h)
	}
	return hosts
}

// discard is a port (RFC 863) on which no host of a test listens.
const discard = 9

// Meet waits until packets of each family pass between two hosts: the kernel drops them until it has noticed that a new link
// is up.
func Meet(t testing.TB, a, b *lab.Host) {
	t.Helper()
	for _, address := range []netip.Addr{b.Address.Addr(), b.Address6.Addr()} {
		if !address.IsValid() {
			continue
		}
		Must(t, lab.Until(10*time.Second, "the wire passes packets", func() bool {
			ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
			defer cancel()
			_, err := a.Dial(ctx, "tcp", netip.AddrPortFrom(address, discard).String())
			return errors.Is(err, syscall.ECONNREFUSED)
		}))
	}
}
