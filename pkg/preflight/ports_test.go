// SPDX-License-Identifier: Apache-2.0

package preflight_test

import (
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/harbinger-ha/harbinger/e2e/lab/labtest"
	"github.com/harbinger-ha/harbinger/pkg/preflight"
)

func ports(first, last uint16, reserved ...preflight.PortRange) preflight.LocalPorts {
	return preflight.LocalPorts{Range: preflight.PortRange{First: first, Last: last}, Reserved: reserved}
}

func TestWarningsOfLocalPorts(t *testing.T) {
	const vip = "virtualAddresses: [192.168.238.100/24]\n"
	for _, tt := range []struct {
		name, document string
		ports          preflight.LocalPorts
		want           []string // paths
		line           string   // of the remedy
	}{
		{"as the kernel has it", vip, ports(32768, 60999), nil, ""},
		{"a wide range", vip, ports(1024, 65535), []string{"status.bindAddress", "status.identityPort", "loadBalancer.steering.port"}, " = 10443,10444,16443' "},
		{"a port of its own", vip + "controlPlane: {port: 40000}", ports(32768, 60999), []string{"controlPlane.port"}, " = 40000' "},
		{"some are reserved", vip, ports(1024, 65535, preflight.PortRange{First: 8000, Last: 8010}, preflight.PortRange{First: 10443, Last: 10444}),
			[]string{"loadBalancer.steering.port"}, " = 8000-8010,10443-10444,16443' "},
		{"all are reserved", vip, ports(1024, 65535, preflight.PortRange{First: 10000, Last: 20000}), nil, ""},
		{"the first of the range", vip, ports(16443, 60999), []string{"loadBalancer.steering.port"}, " = 16443' "},
		{"the last of the range", vip, ports(1024, 10443), []string{"status.bindAddress"}, " = 10443' "},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var got []string
			for _, w := range warnings(decode(t, tt.document), preflight.Facts{Links: links, LocalPorts: tt.ports}) {
				got = append(got, w.Field)
				if !strings.Contains(w.Remedy, "net.ipv4.ip_local_reserved_ports"+tt.line) {
					t.Errorf("%s: no line %q in %q", w.Field, tt.line, w.Remedy)
				}
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("warnings (-want +got):\n%s", diff)
			}
		})
	}
}

func TestGatherLocalPorts(t *testing.T) {
	host := newHost(t)
	cfg := decode(t, "virtualAddresses: [192.168.238.100/24]")
	labtest.Must(t, host.Do(func() error {
		if err := os.WriteFile("/proc/sys/net/ipv4/ip_local_port_range", []byte("2048 50000"), 0); err != nil {
			return err
		}
		return os.WriteFile("/proc/sys/net/ipv4/ip_local_reserved_ports", []byte("4300,10443-10444"), 0)
	}))
	want := ports(2048, 50000, preflight.PortRange{First: 4300, Last: 4300}, preflight.PortRange{First: 10443, Last: 10444})
	if diff := cmp.Diff(want, gather(t, host, cfg).LocalPorts); diff != "" {
		t.Errorf("local ports (-want +got):\n%s", diff)
	}
	found := warnings(cfg, gather(t, host, cfg))
	if len(found) != 1 {
		t.Fatalf("without a reservation: %v, want one warning", found)
	}
	paste(t, host, found[0].Remedy)
	if found := warnings(cfg, gather(t, host, cfg)); len(found) > 0 {
		t.Errorf("after the remedy: %v", found)
	}
}
