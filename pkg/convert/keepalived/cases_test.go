// SPDX-License-Identifier: Apache-2.0

package keepalived_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/harbinger-ha/harbinger/e2e/converttest"
	"github.com/harbinger-ha/harbinger/e2e/lab"
	"github.com/harbinger-ha/harbinger/pkg/apis/config/scheme"
	"github.com/harbinger-ha/harbinger/pkg/apis/config/v1alpha1"
	"github.com/harbinger-ha/harbinger/pkg/convert"
	"github.com/harbinger-ha/harbinger/pkg/convert/keepalived"
)

// behavior is a file as users have it, with what becomes of it. What keepalived says of it is held against the real one.
type behavior struct {
	name, raw string
	says      []string // by keepalived -t, with what is said of the file alone
	silent    bool     // keepalived -t accepts the file
	change    func(*v1alpha1.HarbingerConfiguration)
	warned    []string
	refused   []string
}

const script = "vrrp_script chk {\n script /bin/true\n interval 1\n"

// scripted is a file with a script that the instance tracks.
func scripted(settings, track string) string {
	return "global_defs {\n script_user root\n enable_script_security\n}\n" + script + settings + "\n}\n" + instance("track_script {\n"+track+"\n}")
}

// checked is the configuration of the interval of the script.
func checked(c *v1alpha1.HarbingerConfiguration) { c.HealthCheck.Interval = converttest.Seconds(1) }

var unicast = func(peers ...string) func(*v1alpha1.HarbingerConfiguration) {
	return func(c *v1alpha1.HarbingerConfiguration) { c.Election.VRRP.Peers = peers }
}

func password(text string) func(*v1alpha1.HarbingerConfiguration) {
	return func(c *v1alpha1.HarbingerConfiguration) {
		c.Election.VRRP.Authentication = v1alpha1.Authentication{Type: "Password", Password: text}
	}
}

func authenticated(pass string) string {
	return instance("authentication {\n auth_type PASS\n auth_pass " + pass + "\n}")
}

func vips(lines string) string { return strings.Replace(instance(""), "10.0.0.100/24", lines, 1) }

