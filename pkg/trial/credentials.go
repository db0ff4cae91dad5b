// SPDX-License-Identifier: Apache-2.0

//go:build linux

package trial

import (
	"errors"
	"fmt"
	"net/http"
	"os"

	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// KubeconfigFile is where a node has the credentials of its sidecar.
const KubeconfigFile = "/etc/kubernetes/harbinger/kubeconfig"

// sidecarUser is the user of every sidecar.
const sidecarUser = "harbinger"

const rbacPath = "/apis/rbac.authorization.k8s.io/v1/namespaces/"

// GiveCredentials writes the credentials of a node's sidecar.
func (p *Plane) GiveCredentials(n *Node) (err error) {
	if p.sidecarUser == nil {
		if p.sidecarUser, err = p.CA.User(sidecarUser); err != nil {
			return err
		}
	}
	server := fmt.Sprintf("https://%s:%d", n.Address.Addr(), APIServerPort)
	return n.WriteFile(KubeconfigFile, p.sidecarUser.Kubeconfig(server))
}

// TakeCredentials removes them.
func (p *Plane) TakeCredentials(n *Node) error {
	return n.Do(func() error { return os.Remove(KubeconfigFile) })
}

// A grant is a set of rules in a namespace.
type grant struct {
	namespace string
	rules     []rbacv1.PolicyRule
}

// grants are what a sidecar may do, and nothing else. A write that creates the
// Lease goes to its name: creation too can be limited to that.
var grants = []grant{
	{LeaseNamespace, []rbacv1.PolicyRule{
		{
			APIGroups: []string{"coordination.k8s.io"}, Resources: []string{"leases"},
			ResourceNames: []string{LeaseName}, Verbs: []string{"get", "create", "update"},
		},
		{APIGroups: []string{""}, Resources: []string{"events"}, Verbs: []string{"create"}},
	}},
	{"default", []rbacv1.PolicyRule{
		{APIGroups: []string{"discovery.k8s.io"}, Resources: []string{"endpointslices"}, Verbs: []string{"list"}},
	}},
}

// Allow gives the sidecars' user its rights.
func (p *Plane) Allow() error {
	var errs []error
	for _, g := range grants {
		meta := metav1.ObjectMeta{Name: sidecarUser, Namespace: g.namespace}
		errs = append(errs,
			p.Ask(http.MethodPost, rbacPath+g.namespace+"/roles", rbacv1.Role{ObjectMeta: meta, Rules: g.rules}, nil),
			p.Ask(http.MethodPost, rbacPath+g.namespace+"/rolebindings", rbacv1.RoleBinding{
				ObjectMeta: meta,
				Subjects:   []rbacv1.Subject{{Kind: rbacv1.UserKind, APIGroup: rbacv1.GroupName, Name: sidecarUser}},
				RoleRef:    rbacv1.RoleRef{Kind: "Role", APIGroup: rbacv1.GroupName, Name: sidecarUser},
			}, nil))
	}
	return errors.Join(errs...)
}
