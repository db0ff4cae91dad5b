// SPDX-License-Identifier: Apache-2.0

package observe

import (
	"fmt"
	"slices"
	"strconv"
	"time"
)

// A Break is the unrequested end of a stream of events.
type Break struct {
	At       time.Time // when the witness noticed
	Err      string
	Resumed  time.Time // when the next stream began; zero: none did
	Relisted bool      // the next stream did not begin where this one ended: the apiserver no longer knew what was there
}

// Breaks returns where streams ended, oldest first.
func (l Log) Breaks() []Break {
	var breaks []Break
	for _, line := range l {
		if line.Op == Watch && !line.OK {
			breaks = append(breaks, Break{At: line.End(), Err: line.Err})
		}
		if len(breaks) == 0 || !line.OK {
			continue
		}
		last := &breaks[len(breaks)-1]
		switch {
		case !last.Resumed.IsZero():
		case line.Op == Relist:
			last.Relisted = true
		case line.Op == Stream:
			last.Resumed = line.End()
		}
	}
	return breaks
}

// Missed returns the acknowledged writes that the watch should have shown, but has not. It need not show what a list jumps
// over from which it begins, at first or after a [Break] that says so.
func (l Log) Missed() ([]Line, error) {
	seen := make(map[string]bool)
	var jumps []jump
	var reached uint64
	for _, line := range l {
		if line.Op != Watch && line.Op != Relist || !line.OK {
			continue
		}
		rv, err := parseVersion(line)
		if err != nil {
			return nil, err
		}
		if line.Op == Relist {
			jumps = append(jumps, jump{reached, rv})
			reached = rv
			continue
		}
		seen[line.Key+"@"+line.RV] = true
		reached = max(reached, rv)
	}
	return l.unseen(seen, jumps)
}

// A jump is what a list passes over: the versions after one and up to another.
type jump struct{ after, to uint64 }

func (l Log) unseen(seen map[string]bool, jumps []jump) ([]Line, error) {
	var missed []Line
	for _, line := range l.Of(Write) {
		if !line.OK || seen[line.Key+"@"+line.RV] {
			continue
		}
		rv, err := parseVersion(line)
		if err != nil {
			return nil, err
		}
		if !slices.ContainsFunc(jumps, func(j jump) bool { return rv > j.after && rv <= j.to }) {
			missed = append(missed, line)
		}
	}
	return missed, nil
}

// parseVersion reads a resourceVersion, which is a revision of etcd.
func parseVersion(line Line) (uint64, error) {
	rv, err := strconv.ParseUint(line.RV, 10, 64)
	if err != nil {
		return 0, fmt.Errorf("%s %d: resourceVersion %q is no number", line.Op, line.Seq, line.RV)
	}
	return rv, nil
}
