// SPDX-License-Identifier: Apache-2.0

//go:build linux

package trial

import (
	"testing"

	authorizationv1 "k8s.io/api/authorization/v1"
)

func TestGrantedKnowsTheLimits(t *testing.T) {
	for _, test := range []struct {
		name, namespace string
		rule            authorizationv1.ResourceRule
		want            bool
	}{
		{"our lease", LeaseNamespace, leaseRule("update", LeaseName), true},
		{"any new lease", LeaseNamespace, leaseRule("create"), false},
		{"any lease", LeaseNamespace, leaseRule("update"), false},
		{"another lease", LeaseNamespace, leaseRule("update", "kube-scheduler"), false},
		{"our lease elsewhere", "default", leaseRule("update", LeaseName), false},
		{"deletion", LeaseNamespace, leaseRule("delete", LeaseName), false},
		{"everything", LeaseNamespace, authorizationv1.ResourceRule{
			Verbs: []string{"*"}, APIGroups: []string{"*"}, Resources: []string{"*"},
		}, false},
	} {
		if got := granted(test.namespace, test.rule); got != test.want {
			t.Errorf("%s is granted: %v, want %v", test.name, got, test.want)
		}
	}
}

func leaseRule(verb string, names ...string) authorizationv1.ResourceRule {
	return authorizationv1.ResourceRule{
		Verbs: []string{verb}, APIGroups: []string{"coordination.k8s.io"}, Resources: []string{"leases"}, ResourceNames: names,
	}
}
