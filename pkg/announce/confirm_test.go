// SPDX-License-Identifier: Apache-2.0

package announce

import (
	"context"
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/harbinger-ha/harbinger/e2e/lab"
	"github.com/harbinger-ha/harbinger/e2e/lab/labtest"
)

// confirm runs a Confirm of the given time.
func (s station) confirm(t *testing.T, target netip.Addr, timeout time.Duration) (confirmed bool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), timeout)
	defer cancel()
	must(t, s.Do(func() (err error) {
		if confirmed, err = s.Confirm(ctx, target, s.own(target)); err != nil && strings.Contains(err.Error(), "sent in time") {
			return nil // this machine has not run the test for all of it
		}
		return err
	}))
	return confirmed
}

// Who answers for a host to all, as a fabric does that suppresses broadcasts, does not answer what goes to the host alone.
func TestConfirmAsksTheHostAlone(t *testing.T) {
	all := newStations(t, 2)
	for _, vip := range []netip.Addr{vip4, vip6} {
		target := all[1].own(vip)
		if !all[0].confirm(t, target, 5*time.Second) {
			t.Errorf("%s, which answers, is not confirmed", target)
		}
		if all[0].confirm(t, vip, 300*time.Millisecond) {
			t.Errorf("%s, which nobody has, is confirmed", vip)
		}
	}
	for _, vip := range []netip.Addr{vip4, vip6} { // also where there is hardly any time
		target := all[1].own(vip)
		labtest.Until(t, 10*time.Second, "a short question is confirmed", func() bool { return all[0].confirm(t, target, 10*time.Millisecond) })
	}
	deaf := "ether daddr " + all[1].MAC.String()
	must(t, labtest.Nft(all[1].Host, fmt.Sprintf("table netdev deaf { chain in { type filter hook ingress device %s priority 0; "+
		"%s arp operation request drop; %s icmpv6 type nd-neighbor-solicit drop; }; }", lab.Interface, deaf, deaf)))
	for _, vip := range []netip.Addr{vip4, vip6} {
		target := all[1].own(vip)
		checkMACs(t, all[0].resolve(t, target, 5*time.Second), all[1].MAC)
		if all[0].confirm(t, target, 400*time.Millisecond) {
			t.Errorf("%s is confirmed by an answer to all", target)
		}
	}
}
