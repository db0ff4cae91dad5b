// SPDX-License-Identifier: Apache-2.0

package page

import (
	"strconv"
	"strings"

	g "maragu.dev/gomponents"
	h "maragu.dev/gomponents/html"
)

// blank stands between two elements of a line.
var blank = g.Text(" ")

// class gives an element those of the classes that are not empty. They are tones and constants: no string of a status is one.
func class(names ...tone) g.Node {
	var all []string
	for _, name := range names {
		if name != "" {
			all = append(all, string(name))
		}
	}
	return g.If(len(all) > 0, h.Class(strings.Join(all, " ")))
}

// only is a class that something has only where that holds.
func only(holds bool, class tone) tone {
	if holds {
		return class
	}
	return ""
}

// colour is the class of the colour of a host; 0: nobody's.
func colour(swatch int) tone {
	if swatch == 0 {
		return "gap"
	}
	return tone("h" + strconv.Itoa(swatch))
}

// key names an element among those beside it: the script keeps the element while the key is the same.
func key(name string) g.Node { return h.Data("key", name) }

// mark shows a tone by more than the colour.
func mark(t tone) g.Node { return h.Span(class("mark", t)) }

func digits(x float64) string { return strconv.FormatFloat(x, 'f', -1, 64) }
