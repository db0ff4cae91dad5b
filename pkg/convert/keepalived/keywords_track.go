// SPDX-License-Identifier: Apache-2.0

package keepalived

import (
	"slices"

	"github.com/harbinger-ha/harbinger/pkg/convert"
)

// trackWords are the words of what an instance can track, and of what it can be in.
func trackWords() []keyword {
	const weigh = "a host without a healthy backend gives way; what a weight adds to the priority is said there"
	return slices.Concat(
		[]keyword{
			taken(scriptBlock, "interval", 2, "healthCheck.interval", (*keepalived).readScriptInterval),
			taken(scriptBlock, "timeout", 2, "healthCheck.timeout", (*keepalived).readScriptTimeout),
			taken(scriptBlock, "fall", 2, "healthCheck.failureThreshold", (*keepalived).readFall),
			taken(scriptBlock, "rise", 2, "healthCheck.successThreshold", (*keepalived).readRise),
		},
		rows(scriptBlock, convert.Dropped, checks, "script"),
		rows(scriptBlock, convert.BuiltIn, "a host without a healthy backend gives way", "weight"),
		rows(scriptBlock, convert.BuiltIn, "no script is run", "user"),
		rows(scriptBlock, convert.BuiltIn, "a backend takes no connections before its first check succeeds", "init_fail"),
		rows(processBlock, convert.Dropped, "no other process is watched", "process param_match quorum quorum_max fork_delay terminate_delay delay full_command"),
		rows(processBlock, convert.BuiltIn, weigh, "weight"),
		rows(fileBlock, convert.Dropped, "no file is watched", "file init_file"),
		rows(fileBlock, convert.BuiltIn, weigh, "weight"),
		rows(bfdBlock, convert.Dropped, "there is no BFD", "neighbor_ip neighbour_ip source_ip min_rx min_tx idle_tx multiplier passive ttl hoplimit max_hops vrrp checker"),
		rows(bfdBlock, convert.BuiltIn, weigh, "weight"),
		reads(rows(syncBlock, convert.BuiltIn, "the addresses of one pod move together", "group"), (*keepalived).readSyncMembers),
		reads(rows(syncBlock, convert.BuiltIn, "each backend is checked, and a host that has no healthy one gives way", "track_script"), (*keepalived).readSyncTrack),
		reads(rows(syncBlock, convert.Dropped, "only the checks of the backends and the interface of the addresses are watched", "track_interface track_file track_process track_bfd"), (*keepalived).readSyncTrack),
		reads(rows(syncBlock, convert.BuiltIn, weigh, "global_tracking sync_group_tracking_weight"), (*keepalived).readSyncWeight),
		rows(syncBlock, convert.Dropped, notify, "notify notify_master notify_backup notify_fault notify_stop notify_deleted notify_priority_changes smtp_alert"),
		rows("garp_group", convert.BuiltIn, garp, "garp_interval gna_interval interface interfaces"),
		rows("track_group", convert.Dropped, "it is about static addresses only", "group"),
		rows("SSL", convert.Dropped, "it is about the checks of IPVS only", "password ca certificate key"),
	)
}

// serverWords are the words of virtual_server, which is refused as a whole.
func serverWords() []keyword {
	const text = "a part of virtual_server: Harbinger does not set up IPVS"
	checkers := "HTTP_GET SSL_GET TCP_CHECK SMTP_CHECK DNS_CHECK MISC_CHECK BFD_CHECK UDP_CHECK PING_CHECK FILE_CHECK"
	return slices.Concat(
		rows("virtual_server_group", convert.Refused, text, "fwmark"),
		rows("virtual_server", convert.Refused, text, `delay_loop lvs_sched lb_algo flag-1 flag-2 flag-3 sh-port sh-fallback mh-port mh-fallback ops lvs_method lb_kind persistence_engine
			persistence_timeout persistence_granularity protocol ha_suspend smtp_alert virtualhost snmp_name alpha omega quorum hysteresis quorum_up quorum_down ip_family sorry_server
			sorry_server_inhibit sorry_server_lvs_method connect_timeout retry delay_before_retry warmup inhibit_on_failure weight real_server`),
		rows("real_server", convert.Refused, text, `weight lvs_method inhibit_on_failure notify_up notify_down uthreshold lthreshold smtp_alert virtualhost snmp_name alpha connect_timeout
			retry delay_before_retry warmup delay_loop track_file `+checkers),
		rows("checker", convert.Refused, text, `connect_ip connect_port bindto bind_if bind_port fwmark alpha connect_timeout retry delay_before_retry warmup delay_loop log_all_failures helo_name host
			payload require_reply min_reply_length max_reply_length url path digest status_code virtualhost regex regex_no_match regex_options regex_stack regex_min_offset regex_max_offset
			http_protocol enable_sni tls_compliant fast_recovery type name user misc_path misc_timeout misc_dynamic dynamic track_file weight`),
	)
}
