// SPDX-License-Identifier: Apache-2.0

package v1alpha1_test

import (
	"net/netip"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"pgregory.net/rapid"

	"github.com/harbinger-ha/harbinger/pkg/apis/config"
	"github.com/harbinger-ha/harbinger/pkg/apis/config/v1alpha1"
	"github.com/harbinger-ha/harbinger/pkg/balance"
	"github.com/harbinger-ha/harbinger/pkg/election"
	"github.com/harbinger-ha/harbinger/pkg/health"
	"github.com/harbinger-ha/harbinger/pkg/vrrp"
)

// document returns a document with every field set.
func document() *v1alpha1.HarbingerConfiguration {
	doc := &v1alpha1.HarbingerConfiguration{
		TypeMeta:         metav1.TypeMeta{APIVersion: v1alpha1.GroupVersion, Kind: v1alpha1.Kind},
		VirtualAddresses: []string{"192.168.238.100/24"},
		Interface:        "eth0",
		Election: v1alpha1.Election{VRRP: v1alpha1.VRRP{
			Peers:         []string{"192.168.238.130", "192.168.238.131"},
			SourceAddress: "192.168.238.130",
			PreemptDelay:  metav1.Duration{Duration: time.Second},
			Authentication: v1alpha1.Authentication{Type: "Password", Password: "secret", PasswordFile: "/etc/kubernetes/harbinger/password", HMAC: v1alpha1.HMAC{
				Keys: []v1alpha1.HMACKey{{ID: 1, File: "/etc/kubernetes/harbinger/vrrp-keys/1"}}, ActiveKey: 1, Mode: "Permissive", AntiReplay: "Time",
				TimeWindow: metav1.Duration{Duration: 7 * time.Second},
			}},
		}},
		LoadBalancer: v1alpha1.LoadBalancer{
			Backends:         []v1alpha1.Backend{{Address: "192.168.238.130:6443", Backup: true, Weight: new(int32(3)), ProxyProtocol: "V2"}},
			ConnectionLimits: v1alpha1.ConnectionLimits{PerBackend: 50, UnlimitedSources: []string{"192.168.239.0/24"}},
			SlowStart:        metav1.Duration{Duration: time.Second},
			PreferLocal:      true,
			Rebalance:        v1alpha1.Rebalance{PerSecond: 4},
		},
		Logging: v1alpha1.Logging{Verbosity: 1},
	}
	v1alpha1.SetDefaults_HarbingerConfiguration(doc)
	return doc
}

func toInternal(t *testing.T, doc *v1alpha1.HarbingerConfiguration) *config.HarbingerConfiguration {
	t.Helper()
	cfg, errs := v1alpha1.ToInternal(doc)
	if len(errs) > 0 {
		t.Fatal(errs.ToAggregate())
	}
	return cfg
}

// others are values for the fields whose text is parsed.
var others = map[string]string{
	"virtualAddresses": "192.168.238.99/24", "unlimitedSources": "192.168.240.0/24", "peers": "192.168.238.132", "sourceAddress": "192.168.238.133",
	"address": "192.168.238.134:7443", "bindAddress": "127.0.0.1:20443", "metricsBindAddress": "node:10445",
}

// leaves calls visit for each field of a document that holds a value, with its path and a function that gives it another one.
func leaves(v reflect.Value, path string, visit func(path string, change func())) {
	name := path[strings.LastIndex(path, ".")+1:]
	switch {
	case v.Type() == reflect.TypeFor[metav1.TypeMeta]():
	case v.Type() == reflect.TypeFor[metav1.Duration]():
		visit(path, func() { v.Field(0).SetInt(v.Field(0).Int() + int64(10*time.Millisecond)) })
	case v.Kind() == reflect.Struct:
		for i := range v.NumField() {
			tag, _, _ := strings.Cut(v.Type().Field(i).Tag.Get("json"), ",")
			leaves(v.Field(i), path+"."+tag, visit)
		}
	case v.Kind() == reflect.Slice:
		leaves(v.Index(0), path, visit)
	case v.Kind() == reflect.Pointer:
		leaves(v.Elem(), path, visit)
	case name == "minimumTTL":
		visit(path, func() { v.SetInt(v.Int() - 1) })
	case v.Kind() == reflect.Int32:
		visit(path, func() { v.SetInt(v.Int() + 1) })
	case v.Kind() == reflect.Bool:
		visit(path, func() { v.SetBool(!v.Bool()) })
	case others[name] != "":
		visit(path, func() { v.SetString(others[name]) })
	default:
		visit(path, func() { v.SetString("another") })
	}
}

