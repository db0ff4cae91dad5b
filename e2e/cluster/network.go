// SPDX-License-Identifier: Apache-2.0

package cluster

import (
	"context"
	"encoding/json"
	"fmt"
	"net/netip"
	"strings"
	"time"
)

// PodNetwork gives every machine a pod network: a veth pair for each pod, addresses from the ranges that Kubernetes has
// assigned to the node, and routes to the ranges of the other nodes.
//
// It comes after kube-proxy, which needs no pod network: a pod that is there before service addresses are translated sends
// its first packets for them to the default route.
func (c *Cluster) PodNetwork(ctx context.Context) error {
	for _, h := range c.Hosts() {
		if err := Until(ctx, 3*time.Minute, h.Name+" translates service addresses", func(ctx context.Context) error {
			_, err := h.Shell(ctx, "{ iptables-save -t nat; nft list ruleset; } 2>/dev/null | grep -c '10\\.96\\.0\\.1\\>'")
			return err
		}); err != nil {
			return err
		}
	}
	c.pods = make(map[*Host][]netip.Prefix)
	for _, h := range c.Hosts() {
		if err := Until(ctx, time.Minute, h.Name+" has a range of pod addresses", func(ctx context.Context) (err error) {
			c.pods[h], err = c.podRanges(ctx, h)
			return err
		}); err != nil {
			return err
		}
	}
	if err := c.RoutePods(ctx); err != nil {
		return err
	}
	for h, ranges := range c.pods {
		if err := configurePodNetwork(ctx, h, ranges); err != nil {
			return err
		}
	}
	return nil
}

func configurePodNetwork(ctx context.Context, h *Host, ranges []netip.Prefix) error {
	type subnet struct {
		Subnet string `json:"subnet"`
	}
	type route struct {
		Destination string `json:"dst"`
	}
	var subnets [][]subnet
	var routes []route
	for _, r := range ranges {
		subnets = append(subnets, []subnet{{r.String()}})
		everything := "0.0.0.0/0"
		if r.Addr().Is6() {
			everything = "::/0"
		}
		routes = append(routes, route{everything})
	}
	conflist, err := json.MarshalIndent(map[string]any{
		"cniVersion": "0.3.1",
		"name":       "e2e",
		"plugins": []any{
			map[string]any{"type": "ptp", "ipam": map[string]any{"type": "host-local", "ranges": subnets, "routes": routes}},
			map[string]any{"type": "portmap", "capabilities": map[string]bool{"portMappings": true}},
		},
	}, "", "  ")
	if err != nil {
		return err
	}
	return h.Put(ctx, "/etc/cni/net.d/10-e2e.conflist", 0o644, conflist)
}

// RoutePods makes the pods of each machine reachable from each other, where PodNetwork has made their network. The routes go
// with the interface: it is done again after a machine was off or unplugged. The API is not asked, which may be away.
func (c *Cluster) RoutePods(ctx context.Context) error {
	for peer, ranges := range c.pods {
		for _, h := range c.Hosts() {
			for _, r := range ranges {
				via := peer.Address
				if r.Addr().Is6() {
					via = peer.ipv6
				}
				if h == peer {
					continue
				}
				if _, err := h.Run(ctx, "ip", "route", "replace", r.String(), "via", via.String()); err != nil {
					return err
				}
			}
		}
	}
	return nil
}

func (c *Cluster) podRanges(ctx context.Context, h *Host) ([]netip.Prefix, error) {
	out, err := c.Kubectl(ctx, "get", "node", h.Name, "-o", "jsonpath={.spec.podCIDRs[*]}")
	if err != nil {
		return nil, err
	}
	var ranges []netip.Prefix
	for word := range strings.FieldsSeq(out) {
		r, err := netip.ParsePrefix(word)
		if err != nil {
			return nil, fmt.Errorf("range of %s: %w", h.Name, err)
		}
		ranges = append(ranges, r)
	}
	if len(ranges) == 0 {
		return nil, fmt.Errorf("%s has no range of pod addresses yet", h.Name)
	}
	return ranges, nil
}
