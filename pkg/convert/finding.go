// SPDX-License-Identifier: Apache-2.0

package convert

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// Warning reports a line that has no counterpart, or whose counterpart differs.
type Warning struct {
	File string
	Line int
	Text string
}

func (w Warning) String() string { return fmt.Sprintf("%s:%d: %s", w.File, w.Line, w.Text) }

// statement is a line, with the block in braces that follows it (keepalived) or the section it is in (haproxy).
type statement struct {
	line  int
	words []string
	block []statement
}

// word returns a word of the statement, or nothing.
func (s statement) word(i int) string {
	if i < len(s.words) {
		return s.words[i]
	}
	return ""
}

// findings collect what the user must know about a file.
type findings struct {
	file     string
	warnings []Warning
	errs     []error
}

func (f *findings) warn(s statement, format string, args ...any) {
	f.warnings = append(f.warnings, Warning{f.file, s.line, strings.Join(s.words, " ") + ": " + fmt.Sprintf(format, args...)})
}

func (f *findings) fail(s statement, format string, args ...any) {
	f.errs = append(f.errs, fmt.Errorf("%s:%d: %s: %s", f.file, s.line, strings.Join(s.words, " "), fmt.Sprintf(format, args...)))
}

// result returns the warnings in the order of the lines.
func (f *findings) result() ([]Warning, error) {
	slices.SortStableFunc(f.warnings, func(a, b Warning) int { return a.Line - b.Line })
	return f.warnings, errors.Join(f.errs...)
}

// number reads a whole number of the statement.
func (f *findings) number(s statement, text string, low, high int) int32 {
	n, err := strconv.Atoi(text)
	if err != nil || n < low || n > high {
		f.fail(s, "want a whole number from %d to %d", low, high)
		return 0
	}
	return int32(n)
}

// longest is the longest time that the files may ask for.
const longest = 24 * time.Hour

// duration reads a time that is a number of units, or has a unit of its own as haproxy has them.
func (f *findings) duration(s statement, text string, unit time.Duration) metav1.Duration {
	number := strings.TrimRight(text, "abcdefghijklmnopqrstuvwxyz")
	if suffix := text[len(number):]; suffix != "" {
		known, ok := map[string]time.Duration{"us": time.Microsecond, "ms": time.Millisecond, "s": time.Second, "m": time.Minute, "h": time.Hour}[suffix]
		if !ok {
			number = ""
		}
		unit = known
	}
	n, err := strconv.ParseFloat(number, 64)
	d := n * float64(unit)
	if err != nil || !(d >= float64(time.Microsecond) && d <= float64(longest)) {
		f.fail(s, "want a time of up to a day")
		return metav1.Duration{}
	}
	return metav1.Duration{Duration: time.Duration(d).Round(time.Microsecond)}
}
