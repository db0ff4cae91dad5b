// SPDX-License-Identifier: Apache-2.0

package config_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/harbinger-ha/harbinger/pkg/apis/config"
	"github.com/harbinger-ha/harbinger/pkg/balance"
	"github.com/harbinger-ha/harbinger/pkg/election"
)

// The balancer needs a port of its own only where its clients use the port that the apiserver of the node has.
func TestShared(t *testing.T) {
	for _, tc := range []struct {
		port, apiServerPort uint16
		want                bool
	}{
		{6443, 6443, true}, {8443, 6443, false}, {6443, 7443, false}, {8443, 8443, true},
	} {
		c := config.ControlPlane{Port: tc.port, APIServerPort: tc.apiServerPort}
		if got := c.Shared(); got != tc.want {
			t.Errorf("clients on %d and apiserver on %d: shared %t, want %t", tc.port, tc.apiServerPort, got, tc.want)
		}
	}
}

// The configuration contains the types of the packages that use it: what one of them needs is passed on as it is.
func Example() {
	cfg := config.HarbingerConfiguration{
		Election:     config.Election{Mode: election.Hybrid},
		LoadBalancer: config.LoadBalancer{Settings: balance.Settings{Policy: balance.LeastConnections, SlowStart: 10 * time.Second}},
	}
	fmt.Println(cfg.Election.Mode == election.Hybrid, cfg.LoadBalancer.Policy)
	pool := balance.New(balance.Config{Policy: cfg.LoadBalancer.Policy, SlowStart: cfg.LoadBalancer.SlowStart})
	fmt.Println("usable without a backend:", pool.Usable())
	// Output:
	// true LeastConnections
	// usable without a backend: false
}
