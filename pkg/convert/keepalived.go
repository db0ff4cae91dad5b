// SPDX-License-Identifier: Apache-2.0

package convert

import (
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/harbinger-ha/harbinger/pkg/apis/config/v1alpha1"
	"github.com/harbinger-ha/harbinger/pkg/election"
	"github.com/harbinger-ha/harbinger/pkg/vrrp"
)

// The limits of keepalived and of the election.
const (
	passLength = 8 // bytes: keepalived cuts the rest off
	claimFrom  = 240
)

// keepalived reads one file.
type keepalived struct {
	findings
	cfg      *v1alpha1.HarbingerConfiguration
	version  int32  // of global_defs
	instance string // the one vrrp_instance; empty: none yet
	source   string // unicast_src_ip
	devs     []statement
}

// Keepalived puts what a keepalived.conf says into a configuration: one vrrp_instance and the script it tracks. What has no
// counterpart is a warning; what is not known, or would be lost with harm, is an error. The mode is VRRP, so that hosts with
// Harbinger and hosts with keepalived elect together.
func Keepalived(file string, raw []byte, cfg *v1alpha1.HarbingerConfiguration) ([]Warning, error) {
	k := &keepalived{findings: findings{file: file}, cfg: cfg, version: 2}
	statements := k.parse(string(raw))
	for _, s := range statements { // keepalived reads global_defs first, wherever they are
		if s.word(0) == "global_defs" {
			k.each(s, globalDefs)
		}
	}
	for _, s := range statements {
		k.top(s)
	}
	if k.instance == "" && len(k.errs) == 0 {
		k.fail(statement{line: 1, words: []string{"vrrp_instance"}}, "there is none")
	}
	return k.result()
}

// setting carries one statement over.
type setting func(*keepalived, statement)

func (k *keepalived) each(block statement, settings map[string]setting) {
	for _, s := range block.block {
		set, ok := settings[s.word(0)]
		if !ok {
			k.fail(s, "not known to this command: remove the line if it may be left out")
			continue
		}
		set(k, s)
	}
}

func (k *keepalived) top(s statement) {
	switch s.word(0) {
	case "global_defs":
	case "vrrp_script":
		k.each(s, scriptSettings)
	case "vrrp_instance":
		if k.instance != "" {
			k.fail(s, "there is a %s already: one pod has one virtual router, whose addresses move together", k.instance)
			return
		}
		k.instance = strings.Join(s.words, " ")
		k.each(s, instanceSettings)
		k.finish(s)
	case "vrrp_sync_group":
		k.warn(s, "not needed: the addresses of one pod move together")
	case "virtual_server", "virtual_server_group":
		k.fail(s, "Harbinger has a balancer of its own and does not set up IPVS")
	default:
		k.fail(s, "not known to this command: remove the block if it may be left out")
	}
}

// finish completes what several statements say together.
func (k *keepalived) finish(instance statement) {
	v := &k.cfg.Election.VRRP
	k.cfg.Election.Mode = string(election.VRRP)
	if v.Version == 0 {
		v.Version = k.version
	}
	if v.Version == 3 && v.Authentication.Password != "" {
		k.warn(instance, "version 3 has no authentication: the password is left out, as keepalived does")
		v.Authentication = v1alpha1.Authentication{}
	}
	if v.Version == 2 {
		v.Checksum = ""
	}
	for _, dev := range k.devs {
		if dev.word(len(dev.words)-1) != k.cfg.Interface {
			k.fail(dev, "the address must be on the interface of the instance, %q", k.cfg.Interface)
		}
	}
	switch {
	case v.Peers == nil:
	case k.source == "":
		k.warn(instance, "unicast_src_ip is missing: add the address of this host to election.vrrp.peers")
	case !slices.Contains(v.Peers, k.source):
		v.Peers = append(v.Peers, k.source)
	}
	slices.SortFunc(v.Peers, func(a, b string) int { // the same list on each host
		return netip.MustParseAddr(a).Compare(netip.MustParseAddr(b))
	})
	if v.Priority == nil {
		v.Priority = new(int32(100)) // keepalived's default
	}
}

