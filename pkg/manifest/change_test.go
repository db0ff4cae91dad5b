// SPDX-License-Identifier: Apache-2.0

package manifest_test

import (
	"fmt"
	"net/netip"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/harbinger-ha/harbinger/pkg/apis/config"
	"github.com/harbinger-ha/harbinger/pkg/balance"
	"github.com/harbinger-ha/harbinger/pkg/election"
	"github.com/harbinger-ha/harbinger/pkg/manifest"
	"github.com/harbinger-ha/harbinger/pkg/vrrp"
)

// What a change costs, field by field: what others must do, and who starts the pod anew where it reads a file whose content alone
// differs.
func TestChanges(t *testing.T) {
	const (
		live  = manifest.NoStart
		start = manifest.Administrator
	)
	for _, tt := range []struct {
		field string
		cost  manifest.Cost
		start manifest.Start
		edit  func(c *config.HarbingerConfiguration)
	}{
		{"virtualAddresses", manifest.AllHosts, start, func(c *config.HarbingerConfiguration) {
			c.VirtualAddresses = []netip.Prefix{netip.MustParsePrefix("192.168.238.101/24")}
		}},
		{"virtualAddresses", manifest.Nothing, start, func(c *config.HarbingerConfiguration) {
			c.VirtualAddresses = []netip.Prefix{netip.MustParsePrefix("192.168.238.100/25")}
		}},
		{"interface", manifest.Move, start, func(c *config.HarbingerConfiguration) { c.Interface = "ens161" }},
		{"controlPlane.port", manifest.AllHosts, start, func(c *config.HarbingerConfiguration) { c.ControlPlane.Port++ }},
		{"controlPlane.apiServerPort", manifest.Reset, start, func(c *config.HarbingerConfiguration) { c.ControlPlane.APIServerPort++ }},
		{"controlPlane.clusterName", manifest.AllHosts, start, func(c *config.HarbingerConfiguration) { c.ControlPlane.ClusterName = "edge" }},
		{"election.mode", manifest.AllHosts, start, func(c *config.HarbingerConfiguration) { c.Election.Mode = election.LeaseOnly }},
		{"election.mode", manifest.Nothing, start, func(c *config.HarbingerConfiguration) { c.Election.Mode = election.VRRP }},
		{"election.vrrp.version", manifest.AllHosts, start, func(c *config.HarbingerConfiguration) { c.Election.VRRP.Version = 4 }},
		{"election.vrrp.virtualRouterID", manifest.AllHosts, start, func(c *config.HarbingerConfiguration) { c.Election.VRRP.VirtualRouterID++ }},
		{"election.vrrp.priority", manifest.Move, live, func(c *config.HarbingerConfiguration) { c.Election.VRRP.Priority++ }},
		{"election.vrrp.advertisementInterval", manifest.Nothing, start, func(c *config.HarbingerConfiguration) { c.Election.VRRP.AdvertisementInterval *= 2 }},
		{"election.vrrp.preemptDelay", manifest.Nothing, live, func(c *config.HarbingerConfiguration) { c.Election.VRRP.PreemptDelay = time.Second }},
		{"election.vrrp.peers", manifest.AllHosts, start, func(c *config.HarbingerConfiguration) { c.Election.VRRP.Peers = nil }},
		{"election.vrrp.peers", manifest.AllHosts, live, func(c *config.HarbingerConfiguration) { c.Election.VRRP.Peers = c.Election.VRRP.Peers[1:] }},
		{"election.vrrp.sourceAddress", manifest.AllHosts, start, func(c *config.HarbingerConfiguration) {
			c.Election.VRRP.SourceAddress = netip.MustParseAddr("192.168.238.140")
		}},
		{"election.vrrp.minimumTTL", manifest.Nothing, start, func(c *config.HarbingerConfiguration) { c.Election.VRRP.MinimumTTL-- }},
		{"election.vrrp.checksum", manifest.AllHosts, start, func(c *config.HarbingerConfiguration) { c.Election.VRRP.Checksum = vrrp.ChecksumRFC9568 }},
		{"election.vrrp.authentication", manifest.AllHosts, start, func(c *config.HarbingerConfiguration) {
			c.Election.VRRP.Authentication.Type, c.Election.VRRP.PasswordFile = vrrp.AuthenticationPassword, config.PasswordFile
		}},
		{"election.vrrp.authentication.hmac", manifest.AllHosts, live, func(c *config.HarbingerConfiguration) { c.Election.VRRP.HMAC.ActiveKey++ }},
		{"election.lease", manifest.AllHosts, start, func(c *config.HarbingerConfiguration) { c.Election.Lease.Name = "vip" }},
		{"election.lease", manifest.Nothing, start, func(c *config.HarbingerConfiguration) { c.Election.Lease.Duration *= 2 }},
		{"loadBalancer.steering", manifest.Reset, start, func(c *config.HarbingerConfiguration) { c.LoadBalancer.Steering.Mode = balance.SteeringNFTables }},
		{"loadBalancer.backends", manifest.Nothing, live, func(c *config.HarbingerConfiguration) { c.LoadBalancer.Backends = nil }},
		{"loadBalancer", manifest.Nothing, live, func(c *config.HarbingerConfiguration) { c.LoadBalancer.Policy = balance.SourceHash }},
		{"healthCheck", manifest.Nothing, live, func(c *config.HarbingerConfiguration) { c.HealthCheck.Interval *= 2 }},
		{"status.identityPort", manifest.AllHosts, start, func(c *config.HarbingerConfiguration) { c.Status.IdentityPort++ }},
		{"status.bindAddress", manifest.Nothing, start, func(c *config.HarbingerConfiguration) {
			c.Status.BindAddress = netip.MustParseAddrPort("127.0.0.1:1")
		}},
		{"status.metricsBindAddress", manifest.Nothing, start, func(c *config.HarbingerConfiguration) { c.Status.Metrics.Port = 10445 }},
		{"status.metricsTLS", manifest.Nothing, start, func(c *config.HarbingerConfiguration) { c.Status.Metrics.CertFile = "/c" }},
		{"status.metricsTokenFile", manifest.Nothing, start, func(c *config.HarbingerConfiguration) { c.Status.Metrics.TokenFile = "/t" }},
		{"logging", manifest.Nothing, start, func(c *config.HarbingerConfiguration) { c.Logging.Verbosity = 1 }},
	} {
		t.Run(fmt.Sprint(tt.field, " ", tt.cost, " ", tt.start), func(t *testing.T) {
			before, after := readSample(t, "classic"), readSample(t, "classic")
			tt.edit(after)
			changes := manifest.Changes(before, after)
			if len(changes) != 1 || changes[0].Field != tt.field || changes[0].Cost != tt.cost {
				t.Errorf("changes are %v, want one of %s that costs %s", changes, tt.field, tt.cost)
			}
			if got := manifest.StartAfter(before, after, false); got != tt.start {
				t.Errorf("started anew by %d, want %d", got, tt.start)
			}
			if got := manifest.StartAfter(before, after, true); got != manifest.Kubelet {
				t.Errorf("with another manifest it is started anew by %d, want the kubelet", got)
			}
		})
	}
}

