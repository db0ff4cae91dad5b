// SPDX-License-Identifier: Apache-2.0

package sidecar

import (
	"testing"
	"time"

	"github.com/harbinger-ha/harbinger/pkg/apis/config"
	"github.com/harbinger-ha/harbinger/pkg/apis/config/scheme"
	"github.com/harbinger-ha/harbinger/pkg/membership"
)

func configuration(t *testing.T, body string) *config.HarbingerConfiguration {
	t.Helper()
	cfg, err := scheme.Decode([]byte("apiVersion: harbinger.dev/v1alpha1\nkind: HarbingerConfiguration\n" + body))
	if err != nil {
		t.Fatal(err)
	}
	return cfg
}

func TestLifetime(t *testing.T) {
	for interval, want := range map[time.Duration]time.Duration{
		100 * time.Millisecond: time.Second, time.Second: 2 * time.Second, 5 * time.Second: 2 * time.Second,
	} {
		cfg := &config.HarbingerConfiguration{}
		cfg.Election.VRRP.AdvertisementInterval = interval
		if got := lifetime(cfg); got != want {
			t.Errorf("lifetime at %s is %s, want %s", interval, got, want)
		}
	}
}

func TestSettings(t *testing.T) {
	local := settings(membership.View{Config: configuration(t, "virtualAddresses: [192.0.2.100/24]\ncontrolPlane: {apiServerPort: 7443}\n")}, nil)
	if len(local.Backends) != 1 || local.Backends[0].Address.String() != "127.0.0.1:7443" {
		t.Errorf("backends %v, want the local apiserver where none are named", local.Backends)
	}
	named := settings(membership.View{Config: configuration(t, "virtualAddresses: [192.0.2.100/24]\nloadBalancer: {policy: SourceHash, backends: [{address: '192.0.2.1:6443'}, {address: '192.0.2.2:6443', backup: true}]}\n")}, nil)
	if len(named.Backends) != 2 || !named.Backends[1].Backup || string(named.Policy) != "SourceHash" {
		t.Errorf("settings %+v", named)
	}
	if named.HealthCheck.Path != "/readyz" || named.HealthCheck.Interval == 0 || named.Timeouts.Connect == 0 {
		t.Errorf("defaults did not arrive: %+v", named)
	}
}