var behaviors = []behavior{
	// What is about the process of keepalived.
	{name: "global_defs of the process",
		raw:    "global_defs {\n max_auto_priority 20\n vrrp_nftables\n checker_no_swap\n}\n" + instance(""),
		says:   []string{"Unknown keyword 'vrrp_nftables'"},
		warned: []string{"max_auto_priority 20: it is about the process", "vrrp_nftables: not known", "checker_no_swap"}},
	{name: "guards of unicast",
		raw:    instance("unicast_src_ip 10.0.0.21\ncheck_unicast_src\nunicast_fault_no_peer\ntrack_src_ip\nunicast_ttl 255\nunicast_peer {\n10.0.0.22\n}"),
		silent: true,
		change: unicast("10.0.0.21", "10.0.0.22"),
		warned: []string{"track_src_ip", "unicast_ttl 255: advertisements go out with TTL 255"}},

	// What is tracked.
	{name: "tracked process",
		raw:    "vrrp_track_process proxy {\n process envoy\n weight -40\n quorum 1\n}\n" + instance("track_process {\n proxy\n}"),
		silent: true,
		warned: []string{"process envoy: no other process", "quorum 1: no other process"}},
	{name: "tracked process that adds",
		raw:    "vrrp_track_process proxy {\n process envoy\n}\n" + instance("priority 90\ntrack_process {\n proxy weight 7\n}"),
		silent: true,
		change: func(c *v1alpha1.HarbingerConfiguration) { c.Election.VRRP.Priority = new(int32(90)) },
		warned: []string{"process envoy", "priority 90: keepalived advertises 97, which is 90 + 7 of proxy"}},
	{name: "tracked file",
		raw:    "vrrp_track_file ok {\n file /run/ok\n weight 0\n}\n" + instance("track_file {\n ok\n}"),
		silent: true,
		warned: []string{"file /run/ok: no file is watched"}},
	{name: "tracked file that adds",
		raw:    "track_file ok {\n file /run/ok\n}\n" + instance("track_file {\n ok\n}"),
		silent: true,
		warned: []string{"file /run/ok: no file is watched", "keepalived adds the number in the file, 1 times"}},
	{name: "tracked BFD",
		raw:    "bfd_instance up {\n neighbor_ip 10.0.0.9\n source_ip 10.0.0.8\n}\n" + instance("track_bfd {\n up weight 4\n}"),
		silent: true,
		warned: []string{"neighbor_ip 10.0.0.9: there is no BFD", "source_ip", "vrrp_instance VI_1: keepalived advertises 104"}},
	{name: "of two scripts the tracked one",
		raw: script + "fall 9\n}\n" + strings.Replace(script, "chk", "api", 1) + "fall 1\n rise 6\n}\n" + instance("track_script {\n api\n}"),
		change: func(c *v1alpha1.HarbingerConfiguration) {
			checked(c)
			c.HealthCheck.FailureThreshold, c.HealthCheck.SuccessThreshold = 1, 6
		},
		warned: []string{"vrrp_script chk: the instance does not track it", "script /bin/true: each backend"}},
	{name: "two tracked scripts",
		raw:    script + "fall 9\n}\n" + strings.Replace(script, "chk", "api", 1) + "fall 1\n}\n" + instance("track_script {\n api\n chk\n}"),
		change: func(c *v1alpha1.HarbingerConfiguration) { checked(c); c.HealthCheck.FailureThreshold = 1 },
		warned: []string{"vrrp_script chk: each backend is checked by the balancer itself: see healthCheck; the times of its checks are those of the first", "script /bin/true"}},
	{name: "script that is not there",
		raw:    instance("track_script {\n nothing\n}"),
		says:   []string{`track script nothing not found, ignoring`},
		warned: []string{"track_script nothing: there is no vrrp_script nothing before the instance"}},
	{name: "script after the instance",
		raw:    instance("track_script {\n chk\n}") + script + "fall 3\n}",
		says:   []string{`track script chk not found, ignoring`},
		warned: []string{"there is no vrrp_script chk before the instance", "vrrp_script chk: the instance does not track it"}},
	{name: "thresholds that are none",
		raw:  scripted("fall none\n rise 0", "chk"),
		says: []string{"fall value 'none' invalid, defaulting to 1", "rise value '0' invalid, defaulting to 1"},
		change: func(c *v1alpha1.HarbingerConfiguration) {
			checked(c)
			c.HealthCheck.FailureThreshold, c.HealthCheck.SuccessThreshold = 1, 1
		},
		warned: []string{"script /bin/true", "fall none: want a whole number", "rise 0: want"}},
	{name: "times that are none",
		raw:    strings.Replace(scripted("timeout 0", "chk"), "interval 1", "interval 0", 1),
		says:   []string{"interval must be greater than 0, setting to 1", "timeout must be greater than 0, setting to 1"},
		warned: []string{"script /bin/true", "interval 0: want a number of seconds", "timeout 0: want a number of seconds"}},

	// What adds to the priority.
	{name: "weight of a script",
		raw:    scripted("weight 30", "chk"),
		silent: true,
		change: checked,
		warned: []string{"script /bin/true", "vrrp_instance VI_1: keepalived advertises 130, which is 100 + 30 of chk, while what it tracks succeeds, and Harbinger 100: while some hosts run keepalived, set election.vrrp.priority: 130"}},
	{name: "weight of a line",
		raw:    scripted("weight -30", "chk weight 3"),
		silent: true,
		change: checked,
		warned: []string{"script /bin/true", "advertises 103"}},
	{name: "weight that takes away",
		raw:    scripted("weight -30", "chk"),
		silent: true,
		change: checked,
		warned: []string{"script /bin/true"}},
	{name: "weight in reverse",
		raw:    scripted("weight 30 reverse", "chk"),
		silent: true,
		change: checked,
		warned: []string{"script /bin/true", "advertises 70, which is 100 - 30 of chk"}},
	{name: "weight that is none",
		raw:    scripted("weight 300", "chk"),
		says:   []string{`weight 300 must be in \[-253, 253\]`},
		change: checked,
		warned: []string{"script /bin/true", `want a weight from -254 to 254, not "300"`}},
	{name: "weights of several",
		raw:    scripted("weight 3", "chk") + "",
		change: checked,
		silent: true,
		warned: []string{"script", "103"}},
	{name: "weight of an interface",
		raw:    instance("priority 50\ntrack_interface {\n eth7 weight 15\n}"),
		silent: true,
		change: func(c *v1alpha1.HarbingerConfiguration) { c.Election.VRRP.Priority = new(int32(50)) },
		warned: []string{"priority 50: keepalived advertises 65, which is 50 + 15 of eth7", "track_interface eth7 weight 15: only the interface of the addresses is watched"}},
	{name: "the own interface",
		raw:  instance("track_interface {\n eth0 weight 15\n}"),
		says: []string{"Ignoring track_interface eth0 since own interface"}},
	{name: "more than the highest priority",
		raw:    instance("priority 239\ntrack_interface {\n eth7 weight 30\n}"),
		silent: true,
		change: func(c *v1alpha1.HarbingerConfiguration) { c.Election.VRRP.Priority = new(int32(239)) },
		warned: []string{"advertises 254, which is 239 + 30", "eth7"}},
	{name: "weight in a sync group",
		raw:    "vrrp_sync_group all {\n group {\n VI_1\n }\n}\n" + scripted("weight 30", "chk"),
		says:   []string{"ignoring tracked script chk with weights due to SYNC group"},
		change: checked,
		warned: []string{"script /bin/true", "track_script chk: keepalived ignores its weight in a vrrp_sync_group"}},
	{name: "weight of a sync group",
		raw:    script + "weight 8\n}\n" + instance("") + "vrrp_sync_group all {\n group {\n VI_1\n }\n track_script {\n chk\n }\n notify_master /bin/page\n}\n",
		change: checked,
		warned: []string{"script /bin/true", "advertises 108", "notify_master /bin/page: nothing is run"}},
	{name: "sync group of others",
		raw:    "vrrp_sync_group all {\n group {\n VI_2\n }\n}\n" + instance(""),
		warned: []string{"vrrp_sync_group: the instance is not in the group"}},

	// What keepalived clears.
	{name: "nopreempt of a master",
		raw:    instance("state MASTER\npriority 100\nnopreempt"),
		says:   []string{"nopreempt will not work with initial state MASTER - clearing"},
		warned: []string{"nopreempt: keepalived clears it with state MASTER"}},
	{name: "nopreempt of a backup",
		raw:    instance("state BACKUP\nnopreempt"),
		silent: true,
		change: func(c *v1alpha1.HarbingerConfiguration) { c.Election.VRRP.Preempt = new(false) }},
	{name: "nopreempt of a master in strict mode",
		raw:    "global_defs {\n vrrp_strict\n}\n" + instance("state MASTER\npriority 100\nnopreempt"),
		says:   []string{"State MASTER must match being address owner"},
		change: func(c *v1alpha1.HarbingerConfiguration) { c.Election.VRRP.Preempt = new(false) },
		warned: []string{"vrrp_strict: what it checks"}},
	{name: "preempt after nopreempt",
		raw:    instance("nopreempt\npreempt"),
		silent: true,
		change: func(c *v1alpha1.HarbingerConfiguration) { c.Election.VRRP.Preempt = new(true) }},
	{name: "delay of a master",
		raw:    instance("state MASTER\npriority 100\npreempt_delay 9"),
		says:   []string{"preempt delay will not work with initial state MASTER - clearing"},
		warned: []string{"preempt_delay 9: keepalived clears it with state MASTER"}},
	{name: "delay beside nopreempt",
		raw:    instance("nopreempt\npreempt_delay 9"),
		says:   []string{"preempt_delay is incompatible with nopreempt mode - resetting"},
		change: func(c *v1alpha1.HarbingerConfiguration) { c.Election.VRRP.Preempt = new(false) },
		warned: []string{"preempt_delay 9: keepalived clears it beside nopreempt"}},
	{name: "delay in strict mode",
		raw:    instance("strict_mode on\npreempt_delay 9"),
		says:   []string{"preempt_delay is incompatible with strict mode - resetting"},
		warned: []string{"strict_mode on: what it checks", "preempt_delay 9: keepalived clears it in strict mode"}},
	{name: "delay that is none",
		raw:    instance("preempt_delay 1001"),
		says:   []string{"Preempt_delay not valid! must be between 0-1000"},
		warned: []string{"want 0 to 1000 seconds"}},
	{name: "state that is none",
		raw:    instance("state SLAVE\nnopreempt"),
		says:   []string{"unknown state 'SLAVE', defaulting to BACKUP"},
		change: func(c *v1alpha1.HarbingerConfiguration) { c.Election.VRRP.Preempt = new(false) },
		warned: []string{"state SLAVE: keepalived knows MASTER and BACKUP"}},
	{name: "two states",
		raw:    instance("state MASTER\nstate BACKUP\npriority 100\nnopreempt"),
		says:   []string{"state previously set as MASTER - ignoring BACKUP", "clearing"},
		warned: []string{"state BACKUP: the state is MASTER already", "nopreempt: keepalived clears it"}},

	// What is missing, and what is not valid.
	{name: "no router ID",
		raw:     strings.Replace(instance(""), "virtual_router_id 51", "", 1),
		says:    []string{"the virtual router id must be set"},
		refused: []string{"virtual_router_id is missing"}},
	{name: "router ID of a template",
		raw:     strings.Replace(instance(""), "51", "$ID", 1),
		says:    []string{`VRID '\$ID' not valid`},
		refused: []string{"virtual_router_id $ID: this is a template"}},
	{name: "router ID 0",
		raw:     strings.Replace(instance(""), "51", "0", 1),
		says:    []string{"VRID '0' not valid"},
		refused: []string{"virtual_router_id 0: want a whole number from 1 to 255"}},
	{name: "no interface",
		raw:     strings.Replace(instance(""), "interface eth0", "", 1),
		says:    []string{"Unknown interface!"},
		refused: []string{"interface is missing"}},
	{name: "interface of the address",
		raw:    strings.Replace(vips("10.0.0.100/24 dev eth0"), "interface eth0", "unicast_src_ip 10.0.0.1\nunicast_peer {\n10.0.0.2\n}", 1),
		change: unicast("10.0.0.1", "10.0.0.2")},
	{name: "priority 255",
		raw:     instance("priority 255"),
		silent:  true,
		refused: []string{"priority 255: 255 is for the owner of the address: give 254"}},
	{name: "master without a priority",
		raw:     instance("state MASTER"),
		silent:  true,
		refused: []string{"state MASTER: priority is missing: with state MASTER keepalived takes 255"}},
	{name: "priority 0",
		raw:    instance("priority 0"),
		says:   []string{"Priority not valid! must be between 1 & 255. Using default 100"},
		warned: []string{"priority 0: want a whole number from 1 to 255: keepalived takes 100"}},
	{name: "priority of a word",
		raw:    instance("priority high"),
		says:   []string{"Using default 100"},
		warned: []string{"keepalived takes 100"}},
	{name: "half a second",
		raw:  instance("advert_int 0.5"),
		says: []string{"VRRPv2 advertisement interval 0.500000s must be an integer. rounding"},
		change: func(c *v1alpha1.HarbingerConfiguration) {
			c.Election.VRRP.AdvertisementInterval = converttest.Seconds(1)
		},
		warned: []string{"advert_int 0.5: version 2 has no such interval: keepalived takes 1s"}},
	{name: "two seconds and a half",
		raw:  instance("advert_int 2.5"),
		says: []string{"must be an integer. rounding"},
		change: func(c *v1alpha1.HarbingerConfiguration) {
			c.Election.VRRP.AdvertisementInterval = converttest.Seconds(3)
		},
		warned: []string{"keepalived takes 3s"}},
	{name: "milliseconds in version 3",
		raw:  instance("version 3\nadvert_int 0.123"),
		says: []string{"VRRPv3 advertisement interval 0.123000s must be in units of 10ms - rounding"},
		change: func(c *v1alpha1.HarbingerConfiguration) {
			c.Election.VRRP.Version, c.Election.VRRP.AdvertisementInterval = 3, converttest.Seconds(.12)
		},
		warned: []string{"keepalived takes 120ms"}},
	{name: "a minute in version 3",
		raw:  instance("version 3\nadvert_int 60"),
		says: []string{"is out of range. Must be less than 40.96s. Setting to 40.95s"},
		change: func(c *v1alpha1.HarbingerConfiguration) {
			c.Election.VRRP.Version, c.Election.VRRP.AdvertisementInterval = 3, converttest.Seconds(40.95)
		},
		warned: []string{"keepalived takes 40.95s"}},
	{name: "no interval",
		raw:    instance("advert_int 0"),
		says:   []string{"Must be > 0 - ignoring"},
		warned: []string{"advert_int 0: want 0.01 to 255 seconds: keepalived takes 1 s"}},
	{name: "interval with a unit",
		raw:    instance("advert_int 1s"),
		says:   []string{`Advert interval \(1s\) not valid`},
		warned: []string{"keepalived takes 1 s"}},
	{name: "version 4",
		raw:    instance("version 4"),
		says:   []string{"Version must be either 2 or 3"},
		warned: []string{"version 4: want 2 or 3: keepalived takes 2"}},
	{name: "version 4 for all",
		raw:    "global_defs {\n vrrp_version 4\n}\n" + instance(""),
		says:   []string{"Version must be either 2 or 3"},
		warned: []string{"vrrp_version 4: want 2 or 3: keepalived takes 2"}},
	{name: "IPv6",
		raw:    "global_defs {\n vrrp_version 2\n}\n" + vips("fd00::100/64"),
		silent: true,
		change: func(c *v1alpha1.HarbingerConfiguration) {
			c.VirtualAddresses, c.Election.VRRP.Version = []string{"fd00::100/64"}, 3
		}},
	{name: "an instance of the same name",
		raw:    instance("") + instance("priority 7"),
		says:   []string{"vrrp instance VI_1 already defined"},
		warned: []string{"vrrp_instance VI_1: there is one of this name already, in line 1: keepalived skips it"}},
	{name: "an instance without a name",
		raw:    "vrrp_instance {\n interface eth1\n}\n" + instance(""),
		says:   []string{"vrrp_instance must have a name"},
		warned: []string{"it has no name: keepalived skips it"}},
	{name: "group of the RFC",
		raw:    "global_defs {\n vrrp_mcast_group4 224.0.0.18\n}\n" + instance(""),
		silent: true},
	{name: "group of the other family",
		raw:    "global_defs {\n vrrp_mcast_group6 ff02::99\n}\n" + instance(""),
		silent: true},

	// Peers and the own address.
	{name: "peer with a comma",
		raw:    instance("unicast_src_ip 10.0.0.21\nunicast_peer {\n 10.0.0.22, #the others\n 10.0.0.23\n}"),
		says:   []string{`malformed unicast peer address\[10.0.0.22,\]. Skipping`},
		change: unicast("10.0.0.21", "10.0.0.22", "10.0.0.23"),
		warned: []string{"keepalived.conf:9: 10.0.0.22,: keepalived skips this peer, as it wants one address a line and nothing behind it: it sends nothing to 10.0.0.22"}},
	{name: "peers with commas in a line",
		raw:    instance("unicast_src_ip 10.0.0.21\nunicast_peer {\n 10.0.0.22,10.0.0.23\n}"),
		says:   []string{`malformed unicast peer address\[10.0.0.22,10.0.0.23\]`},
		change: unicast("10.0.0.21", "10.0.0.22", "10.0.0.23"),
		warned: []string{"sends nothing to 10.0.0.22 and 10.0.0.23"}},
	{name: "peer with a semicolon",
		raw:    instance("unicast_src_ip 10.0.0.21\nunicast_peer {\n 10.0.0.22;\n}"),
		says:   []string{`malformed unicast peer address\[10.0.0.22;\]`},
		change: unicast("10.0.0.21", "10.0.0.22"),
		warned: []string{"keepalived skips this peer"}},
	{name: "peer with a wide comma",
		raw:    instance("unicast_src_ip 10.0.0.21\nunicast_peer {\n 10.0.0.22，\n}"),
		says:   []string{"malformed unicast peer address"},
		change: unicast("10.0.0.21", "10.0.0.22"),
		warned: []string{"keepalived skips this peer"}},
	{name: "peers in a line",
		raw:    instance("unicast_src_ip 10.0.0.21\nunicast_peer {\n 10.0.0.22 10.0.0.23\n}"),
		says:   []string{"10.0.0.23 is missing a value"},
		change: unicast("10.0.0.21", "10.0.0.22", "10.0.0.23"),
		warned: []string{"keepalived reads one peer a line: it sends to 10.0.0.22 only"}},
	{name: "peer with a prefix",
		raw:    instance("unicast_src_ip 10.0.0.21\nunicast_peer {\n 10.0.0.22/24\n}"),
		silent: true,
		change: unicast("10.0.0.21", "10.0.0.22")},
	{name: "peer of the other family",
		raw:    instance("unicast_src_ip 10.0.0.21\nunicast_peer {\n 10.0.0.22\n fd00::2\n}"),
		says:   []string{`unicast peer address\[fd00::2\] MUST be of the same family`},
		change: unicast("10.0.0.21", "10.0.0.22"),
		warned: []string{"fd00::2: keepalived skips this peer"}},
	{name: "one peer, and no own address",
		raw:     instance("unicast_peer {\n 10.0.0.22\n}"),
		silent:  true,
		refused: []string{"vrrp_instance VI_1: unicast_src_ip is missing: add unicast_src_ip with the address of this host"}},
	{name: "one peer, and the own address for multicast",
		raw:    instance("mcast_src_ip 10.0.0.21\nunicast_peer {\n 10.0.0.22\n}"),
		silent: true,
		change: unicast("10.0.0.21", "10.0.0.22")},
	{name: "own address twice",
		raw:    instance("mcast_src_ip 10.0.0.21\nunicast_src_ip 10.0.0.21\nunicast_peer {\n 10.0.0.22\n}"),
		silent: true,
		change: unicast("10.0.0.21", "10.0.0.22")},
	{name: "two own addresses",
		raw:    instance("unicast_src_ip 10.0.0.21\nmcast_src_ip 10.0.0.31\nunicast_peer {\n 10.0.0.22\n}"),
		change: unicast("10.0.0.22", "10.0.0.31"),
		warned: []string{"unicast_src_ip 10.0.0.21: keepalived takes the last address that is said: 10.0.0.31"}},
	{name: "own address with a comma",
		raw:    instance("unicast_src_ip 10.0.0.21,\nunicast_peer {\n 10.0.0.22\n 10.0.0.23\n}"),
		says:   []string{`malformed src address\[10.0.0.21,\]. Skipping`},
		change: unicast("10.0.0.22", "10.0.0.23"),
		warned: []string{"unicast_src_ip is missing", "unicast_src_ip 10.0.0.21,: want an address"}},
	{name: "own address of the other family",
		raw:    strings.Replace(instance("mcast_src_ip fd00::1"), " virtual_router_id", " virtual_router_id", 1),
		says:   []string{"MUST be of the same family"},
		warned: []string{"mcast_src_ip fd00::1: it must be of the family"}},
	{name: "own address for multicast",
		raw:    instance("mcast_src_ip 10.0.0.21"),
		silent: true,
		warned: []string{"left out so that the file fits all of them"}},
	{name: "own address for no peers",
		raw:    instance("unicast_src_ip 10.0.0.21"),
		says:   []string{"Defaulting to multicast"},
		warned: []string{"there is no unicast_peer: keepalived sends multicast"}},

	// Virtual addresses.
	{name: "two addresses",
		raw:     vips("10.0.0.100/24\n10.0.0.101/24"),
		silent:  true,
		refused: []string{"keepalived.conf:6: 10.0.0.101/24: there is 10.0.0.100/24 already"}},
	{name: "two families",
		raw:    vips("10.0.0.100/24\nfd00::100/64"),
		says:   []string{`address family must match VRRP instance \[fd00::100/64\] - ignoring`},
		warned: []string{"fd00::100/64: keepalived ignores it"}},
	{name: "an address with a comma",
		raw:    vips("10.0.0.100/24,"),
		says:   []string{"invalid number '24,'"},
		warned: []string{"10.0.0.100/24,: keepalived wants one address a line and nothing behind it: 10.0.0.100/24 is taken"}},
	{name: "an address twice",
		raw:    vips("10.0.0.100/24\n10.0.0.100/24"),
		silent: true,
		warned: []string{"the address is there already"}},
	{name: "an option of a word",
		raw:    vips("10.0.0.100/24 dev eth0 lable x"),
		says:   []string{"Unknown configuration entry 'lable'"},
		warned: []string{`keepalived ignores "lable"`, `keepalived ignores "x"`}},
	{name: "options with and without a value",
		raw:    vips("10.0.0.100/24 brd 10.0.0.255 noprefixroute dev eth0 no_track scope link label eth0:9"),
		silent: true,
		warned: []string{"scope has no counterpart"}},
	{name: "another interface",
		raw:     vips("10.0.0.100/24 dev eth1"),
		silent:  true,
		refused: []string{`10.0.0.100/24 dev eth1: the address must be on the interface of the instance, "eth0"`}},

	// Authentication.
	{name: "password up to a comment",
		raw:    authenticated("Z%#zz!1"),
		silent: true,
		change: password("Z%"),
		warned: []string{"auth_pass: the password ends before # or !, where a comment begins, as for keepalived: 2 bytes"}},
	{name: "password up to an exclamation mark",
		raw:    authenticated("abc!"),
		silent: true,
		change: password("abc"),
		warned: []string{"3 bytes of it count"}},
	{name: "password in quotes",
		raw:    authenticated(`"a #!b"`),
		silent: true,
		change: password("a #!b")},
	{name: "password in single quotes",
		raw:    authenticated("'a b'"),
		silent: true,
		change: password("'a"),
		warned: []string{"auth_pass: keepalived reads one statement a line: from there on it is left out"}},
	{name: "password with an escape",
		raw:    authenticated(`x\#y`),
		silent: true,
		change: password("x"),
		warned: []string{"1 bytes of it count"}},
	{name: "long password",
		raw:    authenticated("123456789"),
		says:   []string{"Truncating auth_pass to 8 characters"},
		change: password("12345678"),
		warned: []string{"only the first 8 bytes count"}},
	{name: "password of a comment",
		raw:     authenticated("#secret"),
		says:    []string{"`auth_pass` is missing a parameter"},
		refused: []string{"auth_pass: a password is missing"}},
	{name: "password with a dollar",
		raw:    authenticated("$ab"),
		silent: true,
		change: password("$ab")},
	{name: "password without a type",
		raw:    instance("authentication {\n auth_pass abc\n}"),
		silent: true,
		warned: []string{"auth_pass: auth_type is missing: keepalived sends no password"}},
	{name: "type without a password",
		raw:    instance("authentication {\n auth_type PASS\n}"),
		says:   []string{"Authentication specified but no password given. Ignoring"},
		warned: []string{"auth_pass is missing"}},
	{name: "type that is none",
		raw:    instance("authentication {\n auth_type SIMPLE\n auth_pass abc\n}"),
		says:   []string{"unknown authentication type 'SIMPLE'"},
		warned: []string{"auth_type SIMPLE: keepalived knows PASS and AH"}},
	{name: "both in a line",
		raw:    instance("authentication { auth_type PASS auth_pass hush }"),
		says:   []string{"Authentication specified but no password given. Ignoring"},
		warned: []string{`auth_type: keepalived reads one statement a line: from "auth_pass" on it is left out`, "auth_type PASS: auth_pass is missing"}},
	{name: "password in strict mode",
		raw:    "global_defs {\n vrrp_strict\n}\n" + authenticated("abc"),
		says:   []string{"Strict mode does not support authentication. Ignoring"},
		warned: []string{"vrrp_strict", "auth_pass: keepalived has no authentication in strict mode"}},

	// What the lexer goes on with.
	{name: "unknown word",
		raw:    instance("wanted yes"),
		says:   []string{"Unknown keyword 'wanted'"},
		warned: []string{"wanted yes: not known to keepalived 2.2 and 2.4, which ignore it"}},
	{name: "unknown block",
		raw:    instance("track_scripts {\n chk\n}"),
		says:   []string{"Unknown keyword 'track_scripts'", "Unknown keyword '}'"},
		warned: []string{"track_scripts: not known to keepalived 2.2 and 2.4, which take the end of its block for that of vrrp_instance"}},
	{name: "word of another block",
		raw:    instance("router_id cp-1"),
		says:   []string{"Unknown keyword 'router_id'"},
		warned: []string{"router_id cp-1: keepalived ignores it here: it belongs into global_defs"}},
	{name: "anything in a line that does not count",
		raw:    instance("notify_master \"/bin/sh -c 'echo {} $HOME @x ~y # !'\"\nsmtp_alert ${UNSET} {{ x }}"),
		warned: []string{"notify_master", "smtp_alert ${UNSET} {{ x }}"}},
	{name: "open quote",
		raw:    instance("notify \"/bin/page"),
		says:   []string{"Unmatched quote"},
		warned: []string{"the quote is not closed", "notify: nothing is run"}},
	{name: "open block",
		raw:    strings.TrimRight(instance(""), "}\n"),
		says:   []string{"There are 2 missing '}'s"},
		warned: []string{"vrrp_instance VI_1: the block is not closed", "virtual_ipaddress: the block is not closed"}},
	{name: "a brace too many",
		raw:    instance("") + "}\n",
		says:   []string{"Extra '}' found"},
		warned: []string{"closes no block"}},
	{name: "a block of nothing",
		raw:    instance("{\n priority 9\n}\n"),
		says:   []string{"Unexpected '{' - ignoring"},
		change: func(c *v1alpha1.HarbingerConfiguration) { c.Election.VRRP.Priority = new(int32(9)) },
		warned: []string{"opens a block of nothing", "mode Hybrid"}},
	{name: "braces anywhere",
		raw:     "global_defs{vrrp_version 3}vrrp_instance VI_1\n{interface eth0\nvirtual_router_id 51}vrrp_sync_group a{group{VI_1}}",
		refused: []string{"virtual_ipaddress has no address"}},
	{name: "a brace too few",
		raw:    instance("authentication {\n auth_type PASS\n auth_pass abc\n unicast_peer {\n 10.0.0.2\n }"),
		says:   []string{"Unknown keyword 'unicast_peer'", "Extra '}' found|missing '}'"},
		change: password("abc"),
		warned: []string{"vrrp_instance VI_1: the block is not closed", "unicast_peer: keepalived takes the end of its block for that of authentication: it belongs into vrrp_instance"}},
	{name: "a block behind a value",
		raw:    instance("priority 90 {\n nopreempt\n}"),
		says:   []string{"Unexpected '{' - ignoring"},
		change: func(c *v1alpha1.HarbingerConfiguration) { c.Election.VRRP.Priority = new(int32(90)) },
		warned: []string{"priority: it has no block: keepalived takes the end of the one here for that of vrrp_instance"}},
	{name: "a byte order mark",
		raw:    "\ufeff" + instance(""),
		warned: []string{"the file begins with a byte order mark"}},
	{name: "priorities",
		raw:    instance("priority 80\npriority 90"),
		silent: true,
		change: func(c *v1alpha1.HarbingerConfiguration) { c.Election.VRRP.Priority = new(int32(90)) },
		warned: []string{"priority: it is said again in line 8, which counts"}},
	{name: "a template",
		raw:     instance("{% if master %}\nnopreempt\n{% endif %}"),
		refused: []string{"{% if master %}: this is a template", "{% endif %}: this is a template"}},
	{name: "static addresses",
		raw:    "static_ipaddress {\n 10.0.0.5/24 dev eth0\n}\n" + instance(""),
		warned: []string{"static_ipaddress: Harbinger has nothing static"}},
}

