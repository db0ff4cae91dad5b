// SPDX-License-Identifier: Apache-2.0

package keepalived

import (
	"regexp"
	"strconv"
	"strings"
)

var (
	sequences = regexp.MustCompile(`^~SEQ(x?)[ \t]*\([ \t]*([^ \t,)]+)[ \t]*,([^)]*)\)[ \t]*(.*)$`)
	lists     = regexp.MustCompile(`^~LST[ \t]*\([ \t]*(\{[^}]*\}|[^ \t,{})]+)[ \t]*,([^)]*)\)[ \t]*(.*)$`)
	values    = regexp.MustCompile(`\{[^}]*\}|[^ \t,]+`)
)

// sequence reads the rest of a line once for each number of ~SEQ, or each value of ~LST.
func (r *reader) sequence(text string) {
	var sets [][]binding
	rest := ""
	if parts := sequences.FindStringSubmatch(text); parts != nil {
		sets, rest = r.numbers(parts[2], parts[1] == "x", parts[3]), parts[4]
	} else if parts := lists.FindStringSubmatch(text); parts != nil {
		sets, rest = eachOf(parts[1], parts[2]), parts[3]
	}
	if sets == nil {
		r.Fault(r.statement(text[:len("~SEQ")]), "keepalived does not understand the sequence, and leaves the line out")
		return
	}
	lines := make([]string, len(sets))
	for i := range lines {
		lines[i] = rest
	}
	r.insert(sets, lines...)
}

// numbers returns the values of a variable that counts: to the end, from start to end, or from start by steps to end.
func (r *reader) numbers(name string, hex bool, limits string) [][]binding {
	for range mostRounds {
		replaced, changed := r.replace(limits)
		if limits = replaced; !changed {
			break
		}
	}
	var n []int64
	for text := range strings.SplitSeq(limits, ",") {
		i, err := strconv.ParseInt(strings.TrimSpace(text), 0, 32)
		if err != nil {
			return nil
		}
		n = append(n, i)
	}
	start, step, end := int64(1), int64(1), n[len(n)-1]
	switch len(n) {
	case 1:
		if end < 0 {
			start = -1
		}
	case 2:
		start = n[0]
	case 3:
		start, step = n[0], n[1]
	default:
		return nil
	}
	if len(n) < 3 && end < start {
		step = -1
	}
	if step == 0 || (end-start)*step < 0 || hex && min(start, end) < 0 {
		return nil
	}
	format := strconv.FormatInt
	base := 10
	if hex {
		base = 16
	}
	var sets [][]binding
	for i := start; (end-i)*step >= 0 && len(sets) <= mostLines; i += step {
		sets = append(sets, []binding{{name, format(i, base)}})
	}
	return sets
}

// eachOf returns the values of one variable, or of several in braces.
func eachOf(names, list string) (sets [][]binding) {
	variables := inside(names)
	for _, text := range values.FindAllString(list, -1) {
		given := inside(text)
		if len(given) > len(variables) {
			return nil
		}
		var set []binding
		for i, name := range variables {
			value := ""
			if i < len(given) {
				value = given[i]
			}
			set = append(set, binding{name, value})
		}
		sets = append(sets, set)
	}
	return sets
}

func inside(braces string) []string {
	parts := strings.Split(strings.Trim(braces, "{}"), ",")
	for i := range parts {
		parts[i] = strings.TrimSpace(parts[i])
	}
	return parts
}
