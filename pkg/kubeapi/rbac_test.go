// SPDX-License-Identifier: Apache-2.0

package kubeapi_test

import (
	"flag"
	"os"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/harbinger-ha/harbinger/pkg/kubeapi"
)

var update = flag.Bool("update", false, "rewrite manifests/rbac.yaml; read the difference before committing it")

// rbacFile is the shipped manifest. What it permits is tried against a real apiserver.
const rbacFile = "../../manifests/rbac.yaml"

func TestRBACFile(t *testing.T) {
	document, err := kubeapi.RBAC("kube-system", "harbinger")
	if err != nil {
		t.Fatal(err)
	}
	got := append([]byte("# SPDX-License-Identifier: Apache-2.0\n# What harbinger kubeconfig applies: all that the user of its kubeconfig may do.\n"), document...)
	if *update {
		if err := os.WriteFile(rbacFile, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(rbacFile)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), string(got)); diff != "" {
		t.Errorf("%s (-want +got; -update rewrites it):\n%s", rbacFile, diff)
	}
}
