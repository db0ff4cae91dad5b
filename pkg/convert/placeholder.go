// SPDX-License-Identifier: Apache-2.0

package convert

import (
	"regexp"
	"strings"
)

// placeholder has what templates leave where nothing has filled them in: of Jinja, Helm and Go, of a shell and envsubst, of ERB,
// Terraform, CloudFormation and Concourse, of Python and Windows, and as people write them by hand.
var placeholder = regexp.MustCompile("" +
	`\{\{.*?(\}\}|$)|\{%.*?(%\}|$)|\{#.*?(#\}|$)|\[\[.*?(\]\]|$)|\(\(.*?(\)\)|$)` +
	`|\$+\{[^}]*\}?|\$+\([^)]*\)?|\$+\w*` + "|`[^`]*`?" +
	`|<%.*?(%>|$)|<<?\s*[\w. -]+\s*>?>` +
	`|%\([^)]*\)[sd]?|%\w+%|%[sdv]\b` +
	`|#\{[^}]*\}?|@+\{?\w+\}?@+|__\w+?__|\{\w[\w. -]*\}|!(Ref|Sub|GetAtt|ImportValue|vault)\b.*`)

// Placeholder returns the first part of a value that a template was to fill in, such as ${VIP} or {{ vip }}. Empty: there is none.
func Placeholder(value string) string { return strings.TrimSpace(placeholder.FindString(value)) }

// directive is what of a template no YAML has outside of quotes, so that a file with it cannot be read.
var directive = regexp.MustCompile(`\{\{.*?(\}\}|$)|\{%.*?(%\}|$)|<%.*?(%>|$)|\$\{[^}]*\}?|\$\([^)]*\)?`)

// Template returns the first line of a file that a template was to fill in, counted from 1, and what it has there. Comments do not
// count. Zero: there is none.
func Template(content []byte) (line int, found string) {
	for text := range strings.Lines(string(content)) {
		line++
		if strings.HasPrefix(strings.TrimSpace(text), "#") {
			continue
		}
		if found = directive.FindString(strings.TrimSpace(text)); found != "" {
			return line, found
		}
	}
	return 0, ""
}
