// SPDX-License-Identifier: Apache-2.0

//go:build linux

package main

import (
	"fmt"
	"slices"
	"strings"
)

// A sample is the results of several runs.
type sample []float64

func (s sample) median() float64 {
	sorted := slices.Sorted(slices.Values(s))
	if len(sorted) == 0 {
		return 0
	}
	return sorted[len(sorted)/2]
}

// String returns the median and the range.
func (s sample) String() string {
	if len(s) == 0 {
		return "–"
	}
	return fmt.Sprintf("%.4g (%.4g to %.4g)", s.median(), slices.Min(s), slices.Max(s))
}

// ratio returns how the median compares with another.
func (s sample) ratio(other sample) string {
	if other.median() == 0 {
		return "–"
	}
	return fmt.Sprintf("%.2f", s.median()/other.median())
}

func title(format string, args ...any) { fmt.Printf("\n## "+format+"\n\n", args...) }

func header(cells ...any) {
	line(cells...)
	fmt.Println(strings.Repeat("|---", len(cells)) + "|")
}

func line(cells ...any) {
	for _, cell := range cells {
		fmt.Print("| ", cell, " ")
	}
	fmt.Println("|")
}
