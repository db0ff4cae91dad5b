// SPDX-License-Identifier: Apache-2.0

//go:build linux

package main

import (
	"fmt"
	"strings"

	"github.com/harbinger-ha/harbinger/e2e/trial"
)

// widths are those of the table's columns.
var widths = []int{38, 8, 7, 12, 14, 14, 7, 9, 7}

func printRow(cells []string) { fmt.Println(format(cells)) }

// printLines prints texts under a row.
func printLines(texts []string) {
	for _, text := range texts {
		for line := range strings.Lines(strings.TrimSpace(text)) {
			fmt.Println("    " + strings.TrimRight(line, "\n"))
		}
	}
}

func format(cells []string) string { return trial.Line(widths, cells) }
