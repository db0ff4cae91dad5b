// SPDX-License-Identifier: Apache-2.0

package trial

import "fmt"

// Where a node has the credentials of its sidecar, and of its administrator.
const (
	KubeconfigFile = "/etc/kubernetes/harbinger/kubeconfig"

	adminKubeconfigFile = "/etc/kubernetes/admin.conf"
)

// GiveCredentials makes the credentials of a node's sidecar. They allow nothing before [Harbinger.Allow].
func (x Harbinger) GiveCredentials(n *Node) error {
	_, err := x.Run(n, "kubeconfig", "--apply-rbac=false")
	return err
}

// Allow makes the credentials of a node's sidecar, and gives those of all nodes their rights.
func (x Harbinger) Allow(n *Node) error {
	_, err := x.Run(n, "kubeconfig")
	return err
}

// localAPIServer is where a node's administrator reaches its API server.
func localAPIServer() string { return fmt.Sprintf("https://127.0.0.1:%d", APIServerPort) }
