// SPDX-License-Identifier: Apache-2.0

package convert_test

import (
	"os"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/harbinger-ha/harbinger/pkg/apis/config/scheme"
	"github.com/harbinger-ha/harbinger/pkg/apis/config/v1alpha1"
	"github.com/harbinger-ha/harbinger/pkg/convert"
)

func read(t testing.TB, name string) []byte {
	t.Helper()
	raw, err := os.ReadFile("testdata/" + name)
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

func seconds(n float64) metav1.Duration {
	return metav1.Duration{Duration: time.Duration(n * float64(time.Second))}
}

// warned returns the texts of warnings.
func warned(warnings []convert.Warning) (texts []string) {
	for _, w := range warnings {
		texts = append(texts, w.String())
	}
	return texts
}

// checkTexts holds that each warning has what is wanted of it, and that there are no others.
func checkTexts(t *testing.T, texts, want []string) {
	t.Helper()
	if len(texts) != len(want) {
		t.Errorf("%d warnings, want %d: %q", len(texts), len(want), texts)
		return
	}
	for i := range want {
		if !strings.Contains(texts[i], want[i]) {
			t.Errorf("warning %q, want %q in it", texts[i], want[i])
		}
	}
}

// recipe carries over both files of a recipe, whose names have a prefix in testdata.
func recipe(t *testing.T, prefix string) (cfg v1alpha1.HarbingerConfiguration, warnings []string) {
	t.Helper()
	first, err := convert.Keepalived("keepalived.conf", read(t, prefix+"keepalived.conf"), &cfg)
	if err != nil {
		t.Fatal(err)
	}
	second, err := convert.HAProxy("haproxy.cfg", read(t, prefix+"haproxy.cfg"), &cfg)
	if err != nil {
		t.Fatal(err)
	}
	return cfg, warned(append(first, second...))
}

// The classic recipe is carried over as the table in cmd/harbinger/docs/migration.md has it.
func TestClassicRecipe(t *testing.T) {
	cfg, warnings := recipe(t, "")
	checkTexts(t, warnings, []string{
		"keepalived.conf:9: script", "haproxy.cfg:16: retries", "haproxy.cfg:18: timeout queue", "haproxy.cfg:20: timeout client", "haproxy.cfg:21: timeout server",
		"haproxy.cfg:37: server k8s-1", "haproxy.cfg:38: server k8s-2", "haproxy.cfg:39: server k8s-3", "haproxy.cfg:41: listen stats",
	})
	want := v1alpha1.HarbingerConfiguration{
		VirtualAddresses: []string{"192.168.238.100/24"},
		Interface:        "ens160",
		ControlPlane:     v1alpha1.ControlPlane{Port: 4300, APIServerPort: 6443},
		Election: v1alpha1.Election{Mode: "VRRP", VRRP: v1alpha1.VRRP{
			Version: 2, VirtualRouterID: new(int32(60)), Priority: new(int32(101)), AdvertisementInterval: seconds(1),
			Peers:          []string{"192.168.238.130", "192.168.238.131", "192.168.238.132"},
			Authentication: v1alpha1.Authentication{Type: "Password", Password: "1111"},
		}},
		LoadBalancer: v1alpha1.LoadBalancer{
			Policy: "RoundRobin",
			Backends: []v1alpha1.Backend{{Address: "192.168.238.130:6443"}, {Address: "192.168.238.131:6443"},
				{Address: "192.168.238.132:6443", Backup: true}},
			ConnectionLimits: v1alpha1.ConnectionLimits{Total: 8000},
			Timeouts:         v1alpha1.Timeouts{Connect: seconds(5)},
			OnBackendDown:    "CloseSessions",
		},
		HealthCheck: v1alpha1.HealthCheck{Scheme: "HTTPS", Path: "/healthz", Interval: seconds(1), Timeout: seconds(.7), SuccessThreshold: 2, FailureThreshold: 2},
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
	checkTexts(t, warnings, []string{
		"keepalived.conf:8: script",
		"haproxy.cfg:22: retries", "haproxy.cfg:24: timeout queue", "haproxy.cfg:26: timeout client", "haproxy.cfg:27: timeout server",
		"haproxy.cfg:50: server n1", "haproxy.cfg:51: server n2", "haproxy.cfg:52: server n3",
	})
	if warning := convert.Quicken(&cfg); !strings.Contains(warning, "noticed after 40s") {
		t.Errorf("of checks every 3 s, with 10 to miss and 10 s to answer, it is said %q", warning)
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
		return v1alpha1.HealthCheck{Path: "/livez", Interval: seconds(interval), Timeout: seconds(timeout), FailureThreshold: fall}
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
		"a timeout above the interval":    {0, check(1, 1.5, 1), unset},
	} {
		cfg := v1alpha1.HarbingerConfiguration{HealthCheck: tt.have}
		cfg.Election.VRRP.AdvertisementInterval = seconds(tt.interval)
		warning := convert.Quicken(&cfg)
		if diff := cmp.Diff(tt.want, cfg.HealthCheck); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
		if changed := tt.want.Interval != tt.have.Interval; changed != (warning != "") {
			t.Errorf("%s: warning %q", name, warning)
		}
	}
}

// Whatever is in the files, they are read to their end, and a configuration without an error is one that can be checked.
func FuzzKeepalived(f *testing.F) {
	f.Add(read(f, "keepalived.conf"))
	f.Add([]byte("vrrp_instance a { virtual_ipaddress { fd00::1/64 dev b } unicast_peer { 10.0.0.1 } } }"))
	f.Add([]byte("{ { \" } !"))
	f.Fuzz(func(_ *testing.T, raw []byte) { fuzz(raw, convert.Keepalived) })
}

func FuzzHAProxy(f *testing.F) {
	f.Add(read(f, "haproxy.cfg"))
	f.Add([]byte("listen a\n mode tcp\n bind [::]:1-2 ssl\n server b 1.2.3.4:5 check inter\n option httpchk\n http-check send meth\n"))
	f.Fuzz(func(_ *testing.T, raw []byte) { fuzz(raw, convert.HAProxy) })
}

func fuzz(raw []byte, from func(string, []byte, *v1alpha1.HarbingerConfiguration) ([]convert.Warning, error)) {
	var cfg v1alpha1.HarbingerConfiguration
	if _, err := from("file", raw, &cfg); err == nil {
		_, _ = scheme.Complete(&cfg) // must not panic; it says itself what it misses
	}
}
