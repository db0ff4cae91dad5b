// SPDX-License-Identifier: Apache-2.0

package app_test

import (
	"strings"
	"testing"
)

// conf is a keepalived.conf with more lines in its instance, and what comes before that.
func conf(before string, lines ...string) string {
	return before + strings.Replace(instance, "}\n}", "}\n "+strings.Join(lines, "\n ")+"\n}", 1)
}

// proxy is a haproxy.cfg with more lines in its backend, and other options of its servers.
func proxy(options string, lines ...string) string {
	return "defaults\n mode tcp\n timeout connect 1s\n timeout client 1h\n timeout server 1h\n" + frontend + "backend apis\n option httpchk GET /livez\n " + strings.Join(lines, "\n ") +
		"\n server a 192.168.238.130:6443 check check-ssl " + options + "\n server b 192.168.238.131:6443 check check-ssl " + options + "\n"
}

// convertCases has one of each kind of what people have in their files, as a user gives them to the command.
var convertCases = []struct {
	name                string
	keepalived, haproxy string
	args                []string
	code                int
	stderr, stdout      []string // are in it
	silent              []string // are in neither
}{
	{name: "a limit of the queue, times of checks that are slow", haproxy: proxy("inter 9s fall 3 rise 2 maxqueue 100"),
		stderr: []string{"haproxy.cfg:12: server a", "maxqueue", "would be noticed after 11.7s"}, stdout: []string{"path: /livez"}},
	{name: "the host and the protocol of a check", haproxy: proxy("", "http-check connect ssl alpn h2", "http-check send meth GET uri /readyz hdr Host api"),
		stderr: []string{"haproxy.cfg:11: ", "alpn has no counterpart", "hdr is not sent"}, silent: []string{"path: /livez"}},
	{name: "a delay without a rule", haproxy: strings.Replace(proxy(""), "default_backend", "tcp-request inspect-delay 2s\n default_backend", 1),
		stderr: []string{"haproxy.cfg:8: tcp-request inspect-delay 2s: without a rule"}, silent: []string{"firewall"}},
	{name: "a page of statistics", haproxy: proxy("") + "listen stats\n mode http\n bind :9000\n stats realm \"a # b\"\n stats uri /\n",
		stderr: []string{"haproxy.cfg:14: listen stats: "}, silent: []string{"haproxy.cfg:16", "haproxy.cfg:17"}},
	{name: "a format of the log in quotes", haproxy: strings.Replace(proxy(""), "mode tcp", "mode tcp\n log-format \"%ci # \\\"%[var(txn.x)]\\\" %T\"", 1),
		stdout: []string{"port: 4300"}},
	{name: "a header behind the version of a check", haproxy: strings.Replace(proxy(""), "GET /livez", `GET /livez HTTP/1.1\r\nHost:\ api`, 1),
		stderr: []string{"the headers behind the version are not sent"}, stdout: []string{"path: /livez"}, silent: []string{"is a GET of /readyz"}},

	{name: "settings of the process", keepalived: conf("global_defs {\n router_id one\n max_auto_priority 90\n vrrp_no_swap\n}\n"),
		stderr: []string{"keepalived.conf:3: max_auto_priority 90", "keepalived.conf:4: vrrp_no_swap"}, stdout: []string{"virtualRouterID: 7"}},
	{name: "guards of unicast", keepalived: conf("", "unicast_src_ip 192.168.238.130", "check_unicast_src", "unicast_fault_no_peer", "unicast_peer {\n  192.168.238.131\n }"),
		stdout: []string{"- 192.168.238.130\n", "- 192.168.238.131\n"}},
	{name: "a process that is tracked", keepalived: conf("vrrp_track_process p {\n process haproxy\n weight 0\n}\n", "track_process {\n  p\n }"),
		stderr: []string{"keepalived.conf:2: process haproxy: "}, stdout: []string{"priority: 101"}},
	{name: "a file that is tracked", keepalived: conf("track_file f {\n file /run/ready\n weight 0\n}\n", "track_file {\n  f\n }"),
		stderr: []string{"keepalived.conf:2: file /run/ready: "}, stdout: []string{"priority: 101"}},
	{name: "two scripts and one that is tracked", keepalived: conf("vrrp_script a {\n script /bin/true\n interval 1\n fall 1\n rise 4\n}\nvrrp_script b {\n script /bin/true\n rise 8\n}\n",
		"track_script {\n  a\n }"),
		stderr: []string{"keepalived.conf:7: vrrp_script b: the instance does not track it"}, stdout: []string{"successThreshold: 4"}},
	{name: "a script that is not there", keepalived: conf("", "track_script {\n  nothing\n }"), stderr: []string{"there is no vrrp_script nothing"}},
	{name: "a weight above zero", keepalived: conf("vrrp_script a {\n script /bin/true\n weight 20\n}\n", "track_script {\n  a\n }"),
		stderr: []string{"keepalived advertises 121"}, stdout: []string{"priority: 101"}},
	{name: "a weight of an interface", keepalived: conf("", "track_interface {\n  eth1 weight 5\n }"), stderr: []string{"keepalived advertises 106"}},
	{name: "MASTER with nopreempt", keepalived: conf("", "state MASTER", "nopreempt"), stderr: []string{"nopreempt: keepalived clears it with state MASTER"},
		silent: []string{"preempt: false\n"}},
	{name: "no virtual router ID", keepalived: strings.Replace(instance, " virtual_router_id 7\n", "", 1), code: 2, stderr: []string{"virtual_router_id is missing"}},
	{name: "no interface", keepalived: strings.Replace(instance, " interface eth0\n", "", 1), code: 2, stderr: []string{"interface is missing"}},
	{name: "a part of a second in version 2", keepalived: conf("", "advert_int 0.2"), stderr: []string{"keepalived.conf:8: advert_int 0.2", "keepalived takes 1s"}},
	{name: "a password that ends at a comment", keepalived: conf("", "authentication {\n  auth_type PASS\n  auth_pass ab#cd\n }"),
		stderr: []string{"keepalived.conf:10: auth_pass: the password ends before #"}, stdout: []string{"password: ab\n"}, silent: []string{"#cd"}},
	{name: "the address of one host", keepalived: conf("", "mcast_src_ip 192.168.238.130"), stderr: []string{"left out so that the file fits all of them"},
		silent: []string{"sourceAddress: "}},
	{name: "a comma behind a peer", keepalived: conf("", "unicast_src_ip 192.168.238.130", "unicast_peer {\n  192.168.238.131,\n  192.168.238.132\n }"),
		stderr: []string{"192.168.238.131,: keepalived skips this peer"}, stdout: []string{"- 192.168.238.131\n"}},
	{name: "priority 255", keepalived: strings.Replace(instance, "101", "255", 1), code: 2, stderr: []string{"255 is for the owner of the address: give 254"}, silent: []string{"11 to 239"}},
	{name: "a peer without an own address", keepalived: conf("", "unicast_peer {\n  192.168.238.131\n }"), code: 2, stderr: []string{"add unicast_src_ip with the address of this host"}},
	{name: "two addresses", keepalived: strings.Replace(instance, "/24\n", "/24\n  192.168.238.101/24\n", 1), code: 2, stderr: []string{"keepalived.conf:7: 192.168.238.101/24"}},
	{name: "another program's block", keepalived: conf("virtual_server 192.168.238.100 6443 {\n lb_kind DR\n}\n"), code: 2, stderr: []string{"keepalived.conf:1: virtual_server"}},

	{name: "thresholds of a script beside checks", keepalived: conf("vrrp_script a {\n script /bin/true\n interval 1\n fall 1\n rise 9\n}\n", "track_script {\n  a\n }"),
		haproxy: proxy("inter 500ms fall 2 rise 2"), stderr: []string{"the script that keepalived tracks has interval 1s, fall 1, rise 9, the checks of haproxy interval 500ms"},
		silent: []string{"successThreshold: 9"}},
	{name: "servers with other thresholds", haproxy: strings.Replace(proxy("inter 500ms fall 2 rise 2"), "b 192.168.238.131:6443 check check-ssl inter 500ms fall 2", "b 192.168.238.131:6443 check check-ssl inter 500ms fall 1", 1),
		stderr: []string{"haproxy.cfg:13: server b", "fall 1 instead of 2"}},
	{name: "use_backend without a condition", haproxy: strings.Replace(proxy(""), "default_backend", "use_backend", 1), stdout: []string{"- address: 192.168.238.131:6443"},
		silent: []string{"is not there"}},
	{name: "servers with names", haproxy: strings.ReplaceAll(proxy(""), "192.168.238.13", "cp"), code: 2, stderr: []string{"write the address of cp0"}, silent: []string{"it has no server"}},
	{name: "several frontends", haproxy: proxy("") + "frontend web\n bind :443\n default_backend apis\n", code: 2, stderr: []string{"api (line 6, bind :4300), web (line 14, bind :443)", "--frontend"}},
	{name: "one of several frontends", haproxy: proxy("") + "frontend web\n bind :443\n default_backend apis\n", args: []string{"--frontend", "web"}, stdout: []string{"port: 443\n"}},
	{name: "checks elsewhere", haproxy: proxy("port 9000"), code: 2, stderr: []string{"port 9000: a backend is checked where it serves"}},
	{name: "two ports", haproxy: strings.Replace(proxy(""), "bind :4300", "bind :4300,:4301", 1), code: 2, stderr: []string{"there is port 4300 already"}},
	{name: "a server of weight 0", haproxy: proxy("") + " server c 192.168.238.132:6443 weight 0 check check-ssl\n", stderr: []string{"weight 0: it is left out"}, silent: []string{"192.168.238.132:6443\n"}},
	{name: "no balance", haproxy: proxy(""), stdout: []string{"policy: RoundRobin"}},
	{name: "a long dial", haproxy: strings.Replace(proxy(""), "connect 1s", "connect 20s", 1), stderr: []string{"timeout connect 20s: the default of 1s is taken"}, silent: []string{"connect: 20s"}},
	{name: "lines of an article", haproxy: "...\n" + proxy("") + "...\n", code: 2, stderr: []string{"lines are left out, as articles do"}},
	{name: "plain HTTP at an apiserver", haproxy: strings.ReplaceAll(proxy(""), " check-ssl", ""), stderr: []string{"plain HTTP is asked of port 6443"}},
	{name: "TLS that ends at the balancer", haproxy: strings.Replace(proxy(""), "bind :4300", "bind :4300 ssl crt /a.pem", 1), code: 2, stderr: []string{"haproxy.cfg:7: bind :4300 ssl crt /a.pem"}},
	{name: "an access rule", haproxy: proxy("", "tcp-request content reject if { src 10.0.0.0/8 }"), code: 2, stderr: []string{"access rules have no counterpart"}},
}

func TestConvertCases(t *testing.T) {
	for _, tt := range convertCases {
		t.Run(tt.name, func(t *testing.T) {
			files := map[string]string{"keepalived.conf": instance, "haproxy.cfg": tt.haproxy}
			if tt.keepalived != "" {
				files["keepalived.conf"] = tt.keepalived
			}
			dir := place(t, files)
			args := append([]string{"convert", "--keepalived", dir + "/keepalived.conf"}, tt.args...)
			if tt.haproxy != "" {
				args = append(args, "--haproxy", dir+"/haproxy.cfg")
			}
			r := harbinger("", args...)
			r.want(t, tt.code, tt.stderr...)
			for _, text := range tt.stdout {
				if !strings.Contains(r.stdout, text) {
					t.Errorf("stdout lacks %q:\n%s", text, r.stdout)
				}
			}
			for _, text := range tt.silent {
				if strings.Contains(r.stdout+r.stderr, text) {
					t.Errorf("it says %q:\n%s%s", text, r.stdout, r.stderr)
				}
			}
			if tt.code != 0 {
				if r.stdout != "" {
					t.Errorf("stdout is %q", r.stdout)
				}
				return
			}
			harbinger(r.stdout, "config", "validate", "-").want(t, 0)
		})
	}
}
