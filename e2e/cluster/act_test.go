// SPDX-License-Identifier: Apache-2.0

package cluster

import (
	"slices"
	"testing"

	"github.com/harbinger-ha/harbinger/e2e/fault"
)

// TestEveryFaultOfHostsCanBeDone holds that a cluster carries out every fault that is done to hosts in the order of the
// catalogue or at random.
func TestEveryFaultOfHostsCanBeDone(t *testing.T) {
	for _, f := range slices.Concat(fault.OfHosts(), fault.AtRandom()) {
		for _, act := range []fault.Act{f.Act, f.Reverse} {
			if act != fault.Nothing && acts[act] == nil {
				t.Errorf("%s: nothing carries %q out", f.Name, act)
			}
		}
	}
}

func TestUnknownActAndHost(t *testing.T) {
	c := &Cluster{ControlPlane: []*Host{{Name: "n1"}}}
	for act, host := range map[fault.Act]string{fault.CrashBalancer: "n1", fault.RestartSidecar: "n2"} {
		if c.Target(t.Context()).Do(act, host) == nil {
			t.Errorf("%q on %s is no error", act, host)
		}
	}
	if err := c.Target(t.Context()).Do(fault.RestartSidecar, "n1"); err != nil {
		t.Errorf("what the kubelet does is an error: %v", err)
	}
}