// address reads an address of a list.
func (k *keepalived) address(s statement, text string) (netip.Addr, bool) {
	addr, err := netip.ParseAddr(text)
	if err != nil || addr.Zone() != "" {
		k.fail(s, "want an address, not %q", text)
		return addr, false
	}
	return addr, true
}

func ignore(*keepalived, statement) {}

func warning(text string) setting { return func(k *keepalived, s statement) { k.warn(s, "%s", text) } }

func failure(text string) setting { return func(k *keepalived, s statement) { k.fail(s, "%s", text) } }

var globalDefs = map[string]setting{
	"router_id":                    ignore, // the name of the node
	"script_user":                  ignore, // no script is run
	"enable_script_security":       ignore,
	"vrrp_skip_check_adv_addr":     ignore,
	"vrrp_garp_master_refresh":     ignore, // built in
	"vrrp_garp_master_delay":       ignore,
	"vrrp_garp_master_repeat":      ignore,
	"vrrp_garp_lower_prio_delay":   ignore,
	"vrrp_garp_lower_prio_repeat":  ignore,
	"vrrp_garp_interval":           ignore,
	"vrrp_gna_interval":            ignore,
	"vrrp_higher_prio_send_advert": ignore,
	"vrrp_rt_priority":             ignore,
	"vrrp_version":                 func(k *keepalived, s statement) { k.version = k.number(s, s.word(1), 2, 3) },
	"vrrp_strict":                  warning("what it checks is checked anyway, but for authentication"),
	"v3_checksum_as_v2":            rfcChecksum,
	"vrrp_mcast_group4": func(k *keepalived, s statement) {
		if s.word(1) != "224.0.0.18" {
			k.fail(s, "the group is always 224.0.0.18")
		}
	},
	"notification_email":      warning(notify),
	"notification_email_from": warning(notify),
	"smtp_server":             warning(notify),
	"smtp_connect_timeout":    warning(notify),
	"smtp_alert":              warning(notify),
	"enable_snmp_vrrp":        warning("there are metrics for Prometheus instead"),
	"enable_snmp_keepalived":  warning("there are metrics for Prometheus instead"),
}

const notify = "nothing is run or mailed: alert on the metrics instead"

func rfcChecksum(k *keepalived, s statement) {
	if v := s.word(1); v == "" || v == "on" || v == "true" || v == "yes" {
		k.cfg.Election.VRRP.Checksum = string(vrrp.ChecksumRFC9568)
	}
}

var scriptSettings = map[string]setting{
	"script":    warning("each backend is checked by the balancer itself: see healthCheck"),
	"interval":  func(k *keepalived, s statement) { k.cfg.HealthCheck.Interval = k.duration(s, s.word(1), time.Second) },
	"fall":      func(k *keepalived, s statement) { k.cfg.HealthCheck.FailureThreshold = k.number(s, s.word(1), 1, 1000) },
	"rise":      func(k *keepalived, s statement) { k.cfg.HealthCheck.SuccessThreshold = k.number(s, s.word(1), 1, 1000) },
	"timeout":   func(k *keepalived, s statement) { k.cfg.HealthCheck.Timeout = k.duration(s, s.word(1), time.Second) },
	"weight":    ignore, // a host without a healthy backend gives way
	"user":      ignore,
	"init_fail": ignore,
}

