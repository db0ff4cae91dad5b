// SPDX-License-Identifier: Apache-2.0

package proxy

import (
	"encoding/json"
	"net/netip"
	"os"
	"strings"
	"testing"

	"github.com/go-logr/logr/funcr"

	"github.com/harbinger-ha/harbinger/e2e/lab"
	"github.com/harbinger-ha/harbinger/e2e/lab/labtest"
	"github.com/harbinger-ha/harbinger/pkg/logging"
)

// TestLimitInForce starts a keeper whose soft limit of descriptors is far below its hard one, as systemd's is. The balancer uses all of them,
// and says for how many connections they are.
func TestLimitInForce(t *testing.T) {
	h := labtest.New(t, lab.Config{Nodes: 1}).Hosts()[0]
	settings := testSettings()
	settings.Limits.Total = 20000
	encoded, err := json.Marshal(keeperConfig{netip.MustParseAddrPort("127.0.0.1:4300"), settings})
	must(t, err)
	program, err := os.Executable()
	must(t, err)
	command := keeperRole.Command("-c", `ulimit -S -n 512; ulimit -H -n 4101; exec "$0" "$@"`, program, string(encoded))
	command.Path = "/bin/sh"
	keeper, err := h.Start(command)
	must(t, err)
	// The runtime of Go stays one below the hard limit, to notice who changes it.
	const want = "limit=2000 20000 are configured, and the process has 4100 file descriptors (RLIMIT_NOFILE), of which each takes two"
	until(t, "the keeper hears of the limit", func() bool { return strings.Contains(keeper.Output(), want) })
}

// A lower limit is logged once until it is another one, and none that is as configured.
func TestLoweredLimitIsLoggedOnce(t *testing.T) {
	lines := 0
	m := newMonitor(funcr.New(func(_, args string) {
		if strings.Contains(args, logging.MsgConnectionsLimited) {
			lines++
		}
	}, funcr.Options{}), nil, nil)
	for _, lowered := range []string{"", "a", "a", "", "a", "b"} {
		m.setLimit(7, lowered)
	}
	if lines != 3 || m.limit != 7 || m.lowered != "b" {
		t.Errorf("%d lines, limit %d because of %q", lines, m.limit, m.lowered)
	}
	if a, b := (Status{PID: 1, Limit: 7}), (Status{PID: 1, Limit: 8}); !differs(a, b) || differs(a, a) {
		t.Error("a limit that changes is nothing new")
	}
}
