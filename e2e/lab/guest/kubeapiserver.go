// SPDX-License-Identifier: Apache-2.0

package guest

import (
	"fmt"
	"slices"
	"strings"

	"github.com/harbinger-ha/harbinger/e2e/lab"
)

// AuditFile is where a host has the record of what was asked of its API server, but for what itself, administrators and
// unknown users asked.
const AuditFile = "/run/audit.log"

// auditPolicy keeps the record small.
const auditPolicy = `apiVersion: audit.k8s.io/v1
kind: Policy
omitStages: [RequestReceived]
rules:
- level: None
  users: ["system:apiserver", "system:anonymous"]
- level: None
  userGroups: ["system:masters"]
- level: Metadata
`

// StartAPIServer runs a host's API server, for the first time or again. One on a host without an etcd member asks all
// members.
func (k *Kubernetes) StartAPIServer(h *lab.Host, port uint16) (*lab.Process, error) {
	return h.Start(lab.Command{Path: k.Program("kube-apiserver"), Args: k.apiServerArguments(h, port)})
}

// apiServerArguments returns the flags of an API server: those of kubeadm that matter to its clients, and less of what costs
// processor time.
func (k *Kubernetes) apiServerArguments(h *lab.Host, port uint16) []string {
	return []string{
		"--advertise-address=" + h.Address.Addr().String(),
		fmt.Sprintf("--secure-port=%d", port),
		"--tls-cert-file=" + certificateFile, "--tls-private-key-file=" + certificateFile,
		"--client-ca-file=" + CAFile,
		"--etcd-servers=" + strings.Join(k.etcdServers(h), ","),
		"--etcd-cafile=" + CAFile,
		"--etcd-certfile=" + etcdClientFile, "--etcd-keyfile=" + etcdClientFile,
		"--authorization-mode=RBAC",
		"--endpoint-reconciler-type=lease",
		"--service-cluster-ip-range=10.96.0.0/16",
		"--service-account-issuer=https://kubernetes.default.svc",
		"--service-account-key-file=" + serviceAccountKeyFile,
		"--service-account-signing-key-file=" + serviceAccountKeyFile,
		"--audit-policy-file=" + auditPolicyFile, "--audit-log-path=" + AuditFile,
		"--profiling=false",
	}
}

func (k *Kubernetes) etcdServers(h *lab.Host) []string {
	if slices.Contains(k.Members, h) {
		return []string{fmt.Sprintf("https://127.0.0.1:%d", etcdPort)}
	}
	var servers []string
	for _, member := range k.Members {
		servers = append(servers, fmt.Sprintf("https://%s:%d", member.Address.Addr(), etcdPort))
	}
	return servers
}
