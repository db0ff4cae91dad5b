// SPDX-License-Identifier: Apache-2.0

package cluster

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"
)

// ManifestPath is where the kubelet finds Harbinger's pod.
const ManifestPath = "/etc/kubernetes/manifests/ha.yaml"

const adminConf = "/etc/kubernetes/admin.conf"

// A Cluster is a control plane behind a virtual IP, with its workers.
type Cluster struct {
	Environment
	ControlPlane []*Host
	Workers      []*Host
	VIP          netip.Addr
	Port         uint16 // of the virtual IP

	pods map[*Host][]netip.Prefix // the ranges of their addresses, once PodNetwork has asked
}

// Hosts returns all machines.
func (c *Cluster) Hosts() []*Host { return slices.Concat(c.ControlPlane, c.Workers) }

// Endpoint is the control plane's, as clients name it.
func (c *Cluster) Endpoint() string { return netip.AddrPortFrom(c.VIP, c.Port).String() }

// Kubectl runs kubectl as the administrator through the virtual IP, from the first machine that can.
func (c *Cluster) Kubectl(ctx context.Context, args ...string) (string, error) {
	var errs []error
	for _, h := range c.ControlPlane {
		out, err := h.Run(ctx, append([]string{"kubectl", "--kubeconfig", adminConf, "--request-timeout=10s"}, args...)...)
		if err == nil {
			return out, nil
		}
		errs = append(errs, err)
	}
	return "", errors.Join(errs...)
}

// Local runs kubectl against the machine's own API server, past the virtual IP.
func (c *Cluster) Local(ctx context.Context, h *Host, args ...string) (string, error) {
	server := "https://" + netip.AddrPortFrom(h.Address, 6443).String()
	return h.Run(ctx, append([]string{"kubectl", "--kubeconfig", adminConf, "--server", server, "--request-timeout=5s"}, args...)...)
}

// Holders returns the machines that have the virtual IP on their interface now. A machine that does not answer (it is
// frozen, or off) is left out.
func (c *Cluster) Holders(ctx context.Context) []*Host {
	var holders []*Host
	for _, h := range c.ControlPlane {
		ctx, cancel := context.WithTimeout(ctx, 2*time.Second)
		out, err := h.Run(ctx, "ip", "-o", "address", "show", "to", c.VIP.String())
		cancel()
		if err == nil && strings.TrimSpace(out) != "" {
			holders = append(holders, h)
		}
	}
	return holders
}

// Holder waits until exactly one machine has the virtual IP.
func (c *Cluster) Holder(ctx context.Context, timeout time.Duration) (*Host, error) {
	var holder *Host
	err := Until(ctx, timeout, "exactly one host has the virtual IP", func(ctx context.Context) error {
		holders := c.Holders(ctx)
		if len(holders) != 1 {
			return fmt.Errorf("%d have it", len(holders))
		}
		holder = holders[0]
		return nil
	})
	return holder, err
}

// Others returns the machines of the control plane but one.
func (c *Cluster) Others(h *Host) []*Host {
	return slices.DeleteFunc(slices.Clone(c.ControlPlane), func(other *Host) bool { return other == h })
}

// Ready waits until all nodes are Ready, the API of each control plane says so of itself, and every pod of kube-system
// is Ready: the state in which a fault may be judged.
func (c *Cluster) Ready(ctx context.Context, timeout time.Duration) error {
	return Until(ctx, timeout, "the cluster is ready", func(ctx context.Context) error {
		for _, h := range c.ControlPlane {
			if _, err := c.Local(ctx, h, "get", "--raw", "/readyz"); err != nil {
				return err
			}
		}
		if _, err := c.Kubectl(ctx, "wait", "--for=condition=Ready", "nodes", "--all", "--timeout=5s"); err != nil {
			return err
		}
		if _, err := c.Kubectl(ctx, "wait", "--for=condition=Ready", "pods", "--all", "--all-namespaces", "--timeout=5s"); err != nil {
			return err
		}
		if holders := c.Holders(ctx); len(holders) != 1 {
			return fmt.Errorf("%d hosts have the virtual IP", len(holders))
		}
		return nil
	})
}

// Arbitrated waits until the Lease arbitrates on every machine.
func (c *Cluster) Arbitrated(ctx context.Context, timeout time.Duration) error {
	return Until(ctx, timeout, "the Lease arbitrates", func(ctx context.Context) error {
		for _, h := range c.ControlPlane {
			out, failed := h.Harbinger(ctx, "status", "-o", "json") // also where the host is not ready
			var status struct {
				VirtualRouter struct {
					Arbiter string `json:"arbiter"`
				} `json:"virtualRouter"`
			}
			if err := json.Unmarshal([]byte(out), &status); err != nil {
				return cmp.Or(failed, err)
			}
			if arbiter := status.VirtualRouter.Arbiter; arbiter != "lease" {
				return fmt.Errorf("arbiter of %s is %q", h.Name, arbiter)
			}
		}
		return nil
	})
}
