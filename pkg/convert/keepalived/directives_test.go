// SPDX-License-Identifier: Apache-2.0

package keepalived_test

import (
	"testing"

	"github.com/harbinger-ha/harbinger/e2e/converttest"
	"github.com/harbinger-ha/harbinger/pkg/apis/config/v1alpha1"
	"github.com/harbinger-ha/harbinger/pkg/convert"
	"github.com/harbinger-ha/harbinger/pkg/convert/keepalived"
)

// directives has every directive that the package knows.
var directives = []converttest.Section{
	{Name: "global_defs of keepalived", Block: "global_defs", File: func(line string) string { return "global_defs {\n" + line + "\n}\n" + instance("") }, Directives: []converttest.Directive{
		{Line: "enable_script_security"},
		{Line: "enable_snmp_keepalived", Warned: "there are metrics for Prometheus instead"},
		{Line: "enable_snmp_vrrp", Warned: "there are metrics for Prometheus instead"},
		{Line: "notification_email { root@localhost }", Warned: "nothing is run or mailed: alert on the metrics instead"},
		{Line: "notification_email_from root@localhost", Warned: "nothing is run or mailed: alert on the metrics instead"},
		{Line: "router_id cp-1"},
		{Line: "script_user root"},
		{Line: "smtp_alert", Warned: "nothing is run or mailed: alert on the metrics instead"},
		{Line: "smtp_connect_timeout 30", Warned: "nothing is run or mailed: alert on the metrics instead"},
		{Line: "smtp_server 127.0.0.1", Warned: "nothing is run or mailed: alert on the metrics instead"},
		{Line: "v3_checksum_as_v2 on"},
		{Line: "vrrp_garp_interval 0.001"},
		{Line: "vrrp_garp_lower_prio_delay 10"},
		{Line: "vrrp_garp_lower_prio_repeat 1"},
		{Line: "vrrp_garp_master_delay 5"},
		{Line: "vrrp_garp_master_refresh 60"},
		{Line: "vrrp_garp_master_repeat 5"},
		{Line: "vrrp_gna_interval 0.001"},
		{Line: "vrrp_higher_prio_send_advert true"},
		{Line: "vrrp_mcast_group4 224.0.0.18"},
		{Line: "vrrp_rt_priority 50"},
		{Line: "vrrp_skip_check_adv_addr"},
		{Line: "vrrp_strict", Warned: "what it checks is checked anyway, but for authentication"},
		{Line: "vrrp_version 3"},
	}},
	{Name: "vrrp_script of keepalived", Block: "vrrp_script", File: func(line string) string {
		return "vrrp_script check {\n" + line + "\n}\n" + instance("track_script {\ncheck\n}")
	}, Directives: []converttest.Directive{
		{Line: "fall 10"},
		{Line: "init_fail"},
		{Line: "interval 3"},
		{Line: "rise 2"},
		{Line: "script /etc/keepalived/check.sh", Warned: "each backend is checked by the balancer itself: see healthCheck"},
		{Line: "timeout 2"},
		{Line: "user root"},
		{Line: "weight -2"},
	}},
	{Name: "vrrp_instance of keepalived", Block: "vrrp_instance", File: func(line string) string { return instance(line) }, Directives: []converttest.Directive{
		{Line: "accept"},
		{Line: "advert_int 1"},
		{Line: "auth_hmac { key 1 file:/etc/keepalived/key\nactive_key 1 }", Warned: "copy the key: install -D -m 0600 /etc/keepalived/key /etc/kubernetes/harbinger/vrrp-keys/1"},
		{Line: "authentication { auth_type PASS\nauth_pass x }"},
		{Line: "debug 1"},
		{Line: "dont_track_primary", Warned: "an interface that loses its carrier loses the address"},
		{Line: "garp_lower_prio_delay 10"},
		{Line: "garp_lower_prio_repeat 1"},
		{Line: "garp_master_delay 5"},
		{Line: "garp_master_refresh 60"},
		{Line: "garp_master_refresh_repeat 1"},
		{Line: "garp_master_repeat 5"},
		{Line: "higher_prio_send_advert true"},
		{Line: "interface eth0"},
		{Line: "mcast_src_ip 10.0.0.1", Warned: "left out so that the file fits all of them"},
		{Line: "nopreempt"},
		{Line: "notify /bin/notify", Warned: "nothing is run or mailed: alert on the metrics instead"},
		{Line: "notify_backup /bin/notify", Warned: "nothing is run or mailed: alert on the metrics instead"},
		{Line: "notify_fault /bin/notify", Warned: "nothing is run or mailed: alert on the metrics instead"},
		{Line: "notify_master /bin/notify", Warned: "nothing is run or mailed: alert on the metrics instead"},
		{Line: "notify_stop /bin/notify", Warned: "nothing is run or mailed: alert on the metrics instead"},
		{Line: "preempt"},
		{Line: "preempt_delay 30"},
		{Line: "priority 101"},
		{Line: "skip_check_adv_addr on"},
		{Line: "smtp_alert", Warned: "nothing is run or mailed: alert on the metrics instead"},
		{Line: "state MASTER\npriority 101"},
		{Line: "track_interface { eth1 }", Warned: "only the interface of the addresses is watched"},
		{Line: "track_script { check }", Warned: "there is no vrrp_script check before the instance"},
		{Line: "unicast_peer { 10.0.0.2 }", Refused: "unicast_src_ip is missing: add unicast_src_ip with the address of this host"},
		{Line: "unicast_peer { 10.0.0.2\n10.0.0.3 }", Warned: "unicast_src_ip is missing: add the address of this host to election.vrrp.peers"},
		{Line: "unicast_src_ip 10.0.0.1", Warned: "there is no unicast_peer: keepalived sends multicast"},
		{Line: "use_vmac vrrp.51", Warned: "the address has the MAC of the interface, and gratuitous ARP moves the traffic"},
		{Line: "v3_checksum_as_v2 on"},
		{Line: "version 3"},
		{Line: "virtual_ipaddress { 10.0.0.101 }", Refused: "there is 10.0.0.100/24 already"},
		{Line: "virtual_ipaddress_excluded { 10.0.0.101 }", Refused: "Harbinger holds no address that it does not advertise"},
		{Line: "virtual_router_id 51"},
		{Line: "virtual_routes { default via 10.0.0.1 }", Refused: "Harbinger adds no routes"},
		{Line: "virtual_rules { from 10.0.0.100 }", Refused: "Harbinger adds no rules"},
		{Line: "vmac_xmit_base"},
	}},
}

func TestDirectives(t *testing.T) {
	converttest.Run(t, directives, func(raw string) convert.Findings {
		return keepalived.Convert(convert.File{Name: "file", Content: []byte(raw)}, keepalived.Options{}, &v1alpha1.HarbingerConfiguration{})
	})
}

// A directive that is taken over needs a line above.
func TestDirectivesAreComplete(t *testing.T) {
	for _, section := range directives {
		for _, word := range keepalived.Keywords() {
			if word.Block == section.Block && word.Class == convert.Taken && !section.Has(word.Name) {
				t.Errorf("%s: no line has the directive %q", section.Name, word.Name)
			}
		}
	}
}
