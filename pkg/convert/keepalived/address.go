// SPDX-License-Identifier: Apache-2.0

package keepalived

import (
	"net/netip"
	"slices"
	"strings"

	"github.com/harbinger-ha/harbinger/pkg/convert"
)

// separators are what people put between the addresses of a list, where keepalived wants lines.
const separators = ",;，；、\u3000\u00a0"

// addressOptions are the options of a virtual address, each with the number of its values.
var addressOptions = map[string]int{
	"brd": 1, "broadcast": 1, "dev": 1, "scope": 1, "label": 1, "peer": 1, "home": 0, "-nodad": 0, "nodad": 0, "mngtmpaddr": 0, "noprefixroute": 0,
	"autojoin": 0, "no_track": 0, "preferred_lft": 1, "use_vmac": 0, "track_group": 1,
}

// readAddresses reads the virtual addresses: one of a family.
func (k *keepalived) readAddresses(block convert.Statement) bool {
	if len(block.Block) > 0 {
		hold(k, block)
	}
	for _, s := range block.Block {
		if unset(convert.Statement{Words: slices.Concat([]string{""}, s.Words)}, false) {
			k.template(s)
			continue
		}
		text := strings.Trim(s.Word(0), separators)
		prefix, err := netip.ParsePrefix(text)
		if err != nil {
			addr, _ := netip.ParseAddr(text)
			prefix = netip.PrefixFrom(addr, addr.BitLen())
		}
		if !prefix.IsValid() || prefix.Addr().Zone() != "" {
			k.Refuse(s, "want an address, such as 192.168.238.100/24, not %q", s.Word(0))
			continue
		}
		if text != s.Word(0) {
			k.Fault(s, "keepalived wants one address a line and nothing behind it: %s is taken", text)
		}
		k.takeAddress(s, text, prefix)
	}
	return true
}

func (k *keepalived) takeAddress(s convert.Statement, text string, prefix netip.Prefix) {
	vips := &k.cfg.VirtualAddresses
	switch {
	case slices.Contains(*vips, text):
		k.Drop(s, "the address is there already")
	case len(*vips) > 0 && k.sixth() != prefix.Addr().Is6():
		k.Fault(s, "keepalived ignores it: the addresses of an instance are of one family; add it to virtualAddresses if Harbinger shall hold it too")
	case len(*vips) > 0:
		k.Refuse(s, "there is %s already, and one pod has one address of a family: keep the one that clients use for the control plane, and leave the others to keepalived, or to a pod of their own", (*vips)[0])
	default:
		*vips = append(*vips, text)
		k.Take(s, "virtualAddresses")
		k.options(s)
	}
}

// options reads what follows an address.
func (k *keepalived) options(s convert.Statement) {
	for i := 1; i < len(s.Words); i++ {
		option, value := s.Words[i], s.Word(i+1)
		n, known := addressOptions[option]
		shown := convert.Statement{File: s.File, Line: s.Line, Words: s.Words[:min(i+1+n, len(s.Words))]}
		switch addr, err := netip.ParseAddr(strings.Trim(strings.Split(option, "/")[0], separators)); {
		case !known && err == nil:
			k.Refuse(shown, "keepalived ignores %s, as it reads one address a line; remove it: one pod has one address of a family", addr)
		case !known:
			k.Fault(shown, "keepalived ignores %q", option)
		case option == "dev":
			k.addresses = append(k.addresses, shown)
		case option == "scope" && value != "global", option == "peer":
			k.Drop(shown, "%s has no counterpart: the address has the scope global, and no peer", option)
		default:
			k.Build(shown, "%s: the address is set as others of its subnet are", option)
		}
		i += n
	}
}

// holdSource keeps the address of this host: of several keepalived takes the last.
func holdSource(k *keepalived, s convert.Statement) bool {
	before, twice := k.said["source"]
	k.said["source"] = s
	switch {
	case twice && before.Word(1) == s.Word(1) && before.Word(0) == "unicast_src_ip":
		k.said["source"] = before
		k.Build(s, "the address of unicast_src_ip")
	case twice && before.Word(1) == s.Word(1):
		k.Build(before, "the address of unicast_src_ip")
	case twice:
		k.Fault(before, "keepalived takes the last address that is said: %s", s.Word(1))
	}
	return false
}

func (k *keepalived) readPeers(block convert.Statement) bool {
	k.peerBlock = &block
	for _, s := range block.Block {
		if unset(convert.Statement{Words: slices.Concat([]string{""}, s.Words)}, false) {
			k.template(s)
			continue
		}
		k.readPeer(s)
	}
	return false
}

// readPeer reads a line of the list, which keepalived skips if it is more than an address and its options.
func (k *keepalived) readPeer(s convert.Statement) {
	var found []string
	clean := !strings.ContainsAny(s.Word(0), separators)
	for _, text := range strings.FieldsFunc(strings.Join(s.Words, " "), func(r rune) bool { return r == ' ' || strings.ContainsRune(separators, r) }) {
		host, _, _ := strings.Cut(text, "/")
		if addr, err := netip.ParseAddr(host); err == nil && addr.Zone() == "" {
			found = append(found, addr.String())
		}
	}
	switch {
	case len(found) == 0:
		k.Refuse(s, "want an address, not %q: keepalived skips this peer; write the address of the host", s.Word(0))
		return
	case !clean:
		k.Fault(s, "keepalived skips this peer, as it wants one address a line and nothing behind it: it sends nothing to %s, and Harbinger does", strings.Join(found, " and "))
	case len(found) > 1:
		k.Fault(s, "keepalived reads one peer a line: it sends to %s only, and Harbinger to all of them", found[0])
	default:
		k.peerTTL(s)
		k.Take(s, "election.vrrp.peers")
	}
	for _, peer := range found {
		if !slices.Contains(k.cfg.Election.VRRP.Peers, peer) {
			k.cfg.Election.VRRP.Peers = append(k.cfg.Election.VRRP.Peers, peer)
			k.peers = append(k.peers, convert.Statement{File: s.File, Line: s.Line, Words: []string{peer}})
		}
	}
}

