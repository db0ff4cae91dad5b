// SPDX-License-Identifier: Apache-2.0

//go:build linux

package main

import (
	"os"
	"strings"
	"testing"

	"github.com/harbinger-ha/harbinger/e2e/trial"
)

func TestColumnsLineUp(t *testing.T) {
	if len(widths) != len(trial.Columns) {
		t.Fatalf("%d widths for %d columns", len(widths), len(trial.Columns))
	}
	head := []rune(format(trial.Columns))
	line := []rune(format([]string{"kill -9", "harbinger", "3.100 s", "≤ 4.000 s", "0.000 s", "node1 → node2", "0.000 s", "0.000 s", "no"}))
	for title, cell := range map[string]string{"bound": "≤", "two held": "0.000 s", "left behind": "no"} {
		at := len([]rune(strings.SplitN(string(head), title, 2)[0]))
		if !strings.HasPrefix(string(line[at:]), cell) {
			t.Errorf("under %q stands %q, want %q", title, string(line[at:]), cell)
		}
	}
}

func TestScreenOfAFileIsPlain(t *testing.T) {
	file, err := os.CreateTemp(t.TempDir(), "screen")
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	s := newScreen(file)
	s.title("A title of %d", 1)
	s.progress("something goes on")()
	s.row([]string{"a", "b"})
	got, err := os.ReadFile(file.Name())
	if err != nil {
		t.Fatal(err)
	}
	if want := "\nA title of 1\na                b\n"; string(got) != want {
		t.Errorf("screen = %q, want %q", got, want)
	}
}

func TestCommandIsWrapped(t *testing.T) {
	got := wrapped([]string{"manifest", "--port", "4300", "--vip", "192.168.238.100/24"})
	if want := "manifest \\\n    --port 4300 \\\n    --vip 192.168.238.100/24"; got != want {
		t.Errorf("command = %q, want %q", got, want)
	}
}
