// SPDX-License-Identifier: Apache-2.0

package logging

import (
	"bytes"
	"encoding/json"
	"slices"
	"strings"
	"testing"
)

func TestJSONLine(t *testing.T) {
	var b bytes.Buffer
	New(&b, FormatJSON, 0).WithName("election").Info("State changed", "from", "Backup", "to", "Active")
	var line map[string]any
	if err := json.Unmarshal(b.Bytes(), &line); err != nil {
		t.Fatalf("%q is no JSON: %v", b.String(), err)
	}
	for key, want := range map[string]any{"msg": "State changed", "from": "Backup", "to": "Active", "logger": "election"} {
		if line[key] != want {
			t.Errorf("%s = %v, want %v", key, line[key], want)
		}
	}
}

func TestVerbosity(t *testing.T) {
	for _, tc := range []struct {
		verbosity int
		want      bool
	}{{0, false}, {1, true}} {
		var b bytes.Buffer
		New(&b, FormatText, tc.verbosity).V(1).Info("Advertisement dropped")
		if got := strings.Contains(b.String(), "Advertisement dropped"); got != tc.want {
			t.Errorf("verbosity %d: line written = %v, want %v", tc.verbosity, got, tc.want)
		}
	}
}

// Each message is documented once, says what it means and what to do, and is written by one of the levels.
func TestLinesAreComplete(t *testing.T) {
	documented := map[string]bool{}
	for _, line := range Lines() {
		if documented[line.Message] {
			t.Errorf("%q is documented twice", line.Message)
		}
		documented[line.Message] = true
		for _, sentence := range []string{line.Meaning, line.Remedy} {
			if !strings.HasSuffix(sentence, ".") || strings.Contains(sentence, "|") {
				t.Errorf("%q: %q is no sentence for a cell of a table", line.Message, sentence)
			}
		}
		if !slices.Contains([]Level{Info, Error, Detail}, line.Level) {
			t.Errorf("%q has the level %q", line.Message, line.Level)
		}
	}
}
