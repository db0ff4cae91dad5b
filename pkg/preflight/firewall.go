// SPDX-License-Identifier: Apache-2.0

package preflight

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"github.com/harbinger-ha/harbinger/pkg/address"
	"github.com/harbinger-ha/harbinger/pkg/apis/config"
	"github.com/harbinger-ha/harbinger/pkg/balance"
	"github.com/harbinger-ha/harbinger/pkg/firewall"
)

const openFirewall = "the command of `nft`, `iptables`, `firewall-cmd` or `ufw`, whichever keeps the rules"

// firewallChecks ask whether the filters of this host let in what the nodes and the clients send.
var firewallChecks = []Check{
	{Name: "FirewallVRRP", Finds: "a packet filter of this host (nftables, iptables, firewalld, ufw) that drops advertisements, protocol 112: two nodes would hold the address",
		Remedy: openFirewall, run: filterCheck(Fail, advertisements)},
	{Name: "FirewallIdentity", Finds: "one that drops the questions of the other nodes (TCP 10444)", Remedy: openFirewall, run: filterCheck(Fail, questions)},
	{Name: "FirewallClients", Finds: "one that drops connections to the port of the control plane", Remedy: openFirewall, run: filterCheck(Fail, connections)},
	{Name: "FirewallEcho", Finds: "one that drops ICMP echo, by which the nodes find out who is cut off", Remedy: openFirewall, run: filterCheck(Warn, echoes)},
}

// filterCheck is a check of some packets, with the end that it has where one of them is refused.
func filterCheck(refused Status, packets func(*config.HarbingerConfiguration, address.Link) []firewall.Packet) func(*config.HarbingerConfiguration, Facts) []Result {
	return func(cfg *config.HarbingerConfiguration, facts Facts) []Result {
		link, err := link(cfg, facts)
		if err != nil {
			return nil // a fault of its own
		}
		if facts.Firewall.Err != nil {
			return unanswered(facts.Firewall.Err, AsRoot+": it needs CAP_NET_ADMIN")
		}
		rules := facts.Firewall.Value
		if rules.Empty() {
			return fine("this host has no packet filter")
		}
		return []Result{judge(rules, refused, packets(cfg, link))}
	}
}

// judge has the filters decide on packets, and says what is to be done where one may not be let in.
func judge(rules firewall.Ruleset, refused Status, packets []firewall.Packet) Result {
	var found, commands, open []string
	status := OK
	for _, p := range packets {
		answer := rules.Judge(p)
		switch answer.Verdict {
		case firewall.Admitted:
			open = append(open, p.String())
			continue
		case firewall.Refused:
			status = refused
			found = append(found, fmt.Sprintf("%s is refused by %s", p, where(answer.Places)))
		default:
			if status == OK {
				status = Warn
			}
			found = append(found, fmt.Sprintf("could not be decided for %s: %s", p, where(answer.Places, rules.Unread...)))
		}
		for _, place := range answer.Places {
			if c := admit(place, p); !slices.Contains(commands, c) {
				commands = append(commands, c)
			}
		}
	}
	if status == OK {
		return Result{Status: OK, Found: "the packet filters of this host let in " + strings.Join(open, ", ")}
	}
	if len(commands) == 0 {
		return Result{Status: status, Found: strings.Join(found, "; "), Remedy: "make sure that the rules which could not be read let it in"}
	}
	return Result{Status: status, Found: strings.Join(found, "; "), Remedy: keep(commands)}
}

// where names the rules that refuse a packet.
func where(places []firewall.Place, unread ...string) string {
	var names []string
	for _, p := range places {
		names = append(names, fmt.Sprintf("%s (%s, %s %s)", p.By, p.Tool, p.Family, p.Table))
	}
	return strings.Join(append(names, unread...), ", ")
}

// keep joins commands, and says where the rules are to be kept, if the tool does not keep them itself.
func keep(commands []string) string {
	all := strings.Join(commands, " && ")
	switch {
	case strings.Contains(all, "nft insert"):
		all += " # and into the file that loads the rules, such as /etc/nftables.conf"
	case strings.Contains(all, "tables"):
		all += " # and to where the rules are kept: iptables-save"
	}
	if strings.Contains(all, "firewall-cmd") {
		all = strings.Replace(all, " #", " && firewall-cmd --reload #", 1)
		if !strings.Contains(all, "--reload") {
			all += " && firewall-cmd --reload"
		}
	}
	return all
}

