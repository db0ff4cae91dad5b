// SPDX-License-Identifier: Apache-2.0

package guest

import (
	"fmt"
	"net/netip"
	"os"
	"strings"

	"github.com/harbinger-ha/harbinger/e2e/lab"
)

// The ports of etcd, as kubeadm has them.
const (
	etcdPort        = 2379
	etcdPeerPort    = 2380
	etcdMetricsPort = 2381
)

// etcdDirectory is where a host has the data of its member.
const etcdDirectory = "/var/lib/etcd"

// StartEtcd runs a host's member, for the first time or again. It has what the member stored before.
func (k *Kubernetes) StartEtcd(h *lab.Host) (*lab.Process, error) {
	return h.Start(lab.Command{Path: k.Program("etcd"), Args: k.etcdArguments(h)})
}

// etcdArguments returns the flags of a member: those of kubeadm, with the timers that are etcd's defaults, and without
// waiting for a disk.
func (k *Kubernetes) etcdArguments(h *lab.Host) []string {
	client := fmt.Sprintf("https://%s:%d", h.Address.Addr(), etcdPort)
	return []string{
		"--name=" + h.Name,
		"--data-dir=" + etcdDirectory,
		"--listen-client-urls=" + client + fmt.Sprintf(",https://127.0.0.1:%d", etcdPort),
		"--advertise-client-urls=" + client,
		"--listen-peer-urls=" + peerURL(h),
		"--initial-advertise-peer-urls=" + peerURL(h),
		"--initial-cluster=" + k.initialCluster(),
		"--listen-metrics-urls=" + fmt.Sprintf("http://127.0.0.1:%d", etcdMetricsPort),
		"--cert-file=" + etcdFile, "--key-file=" + etcdFile,
		"--trusted-ca-file=" + CAFile, "--client-cert-auth",
		"--peer-cert-file=" + etcdFile, "--peer-key-file=" + etcdFile,
		"--peer-trusted-ca-file=" + CAFile, "--peer-client-cert-auth",
		"--heartbeat-interval=100", "--election-timeout=1000",
		"--unsafe-no-fsync",
		"--log-level=error",
	}
}

func (k *Kubernetes) initialCluster() string {
	var members []string
	for _, h := range k.Members {
		members = append(members, h.Name+"="+peerURL(h))
	}
	return strings.Join(members, ",")
}

// peerURL returns where the other members reach that of a host: over the backplane, where there is one.
func peerURL(h *lab.Host) string {
	address := h.Address.Addr()
	if h.Backplane.IsValid() {
		address = h.Backplane.Addr()
	}
	return "https://" + netip.AddrPortFrom(address, etcdPeerPort).String()
}

// EraseEtcd forgets what a host's member stored. The member must not run.
func (k *Kubernetes) EraseEtcd(h *lab.Host) error {
	return h.Do(func() error { return os.RemoveAll(etcdDirectory) })
}