// base is the configuration of the instance that the files have.
func base() v1alpha1.HarbingerConfiguration {
	want := v1alpha1.HarbingerConfiguration{VirtualAddresses: []string{"10.0.0.100/24"}, Interface: "eth0"}
	want.Election = v1alpha1.Election{Mode: "VRRP", VRRP: v1alpha1.VRRP{Version: 2, VirtualRouterID: new(int32(51)), Priority: new(int32(100)), AdvertisementInterval: converttest.Seconds(1)}}
	return want
}

func TestBehavior(t *testing.T) {
	for _, tt := range behaviors {
		t.Run(tt.name, func(t *testing.T) {
			var got v1alpha1.HarbingerConfiguration
			found := keepalived.Convert(convert.File{Name: "keepalived.conf", Content: []byte(tt.raw)}, keepalived.Options{}, &got)
			converttest.Check(t, converttest.Warned(found), tt.warned)
			converttest.Check(t, converttest.Texts(found, convert.Refused), tt.refused)
			if tt.refused != nil {
				return
			}
			want := base()
			if tt.change != nil {
				tt.change(&want)
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("configuration (-want +got):\n%s", diff)
			}
			if len(got.Election.VRRP.Peers) != 1 {
				if _, err := scheme.Complete(&got); err != nil {
					t.Errorf("the configuration is not valid: %v", err)
				}
			}
		})
	}
}

