// SPDX-License-Identifier: Apache-2.0

package convert

import "strings"

// deepest is how deep blocks may be in each other; keepalived's own are at most four deep.
const deepest = 8

// parse takes a file apart into statements: one a line, and blocks in braces that belong to the statement before them.
func (k *keepalived) parse(text string) []statement {
	open := []*statement{{}} // the blocks that are open, the file first
	for i, line := range strings.Split(text, "\n") {
		current := statement{line: i + 1}
		end := func() {
			if len(current.words) > 0 {
				block := open[len(open)-1]
				block.block = append(block.block, current)
			}
			current = statement{line: i + 1}
		}
		for _, word := range k.split(i+1, line) {
			switch word {
			case "{":
				end()
				parent := open[len(open)-1]
				if len(parent.block) == 0 || len(open) > deepest {
					k.fail(statement{line: i + 1, words: []string{"{"}}, "opens a block of nothing, or one too deep")
					return nil
				}
				open = append(open, &parent.block[len(parent.block)-1])
			case "}":
				end()
				if len(open) == 1 {
					k.fail(statement{line: i + 1, words: []string{"}"}}, "closes no block")
					return nil
				}
				open = open[:len(open)-1]
			default:
				current.words = append(current.words, word)
			}
		}
		end()
	}
	if len(open) > 1 {
		k.fail(*open[len(open)-1], "the block is not closed")
		return nil
	}
	return open[0].block
}

// split returns the words of a line. A comment begins with # or !, a word with spaces is in quotes.
func (k *keepalived) split(number int, line string) (words []string) {
	here := func(word string) statement { return statement{line: number, words: []string{word}} }
	for rest := strings.TrimSpace(line); rest != "" && rest[0] != '#' && rest[0] != '!'; rest = strings.TrimSpace(rest) {
		var word string
		switch rest[0] {
		case '{', '}':
			word, rest = rest[:1], rest[1:]
		case '"':
			quoted, after, ok := strings.Cut(rest[1:], `"`)
			if !ok {
				k.fail(here(`"`), "the quote is not closed")
				return nil
			}
			word, rest = quoted, after
			if word == "{" || word == "}" || word == "" {
				k.fail(here(rest), "a quoted %q is not known to this command", word)
				return nil
			}
		case '@', '$':
			k.fail(here(rest), "conditions and variables are not known to this command: give it the file as keepalived sees it")
			return nil
		default:
			end := strings.IndexAny(rest, " \t\r{}\"#!")
			if end < 0 {
				end = len(rest)
			}
			word, rest = rest[:end], rest[end:]
		}
		words = append(words, word)
	}
	return words
}