// Every field of a document reaches the configuration, and comes back from it: none falls off at the border.
func TestConversionLosesNoField(t *testing.T) {
	base := toInternal(t, document())
	seen := 0
	for i := 0; ; i++ {
		doc, n, done := document(), 0, true
		leaves(reflect.ValueOf(doc).Elem(), "", func(path string, change func()) {
			if n++; n != i+1 {
				return
			}
			done = false
			seen++
			change()
			cfg := toInternal(t, doc)
			if reflect.DeepEqual(base, cfg) {
				t.Errorf("%s: another value changes nothing in the configuration", path)
			}
			if diff := cmp.Diff(doc, v1alpha1.FromInternal(cfg)); diff != "" {
				t.Errorf("%s: it does not come back (-want +got):\n%s", path, diff)
			}
		})
		if done {
			break
		}
	}
	if seen < 45 {
		t.Errorf("only %d fields were changed", seen)
	}
}

// Any configuration has a document, which means that configuration.
func TestRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		number := func(name string, low, high int) int { return rapid.IntRange(low, high).Draw(t, name) }
		duration := func(name string) time.Duration { return time.Duration(number(name, 1, 1_000_000)) * time.Millisecond }
		address := func(name string) netip.Addr {
			return netip.AddrFrom4([4]byte{192, 168, byte(number(name+" net", 0, 255)), byte(number(name, 1, 254))})
		}
		cfg := &config.HarbingerConfiguration{
			VirtualAddresses: []netip.Prefix{netip.PrefixFrom(address("virtual address"), number("bits", 1, 32))},
			ControlPlane:     config.ControlPlane{Port: uint16(number("port", 1, 65535)), APIServerPort: uint16(number("apiserver", 1, 65535)), ClusterName: "east"},
			Election: config.Election{
				Mode: rapid.SampledFrom([]election.Mode{election.Hybrid, election.VRRP, election.LeaseOnly}).Draw(t, "mode"),
				VRRP: config.VRRP{
					Version: vrrp.Version3, VirtualRouterID: uint8(number("VRID", 0, 255)), Priority: uint8(number("priority", 0, 255)),
					AdvertisementInterval: duration("interval"), Preempt: rapid.Bool().Draw(t, "preempt"), Checksum: vrrp.ChecksumRFC9568,
				},
				Lease: config.Arbitration{Namespace: "ha", Name: "east", LeaseTimes: election.LeaseTimes{RenewInterval: duration("renew"), Duration: duration("duration")}},
			},
			HealthCheck: health.Config{
				Scheme: rapid.SampledFrom([]health.Scheme{health.HTTPS, health.HTTP, health.TCP}).Draw(t, "scheme"), Path: "/livez",
				Interval: duration("check"), Timeout: duration("timeout"), FailureThreshold: number("fall", 1, 9), SuccessThreshold: number("rise", 1, 9),
			},
			Status: config.Endpoints{BindAddress: netip.AddrPortFrom(address("bind"), 80), IdentityPort: 1},
		}
		switch rapid.IntRange(0, 2).Draw(t, "metrics") {
		case 1:
			cfg.Status.Metrics = config.Metrics{Port: uint16(number("metrics port", 1, 65535)), TokenFile: "/t"}
		case 2:
			cfg.Status.Metrics = config.Metrics{Address: address("metrics"), Port: uint16(number("metrics port", 1, 65535)), CertFile: "/c", KeyFile: "/k"}
		}
		cfg.LoadBalancer.Steering.Port = uint16(number("steering", 1, 65535))
		for i := range number("backends", 0, 3) {
			cfg.LoadBalancer.Backends = append(cfg.LoadBalancer.Backends, balance.Backend{Address: netip.AddrPortFrom(address("backend"), 6443), Backup: i == 1, Weight: number("weight", 0, balance.MaxWeight),
				ProxyProtocol: rapid.SampledFrom([]balance.ProxyProtocol{balance.ProxyProtocolNone, balance.ProxyProtocolV2}).Draw(t, "protocol")})
		}
		got, errs := v1alpha1.ToInternal(v1alpha1.FromInternal(cfg))
		if len(errs) > 0 || !reflect.DeepEqual(cfg, got) {
			t.Fatalf("%+v\nbecame %+v: %v", cfg, got, errs)
		}
	})
}