// The real keepalived says of each file what the test above is made of.
func TestBehaviorOfKeepalived(t *testing.T) {
	program, err := lab.FindProgram("keepalived")
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "keepalived.conf")
	for _, tt := range behaviors {
		if tt.says == nil && !tt.silent {
			continue
		}
		t.Run(tt.name, func(t *testing.T) {
			if err := os.WriteFile(file, []byte("global_defs {\n dynamic_interfaces\n}\n"+tt.raw), 0o600); err != nil {
				t.Fatal(err)
			}
			out, err := exec.Command(program, "--config-test", "--use-file", file).CombinedOutput()
			if tt.silent && err != nil {
				t.Errorf("keepalived does not accept the file: %v: %s", err, out)
			}
			for _, text := range tt.says {
				if !regexp.MustCompile(text).Match(out) {
					t.Errorf("keepalived does not say %q:\n%s", text, out)
				}
			}
		})
	}
}

// complete is a file with most of what an instance may have, each statement in a line of its own.
const complete = `global_defs {
  router_id cp-1
  vrrp_version 2
  vrrp_garp_master_delay 2
  smtp_server 10.0.0.9
}
vrrp_script api {
  script "/usr/bin/curl -kfs https://127.0.0.1:6443/livez"
  interval 1
  timeout 1
  fall 2
  rise 3
  weight -15
  user root
}
vrrp_track_process proxy {
  process envoy
  weight 5
}
track_file maintenance {
  file /run/maintenance
  weight 0
}
vrrp_sync_group all {
  group {
    VI_1
  }
  smtp_alert
}
vrrp_instance VI_1 {
  state BACKUP
  interface eth0
  virtual_router_id 51
  priority 110
  advert_int 2
  preempt_delay 20
  garp_master_refresh 30
  dont_track_primary
  mcast_src_ip 10.0.0.21
  unicast_src_ip 10.0.0.21
  unicast_peer {
    10.0.0.22
    10.0.0.23
  }
  authentication {
    auth_type PASS
    auth_pass hush
  }
  virtual_ipaddress {
    10.0.0.100/24 label eth0:vip
  }
  track_script {
    api
  }
  track_process {
    proxy
  }
  track_file {
    maintenance
  }
  track_interface {
    eth0
    eth5
  }
  notify_master /bin/page
  nonsense
}
`

