// SPDX-License-Identifier: Apache-2.0

package compare

import (
	"maps"
	"strings"
	"testing"

	"github.com/harbinger-ha/harbinger/e2e/lab/labtest"
	"github.com/harbinger-ha/harbinger/e2e/load"
)

const traced = `strace: Process 12 attached with 2 threads
% time     seconds  usecs/call     calls    errors syscall
------ ----------- ----------- --------- --------- ----------------
 60.00    0.000600           3       200           read
 40.00    0.000400           2       201       100 accept4
  0.00    0.000000           0         1           futex
------ ----------- ----------- --------- --------- ----------------
100.00    0.001000           2       402       100 total
`

func TestCallsAreRead(t *testing.T) {
	got, err := parseCalls(traced)
	want := map[string]calls{"read": {200, 0}, "accept4": {201, 100}, "futex": {1, 0}, "total": {402, 100}}
	if err != nil || !maps.Equal(got, want) {
		t.Errorf("calls %v, error %v, want %v", got, err, want)
	}
	for _, bad := range []string{"", "strace: attach: ptrace(PTRACE_SEIZE, 12): Operation not permitted\n", " 60.00 0.1 3 many read\n"} {
		if _, err := parseCalls(bad); err == nil {
			t.Errorf("%q is taken", bad)
		}
	}
	var b strings.Builder
	writeCalls(&b, "Title", []*relay{{name: "a"}, {name: "b"}}, []map[string]calls{got, {"read": {300, 0}, "total": {300, 0}}}, 200)
	if want := "| call | a | b |\n|---|---|---|\n| total | 2.01 (0.50 failed) | 1.50 |\n| read | 1.00 | 1.50 |\n| accept4 | 1.00 (0.50 failed) | 0.00 |\n| futex | 0.01 | 0.00 |\n"; !strings.Contains(b.String(), want) {
		t.Errorf("table\n%s, want\n%s", b.String(), want)
	}
}

// TestCallsOfARelay counts those of haproxy, which accepts each connection once, and connects once for it.
func TestCallsOfARelay(t *testing.T) {
	relays, err := selectRelays(relaysOf(Options{}), []string{"haproxy"})
	labtest.Must(t, err)
	g, err := newGround(false, relays)
	labtest.Must(t, err)
	defer g.close()
	const connections = 50
	counts, err := g.trace(relays[0], load.Job{Kind: load.Connections, Parallel: 1, Limit: connections})
	labtest.Must(t, err)
	if accepted := counts["accept4"]; accepted.all-accepted.failed != connections || counts["connect"].all < connections {
		t.Errorf("%d connections: %v", connections, counts)
	}
}
