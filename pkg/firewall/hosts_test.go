// SPDX-License-Identifier: Apache-2.0

package firewall_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/harbinger-ha/harbinger/e2e/lab"
	"github.com/harbinger-ha/harbinger/e2e/lab/labtest"
	"github.com/harbinger-ha/harbinger/pkg/firewall"
)

// restore gives rules to a program that reads those of iptables-save.
func restore(program, rules string) string {
	return program + "-restore <<'END'\n" + rules + "\nEND"
}

// What a server has after the installation of its distribution, and of what runs beside Kubernetes, as far as it is about packets
// that arrive: the structure is that of each program, the names and numbers are our own.
const (
	serverNFT = `nft -f - <<'END'
flush ruleset
define admin = { 10.20.0.0/16, 172.20.4.0/24 }
table inet filter {
	set blocked {
		type ipv4_addr
		flags interval, timeout
		auto-merge
		elements = { 198.51.100.0/24 timeout 1h, 203.0.113.7 timeout 2h }
	}
	chain input {
		type filter hook input priority filter; policy drop;
		ip saddr @blocked counter drop
		ct state vmap { established : accept, related : accept, invalid : drop }
		iif lo accept
		ip protocol icmp icmp type { echo-request, destination-unreachable, time-exceeded, parameter-problem } accept
		meta l4proto ipv6-icmp icmpv6 type { nd-neighbor-solicit, nd-router-advert, nd-neighbor-advert } accept
		tcp dport ssh ip saddr $admin accept
		tcp dport { 6443, 2379-2380, 10250-10259 } accept
		udp dport { 53, 67, 68 } accept
		limit rate 5/minute burst 10 packets log prefix "dropped: "
		counter
	}
	chain forward {
		type filter hook forward priority filter; policy drop;
	}
	chain output {
		type filter hook output priority filter; policy accept;
	}
}
END`

	kubernetesNFT = `nft -f - <<'END'
table inet kube {
	set ports {
		type inet_service
		flags interval
		elements = { 6443, 10250, 30000-32767 }
	}
	set nodes {
		type ipv4_addr . inet_proto
		flags interval
		elements = { 192.168.238.0/24 . 112, 192.168.238.0/24 . tcp, 192.168.238.0/24 . icmp }
	}
	chain early {
		type filter hook prerouting priority raw; policy accept;
		iifname "eth0" ip saddr 127.0.0.0/8 drop
		tcp flags & (fin | syn) == fin | syn drop
		fib daddr . iif type { anycast, broadcast } drop
	}
	chain input {
		type filter hook input priority filter - 5; policy accept;
		iifname vmap { "lo" : accept, "eth0" : goto wire, "cni0" : jump pods }
	}
	chain wire {
		ip saddr . meta l4proto @nodes accept
		ct state new tcp dport @ports accept
		ip6 nexthdr vmap { 58 : accept, 112 : accept }
		reject with icmpx type port-unreachable
	}
	chain pods {
		accept
	}
}
END`

	iptablesService = `*filter
:INPUT ACCEPT [0:0]
:FORWARD ACCEPT [0:0]
:OUTPUT ACCEPT [0:0]
-A INPUT -m state --state RELATED,ESTABLISHED -j ACCEPT
-A INPUT -p icmp -j ACCEPT
-A INPUT -i lo -j ACCEPT
-A INPUT -p tcp -m state --state NEW -m tcp --dport 22 -j ACCEPT
-A INPUT -j REJECT --reject-with icmp-host-prohibited
-A FORWARD -j REJECT --reject-with icmp-host-prohibited
COMMIT`

	// kube-proxy and a container engine add chains of their own: none of them is about what the nodes send.
	kubernetes = `*filter
:INPUT ACCEPT [0:0]
:FORWARD DROP [0:0]
:OUTPUT ACCEPT [0:0]
:KUBE-EXTERNAL-SERVICES - [0:0]
:KUBE-FIREWALL - [0:0]
:KUBE-FORWARD - [0:0]
:KUBE-NODEPORTS - [0:0]
:KUBE-PROXY-FIREWALL - [0:0]
-A INPUT -m conntrack --ctstate NEW -m comment --comment "kubernetes load balancer firewall" -j KUBE-PROXY-FIREWALL
-A INPUT -m comment --comment "kubernetes health check service ports" -j KUBE-NODEPORTS
-A INPUT -m conntrack --ctstate NEW -m comment --comment "kubernetes externally-visible service portals" -j KUBE-EXTERNAL-SERVICES
-A INPUT -j KUBE-FIREWALL
-A KUBE-EXTERNAL-SERVICES -d 203.0.113.80/32 -p tcp -m comment --comment "default/web has no endpoints" -m tcp --dport 80 -j REJECT --reject-with icmp-port-unreachable
-A KUBE-EXTERNAL-SERVICES -p tcp -m comment --comment "default/web has no endpoints" -m addrtype --dst-type LOCAL -m tcp --dport 31080 -j REJECT --reject-with icmp-port-unreachable
-A KUBE-FIREWALL ! -s 127.0.0.0/8 -d 127.0.0.0/8 -m comment --comment "block incoming localnet connections" -m conntrack ! --ctstate RELATED,ESTABLISHED,DNAT -j DROP
-A KUBE-NODEPORTS -p tcp -m comment --comment "default/web health check" -m tcp --dport 32105 -j ACCEPT
COMMIT`

	// ufw, with ssh allowed. Its IPv6 has the same structure.
	ufw = `*filter
:INPUT DROP [0:0]
:FORWARD DROP [0:0]
:OUTPUT ACCEPT [0:0]
:ufw-after-input - [0:0]
:ufw-after-logging-input - [0:0]
:ufw-before-input - [0:0]
:ufw-before-logging-input - [0:0]
:ufw-logging-deny - [0:0]
:ufw-not-local - [0:0]
:ufw-reject-input - [0:0]
:ufw-skip-to-policy-input - [0:0]
:ufw-track-input - [0:0]
:ufw-user-input - [0:0]
-A INPUT -j ufw-before-logging-input
-A INPUT -j ufw-before-input
-A INPUT -j ufw-after-input
-A INPUT -j ufw-after-logging-input
-A INPUT -j ufw-reject-input
-A INPUT -j ufw-track-input
-A ufw-after-input -p udp -m udp --dport 137 -j ufw-skip-to-policy-input
-A ufw-after-input -p tcp -m tcp --dport 139 -j ufw-skip-to-policy-input
-A ufw-after-input -m addrtype --dst-type BROADCAST -j ufw-skip-to-policy-input
-A ufw-after-logging-input -m limit --limit 3/min --limit-burst 10 -j LOG --log-prefix "[blocked] "
-A ufw-before-input -i lo -j ACCEPT
-A ufw-before-input -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT
-A ufw-before-input -m conntrack --ctstate INVALID -j ufw-logging-deny
-A ufw-before-input -m conntrack --ctstate INVALID -j DROP
-A ufw-before-input -p icmp -m icmp --icmp-type 3 -j ACCEPT
-A ufw-before-input -p icmp -m icmp --icmp-type 8 -j ACCEPT
-A ufw-before-input -p udp -m udp --sport 67 --dport 68 -j ACCEPT
-A ufw-before-input -j ufw-not-local
-A ufw-before-input -d 224.0.0.251/32 -p udp -m udp --dport 5353 -j ACCEPT
-A ufw-before-input -j ufw-user-input
-A ufw-not-local -m addrtype --dst-type LOCAL -j RETURN
-A ufw-not-local -m addrtype --dst-type MULTICAST -j RETURN
-A ufw-not-local -m addrtype --dst-type BROADCAST -j RETURN
-A ufw-not-local -m limit --limit 3/min --limit-burst 10 -j ufw-logging-deny
-A ufw-not-local -j DROP
-A ufw-skip-to-policy-input -j DROP
-A ufw-user-input -p tcp -m tcp --dport 22 -j ACCEPT
COMMIT`

	tracked = `*raw
:PREROUTING ACCEPT [0:0]
-A PREROUTING -i eth0 -p 112 -j CT --notrack
-A PREROUTING -d 192.168.238.130/32 -p icmp -m icmp --icmp-type 8/0 -j DROP
COMMIT
*mangle
:PREROUTING ACCEPT [0:0]
:INPUT ACCEPT [0:0]
-A PREROUTING -p tcp -m tcp --dport 10444 -j MARK --set-xmark 0x1/0xffffffff
-A INPUT -s 192.168.238.131/32 -p vrrp -j DROP
COMMIT
*filter
:INPUT DROP [0:0]
:trusted - [0:0]
-A INPUT -s 192.168.238.0/24 -g trusted
-A INPUT -j ACCEPT
-A trusted -p tcp -m multiport --dports 1:1000,10443:10445 -j ACCEPT
-A trusted -p tcp -m multiport ! --dports 1:1000,10443:10445 -j REJECT --reject-with tcp-reset
-A trusted -p 112 -j ACCEPT
-A trusted -p icmp -j RETURN
COMMIT`
)

