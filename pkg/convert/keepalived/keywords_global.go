// SPDX-License-Identifier: Apache-2.0

package keepalived

import (
	"slices"

	"github.com/harbinger-ha/harbinger/pkg/convert"
)

// What is said of the words of several blocks.
const (
	notify  = "nothing is run or mailed: alert on the metrics instead"
	metrics = "there are metrics for Prometheus instead"
	garp    = "gratuitous ARP and neighbor advertisements are built in: a train of six in 4 s, and then every 5 s"
	checks  = "each backend is checked by the balancer itself: see healthCheck"
)

// globalWords are the words of global_defs.
func globalWords() []keyword {
	const b = globalDefs
	return slices.Concat(
		[]keyword{
			taken(b, "vrrp_version", 2, "election.vrrp.version", (*keepalived).readGlobalVersion),
			taken(b, "v3_checksum_as_v2", 0, "election.vrrp.checksum: RFC9568", (*keepalived).readChecksum),
		},
		reads(rows(b, convert.Refused, "Harbinger speaks to the groups of the RFC, 224.0.0.18 and ff02::12: remove the line on every host", "vrrp_mcast_group4 vrrp_mcast_group6"), (*keepalived).readGroup),
		reads(rows(b, convert.Dropped, strictly, "vrrp_strict"), func(k *keepalived, s convert.Statement) bool {
			k.strict = true
			k.Drop(s, "%s", strictly)
			return false
		}),
		rows(b, convert.BuiltIn, "the name of the node", "router_id"),
		rows(b, convert.BuiltIn, "no script is run", "script_user enable_script_security use_symlink_paths set_supplementary_groups"),
		rows(b, convert.BuiltIn, "an advertisement must have the virtual addresses", "vrrp_skip_check_adv_addr"),
		rows(b, convert.BuiltIn, "only the peers are heard", "vrrp_check_unicast_src"),
		rows(b, convert.BuiltIn, garp, `vrrp_garp_master_delay vrrp_garp_master_repeat vrrp_garp_master_refresh vrrp_garp_master_refresh_repeat vrrp_garp_lower_prio_delay
			vrrp_garp_lower_prio_repeat vrrp_garp_interval vrrp_gna_interval vrrp_min_garp vrrp_garp_extra_if`),
		rows(b, convert.BuiltIn, "a holder answers a lower priority with an advertisement, and gives way to a higher one", "vrrp_lower_prio_no_advert vrrp_higher_prio_send_advert"),
		rows(b, convert.BuiltIn, "it runs with a real-time priority where the host lets it", "vrrp_rt_priority"),
		rows(b, convert.Dropped, threeTimes, "vrrp_down_timer_adverts"),
		rows(b, convert.Dropped, "a host that starts listens first, and takes over when nobody is heard", "vrrp_startup_delay vrrp_delay_after_boot"),
		rows(b, convert.Dropped, notify, `notification_email notification_email_from smtp_server smtp_helo_name smtp_connect_timeout smtp_alert smtp_alert_vrrp smtp_alert_checker
			no_email_faults no_checker_emails notify_fifo notify_fifo_script vrrp_notify_fifo vrrp_notify_fifo_script lvs_notify_fifo lvs_notify_fifo_script
			fifo_write_vrrp_states_on_reload vrrp_notify_priority_changes rs_init_notifies startup_script startup_script_timeout shutdown_script shutdown_script_timeout`),
		rows(b, convert.Dropped, metrics, `enable_snmp_vrrp enable_snmp_keepalived enable_snmp_checker enable_snmp_rfc enable_snmp_rfcv2 enable_snmp_rfcv3 enable_traps snmp_socket
			snmp_vs_stats_update_interval snmp_rs_stats_update_interval enable_dbus dbus_service_name dbus_no_interface_name json_version log_unknown_vrids checker_log_all_failures`),
		rows(b, convert.Dropped, "no packet filter is set up: the address serves whoever reaches it", `vrrp_iptables vrrp_ipsets nftables nftables_priority nftables_counters nftables_ifindex
			disable_local_igmp`),
		rows(b, convert.Dropped, "Harbinger does not set up IPVS", `lvs_sync_daemon lvs_timeouts lvs_flush lvs_flush_on_stop lvs_flush_onstop nftables_ipvs nftables_ipvs_priority
			nftables_ipvs_start_fwmark lvs_netlink_cmd_rcv_bufs lvs_netlink_cmd_rcv_bufs_force lvs_netlink_monitor_rcv_bufs lvs_netlink_monitor_rcv_bufs_force
			checker_priority checker_no_swap checker_rt_priority checker_cpu_affinity checker_rlimit_rttime checker_rlimit_rtime checker_process_name lvs_process_name`),
		rows(b, convert.Dropped, "the address has the MAC of the interface, and gratuitous ARP moves the traffic", "vmac_prefix vmac_addr_prefix"),
		rows(b, convert.Dropped, "the pod waits for an interface that is not there yet", "dynamic_interfaces"),
		rows(b, convert.Dropped, "it is about static addresses only", "default_interface"),
		rows(b, convert.BuiltIn, "the kernel reports the carrier of an interface", "linkbeat_use_polling"),
		rows(b, convert.Dropped, "the pod holds the address in the network namespace of the host: keepalived knows the line outside of global_defs only", "net_namespace net_namespace_ipvs"),
		rows(b, convert.Dropped, "it is about the process of keepalived", `max_auto_priority min_auto_priority_delay vrrp_priority vrrp_no_swap vrrp_cpu_affinity vrrp_rlimit_rttime vrrp_rlimit_rtime
			bfd_priority bfd_no_swap bfd_rt_priority bfd_cpu_affinity bfd_rlimit_rttime bfd_rlimit_rtime process_names process_name vrrp_process_name bfd_process_name
			vrrp_netlink_cmd_rcv_bufs vrrp_netlink_cmd_rcv_bufs_force vrrp_netlink_monitor_rcv_bufs vrrp_netlink_monitor_rcv_bufs_force process_monitor_rcv_bufs
			process_monitor_rcv_bufs_force vrrp_rx_bufs_policy vrrp_rx_bufs_multiplier umask random_seed include_check reload_check_config reload_time_file reload_repeat reload_file
			data_use_instance state_file_location stats_file_location json_file_location iproute_usr_dir iproute_etc_dir tmp_config_directory config_save_dir
			instance use_pid_dir child_wait_time namespace_with_ipsets`),
	)
}
