// SPDX-License-Identifier: Apache-2.0

package preflight_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/harbinger-ha/harbinger/pkg/apis/config"
	"github.com/harbinger-ha/harbinger/pkg/preflight"
)

// of returns the results of the checks whose names begin alike.
func of(name string, cfg *config.HarbingerConfiguration, facts preflight.Facts) []preflight.Result {
	return slices.DeleteFunc(preflight.Run(cfg, facts), func(r preflight.Result) bool { return !strings.HasPrefix(r.Check, name) })
}

// firewalldDefault are the rules of firewalld with its zone public, as nft lists them, as far as they are about what arrives, and
// a program that does with them what firewall-cmd does, at once instead of at its --reload.
const firewalldDefault = `nft -f - <<'END'
table inet firewalld {
	chain mangle_PREROUTING { type filter hook prerouting priority mangle + 10; policy accept; }
	chain filter_PREROUTING { type filter hook prerouting priority filter + 10; policy accept
		icmpv6 type { nd-router-advert, nd-neighbor-solicit } accept
		meta nfproto ipv6 fib saddr . mark . iif oif missing drop
	}
	chain filter_INPUT { type filter hook input priority filter + 10; policy accept
		ct state { established, related } accept
		ct status dnat accept
		iifname "lo" accept
		ct state invalid drop
		jump filter_INPUT_ZONES
		reject with icmpx admin-prohibited
	}
	chain filter_INPUT_ZONES {
		iifname "eth0" goto filter_IN_public
		goto filter_IN_public
	}
	chain filter_IN_public {
		jump filter_IN_public_pre
		jump filter_IN_public_allow
		meta l4proto { icmp, ipv6-icmp } accept
		reject with icmpx admin-prohibited
	}
	chain filter_IN_public_pre { }
	chain filter_IN_public_allow {
		tcp dport 22 accept
		ip6 daddr fe80::/64 udp dport 546 accept
	}
}
END
mkdir -p /run/fake && cat > /run/fake/firewall-cmd <<'END'
#!/bin/sh
case "$*" in
--get-zone-of-interface=*) exit 2 ;;
--get-default-zone) echo public ;;
"--permanent --zone=public --add-protocol=vrrp") nft add rule inet firewalld filter_IN_public_allow meta l4proto vrrp accept ;;
"--permanent --zone=public --add-port="*/tcp) port=${3#--add-port=}; nft add rule inet firewalld filter_IN_public_allow tcp dport "${port%/tcp}" accept ;;
--reload) ;;
*) echo "firewall-cmd $*" >&2; exit 1 ;;
esac
END
chmod +x /run/fake/firewall-cmd`

// Each filter that an administrator may have drops what the nodes send; the commands of the checks, as they are printed, let it in.
func TestFirewallRemedies(t *testing.T) {
	const dual = "virtualAddresses: [192.168.238.100/24, 'fd00::100/64']\n"
	for _, tt := range []struct {
		name, document, mistake string
		refused                 string // what the checks end in: VRRP, identity, clients, echo
		tool                    string // in each remedy
	}{
		{"nft", dual, "nft 'table inet filter { chain input { type filter hook input priority 0; policy drop; }\n}'", "FAIL FAIL FAIL WARN", "nft insert rule inet filter input iifname eth0 "},
		{"nft, one family", dual, "nft 'table ip6 f { chain c { type filter hook input priority 0; policy drop; }\n}'", "FAIL FAIL FAIL WARN", "nft insert rule ip6 f c iifname eth0 "},
		{"nft, unicast", "virtualAddresses: [192.168.238.100/24]\nelection: {vrrp: {peers: [192.168.238.130, 192.168.238.131, 192.168.238.132]}}\n",
			"nft 'table inet filter { chain input { type filter hook input priority 0; policy drop; ip saddr 192.168.238.131 accept; ip daddr 192.168.238.100 accept; }\n}'",
			"FAIL FAIL OK WARN", "nft insert rule inet filter input "},
		{"nft, at the interface", dual, "nft 'table netdev f { chain c { type filter hook ingress device eth0 priority 0; policy drop; }\n}'", "WARN WARN WARN WARN", "nft insert rule netdev f c "},
		{"nft, a mark", dual, "nft 'table inet filter { chain input { type filter hook input priority 0; policy drop; meta mark 1 accept; }\n}'", "WARN WARN WARN WARN", "nft insert rule "},
		{"iptables", dual, "for p in iptables ip6tables; do $p -P INPUT DROP; done", "FAIL FAIL FAIL WARN", "iptables -I INPUT -i eth0 "},
		{"iptables-legacy", dual, "for p in iptables-legacy ip6tables-legacy; do $p -P INPUT DROP; done", "FAIL FAIL FAIL WARN", "iptables-legacy -I INPUT -i eth0 "},
		{"firewalld", dual, firewalldDefault, "FAIL FAIL FAIL OK", `firewall-cmd --permanent --zone="$(`},
		{"steering by nftables", dual + "controlPlane: {port: 6443}\nloadBalancer: {steering: {mode: NFTables}}\n",
			"nft 'table inet filter { chain input { type filter hook input priority 0; tcp dport 16443 drop; }\n}'", "OK OK FAIL OK", "tcp dport 16443 accept"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			host := newHost(t)
			cfg := decode(t, tt.document)
			paste(t, host, tt.mistake)
			want := strings.Fields(tt.refused)
			results := of("Firewall", cfg, gather(t, host, cfg))
			if len(results) != len(want) {
				t.Fatalf("results %v, want %d", results, len(want))
			}
			for i, r := range results {
				if string(r.Status) != want[i] {
					t.Errorf("%s: %s, want %s: %s", r.Check, r.Status, want[i], r)
				}
				if r.Status == preflight.OK {
					continue
				}
				if !strings.Contains(r.Remedy, tt.tool) {
					t.Errorf("%s: the remedy is not one of %s: %s", r.Check, tt.tool, r.Remedy)
				}
				paste(t, host, "PATH=/run/fake:$PATH; "+r.Remedy)
			}
			for _, r := range of("Firewall", cfg, gather(t, host, cfg)) {
				if r.Status != preflight.OK {
					t.Errorf("after the remedy: %s", r)
				}
			}
		})
	}
}

// Without the right to ask, and where there is a filter that cannot be read, nothing is said to be open.
func TestFirewallThatCannotBeAsked(t *testing.T) {
	host := newHost(t)
	cfg := decode(t, "virtualAddresses: [192.168.238.100/24]")
	for _, r := range of("Firewall", cfg, gather(t, host, cfg)) {
		if r.Status != preflight.OK || r.Found != "this host has no packet filter" {
			t.Errorf("a host without filters: %+v", r)
		}
	}
	paste(t, host, "iptables-legacy -A INPUT -p tcp --dport 1 -j DROP")
	t.Setenv("PATH", "/nowhere")
	for _, r := range of("Firewall", cfg, gather(t, host, cfg)) {
		if r.Status != preflight.Warn || !strings.Contains(r.Found, "could not be decided") || !strings.Contains(r.Found, "there is no iptables-legacy-save here") || r.Remedy == "" {
			t.Errorf("legacy rules that nobody can read: %+v", r)
		}
	}
	facts := gather(t, host, cfg)
	facts.Firewall.Err = errNotPermitted
	for _, r := range of("Firewall", cfg, facts) {
		if r.Status != preflight.Warn || r.Found != "could not be asked: operation not permitted" || r.Remedy == "" {
			t.Errorf("without permission: %+v", r)
		}
	}
}