// What depends on another field.
func TestChangesOfCombinations(t *testing.T) {
	before, after := readSample(t, "classic"), readSample(t, "classic")
	if got := manifest.Changes(before, after); got != nil {
		t.Errorf("nothing changes: %v", got)
	}
	if got := manifest.StartAfter(before, after, false); got != manifest.NoStart {
		t.Errorf("nothing changes, and the pod is started anew by %d", got)
	}
	cost := func() string {
		var all []string
		for _, c := range manifest.Changes(before, after) {
			all = append(all, c.Field+" "+c.Cost.String())
		}
		return strings.Join(all, ", ")
	}
	before.Election.VRRP.Preempt, after.Election.VRRP.Preempt, after.Election.VRRP.Priority = false, false, 101
	if got, want := cost(), "election.vrrp.priority nothing more"; got != want {
		t.Errorf("without preemption another priority costs %q, want %q", got, want)
	}
	before.Election.VRRP.Version, after.Election.VRRP.Version, after.Election.VRRP.AdvertisementInterval = 2, 2, 2*time.Second
	if got, want := cost(), "election.vrrp.priority nothing more, election.vrrp.advertisementInterval all hosts"; got != want {
		t.Errorf("in version 2 another interval costs %q, want %q", got, want)
	}
}

// No field of the configuration can change without a word. A new one needs a row of its own.
func TestEveryFieldHasACost(t *testing.T) {
	count := 0
	var walk func(path string, before, after *config.HarbingerConfiguration, v reflect.Value)
	walk = func(path string, before, after *config.HarbingerConfiguration, v reflect.Value) {
		switch reflect.New(v.Type()).Interface().(type) {
		case *netip.Addr, *netip.AddrPort, *netip.Prefix:
			v.SetZero()
		default:
			if v.Kind() == reflect.Struct {
				for i := range v.NumField() {
					walk(path+"."+v.Type().Field(i).Name, before, after, v.Field(i))
				}
				return
			}
			old := reflect.ValueOf(v.Interface())
			differ(v)
			defer v.Set(old)
		}
		count++
		if path == ".Election.VRRP.SourceAddress" || path == ".Status.Metrics.Address" {
			v.Set(reflect.ValueOf(netip.MustParseAddr("192.168.238.140")))
			defer v.SetZero()
		}
		if path == ".Status.BindAddress" {
			defer v.Set(reflect.ValueOf(before.Status.BindAddress))
		}
		if len(manifest.Changes(before, after)) == 0 {
			t.Errorf("a change of %s costs nothing that the table knows of", path)
		}
	}
	before, after := readSample(t, "classic"), readSample(t, "classic")
	walk("", before, after, reflect.ValueOf(after).Elem())
	if diff := cmp.Diff(before, after, cmp.Comparer(equal[netip.Addr]), cmp.Comparer(equal[netip.AddrPort]), cmp.Comparer(equal[netip.Prefix])); diff != "" || count < 50 {
		t.Errorf("%d fields were looked at; they are not as before:\n%s", count, diff)
	}
}

