// SPDX-License-Identifier: Apache-2.0

package observe

import "errors"

// errNoFinal says that it is not known what became of the writes.
var errNoFinal = errors.New("the witness has no complete final list: it was killed, or the API did not answer when it ended")

// Lost returns the acknowledged writes that are gone. An acknowledged write is not gone if the final list shows it, or if a
// write that was or may have been done replaced it: its base is the version which the acknowledged write made. A write whose
// base is an older version replaces what was before: had that been there, the acknowledged write would have been lost.
//
// The error says that the log has no complete final list.
func (l Log) Lost() ([]Line, error) {
	type version struct{ key, rv string }
	replaced := make(map[version]bool)
	final := make(map[string]Line)
	complete := false
	for _, line := range l {
		switch {
		case line.Op == Write && !line.Undone:
			replaced[version{line.Key, line.Base}] = true
		case line.Op == Final && line.OK && line.Key == "":
			complete = true
		case line.Op == Final && line.OK:
			final[line.Key] = line
		}
	}
	if !complete {
		return nil, errNoFinal
	}
	var lost []Line
	for _, line := range l.Of(Write) {
		last := final[line.Key]
		there := last.RV == line.RV && last.Value == line.Value
		if line.OK && !there && !replaced[version{line.Key, line.RV}] {
			lost = append(lost, line)
		}
	}
	return lost, nil
}
