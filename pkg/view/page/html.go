// SPDX-License-Identifier: Apache-2.0

package page

import (
	"strings"

	g "maragu.dev/gomponents"
	h "maragu.dev/gomponents/html"
)

// page is the whole of it: the frame, and the content in it.
func (d document) page() g.Node {
	return h.Doctype(h.HTML(h.Lang("en"),
		h.Head(
			h.Meta(h.Charset("utf-8")),
			h.Meta(h.Name("viewport"), h.Content("width=device-width, initial-scale=1")),
			h.Meta(h.Name("color-scheme"), h.Content("light dark")),
			h.TitleEl(g.Text(d.Title)),
			h.Link(h.Rel("icon"), h.ID("icon"), h.Href(d.Icon)),
			h.NoScript(h.Meta(g.Attr("http-equiv", "refresh"), h.Content("10"))),
			h.StyleEl(g.Raw(style)),
		),
		h.Body(
			h.A(class("skip"), h.Href("#live"), g.Text("Skip to the status")),
			h.Header(
				h.H1(h.Span(class("brand"), g.Text("Harbinger")), g.Text(" on "+d.Node)),
				h.P(h.ID("mode"), g.Text("As of "), h.Time(g.Text(d.Now.Text)), g.Text(". "), h.A(h.Href(""), g.Text("Reload")),
					h.NoScript(g.Text(": without JavaScript every 10 s by itself."))),
			),
			h.P(class("unseen"), h.ID("say"), h.Role("status"), h.Aria("live", "polite")),
			lost(),
			d.content(),
			h.Footer(links()),
			h.Script(g.Raw(script)),
		)))
}

// lost is what the script shows where the server no longer answers.
func lost() g.Node {
	return h.Section(h.ID("lost"), h.Aria("labelledby", "lost-title"), g.Attr("hidden"),
		h.H2(h.ID("lost-title"), g.Text("No answer since "), h.Span(h.ID("lost-for"))),
		h.P(g.Text("What follows is of "), h.Time(h.ID("lost-at")), g.Text(", and may be otherwise now. "), h.Span(h.ID("lost-why"))))
}

// links lead to what programs read.
func links() g.Node {
	link := func(to, text string) g.Node { return h.A(h.Href(to), g.Text(text)) }
	return h.Nav(h.Aria("label", "The same for programs"),
		link("status", "JSON"), blank, link("metrics", "Metrics"), blank, link("readyz", "readyz"), blank, link("livez", "livez"))
}

// content is the part of the page that changes.
func (d document) content() g.Node {
	return h.Main(h.ID("live"), h.TabIndex("-1"), h.Data("title", d.Title), h.Data("icon", d.Icon), h.Data("now", d.Now.Text), h.Data("code", code),
		d.Banner.node(), d.glance(), g.Map(d.Sections, section.node))
}

func (b banner) node() g.Node {
	since := "Since "
	if b.Runbook != "" {
		since = "Condition " + b.Runbook + ", since "
	}
	more := b.Detail != "" || b.Action != "" || len(b.Commands) > 0 || !b.Since.IsZero()
	return h.Section(class("banner", b.Tone), h.ID("banner"), key("banner"), h.Aria("labelledby", "verdict"),
		h.Div(class("verdict"), h.Role("status"), h.Aria("live", "polite"), h.Aria("atomic", "true"),
			h.H2(h.ID("verdict"), mark(b.Tone), h.Span(class("word"), g.Text(b.Word)), blank, h.Span(class("sentence"), g.Text(b.Text)))),
		g.If(more, h.Div(class("advice"), key("advice"), advice(b.Detail, b.Action, b.Commands),
			g.If(!b.Since.IsZero(), h.P(key("since"), class("quiet"), g.Text(since), b.Since.node())))))
}

// advice is more of what is wrong, and what to do.
func advice(detail, action string, commands []string) g.Node {
	return g.Group{
		g.If(detail != "", h.P(key("detail"), class("detail"), g.Text(detail))),
		g.If(action != "", h.P(key("action"), class("action"), h.Strong(g.Text("What to do:")), g.Text(" "+action))),
		g.If(len(commands) > 0, copied(commands)),
	}
}

// copied are commands, each with a button that copies it.
func copied(commands []string) g.Node {
	return h.Ul(class("commands"), key("commands"), g.Map(commands, func(command string) g.Node {
		return h.Li(key(command), h.Code(g.Text(command)),
			h.Button(h.Type("button"), class("copy"), h.Aria("label", "Copy the command "+command), g.Text("Copy")))
	}))
}

func (d document) glance() g.Node {
	return h.Section(class("plate"), key("glance"), h.Aria("labelledby", "glance-title"),
		h.H2(class("unseen"), h.ID("glance-title"), g.Text("At a glance")),
		h.P(class("where"), key("where"), h.Span(class("addresses"), g.Text(strings.Join(d.Addresses, ", "))), blank,
			h.Span(class("quiet"), g.Text("cluster "+d.Cluster+" · "+d.Version+" · started "), d.Started.node(), g.Text(" · "+d.Incarnation))),
		facts(d.Glance))
}

