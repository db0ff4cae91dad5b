// SPDX-License-Identifier: Apache-2.0

package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestWriteAndCheck(t *testing.T) {
	page := filepath.Join(t.TempDir(), "page.md")
	if err := os.WriteFile(page, []byte("before\n"+begin+"old\n"+end+"after\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	t.Chdir("../..")
	if err := run(page, ""); err == nil {
		t.Error("another table passes the check")
	}
	if err := run("", page); err != nil {
		t.Fatal(err)
	}
	if err := run(page, ""); err != nil {
		t.Errorf("the table just written fails the check: %v", err)
	}
	content, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	got := string(content)
	if !strings.HasPrefix(got, "before\n") || !strings.HasSuffix(got, "after\n") || strings.Contains(got, "old\n") {
		t.Errorf("the page is\n%s", got)
	}
	for _, row := range []string{"| `election.vrrp.virtualRouterID` | integer | `51` |", "| `loadBalancer.backends[].backup` | boolean | `false` |"} {
		if !strings.Contains(got, row) {
			t.Errorf("the page lacks %q", row)
		}
	}
}

func TestMarkersAreRequired(t *testing.T) {
	page := filepath.Join(t.TempDir(), "page.md")
	if err := os.WriteFile(page, []byte("nothing\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	t.Chdir("../..")
	if err := run("", page); err == nil {
		t.Error("a page without markers is written")
	}
}
