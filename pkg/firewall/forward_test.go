// SPDX-License-Identifier: Apache-2.0

package firewall_test

import (
	"context"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/harbinger-ha/harbinger/e2e/lab"
	"github.com/harbinger-ha/harbinger/e2e/lab/labtest"
	"github.com/harbinger-ha/harbinger/pkg/firewall"
)

// translated is how a host sends what comes to a port of it to another one.
const translated = "nft 'table ip d { chain p { type nat hook prerouting priority -101; tcp dport 4300 dnat to 192.168.238.131:10444; }\n" +
	"chain q { type nat hook postrouting priority 99; ct status dnat masquerade; }\n}'"

// What is said of a connection that a host passes on is what the kernel then does with one.
func TestJudgeForwarded(t *testing.T) {
	hosts := labtest.Hosts(t, 3)
	host, to, from := hosts[0], hosts[1], hosts[2]
	labtest.Must(t, host.SetSysctl("net/ipv4/ip_forward", "1"))
	listen(t, to)
	p := firewall.Packet{Interface: lab.Interface, Index: 2, Source: host.Address.Masked(), To: to.Address.Addr(), Protocol: firewall.TCP, Port: port, Forwarded: true}
	if text := p.String(); !strings.HasPrefix(text, "forwarded TCP port 10444 from 192.168.238.0/24") {
		t.Errorf("in words: %q", text)
	}
	for _, tt := range []struct {
		name, commands string
		want           firewall.Verdict
	}{
		{"no rules", "", firewall.Admitted},
		{"policy drop", forward("policy drop;"), firewall.Refused},
		{"the policy of what is for the host", input("policy drop; tcp dport 4300 accept"), firewall.Admitted},
		{"the backend", forward("policy drop; ip daddr 192.168.238.131 tcp dport 10444 accept; ct state established accept"), firewall.Admitted},
		{"another port", forward("policy drop; tcp dport 4300 accept; ct state established accept"), firewall.Refused},
		{"what was translated", forward("policy drop; ct status dnat accept"), firewall.Admitted},
		{"by another interface", forward(`policy drop; oifname "docker0" accept`), firewall.Refused},
		{"by its interface", forward(`policy drop; oifname "eth0" iifname "eth0" accept`), firewall.Admitted},
		{"addresses of the host", forward("fib daddr type local drop"), firewall.Admitted},
		{"legacy", "iptables-legacy -P FORWARD DROP && iptables-legacy -A FORWARD -o docker0 -j ACCEPT", firewall.Refused},
		{"legacy, its interface", "iptables-legacy -P FORWARD DROP && iptables-legacy -A FORWARD -o eth+ -j ACCEPT", firewall.Admitted},
	} {
		t.Run(tt.name, func(t *testing.T) {
			command(t, host, translated)
			defer command(t, host, "nft flush ruleset; if command -v iptables-legacy; then iptables-legacy -F; iptables-legacy -P FORWARD ACCEPT; fi")
			if tt.commands != "" {
				command(t, host, strings.ReplaceAll(tt.commands, "} }", "}\n}"))
			}
			if got := read(t, host).Judge(p).Verdict; got != tt.want {
				t.Errorf("the verdict is %d, want %d", got, tt.want)
			}
			patience := 5 * time.Second
			if tt.want == firewall.Refused {
				patience = 100 * time.Millisecond
			}
			ctx, cancel := context.WithTimeout(t.Context(), patience)
			defer cancel()
			conn, err := from.Dial(ctx, "tcp", netip.AddrPortFrom(host.Address.Addr(), 4300).String())
			if err == nil {
				conn.Close()
			}
			if passed := err == nil; passed != (tt.want == firewall.Admitted) {
				t.Errorf("the kernel passes it on: %t", passed)
			}
		})
	}
}

// forward is a table that filters what is passed on.
func forward(rules string) string {
	return strings.Replace(input(rules), "hook input", "hook forward", 1)
}
