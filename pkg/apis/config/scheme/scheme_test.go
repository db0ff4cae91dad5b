// SPDX-License-Identifier: Apache-2.0

package scheme_test

import (
	"fmt"
	"net/netip"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/harbinger-ha/harbinger/pkg/apis/config"
	"github.com/harbinger-ha/harbinger/pkg/apis/config/scheme"
	"github.com/harbinger-ha/harbinger/pkg/balance"
	"github.com/harbinger-ha/harbinger/pkg/election"
	"github.com/harbinger-ha/harbinger/pkg/health"
	"github.com/harbinger-ha/harbinger/pkg/logging"
	"github.com/harbinger-ha/harbinger/pkg/vrrp"
)

const head = "apiVersion: harbinger.dev/v1alpha1\nkind: HarbingerConfiguration\n"

const minimal = head + "virtualAddresses: [192.168.238.100/24]\n"

var compare = cmp.Comparer(func(a, b *config.HarbingerConfiguration) bool {
	return cmp.Equal(*a, *b, cmp.Comparer(func(a, b netip.Addr) bool { return a == b }),
		cmp.Comparer(func(a, b netip.AddrPort) bool { return a == b }),
		cmp.Comparer(func(a, b netip.Prefix) bool { return a == b }))
})

func decode(t *testing.T, document string) *config.HarbingerConfiguration {
	t.Helper()
	cfg, err := scheme.Decode([]byte(document))
	if err != nil {
		t.Fatal(err)
	}
	return cfg
}

func TestDecodeDefaults(t *testing.T) {
	want := &config.HarbingerConfiguration{
		VirtualAddresses: []netip.Prefix{netip.MustParsePrefix("192.168.238.100/24")},
		ControlPlane:     config.ControlPlane{Port: 6443, APIServerPort: 6443, ClusterName: "kubernetes"},
		Election: config.Election{
			Mode: election.Hybrid,
			VRRP: config.VRRP{
				Version:               3,
				VirtualRouterID:       51,
				Priority:              100,
				AdvertisementInterval: 200 * time.Millisecond,
				Preempt:               true,
				MinimumTTL:            255,
				Checksum:              vrrp.ChecksumAuto,
				Authentication:        vrrp.Authentication{Type: vrrp.AuthenticationNone},
			},
			Lease: config.Arbitration{
				Kubeconfig: "/etc/kubernetes/harbinger/kubeconfig",
				Namespace:  "kube-system",
				Name:       "harbinger",
				LeaseTimes: election.LeaseTimes{RenewInterval: time.Second, StaleAfter: 2 * time.Second, Duration: 5 * time.Second},
			},
		},
		LoadBalancer: config.LoadBalancer{
			Settings: balance.Settings{
				Policy:        balance.LeastConnections,
				Limits:        balance.Limits{Total: 20000, PerSource: 5000},
				Timeouts:      balance.Timeouts{Connect: time.Second, KeepAlive: 15 * time.Second, HalfClosed: 30 * time.Second},
				OnBackendDown: balance.CloseSessions,
				AccessLog:     balance.AccessLogFailures,
			},
			Mode:      balance.ModeRelay,
			Discovery: true,
			Steering:  config.Steering{Mode: balance.SteeringAuto, Port: 16443},
			Drain:     config.Drain{Timeout: 10 * time.Second},
		},
		HealthCheck: health.Config{
			Scheme:           health.HTTPS,
			Path:             "/readyz",
			CAFile:           "/etc/kubernetes/pki/ca.crt",
			ServerName:       "kubernetes",
			Interval:         400 * time.Millisecond,
			Timeout:          900 * time.Millisecond,
			SuccessThreshold: 2,
			FailureThreshold: 2,
		},
		Status:  config.Endpoints{BindAddress: netip.MustParseAddrPort("127.0.0.1:10443"), IdentityPort: 10444},
		Logging: config.Logging{Format: logging.FormatJSON},
	}
	if got := decode(t, minimal); !cmp.Equal(want, got, compare) {
		t.Errorf("Decode = %+v, want %+v", got, want)
	}
}

