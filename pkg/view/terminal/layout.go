// SPDX-License-Identifier: Apache-2.0

package terminal

import (
	"strings"

	"github.com/harbinger-ha/harbinger/pkg/view"
)

// style is how text is set off, as the parameters of the escape sequence that does it. Empty: not at all.
type style string

const (
	plain  style = ""
	strong style = "1"
	faint  style = "2"
	bad    style = "1;31"
	good   style = "32"
	doubt  style = "33"
)

const (
	// gutter is the width of the column of titles, and narrowest the width below which titles have lines of their own.
	gutter    = 10
	narrowest = 60
	// fewest is the least width that is written for, and most the one beyond which lines are hard to read.
	fewest = 20
	most   = 160
)

// cell is a piece of a line.
type cell struct {
	text  string
	style style
}

// canvas takes lines, and sees to it that none is wider than the terminal.
type canvas struct {
	out    strings.Builder
	width  int
	color  bool
	gutter int
	title  string // of the block that has no line yet
}

func newCanvas(o Options) *canvas {
	c := &canvas{width: min(max(o.Width, fewest), most), color: o.Color, gutter: gutter}
	if c.width < narrowest {
		c.gutter = 2
	}
	return c
}

// block begins a block. One without a line does not show.
func (c *canvas) block(title string) { c.title = title }

// room is how wide a line of a block may be.
func (c *canvas) room(indent int) int { return max(1, c.width-c.gutter-indent) }

// line writes one line of a block, which fits.
func (c *canvas) line(indent int, cells ...cell) {
	margin := cell{strings.Repeat(" ", c.gutter), plain}
	switch {
	case c.title != "" && c.gutter == gutter:
		margin = cell{pad(c.title, c.gutter), strong}
	case c.title != "":
		c.raw(cell{c.title, strong})
	}
	c.title = ""
	c.raw(append([]cell{margin, {strings.Repeat(" ", indent), plain}}, cells...)...)
}

// raw writes one line at the left edge, without spaces at its end.
func (c *canvas) raw(cells ...cell) {
	for len(cells) > 0 && strings.TrimRight(cells[len(cells)-1].text, " ") == "" {
		cells = cells[:len(cells)-1]
	}
	for i, x := range cells {
		if i == len(cells)-1 {
			x.text = strings.TrimRight(x.text, " ")
		}
		if c.color && x.style != plain {
			x.text = "\x1b[" + string(x.style) + "m" + x.text + "\x1b[0m"
		}
		c.out.WriteString(x.text)
	}
	c.out.WriteByte('\n')
}

// text writes a text of a block, with as many lines as it needs.
func (c *canvas) text(indent int, s style, text string) {
	for _, line := range wrap(view.Safe(text), c.room(indent)) {
		c.line(indent, cell{line, s})
	}
}

// item writes a text beside a label that has the width of a column. A label that takes more than half of the line is above it.
func (c *canvas) item(column int, label cell, text string) {
	if 2*column > c.room(0) {
		c.text(0, label.style, label.text)
		c.text(min(2, c.room(0)-1), plain, text)
		return
	}
	lines := wrap(view.Safe(text), c.room(column+2))
	if len(lines) == 0 {
		lines = []string{""}
	}
	for i, line := range lines {
		if i > 0 {
			label.text = ""
		}
		c.line(0, cell{pad(label.text, column+2), label.style}, cell{line, plain})
	}
}

// command writes a command such that it can be copied: whole where it fits, else with a backslash at the ends of lines.
func (c *canvas) command(text string) {
	text = view.Safe(text)
	if width(text) <= c.room(4) {
		c.line(4, cell{text, plain})
		return
	}
	lines := fill(words(text), max(1, c.room(6)-2))
	for i, line := range lines {
		indent := 6
		if i == 0 {
			indent = 4
		}
		if i < len(lines)-1 {
			line += ` \`
		}
		c.line(indent, cell{line, plain})
	}
}

// words are the words of a command. What is quoted is part of one.
func words(command string) (all []string) {
	var quote rune
	start := 0
	for i, r := range command {
		switch {
		case quote == 0 && (r == '\'' || r == '"'):
			quote = r
		case r == quote:
			quote = 0
		case r == ' ' && quote == 0:
			if i > start {
				all = append(all, command[start:i])
			}
			start = i + 1
		}
	}
	if start < len(command) {
		all = append(all, command[start:])
	}
	return all
}

// wrap divides a text between words into lines that have a width at most. A word that is wider is cut.
func wrap(text string, room int) []string { return fill(strings.Fields(text), room) }

// fill makes lines of words.
func fill(words []string, room int) (lines []string) {
	line, used := "", 0
	for _, word := range words {
		n := width(word)
		switch {
		case line != "" && used+1+n <= room:
			line, used = line+" "+word, used+1+n
			continue
		case line != "":
			lines = append(lines, line)
		}
		for n > room {
			var head string
			head, word = cut(word, room)
			lines = append(lines, head)
			n = width(word)
		}
		line, used = word, n
	}
	if line != "" {
		lines = append(lines, line)
	}
	return lines
}

// cut divides a word after as many characters as have a width, and after one at least.
func cut(word string, room int) (head, rest string) {
	used := 0
	for i, r := range word {
		if used += columns(r); used > room && i > 0 {
			return word[:i], word[i:]
		}
	}
	return word, ""
}

// pad fills a text with spaces up to a width.
func pad(text string, n int) string { return text + strings.Repeat(" ", max(0, n-width(text))) }

// width is how many columns a text has that is safe.
func width(text string) (n int) {
	for _, r := range text {
		n += columns(r)
	}
	return n
}

// doubleWidth are the ranges of characters that have two columns: those of East Asia, and pictures.
var doubleWidth = [][2]rune{
	{0x1100, 0x115f}, {0x231a, 0x231b}, {0x2329, 0x232a}, {0x23e9, 0x23f3}, {0x25fd, 0x27ff}, {0x2b1b, 0x2b55}, {0x2e80, 0xa4cf},
	{0xa960, 0xa97f}, {0xac00, 0xd7a3}, {0xf900, 0xfaff}, {0xfe10, 0xfe6f}, {0xff00, 0xff60}, {0xffe0, 0xffe6}, {0x16fe0, 0x10ffff},
}

// columns is how many columns a character has.
func columns(r rune) int {
	for _, interval := range doubleWidth {
		if r >= interval[0] && r <= interval[1] {
			return 2
		}
	}
	return 1
}
