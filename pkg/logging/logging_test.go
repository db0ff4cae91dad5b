// SPDX-License-Identifier: Apache-2.0

package logging

import (
	"bytes"
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"github.com/go-logr/logr"
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

// The page of the log lines names the levels as they are written.
func TestLevels(t *testing.T) {
	for want, write := range map[string]func(logr.Logger){
		"INFO":    func(log logr.Logger) { log.Info(MsgStarted) },
		"ERROR":   func(log logr.Logger) { log.Error(errors.New("no space"), MsgKnownNotSaved, KeyFile, "state.json") },
		"DEBUG+3": func(log logr.Logger) { log.V(1).Info(MsgDialFailed) },
	} {
		var b bytes.Buffer
		write(New(&b, FormatJSON, 1))
		var line map[string]any
		if err := json.Unmarshal(b.Bytes(), &line); err != nil || line["level"] != want {
			t.Errorf("%s (%v), want level %s", b.String(), err, want)
		}
	}
}

// An error is a value of its own, beside the message that stays the same.
func TestErrorLine(t *testing.T) {
	var b bytes.Buffer
	New(&b, FormatText, 0).WithValues(KeyVRID, 51).Error(errors.New("operation not permitted"), MsgActionFailed, KeyAction, "acquire")
	for _, want := range []string{`msg="Action failed"`, `err="operation not permitted"`, "action=acquire", "vrid=51", "level=ERROR"} {
		if !strings.Contains(b.String(), want) {
			t.Errorf("%q lacks %s", b.String(), want)
		}
	}
}
