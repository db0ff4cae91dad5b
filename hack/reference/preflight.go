// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"slices"
	"strings"

	"github.com/harbinger-ha/harbinger/pkg/preflight"
	"github.com/harbinger-ha/harbinger/pkg/preflight/wire"
)

// preflightChecks is the table of the checks of harbinger preflight.
func preflightChecks() (string, error) {
	var b strings.Builder
	b.WriteString("| Check | What it finds | Remedy |\n|---|---|---|\n")
	for _, c := range slices.Concat(preflight.Checks(), wire.Checks()) {
		fmt.Fprintf(&b, "| `%s` | %s | %s |\n", c.Name, c.Finds, c.Remedy)
	}
	return b.String(), nil
}
