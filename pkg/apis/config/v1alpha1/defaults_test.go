// SPDX-License-Identifier: Apache-2.0

package v1alpha1_test

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/yaml"

	"github.com/harbinger-ha/harbinger/pkg/apis/config/v1alpha1"
)

// defaulted returns a document with its defaults, as text.
func defaulted(t *testing.T, doc v1alpha1.HarbingerConfiguration) string {
	t.Helper()
	v1alpha1.SetDefaults_HarbingerConfiguration(&doc)
	text, err := yaml.Marshal(doc)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// The defaults are part of the API: a change of one changes every cluster that leaves it out.
func TestDefaults(t *testing.T) {
	const want = `controlPlane:
  apiServerPort: 6443
  clusterName: kubernetes
  port: 6443
election:
  lease:
    duration: 5s
    kubeconfig: /etc/kubernetes/harbinger/kubeconfig
    name: harbinger
    namespace: kube-system
    renewInterval: 1s
    staleAfter: 2s
  mode: Hybrid
  vrrp:
    advertisementInterval: 200ms
    authentication:
      type: None
    checksum: Auto
    minimumTTL: 255
    preempt: true
    priority: 100
    version: 3
    virtualRouterID: 51
healthCheck:
  caFile: /etc/kubernetes/pki/ca.crt
  failureThreshold: 2
  interval: 400ms
  path: /readyz
  scheme: HTTPS
  serverName: kubernetes
  successThreshold: 2
  timeout: 900ms
loadBalancer:
  accessLog: Failures
  connectionLimits:
    perSource: 5000
    total: 20000
  discovery: true
  drain:
    timeout: 10s
  mode: Relay
  onBackendDown: CloseSessions
  policy: LeastConnections
  steering:
    mode: Auto
    port: 16443
  timeouts:
    connect: 1s
    halfClosed: 30s
    keepAlive: 15s
logging:
  format: JSON
status:
  bindAddress: 127.0.0.1:10443
  identityPort: 10444
`
	if diff := cmp.Diff(want, defaulted(t, v1alpha1.HarbingerConfiguration{})); diff != "" {
		t.Errorf("defaults (-want +got):\n%s", diff)
	}
}

// Some defaults depend on what the document says.
func TestDefaultsThatDepend(t *testing.T) {
	for name, tc := range map[string]struct {
		say  func(*v1alpha1.HarbingerConfiguration)
		want func(*testing.T, *v1alpha1.HarbingerConfiguration)
	}{
		"no discovery in mode VRRP, which asks no API": {
			func(c *v1alpha1.HarbingerConfiguration) { c.Election.Mode = "VRRP" },
			func(t *testing.T, c *v1alpha1.HarbingerConfiguration) { wantValue(t, *c.LoadBalancer.Discovery, false) },
		},
		"discovery in mode Lease": {
			func(c *v1alpha1.HarbingerConfiguration) { c.Election.Mode = "Lease" },
			func(t *testing.T, c *v1alpha1.HarbingerConfiguration) { wantValue(t, *c.LoadBalancer.Discovery, true) },
		},
		"discovery in mode VRRP where it is wanted": {
			func(c *v1alpha1.HarbingerConfiguration) {
				c.Election.Mode, c.LoadBalancer.Discovery = "VRRP", new(true)
			},
			func(t *testing.T, c *v1alpha1.HarbingerConfiguration) { wantValue(t, *c.LoadBalancer.Discovery, true) },
		},
		"the kernel does not count connections": {
			func(c *v1alpha1.HarbingerConfiguration) { c.LoadBalancer.Mode = "Kernel" },
			func(t *testing.T, c *v1alpha1.HarbingerConfiguration) {
				wantValue(t, c.LoadBalancer.Policy, "RoundRobin")
			},
		},
		"the kernel with another policy": {
			func(c *v1alpha1.HarbingerConfiguration) {
				c.LoadBalancer.Mode, c.LoadBalancer.Policy = "Kernel", "SourceHash"
			},
			func(t *testing.T, c *v1alpha1.HarbingerConfiguration) {
				wantValue(t, c.LoadBalancer.Policy, "SourceHash")
			},
		},
		"a TCP check asks for no path": {
			func(c *v1alpha1.HarbingerConfiguration) { c.HealthCheck.Scheme = "TCP" },
			func(t *testing.T, c *v1alpha1.HarbingerConfiguration) { wantRequest(t, c.HealthCheck, "", "", "") },
		},
		"an HTTP check has no certificate": {
			func(c *v1alpha1.HarbingerConfiguration) { c.HealthCheck.Scheme = "HTTP" },
			func(t *testing.T, c *v1alpha1.HarbingerConfiguration) {
				wantRequest(t, c.HealthCheck, "/readyz", "", "")
			},
		},
		"a check that accepts any certificate needs no CA file": {
			func(c *v1alpha1.HarbingerConfiguration) { c.HealthCheck.InsecureSkipVerify = true },
			func(t *testing.T, c *v1alpha1.HarbingerConfiguration) {
				wantRequest(t, c.HealthCheck, "/readyz", "", "")
			},
		},
	} {
		t.Run(name, func(t *testing.T) {
			var doc v1alpha1.HarbingerConfiguration
			tc.say(&doc)
			v1alpha1.SetDefaults_HarbingerConfiguration(&doc)
			tc.want(t, &doc)
		})
	}
}

// The window is three intervals within keepalived's bounds, and only the clock has one.
func TestDefaultTimeWindow(t *testing.T) {
	for _, tt := range []struct {
		antiReplay     string
		interval, want time.Duration
	}{
		{"", 0, 5 * time.Second}, {"", 100 * time.Millisecond, 5 * time.Second}, {"", 2 * time.Second, 6 * time.Second},
		{"", 40 * time.Second, 120 * time.Second}, {"Time", 255 * time.Second, 300 * time.Second}, {"Monotonic", time.Second, 0},
	} {
		doc := v1alpha1.HarbingerConfiguration{Election: v1alpha1.Election{VRRP: v1alpha1.VRRP{
			AdvertisementInterval: metav1.Duration{Duration: tt.interval}, Authentication: v1alpha1.Authentication{Type: "HMAC", HMAC: v1alpha1.HMAC{AntiReplay: tt.antiReplay}},
		}}}
		v1alpha1.SetDefaults_HarbingerConfiguration(&doc)
		h := doc.Election.VRRP.Authentication.HMAC
		wantValue(t, h.TimeWindow.Duration, tt.want)
		wantValue(t, h.Mode, "Enforce")
	}
	var doc v1alpha1.HarbingerConfiguration
	v1alpha1.SetDefaults_HarbingerConfiguration(&doc)
	wantValue(t, doc.Election.VRRP.Authentication.HMAC.Mode, "")
}

// Version 2 counts in whole seconds: its default is another.
func TestDefaultIntervalOfTheVersion(t *testing.T) {
	for version, want := range map[int32]time.Duration{0: 200 * time.Millisecond, 3: 200 * time.Millisecond, 2: time.Second} {
		doc := v1alpha1.HarbingerConfiguration{Election: v1alpha1.Election{VRRP: v1alpha1.VRRP{Version: version}}}
		v1alpha1.SetDefaults_HarbingerConfiguration(&doc)
		wantValue(t, doc.Election.VRRP.AdvertisementInterval.Duration, want)
	}
}

func wantValue[T comparable](t *testing.T, got, want T) {
	t.Helper()
	if got != want {
		t.Errorf("the default is %v, want %v", got, want)
	}
}

func wantRequest(t *testing.T, check v1alpha1.HealthCheck, path, caFile, serverName string) {
	t.Helper()
	wantValue(t, check.Path, path)
	wantValue(t, check.CAFile, caFile)
	wantValue(t, check.ServerName, serverName)
}

// What the document says stays, even where it is a mistake that validation is to find: a zero of a pointer is no default.
func TestDefaultsKeepWhatIsSaid(t *testing.T) {
	doc := v1alpha1.HarbingerConfiguration{Election: v1alpha1.Election{VRRP: v1alpha1.VRRP{
		VirtualRouterID: new(int32(0)), Priority: new(int32(0)), Preempt: new(false), AdvertisementInterval: metav1.Duration{Duration: 50 * time.Millisecond},
		Peers: []string{},
	}}}
	before := doc.Election.VRRP
	once := defaulted(t, doc)
	v1alpha1.SetDefaults_HarbingerConfiguration(&doc)
	got := doc.Election.VRRP
	wantValue(t, *got.VirtualRouterID, *before.VirtualRouterID)
	wantValue(t, *got.Priority, *before.Priority)
	wantValue(t, *got.Preempt, *before.Preempt)
	wantValue(t, got.AdvertisementInterval, before.AdvertisementInterval)
	if got.Peers == nil {
		t.Error("an empty list of peers, which is an error, became none, which is multicast")
	}
	if diff := cmp.Diff(once, defaulted(t, doc)); diff != "" {
		t.Errorf("the defaults of a document with its defaults (-once +twice):\n%s", diff)
	}
}