// The verdicts on hosts with whole rulesets, by which tool they are kept, and what the kernel then does with connections.
func TestJudgeHosts(t *testing.T) {
	hosts := labtest.Hosts(t, 2)
	host, from := hosts[0], hosts[1]
	listen(t, host)
	for _, tt := range []struct {
		name, commands, want string
		tool                 firewall.Tool // of the chains that refuse something; empty: of none
	}{
		{"a server with nft", serverNFT, "E", firewall.NFT},
		{"a closed fence of Harbinger", "nft 'table netdev harbinger-51 { chain ingress { type filter hook ingress device eth0 priority -500; meta mark 7 drop; }\n}'", everything, ""},
		{"Kubernetes by nft", kubernetesNFT, "E P T V V6", firewall.NFT},
		{"the service iptables", restore("iptables-nft", iptablesService), "E T6 V6", firewall.IPTables},
		{"the service iptables, legacy", restore("iptables-legacy", iptablesService), "E T6 V6", firewall.IPTablesLegacy},
		{"Kubernetes", restore("iptables-nft", kubernetes), everything, ""},
		{"Kubernetes, legacy", restore("iptables-legacy", kubernetes), everything, ""},
		{"ufw", restore("iptables-nft", ufw), "E T6 V6", firewall.UFW},
		{"ufw, legacy", restore("iptables-legacy", ufw), "E T6 V6", firewall.UFW},
		{"three tables", restore("iptables-nft", tracked), "T T6 V6 v", firewall.IPTables},
		{"three tables, legacy", restore("iptables-legacy", tracked), "T T6 V6 v", firewall.IPTablesLegacy},
	} {
		t.Run(tt.name, func(t *testing.T) {
			command(t, host, tt.commands)
			defer clearRules(t, host, tt.commands)
			got := judged(t, host, from)
			if got != tt.want {
				t.Errorf("lets in %q, want %q", got, tt.want)
			}
			agree(t, host, from, got)
			rules := read(t, host)
			for name, p := range packets(host, from) {
				for _, place := range rules.Judge(p).Places {
					if place.Tool != tt.tool || place.By == "" || place.Chain == "" {
						t.Errorf("%s: %+v, want a chain of %q", name, place, tt.tool)
					}
				}
			}
		})
	}
}

