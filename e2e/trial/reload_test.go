// SPDX-License-Identifier: Apache-2.0

package trial

import (
	"testing"
	"time"
)

// A changed configuration file takes effect while everything runs: a Backup whose priority was raised takes the address, and
// a backend that was taken out gets no connection any more.
func TestConfigurationFileIsAppliedLive(t *testing.T) {
	t.Parallel()
	system := Harbinger{Binary: harbinger.Binary, Flags: []string{"--config-file"}}
	p := startPlane(t, Config{System: system, Nodes: 2})
	backup := p.Nodes[0]
	if status(t, backup).VirtualRouter.Held {
		backup = p.Nodes[1]
	}
	before := status(t, backup)
	rewrite := func(flags ...string) {
		t.Helper()
		_, err := system.Run(backup, append(system.ManifestArguments(p), flags...)...)
		must(t, err)
	}
	rewrite("--priority", "150")
	until(t, p, 15*time.Second, "the raised priority takes the address", func() bool { return status(t, backup).VirtualRouter.Held })
	after := status(t, backup)
	if after.Incarnation != before.Incarnation || after.VirtualRouter.Configured != 150 || len(after.Balancer.Backends) != 2 {
		t.Errorf("status %+v, want the same process with the new priority", after)
	}
	rewrite("--priority", "150", "--backend", "192.168.238.77:6443")
	until(t, p, 15*time.Second, "the new backend is there", func() bool { return len(status(t, backup).Balancer.Backends) == 3 })
	rewrite("--priority", "150", "--virtual-router-id", "52")
	until(t, p, 15*time.Second, "the refusal is reported", func() bool {
		return status(t, backup).VirtualRouter.VRID == 51 && backup.Sidecar.Keeper.Wrote("asks for a restart")
	})
}
