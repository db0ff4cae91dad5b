// SPDX-License-Identifier: Apache-2.0

package keepalived

import (
	"strings"
)

// blanks end a word.
const blanks = " \t\f\n\r\v"

// uncomment returns a line without its comment and the blanks around it. A comment begins with # or !, but not within double quotes.
// A backslash at the end stays: it continues a definition. It also reports whether the comment cuts off the end of a word.
func uncomment(line string) (text string, cut bool) {
	line = strings.TrimLeft(line, " \t")
	var out []byte
	comment, quoted, continued := -1, false, false
	for i := 0; i < len(line); i++ {
		switch c := line[i]; {
		case c == '\\' && i+1 == len(line):
			continued = true
			continue
		case c == '\\' && !quoted && (line[i+1] == '#' || line[i+1] == '!'):
			i++
		case c == '\\':
			out = append(out, c)
			i++
		case c == '"' && comment < 0:
			quoted = !quoted
		case (c == '#' || c == '!') && !quoted && comment < 0:
			comment = len(out)
		}
		out = append(out, line[i])
	}
	if comment >= 0 {
		cut = comment > 0 && !strings.ContainsRune(blanks, rune(out[comment-1]))
		out = out[:comment]
	}
	text = strings.TrimRight(string(out), " \t")
	if continued {
		text += `\`
	}
	return text, cut
}

// template returns how long the expression of a template is that a text begins with: ${name} that is not defined, {{ name }} or
// {% if name %}. It is part of a word, although keepalived would take its braces for a block. 0: there is none.
func template(text string) int {
	end := ""
	switch {
	case strings.HasPrefix(text, "${"):
		end = "}"
	case strings.HasPrefix(text, "{{"):
		end = "}}"
	case strings.HasPrefix(text, "{%"):
		end = "%}"
	default:
		return 0
	}
	inside, _, ok := strings.Cut(text[2:], end)
	if !ok || strings.ContainsAny(inside, `{}"`) {
		return 0
	}
	return 2 + len(inside) + len(end)
}

// split returns a line up to its first brace, and what is left of it. A brace that begins the line is alone.
func split(text string) (first, rest string) {
	for i := 0; i < len(text); i++ {
		if n := template(text[i:]); n > 0 {
			i += n - 1
			continue
		}
		switch text[i] {
		case '"':
			end := strings.IndexByte(text[i+1:], '"')
			if end < 0 {
				return text, ""
			}
			i += 1 + end
		case '{', '}':
			if i == 0 {
				return text[:1], strings.TrimLeft(text[1:], " \t")
			}
			return strings.TrimRight(text[:i], " \t"), text[i:]
		}
	}
	return text, ""
}

// words returns the words of a line. One in double quotes may have blanks; a quote also ends the word before it. It reports whether
// each quote is closed: keepalived reads the line up to the one that is not.
func words(text string) (list []string, closed bool) {
	for rest := strings.TrimLeft(text, blanks); rest != ""; rest = strings.TrimLeft(rest, blanks) {
		if rest[0] == '"' {
			word, after, ok := strings.Cut(rest[1:], `"`)
			if !ok {
				return list, false
			}
			list, rest = append(list, word), after
			continue
		}
		end := 0
		for end < len(rest) && rest[end] != '"' && strings.IndexByte(blanks, rest[end]) < 0 {
			end += max(1, template(rest[end:]))
		}
		list, rest = append(list, rest[:end]), rest[end:]
	}
	return list, true
}
