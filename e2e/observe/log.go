// SPDX-License-Identifier: Apache-2.0

// Package observe is the vocabulary of what is seen from outside while hosts go through faults: a [Timeline] of who had the
// virtual IP, made of [Span]s, the [Outage]s of a client and its [Availability], lost writes and interrupted watches.
//
// The live observers of a lab make these values, and so do the readers here of what a witness, the kernels of the hosts and a
// listener on the network wrote down. The package is pure: it reads no clock, opens nothing and locks nothing.
package observe

import (
	"bufio"
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"
)

// A Log is the lines of one witness, in the order in which it wrote them.
type Log []Line

// ReadLog reads what a witness wrote.
func ReadLog(r io.Reader) (Log, error) {
	var log Log
	err := scan(r, func(text string) error {
		var l Line
		if err := json.Unmarshal([]byte(text), &l); err != nil {
			return err
		}
		log = append(log, l)
		return nil
	})
	return log, err
}

// scan reads line by line. The last one counts only if it is complete: its writer may have been killed in the middle of it.
func scan(r io.Reader, read func(text string) error) error {
	lines := bufio.NewReader(r)
	for n := 1; ; n++ {
		text, err := lines.ReadString('\n')
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
		text = strings.TrimRight(text, "\r\n")
		if err := read(text); err != nil {
			return fmt.Errorf("line %d: %q: %w", n, text, err)
		}
	}
}

// Of returns the lines about one thing.
func (l Log) Of(op Op) Log {
	return slices.DeleteFunc(slices.Clone(l), func(line Line) bool { return line.Op != op })
}

// Since returns the lines about what began at a time or later.
func (l Log) Since(t time.Time) Log {
	return slices.DeleteFunc(slices.Clone(l), func(line Line) bool { return line.Start.Before(t) })
}

// Answered reports whether a line says that something succeeded.
func (l Log) Answered(op Op) bool {
	return slices.ContainsFunc(l, func(line Line) bool { return line.Op == op && line.OK })
}

// requests returns the lines about one thing in the order in which they began.
func (l Log) requests(op Op) Log {
	requests := l.Of(op)
	slices.SortStableFunc(requests, func(a, b Line) int { return a.Start.Compare(b.Start) })
	return requests
}

// answers returns the lines about successes, in the order in which the answers came.
func (l Log) answers(op Op) Log {
	answers := slices.DeleteFunc(l.Of(op), func(line Line) bool { return !line.OK })
	slices.SortStableFunc(answers, func(a, b Line) int {
		return cmp.Or(a.End().Compare(b.End()), a.Start.Compare(b.Start))
	})
	return answers
}
