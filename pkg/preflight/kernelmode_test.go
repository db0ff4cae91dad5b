// SPDX-License-Identifier: Apache-2.0

package preflight_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/harbinger-ha/harbinger/e2e/lab/labtest"
	"github.com/harbinger-ha/harbinger/pkg/preflight"
)

// Only what goes to another host is forwarded, and only where the kernel is to pass connections on.
func TestKernelModeOfTheOwnAPIServer(t *testing.T) {
	host := newHost(t)
	labtest.Must(t, host.SetSysctl("net/ipv4/ip_forward", "0"))
	defer labtest.Firewall(t, host, "chain c { type filter hook forward priority 0; policy drop; }")()
	own := fmt.Sprintf("backends: [{address: '%s:6443'}]}\n", host.Address.Addr())
	for document, want := range map[string]int{byKernel[:len(byKernel)-2] + ", " + own: 1, byKernel: 1, shared + "loadBalancer: {" + own: 0} {
		cfg := decode(t, document)
		var facts preflight.Facts
		labtest.Must(t, host.Do(func() (err error) {
			facts, err = preflight.GatherAll(t.Context(), cfg, "")
			return err
		}))
		if r := of("KernelMode", cfg, facts); len(r) != want || want == 1 && r[0].Status != preflight.OK {
			t.Errorf("%s: %+v", document, r)
		}
	}
}

// A host is asked for all that mode Kernel needs of it: its kernel, forwarding, and filters that let pass what is forwarded.
func TestKernelModeOfAHost(t *testing.T) {
	host := newHost(t)
	cfg := decode(t, byKernel[:len(byKernel)-2]+fmt.Sprintf(", policy: RoundRobin, backends: [{address: '%s:6443'}, {address: '192.168.238.250:6443'}]}\n", host.Address.Addr()))
	for _, tt := range []struct {
		name, forward, rules string
		want                 preflight.Status
		found                string
	}{
		{"it does not forward", "0", "", preflight.Warn, "sysctl -w net.ipv4.ip_forward=1"},
		{"nothing is filtered", "1", "", preflight.OK, "forwards them"},
		{"a policy", "1", "chain c { type filter hook forward priority 0; policy drop; }", preflight.Warn, "forwarded TCP port 6443 from 192.168.238.0/24 to 192.168.238.250 is refused by the policy of chain c"},
		{"what was translated is accepted", "1", "chain c { type filter hook forward priority 0; policy drop; ct status dnat accept; }", preflight.OK, "forwards them"},
		{"a policy for what is for the host", "1", "chain c { type filter hook input priority 0; policy drop; }", preflight.OK, "forwards them"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			labtest.Must(t, host.SetSysctl("net/ipv4/ip_forward", tt.forward))
			if tt.rules != "" {
				defer labtest.Firewall(t, host, tt.rules)()
			}
			var facts preflight.Facts
			labtest.Must(t, host.Do(func() (err error) {
				facts, err = preflight.GatherAll(t.Context(), cfg, "")
				return err
			}))
			if r := of("KernelMode", cfg, facts); len(r) != 1 || r[0].Status != tt.want || !strings.Contains(r[0].Found, tt.found) {
				t.Errorf("%+v, want %s %q", r, tt.want, tt.found)
			}
		})
	}
}
