// SPDX-License-Identifier: Apache-2.0

package rules

import (
	"regexp"
	"testing"
)

// dialect are words that have a better one, by the better one. There is one word for one thing.
var dialect = map[string]*regexp.Regexp{
	"advertisement":                regexp.MustCompile(`(?i)\badverts?\b`),
	"foreign host or unknown host": regexp.MustCompile(`(?i)\bstrangers?\b`),
	"report, say or notify":        regexp.MustCompile(`(?i)\b(tells?|told|telling)\b`),
	"renewed or alive":             regexp.MustCompile(`(?i)\blively\b`),
	"stage or lab":                 regexp.MustCompile(`(?i)\btheatre\b`),
}

// TestPlainWords holds that comments, scripts and pages use the terms of the field.
func TestPlainWords(t *testing.T) {
	for _, name := range repository(t) {
		if name == "vocabulary_test.go" {
			continue
		}
		for _, text := range texts(t, name) {
			for better, word := range dialect {
				for _, found := range word.FindAllStringIndex(text, -1) {
					t.Errorf("%s: say %s: …%s…", name, better, text[max(0, found[0]-60):min(len(text), found[1]+60)])
				}
			}
		}
	}
}
