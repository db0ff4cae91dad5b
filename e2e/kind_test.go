// SPDX-License-Identifier: Apache-2.0

//go:build e2e

package e2e

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/harbinger-ha/harbinger/e2e/cluster"
)

// kind makes a cluster whose endpoint is the virtual IP on the apiservers' own port, with everything that watches it.
func kind(t *testing.T, config cluster.KindConfig, arguments ...string) *story {
	t.Helper()
	ctx := t.Context()
	var err error
	config.Manifest, err = environment.KindManifest(ctx, arguments...)
	must(t, err)
	began := time.Now()
	c, err := environment.CreateKind(ctx, config)
	s := begin(t, c)
	must(t, err)
	reached(t, "kind create cluster: kubeadm init and joins through the VIP", "exit 0 after "+seconds(time.Since(began)))
	must(t, c.PodNetwork(ctx))
	s.watch()
	return s
}

// TestKind puts a kind cluster of three control planes and a worker behind the virtual IP, and does to it what happens to
// clusters: nothing for a while, then one fault after another. With -short of these a freeze and a kill of the holder only.
func TestKind(t *testing.T) {
	ctx := t.Context()
	s := kind(t, cluster.KindConfig{ControlPlanes: 3, Workers: 1, ProxyMode: "iptables", IPFamily: "ipv4"})
	must(t, s.Ready(ctx, 5*time.Minute))
	s.untouched(t)
	s.declared(t)

	must(t, s.Credentials(ctx))
	s.settle(t)
	reached(t, "the Lease arbitrates after harbinger kubeconfig", "on all hosts")
	s.tableOfTheRecipe(t)
	t.Run("idle", s.idle)
	s.startWitness(t)
	t.Run("faults", s.faults)
	s.nothingLost(t)
}

// untouched checks that nothing but the one file was needed, and that nobody changed it.
func (s *story) untouched(t *testing.T) {
	t.Helper()
	sums := make(map[string]bool)
	for _, h := range s.ControlPlane {
		sum, err := h.Sum(t.Context(), cluster.ManifestPath)
		must(t, err)
		sums[sum] = true
		found, err := s.Credential(t.Context(), h)
		must(t, err)
		check(t, found == "", h.Name+": API credentials in the pod", orNone(found), "none")
		pod, err := s.Sidecar(t.Context(), h)
		must(t, err)
		restarts := pod.Status.ContainerStatuses[0].RestartCount
		check(t, restarts == 0, h.Name+": restarts of the pod", fmt.Sprint(restarts), "0")
		warnings, err := s.Kubectl(t.Context(), "get", "events", "--namespace", "kube-system", "--output", "jsonpath={.items[*].message}",
			"--field-selector", "type=Warning,involvedObject.name="+pod.Name)
		must(t, err)
		check(t, warnings == "", h.Name+": warnings in kubectl describe", orNone(warnings), "none")
	}
	check(t, len(sums) == 1, "ha.yaml of the three hosts after kubeadm", fmt.Sprintf("%d versions", len(sums)), "1")
	s.ownAddresses(t)
}

// ownAddresses checks that no node calls the virtual IP its own.
func (s *story) ownAddresses(t *testing.T) {
	t.Helper()
	addresses, err := s.Kubectl(t.Context(), "get", "nodes", "-o", `jsonpath={.items[*].status.addresses[?(@.type=="InternalIP")].address}`)
	must(t, err)
	check(t, !strings.Contains(" "+addresses+" ", " "+s.VIP.String()+" "), "addresses of the nodes", addresses, "not the VIP")
}

// declared checks that containerd runs the pods with just the rights that they declare.
func (s *story) declared(t *testing.T) {
	t.Helper()
	for _, h := range s.ControlPlane {
		found, err := s.AsDeclared(t.Context(), h)
		if err != nil {
			found = err.Error()
		}
		check(t, err == nil, h.Name+": rights of the pod", found, "as declared")
	}
}

func orNone(s string) string {
	if s == "" {
		return "none"
	}
	return s
}
