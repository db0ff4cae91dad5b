// SPDX-License-Identifier: Apache-2.0

//go:build linux

package trial

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	authorizationv1 "k8s.io/api/authorization/v1"
	rbacv1 "k8s.io/api/rbac/v1"

	"github.com/harbinger-ha/harbinger/pkg/internal/lab"
)

// RightsList returns what kubectl says that the credentials of a node allow.
func (p *Plane) RightsList(n *Node) (string, error) {
	kubectl, err := n.Host.Start(lab.Command{
		Path: p.Cluster.Program("kubectl"),
		Args: []string{"--kubeconfig", KubeconfigFile, "auth", "can-i", "--list", "--namespace", LeaseNamespace},
		Env:  []string{"HOME=/run"},
	})
	if err != nil {
		return "", err
	}
	if err := kubectl.Wait(30 * time.Second); err != nil {
		return "", fmt.Errorf("kubectl: %w\n%s", err, kubectl.Output())
	}
	return kubectl.Output(), nil
}

// everybodyMay are the resources that each authenticated user may use, to ask
// who he is and what he may do.
var everybodyMay = []string{"selfsubjectaccessreviews", "selfsubjectrulesreviews", "selfsubjectreviews"}

// ExcessRights returns what the credentials of the sidecars allow beyond their
// grants, as the API server sees it, in the namespaces of the grants and one
// other.
func (p *Plane) ExcessRights() (excess []string, err error) {
	for _, namespace := range []string{LeaseNamespace, "default", "kube-public"} {
		review := authorizationv1.SelfSubjectRulesReview{
			Spec: authorizationv1.SelfSubjectRulesReviewSpec{Namespace: namespace},
		}
		err := p.askAs(p.sidecarUser, p.Nodes[0], http.MethodPost,
			"/apis/authorization.k8s.io/v1/selfsubjectrulesreviews", review, &review)
		if err != nil {
			return nil, err
		}
		for _, rule := range review.Status.ResourceRules {
			if !everybodyHas(rule) && !granted(namespace, rule) {
				excess = append(excess, fmt.Sprintf("in %s: %v of %v in %v named %v",
					namespace, rule.Verbs, rule.Resources, rule.APIGroups, rule.ResourceNames))
			}
		}
		for _, rule := range review.Status.NonResourceRules {
			if !slices.Equal(rule.Verbs, []string{"get"}) || slices.ContainsFunc(rule.NonResourceURLs, isPrivate) {
				excess = append(excess, fmt.Sprintf("%v of %v", rule.Verbs, rule.NonResourceURLs))
			}
		}
	}
	return excess, nil
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

// isPrivate reports whether a path is none of those that everybody may read:
// health, version and the documents of the API.
func isPrivate(path string) bool {
	public := []string{"/healthz", "/livez", "/readyz", "/version", "/api", "/apis", "/openapi"}
	return !slices.ContainsFunc(public, func(p string) bool { return strings.HasPrefix(path, p) })
}