// differ gives a value another one.
func differ(v reflect.Value) {
	switch v.Kind() {
	case reflect.String:
		v.SetString(v.String() + "x")
	case reflect.Bool:
		v.SetBool(!v.Bool())
	case reflect.Int, reflect.Int32, reflect.Int64:
		v.SetInt(v.Int() + 1)
	case reflect.Uint8, reflect.Uint16:
		v.SetUint(v.Uint() + 1)
	case reflect.Slice:
		v.Set(reflect.Append(v, reflect.Zero(v.Type().Elem())))
	default:
		panic("no other value for " + v.Type().String())
	}
}

func TestRead(t *testing.T) {
	cfg := readSample(t, "classic")
	cfg.ControlPlane.ClusterName = "$(A)$$"
	_, raw := render(t, cfg, manifest.Options{Image: "harbinger:1"})
	got, err := manifest.Read(raw)
	if err != nil || got.Image != "harbinger:1" || got.ConfigFile {
		t.Fatalf("%+v, %v", got, err)
	}
	if changes := manifest.Changes(cfg, got.Config); changes != nil {
		t.Errorf("read another configuration than written: %v", changes)
	}
	_, raw = render(t, cfg, manifest.Options{Image: "harbinger:1", ConfigFile: true})
	if got, err = manifest.Read(raw); err != nil || !got.ConfigFile || got.Config != nil {
		t.Errorf("%+v, %v", got, err)
	}
	for text, want := range map[string]string{
		"": `no manifest of Harbinger, but of  ""`, "a: [": "no manifest of a pod",
		"kind: Pod\nmetadata: {name: kube-vip}\nspec: {containers: [{name: kube-vip}]}":                      `but of pod "kube-vip"`,
		"kind: Pod\nspec: {containers: [{name: harbinger}]}":                                                 "without a configuration",
		"kind: Pod\nspec: {containers: [{name: harbinger, env: [{name: HARBINGER_CONFIG, value: 'a: b'}]}]}": "apiVersion",
	} {
		if _, err := manifest.Read([]byte(text)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want %q", text, err, want)
		}
		if own := strings.Contains(text, "{name: harbinger"); manifest.Own([]byte(text)) != own { // whatever it says
			t.Errorf("%q is one of Harbinger: %t, want %t", text, !own, own)
		}
	}
}
