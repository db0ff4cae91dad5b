// SPDX-License-Identifier: Apache-2.0

package preflight

import (
	"fmt"
	"net/netip"
	"os"
	"slices"
	"strconv"

	"k8s.io/apimachinery/pkg/util/validation/field"

	"github.com/harbinger-ha/harbinger/pkg/address"
	"github.com/harbinger-ha/harbinger/pkg/apis/config"
	"github.com/harbinger-ha/harbinger/pkg/balance"
	"github.com/harbinger-ha/harbinger/pkg/dnat"
	"github.com/harbinger-ha/harbinger/pkg/firewall"
)

// tryKernelMode has the kernel take the rules that pass connections on, and asks whether this host forwards to the backends.
func tryKernelMode(cfg *config.HarbingerConfiguration, links []address.Link) (struct{}, error) {
	if err := dnat.Try(dnat.Prefix + "preflight-" + strconv.Itoa(os.Getpid())); err != nil {
		return struct{}{}, err
	}
	return struct{}{}, dnat.Forwards(cfg.LoadBalancer.Backends, owner(links))
}

// owner reports whether an address is one of this host.
func owner(links []address.Link) func(netip.Addr) bool {
	return func(a netip.Addr) bool {
		return a.IsLoopback() || slices.ContainsFunc(links, func(l address.Link) bool { return l.Owns(a) })
	}
}

// Forwards returns what the filters of this host refuse of the packets that mode Kernel passes on from a link to targets on other hosts;
// empty: nothing is refused for certain.
func Forwards(rules firewall.Ruleset, link address.Link, vips []netip.Prefix, targets []balance.Backend, own func(netip.Addr) bool) string {
	for _, vip := range vips {
		for _, t := range targets {
			to := t.Address.Addr()
			if to.Is6() != vip.Addr().Is6() || own(to) {
				continue
			}
			p := firewall.Packet{Interface: link.Name, Index: link.Index, Source: subnet(link, vip.Addr()), To: to, Protocol: firewall.TCP, Port: t.Address.Port(), Forwarded: true}
			if answer := rules.Judge(p); answer.Verdict == firewall.Refused {
				return fmt.Sprintf("%s is refused by %s", p, where(answer.Places))
			}
		}
	}
	return ""
}

// checkKernelMode warns where connections would be relayed although the kernel is to pass them on.
func checkKernelMode(cfg *config.HarbingerConfiguration, facts Facts) []Result {
	path := field.NewPath("loadBalancer", "mode")
	if cfg.LoadBalancer.Mode != balance.ModeKernel {
		return nil
	}
	link, err := link(cfg, facts)
	if err != nil {
		return nil // a fault of its own
	}
	p := facts.Process
	switch {
	case facts.KernelMode.Err != nil && p.Err == nil && (p.Value.Capabilities>>capabilities["NET_ADMIN"]&1 == 0 || p.Value.Filtered):
		return unanswered(facts.KernelMode.Err, AsRoot+": it needs CAP_NET_ADMIN")
	case facts.KernelMode.Err != nil:
		return []Result{fault(Warn, path, cfg.LoadBalancer.Mode, facts.KernelMode.Err.Error()+": connections are relayed until then", "give the kernel what it lacks, or set loadBalancer.mode to Relay")}
	}
	if refusal := Forwards(facts.Firewall.Value, link, cfg.VirtualAddresses, cfg.LoadBalancer.Backends, owner(facts.Links)); refusal != "" {
		return []Result{fault(Warn, path, cfg.LoadBalancer.Mode, refusal+": connections are relayed until then",
			"let the packet filter forward what is for the backends (ct status dnat), or set loadBalancer.mode to Relay")}
	}
	return fine("the kernel takes the rules that pass connections on, and this host forwards them")
}
