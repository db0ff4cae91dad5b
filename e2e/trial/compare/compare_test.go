// SPDX-License-Identifier: Apache-2.0

package compare

import (
	"os"
	"strings"
	"testing"
	"time"

	"github.com/harbinger-ha/harbinger/e2e/trial"
)

func TestNumbers(t *testing.T) {
	n := numbers{3, 1, 2}
	if got, want := n.String(), "2 (1 to 3)"; got != want {
		t.Errorf("numbers = %q, want %q", got, want)
	}
	if got, want := (numbers{12345.6}).String(), "12346"; got != want {
		t.Errorf("one number = %q, want %q", got, want)
	}
	if got, want := n.ratio(numbers{4, 4, 8}), "0.50"; got != want {
		t.Errorf("ratio = %q, want %q", got, want)
	}
	if got, want := n.ratio(numbers{0}), "–"; got != want {
		t.Errorf("ratio to nothing = %q, want %q", got, want)
	}
	if got, want := (numbers{}).String(), "–"; got != want {
		t.Errorf("no numbers = %q, want %q", got, want)
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
	s.text("%s\n", "a text")
	got, err := os.ReadFile(file.Name())
	if err != nil {
		t.Fatal(err)
	}
	if want := "\nA title of 1\na text\n"; string(got) != want {
		t.Errorf("screen = %q, want %q", got, want)
	}
}

func TestCommandIsWrapped(t *testing.T) {
	got := wrapped([]string{"manifest", "--port", "4300", "--vip", "192.168.238.100/24"})
	if want := "manifest \\\n    --port 4300 \\\n    --vip 192.168.238.100/24"; got != want {
		t.Errorf("command = %q, want %q", got, want)
	}
}

func TestTableOfABench(t *testing.T) {
	var b strings.Builder
	p := pair{out: &b, planes: []*trial.Plane{{Config: trial.Config{Interval: time.Second}}}}
	p.table("A title", "one", "two").Cells("1", "2")
	if want := "\n## A title\n\n| one | two |\n|---|---|\n| 1 | 2 |\n"; b.String() != want {
		t.Errorf("table %q, want %q", b.String(), want)
	}
}