func TestToInternalRefuses(t *testing.T) {
	for name, tc := range map[string]struct {
		change func(*v1alpha1.HarbingerConfiguration)
		want   string
	}{
		"a name as virtual address": {func(c *v1alpha1.HarbingerConfiguration) { c.VirtualAddresses = []string{"192.168.238.100/24", "vip"} },
			`virtualAddresses[1]: Invalid value: "vip": must be an IP address with a prefix length, such as 192.168.238.100/24 or fd00::100/64`},
		"a prefix that is too long": {func(c *v1alpha1.HarbingerConfiguration) { c.VirtualAddresses = []string{"192.168.238.100/33"} }, "virtualAddresses[0]"},
		"a zone":                    {func(c *v1alpha1.HarbingerConfiguration) { c.Election.VRRP.SourceAddress = "fe80::1%eth0" }, "election.vrrp.sourceAddress"},
		"IPv4 in IPv6":              {func(c *v1alpha1.HarbingerConfiguration) { c.Election.VRRP.Peers[1] = "::ffff:192.168.238.131" }, "election.vrrp.peers[1]"},
		"a name as peer": {func(c *v1alpha1.HarbingerConfiguration) { c.Election.VRRP.Peers[0] = "cp-1" },
			`election.vrrp.peers[0]: Invalid value: "cp-1": must be an IP address, such as 192.168.238.130 or fd00::130`},
		"port 0":       {func(c *v1alpha1.HarbingerConfiguration) { c.ControlPlane.Port = 0 }, "controlPlane.port: Invalid value: 0: must be a port, 1 to 65535"},
		"port 65536":   {func(c *v1alpha1.HarbingerConfiguration) { c.ControlPlane.APIServerPort = 65536 }, "controlPlane.apiServerPort: Invalid value: 65536"},
		"port -1":      {func(c *v1alpha1.HarbingerConfiguration) { c.Status.IdentityPort = -1 }, "status.identityPort: Invalid value: -1"},
		"steering":     {func(c *v1alpha1.HarbingerConfiguration) { c.LoadBalancer.Steering.Port = 100_000 }, "loadBalancer.steering.port"},
		"version 259":  {func(c *v1alpha1.HarbingerConfiguration) { c.Election.VRRP.Version = 259 }, "election.vrrp.version: Invalid value: 259: must be 2 or 3"},
		"VRID 256":     {func(c *v1alpha1.HarbingerConfiguration) { *c.Election.VRRP.VirtualRouterID = 256 }, "election.vrrp.virtualRouterID: Invalid value: 256: must be 1 to 255"},
		"VRID -1":      {func(c *v1alpha1.HarbingerConfiguration) { *c.Election.VRRP.VirtualRouterID = -1 }, "election.vrrp.virtualRouterID: Invalid value: -1"},
		"priority 300": {func(c *v1alpha1.HarbingerConfiguration) { *c.Election.VRRP.Priority = 300 }, "election.vrrp.priority: Invalid value: 300: must be 1 to 254, in Hybrid mode 11 to 239"},
		"key 256": {func(c *v1alpha1.HarbingerConfiguration) { c.Election.VRRP.Authentication.HMAC.Keys[0].ID = 256 },
			"election.vrrp.authentication.hmac.keys[0].id: Invalid value: 256: must be 1 to 255"},
		"active key -1": {func(c *v1alpha1.HarbingerConfiguration) { c.Election.VRRP.Authentication.HMAC.ActiveKey = -1 },
			"election.vrrp.authentication.hmac.activeKey: Invalid value: -1: must be 1 to 255"},
		"a backend without a port": {func(c *v1alpha1.HarbingerConfiguration) { c.LoadBalancer.Backends[0].Address = "192.168.238.130" },
			`loadBalancer.backends[0].address: Invalid value: "192.168.238.130": must be an IP address and a port, such as 192.168.238.130:6443 or [fd00::130]:6443`},
		"a name for the metrics": {func(c *v1alpha1.HarbingerConfiguration) { c.Status.MetricsBindAddress = "cp-1:10445" },
			`status.metricsBindAddress: Invalid value: "cp-1:10445": must be an IP address and a port, such as 0.0.0.0:10445, or node:10445 for the address of each host`},
		"metrics without an address": {func(c *v1alpha1.HarbingerConfiguration) { c.Status.MetricsBindAddress = ":10445" }, "status.metricsBindAddress"},
		"metrics on port 0":          {func(c *v1alpha1.HarbingerConfiguration) { c.Status.MetricsBindAddress = "0.0.0.0:0" }, "status.metricsBindAddress"},
		"metrics of a zone":          {func(c *v1alpha1.HarbingerConfiguration) { c.Status.MetricsBindAddress = "[fe80::1%eth0]:10445" }, "status.metricsBindAddress"},
		"metrics of the node without a port": {func(c *v1alpha1.HarbingerConfiguration) { c.Status.MetricsBindAddress = "node:" },
			`status.metricsBindAddress: Invalid value: "node:": must have a port, 1 to 65535, such as node:10445`},
		"metrics of the node on a port too high": {func(c *v1alpha1.HarbingerConfiguration) { c.Status.MetricsBindAddress = "node:65536" }, "status.metricsBindAddress"},
		"a name to bind to":                      {func(c *v1alpha1.HarbingerConfiguration) { c.Status.BindAddress = "localhost:10443" }, "status.bindAddress"},
	} {
		t.Run(name, func(t *testing.T) {
			doc := document()
			tc.change(doc)
			cfg, errs := v1alpha1.ToInternal(doc)
			if len(errs) != 1 || !strings.HasPrefix(errs[0].Error(), tc.want) {
				t.Fatalf("ToInternal: %v, want %s", errs, tc.want)
			}
			if cfg.HealthCheck.Interval != 400*time.Millisecond || cfg.Logging.Verbosity != 1 {
				t.Errorf("the rest, which is to be validated, is lost: %+v", cfg)
			}
		})
	}
}

