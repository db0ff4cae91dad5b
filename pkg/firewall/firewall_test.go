// SPDX-License-Identifier: Apache-2.0

package firewall_test

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/harbinger-ha/harbinger/e2e/lab"
	"github.com/harbinger-ha/harbinger/e2e/lab/labtest"
	"github.com/harbinger-ha/harbinger/pkg/firewall"
)

func TestMain(m *testing.M) { labtest.Main(m) }

const port = 10444

// packets are those that a host has to let in from its neighbours, under the letters of the tests.
func packets(host, from *lab.Host) map[string]firewall.Packet {
	subnet, subnet6 := host.Address.Masked(), host.Address6.Masked()
	own := firewall.Packet{Interface: lab.Interface, Index: 2, Source: subnet, To: host.Address.Addr()}
	tcp, echo, group, tcp6, group6, peer := own, own, own, own, own, own
	tcp.Protocol, tcp.Port = firewall.TCP, port
	echo.Protocol = firewall.ICMP
	group.Protocol, group.To = firewall.VRRP, netip.MustParseAddr("224.0.0.18")
	tcp6.Protocol, tcp6.Port, tcp6.Source, tcp6.To = firewall.TCP, port, subnet6, host.Address6.Addr()
	group6.Protocol, group6.Source, group6.To = firewall.VRRP, netip.MustParsePrefix("fe80::/64"), netip.MustParseAddr("ff02::12")
	peer.Protocol, peer.Source = firewall.VRRP, netip.PrefixFrom(from.Address.Addr(), 32)
	return map[string]firewall.Packet{"T": tcp, "E": echo, "V": group, "T6": tcp6, "V6": group6, "P": peer}
}

// judged are the packets that the filters of a host let in, and in lower case those that they may.
func judged(t *testing.T, host, from *lab.Host) string {
	t.Helper()
	rules := read(t, host)
	var in []string
	for name, p := range packets(host, from) {
		switch rules.Judge(p).Verdict {
		case firewall.Admitted:
			in = append(in, name)
		case firewall.Undecided:
			in = append(in, strings.ToLower(name))
		case firewall.Refused:
		}
	}
	slices.Sort(in)
	return strings.Join(in, " ")
}

func read(t *testing.T, host *lab.Host) (rules firewall.Ruleset) {
	t.Helper()
	labtest.Must(t, host.Do(func() (err error) {
		rules, err = firewall.Read()
		return err
	}))
	return rules
}

// connects reports whether a host in fact lets a connection of another one in, within some time.
func connects(host, from *lab.Host, family string, timeout time.Duration) bool {
	to := host.Address.Addr()
	if family == "T6" {
		to = host.Address6.Addr()
	}
	ctx, cancel := context.WithTimeout(context.Background(), timeout)
	defer cancel()
	conn, err := from.Dial(ctx, "tcp", netip.AddrPortFrom(to, port).String())
	if err == nil {
		conn.Close()
	}
	return err == nil
}

// command runs a command of a shell on a host.
func command(t *testing.T, host *lab.Host, line string) {
	t.Helper()
	labtest.Must(t, host.Do(func() error {
		if out, err := exec.Command("sh", "-ec", line).CombinedOutput(); err != nil {
			return fmt.Errorf("%s: %w\n%s", line, err, out)
		}
		return nil
	}))
}

const everything = "E P T T6 V V6"

