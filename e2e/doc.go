// SPDX-License-Identifier: Apache-2.0

// Package e2e tells what happens to a real Kubernetes cluster behind Harbinger: kubeadm, kubelets, containerd and etcd in
// containers that are hosts. The stories are tests with the build tag e2e; hack/e2e/run.sh runs them and prints their table.
package e2e
