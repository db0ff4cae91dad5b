// SPDX-License-Identifier: Apache-2.0

package rules

import (
	"regexp"
	"slices"
	"strings"
	"testing"
)

var (
	folders = regexp.MustCompile("`((?:cmd|e2e|hack|manifests|pkg)(?:/[\\w.-]+)*)`")
	targets = regexp.MustCompile(`\bmake ([a-z0-9]+)`)
	owned   = regexp.MustCompile(`(?m)^/(\S+)`)
)

// TestContributingNamesWhatIsThere holds that the pages for contributors and the table of owners name folders and targets of this
// repository.
func TestContributingNamesWhatIsThere(t *testing.T) {
	for _, page := range []string{".github/CONTRIBUTING.md", ".github/RELEASING.md", ".github/SECURITY.md", ".github/pull_request_template.md"} {
		text := read(t, page)
		for _, found := range folders.FindAllStringSubmatch(text, -1) {
			if !exists(found[1]) {
				t.Errorf("%s names %s, which is not there", page, found[1])
			}
		}
		for _, found := range targets.FindAllStringSubmatch(text, -1) {
			if !strings.Contains(read(t, "Makefile"), "\n"+found[1]+": ") {
				t.Errorf("%s names the target %s, which Makefile has not", page, found[1])
			}
		}
	}
	for _, found := range owned.FindAllStringSubmatch(read(t, ".github/CODEOWNERS"), -1) {
		if !exists(found[1]) {
			t.Errorf("CODEOWNERS names %s, which is not there", found[1])
		}
	}
}

// TestWorkflowRunsEveryStage holds that the hosted runs leave no stage of .ci/run out.
func TestWorkflowRunsEveryStage(t *testing.T) {
	workflow := read(t, ".github/workflows/ci.yaml")
	_, matrix, _ := strings.Cut(workflow, "stage: [")
	matrix, _, _ = strings.Cut(matrix, "]")
	all := strings.Split(matrix, ", ")
	for _, found := range regexp.MustCompile(`\.ci/run ([a-z]+)`).FindAllStringSubmatch(workflow, -1) {
		all = append(all, found[1])
	}
	want := strings.Fields(regexp.MustCompile(`stages=\(([a-z ]+)\)`).FindStringSubmatch(read(t, ".ci/run"))[1])
	if slices.Sort(all); !slices.Equal(all, slices.Sorted(slices.Values(want))) {
		t.Errorf("the workflow runs the stages %v of %v", all, want)
	}
}
