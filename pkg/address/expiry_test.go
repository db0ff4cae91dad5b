// SPDX-License-Identifier: Apache-2.0

package address

import (
	"net/netip"
	"testing"
	"time"

	"github.com/harbinger-ha/harbinger/e2e/lab"
)

// The rules of the election count on this window: a successor waits 1.1 s past the lifetime before it believes that a
// silent holder is gone, and no address may go before its lifetime ends.
func TestExpiryWindow(t *testing.T) {
	const (
		latest = 1100 * time.Millisecond
		slack  = 400 * time.Millisecond // a busy machine runs the kernel's worker late
	)
	for _, lifetime := range []time.Duration{time.Second, 2 * time.Second} {
		for _, vip := range []netip.Prefix{vip4, vip6} {
			t.Run(lifetime.String()+" "+vip.String(), func(t *testing.T) {
				t.Parallel()
				got := expiry(t, newHost(t), vip, lifetime)
				t.Logf("gone after %s", got)
				if got < lifetime-earliest || got > lifetime+latest+slack {
					t.Errorf("gone after %s, want between %s and %s", got, lifetime-earliest, lifetime+latest+slack)
				}
			})
		}
	}
}

// expiry measures how long after its last refresh an address goes.
func expiry(t *testing.T, h *lab.Host, vip netip.Prefix, lifetime time.Duration) time.Duration {
	t.Helper()
	a := newAddresses(t, h, Config{Addresses: []netip.Prefix{vip}, Lifetime: lifetime})
	events := watch(t, h, a)
	expect(t, events, Event{Kind: LinkUp})
	must(t, a.Acquire())
	must(t, a.Refresh())
	refreshed := time.Now()
	expect(t, events, Event{Kind: AddressRemoved, Address: vip.Addr()})
	return time.Since(refreshed)
}
