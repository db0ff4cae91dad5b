// SPDX-License-Identifier: Apache-2.0

package app_test

import (
	"net/netip"
	"testing"

	"github.com/harbinger-ha/harbinger/pkg/apis/config"
)

// The flags of the metrics reach the pod, which sees their files by the directory that it mounts anyway.
func TestManifestMetrics(t *testing.T) {
	args := []string{"manifest", "--no-host-checks", "-o", "-", "--vip", "192.168.238.100/24"}
	at := func(name string) string { return config.Directory + "/metrics/" + name }
	for _, tt := range []struct {
		flags []string
		want  config.Metrics
	}{
		{[]string{"--metrics-bind-address", "127.0.0.1:10445"}, config.Metrics{Address: netip.MustParseAddr("127.0.0.1"), Port: 10445}},
		{[]string{"--metrics-bind-address", "node:10445", "--metrics-token-file", at("token")}, config.Metrics{Port: 10445, TokenFile: at("token")}},
		{[]string{"--metrics-bind-address", "0.0.0.0:10445", "--metrics-tls-cert-file", at("tls.crt"), "--metrics-tls-private-key-file", at("tls.key"), "--metrics-client-ca-file", at("ca.crt")},
			config.Metrics{Address: netip.IPv4Unspecified(), Port: 10445, CertFile: at("tls.crt"), KeyFile: at("tls.key"), ClientCAFile: at("ca.crt")}},
	} {
		plain := harbinger("", args...)
		r := harbinger("", append(args, tt.flags...)...)
		r.want(t, 0)
		pod, cfg := decodePod(t, r.stdout)
		if cfg.Status.Metrics != tt.want {
			t.Errorf("%q: %+v, want %+v", tt.flags, cfg.Status.Metrics, tt.want)
		}
		if without, _ := decodePod(t, plain.stdout); len(pod.Spec.Volumes) != len(without.Spec.Volumes) {
			t.Errorf("%q: %d volumes instead of %d", tt.flags, len(pod.Spec.Volumes), len(without.Spec.Volumes))
		}
	}
	for _, tt := range []struct{ flag, value, want string }{
		{"--metrics-bind-address", "node:10445", "error: status.metricsBindAddress: Invalid value: \"node:10445\": other hosts reach it: give metricsTLS.certFile and keyFile, or metricsTokenFile"},
		{"--metrics-bind-address", "localhost:10445", "error: status.metricsBindAddress: Invalid value: \"localhost:10445\": must be an IP address and a port"},
		{"--metrics-token-file", at("token"), "error: status.metricsTokenFile: Forbidden: is used with metricsBindAddress only"},
	} {
		harbinger("", append(args, tt.flag, tt.value)...).want(t, 2, tt.want)
	}
}
