// SPDX-License-Identifier: Apache-2.0

package page

import (
	"strings"
	"testing"
	"time"

	"golang.org/x/net/html"
	g "maragu.dev/gomponents"
)

// What the style and the script find on the page: classes, keys, and marks beside colours.
func TestMarkup(t *testing.T) {
	then := moment{Text: "2s ago", Time: time.Date(2026, 1, 2, 4, 4, 3, 0, time.FixedZone("CET", 3600))}
	const shownThen = `<time datetime="2026-01-02T03:04:03Z" title="2026-01-02 03:04:03 UTC">2s ago</time>`
	wide := table{ID: "t", Caption: "All", Columns: columns("Name", "Count#"), Empty: "There is none."}
	empty := wide
	wide.add("k", cell{Text: "a", Tone: good, Swatch: 3, Notes: notes("more")}, cell{Text: "1", Tone: warn, At: then})
	for name, tt := range map[string]struct {
		node g.Node
		want string
	}{
		"no class":  {g.El("i", class(plain, only(false, "number"))), `<i></i>`},
		"classes":   {g.El("i", class("value", plain, bad, only(true, "number"))), `<i class="value bad number"></i>`},
		"no time":   {moment{Text: "not yet"}.node(), `not yet`},
		"a time":    {then.node(), shownThen},
		"no advice": {advice("", "", nil), ``},
		"advice": {advice("a < b", "do", []string{`x "y"`}), `<p data-key="detail" class="detail">a &lt; b</p><p data-key="action" class="action"><strong>What to do:</strong> do</p>` +
			`<ul class="commands" data-key="commands"><li data-key="x &#34;y&#34;"><code>x &#34;y&#34;</code><button type="button" class="copy" aria-label="Copy the command x &#34;y&#34;">Copy</button></li></ul>`},
		"a banner without advice": {banner{Tone: good, Word: "Well", Text: "All is."}.node(), `<section class="banner good" id="banner" data-key="banner" aria-labelledby="verdict">` +
			`<div class="verdict" role="status" aria-live="polite" aria-atomic="true"><h2 id="verdict"><span class="mark good"></span><span class="word">Well</span> <span class="sentence">All is.</span></h2></div></section>`},
		"a finding": {finding{Tone: bad, Word: "Critical", Name: "Split", Key: "S", Text: "two", Since: then}.node(), `<li class="finding bad" data-key="S"><h3><span class="mark bad"></span>` +
			`<span class="word">Critical: Split</span></h3><p class="sentence" data-key="text">two</p><p class="quiet" data-key="since">Since ` + shownThen + `</p></li>`},
		"a word": {fact{Name: "State", Text: "up", Notes: notes("for 2s")}.node(), `<div data-key="State"><dt>State</dt><dd class="value">up</dd><dd class="note">for 2s</dd></div>`},
		"a sentence with a command": {fact{Name: "F", Text: "what is longer than a word is", Tone: bad, Commands: []string{"ls"}}.node(), `<div data-key="F" class="wide"><dt>F</dt><dd class="value bad prose">` +
			`<span class="mark bad"></span>what is longer than a word is</dd><dd data-key="commands">` + markup(t, copied([]string{"ls"})) + `</dd></div>`},
		"no rows": {empty.node(), `<p data-key="t" class="quiet">There is none.</p>`},
		"a row": {wide.node(), `<div class="box" data-key="t"><table role="table"><caption>All</caption>` +
			`<thead role="rowgroup"><tr role="row"><th role="columnheader" scope="col">Name</th><th role="columnheader" scope="col" class="number">Count</th></tr></thead>` +
			`<tbody role="rowgroup"><tr role="row" data-key="k"><th role="rowheader" scope="row" class="good"><span class="value good"><span class="swatch h3"></span><span class="mark good"></span>a</span>` +
			`<span class="note">more</span></th><td role="cell" data-column="Count" class="warn number"><span class="value warn"><span class="mark warn"></span>` + shownThen + `</span></td></tr></tbody></table></div>`},
		"a section that is folded": {section{ID: "s", Title: "S", Intro: "So.", Folded: "All", Tables: []table{empty}}.node(), `<section class="plate" data-key="s" aria-labelledby="s-title"><h2 id="s-title">S</h2>` +
			`<p data-key="intro">So.</p><details data-key="folded"><summary>All</summary>` + markup(t, empty.node()) + `</details></section>`},
		"a bar": {bar{X: 12.5, Width: 987.25, Swatch: 1, Title: "node1 for 2h"}.node(), `<rect class="h1" x="12.5" y="0" width="987.25" height="40"><title>node1 for 2h</title></rect>`},
		"a gap": {entry{Name: "nobody", Share: "3s"}.node(), `<li data-key="nobody"><span class="swatch gap"></span>nobody <span class="quiet">3s</span></li>`},
	} {
		if got := markup(t, tt.node); got != tt.want {
			t.Errorf("%s:\n%s, want\n%s", name, got, tt.want)
		}
	}
}

func markup(t *testing.T, node g.Node) string {
	t.Helper()
	var w strings.Builder
	if err := write(&w, node); err != nil {
		t.Fatal(err)
	}
	return w.String()
}

// The script keeps elements by their keys, and readers of the screen find titles by identifiers: neither stands for two.
func TestKeysAndIdentifiersNameOne(t *testing.T) {
	for name, s := range situations(t) {
		identifiers, keys := map[string]int{}, map[*html.Node]map[string]bool{}
		var titles []string
		each(t, rendered(t, s), func(n *html.Node) {
			for _, a := range n.Attr {
				switch a.Key {
				case "id":
					identifiers[a.Val]++
				case "aria-labelledby":
					titles = append(titles, a.Val)
				case "data-key":
					if keys[n.Parent][a.Val] {
						t.Errorf("%s: two elements beside each other have the key %q", name, a.Val)
					}
					if keys[n.Parent] == nil {
						keys[n.Parent] = map[string]bool{}
					}
					keys[n.Parent][a.Val] = true
				}
			}
		})
		for identifier, n := range identifiers {
			if n != 1 {
				t.Errorf("%s: %d elements have the identifier %s", name, n, identifier)
			}
		}
		for _, title := range titles {
			if identifiers[title] == 0 {
				t.Errorf("%s: no element has the title %s", name, title)
			}
		}
		if len(titles) < 8 || len(keys) < 20 {
			t.Errorf("%s: only %d titles and %d elements with keys in them", name, len(titles), len(keys))
		}
	}
}
