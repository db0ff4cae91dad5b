// SPDX-License-Identifier: Apache-2.0

package page

import (
	"strings"
	"time"

	"github.com/harbinger-ha/harbinger/pkg/apis/status/v1alpha1"
	"github.com/harbinger-ha/harbinger/pkg/view"
)

// tone is what something means for the reader. The page never shows it by the colour alone.
type tone string

const (
	plain tone = ""
	good  tone = "good"
	warn  tone = "warn"
	bad   tone = "bad"
)

// severities are the tones of findings.
var severities = map[string]tone{v1alpha1.SeverityCritical: bad, v1alpha1.SeverityWarning: warn}

// document is what the page shows.
type document struct {
	Node, Cluster, Version, Title string
	Icon                          string
	Now                           moment
	Addresses                     []string
	Banner                        banner
	Glance                        []fact
	Sections                      []section
	Started                       moment
	Incarnation                   string
}

// moment is a time, as somebody reads it and as it is.
type moment struct {
	Text string
	time.Time
}

// section is one part of the page under a heading. What it lacks is not shown.
type section struct {
	ID, Title, Intro string
	Findings         []finding
	Timeline         *timeline
	Facts            []fact
	Tables           []table
	Folded           string // what is said of the tables while they are folded; empty: they are not
}

// fact is one thing with its name.
type fact struct {
	Name, Text string
	Tone       tone
	At         moment // shown for Text
	Notes      []string
	Commands   []string
}

// Prose says that the text is a sentence rather than a word or a figure.
func (f fact) Prose() bool { return len(f.Text) > 26 }

// table is one with a row for each thing of a kind.
type table struct {
	ID, Caption string
	Columns     []column
	Rows        []row
	Empty       string // what is said where there are no rows
}

type column struct {
	Name   string
	Number bool
}

type row struct {
	Key   string // stays the same while the thing does
	Cells []cell // the first is the head of the row
}

type cell struct {
	Column column
	Text   string
	Tone   tone
	At     moment // shown for Text
	Notes  []string
	Swatch int // of the host with that colour; 0: none
}

// columns makes those of a table. A name that ends with # is over numbers.
func columns(names ...string) (c []column) {
	for _, name := range names {
		text, number := strings.CutSuffix(name, "#")
		c = append(c, column{Name: text, Number: number})
	}
	return c
}

// add adds a row to a table.
func (t *table) add(key string, cells ...cell) {
	for i := range cells {
		cells[i].Column = t.Columns[i]
	}
	t.Rows = append(t.Rows, row{Key: key, Cells: cells})
}

// reader makes the document of a status.
type reader struct {
	*v1alpha1.HarbingerStatus
	now   time.Time
	names view.Names
}

// icons are what the tab of the browser shows: circle, triangle and cross, in the colours of the banner.
var icons = map[tone]string{
	good: icon("#1a7f37", "M20 33l8 9 17-20"),
	warn: icon("#9a6700", "M32 16v22M32 46v3"),
	bad:  icon("#b3261e", "M20 20l24 24M44 20L20 44"),
}

// inURL writes what an address does not have as it is.
var inURL = strings.NewReplacer("<", "%3C", ">", "%3E", "#", "%23", "'", "%27", " ", "%20")

// icon is the address of an image that is in the address itself.
func icon(ground, path string) string {
	return "data:image/svg+xml," + inURL.Replace("<svg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 64 64'><rect width='64' height='64' rx='14' fill='"+ground+
		"'/><path d='"+path+"' fill='none' stroke='#fff' stroke-width='8' stroke-linecap='round' stroke-linejoin='round'/></svg>")
}

func newDocument(s *v1alpha1.HarbingerStatus, now time.Time) document {
	r := reader{HarbingerStatus: s, now: now, names: view.NamesOf(s)}
	b := r.banner()
	d := document{
		Node: s.Node, Cluster: s.Cluster, Version: s.Version, Banner: b, Title: b.Word + ": " + s.Node + " – Harbinger", Icon: icons[b.Tone],
		Now: moment{Text: now.UTC().Format("15:04:05 UTC"), Time: now}, Started: r.at(s.Started), Incarnation: s.Incarnation, Glance: r.glance(),
	}
	for _, p := range s.VirtualAddresses {
		d.Addresses = append(d.Addresses, p.String())
	}
	for _, part := range []section{
		r.findings(), r.hosts(), r.history(), r.balancer(), r.election(), r.wire(), r.peers(), r.lease(), r.signing(), r.moves(), r.conditions(),
	} {
		if part.ID != "" {
			d.Sections = append(d.Sections, part)
		}
	}
	return d
}

// at is a time that is shown by its age.
func (r reader) at(t time.Time) moment { return moment{Text: view.Age(r.now, t), Time: t} }

// maybe is at of a time that there may not be.
func (r reader) maybe(t *time.Time) moment {
	if t == nil {
		return moment{}
	}
	return r.at(*t)
}

// since is the note for how long something lasts.
func (r reader) since(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return "for " + view.For(r.now, t)
}

// notes are those that say something.
func notes(all ...string) (some []string) {
	for _, note := range all {
		if note != "" {
			some = append(some, note)
		}
	}
	return some
}

// named returns the name of the node that has an address, and the address as a note beside it; an address without a known name
// is the name.
func (r reader) named(address string) (name, note string) {
	name, safe := r.names.Of(address), view.Safe(address)
	return name, yes(name != safe, safe, "")
}

// host is an address with the name of its node, where that is known.
func (r reader) host(address string) string {
	name, note := r.named(address)
	return name + yes(note != "", " ("+note+")", "")
}

// peer is the cell of an address at the head of a row.
func (r reader) peer(address string) cell {
	name, note := r.named(address)
	return cell{Text: name, Notes: notes(note)}
}

// endpoint is the cell of an address and port at the head of a row.
func (r reader) endpoint(address string, marks ...string) cell {
	name, note := r.named(address)
	return cell{Text: view.Safe(address), Notes: notes(append([]string{yes(note != "", name, "")}, marks...)...)}
}

// yes is a word for what is so, and one for what is not.
func yes(is bool, so, not string) string {
	if is {
		return so
	}
	return not
}

// tones chooses one by whether something is as it should be.
func tones(well bool, ill tone) tone {
	if well {
		return good
	}
	return ill
}
