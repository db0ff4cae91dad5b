// SPDX-License-Identifier: Apache-2.0

package balance_test

import (
	"fmt"
	"net/netip"
	"time"

	"github.com/harbinger-ha/harbinger/pkg/balance"
)

// A connection goes to the backend with the fewest connections. Where that one fails, the next is picked without it.
func ExamplePool_Pick() {
	backend := func(address string) balance.Candidate {
		return balance.Candidate{Backend: balance.Backend{Address: netip.MustParseAddrPort(address)}, Healthy: true}
	}
	backends := []balance.Candidate{backend("192.168.238.130:6443"), backend("192.168.238.131:6443"), backend("192.168.238.132:6443")}
	pool := balance.New(balance.Config{Policy: balance.LeastConnections, Backends: backends})
	connections := []int{7, 2, 5}

	request := balance.Request{Now: time.Now(), Active: func(i int) int { return connections[i] }}
	for {
		i, ok := pool.Pick(request)
		if !ok {
			fmt.Println("none is left")
			return
		}
		fmt.Println(backends[i].Address)
		request.Tried = request.Tried.With(i) // it did not accept
	}
	// Output:
	// 192.168.238.131:6443
	// 192.168.238.132:6443
	// 192.168.238.130:6443
	// none is left
}

// A backup takes connections only while no other backend is healthy, and one whose health is not known only where none is.
func ExampleNew() {
	cfg := balance.Config{Policy: balance.RoundRobin, Backends: []balance.Candidate{
		{Backend: balance.Backend{Address: netip.MustParseAddrPort("192.168.238.130:6443")}, Healthy: true},
		{Backend: balance.Backend{Address: netip.MustParseAddrPort("192.168.238.131:6443"), Backup: true}, Healthy: true},
		{Backend: balance.Backend{Address: netip.MustParseAddrPort("192.168.238.132:6443")}, Undecided: true},
	}}
	request := balance.Request{Now: time.Now(), Active: func(int) int { return 0 }}
	for range cfg.Backends {
		i, _ := balance.New(cfg).Pick(request)
		fmt.Println(cfg.Backends[i].Address)
		cfg.Backends[i].Healthy, cfg.Backends[i].Undecided = false, false // it fails
	}
	fmt.Println(balance.New(cfg).Usable())
	// Output:
	// 192.168.238.130:6443
	// 192.168.238.131:6443
	// 192.168.238.132:6443
	// false
}
