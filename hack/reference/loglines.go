// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"strings"

	"github.com/harbinger-ha/harbinger/pkg/logging"
)

// logLines returns the table of all messages of the log: level, meaning, and what to do.
func logLines() (string, error) {
	var t strings.Builder
	t.WriteString("| Line | Level | Meaning | What to do |\n|---|---|---|---|\n")
	for _, l := range logging.Lines() {
		fmt.Fprintf(&t, "| `%s` | %s | %s | %s |\n", l.Message, l.Level, l.Meaning, l.Remedy)
	}
	return t.String(), nil
}
