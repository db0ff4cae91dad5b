// SPDX-License-Identifier: Apache-2.0

package preflight

import (
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"k8s.io/apimachinery/pkg/util/validation/field"

	"github.com/harbinger-ha/harbinger/pkg/address"
	"github.com/harbinger-ha/harbinger/pkg/apis/config"
)

// settingChecks ask how the kernel treats the interface.
var settingChecks = []Check{
	{Name: "PrefixLength", Finds: "a virtual address with another prefix length than its subnet on the interface", Remedy: "the address as the subnet has it", run: checkPrefixLength},
	{Name: "ReversePath", Finds: "a strict `rp_filter` where the answers leave by another interface: the kernel drops what clients send", Remedy: "`sysctl`: loose (2)", run: checkReversePath},
	{Name: "ARP", Finds: "`arp_ignore`, `arp_filter` by which the kernel does not answer for the virtual address", Remedy: "`sysctl`", run: checkARP},
	{Name: "IPv6", Finds: "IPv6 that is disabled on the interface, or that a duplicate address would disable (`accept_dad` 2)", Remedy: "`sysctl`", run: checkIPv6},
}

// perInterface are the settings of the kernel that are read for each interface, and for all of them.
var perInterface = []string{"net.ipv4.conf.%s.rp_filter", "net.ipv4.conf.%s.arp_ignore", "net.ipv4.conf.%s.arp_filter", "net.ipv6.conf.%s.disable_ipv6", "net.ipv6.conf.%s.accept_dad"}

// interfaceSettings reads them in the network namespace of the calling thread. A kernel without IPv6 has none of those.
func interfaceSettings(links []address.Link) (map[string]int, error) {
	settings := map[string]int{}
	for _, name := range append(names(links), "all") {
		for _, format := range perInterface {
			setting := fmt.Sprintf(format, name)
			text, err := readSetting(setting)
			if err != nil {
				return nil, err
			}
			if text == "" {
				continue
			}
			if settings[setting], err = strconv.Atoi(text); err != nil {
				return nil, fmt.Errorf("%s: %w", setting, err)
			}
		}
	}
	return settings, nil
}

func names(links []address.Link) (all []string) {
	for _, l := range links {
		all = append(all, l.Name)
	}
	return all
}

// checkPrefixLength warns where the prefix of an address is not that of its subnet. One of its own length is an address alone.
func checkPrefixLength(cfg *config.HarbingerConfiguration, facts Facts) []Result {
	link, err := link(cfg, facts)
	if err != nil {
		return nil // a fault of its own
	}
	var results []Result
	for i, vip := range cfg.VirtualAddresses {
		on := subnet(link, vip.Addr())
		if vip.IsSingleIP() || on.IsSingleIP() || vip.Bits() == on.Bits() {
			continue
		}
		results = append(results, fault(Warn, field.NewPath("virtualAddresses").Index(i), vip.String(),
			fmt.Sprintf("has another prefix length than its subnet on %s, %s", link.Name, on),
			fmt.Sprintf("write %s", netip.PrefixFrom(vip.Addr(), on.Bits()))))
	}
	return orFine(results, "the virtual addresses have the prefix lengths of their subnets on %s", link.Name)
}

// setting returns the value that the kernel uses: the greater of that of the interface and that of all.
func (f Facts) setting(format, name string) int {
	return max(f.Settings.Value[fmt.Sprintf(format, name)], f.Settings.Value[fmt.Sprintf(format, "all")])
}

// settingCheck is a check of settings that can be asked, of an interface that there is.
func settingCheck(cfg *config.HarbingerConfiguration, facts Facts, check func(address.Link) []Result) []Result {
	link, err := link(cfg, facts)
	switch {
	case err != nil:
		return nil // a fault of its own
	case facts.Settings.Err != nil:
		return unanswered(facts.Settings.Err, "")
	}
	return check(link)
}

// has reports whether a configuration has virtual addresses of a family.
func has(cfg *config.HarbingerConfiguration, of func(netip.Addr) bool) bool {
	return slices.ContainsFunc(cfg.VirtualAddresses, func(vip netip.Prefix) bool { return of(vip.Addr()) })
}

// defaultRoute returns the interface of the IPv4 default route of the main table, of the lowest metric, in the network namespace of the
// calling thread. Empty: there is none.
func defaultRoute() (link string) {
	best := -1
	for line := range strings.Lines(read("/proc/thread-self/net/route")) {
		f := strings.Fields(line) // interface, destination, gateway, flags, …, metric, mask
		if len(f) < 8 || f[1] != "00000000" || f[7] != "00000000" {
			continue
		}
		if metric, err := strconv.Atoi(f[6]); err == nil && (best < 0 || metric < best) {
			link, best = f[0], metric
		}
	}
	return link
}

