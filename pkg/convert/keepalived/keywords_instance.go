// SPDX-License-Identifier: Apache-2.0

package keepalived

import (
	"slices"

	"github.com/harbinger-ha/harbinger/pkg/convert"
)

// What is said of the words of an instance, and of the same ones in global_defs.
const (
	strictly   = "what it checks is checked anyway, but for authentication; keepalived drops packets to the address with it, unless accept is set, and Harbinger serves them"
	threeTimes = "a host takes over when three advertisements are missing, as the RFC has it"
	sendsFrom  = "election.vrrp.peers: the address of this host; each sends from its own in the list, which is the same on all of them"
)

// instanceWords are the words of vrrp_instance.
func instanceWords() []keyword {
	const b = instanceBlock
	return slices.Concat(
		[]keyword{
			taken(b, "interface", 2, "interface", hold),
			taken(b, "virtual_router_id", 2, "election.vrrp.virtualRouterID", (*keepalived).readRouterID),
			taken(b, "priority", 2, "election.vrrp.priority", hold),
			taken(b, "advert_int", 2, "election.vrrp.advertisementInterval", hold),
			taken(b, "version", 2, "election.vrrp.version", hold),
			taken(b, "preempt", 1, "election.vrrp.preempt", (*keepalived).readPreempt),
			taken(b, "nopreempt", 1, "election.vrrp.preempt: false, unless the state is MASTER", hold),
			taken(b, "preempt_delay", 2, "election.vrrp.preemptDelay, unless the state is MASTER", hold),
			taken(b, "unicast_peer", 1, "election.vrrp.peers", (*keepalived).readPeers),
			taken(b, "unicast_src_ip", 2, "election.vrrp.peers: the address of this host", holdSource),
			taken(b, "mcast_src_ip", 2, "election.vrrp.peers, if there are any: the address of this host", holdSource),
			taken(b, "virtual_ipaddress", 1, "virtualAddresses", (*keepalived).readAddresses),
			taken(b, authenticationBlock, 1, "election.vrrp.authentication", (*keepalived).readAuthentication),
			taken(b, hmacBlock, 1, "election.vrrp.authentication.hmac", (*keepalived).readHMAC),
			taken(b, "v3_checksum_as_v2", 0, "election.vrrp.checksum: RFC9568", (*keepalived).readChecksum),
		},
		reads(rows(b, convert.BuiltIn, "the election decides: the file is the same on every host", "state"), (*keepalived).readState),
		reads(rows(b, convert.BuiltIn, "each backend is checked, and a host that has no healthy one gives way", "track_script"), (*keepalived).readTrack),
		reads(rows(b, convert.Dropped, "the balancer is a part of Harbinger: no other process is watched", "track_process"), (*keepalived).readTrack),
		reads(rows(b, convert.Dropped, "no file is watched", fileBlock), (*keepalived).readTrack),
		reads(rows(b, convert.Dropped, "there is no BFD", "track_bfd"), (*keepalived).readTrack),
		reads(rows(b, convert.Dropped, otherInterface, "track_interface"), (*keepalived).readTrack),
		reads(rows(b, convert.Dropped, strictly, "strict_mode"), (*keepalived).readStrict),
		reads(rows(b, convert.Refused, "Harbinger speaks to the groups of the RFC, 224.0.0.18 and ff02::12: remove the line on every host", "mcast_dst_ip"), (*keepalived).readGroup),
	)
}

