// SPDX-License-Identifier: Apache-2.0

package convert_test

import (
	"strings"
	"testing"

	"github.com/harbinger-ha/harbinger/pkg/apis/config/v1alpha1"
	"github.com/harbinger-ha/harbinger/pkg/convert"
)

// A directive is a line as users have it, and what is said of it: nothing where it is carried over or not needed, a warning, or
// an error that refuses the file.
type directive struct{ line, warned, refused string }

// directives has every directive that the package knows.
var directives = []struct {
	name  string
	known []string
	file  func(line string) string
	lines []directive
}{
	{"global_defs of keepalived", convert.GlobalDefs, func(line string) string { return "global_defs {\n" + line + "\n}\n" + instance("") }, []directive{
		{line: "enable_script_security"},
		{line: "enable_snmp_keepalived", warned: "there are metrics for Prometheus instead"},
		{line: "enable_snmp_vrrp", warned: "there are metrics for Prometheus instead"},
		{line: "notification_email { root@localhost }", warned: "nothing is run or mailed: alert on the metrics instead"},
		{line: "notification_email_from root@localhost", warned: "nothing is run or mailed: alert on the metrics instead"},
		{line: "router_id cp-1"},
		{line: "script_user root"},
		{line: "smtp_alert", warned: "nothing is run or mailed: alert on the metrics instead"},
		{line: "smtp_connect_timeout 30", warned: "nothing is run or mailed: alert on the metrics instead"},
		{line: "smtp_server 127.0.0.1", warned: "nothing is run or mailed: alert on the metrics instead"},
		{line: "v3_checksum_as_v2 on"},
		{line: "vrrp_garp_interval 0.001"},
		{line: "vrrp_garp_lower_prio_delay 10"},
		{line: "vrrp_garp_lower_prio_repeat 1"},
		{line: "vrrp_garp_master_delay 5"},
		{line: "vrrp_garp_master_refresh 60"},
		{line: "vrrp_garp_master_repeat 5"},
		{line: "vrrp_gna_interval 0.001"},
		{line: "vrrp_higher_prio_send_advert true"},
		{line: "vrrp_mcast_group4 224.0.0.18"},
		{line: "vrrp_rt_priority 50"},
		{line: "vrrp_skip_check_adv_addr"},
		{line: "vrrp_strict", warned: "what it checks is checked anyway, but for authentication"},
		{line: "vrrp_version 3"},
	}},
	{"vrrp_script of keepalived", convert.ScriptSettings, func(line string) string { return "vrrp_script check {\n" + line + "\n}\n" + instance("") }, []directive{
		{line: "fall 10"},
		{line: "init_fail"},
		{line: "interval 3"},
		{line: "rise 2"},
		{line: "script /etc/keepalived/check.sh", warned: "each backend is checked by the balancer itself: see healthCheck"},
		{line: "timeout 2"},
		{line: "user root"},
		{line: "weight -2"},
	}},
	{"vrrp_instance of keepalived", convert.InstanceSettings, func(line string) string { return instance(line) }, []directive{
		{line: "accept"},
		{line: "advert_int 1"},
		{line: "authentication { auth_type PASS auth_pass x }"},
		{line: "debug 1"},
		{line: "dont_track_primary", warned: "an interface that loses its carrier loses the address"},
		{line: "garp_lower_prio_delay 10"},
		{line: "garp_lower_prio_repeat 1"},
		{line: "garp_master_delay 5"},
		{line: "garp_master_refresh 60"},
		{line: "garp_master_refresh_repeat 1"},
		{line: "garp_master_repeat 5"},
		{line: "higher_prio_send_advert true"},
		{line: "interface eth0"},
		{line: "mcast_src_ip 10.0.0.1"},
		{line: "nopreempt"},
		{line: "notify /bin/notify", warned: "nothing is run or mailed: alert on the metrics instead"},
		{line: "notify_backup /bin/notify", warned: "nothing is run or mailed: alert on the metrics instead"},
		{line: "notify_fault /bin/notify", warned: "nothing is run or mailed: alert on the metrics instead"},
		{line: "notify_master /bin/notify", warned: "nothing is run or mailed: alert on the metrics instead"},
		{line: "notify_stop /bin/notify", warned: "nothing is run or mailed: alert on the metrics instead"},
		{line: "preempt"},
		{line: "preempt_delay 30"},
		{line: "priority 101"},
		{line: "skip_check_adv_addr on"},
		{line: "smtp_alert", warned: "nothing is run or mailed: alert on the metrics instead"},
		{line: "state MASTER"},
		{line: "track_interface { eth1 }", warned: "only the interface of the addresses is watched"},
		{line: "track_script { check }"},
		{line: "unicast_peer { 10.0.0.2 }", warned: "unicast_src_ip is missing: add the address of this host to election.vrrp.peers"},
		{line: "unicast_src_ip 10.0.0.1"},
		{line: "use_vmac vrrp.51", warned: "the address has the MAC of the interface, and gratuitous ARP moves the traffic"},
		{line: "v3_checksum_as_v2 on"},
		{line: "version 3"},
		{line: "virtual_ipaddress { 10.0.0.101 }"},
		{line: "virtual_ipaddress_excluded { 10.0.0.101 }", refused: "Harbinger holds no address that it does not advertise"},
		{line: "virtual_router_id 51"},
		{line: "virtual_routes { default via 10.0.0.1 }", refused: "Harbinger adds no routes"},
		{line: "virtual_rules { from 10.0.0.100 }", refused: "Harbinger adds no rules"},
		{line: "vmac_xmit_base"},
	}},
	{"global of haproxy", convert.GlobalLines, func(line string) string { return "global\n " + line + "\n" + listen("") }, []directive{
		{line: "ca-base /etc/ssl/certs"},
		{line: "chroot /var/lib/haproxy"},
		{line: "cpu-map 1 0"},
		{line: "crt-base /etc/ssl/private"},
		{line: "daemon"},
		{line: "external-check"},
		{line: "gid 99"},
		{line: "group haproxy"},
		{line: "insecure-fork-wanted"},
		{line: "log global"},
		{line: "log-tag haproxy"},
		{line: "master-worker"},
		{line: "maxconn 800"},
		{line: "maxpipes 100"},
		{line: "nbproc 1"},
		{line: "nbthread 4"},
		{line: "node cp-1"},
		{line: "noepoll"},
		{line: "nosplice"},
		{line: "pidfile /run/haproxy.pid"},
		{line: "spread-checks 5"},
		{line: "ssl-default-bind-ciphers HIGH"},
		{line: "ssl-default-bind-ciphersuites TLS_AES_128_GCM_SHA256"},
		{line: "ssl-default-bind-options no-sslv3"},
		{line: "ssl-default-server-ciphers HIGH"},
		{line: "ssl-default-server-ciphersuites TLS_AES_128_GCM_SHA256"},
		{line: "ssl-default-server-options no-sslv3"},
		{line: "ssl-server-verify none"},
		{line: "stats socket /run/haproxy.sock"},
		{line: "tune.bufsize 32768"},
		{line: "tune.maxrewrite 1024"},
		{line: "tune.ssl.default-dh-param 2048"},
		{line: "uid 99"},
		{line: "ulimit-n 65536"},
		{line: "user root"},
	}},
	{"listen of haproxy", convert.ProxyLines, func(line string) string { return listen(line) }, []directive{
		{line: "acl internal src 10.0.0.0/8", refused: "access rules have no counterpart: filter in the firewall of the hosts, and remove the line"},
		{line: "balance leastconn"},
		{line: "bind :443"},
		{line: "default-server inter 2s"},
		{line: "default_backend api", refused: "its default_backend is not there"},
		{line: "description apiservers"},
		{line: "errorfile 503 /etc/haproxy/503.http"},
		{line: "fullconn 100", warned: "has no counterpart"},
		{line: "hash-type consistent", warned: "SourceHash moves as few clients as it can"},
		{line: "http-check connect ssl", warned: "the check is a GET of /readyz, not only a handshake"},
		{line: "http-check expect status 200"},
		{line: "http-check send meth GET uri /livez"},
		{line: "log global"},
		{line: "log-format tcp"},
		{line: "maxconn 800"},
		{line: "mode tcp"},
		{line: "no option httplog"},
		{line: "option allbackups", warned: "all backups are used when no other backend is healthy"},
		{line: "option clitcpka"},
		{line: "option dontlog-normal"},
		{line: "option dontlognull"},
		{line: "option forwardfor except 127.0.0.0/8"},
		{line: "option http-keep-alive"},
		{line: "option http-server-close"},
		{line: "option httpchk GET /readyz"},
		{line: "option httplog"},
		{line: "option log-health-checks"},
		{line: "option redispatch"},
		{line: "option splice-auto"},
		{line: "option srvtcpka"},
		{line: "option ssl-hello-chk", warned: "the check is a GET of /readyz, not only a handshake"},
		{line: "option tcp-check"},
		{line: "option tcp-smart-accept"},
		{line: "option tcp-smart-connect"},
		{line: "option tcpka"},
		{line: "option tcplog"},
		{line: "retries 3", warned: "each healthy backend is tried once"},
		{line: "server b 10.0.0.2:6443"},
		{line: "source 10.0.0.1", refused: "connections come from the address of the host"},
		{line: "stats auth admin:secret", warned: "the status is at http://127.0.0.1:10443/, the metrics at /metrics"},
		{line: "stats enable", warned: "the status is at http://127.0.0.1:10443/, the metrics at /metrics"},
		{line: "stats refresh 10s", warned: "the status is at http://127.0.0.1:10443/, the metrics at /metrics"},
		{line: "stats uri /stats", warned: "the status is at http://127.0.0.1:10443/, the metrics at /metrics"},
		{line: "stick on src", refused: "use the policy SourceHash: balance source"},
		{line: "stick-table type ip size 1m", refused: "use the policy SourceHash: balance source"},
		{line: "tcp-request connection reject", refused: "access rules have no counterpart: filter in the firewall of the hosts, and remove the line"},
		{line: "tcp-request content accept", refused: "access rules have no counterpart: filter in the firewall of the hosts, and remove the line"},
		{line: "tcp-request inspect-delay 5s", refused: "access rules have no counterpart: filter in the firewall of the hosts, and remove the line"},
		{line: "tcp-request session accept", refused: "access rules have no counterpart: filter in the firewall of the hosts, and remove the line"},
		{line: "timeout check 5s"},
		{line: "timeout client 1h", warned: "there is no idle timeout, watches are silent for hours: TCP keepalive finds dead peers"},
		{line: "timeout client-fin 30s", warned: "see loadBalancer.timeouts.halfClosed"},
		{line: "timeout connect 5s"},
		{line: "timeout http-keep-alive 10s"},
		{line: "timeout http-request 10s"},
		{line: "timeout queue 1m", warned: "connections do not queue: over the limit they are reset"},
		{line: "timeout server 1h", warned: "there is no idle timeout, watches are silent for hours: TCP keepalive finds dead peers"},
		{line: "timeout server-fin 30s", warned: "see loadBalancer.timeouts.halfClosed"},
		{line: "timeout tunnel 1h", warned: "there is no idle timeout, watches are silent for hours: TCP keepalive finds dead peers"},
		{line: "use_backend b if internal", refused: "there is one backend: what is served depends on nothing"},
	}},
	{"server of haproxy", convert.ServerArguments, func(line string) string { return listen("server b 10.0.0.2:6443 " + line) }, []directive{
		{line: "ca-file /ca.crt"},
		{line: "check-sni api"},
		{line: "downinter 5s", warned: "downinter has no counterpart"},
		{line: "error-limit 1"},
		{line: "fall 10"},
		{line: "fastinter 1s", warned: "fastinter has no counterpart"},
		{line: "id 1"},
		{line: "init-addr none"},
		{line: "inter 2s"},
		{line: "maxconn 800"},
		{line: "observe layer4"},
		{line: "on-error mark-down"},
		{line: "on-marked-down shutdown-sessions"},
		{line: "on-marked-up shutdown-backup-sessions", warned: "on-marked-up shutdown-backup-sessions: sessions stay where they are"},
		{line: "rise 2"},
		{line: "slowstart 10s"},
		{line: "sni str(api)", warned: "sni has no counterpart"},
		{line: "verify none", warned: "verify none: the checks verify with the authority of the cluster; healthCheck.insecureSkipVerify turns that off"},
		{line: "weight -2", warned: "weight: all backends have the same"},
	}},
}

func TestDirectives(t *testing.T) {
	for _, section := range directives {
		read := convert.Keepalived
		if strings.HasSuffix(section.name, "haproxy") {
			read = convert.HAProxy
		}
		for _, d := range section.lines {
			t.Run(section.name+"/"+d.line, func(t *testing.T) {
				warnings, err := read("file", []byte(section.file(d.line)), &v1alpha1.HarbingerConfiguration{})
				switch {
				case d.refused == "" && err != nil:
					t.Errorf("it is refused: %v", err)
				case d.refused != "" && (err == nil || !strings.Contains(err.Error(), d.refused)):
					t.Errorf("error %v, want %q in it", err, d.refused)
				}
				var want []string
				if d.warned != "" {
					want = []string{d.warned}
				}
				checkTexts(t, warned(warnings), want)
			})
		}
	}
}

// A directive that is added to the package needs a line above.
func TestDirectivesAreComplete(t *testing.T) {
	for _, section := range directives {
		for _, name := range section.known {
			found := false
			for _, d := range section.lines {
				found = found || d.line == name || strings.HasPrefix(d.line, name+" ")
			}
			if !found {
				t.Errorf("%s: no line has the directive %q", section.name, name)
			}
		}
	}
}