// The report has every line that says something, and not the password.
func TestEachStatementIsSaid(t *testing.T) {
	var got v1alpha1.HarbingerConfiguration
	found := keepalived.Convert(convert.File{Name: "keepalived.conf", Content: []byte(complete)}, keepalived.Options{}, &got)
	if err := found.Err(); err != nil {
		t.Fatal(err)
	}
	said := map[int]bool{}
	for _, f := range found.All() {
		said[f.Line] = true
		if strings.Contains(f.String(), "hush") {
			t.Errorf("the password is printed: %s", f)
		}
	}
	for i, line := range strings.Split(complete, "\n") {
		if line = strings.TrimSpace(line); line != "" && line != "}" && !strings.HasSuffix(line, "{") && !said[i+1] {
			t.Errorf("nothing is said of line %d: %s", i+1, line)
		}
	}
	want := base()
	v := &want.Election.VRRP
	v.Priority, v.AdvertisementInterval, v.PreemptDelay = new(int32(110)), converttest.Seconds(2), converttest.Seconds(20)
	v.Peers = []string{"10.0.0.21", "10.0.0.22", "10.0.0.23"}
	v.Authentication = v1alpha1.Authentication{Type: "Password", Password: "hush"}
	want.HealthCheck = v1alpha1.HealthCheck{Interval: converttest.Seconds(1), Timeout: converttest.Seconds(1), FailureThreshold: 2, SuccessThreshold: 3}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("configuration (-want +got):\n%s", diff)
	}
}

// Whatever host a file is from, the result is the same, but for the priority.
func TestOneFileFitsAllHosts(t *testing.T) {
	hosts := []string{"10.0.0.21", "10.0.0.22", "10.0.0.23"}
	var results []v1alpha1.HarbingerConfiguration
	for i, own := range hosts {
		peers := strings.Join(append(append([]string{}, hosts[:i]...), hosts[i+1:]...), "\n")
		state := "BACKUP"
		if i == 0 {
			state = "MASTER"
		}
		var got v1alpha1.HarbingerConfiguration
		found := keepalived.Convert(convert.File{Name: "keepalived.conf", Content: []byte("global_defs {\nrouter_id " + own + "\n}\n" + instance(
			"state "+state+"\npriority 100\nmcast_src_ip "+own+"\nunicast_src_ip "+own+"\nunicast_peer {\n"+peers+"\n}"))}, keepalived.Options{}, &got)
		if err := found.Err(); err != nil {
			t.Fatal(err)
		}
		converttest.Check(t, converttest.Warned(found), nil)
		results = append(results, got)
	}
	for _, other := range results[1:] {
		if diff := cmp.Diff(results[0], other); diff != "" {
			t.Errorf("the results of two hosts differ:\n%s", diff)
		}
	}
}
