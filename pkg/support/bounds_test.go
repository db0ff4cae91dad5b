// SPDX-License-Identifier: Apache-2.0

package support_test

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/harbinger-ha/harbinger/e2e/lab/labtest"
	"github.com/harbinger-ha/harbinger/pkg/support"
)

// What is asked has a deadline, and the rest is asked after it.
func TestEachPartHasADeadline(t *testing.T) {
	bounded := support.Entry{Name: "bounded", Get: func(ctx context.Context) ([]byte, error) {
		deadline, ok := ctx.Deadline()
		if !ok || time.Until(deadline) > support.Patient {
			t.Errorf("deadline %v, %v", deadline, ok)
		}
		return []byte("partly"), context.DeadlineExceeded
	}}
	files := pack(t, bounded, text("next", "there", nil))
	if files["bounded"] != "partly" || files["next"] != "there" {
		t.Errorf("files %q", files)
	}
	if !strings.Contains(files["CONTENTS"], "bounded: missing or incomplete: context deadline exceeded") {
		t.Errorf("CONTENTS:\n%s", files["CONTENTS"])
	}
}

// A pipe in the place of a file is not waited for, and several logs share the room.
func TestLogsAreBounded(t *testing.T) {
	dir := t.TempDir()
	labtest.Must(t, os.Mkdir(filepath.Join(dir, "z.log"), 0o700))
	for _, name := range []string{"a.log", "b.log"} {
		long := strings.Repeat("x", support.Longest) + "end of " + name
		labtest.Must(t, os.WriteFile(filepath.Join(dir, name), []byte(long), 0o600))
	}
	labtest.Must(t, syscall.Mkfifo(filepath.Join(dir, "pipe"), 0o600))
	files := pack(t,
		support.Logs("logs", dir+"/*.log"),
		support.File("pipe", dir+"/pipe"),
		support.Settings("none", dir, "nothing*"),
		support.Settings("directory", dir, "z.log"),
	)
	logs := files["logs"]
	for _, want := range []string{"end of a.log", "end of b.log", "z.log is not a regular file"} {
		if !strings.Contains(logs, want) {
			t.Errorf("the logs lack %q", want)
		}
	}
	if len(logs) > support.Longest+1000 {
		t.Errorf("the logs have %d bytes", len(logs))
	}
	if !strings.Contains(files["CONTENTS"], "pipe: missing") || !strings.Contains(files["CONTENTS"], "none: 0 bytes") {
		t.Errorf("CONTENTS:\n%s", files["CONTENTS"])
	}
	if !strings.HasPrefix(files["directory"], "# ") {
		t.Errorf("a directory as a setting: %q", files["directory"])
	}
}
