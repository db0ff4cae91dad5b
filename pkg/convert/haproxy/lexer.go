// SPDX-License-Identifier: Apache-2.0

package haproxy

import (
	"fmt"
	"strconv"
	"strings"
)

// lexer takes lines apart as haproxy does: words are separated by blanks, and a comment begins with # outside of quotes. A backslash
// takes the meaning of the character behind it away. In double quotes variables are expanded, in single quotes nothing is.
type lexer struct {
	lookup func(string) (string, bool)

	words  []string
	word   strings.Builder
	begun  bool
	faults []string // why haproxy does not take the line, or not as it is written
}

// split returns the words of a line, and what is wrong with it.
func (l *lexer) split(line string) (words, faults []string) {
	l.words, l.faults, l.begun = nil, nil, false
	l.word.Reset()
	rest, quote := line, byte(0)
	for rest != "" {
		c := rest[0]
		switch {
		case c == '\\' && quote != '\'':
			rest = l.escape(rest, quote)
			continue
		case c == '$' && quote == '"':
			rest = l.variable(rest)
			continue
		case quote == 0 && c == '#':
			l.end()
			return l.words, l.faults
		case quote == 0 && (c == ' ' || c == '\t' || c == '\r'):
			l.end()
		case quote == 0 && (c == '"' || c == '\''):
			quote, l.begun = c, true
		case quote == c:
			quote = 0
		default:
			l.put(rest[:1])
		}
		rest = rest[1:]
	}
	if quote != 0 {
		l.faults = append(l.faults, fmt.Sprintf("the quote %c is not closed", quote))
	}
	l.end()
	return l.words, l.faults
}

func (l *lexer) put(text string) {
	l.word.WriteString(text)
	l.begun = true
}

func (l *lexer) end() {
	if l.begun {
		l.words = append(l.words, l.word.String())
	}
	l.word.Reset()
	l.begun = false
}

// escapes are the characters that a backslash stands before, and what both mean.
var escapes = map[byte]string{' ': " ", '\t': "\t", '\\': `\`, '"': `"`, '\'': "'", '#': "#", 'n': "\n", 'r': "\r", 't': "\t"}

// escape takes a backslash with what belongs to it, and returns the rest. A backslash before any other character is one.
func (l *lexer) escape(text string, quote byte) string {
	if len(text) > 1 {
		if meant, ok := escapes[text[1]]; ok {
			l.put(meant)
			return text[2:]
		}
		switch {
		case text[1] == '$' && quote == '"':
			l.put("$")
			return text[2:]
		case text[1] == 'x':
			if n, err := strconv.ParseUint(text[2:min(4, len(text))], 16, 8); err == nil && len(text) >= 4 {
				l.put(string([]byte{byte(n)}))
				return text[4:]
			}
			l.faults = append(l.faults, `want two hexadecimal digits after \x`)
		}
	}
	l.put(`\`)
	return text[1:]
}

// variable takes $NAME, ${NAME}, ${NAME-DEFAULT} or ${NAME[*]}, which are as many words as the value has, and returns the rest.
func (l *lexer) variable(text string) string {
	rest := text[1:]
	braces := strings.HasPrefix(rest, "{")
	rest = strings.TrimPrefix(rest, "{")
	n := nameLength(rest)
	name, rest := rest[:n], rest[n:]
	tail := ""
	if braces {
		var closed bool
		if tail, rest, closed = strings.Cut(rest, "}"); !closed {
			l.faults = append(l.faults, "the brace of a variable is not closed")
		}
	}
	if name == "" || name[0] >= '0' && name[0] <= '9' {
		l.faults = append(l.faults, "want the name of a variable after $")
		return rest
	}
	value, set := l.lookup(name)
	without, isDefault := strings.CutPrefix(tail, "-")
	switch {
	case set && tail == "[*]":
		for i, part := range strings.Fields(value) {
			if i > 0 {
				l.end()
			}
			l.put(part)
		}
		return rest
	case set:
	case isDefault:
		value = without
	default:
		l.faults = append(l.faults, unset(name))
	}
	l.put(value)
	return rest
}

func unset(name string) string {
	return fmt.Sprintf("the variable %s is not set in the environment of this command: set it as haproxy has it, or write the value", name)
}

// nameLength returns how many characters at the beginning of a text may be the name of a variable. Those of haproxy itself begin with
// a dot.
func nameLength(text string) int {
	rest := strings.TrimPrefix(text, ".")
	rest = strings.TrimLeft(rest, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_")
	return len(text) - len(rest)
}

// expand expands the variables of an address, which haproxy does without quotes too, and says which one is not set.
func (l *lexer) expand(text string) (expanded, fault string) {
	words, faults := l.split(`"` + strings.ReplaceAll(text, `"`, `\"`) + `"`)
	if len(faults) > 0 {
		return "", faults[0]
	}
	return strings.Join(words, " "), ""
}
