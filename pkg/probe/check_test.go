// SPDX-License-Identifier: Apache-2.0

package probe

import (
	"context"
	"encoding/json"
	"fmt"
	"net"
	"net/netip"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/harbinger-ha/harbinger/e2e/lab"
	"github.com/harbinger-ha/harbinger/e2e/lab/labtest"
	"github.com/harbinger-ha/harbinger/pkg/election"
)

// checkRole checks both virtual addresses, with the sources that are its arguments, each alone and both together.
var checkRole = lab.Role{Name: "check", Main: func(args []string) int {
	probes := VIPs{}
	for i, vip := range []netip.Addr{vip4, vip6} {
		probes[vip] = question{Source: netip.MustParseAddr(args[i])}.probe()
	}
	var found [3]election.HolderChecked
	for i, v := range []VIPs{{vip4: probes[vip4]}, {vip6: probes[vip6]}, probes} {
		ctx, cancel := context.WithTimeout(context.Background(), 500*time.Millisecond)
		found[i] = v.Check(ctx)
		cancel()
	}
	if err := json.NewEncoder(os.Stdout).Encode(found); err != nil {
		panic(err)
	}
	return 0
}}

// check checks from a host.
func check(t *testing.T, h *lab.Host, sources ...string) (found [3]election.HolderChecked) {
	t.Helper()
	p, err := h.Start(checkRole.Command(sources...))
	must(t, err)
	must(t, p.Wait(10*time.Second))
	if err := json.NewDecoder(strings.NewReader(p.Output())).Decode(&found); err != nil {
		t.Fatalf("%v in %q", err, p.Output())
	}
	return found
}

// The worst of the two families counts, and one that cannot be asked does not.
func TestCheckOfAHolder(t *testing.T) {
	asker, other := newHosts(t, vip4, vip6)
	for _, limit := range []string{"net/ipv4/icmp_ratelimit", "net/ipv6/icmp/ratelimit"} {
		must(t, other.SetSysctl(limit, "0"))
	}
	sources := []string{asker.Address.Addr().String(), asker.Address6.Addr().String()}
	want := func(t *testing.T, got [3]election.HolderChecked, want ...election.Finding) {
		t.Helper()
		for i, name := range []string{"IPv4", "IPv6", "both"} {
			if got[i].Client != want[i] {
				t.Errorf("%s: %s, want %s", name, got[i].Client, want[i])
			}
		}
	}
	want(t, check(t, asker, sources...), election.Reset, election.Reset, election.Reset)
	ln, err := other.Listen(fmt.Sprintf(":%d", clientPort))
	must(t, err)
	labtest.Serve(t, ln, func(net.Conn) { t.Error("a connection was accepted") })
	want(t, check(t, asker, sources...), election.Answers, election.Answers, election.Answers)
	want(t, check(t, asker, sources[0], "2001:db8::77"), election.Answers, election.CouldNotAsk, election.Answers)
	for _, tt := range []struct {
		rules string
		want  []election.Finding
	}{
		{"ip protocol tcp drop", []election.Finding{election.Nobody, election.Answers, election.Nobody}},
		{"ip protocol tcp reject with icmp admin-prohibited", []election.Finding{election.Rejected, election.Answers, election.Rejected}},
		{"ip protocol tcp reject with icmp net-unreachable", []election.Finding{election.Rejected, election.Answers, election.Rejected}},
		{"ip protocol tcp numgen inc mod 3 < 2 drop; ip6 nexthdr tcp numgen inc mod 3 < 2 drop", []election.Finding{election.Answers, election.Answers, election.Answers}},
	} {
		t.Run(tt.rules, func(t *testing.T) {
			filterInput(t, other, tt.rules)
			want(t, check(t, asker, sources...), tt.want...)
		})
	}
}