// instanceSaid are those words of vrrp_instance that the table alone has something to say of.
func instanceSaid() []keyword {
	const b = instanceBlock
	return slices.Concat(
		rows(b, convert.BuiltIn, "only the peers are heard", "check_unicast_src"),
		rows(b, convert.BuiltIn, "peers without an address are an error", "unicast_fault_no_peer"),
		rows(b, convert.Dropped, "advertisements go out with TTL 255", "unicast_ttl"),
		rows(b, convert.Dropped, "a host without an address in the subnet takes no part, whatever address it is", "track_src_ip"),
		rows(b, convert.BuiltIn, garp, "garp_master_delay garp_master_repeat garp_master_refresh garp_master_refresh_repeat garp_lower_prio_delay garp_lower_prio_repeat garp_extra_if vmac_garp_intvl"),
		rows(b, convert.BuiltIn, "a holder answers a lower priority with an advertisement, and gives way to a higher one", "lower_prio_no_advert higher_prio_send_advert"),
		rows(b, convert.BuiltIn, "an advertisement must have the virtual addresses", "skip_check_adv_addr"),
		rows(b, convert.BuiltIn, "the address serves", "accept"),
		rows(b, convert.Dropped, "keepalived drops packets to the address with it: Harbinger serves them", "no_accept"),
		rows(b, convert.BuiltIn, "there are log lines and metrics", "debug"),
		rows(b, convert.BuiltIn, "both forms of the checksum are accepted", "old_unicast_checksum"),
		rows(b, convert.BuiltIn, "the family of the virtual address decides", "native_ipv6"),
		rows(b, convert.BuiltIn, "the kernel reports the carrier of an interface", "linkbeat_use_polling"),
		rows(b, convert.BuiltIn, "the advertisements go out of the interface of the addresses", "vmac_xmit_base"),
		rows(b, convert.Dropped, "the address has the MAC of the interface, and gratuitous ARP moves the traffic", "use_vmac use_vmac_addr use_ipvlan"),
		rows(b, convert.Dropped, "an interface that loses its carrier loses the address", "dont_track_primary"),
		rows(b, convert.Dropped, threeTimes, "down_timer_adverts"),
		rows(b, convert.Dropped, "the holder proves that it still holds the address by its clock, not by a guess at others", "timer_expired_backup"),
		rows(b, convert.Dropped, "no other address is touched: set net.ipv4.conf.INTERFACE.promote_secondaries if you need it", "promote_secondaries"),
		rows(b, convert.Dropped, "it is about the process of keepalived", "kernel_rx_buf_size"),
		rows(b, convert.Dropped, "Harbinger does not set up IPVS", "lvs_sync_daemon_interface"),
		rows(b, convert.Dropped, notify, `notify notify_master notify_backup notify_fault notify_stop notify_deleted notify_master_rx_lower_pri notify_priority_changes smtp_alert`),
		rows(b, convert.Refused, "the pod uses the VRF of its interface: name the interface instead", "vrf"),
		rows(b, convert.Refused, "Harbinger exists to hold an address: name it in virtual_ipaddress", "no_virtual_ipaddress"),
		rows(b, convert.Refused, "Harbinger holds no address that it does not advertise: one address is what clients use, give the others another place and remove the block", "virtual_ipaddress_excluded"),
		rows(b, convert.Refused, "Harbinger adds no routes: give them to the network configuration of the host and remove the block", "virtual_routes"),
		rows(b, convert.Refused, "Harbinger adds no rules: give them to the network configuration of the host and remove the block", "virtual_rules"),
	)
}

// secretWords are the words of the blocks that have passwords and keys.
func secretWords() []keyword {
	list := []keyword{
		taken(authenticationBlock, "auth_type", 2, "election.vrrp.authentication.type", hold),
		taken(authenticationBlock, "auth_pass", 2, "election.vrrp.authentication: a file with the password", hold),
		taken(hmacBlock, "key", 3, "election.vrrp.authentication.hmac.keys: a file with the key", (*keepalived).readKey),
		taken(hmacBlock, "active_key", 2, "election.vrrp.authentication.hmac.activeKey", (*keepalived).readActiveKey),
		taken(hmacBlock, "anti_replay", 2, "election.vrrp.authentication.hmac.antiReplay", (*keepalived).readAntiReplay),
		taken(hmacBlock, "time_window", 2, "election.vrrp.authentication.hmac.timeWindow", (*keepalived).readTimeWindow),
		taken(hmacBlock, "mode", 2, "election.vrrp.authentication.hmac.mode", (*keepalived).readHMACMode),
	}
	for i := 1; i < len(list); i++ {
		list[i].secret = true
	}
	return list
}
