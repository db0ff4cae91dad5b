// SPDX-License-Identifier: Apache-2.0

package election

import (
	"flag"
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

var rewrite = flag.Bool("rewrite", false, "rewrite the traces of the scenarios; read the difference before committing it")

// traces is a txtar archive. Its files are the traces of some scenarios with the first seed, from the first fault on: what
// happens to the hosts a, b and c, and what they do. What is repeated, such as refreshes and advertisements of the same priority, is
// left out. A new scenario is added as an empty file, with -rewrite.
const traces = "testdata/scenarios.txtar"

// wantTrace compares the trace of a scenario with the one in the archive, if it has one.
func wantTrace(t *testing.T, scenario string, lines []string) {
	t.Helper()
	archive, err := os.ReadFile(traces)
	if err != nil {
		t.Fatal(err)
	}
	section := regexp.MustCompile(`(?m)^-- ` + regexp.QuoteMeta(scenario) + ` --\n((?:[^-].*\n)*)`)
	at := section.FindSubmatchIndex(archive)
	if at == nil {
		return
	}
	got, want := strings.Join(lines, "\n")+"\n", string(archive[at[2]:at[3]])
	switch {
	case got == want:
	case *rewrite:
		if err := os.WriteFile(traces, []byte(string(archive[:at[2]])+got+string(archive[at[3]:])), 0o644); err != nil {
			t.Fatal(err)
		}
	default:
		t.Errorf("the trace has changed; see what -rewrite writes:\n%s", cmp.Diff(strings.Split(want, "\n"), strings.Split(got, "\n")))
	}
}
