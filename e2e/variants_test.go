// SPDX-License-Identifier: Apache-2.0

//go:build e2e

package e2e

import (
	"context"
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/harbinger-ha/harbinger/e2e/cluster"
	"github.com/harbinger-ha/harbinger/e2e/fault"
)

// TestNFTables has kube-proxy write nftables, while the balancer shares the apiserver's port.
func TestNFTables(t *testing.T) {
	s := kind(t, cluster.KindConfig{ControlPlanes: 3, Workers: 1, ProxyMode: "nftables", IPFamily: "ipv4"})
	must(t, s.Credentials(t.Context()))
	s.settle(t)
	s.tableOfTheRecipe(t)
	s.service(t)
	s.startWitness(t)
	s.fault(t, fault.HostFreezes)
	s.nothingLost(t)
}

// TestDualStack has a virtual IP of each family. They are on one host, and move together.
func TestDualStack(t *testing.T) {
	ctx := t.Context()
	s := kind(t, cluster.KindConfig{ControlPlanes: 3, Workers: 1, ProxyMode: "iptables", IPFamily: "dual"},
		"--vip", netip.PrefixFrom(cluster.VIP6, cluster.Bits6).String())
	must(t, s.Credentials(ctx))
	s.settle(t)
	s.tableOfTheRecipe(t)
	s.service(t)
	outside, err := s.Outsider(ctx, "outside-6")
	must(t, err)
	s.both(t, outside)
	s.startWitness(t)
	s.fault(t, fault.HostFreezes)
	s.both(t, outside)
	s.nothingLost(t)
}

// both checks that both virtual addresses are on one host and answer.
func (s *story) both(t *testing.T, outside *cluster.Host) {
	t.Helper()
	holder := s.settle(t)
	addresses, err := holder.Run(t.Context(), "ip", "-o", "address", "show", "dev", "eth0")
	must(t, err)
	check(t, strings.Contains(addresses, " "+cluster.VIP.String()+"/") && strings.Contains(addresses, " "+cluster.VIP6.String()+"/"),
		"virtual IPs on "+holder.Name, fmt.Sprintf("%v, %v", cluster.VIP, cluster.VIP6), "both")
	for _, vip := range []netip.Addr{cluster.VIP, cluster.VIP6} {
		url := "https://" + netip.AddrPortFrom(vip, s.Port).String() + "/"
		answer, err := outside.Run(t.Context(), "curl", "--silent", "--insecure", "--globoff", "--max-time", "5", url)
		check(t, err == nil && strings.Contains(answer, `"code": 403`), "curl "+url+" from outside", firstLineWith(answer, "code"), `"code": 403`)
	}
}

// service checks that kube-proxy leads a pod's host to the API by the service address: nothing of ours is in its way.
func (s *story) service(t *testing.T) {
	t.Helper()
	hosts := s.Hosts()
	for _, h := range hosts {
		must(t, cluster.Until(t.Context(), time.Minute, h.Name+" reaches the service of the API", func(ctx context.Context) error {
			answer, err := h.Run(ctx, "curl", "--silent", "--insecure", "--max-time", "5", "https://10.96.0.1/version")
			if err == nil && !strings.Contains(answer, "gitVersion") {
				err = fmt.Errorf("answer %q", answer)
			}
			return err
		}))
	}
	reached(t, "service kubernetes reached through kube-proxy", fmt.Sprintf("from %d hosts", len(hosts)))
}
