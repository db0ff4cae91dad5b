// SPDX-License-Identifier: Apache-2.0

package config_test

import (
	"net/netip"
	"testing"

	"github.com/harbinger-ha/harbinger/pkg/apis/config"
)

func TestMetricsEndpoint(t *testing.T) {
	node := netip.MustParseAddr("192.168.238.130")
	for _, tt := range []struct {
		endpoint         config.Metrics
		served, loopback bool
		text, at         string
	}{
		{config.Metrics{}, false, false, "", "192.168.238.130:0"},
		{config.Metrics{Port: 10445}, true, false, "node:10445", "192.168.238.130:10445"},
		{config.Metrics{Address: netip.MustParseAddr("127.0.0.1"), Port: 10445}, true, true, "127.0.0.1:10445", "127.0.0.1:10445"},
		{config.Metrics{Address: netip.MustParseAddr("::"), Port: 10445}, true, false, "[::]:10445", "[::]:10445"},
	} {
		m := tt.endpoint
		if m.Served() != tt.served || m.Loopback() != tt.loopback || m.BindAddress() != tt.text || m.At(node).String() != tt.at {
			t.Errorf("%+v: served %v, loopback %v, %q at %s", m, m.Served(), m.Loopback(), m.BindAddress(), m.At(node))
		}
	}
	cfg := config.HarbingerConfiguration{Status: config.Endpoints{Metrics: config.Metrics{Port: 10445}}}
	if !cfg.ListensOn(10445) || cfg.ListensOn(10446) {
		t.Error("the port of the metrics is none of its own, or another one is")
	}
}
