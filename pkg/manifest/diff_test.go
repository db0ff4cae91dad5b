// SPDX-License-Identifier: Apache-2.0

package manifest_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/harbinger-ha/harbinger/pkg/manifest"
)

// The one text and the difference give the other one.
func TestDiffIsAPatch(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		text := func(label string) string {
			lines := rapid.SliceOfN(rapid.SampledFrom([]string{"a", "b", "c", "", " d"}), 1, 40).Draw(t, label)
			return strings.Join(lines, "\n") + "\n"
		}
		before, after := text("before"), text("after")
		diff := manifest.Diff("ha.yaml", before, after)
		if (diff == "") != (before == after) {
			t.Fatalf("the difference of\n%s and\n%s is\n%s", before, after, diff)
		}
		if d := cmp.Diff(after, patch(t, before, diff)); d != "" {
			t.Fatalf("patched (-want +got):\n%s\nby\n%s", d, diff)
		}
	})
}

// patch applies a difference as the program of that name does, without any fuzz.
func patch(t *rapid.T, before, diff string) string {
	lines, out, next := strings.SplitAfter(before, "\n"), "", 0
	for line := range strings.Lines(diff) {
		var first, n int
		switch rest := line[1:]; {
		case strings.HasPrefix(line, "---"), strings.HasPrefix(line, "+++"):
		case strings.HasPrefix(line, "@@"):
			if _, err := fmt.Sscanf(line, "@@ -%d,%d ", &first, &n); err != nil {
				t.Fatal(err)
			}
			if n > 0 {
				first--
			}
			out += strings.Join(lines[next:first], "")
			next = first
		case line[0] == '+':
			out += rest
		case lines[next] != rest:
			t.Fatalf("line %d is %q, not %q", next+1, lines[next], rest)
		default:
			next++
			if line[0] == ' ' {
				out += rest
			}
		}
	}
	return out + strings.Join(lines[next:], "")
}

func TestDiffShowsWhatIsAround(t *testing.T) {
	var lines []string
	for i := range 30 {
		lines = append(lines, fmt.Sprint(i))
	}
	before := strings.Join(lines, "\n") + "\n"
	lines[2], lines[20], lines[25] = "two", "twenty", "twenty-five"
	const want = `--- ha.yaml
+++ ha.yaml (new)
@@ -1,6 +1,6 @@
 0
 1
-2
+two
 3
 4
 5
@@ -18,12 +18,12 @@
 17
 18
 19
-20
+twenty
 21
 22
 23
 24
-25
+twenty-five
 26
 27
 28
`
	if diff := cmp.Diff(want, manifest.Diff("ha.yaml", before, strings.Join(lines, "\n")+"\n")); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

// No way to write a password of VRRP shows it.
func TestDiffShowsNoPassword(t *testing.T) {
	for _, line := range []string{
		"password: s3cret", `password: "s3cret"`, "  authentication: {type: Password, password: s3cret}", `{"password":"s3cret","type":"Password"}`,
		`value: "{\"password\":\"s3cret\"}"`, "Password : s3cret", "# password: s3cret",
	} {
		diff := manifest.Diff("ha.yaml", "priority: 1\n"+line+"\n", "priority: 2\npasswordFile: /etc/kubernetes/harbinger/vrrp-password\n")
		if strings.Contains(diff, "s3cret") || !strings.Contains(diff, "(not shown)") || !strings.Contains(diff, "+passwordFile: /etc/kubernetes/harbinger/vrrp-password\n") {
			t.Errorf("%s:\n%s", line, diff)
		}
	}
	if diff := manifest.Diff("ha.yaml", "password: a\n", "password: b\n"); diff != "" {
		t.Errorf("a difference of nothing that may be shown:\n%s", diff)
	}
}