// peerTTL reads the options of a peer: the least TTL of all is Harbinger's for each.
func (k *keepalived) peerTTL(s convert.Statement) {
	ttl := &k.cfg.Election.VRRP.MinimumTTL
	for i := 1; i < len(s.Words); i += 2 {
		if s.Words[i] != "min_ttl" {
			k.Drop(s, "only the address and min_ttl count")
			continue
		}
		if n := max(1, k.Number(s, s.Word(i+1), 0, highestTTL)); n < highestTTL && (*ttl == 0 || n < *ttl) {
			*ttl = n
		}
	}
}

// finishAddresses checks that there is one, and that the groups are those that Harbinger speaks to.
func (k *keepalived) finishAddresses() {
	if _, said := k.said["virtual_ipaddress"]; !said {
		k.Refuse(k.shown(), "virtual_ipaddress has no address: name the one that clients use for the control plane")
	}
	for _, s := range k.groups {
		other := s.Word(0) == "vrrp_mcast_group4" && k.sixth() || s.Word(0) == "vrrp_mcast_group6" && !k.sixth()
		if k.peerBlock != nil || other {
			k.Build(s, "no multicast of this family is sent")
			continue
		}
		k.Refuse(s, "the group is always 224.0.0.18, or ff02::12 for IPv6: remove the line on every host")
	}
}

// finishPeers makes the list that is the same on each host: the peers and this host.
func (k *keepalived) finishPeers() {
	v := &k.cfg.Election.VRRP
	source, said := k.said["source"]
	own, err := netip.ParseAddr(source.Word(1))
	known := false
	switch {
	case !said:
	case err != nil:
		k.Fault(source, "want an address: keepalived takes the one of the interface")
	case len(k.cfg.VirtualAddresses) > 0 && own.Is6() != k.sixth():
		k.Fault(source, "it must be of the family of the virtual address: keepalived takes the one of the interface")
	default:
		known = true
	}
	switch {
	case k.peerBlock != nil:
		k.finishUnicast(source, own, known)
	case known && source.Word(0) == "unicast_src_ip":
		k.Fault(source, "there is no unicast_peer: keepalived sends multicast, and so does Harbinger, each host from its own address")
	case known:
		k.Drop(source, "it is the address of this host, and left out so that the file fits all of them: each sends from its own address on the interface; "+
			"set election.vrrp.sourceAddress on a host that has several there")
	}
	slices.SortFunc(v.Peers, func(a, b string) int { // the same list on each host
		return netip.MustParseAddr(a).Compare(netip.MustParseAddr(b))
	})
}

func (k *keepalived) finishUnicast(source convert.Statement, own netip.Addr, known bool) {
	v := &k.cfg.Election.VRRP
	for _, s := range k.peers {
		addr := netip.MustParseAddr(s.Word(0))
		switch {
		case len(k.cfg.VirtualAddresses) > 0 && addr.Is6() != k.sixth():
			k.Fault(s, "keepalived skips this peer: it must be of the family of the virtual address")
			v.Peers = slices.DeleteFunc(v.Peers, func(peer string) bool { return peer == s.Word(0) })
		case slices.ContainsFunc(k.cfg.VirtualAddresses, func(vip string) bool { return strings.Split(vip, "/")[0] == s.Word(0) }):
			k.Refuse(s, "a peer is another host, by its own address: this is the virtual address, remove it")
		}
	}
	switch {
	case len(v.Peers) == 0 && k.Err() == nil:
		k.Refuse(*k.peerBlock, "the list is empty: name the other hosts, or remove the block on every host for multicast")
	case known && !slices.Contains(v.Peers, own.String()):
		k.Take(source, sendsFrom)
		v.Peers = append(v.Peers, own.String())
	case known:
		k.Take(source, sendsFrom)
	case len(v.Peers) == 1:
		k.Refuse(k.shown(), "unicast_src_ip is missing: add unicast_src_ip with the address of this host to the file; Harbinger needs the address of each host, and %s is the only one here", v.Peers[0])
	case len(v.Peers) > 1:
		k.Drop(k.shown(), "unicast_src_ip is missing: add the address of this host to election.vrrp.peers, or unicast_src_ip to the file")
	}
}

// The TTL of a packet that has passed no router, and the hop limit with which keepalived sends unicast over IPv6.
const (
	highestTTL         = 255
	keepalivedHopLimit = 64
)

// finishTTL accepts the hop limit of keepalived as long as some of the peers run it.
func (k *keepalived) finishTTL() {
	v := &k.cfg.Election.VRRP
	sixth := slices.ContainsFunc(v.Peers, func(peer string) bool { return netip.MustParseAddr(peer).Is6() })
	if sixth && (v.MinimumTTL == 0 || v.MinimumTTL > keepalivedHopLimit) {
		v.MinimumTTL = keepalivedHopLimit
		k.Drop(k.shown(), "keepalived sends unicast over IPv6 with hop limit %d, which election.vrrp.minimumTTL accepts now: remove the field when every host runs Harbinger", keepalivedHopLimit)
	}
}
