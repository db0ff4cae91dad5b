// SPDX-License-Identifier: Apache-2.0

package kubeapi_test

import (
	"flag"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/harbinger-ha/harbinger/pkg/kubeapi"
)

var update = flag.Bool("update", false, "rewrite manifests/rbac.yaml and rbac-kube-vip.yaml; read the difference before committing it")

// rbacFile is the shipped manifest. What it permits is tried against a real apiserver.
const rbacFile = "../../manifests/rbac.yaml"

// predecessorFile adds what a move from kube-vip needs.
const predecessorFile = "../../manifests/rbac-kube-vip.yaml"

func TestRBACFile(t *testing.T) {
	always, err := kubeapi.RBAC("kube-system", "harbinger", "")
	if err != nil {
		t.Fatal(err)
	}
	wantFile(t, rbacFile, "# What harbinger kubeconfig applies: all that the user of its kubeconfig may do.\n"+string(always))
	moving, err := kubeapi.RBAC("kube-system", "harbinger", "kube-system/plndr-cp-lock")
	if err != nil {
		t.Fatal(err)
	}
	more, found := strings.CutPrefix(string(moving), string(always)+"---\n")
	if !found {
		t.Errorf("with a predecessor the permissions are not those without, and more:\n%s", moving)
	}
	wantFile(t, predecessorFile, "# What harbinger kubeconfig applies in addition while election.lease.predecessor names the Lease of kube-vip. Delete it afterwards.\n"+more)
}

// wantFile compares a shipped manifest.
func wantFile(t *testing.T, file, content string) {
	t.Helper()
	got := "# SPDX-License-Identifier: Apache-2.0\n" + content
	if *update {
		if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("%s (-want +got; -update rewrites it):\n%s", file, diff)
	}
}
