// SPDX-License-Identifier: Apache-2.0

package page

import (
	"maps"
	"slices"
	"testing"

	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
)

// wide lists what reaches out of the window and is in no box that scrolls.
const wide = `(() => {
	for (const d of document.querySelectorAll('details')) d.open = true;
	if (document.documentElement.scrollWidth > innerWidth) return ['the page, ' + document.documentElement.scrollWidth];
	return [...document.querySelectorAll('main *')].filter(e => e.getBoundingClientRect().right > innerWidth + 0.5 && !e.closest('.box, thead, .unseen')).map(e => e.outerHTML.slice(0, 99));
})()`

// cut lists the boxes that somebody must scroll.
const cut = `[...document.querySelectorAll('.box')].filter(e => e.scrollWidth > e.clientWidth + 1).map(e => e.dataset.key)`

// Nobody scrolls sideways, on a telephone or on a large screen, whatever is wrong.
func TestNothingIsWiderThanTheWindow(t *testing.T) {
	t.Parallel()
	b, all := open(t), situations(t)
	for _, name := range slices.Sorted(maps.Keys(all)) {
		b.load(serve(t, all[name]))
		for _, width := range []int64{390, 1024, 1440} {
			b.size(width, 844)
			if found := value[[]string](b, wide); len(found) > 0 {
				t.Errorf("%s at %d: too wide: %q", name, width, found)
			}
			if found := value[[]string](b, cut); len(found) > 0 {
				t.Errorf("%s at %d: one must scroll in %q", name, width, found)
			}
		}
	}
}

// faint lists the texts whose contrast with what is behind them is less than 4.5, as WCAG 2 computes it, and how many it has seen.
const faint = `(() => {
	for (const d of document.querySelectorAll('details')) d.open = true;
	const parse = c => { const v = c.match(/[\d.]+/g).map(Number); return {rgb: v.slice(0, 3), a: v.length > 3 ? v[3] : 1}; };
	const light = rgb => rgb.map(x => x / 255).map(x => x <= 0.04045 ? x / 12.92 : ((x + 0.055) / 1.055) ** 2.4).reduce((sum, x, i) => sum + x * [0.2126, 0.7152, 0.0722][i], 0);
	const behind = e => {
		const layers = [];
		for (; e; e = e.parentElement) { const c = parse(getComputedStyle(e).backgroundColor); layers.unshift(c); if (c.a === 1) break; }
		return layers.reduce((below, c) => below.map((x, i) => c.rgb[i] * c.a + x * (1 - c.a)), [255, 255, 255]);
	};
	const found = [], texts = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
	let seen = 0;
	for (let n; n = texts.nextNode();) {
		const e = n.parentElement;
		if (!n.data.trim() || e.closest('script, style, noscript, svg, [hidden]')) continue;
		seen++;
		const a = light(parse(getComputedStyle(e).color).rgb), b = light(behind(e)), ratio = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
		if (ratio < 4.5) found.push(ratio.toFixed(2) + ': ' + n.data.trim().slice(0, 60));
	}
	return seen < 100 ? ['only ' + seen + ' texts'] : found;
})()`

// Everything can be read, in the light and in the dark.
func TestTheContrastIsEnough(t *testing.T) {
	t.Parallel()
	b, all := open(t), situations(t)
	for _, name := range []string{"normal", "split", "no-api", "full"} {
		b.load(serve(t, all[name]))
		grounds := map[string]bool{}
		for _, scheme := range []string{"light", "dark"} {
			b.scheme(scheme)
			if found := value[[]string](b, faint); len(found) > 0 {
				t.Errorf("%s, %s: too faint: %q", name, scheme, found)
			}
			grounds[value[string](b, `getComputedStyle(document.body).backgroundColor`)] = true
		}
		if len(grounds) != 2 {
			t.Errorf("%s: dark and light are the same: %v", name, grounds)
		}
	}
}

// The verdict has the colour of its severity, and says it in a word and with a mark too.
func TestTheVerdictIsNotSaidByTheColourAlone(t *testing.T) {
	t.Parallel()
	b, all := open(t), situations(t)
	colours := map[string]string{}
	for _, name := range []string{"normal", "no-api", "split"} {
		b.load(serve(t, all[name]))
		got := value[[]string](b, `[getComputedStyle(document.querySelector('.verdict')).backgroundColor, document.querySelector('.verdict .word').innerText.toLowerCase(),
			getComputedStyle(document.querySelector('.verdict .mark'), '::before').content]`)
		colours[got[0]] = name
		want := map[string]string{"normal": "well \"\u2713\"", "no-api": "warning \"\u25b2\"", "split": "critical \"\u2715\""}[name]
		if have := got[1] + " " + got[2]; !contains(have, want) {
			t.Errorf("%s: %q, want %q", name, have, want)
		}
	}
	if len(colours) != 3 {
		t.Errorf("colours %v", colours)
	}
}

// Whoever has a keyboard only comes to everything that can be pressed, from the top to the bottom, and sees where it is.
func TestTheKeyboardReachesAll(t *testing.T) {
	t.Parallel()
	b := open(t)
	b.load(serve(t, situations(t)["split"]))
	b.until(`document.getElementById('mode').textContent.startsWith('Live')`)
	want := value[[]string](b, `[...document.querySelectorAll('a[href], button, summary')].map(e => e.textContent.trim())`)
	var got []string
	for range want {
		b.run(chromedp.KeyEvent(kb.Tab))
		got = append(got, value[string](b, `document.activeElement.textContent.trim()`))
		if style := value[string](b, `getComputedStyle(document.activeElement).outlineStyle`); style == "none" {
			t.Errorf("nothing shows that the focus is on %q", got[len(got)-1])
		}
	}
	if !slices.Equal(got, want) || len(want) < 9 || want[0] != "Skip to the status" {
		t.Errorf("the focus goes to %q, want %q", got, want)
	}
	b.run(chromedp.Evaluate[chromedp.Void](`document.activeElement.blur(); document.querySelector('.skip').focus()`), chromedp.KeyEvent(kb.Enter))
	b.until(`document.activeElement.id === 'live'`)
	for selector, n := range map[string]int{"header": 1, "main": 1, "footer": 1, "nav[aria-label]": 1, "main section:not([aria-labelledby])": 0} {
		if got := value[int](b, `document.querySelectorAll('`+selector+`').length`); got != n {
			t.Errorf("%d of %s, want %d", got, selector, n)
		}
	}
}
