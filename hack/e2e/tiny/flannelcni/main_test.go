// Copyright The Harbinger Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"encoding/json"
	"slices"
	"testing"
)

func TestConflist(t *testing.T) {
	const v4 = "FLANNEL_NETWORK=10.244.0.0/16\nFLANNEL_SUBNET=10.244.2.1/24\n"
	const v6 = "FLANNEL_IPV6_NETWORK=fd00:10:244::/56\nFLANNEL_IPV6_SUBNET=fd00:10:244:2::1/64\n"
	const rest = "FLANNEL_MTU=1450\nFLANNEL_IPMASQ=true\n"
	for _, test := range []struct {
		name, env string
		subnets   []string
		fails     bool
	}{
		{name: "IPv4", env: v4 + rest, subnets: []string{"10.244.2.0/24"}},
		{name: "dual stack", env: v4 + v6 + rest, subnets: []string{"10.244.2.0/24", "fd00:10:244:2::/64"}},
		{name: "nothing", fails: true},
		{name: "half written", env: v4, fails: true},
		{name: "no network", env: "FLANNEL_SUBNET=10.244.2.1/24\n" + rest, fails: true},
		{name: "no address", env: "FLANNEL_NETWORK=10.244.0.0/16\nFLANNEL_SUBNET=10.244\n" + rest, fails: true},
	} {
		t.Run(test.name, func(t *testing.T) {
			content, err := conflist(test.env)
			if test.fails != (err != nil) {
				t.Fatalf("error %v, want one: %v", err, test.fails)
			}
			if err != nil {
				return
			}
			var list struct {
				Plugins []struct {
					Type   string
					MTU    int
					IPMasq bool
					IPAM   struct{ Ranges [][]struct{ Subnet string } }
				}
			}
			if err := json.Unmarshal(content, &list); err != nil {
				t.Fatal(err)
			}
			bridge := list.Plugins[0]
			if bridge.Type != "bridge" || bridge.MTU != 1450 || bridge.IPMasq {
				t.Errorf("bridge is %+v", bridge)
			}
			var subnets []string
			for _, r := range bridge.IPAM.Ranges {
				subnets = append(subnets, r[0].Subnet)
			}
			if !slices.Equal(subnets, test.subnets) {
				t.Errorf("subnets are %v, want %v", subnets, test.subnets)
			}
		})
	}
}

func TestKnown(t *testing.T) {
	for _, test := range []struct {
		ruleset string
		want    bool
	}{
		{"ip daddr 10.96.0.1 tcp dport 443 counter jump KUBE-SVC-NPX46M4PTMTKRN6Y", true},
		{"elements = { 10.96.0.10 . udp . 53 : goto service-A,\n 10.96.0.1 . tcp . 443 : goto service-B }", true},
		{"-d 10.96.0.1/32", true},
		{"ip daddr 10.96.0.0/12 counter reject", false},
		{"ip daddr 10.96.0.10 udp dport 53", false},
		{"", false},
	} {
		if got := known([]byte(test.ruleset), "10.96.0.1"); got != test.want {
			t.Errorf("known(%q) = %v", test.ruleset, got)
		}
	}
}