// The rules of each row are those of a host. What is said of a connection is what the kernel then does with one.
var rulesets = []struct{ name, commands, want string }{
	{"no rules", "", everything},
	{"policy drop", input("policy drop;"), ""},
	{"another hook", `nft 'table inet f { chain c { type filter hook forward priority 0; policy drop; } }'`, everything},
	{"one family", `nft 'table ip f { chain c { type filter hook input priority 0; policy drop; } }'`, "T6 V6"},
	{"the port", input("policy drop; tcp dport 10444 accept"), "T T6"},
	{"a range of ports", input("policy drop; tcp dport 10000-10999 accept"), "T T6"},
	{"another range", input("policy drop; tcp dport 1-10443 accept"), ""},
	{"greater", input("policy drop; tcp dport > 10443 accept"), "T T6"},
	{"less", input("policy drop; tcp dport < 10444 accept"), ""},
	{"not", input("tcp dport != 22 drop"), "E P V V6"},
	{"a list of ports", input("policy drop; tcp dport { 22, 6443, 10444 } accept"), "T T6"},
	{"a list without it", input("policy drop; tcp dport { 22, 6443 } accept"), ""},
	{"a list of ranges", input("policy drop; tcp dport { 1-22, 10440-10450, 20000-30000 } accept"), "T T6"},
	{"beside the ranges", input("policy drop; tcp dport { 1-22, 10400-10443, 10445-10450 } accept"), ""},
	{"all but a list", input("tcp dport != { 22, 10444 } drop"), everything},
	{"protocols", input("policy drop; meta l4proto { 1, 112 } accept"), "E P V V6"},
	{"protocol by its header", input("policy drop; ip protocol 112 accept"), "P V"},
	{"next header", input("policy drop; ip6 nexthdr 112 accept"), "V6"},
	{"vrrp by name", input("policy drop; meta l4proto vrrp accept"), "P V V6"},
	{"echo", input("policy drop; icmp type echo-request accept"), "E"},
	{"other messages", input("policy drop; icmp type { echo-reply, destination-unreachable } accept"), ""},
	{"the state", input("policy drop; ct state established,related accept; ct state new tcp dport 10444 accept"), "T T6"},
	{"only what is established", input("policy drop; ct state { established, related } accept"), ""},
	{"a map of states", input("policy drop; ct state vmap { established : accept, related : accept, invalid : drop }; meta l4proto 112 accept"), "P V V6"},
	{"invalid", input("ct state invalid drop"), everything},
	{"nothing translated", input("policy drop; ct status dnat accept"), ""},
	{"the interface", input(`policy drop; iifname "eth0" accept`), everything},
	{"another interface", input(`policy drop; iifname "lo" accept`), ""},
	{"interfaces by a prefix", input(`policy drop; iifname "eth*" accept`), everything},
	{"a list of interfaces", input(`policy drop; iifname { "lo", "eth0" } accept`), everything},
	{"by its index", input(`policy drop; iif "eth0" accept`), everything},
	{"the subnet", input("policy drop; ip saddr 192.168.238.0/24 accept"), "E P T V"},
	{"a wider one", input("policy drop; ip saddr 192.168.0.0/16 accept"), "E P T V"},
	{"another subnet", input("policy drop; ip saddr 10.0.0.0/8 accept"), ""},
	{"the peer", input("policy drop; ip saddr 192.168.238.131 accept"), "P e t v"},
	{"a list of subnets", input("policy drop; ip saddr { 10.0.0.0/8, 192.168.238.128/25 } accept"), "P e t v"},
	{"link-local", input("policy drop; ip6 saddr fe80::/10 accept"), "V6"},
	{"the group", input("policy drop; ip daddr 224.0.0.18 accept"), "V"},
	{"packets for groups", input("policy drop; meta pkttype multicast accept"), "V V6"},
	{"addresses of its own", input("policy drop; fib daddr type local accept"), "E P T T6"},
	{"the way back", input("fib saddr . iif oif missing drop"), everything},
	{"a concatenation", input("policy drop; ip saddr . tcp dport { 192.168.238.0/24 . 10444, 10.0.0.0/8 . 22 } accept"), "T"},
	{"another port there", input("policy drop; ip saddr . tcp dport { 192.168.238.0/24 . 22 } accept"), ""},
	{"a mark", input("policy drop; meta mark 7 accept"), "e p t t6 v v6"},
	{"a limit", input("tcp dport 10444 limit rate over 5/second drop"), "E P V V6 t t6"},
	{"counted and logged", input("policy drop; counter log prefix \"x\" tcp dport 10444 counter accept"), "T T6"},
	{"a refusal that a packet answers", input("tcp dport 10444 reject with tcp reset"), "E P V V6"},
	{"the first bits of a connection", input("tcp flags & (fin|syn|rst|ack) == syn drop"), "E P V V6"},
	{"a chain", inputs("policy drop; jump c; meta l4proto 1 accept", "tcp dport 10444 accept"), "E T T6"},
	{"a chain that comes back", inputs("jump c; drop", "tcp dport 22 accept; return; accept"), ""},
	{"a chain for good", inputs("policy drop; goto c; accept", "tcp dport 10444 accept"), "T T6"},
	{"a map of chains", inputs("policy drop; meta l4proto vmap { 6 : jump c, 112 : accept }", "accept"), "P T T6 V V6"},
	{"a map of ports", input("tcp dport vmap { 22 : accept, 10444 : drop }"), "E P V V6"},
	{"a map of ranges", input("policy drop; tcp dport vmap { 1-1000 : drop, 10000-11000 : accept }"), "T T6"},
	{"before the routing", `nft 'table inet f { chain c { type filter hook prerouting priority -300; tcp dport 10444 drop; } }'`, "E P V V6"},
	{"at the interface", `nft 'table netdev f { chain c { type filter hook ingress device eth0 priority 0; meta l4proto 112 drop; } }'`, "E T T6 p v v6"},
	{"at another interface", `nft 'table netdev f { chain c { type filter hook ingress device lo priority 0; policy drop; } }'`, "e p t t6 v v6"},
	{"two tables", input("accept") + ` && nft 'table inet g { chain c { type filter hook input priority 10; tcp dport 10444 drop; } }'`, "E P V V6"},
	{"a set by name", `nft 'table inet f { set s { type inet_service; flags interval; elements = { 1-10443 } }
		chain c { type filter hook input priority 0; policy drop; tcp dport @s accept; } }'`, ""},
	{"an empty set", `nft 'table inet f { set s { type ipv4_addr; flags timeout; }
		chain c { type filter hook input priority 0; ip saddr @s drop; } }'`, everything},
	{"a set with a neighbour", `nft 'table inet f { set s { type ipv4_addr; flags timeout; elements = { 192.168.238.7 timeout 1h } }
		chain c { type filter hook input priority 0; ip saddr @s drop; } }'`, "P T6 V6 e t v"},

	{"iptables", "iptables-nft -P INPUT DROP && iptables-nft -A INPUT -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT && " +
		"iptables-nft -A INPUT -p tcp -m multiport --dports 22,10440:10450 -m comment --comment 'the ports' -j ACCEPT && iptables-nft -A INPUT -p 112 -j ACCEPT", "P T T6 V V6"},
	{"iptables, new ones", "iptables-nft -A INPUT -i eth0 -p tcp -m tcp --dport 10444 -m conntrack --ctstate NEW -j REJECT", "E P T6 V V6"},
	{"iptables, ICMP", "iptables-nft -P INPUT DROP && iptables-nft -A INPUT -p icmp --icmp-type echo-request -j ACCEPT && " +
		"iptables-nft -A INPUT -m addrtype --dst-type MULTICAST -j ACCEPT", "E T6 V V6"},
	{"iptables, a chain", "iptables-nft -N X && iptables-nft -A X -s 10.0.0.0/8 -j RETURN && iptables-nft -A X -j DROP && iptables-nft -A INPUT ! -i lo -j X", "T6 V6"},
	{"iptables, a list of kernel sets", "iptables-nft -A INPUT -m mark --mark 7 -j DROP", "T6 V6 e p t v"},

	{"legacy", "iptables-legacy -P INPUT DROP && iptables-legacy -A INPUT -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT && " +
		"iptables-legacy -A INPUT -p tcp -m multiport --dports 22,10440:10450 -m comment --comment 'the -j ports' -j ACCEPT && iptables-legacy -A INPUT -p 112 -j ACCEPT", "P T T6 V V6"},
	{"legacy, new ones", "iptables-legacy -A INPUT -i eth+ -p tcp -m tcp --dport 10000:11000 -m conntrack --ctstate NEW -j REJECT --reject-with icmp-port-unreachable", "E P T6 V V6"},
	{"legacy, a chain", "iptables-legacy -N X && iptables-legacy -A X -s 10.0.0.0/8 -j RETURN && iptables-legacy -A X -d 224.0.0.0/4 -j ACCEPT && " +
		"iptables-legacy -A X -j DROP && iptables-legacy -A INPUT ! -i lo -j LOG --log-prefix 'x -j ACCEPT' && iptables-legacy -A INPUT ! -i lo -g X", "T6 V V6"},
	{"legacy, ICMP", "iptables-legacy -P INPUT DROP && iptables-legacy -A INPUT -p icmp --icmp-type echo-request -j ACCEPT && " +
		"iptables-legacy -A INPUT -m addrtype --dst-type MULTICAST -j ACCEPT", "E T6 V V6"},
	{"legacy, what it cannot know", "iptables-legacy -A INPUT -p 112 -m mark --mark 7 -j DROP", "E T T6 V6 p v"},
	{"legacy, before the routing", "ip6tables-legacy -t raw -A PREROUTING -p tcp --dport 10444 -j DROP", "E P T V V6"},
}