func (s section) node() g.Node {
	title, tables := s.ID+"-title", g.Node(g.Map(s.Tables, table.node))
	if s.Folded != "" {
		tables = h.Details(key("folded"), h.Summary(g.Text(s.Folded)), tables)
	}
	return h.Section(class("plate"), key(s.ID), h.Aria("labelledby", title),
		h.H2(h.ID(title), g.Text(s.Title)),
		g.If(s.Intro != "", h.P(key("intro"), g.Text(s.Intro))),
		g.If(len(s.Findings) > 0, h.Ul(class("findings"), key("findings"), g.Map(s.Findings, finding.node))),
		g.Iff(s.Timeline != nil, s.Timeline.node),
		g.If(len(s.Facts) > 0, facts(s.Facts)),
		tables)
}

func (f finding) node() g.Node {
	return h.Li(class("finding", f.Tone), key(f.Key),
		h.H3(mark(f.Tone), h.Span(class("word"), g.Text(f.Word+": "+f.Name))),
		h.P(class("sentence"), key("text"), g.Text(f.Text)),
		advice(f.Detail, f.Action, f.Commands),
		h.P(class("quiet"), key("since"), g.Text("Since "), f.Since.node()))
}

func facts(all []fact) g.Node {
	return h.Dl(class("facts"), key("facts"), g.Map(all, fact.node))
}

func (f fact) node() g.Node {
	return h.Div(key(f.Name), class(only(len(f.Commands) > 0, "wide")),
		h.Dt(g.Text(f.Name)),
		h.Dd(class("value", f.Tone, only(f.Prose(), "prose")), shown(f.Tone, f.Text, f.At)),
		g.Map(f.Notes, func(note string) g.Node { return h.Dd(class("note"), g.Text(note)) }),
		g.If(len(f.Commands) > 0, h.Dd(key("commands"), copied(f.Commands))))
}

func (t table) node() g.Node {
	if len(t.Rows) == 0 {
		return h.P(key(t.ID), class("quiet"), g.Text(t.Empty))
	}
	return h.Div(class("box"), key(t.ID), h.Table(h.Role("table"),
		h.Caption(g.Text(t.Caption)),
		h.THead(h.Role("rowgroup"), h.Tr(h.Role("row"), g.Map(t.Columns, column.node))),
		h.TBody(h.Role("rowgroup"), g.Map(t.Rows, row.node))))
}

func (c column) node() g.Node {
	return h.Th(h.Role("columnheader"), h.Scope("col"), class(only(c.Number, "number")), g.Text(c.Name))
}

func (r row) node() g.Node {
	head := r.Cells[0]
	return h.Tr(h.Role("row"), key(r.Key), h.Th(h.Role("rowheader"), h.Scope("row"), class(head.Tone), head.inner()), g.Map(r.Cells[1:], cell.node))
}

func (c cell) node() g.Node {
	return h.Td(h.Role("cell"), h.Data("column", c.Column.Name), class(c.Tone, only(c.Column.Number, "number")), c.inner())
}

// inner is what stands in a cell.
func (c cell) inner() g.Node {
	return g.Group{
		h.Span(class("value", c.Tone), g.If(c.Swatch > 0, h.Span(class("swatch", colour(c.Swatch)))), shown(c.Tone, c.Text, c.At)),
		g.Map(c.Notes, func(note string) g.Node { return h.Span(class("note"), g.Text(note)) }),
	}
}

// shown is a text or, where there is one, a time for it, with the mark of its tone.
func shown(t tone, text string, at moment) g.Node {
	if !at.IsZero() {
		return g.Group{g.If(t != plain, mark(t)), at.node()}
	}
	return g.Group{g.If(t != plain, mark(t)), g.Text(text)}
}

func (m moment) node() g.Node {
	if m.IsZero() {
		return g.Text(m.Text)
	}
	utc := m.UTC()
	return h.Time(h.DateTime(utc.Format("2006-01-02T15:04:05Z")), h.Title(utc.Format("2006-01-02 15:04:05 UTC")), g.Text(m.Text))
}

func (t *timeline) node() g.Node {
	return h.Figure(class("timeline"), key("timeline"),
		h.SVG(h.Role("img"), h.Aria("label", t.Text), g.Attr("viewBox", "0 0 1000 40"), g.Attr("preserveAspectRatio", "none"), g.Map(t.Bars, bar.node)),
		h.P(class("axis"), h.Span(t.From.node()), h.Span(g.Text(t.Until))),
		h.FigCaption(
			h.Ul(class("legend"), g.Map(t.Legend, entry.node)),
			h.P(class("quiet"), g.Text("What lasted short is drawn wider than it was."))))
}

func (b bar) node() g.Node {
	return g.El("rect", class(colour(b.Swatch)), g.Attr("x", digits(b.X)), g.Attr("y", "0"), h.Width(digits(b.Width)), h.Height("40"), h.TitleEl(g.Text(b.Title)))
}

func (e entry) node() g.Node {
	return h.Li(key(e.Name), h.Span(class("swatch", colour(e.Swatch))), g.Text(e.Name+" "), h.Span(class("quiet"), g.Text(e.Share)))
}