// full sets every field to something that is not its default.
const full = head + `virtualAddresses: [192.168.238.100/24, "fd00::100/64"]
interface: ens160
controlPlane: {port: 4300, apiServerPort: 7443, clusterName: east}
election:
  mode: VRRP
  vrrp:
    version: 3
    virtualRouterID: 7
    priority: 254
    advertisementInterval: 250ms
    preempt: true
    preemptDelay: 5s
    peers: [192.168.238.130, 192.168.238.131, "fd00::130", "fd00::131"]
    sourceAddress: 192.168.238.130
    checksum: RFC9568
  lease:
    kubeconfig: /etc/kubernetes/harbinger/east.conf
    namespace: ha
    name: east
    renewInterval: 2s
    staleAfter: 4s
    duration: 10s
loadBalancer:
  policy: RoundRobin
  backends:
  - address: 192.168.238.130:7443
  - {address: "[fd00::131]:7443", backup: true, weight: 0, proxyProtocol: V2}
  steering: {mode: NFTables, port: 17443}
  connectionLimits: {total: 100, perBackend: 50}
  timeouts: {connect: 500ms, keepAlive: 30s, halfClosed: 5s}
  drain: {timeout: 1m}
  onBackendDown: KeepSessions
  slowStart: 10s
  preferLocal: true
  rebalance: {perSecond: 2}
healthCheck:
  scheme: HTTPS
  path: /livez
  caFile: /etc/harbinger/ca.crt
  serverName: apiserver
  interval: 500ms
  timeout: 400ms
  successThreshold: 3
  failureThreshold: 4
status: {bindAddress: 127.0.0.1:20443, identityPort: 20444}
logging: {format: Text, verbosity: 1}
`

func TestRoundTrip(t *testing.T) {
	documents := map[string]string{
		"minimal":        minimal,
		"full":           full,
		"JSON":           `{"apiVersion":"harbinger.dev/v1alpha1","kind":"HarbingerConfiguration","virtualAddresses":["fd00::100"]}`,
		"version 2":      minimal + "election: {mode: VRRP, vrrp: {version: 2, preempt: false, authentication: {type: Password, password: secret}}}\n",
		"signed":         minimal + "election: {vrrp: {advertisementInterval: 10s, authentication: {type: HMAC, hmac: {keys: [{id: 1, file: /etc/kubernetes/harbinger/vrrp-keys/1}], activeKey: 1}}}}\n",
		"monotonic":      minimal + "election: {vrrp: {authentication: {type: HMAC, hmac: {keys: [{id: 9, file: /etc/kubernetes/harbinger/9}], activeKey: 9, mode: ReceiveOnly, antiReplay: Monotonic}}}}\n",
		"TCP check":      minimal + "healthCheck: {scheme: TCP}\n",
		"HTTP check":     minimal + "healthCheck: {scheme: HTTP, path: /healthz}\n",
		"metrics":        minimal + "status: {metricsBindAddress: 'node:10445', metricsTokenFile: /etc/kubernetes/harbinger/metrics-token}\n",
		"metrics by TLS": minimal + "status: {metricsBindAddress: '[::]:10445', metricsTLS: {certFile: /etc/kubernetes/harbinger/tls.crt, keyFile: /etc/kubernetes/harbinger/tls.key, clientCAFile: /etc/kubernetes/harbinger/ca.crt}}\n",
		"unverified":     minimal + "healthCheck: {insecureSkipVerify: true}\n",
	}
	for name, document := range documents {
		t.Run(name, func(t *testing.T) {
			want := decode(t, document)
			for form, encode := range map[string]func(*config.HarbingerConfiguration) ([]byte, error){
				"full": scheme.Encode, "minimal": scheme.EncodeMinimal,
			} {
				raw, err := encode(want)
				if err != nil {
					t.Fatal(err)
				}
				if got := decode(t, string(raw)); !cmp.Equal(want, got, compare) {
					t.Errorf("%s form:\n%s\ngives %+v, want %+v", form, raw, got, want)
				}
			}
		})
	}
}

