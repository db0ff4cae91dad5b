// SPDX-License-Identifier: Apache-2.0

//go:build e2e

package e2e

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/harbinger-ha/harbinger/e2e/cluster"
	"github.com/harbinger-ha/harbinger/e2e/observe"
	"github.com/harbinger-ha/harbinger/e2e/promise"
)

// classic are the files of the classic recipe and where they go.
var classic = []struct {
	name, path string
	mode       os.FileMode
}{
	{"keepalived.conf", "/etc/keepalived/keepalived.conf", 0o644},
	{"check_apiserver.sh", "/etc/keepalived/check_apiserver.sh", 0o755},
	{"haproxy.cfg", "/etc/haproxy/haproxy.cfg", 0o644},
	{"keepalived.yaml", "/etc/kubernetes/manifests/keepalived.yaml", 0o644},
	{"haproxy.yaml", "/etc/kubernetes/manifests/haproxy.yaml", 0o644},
}

// keepalivedInterval is between two advertisements of the classic recipe, which names none, and of what harbinger convert makes of it.
const keepalivedInterval = time.Second

// TestMigration takes a cluster that kubeadm has made behind keepalived and haproxy, and moves it to Harbinger host by
// host, with what harbinger convert makes of the files that are there.
func TestMigration(t *testing.T) {
	ctx := t.Context()
	c := &cluster.Cluster{Environment: environment, VIP: cluster.VIP, Port: 4300}
	s := begin(t, c)
	for _, name := range []string{"n1", "n2", "n3"} {
		h, err := environment.StartHost(ctx, name)
		must(t, err)
		must(t, h.Import(ctx, environment.ClassicTar))
		installClassic(t, h, len(c.ControlPlane) == 0)
		c.ControlPlane = append(c.ControlPlane, h)
	}
	s.watch()
	printed, err := c.ControlPlane[0].Shell(ctx, "kubeadm init --control-plane-endpoint "+c.Endpoint()+" --upload-certs --pod-network-cidr 10.244.0.0/16")
	must(t, err)
	for _, h := range c.ControlPlane[1:] {
		_, err := h.Shell(ctx, fill(t, "kubeadm join "+c.Endpoint()+" --token … --discovery-token-ca-cert-hash … --control-plane --certificate-key …", printed))
		must(t, err)
	}
	must(t, c.PodNetwork(ctx))
	must(t, c.Ready(ctx, 5*time.Minute))
	s.startWitness(t)

	for _, h := range c.ControlPlane {
		holder, err := c.Holder(ctx, time.Minute)
		must(t, err)
		s.migrate(t, h, h == holder)
	}
	s.nothingLost(t)
	reached(t, "keepalived and haproxy are gone", "three hosts run Harbinger")
}

// migrate moves one host, and prints what it cost the clients of the virtual IP.
func (s *story) migrate(t *testing.T, h *cluster.Host, holds bool) {
	t.Helper()
	ctx := t.Context()
	began := time.Now()
	// keepalived first: haproxy serves until the address is gone.
	for _, name := range []string{"keepalived", "haproxy"} {
		_, err := h.Run(ctx, "rm", "/etc/kubernetes/manifests/"+name+".yaml")
		must(t, err)
		must(t, cluster.Until(ctx, 2*time.Minute, name+" has ended on "+h.Name, func(ctx context.Context) error {
			if out, err := h.Run(ctx, "pgrep", "-x", name); err == nil {
				return errors.New("processes " + strings.Join(strings.Fields(out), " "))
			}
			return nil
		}))
	}
	_, err := h.Shell(ctx, "harbinger convert --keepalived /etc/keepalived/keepalived.conf --haproxy /etc/haproxy/haproxy.cfg >/root/harbinger.yaml\n"+
		"harbinger manifest --config /root/harbinger.yaml --image "+s.Image)
	must(t, err)
	must(t, cluster.Until(ctx, 2*time.Minute, "Harbinger runs on "+h.Name, func(ctx context.Context) error {
		_, err := h.Harbinger(ctx, "status")
		return err
	}))
	must(t, s.Ready(ctx, 3*time.Minute))
	s.served(t, observe.Version, time.Now())
	now := time.Now()
	what := h.Name + " moves from keepalived and haproxy"
	if holds {
		what += ", and held the virtual IP"
	}
	checkTime(t, what, s.log(t, began).Outage(observe.Version, began, now).Length(),
		promise.HostLoss.In(promise.Kind, promise.At(keepalivedInterval)).Outage)
	checkTime(t, "  two hosts had it in their kernels", s.held(t, began, now).Shared().Longest().Length(), inKernels(keepalivedInterval))
}

// installClassic puts the recipe on a host, edited as its document says.
func installClassic(t *testing.T, h *cluster.Host, first bool) {
	t.Helper()
	state, priority := "BACKUP", "100"
	if first {
		state, priority = "MASTER", "101"
	}
	replace := strings.NewReplacer("${STATE}", state, "${PRIORITY}", priority, "${INTERFACE}", "eth0", "${ROUTER_ID}", "51",
		"${AUTH_PASS}", "42", "${APISERVER_VIP}", cluster.VIP.String(), "${APISERVER_DEST_PORT}", "4300", "${APISERVER_SRC_PORT}", "6443",
		"${HOST1_ID}", "n1", "${HOST1_ADDRESS}", "192.168.238.130", "${HOST2_ID}", "n2", "${HOST2_ADDRESS}", "192.168.238.131",
		"${HOST3_ID}", "n3", "${HOST3_ADDRESS}", "192.168.238.132")
	for _, file := range classic {
		content, err := os.ReadFile(filepath.Join("..", "hack", "e2e", "node", "classic", file.name))
		must(t, err)
		must(t, h.Put(t.Context(), file.path, file.mode, []byte(replace.Replace(string(content)))))
	}
}