// admit is the command by which a base chain lets a packet in, for the tool that keeps its rules.
func admit(place firewall.Place, p firewall.Packet) string {
	switch place.Tool {
	case firewall.Firewalld:
		return fmt.Sprintf(`firewall-cmd --permanent --zone="$(firewall-cmd --get-zone-of-interface=%s 2>/dev/null || firewall-cmd --get-default-zone)" %s`,
			p.Interface, byProtocol(p, "--add-protocol=vrrp", "--add-port=%d/tcp", "--add-protocol=icmp", "--add-protocol=ipv6-icmp"))
	case firewall.UFW:
		return byProtocol(p, "ufw allow in on "+p.Interface+" proto vrrp from any to any", "ufw allow in on "+p.Interface+" to any port %d proto tcp",
			inserted("iptables", "filter", "ufw-before-input", p), inserted("ip6tables", "filter", "ufw6-before-input", p))
	case firewall.IPTables, firewall.IPTablesLegacy:
		program := "iptables"
		if place.Family == "ip6" {
			program = "ip6tables"
		}
		if place.Tool == firewall.IPTablesLegacy {
			program += "-legacy"
		}
		return inserted(program, place.Table, place.Chain, p)
	case firewall.NFT:
	}
	in := fmt.Sprintf("iifname %s ", p.Interface)
	if place.Family == "netdev" {
		in = ""
	}
	return fmt.Sprintf("nft insert rule %s %s %s %s%s accept", place.Family, place.Table, place.Chain, in,
		byProtocol(p, "meta l4proto 112", "tcp dport %d", "icmp type echo-request", "icmpv6 type echo-request"))
}

// inserted is the command of iptables that lets a packet in by a chain.
func inserted(program, table, chain string, p firewall.Packet) string {
	of := ""
	if table != "filter" {
		of = " -t " + table
	}
	return fmt.Sprintf("%s%s -I %s -i %s %s -j ACCEPT", program, of, chain, p.Interface,
		byProtocol(p, "-p 112", "-p tcp --dport %d", "-p icmp --icmp-type echo-request", "-p ipv6-icmp --icmpv6-type echo-request"))
}

// byProtocol chooses the words for a packet.
func byProtocol(p firewall.Packet, vrrp, tcp, echo, echo6 string) string {
	switch p.Protocol {
	case firewall.VRRP:
		return vrrp
	case firewall.TCP:
		return fmt.Sprintf(tcp, p.Port)
	case firewall.ICMP:
		return echo
	}
	return echo6
}

// senders are the nodes from which packets come to one family of a link: its peers, or its neighbours where there are none.
func senders(cfg *config.HarbingerConfiguration, link address.Link, family netip.Prefix) (from []netip.Prefix) {
	for _, peer := range cfg.Election.VRRP.Peers {
		if peer.Is4() == family.Addr().Is4() && !link.Owns(peer) {
			from = append(from, netip.PrefixFrom(peer.WithZone(""), peer.BitLen()))
		}
	}
	if len(from) > 0 {
		return from
	}
	return []netip.Prefix{subnet(link, family.Addr())}
}

// subnet is that of a link in which a virtual address is.
func subnet(link address.Link, vip netip.Addr) netip.Prefix {
	for _, p := range link.Addresses {
		if p.Contains(vip) {
			return p.Masked()
		}
	}
	return netip.PrefixFrom(vip, vip.BitLen())
}

// arrivals are packets to the node's own addresses from each sender.
func arrivals(cfg *config.HarbingerConfiguration, link address.Link, shape func(*firewall.Packet)) (packets []firewall.Packet) {
	for _, vip := range cfg.VirtualAddresses {
		for _, from := range senders(cfg, link, vip) {
			p := firewall.Packet{Interface: link.Name, Index: link.Index, Source: from, To: link.Primary(vip.Addr())}
			shape(&p)
			if p.To.IsValid() && !slices.Contains(packets, p) {
				packets = append(packets, p)
			}
		}
	}
	return packets
}

// advertisements go to the group, unless the peers are named.
func advertisements(cfg *config.HarbingerConfiguration, link address.Link) []firewall.Packet {
	group, group6 := netip.AddrFrom4([4]byte{224, 0, 0, 18}), netip.MustParseAddr("ff02::12")
	return arrivals(cfg, link, func(p *firewall.Packet) {
		p.Protocol = firewall.VRRP
		switch {
		case cfg.Election.VRRP.Peers != nil:
		case p.To.Is4():
			p.To = group
		default:
			p.To, p.Source = group6, netip.MustParsePrefix("fe80::/64")
		}
	})
}

func questions(cfg *config.HarbingerConfiguration, link address.Link) []firewall.Packet {
	return arrivals(cfg, link, func(p *firewall.Packet) { p.Protocol, p.Port = firewall.TCP, cfg.Status.IdentityPort })
}

func echoes(cfg *config.HarbingerConfiguration, link address.Link) []firewall.Packet {
	return arrivals(cfg, link, func(p *firewall.Packet) {
		p.Protocol = firewall.ICMPv6
		if p.To.Is4() {
			p.Protocol = firewall.ICMP
		}
	})
}

// connections are those of clients in the subnet to the virtual addresses. Where steering translates them, the filter sees another port.
func connections(cfg *config.HarbingerConfiguration, link address.Link) (packets []firewall.Packet) {
	port := cfg.ControlPlane.Port
	if cfg.ControlPlane.Shared() && cfg.LoadBalancer.Steering.Mode == balance.SteeringNFTables {
		port = cfg.LoadBalancer.Steering.Port
	}
	for _, vip := range cfg.VirtualAddresses {
		packets = append(packets, firewall.Packet{Interface: link.Name, Index: link.Index, Source: subnet(link, vip.Addr()), To: vip.Addr(), Protocol: firewall.TCP, Port: port})
	}
	return packets
}
