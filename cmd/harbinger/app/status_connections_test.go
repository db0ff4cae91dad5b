// SPDX-License-Identifier: Apache-2.0

package app_test

import (
	"encoding/json"
	"strings"
	"testing"

	statusv1alpha1 "github.com/harbinger-ha/harbinger/pkg/apis/status/v1alpha1"
)

func TestStatusOfConnections(t *testing.T) {
	defer servePod(t)()
	r := harbinger("", "status", "--connections")
	if r.want(t, 0); !strings.Contains(r.stdout, "1 connection runs") || !strings.Contains(r.stdout, "192.168.238.201:51234") || !strings.Contains(r.stdout, "n2") {
		t.Errorf("it says\n%s", r.stdout)
	}
	r = harbinger("", "status", "--connections", "-o", "json")
	var list statusv1alpha1.ConnectionList
	if err := json.Unmarshal([]byte(r.stdout), &list); err != nil || len(list.Running) != 1 || list.Running[0].Backend != "192.168.238.131:6443" {
		t.Errorf("%v of\n%s", err, r.stdout)
	}
	if r = harbinger("", "status", "--connections", "-o", "yaml"); !strings.HasPrefix(r.stdout, "---\nended:") {
		t.Errorf("it says\n%s", r.stdout)
	}
	harbinger("", "status", "--connections", "--all").want(t, 2, "--connections: goes without --all and --wait only")
}