func TestEncodeMinimalLeavesDefaultsOut(t *testing.T) {
	spelled, err := scheme.Encode(decode(t, minimal))
	if err != nil {
		t.Fatal(err)
	}
	got, err := scheme.EncodeMinimal(decode(t, string(spelled)))
	if err != nil {
		t.Fatal(err)
	}
	want := head + "virtualAddresses:\n- 192.168.238.100/24\n"
	if diff := cmp.Diff(want, string(got)); diff != "" {
		t.Errorf("EncodeMinimal (-want +got):\n%s", diff)
	}
}

// The interval of each version is left out where it is the default of that version, and written where it is that of the other.
func TestEncodeMinimalKeepsAnIntervalOfAnotherVersion(t *testing.T) {
	for given, written := range map[string]bool{
		"version: 2": false, "version: 2, advertisementInterval: 1s": false, "version: 2, advertisementInterval: 2s": true,
		"version: 3": false, "advertisementInterval: 200ms": false, "advertisementInterval: 1s": true,
	} {
		cfg := decode(t, minimal+"election: {vrrp: {"+given+"}}\n")
		got, err := scheme.EncodeMinimal(cfg)
		if err != nil {
			t.Fatal(err)
		}
		if strings.Contains(string(got), "advertisementInterval") != written {
			t.Errorf("%s: written %t, want %t:\n%s", given, !written, written, got)
		}
		if again := decode(t, string(got)); !reflect.DeepEqual(again, cfg) {
			t.Errorf("%s: read again it is %+v, want %+v", given, again, cfg)
		}
	}
}

// The defaults of signed advertisements, one of which goes by the interval, are left out as well.
func TestEncodeMinimalOfSignedAdvertisements(t *testing.T) {
	const document = `apiVersion: harbinger.dev/v1alpha1
election:
  vrrp:
    advertisementInterval: 10s
    authentication:
      hmac:
        activeKey: 1
        keys:
        - file: /etc/kubernetes/harbinger/vrrp-keys/1
          id: 1
      type: HMAC
kind: HarbingerConfiguration
virtualAddresses:
- 192.168.238.100/24
`
	cfg := decode(t, document)
	if h := cfg.Election.VRRP.HMAC; h.Mode != "Enforce" || h.AntiReplay != "Time" || h.TimeWindow != 30*time.Second {
		t.Errorf("the defaults are %+v", h)
	}
	got, err := scheme.EncodeMinimal(cfg)
	if diff := cmp.Diff(document, string(got)); diff != "" || err != nil {
		t.Errorf("EncodeMinimal (-want +got):\n%s%v", diff, err)
	}
}