func TestToInternalReportsEveryFault(t *testing.T) {
	doc := document()
	doc.VirtualAddresses, doc.ControlPlane.Port, *doc.Election.VRRP.Priority = []string{"vip"}, -1, 1000
	_, errs := v1alpha1.ToInternal(doc)
	var got []string
	for _, err := range errs {
		got = append(got, err.Field)
	}
	if diff := cmp.Diff([]string{"virtualAddresses[0]", "controlPlane.port", "election.vrrp.priority"}, got); diff != "" {
		t.Errorf("faults (-want +got):\n%s", diff)
	}
}

// An address without a prefix length stands for itself alone.
func TestPrefixLength(t *testing.T) {
	for text, want := range map[string]string{
		"192.168.238.100": "192.168.238.100/32", "fd00::100": "fd00::100/128",
		"192.168.238.100/24": "192.168.238.100/24", "fd00::100/64": "fd00::100/64",
	} {
		doc := document()
		doc.VirtualAddresses = []string{text}
		if got := toInternal(t, doc).VirtualAddresses[0].String(); got != want {
			t.Errorf("%s is %s, want %s", text, got, want)
		}
	}
}

// No list of peers is multicast, an empty one an error that validation reports: conversion keeps the two apart.
func TestPeersKeepNoneAndEmptyApart(t *testing.T) {
	doc := document()
	doc.Election.VRRP.Peers = nil
	if got := toInternal(t, doc).Election.VRRP.Peers; got != nil {
		t.Errorf("no list became %v", got)
	}
	doc.Election.VRRP.Peers = []string{}
	if got := toInternal(t, doc).Election.VRRP.Peers; got == nil || len(got) != 0 {
		t.Errorf("the empty list became %#v", got)
	}
}
