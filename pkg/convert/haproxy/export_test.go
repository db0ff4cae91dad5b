// SPDX-License-Identifier: Apache-2.0

package haproxy

import "github.com/harbinger-ha/harbinger/pkg/convert"

// Words takes a line apart, for a test that has haproxy do so too.
func Words(line string, lookup func(string) (string, bool)) (words, faults []string) {
	return (&lexer{lookup: lookup}).split(line)
}

// IsRead reports whether a function reads a keyword, which says more of it than the table.
func IsRead(k convert.Keyword) bool {
	at := key{k.Block, k.Name}
	return read.line[at] != nil || read.word[at] != nil
}

var read = newReaders()

// Arguments returns how many words belong to an option.
func Arguments(k convert.Keyword) int { return rows[key{k.Block, k.Name}].arguments }

// Unread returns the keywords that a function reads and that have no row.
func Unread() (names []string) {
	missing := func(k key) {
		if _, ok := rows[k]; !ok {
			names = append(names, k.in+" "+k.name)
		}
	}
	for k := range read.line {
		missing(k)
	}
	for k := range read.word {
		missing(k)
	}
	return names
}

// Twice returns the keywords that are in two groups.
func Twice() (names []string) {
	seen := map[key]bool{}
	for _, groups := range [][]group{sectionGroups, globalGroups, proxyGroups, ruleGroups, bindGroups, serverGroups, checkGroups} {
		for _, g := range groups {
			for _, name := range g.list() {
				if k := (key{g.block, name}); seen[k] {
					names = append(names, g.block+" "+name)
				} else {
					seen[k] = true
				}
			}
		}
	}
	return names
}
