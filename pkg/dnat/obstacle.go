// SPDX-License-Identifier: Apache-2.0

package dnat

import (
	"errors"
	"fmt"
	"net/netip"
	"os"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/harbinger-ha/harbinger/pkg/balance"
)

// Try asks the kernel for everything that rules need, with rules for an address that nobody has, and takes them away. The error says what
// it refuses.
func Try(name string) error {
	rules := Rules{
		Port: 1, Addresses: []netip.Addr{netip.IPv4Unspecified(), netip.IPv6Unspecified()},
		Targets: []balance.Backend{{Address: netip.AddrPortFrom(netip.IPv4Unspecified(), 1)}, {Address: netip.AddrPortFrom(netip.IPv6Unspecified(), 1)}},
	}
	rules.Targets = append(rules.Targets, rules.Targets...) // to choose between
	for _, rules.Policy = range []balance.Policy{balance.RoundRobin, balance.SourceHash} {
		if err := Apply(name, rules); err != nil {
			return errors.Join(fmt.Errorf("the kernel does not take the rules, which need nf_tables with nat, numgen, hash, fib, masq and ct (modprobe nft_chain_nat nft_numgen nft_hash nft_fib_inet nft_masq nft_ct): %w", err), Remove(name))
		}
	}
	if _, err := End(0, nil); err != nil {
		return errors.Join(fmt.Errorf("the kernel does not show its connections (modprobe nf_conntrack_netlink): %w", err), Remove(name))
	}
	return Remove(name)
}

// Forwards returns an error where this host does not pass on what is for a backend on another host. own are its addresses.
func Forwards(targets []balance.Backend, own func(netip.Addr) bool) error {
	for _, f := range families {
		setting := "net/ipv4/ip_forward"
		if f.number == unix.NFPROTO_IPV6 {
			setting = "net/ipv6/conf/all/forwarding"
		}
		for _, t := range targets {
			if !f.has(t.Address.Addr()) || own(t.Address.Addr()) {
				continue
			}
			value, err := os.ReadFile("/proc/sys/" + setting)
			if err != nil {
				return err
			}
			if strings.TrimSpace(string(value)) == "0" {
				return fmt.Errorf("this host does not forward, and %s is on another one: sysctl -w %s=1", t.Address, strings.ReplaceAll(setting, "/", "."))
			}
		}
	}
	return nil
}
