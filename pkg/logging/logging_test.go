// SPDX-License-Identifier: Apache-2.0

package logging

import (
	"bytes"
	"encoding/json"
	"errors"
	"go/ast"
	"go/parser"
	"go/token"
	"log/slog"
	"regexp"
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
		"WARN":    func(log logr.Logger) { Warn(log, MsgKnownNotRead, KeyFile, "state.json") },
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

// A line of level WARN has what a line of any other level has: the values and the name of its logger, in either form.
func TestWarn(t *testing.T) {
	var b bytes.Buffer
	Warn(New(&b, FormatJSON, 0).WithName("api").WithValues(KeyVRID, 51), MsgCredentialsBad, KeyReason, "no such file")
	var line map[string]any
	if err := json.Unmarshal(b.Bytes(), &line); err != nil {
		t.Fatalf("%q: %v", b.String(), err)
	}
	for key, want := range map[string]any{"level": "WARN", "msg": MsgCredentialsBad, "logger": "api", KeyVRID: 51.0, KeyReason: "no such file"} {
		if line[key] != want {
			t.Errorf("%s = %v, want %v", key, line[key], want)
		}
	}
	b.Reset()
	Warn(New(&b, FormatText, 0).WithName("api").WithValues(KeyVRID, 51), MsgCredentialsBad, KeyReason, "no such file")
	for _, want := range []string{"level=WARN", `msg="Credentials not usable"`, "logger=api", "vrid=51", `reason="no such file"`} {
		if !strings.Contains(b.String(), want) {
			t.Errorf("%q lacks %s", b.String(), want)
		}
	}
}

// A logger that writes nothing, or details alone, writes no warning either; where a handler says where a line comes from, it is the
// caller of Warn.
func TestWarnFollowsItsLogger(t *testing.T) {
	var b bytes.Buffer
	onlyErrors := logr.FromSlogHandler(slog.NewTextHandler(&b, &slog.HandlerOptions{Level: slog.LevelError}))
	for _, log := range []logr.Logger{{}, logr.Discard(), onlyErrors, New(&b, FormatText, 0).V(1)} {
		Warn(log, MsgBalancerSlow)
	}
	if b.Len() > 0 {
		t.Errorf("written: %q", b.String())
	}
	Warn(logr.FromSlogHandler(slog.NewTextHandler(&b, &slog.HandlerOptions{AddSource: true})), MsgBalancerSlow)
	if !strings.Contains(b.String(), "/logging_test.go:") {
		t.Errorf("%q, want the place of the caller", b.String())
	}
}

// An error is a value of its own; the message stays the same.
func TestErrorLine(t *testing.T) {
	var b bytes.Buffer
	New(&b, FormatText, 0).WithValues(KeyVRID, 51).Error(errors.New("operation not permitted"), MsgActionFailed, KeyAction, "acquire")
	for _, want := range []string{`msg="Action failed"`, `err="operation not permitted"`, "action=acquire", "vrid=51", "level=ERROR"} {
		if !strings.Contains(b.String(), want) {
			t.Errorf("%q lacks %s", b.String(), want)
		}
	}
}

// What has many lines is one line of the log, in either form: what collects lines keeps a stack together.
func TestStackIsOneLine(t *testing.T) {
	const stack = "goroutine 1 [running]:\n\tpkg/control/control.go:42 +0x5e\n"
	for _, format := range []Format{FormatJSON, FormatText} {
		var b bytes.Buffer
		New(&b, format, 0).Error(errors.New("panic: here"), MsgElectionFailed, KeyStack, stack)
		if lines := strings.Count(b.String(), "\n"); lines != 1 || !strings.HasSuffix(b.String(), "\n") {
			t.Errorf("%s: %d lines: %q", format, lines, b.String())
		}
		for _, want := range []string{"panic: here", "control.go:42", "Election failed", "ERROR"} {
			if !strings.Contains(b.String(), want) {
				t.Errorf("%s: %q lacks %s", format, b.String(), want)
			}
		}
	}
	var b bytes.Buffer
	New(&b, FormatJSON, 0).Error(nil, MsgPartFailed, KeyPart, "status", KeyStack, stack)
	var line map[string]any
	if err := json.Unmarshal(b.Bytes(), &line); err != nil || line[KeyStack] != stack || line[KeyPart] != "status" {
		t.Errorf("%q (%v), want the stack as it was", b.String(), err)
	}
}

// Who searches the log relies on the words: a message begins with a capital and ends without a stop, a key is one word, and
// neither is there twice.
func TestWordsOfTheLog(t *testing.T) {
	tree, err := parser.ParseFile(token.NewFileSet(), "lines.go", nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	forms := map[string]*regexp.Regexp{
		"Msg": regexp.MustCompile(`^"[A-Z][a-zA-Z ]*[a-z]"$`),
		"Key": regexp.MustCompile(`^"[a-z][a-zA-Z]*"$`),
	}
	seen := map[string]bool{}
	ast.Inspect(tree, func(n ast.Node) bool {
		if spec, ok := n.(*ast.ValueSpec); ok {
			name, value := spec.Names[0].Name, spec.Values[0].(*ast.BasicLit).Value
			if form := forms[name[:3]]; form == nil || !form.MatchString(value) {
				t.Errorf("%s is %s: want Msg or Key, and %s", name, value, form)
			}
			if seen[value] {
				t.Errorf("%s is there twice", value)
			}
			seen[value] = true
		}
		return true
	})
}

// The comment of a message begins with its name and level, and ends with the remedy.
func TestEachMessageHasARemedy(t *testing.T) {
	tree, err := parser.ParseFile(token.NewFileSet(), "lines.go", nil, parser.ParseComments)
	if err != nil {
		t.Fatal(err)
	}
	form := regexp.MustCompile(`^(Msg\w+) \((INFO|WARN|ERROR|ERROR or WARN|ERROR or INFO|WARN or INFO|DEBUG\+3)\): [\w\W]+\sRemedy:\s[\w\W]+\.\n$`)
	ast.Inspect(tree, func(n ast.Node) bool {
		if spec, ok := n.(*ast.ValueSpec); ok && strings.HasPrefix(spec.Names[0].Name, "Msg") {
			if m := form.FindStringSubmatch(spec.Doc.Text()); m == nil || m[1] != spec.Names[0].Name {
				t.Errorf("the comment of %s: %q", spec.Names[0].Name, spec.Doc.Text())
			}
		}
		return true
	})
}