// checkReversePath warns where a client that is not in the subnet would have its packets dropped: they arrive by the interface of the
// virtual address, and the routes lead to the client by another one.
func checkReversePath(cfg *config.HarbingerConfiguration, facts Facts) []Result {
	const strict, loose, format = 1, 2, "net.ipv4.conf.%s.rp_filter"
	if !has(cfg, netip.Addr.Is4) {
		return nil
	}
	return settingCheck(cfg, facts, func(l address.Link) []Result {
		if facts.setting(format, l.Name) != strict {
			return fine("rp_filter of %s is not strict", l.Name)
		}
		if by := facts.DefaultRoute; by != "" && by != l.Name {
			return []Result{{Status: Warn, Found: fmt.Sprintf("rp_filter of %s is strict, and the default route leads by %s: what clients from there send to the virtual address is dropped",
				l.Name, by), Remedy: setting(fmt.Sprintf(format, l.Name), fmt.Sprint(loose))}}
		}
		return fine("rp_filter of %s is strict, and no default route leads by another interface", l.Name)
	})
}

// checkARP refuses settings by which nobody finds the virtual address. With an arp_ignore below 8 the kernel answers those who are in the
// subnet, because the node's own address is in it too.
func checkARP(cfg *config.HarbingerConfiguration, facts Facts) []Result {
	const ignore, never, filter = "net.ipv4.conf.%s.arp_ignore", 8, "net.ipv4.conf.%s.arp_filter"
	if !has(cfg, netip.Addr.Is4) {
		return nil
	}
	return settingCheck(cfg, facts, func(l address.Link) []Result {
		var results []Result
		if n := facts.setting(ignore, l.Name); n == never {
			results = append(results, Result{Status: Fail, Found: fmt.Sprintf("arp_ignore of %s is %d: the kernel answers for no address", l.Name, n), Remedy: lower(facts, ignore, l.Name, 1)})
		}
		if other := beside(facts.Links, l); facts.setting(filter, l.Name) == 1 && other != "" {
			results = append(results, Result{Status: Warn, Found: fmt.Sprintf("arp_filter of %s is 1, and %s is in the same subnet: the kernel answers only by the interface of its route", l.Name, other),
				Remedy: lower(facts, filter, l.Name, 0)})
		}
		return orFine(results, "the kernel answers ARP for the virtual address on %s", l.Name)
	})
}

// lower is the command that gives an interface a lower value: that of all counts where it is greater.
func lower(facts Facts, format, name string, value int) string {
	command := setting(fmt.Sprintf(format, name), fmt.Sprint(value))
	if facts.Settings.Value[fmt.Sprintf(format, "all")] > value {
		command = setting(fmt.Sprintf(format, "all"), fmt.Sprint(value)) + " && " + command
	}
	return command
}

// beside returns another interface with an IPv4 subnet of a link.
func beside(links []address.Link, l address.Link) string {
	for _, other := range links {
		for _, p := range other.Addresses {
			if other.Index != l.Index && other.Up && p.Addr().Is4() && slices.ContainsFunc(l.Addresses, p.Overlaps) {
				return other.Name
			}
		}
	}
	return ""
}

// checkIPv6 refuses an interface on which IPv6 is disabled. It then has no address of its own, so that it is found by its name, or is any.
func checkIPv6(cfg *config.HarbingerConfiguration, facts Facts) []Result {
	const disabled, dad = "net.ipv6.conf.%s.disable_ipv6", "net.ipv6.conf.%s.accept_dad"
	if !has(cfg, netip.Addr.Is6) {
		return nil
	}
	if facts.Settings.Err != nil {
		return unanswered(facts.Settings.Err, "")
	}
	candidates := names(facts.Links)
	if link, err := link(cfg, facts); err == nil {
		candidates = []string{link.Name}
	} else if cfg.Interface != "" {
		candidates = []string{cfg.Interface}
	}
	var results []Result
	for _, name := range candidates {
		if facts.Settings.Value[fmt.Sprintf(disabled, name)] == 1 && name != "lo" {
			results = append(results, Result{Status: Fail, Found: "IPv6 is disabled on " + name, Remedy: setting(fmt.Sprintf(disabled, name), "0")})
		}
		if facts.Settings.Value[fmt.Sprintf(dad, name)] == 2 && name != "lo" {
			results = append(results, Result{Status: Warn, Found: "accept_dad of " + name + " is 2: a duplicate of its link-local address disables IPv6 on it",
				Remedy: setting(fmt.Sprintf(dad, name), "1")})
		}
	}
	return orFine(results, "IPv6 is enabled on %s", candidates[0])
}