var instanceSettings = map[string]setting{
	"state":        ignore, // the election decides
	"track_script": ignore, // built in
	"interface":    func(k *keepalived, s statement) { k.cfg.Interface = s.word(1) },
	"virtual_router_id": func(k *keepalived, s statement) {
		k.cfg.Election.VRRP.VirtualRouterID = new(k.number(s, s.word(1), 1, 255))
	},
	"priority": func(k *keepalived, s statement) {
		k.cfg.Election.VRRP.Priority = new(k.number(s, s.word(1), 1, 254))
		if n := *k.cfg.Election.VRRP.Priority; n < 11 || n >= claimFrom {
			k.warn(s, "mode Hybrid, once keepalived is gone, wants 11 to 239 on every host")
		}
	},
	"advert_int": func(k *keepalived, s statement) {
		k.cfg.Election.VRRP.AdvertisementInterval = k.duration(s, s.word(1), time.Second)
	},
	"version":                    func(k *keepalived, s statement) { k.cfg.Election.VRRP.Version = k.number(s, s.word(1), 2, 3) },
	"authentication":             func(k *keepalived, s statement) { k.each(s, authenticationSettings) },
	"unicast_src_ip":             sourceOf,
	"mcast_src_ip":               func(k *keepalived, s statement) { k.cfg.Election.VRRP.SourceAddress = s.word(1) },
	"unicast_peer":               peersOf,
	"virtual_ipaddress":          addressesOf,
	"virtual_ipaddress_excluded": failure("Harbinger holds no address that it does not advertise"),
	"virtual_routes":             failure("Harbinger adds no routes"),
	"virtual_rules":              failure("Harbinger adds no rules"),
	"preempt":                    func(k *keepalived, _ statement) { k.cfg.Election.VRRP.Preempt = new(true) },
	"nopreempt":                  func(k *keepalived, _ statement) { k.cfg.Election.VRRP.Preempt = new(false) },
	"preempt_delay": func(k *keepalived, s statement) {
		k.cfg.Election.VRRP.PreemptDelay = k.duration(s, s.word(1), time.Second)
	},
	"garp_master_refresh":        ignore, // built in
	"garp_master_refresh_repeat": ignore,
	"garp_master_delay":          ignore,
	"garp_master_repeat":         ignore,
	"garp_lower_prio_delay":      ignore,
	"garp_lower_prio_repeat":     ignore,
	"higher_prio_send_advert":    ignore,
	"accept":                     ignore,
	"debug":                      ignore,
	"skip_check_adv_addr":        ignore,
	"v3_checksum_as_v2":          rfcChecksum,
	"use_vmac":                   warning("the address has the MAC of the interface, and gratuitous ARP moves the traffic"),
	"vmac_xmit_base":             ignore,
	"dont_track_primary":         warning("an interface that loses its carrier loses the address"),
	"track_interface":            warning("only the interface of the addresses is watched"),
	"notify":                     warning(notify),
	"notify_master":              warning(notify),
	"notify_backup":              warning(notify),
	"notify_fault":               warning(notify),
	"notify_stop":                warning(notify),
	"smtp_alert":                 warning(notify),
}

var authenticationSettings = map[string]setting{
	"auth_type": func(k *keepalived, s statement) {
		if s.word(1) != "PASS" {
			k.fail(s, "only PASS is there")
		}
	},
	"auth_pass": func(k *keepalived, s statement) {
		password := s.word(1)
		masked := statement{line: s.line, words: []string{"auth_pass"}}
		if len(password) > passLength {
			k.warn(masked, "only the first %d bytes count, as for keepalived", passLength)
			password = password[:passLength]
		}
		if password == "" {
			k.fail(masked, "a password is missing")
			return
		}
		k.cfg.Election.VRRP.Authentication = v1alpha1.Authentication{Type: string(vrrp.AuthenticationPassword), Password: password}
	},
}

func sourceOf(k *keepalived, s statement) {
	if addr, ok := k.address(s, s.word(1)); ok {
		k.source = addr.String()
	}
}

func peersOf(k *keepalived, block statement) {
	if len(block.block) == 0 {
		k.fail(block, "the list is empty")
	}
	for _, s := range block.block {
		if len(s.words) > 1 {
			k.warn(s, "only the address counts")
		}
		if addr, ok := k.address(s, s.word(0)); ok && !slices.Contains(k.cfg.Election.VRRP.Peers, addr.String()) {
			k.cfg.Election.VRRP.Peers = append(k.cfg.Election.VRRP.Peers, addr.String())
		}
	}
}

// addressesOf reads the virtual addresses, each with its options.
func addressesOf(k *keepalived, block statement) {
	for _, s := range block.block {
		host, _, _ := strings.Cut(s.word(0), "/")
		if _, ok := k.address(s, host); !ok {
			continue
		}
		k.cfg.VirtualAddresses = append(k.cfg.VirtualAddresses, s.word(0))
		for i := 1; i < len(s.words); i += 2 {
			switch s.words[i] {
			case "dev":
				k.devs = append(k.devs, statement{line: s.line, words: s.words[:min(i+2, len(s.words))]})
			case "brd", "broadcast", "label", "scope", "preferred_lft":
			default:
				k.warn(s, "%s has no counterpart", s.words[i])
			}
		}
	}
}
