// SPDX-License-Identifier: Apache-2.0

//go:build linux

package trial

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	authorizationv1 "k8s.io/api/authorization/v1"
	rbacv1 "k8s.io/api/rbac/v1"

	"github.com/harbinger-ha/harbinger/e2e/lab"
)

// kubectl runs kubectl on a node with the credentials of its sidecar, and
// returns what it printed.
func (p *Plane) kubectl(n *Node, args ...string) (string, error) {
	kubectl, err := n.Host.Start(lab.Command{
		Path: p.Cluster.Program("kubectl"),
		Args: append([]string{"--kubeconfig", KubeconfigFile}, args...),
		Env:  []string{"HOME=/run"}, // of its cache of the API
	})
	if err != nil {
		return "", err
	}
	if err := kubectl.Wait(30 * time.Second); err != nil {
		return "", fmt.Errorf("kubectl %v: %w\n%s", args, err, kubectl.Output())
	}
	return kubectl.Output(), nil
}

// RightsList returns what kubectl says that the credentials of a node allow in
// the namespace of the Lease.
func (p *Plane) RightsList(n *Node) (string, error) {
	return p.kubectl(n, "auth", "can-i", "--list", "--namespace", LeaseNamespace)
}

// A grant is a set of rules in a namespace.
type grant struct {
	namespace string
	rules     []rbacv1.PolicyRule
}

// grants are what a sidecar needs. The program may not ask for more.
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

// everybodyMay are the resources that each authenticated user may use, to ask for
// their own name and rights.
var everybodyMay = []string{"selfsubjectaccessreviews", "selfsubjectrulesreviews", "selfsubjectreviews"}

// ExcessRights returns what the credentials of a node allow beyond the grants,
// as the API server sees it, in the namespaces of the grants and one other.
func (p *Plane) ExcessRights(n *Node) (excess []string, err error) {
	for _, namespace := range []string{LeaseNamespace, "default", "kube-public"} {
		rights, err := p.rights(n, namespace)
		if err != nil {
			return nil, err
		}
		for _, rule := range rights.ResourceRules {
			if !everybodyHas(rule) && !granted(namespace, rule) {
				excess = append(excess, fmt.Sprintf("in %s: %v of %v in %v named %v",
					namespace, rule.Verbs, rule.Resources, rule.APIGroups, rule.ResourceNames))
			}
		}
		for _, rule := range rights.NonResourceRules {
			if !slices.Equal(rule.Verbs, []string{"get"}) || slices.ContainsFunc(rule.NonResourceURLs, isPrivate) {
				excess = append(excess, fmt.Sprintf("%v of %v", rule.Verbs, rule.NonResourceURLs))
			}
		}
	}
	return excess, nil
}

// rights asks an API server what the credentials of a node allow.
func (p *Plane) rights(n *Node, namespace string) (rights authorizationv1.SubjectRulesReviewStatus, err error) {
	const file = "/run/review.json"
	review := authorizationv1.SelfSubjectRulesReview{Spec: authorizationv1.SelfSubjectRulesReviewSpec{Namespace: namespace}}
	question, err := json.Marshal(review)
	if err != nil {
		return rights, err
	}
	if err := n.WriteFile(file, string(question)); err != nil {
		return rights, err
	}
	answer, err := p.kubectl(n, "create", "--raw", "/apis/authorization.k8s.io/v1/selfsubjectrulesreviews", "-f", file)
	if err != nil {
		return rights, err
	}
	if err := json.Unmarshal([]byte(answer), &review); err != nil {
		return rights, fmt.Errorf("rights: %w\n%s", err, answer)
	}
	if review.Status.Incomplete || len(review.Status.ResourceRules) == 0 {
		return rights, fmt.Errorf("rights are incomplete: %s", answer)
	}
	return review.Status, nil
}

func everybodyHas(rule authorizationv1.ResourceRule) bool {
	return !slices.ContainsFunc(rule.Resources, func(resource string) bool { return !slices.Contains(everybodyMay, resource) })
}

// granted reports whether a grant has the rule, or more.
func granted(namespace string, rule authorizationv1.ResourceRule) bool {
	return slices.ContainsFunc(grants, func(g grant) bool {
		return g.namespace == namespace && slices.ContainsFunc(g.rules, func(r rbacv1.PolicyRule) bool {
			return within(rule.APIGroups, r.APIGroups) && within(rule.Resources, r.Resources) &&
				within(rule.Verbs, r.Verbs) && (len(r.ResourceNames) == 0 || slices.Equal(rule.ResourceNames, r.ResourceNames))
		})
	})
}

func within(some, all []string) bool {
	return !slices.ContainsFunc(some, func(item string) bool { return !slices.Contains(all, item) })
}

// isPrivate reports whether a path is none of those that every user may read:
// health, version and the documents of the API.
func isPrivate(path string) bool {
	public := []string{"/healthz", "/livez", "/readyz", "/version", "/api", "/apis", "/openapi"}
	return !slices.ContainsFunc(public, func(p string) bool { return strings.HasPrefix(path, p) })
}