func TestDecodeErrors(t *testing.T) {
	tests := []struct {
		name     string
		document string
		want     []string // each is in the error
	}{
		{"empty", "", []string{"the configuration is empty"}},
		{"only comments", "# nothing\n---\n# nothing more\n", []string{"the configuration is empty"}},
		{"two documents", minimal + "---\n" + minimal, []string{"2 documents"}},
		{"two documents and a comment", minimal + "--- # again\n" + minimal, []string{"2 documents"}},
		{"document on the separator", minimal + "--- {a: b}\n", []string{"document separator"}},
		{"not YAML", "a: [", []string{"line 1"}},
		{"nested without end", strings.Repeat("[", 20_000), []string{"exceeded max depth"}},
		{"aliases without end", aliases(), []string{"excessive aliasing"}},
		{"a string", "hello", []string{"the configuration must be an object (got string)"}},
		{"no kind", "virtualAddresses: [192.168.238.100/24]", []string{"apiVersion: Unsupported value", "kind: Unsupported value"}},
		{"another kind", "apiVersion: v1\nkind: Pod\n", []string{`apiVersion: Unsupported value: "v1"`, `"harbinger.dev/v1alpha1"`, `kind: Unsupported value: "Pod"`}},
		{"kind in capitals", "apiVersion: harbinger.dev/v1alpha1\nKind: HarbingerConfiguration\n", []string{"kind: Unsupported value"}},
		{"unknown field", minimal + "election: {vrrp: {prio: 1}}\nvip: 1\n", []string{`unknown field "election.vrrp.prio"`, `unknown field "vip"`}},
		{"field in capitals", minimal + "Interface: eth0\n", []string{`unknown field "Interface"`}},
		{"duplicate field", minimal + "interface: a\ninterface: b\n", []string{`"interface" already set`}},
		{"type", minimal + "election: {vrrp: {priority: high}}", []string{"election.vrrp.priority: must be a whole number (got string)"}},
		{"list", minimal + "election: []", []string{"election: must be an object (got array)"}},
		{"durations", minimal + "election: {vrrp: {advertisementInterval: 1}}\nhealthCheck: {interval: soon}",
			[]string{"election.vrrp.advertisementInterval: Invalid value: 1", `healthCheck.interval: Invalid value: "soon": must be a duration`}},
		{"not an address", head + "virtualAddresses: [vip.example.org]", []string{`virtualAddresses[0]: Invalid value: "vip.example.org": must be an IP address`}},
		{"address with a zone", head + "virtualAddresses: ['fe80::1%eth0']", []string{"virtualAddresses[0]"}},
		{"IPv4 in IPv6", head + "virtualAddresses: ['::ffff:192.168.238.100']", []string{"virtualAddresses[0]"}},
		{"empty peer", minimal + "election: {vrrp: {peers: [192.168.238.130, '']}}", []string{`election.vrrp.peers[1]: Invalid value: "": must be an IP address`}},
		{"empty list of peers", minimal + "election: {vrrp: {peers: []}}", []string{"election.vrrp.peers: Invalid value", "leave it out for multicast"}},
		{"VRID 256 and priority 0", minimal + "election: {vrrp: {virtualRouterID: 256, priority: 0}}",
			[]string{"election.vrrp.virtualRouterID: Invalid value: 256: must be 1 to 255", "election.vrrp.priority: Invalid value: 0: must be 11 to 239 in Hybrid mode"}},
		{"port", minimal + "controlPlane: {port: 65536}", []string{"controlPlane.port: Invalid value: 65536: must be a port"}},
		{"backend without a port", minimal + "loadBalancer: {backends: [{address: 192.168.238.130}]}", []string{"loadBalancer.backends[0].address"}},
		{"bind address", minimal + "status: {bindAddress: localhost}", []string{"status.bindAddress"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, err := scheme.Decode([]byte(tt.document))
			if err == nil {
				t.Fatal("Decode succeeded")
			}
			for _, want := range tt.want {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("error %q, want %q in it", err, want)
				}
			}
		})
	}
}

// aliases is a document of a few hundred bytes that stands for a million values: each line has the one before ten times.
func aliases() string {
	var document strings.Builder
	document.WriteString("a0: &a0 x\n")
	for i := range 6 {
		fmt.Fprintf(&document, "a%d: &a%d [%s]\n", i+1, i+1, strings.Repeat(fmt.Sprintf("*a%d,", i), 10))
	}
	return document.String()
}

// A value that does not fit is reported once, not again as the zero it was replaced by.
func TestDecodeReportsOnce(t *testing.T) {
	_, err := scheme.Decode([]byte(minimal + "election: {vrrp: {virtualRouterID: 256}}"))
	if err == nil || strings.Count(err.Error(), "virtualRouterID") != 1 {
		t.Errorf("error %v, want virtualRouterID in it once", err)
	}
}

func FuzzDecode(f *testing.F) {
	for _, seed := range []string{minimal, full, "", "---\n---\n", "a: &a [*a]", "? {a: b}\n: c", aliases(), head + "election: {vrrp: {peers: [null]}}"} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		cfg, err := scheme.Decode(raw)
		if err != nil {
			return
		}
		again, err := scheme.EncodeMinimal(cfg)
		if err != nil {
			t.Fatal(err)
		}
		if got := decode(t, string(again)); !cmp.Equal(cfg, got, compare) {
			t.Errorf("%s\ngives %+v, want %+v", again, got, cfg)
		}
	})
}
