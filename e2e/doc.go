// SPDX-License-Identifier: Apache-2.0

// Package e2e tries Harbinger in real Kubernetes clusters: kubeadm, kubelets, containerd and etcd in containers that are hosts.
// The stories are tests with the build tag e2e; hack/e2e/run.sh runs them and prints their table. README.md explains the whole
// proving ground.
package e2e
