// SPDX-License-Identifier: Apache-2.0

package terminal

import (
	"strings"

	"github.com/harbinger-ha/harbinger/pkg/view"
)

// column is one column of a table.
type column struct {
	title string
	// spare says how well the table does without: where it is too wide, the column with the highest number goes first. 0: it stays.
	spare int
	// right says that the text is at the right edge: that of numbers is.
	right bool
}

// row is one row of a table, and what is below it on lines of its own.
type row struct {
	cells []cell
	notes []cell
}

// table writes a table whose columns are as wide as what is in them. Columns without text are left out, then those that can be
// spared, until it fits; if it does not then either, each row becomes a paragraph.
func (c *canvas) table(columns []column, rows []row) {
	if len(rows) == 0 {
		return
	}
	kept, widths := measure(columns, rows)
	for total(kept, widths) > c.room(0) {
		last := -1
		for i, k := range kept {
			if columns[k].spare > 0 && (last < 0 || columns[k].spare > columns[kept[last]].spare) {
				last = i
			}
		}
		if last < 0 {
			c.paragraphs(columns, rows, kept)
			return
		}
		kept = append(kept[:last:last], kept[last+1:]...)
	}
	head := row{}
	for _, x := range columns {
		head.cells = append(head.cells, cell{x.title, faint})
	}
	for _, r := range append([]row{head}, rows...) {
		var cells []cell
		for i, k := range kept {
			x := cell{view.Safe(r.cells[k].text), r.cells[k].style}
			space := strings.Repeat(" ", widths[k]-width(x.text))
			if columns[k].right {
				cells = append(cells, cell{space, plain}, x)
			} else {
				cells = append(cells, x, cell{space, plain})
			}
			if i < len(kept)-1 {
				cells = append(cells, cell{"  ", plain})
			}
		}
		c.line(0, cells...)
		c.notes(r)
	}
}

// notes writes what is below a row.
func (c *canvas) notes(r row) {
	for _, note := range r.notes {
		c.text(2, note.style, note.text)
	}
}

// measure returns the columns that have text, and how wide each is.
func measure(columns []column, rows []row) (kept, widths []int) {
	widths = make([]int, len(columns))
	for k := range columns {
		for _, r := range rows {
			widths[k] = max(widths[k], width(view.Safe(r.cells[k].text)))
		}
		if widths[k] > 0 {
			kept = append(kept, k)
			widths[k] = max(widths[k], width(columns[k].title))
		}
	}
	return kept, widths
}

// total is how wide these columns are, with the space between them.
func total(kept, widths []int) int {
	n := 2 * (len(kept) - 1)
	for _, k := range kept {
		n += widths[k]
	}
	return n
}

// paragraphs writes each row as a text.
func (c *canvas) paragraphs(columns []column, rows []row, kept []int) {
	for _, r := range rows {
		var parts []string
		for _, k := range kept[1:] {
			if r.cells[k].text != "" {
				parts = append(parts, strings.ToLower(columns[k].title)+" "+r.cells[k].text)
			}
		}
		c.text(0, strong, r.cells[kept[0]].text)
		c.text(2, plain, strings.Join(parts, ", "))
		c.notes(r)
	}
}
