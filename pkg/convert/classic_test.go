// SPDX-License-Identifier: Apache-2.0

package convert_test

import (
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/harbinger-ha/harbinger/e2e/converttest"
	"github.com/harbinger-ha/harbinger/pkg/apis/config/scheme"
	"github.com/harbinger-ha/harbinger/pkg/apis/config/v1alpha1"
	"github.com/harbinger-ha/harbinger/pkg/convert"
	"github.com/harbinger-ha/harbinger/pkg/convert/haproxy"
	"github.com/harbinger-ha/harbinger/pkg/convert/keepalived"
)

func read(t testing.TB, name string) []byte {
	t.Helper()
	raw, err := os.ReadFile("testdata/" + name)
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

// recipe carries over both files of a recipe, whose names have a prefix in testdata.
func recipe(t *testing.T, prefix string) (cfg v1alpha1.HarbingerConfiguration, warnings []string) {
	t.Helper()
	found := keepalived.Convert(convert.File{Name: "keepalived.conf", Content: read(t, prefix+"keepalived.conf")}, keepalived.Options{}, &cfg)
	found.Join(haproxy.Convert(convert.File{Name: "haproxy.cfg", Content: read(t, prefix+"haproxy.cfg")}, haproxy.Options{}, &cfg))
	if err := found.Err(); err != nil {
		t.Fatal(err)
	}
	return cfg, converttest.Warned(found)
}

// The classic recipe is carried over as the table in cmd/harbinger/docs/migration.md has it.
func TestClassicRecipe(t *testing.T) {
	cfg, warnings := recipe(t, "")
	converttest.Check(t, warnings, []string{
		"keepalived.conf:9: script", "haproxy.cfg:16: retries", "haproxy.cfg:18: timeout queue", "haproxy.cfg:19: timeout connect",
		"haproxy.cfg:20: timeout client", "haproxy.cfg:21: timeout server",
		"haproxy.cfg:31: backend apiserverbackend: its servers are checked as it says here", "haproxy.cfg:37: server k8s-1", "haproxy.cfg:38: server k8s-2", "haproxy.cfg:39: server k8s-3", "haproxy.cfg:41: listen stats",
	})
	want := v1alpha1.HarbingerConfiguration{
		VirtualAddresses: []string{"192.168.238.100/24"},
		Interface:        "ens160",
		ControlPlane:     v1alpha1.ControlPlane{Port: 4300, APIServerPort: 6443},
		Election: v1alpha1.Election{Mode: "VRRP", VRRP: v1alpha1.VRRP{
			Version: 2, VirtualRouterID: new(int32(60)), Priority: new(int32(101)), AdvertisementInterval: converttest.Seconds(1),
			Peers:          []string{"192.168.238.130", "192.168.238.131", "192.168.238.132"},
			Authentication: v1alpha1.Authentication{Type: "Password", Password: "1111"},
		}},
		LoadBalancer: v1alpha1.LoadBalancer{
			Policy: "RoundRobin",
			Backends: []v1alpha1.Backend{{Address: "192.168.238.130:6443"}, {Address: "192.168.238.131:6443"},
				{Address: "192.168.238.132:6443", Backup: true}},
			ConnectionLimits: v1alpha1.ConnectionLimits{Total: 8000},
			OnBackendDown:    "CloseSessions",
		},
		HealthCheck: v1alpha1.HealthCheck{Scheme: "HTTPS", Path: "/healthz", Interval: converttest.Seconds(1), Timeout: converttest.Seconds(.7), SuccessThreshold: 2, FailureThreshold: 2},
	}
	if warning := convert.Quicken(&cfg); warning != "" {
		t.Errorf("the checks are quick enough, but: %s", warning)
	}
	if diff := cmp.Diff(want, cfg); diff != "" {
		t.Errorf("configuration (-want +got):\n%s", diff)
	}
	if _, err := scheme.Complete(&cfg); err != nil {
		t.Errorf("the configuration is not valid: %v", err)
	}
}

// The recipe of kubeadm's own document is carried over too, but for the times of its checks.
func TestKubeadmsRecipe(t *testing.T) {
	cfg, warnings := recipe(t, "kubeadm-")
	converttest.Check(t, warnings, []string{
		"keepalived.conf:8: script",
		"haproxy.cfg:22: retries", "haproxy.cfg:24: timeout queue", "haproxy.cfg:25: timeout connect", "haproxy.cfg:26: timeout client", "haproxy.cfg:27: timeout server",
		"haproxy.cfg:29: timeout check", "haproxy.cfg:43: backend apiserverbackend", "haproxy.cfg:50: server n1", "haproxy.cfg:51: server n2", "haproxy.cfg:52: server n3",
	})
	if warning := convert.Quicken(&cfg); !strings.Contains(warning, "noticed after 8s") {
		t.Errorf("of checks every 2 s, with 3 to miss and 2 s to answer, it is said %q", warning)
	}
	if diff := cmp.Diff(v1alpha1.HealthCheck{Scheme: "HTTPS", Path: "/healthz"}, cfg.HealthCheck); diff != "" {
		t.Errorf("checks (-want +got):\n%s", diff)
	}
	if _, err := scheme.Complete(&cfg); err != nil {
		t.Errorf("the configuration is not valid: %v", err)
	}
}

func TestQuicken(t *testing.T) {
	check := func(interval, timeout float64, fall int32) v1alpha1.HealthCheck {
		return v1alpha1.HealthCheck{Path: "/livez", Interval: converttest.Seconds(interval), Timeout: converttest.Seconds(timeout), FailureThreshold: fall}
	}
	unset := check(0, 0, 0)
	for name, tt := range map[string]struct {
		interval   float64
		have, want v1alpha1.HealthCheck
	}{
		"defaults":                        {0, unset, unset},
		"quick":                           {0, check(.5, .5, 4), check(.5, .5, 4)},
		"an interval below the timeout":   {0, check(.5, 0, 3), check(.5, .5, 3)},
		"slow":                            {0, check(2, 1, 3), unset},
		"slow beside slow advertisements": {3, check(2, 1, 3), check(2, 1, 3)},
		"a timeout above the interval":    {0, check(1, 1.5, 1), check(1, 1.5, 1)},
		"a timeout above the limit":       {0, check(1, 1.5, 2), unset},
	} {
		cfg := v1alpha1.HarbingerConfiguration{HealthCheck: tt.have}
		cfg.Election.VRRP.AdvertisementInterval = converttest.Seconds(tt.interval)
		warning := convert.Quicken(&cfg)
		if diff := cmp.Diff(tt.want, cfg.HealthCheck); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
		if changed := tt.want.Interval != tt.have.Interval; changed != (warning != "") {
			t.Errorf("%s: warning %q", name, warning)
		}
	}
}

// What keepalived and haproxy say together.
func TestBeside(t *testing.T) {
	cfg := v1alpha1.HarbingerConfiguration{HealthCheck: v1alpha1.HealthCheck{Interval: converttest.Seconds(1), FailureThreshold: 1, SuccessThreshold: 9},
		ControlPlane: v1alpha1.ControlPlane{Port: 6443, APIServerPort: 7443}}
	cfg.Election.VRRP.Peers = []string{"192.168.238.10", "192.168.238.11"}
	notes := convert.Beside(&cfg)
	if cfg.HealthCheck != (v1alpha1.HealthCheck{}) || cfg.ControlPlane.Port != 0 {
		t.Errorf("before haproxy's file there are %+v and %+v", cfg.HealthCheck, cfg.ControlPlane)
	}
	cfg.ControlPlane.Port = 4300
	cfg.LoadBalancer.Backends = []v1alpha1.Backend{{Address: "192.168.238.130:6443"}, {Address: "192.168.238.131:6443"}}
	cfg.HealthCheck = v1alpha1.HealthCheck{Timeout: converttest.Seconds(.5)}
	said := strings.Join(notes(), "\n")
	for _, want := range []string{
		"the script that keepalived tracks has interval 1s, fall 1, rise 9, the checks of haproxy timeout 500ms: those of haproxy are taken",
		"clients connected to port 6443 of the virtual address, to haproxy at port 4300",
		"keepalived runs on 192.168.238.10, 192.168.238.11, and none of them is a server of haproxy",
		"Are they 192.168.238.130, 192.168.238.131?",
	} {
		if !strings.Contains(said, want) {
			t.Errorf("it says\n%s\nwithout %q", said, want)
		}
	}
	if cfg.ControlPlane.APIServerPort != 7443 {
		t.Errorf("the port of the apiservers is %d", cfg.ControlPlane.APIServerPort)
	}
	cfg = v1alpha1.HarbingerConfiguration{}
	cfg.Election.VRRP.Peers = []string{"192.168.238.130", "192.168.238.131"}
	notes = convert.Beside(&cfg)
	cfg.LoadBalancer.Backends = []v1alpha1.Backend{{Address: "192.168.238.131:6443"}}
	if said := notes(); len(said) > 0 {
		t.Errorf("of files that agree it says %q", said)
	}
}