func input(rules string) string {
	policy, rest, found := strings.Cut(rules, ";")
	if !strings.HasPrefix(policy, "policy") || !found {
		policy, rest = "", rules
	} else {
		policy += ";"
	}
	return fmt.Sprintf("nft 'table inet f { chain input { type filter hook input priority 0; %s\n%s\n} }'", policy, rest)
}

func inputs(rules, other string) string {
	return strings.Replace(input(rules), "{ chain input", fmt.Sprintf("{ chain c { %s; }\n chain input", other), 1)
}

func TestJudge(t *testing.T) {
	hosts := labtest.Hosts(t, 2)
	host, from := hosts[0], hosts[1]
	listen(t, host)
	for _, tt := range rulesets {
		t.Run(tt.name, func(t *testing.T) {
			if tt.commands != "" {
				command(t, host, strings.ReplaceAll(tt.commands, "} }", "}\n}")) // nft wants them apart
				defer clearRules(t, host, tt.commands)
			}
			got := judged(t, host, from)
			if got != tt.want {
				t.Errorf("lets in %q, want %q", got, tt.want)
			}
			agree(t, host, from, got)
		})
	}
}

// listen opens the port in both families.
func listen(t *testing.T, host *lab.Host) {
	t.Helper()
	ln, err := host.Listen("[::]:10444") // which takes both
	labtest.Must(t, err)
	labtest.Serve(t, ln, func(net.Conn) {})
}

// clearRules removes what some commands have added.
func clearRules(t *testing.T, host *lab.Host, commands string) {
	t.Helper()
	command(t, host, "nft flush ruleset")
	for _, program := range []string{"iptables-legacy", "ip6tables-legacy"} {
		if strings.Contains(commands, program) {
			command(t, host, "for t in raw mangle filter; do "+program+" -t $t -F; "+program+" -t $t -X; done; "+program+" -P INPUT ACCEPT")
		}
	}
}
