// SPDX-License-Identifier: Apache-2.0

package kubeapi

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"

	coordinationv1 "k8s.io/api/coordination/v1"
	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/yaml"
)

// User and Group are whom the client certificates are for.
const (
	User  = "harbinger"
	Group = "harbinger.dev:nodes"
)

// grant is a Role, and the RoleBinding that gives it to User.
type grant struct {
	role    rbacv1.Role
	binding rbacv1.RoleBinding
}

// grants are all the permissions that a Client of a Lease needs. A write that creates the Lease is an update for its name, so
// that creation too is limited to the one name. The Lease of a predecessor, if there is one, is never created.
func grants(namespace, name, predecessor string) []grant {
	all := []grant{
		newGrant(namespace, "harbinger:lease:"+name,
			rbacv1.PolicyRule{
				APIGroups: []string{coordinationv1.GroupName}, Resources: []string{"leases"}, ResourceNames: []string{name},
				Verbs: []string{"get", "create", "update"},
			},
			rbacv1.PolicyRule{APIGroups: []string{corev1.GroupName}, Resources: []string{"events"}, Verbs: []string{"create"}},
		),
		newGrant(metav1.NamespaceDefault, "harbinger:discovery",
			rbacv1.PolicyRule{APIGroups: []string{discoveryv1.GroupName}, Resources: []string{"endpointslices"}, Verbs: []string{"list"}},
		),
	}
	if predecessor != "" {
		l := predecessorName(predecessor)
		all = append(all, newGrant(l.namespace, "harbinger:predecessor:"+l.name, rbacv1.PolicyRule{
			APIGroups: []string{coordinationv1.GroupName}, Resources: []string{"leases"}, ResourceNames: []string{l.name}, Verbs: []string{"get", "update"},
		}))
	}
	return all
}

func newGrant(namespace, name string, rules ...rbacv1.PolicyRule) grant {
	kind := func(k string) metav1.TypeMeta {
		return metav1.TypeMeta{APIVersion: rbacv1.SchemeGroupVersion.String(), Kind: k}
	}
	meta := metav1.ObjectMeta{Namespace: namespace, Name: name}
	return grant{
		role: rbacv1.Role{TypeMeta: kind("Role"), ObjectMeta: meta, Rules: rules},
		binding: rbacv1.RoleBinding{
			TypeMeta: kind("RoleBinding"), ObjectMeta: meta,
			RoleRef:  rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "Role", Name: name},
			Subjects: []rbacv1.Subject{{APIGroup: rbacv1.GroupName, Kind: rbacv1.UserKind, Name: User}},
		},
	}
}

// RBAC returns, as YAML documents, the permissions that the user of the kubeconfig needs for a Lease, and for that of a predecessor
// unless it is empty.
func RBAC(namespace, name, predecessor string) ([]byte, error) {
	var documents [][]byte
	for _, g := range grants(namespace, name, predecessor) {
		for _, object := range []any{g.role, g.binding} {
			document, err := yaml.Marshal(object)
			if err != nil {
				return nil, err
			}
			documents = append(documents, document)
		}
	}
	return bytes.Join(documents, []byte("---\n")), nil
}

// ApplyRBAC stores the permissions with the credentials of an administrator. What is there by those names is replaced. The
// context bounds it.
func ApplyRBAC(ctx context.Context, adminKubeconfig, namespace, name, predecessor string) error {
	admin, err := readCredentials(adminKubeconfig)
	if err != nil {
		return err
	}
	config := rest.CopyConfig(admin.config)
	config.NegotiatedSerializer = codecs.WithoutConversion()
	config.WarningHandler = rest.NoWarnings{}
	// The apiserver is in this network: a proxy of the environment does not lead to it.
	config.Proxy = http.ProxyURL(nil)
	client, err := rest.UnversionedRESTClientFor(config)
	if err != nil {
		return err
	}
	for _, g := range grants(namespace, name, predecessor) {
		if err := apply(ctx, client, "roles", g.role.ObjectMeta, g.role); err != nil {
			return err
		}
		if err := apply(ctx, client, "rolebindings", g.binding.ObjectMeta, g.binding); err != nil {
			return err
		}
	}
	return nil
}

func apply(ctx context.Context, client *rest.RESTClient, resource string, meta metav1.ObjectMeta, object any) error {
	raw, err := json.Marshal(object)
	if err != nil {
		return err
	}
	path := strings.Join([]string{"/apis/rbac.authorization.k8s.io/v1/namespaces", meta.Namespace, resource, meta.Name}, "/")
	err = client.Patch(types.ApplyPatchType).AbsPath(path).Param("fieldManager", component).Param("force", "true").
		MaxRetries(0).Body(raw).Do(ctx).Error()
	if err != nil {
		return fmt.Errorf("apply %s %s/%s: %s", resource, meta.Namespace, meta.Name, short(err))
	}
	return nil
}