// An answer names the rule or the policy that refuses a packet, so that its administrator finds it.
func TestAnswersNameTheRule(t *testing.T) {
	host := labtest.Hosts(t, 1)[0]
	for _, tt := range []struct{ commands, want string }{
		{`nft 'table inet f { chain c { type filter hook input priority 0; policy drop; }
}'`, "the policy of chain c"},
		{`nft 'table inet f { chain c { type filter hook input priority 0; jump d; }
chain d { tcp dport 10444 drop; }
}'`, "of chain d"},
		{"iptables-legacy -A INPUT -p 112 -j ACCEPT && iptables-legacy -A INPUT -p tcp -j DROP", "rule 2 of chain INPUT"},
		{"iptables-legacy -P INPUT DROP", "the policy of chain INPUT"},
	} {
		command(t, host, tt.commands)
		answer := read(t, host).Judge(packets(host, host)["T"])
		if answer.Verdict != firewall.Refused || len(answer.Places) != 1 || !strings.HasSuffix(answer.Places[0].By, tt.want) {
			t.Errorf("%s: %+v, want %q", tt.commands, answer, tt.want)
		}
		clearRules(t, host, tt.commands)
	}
	if rules := read(t, host); !rules.Empty() && slices.ContainsFunc(rules.Unread, func(s string) bool { return s != "" }) {
		t.Errorf("after all is removed: %+v", rules.Unread)
	}
}

// agree holds that the kernel does with connections what was said of them, where anything was.
func agree(t *testing.T, host, from *lab.Host, judged string) {
	t.Helper()
	for _, family := range []string{"T", "T6"} {
		if slices.Contains(strings.Fields(judged), strings.ToLower(family)) {
			continue // not decided
		}
		said, timeout := slices.Contains(strings.Fields(judged), family), 40*time.Millisecond
		if said {
			timeout = 10 * time.Second
		}
		if connects(host, from, family, timeout) != said {
			t.Errorf("%s is let in: %v, but the kernel does otherwise", family, said)
		}
	}
}
