// SPDX-License-Identifier: Apache-2.0

package page

import (
	"testing"
	"time"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/chromedp"
)

// load opens the page of a server and waits until its script runs.
func (b *tab) load(s *server) {
	b.t.Helper()
	b.run(chromedp.Navigate(s.URL))
	b.until("document.documentElement?.classList.contains('js')")
}

func TestWithoutJavaScriptAllIsThere(t *testing.T) {
	t.Parallel()
	b, s := open(t), serve(t, situations(t)["split"])
	b.script(false)
	b.run(chromedp.Navigate(s.URL))
	text := result(b, chromedp.Text(chromedp.CSS("body")))
	for _, part := range []string{
		"node2 serves 192.0.2.100, but this host does not hear its advertisements.", "What to do: Let protocol 112 pass between the hosts.", "firewall-cmd",
		"Also wrong", "Hosts", "node3", "Who held it when", "Backends", "Lease and API", "Reload", "without JavaScript every 10 s",
	} {
		if !contains(text, part) {
			t.Errorf("%q is not on the page: %s", part, text)
		}
	}
	if contains(text, "No answer") {
		t.Errorf("the page says that there is no answer: %s", text)
	}
	if n := len(result(b, chromedp.Nodes(chromedp.CSSAll("noscript meta[http-equiv=refresh]")))); n != 1 {
		t.Errorf("%d elements load the page again", n)
	}
}

func (b *tab) script(on bool) {
	b.t.Helper()
	if _, err := chromedp.Call(b.ctx, emulation.SetScriptExecutionDisabled, emulation.SetScriptExecutionDisabledParams{Value: !on}); err != nil {
		b.t.Fatal(err)
	}
}

// What changes on the page changes in its place: what somebody has selected, where the focus is and what is in sight stay.
func TestAChangeTearsNothing(t *testing.T) {
	t.Parallel()
	b, s := open(t), serve(t, threeHosts(t))
	b.size(1280, 800)
	b.load(s)
	b.run(chromedp.Evaluate[chromedp.Void](`{
		const cell = document.querySelector('[data-key="192.0.2.2:6443"] th .value');
		getSelection().selectAllChildren(cell);
		document.querySelector('summary').focus();
		document.querySelector('details').open = true;
		scrollTo(0, 700);
		window.kept = [cell, document.querySelector('[data-key="192.0.2.3:6443"]')];
	}`))
	s.change(func(s *server) {
		s.status = threeHosts(t)
		s.status.Balancer.Active = 4242
		s.status.Balancer.Backends = s.status.Balancer.Backends[1:] // the row before the selection goes
		s.status.Moves = append(s.status.Moves, s.status.Moves[0])
		s.status.Moves[len(s.status.Moves)-1].Time = now
		s.now = now.Add(time.Second)
	})
	b.until(`document.body.innerText.includes('4,242') && document.getElementById('mode').textContent.includes('03:04:06')`)
	for expression, what := range map[string]string{
		`getSelection().toString().trim() === '192.0.2.2:6443'`:        "the selection",
		`document.activeElement === document.querySelector('summary')`: "the focus",
		`scrollY === 700`:                        "the place",
		`document.querySelector('details').open`: "what is unfolded",
		`window.kept.every(n => n.isConnected)`:  "the rows",
		`!document.querySelector('[data-key="192.0.2.1:6443"] td[data-column=State]')`: "the row that went, and is there",
		`document.querySelectorAll('[data-key=moves] tbody tr').length === 3`:          "the new row, which is not there: the rows",
	} {
		if !value[bool](b, expression) {
			t.Errorf("the page lost %s", what)
		}
	}
}

// Selected text is not changed under the hand of who copies it, and the page says so; the banner is never left as it was.
func TestSelectedTextStandsStill(t *testing.T) {
	t.Parallel()
	b, s := open(t), serve(t, threeHosts(t))
	b.load(s)
	b.run(chromedp.Evaluate[chromedp.Void](`getSelection().selectAllChildren(document.body)`))
	s.change(func(s *server) { s.status = situations(t)["conflict"] })
	b.until(`document.getElementById('banner').classList.contains('bad') && document.getElementById('verdict').textContent.includes('An unknown host claims')`)
	b.until(`document.getElementById('mode').textContent.includes('selected text stands still')`)
	b.run(chromedp.Evaluate[chromedp.Void](`getSelection().removeAllRanges()`))
	b.until(`!document.getElementById('mode').textContent.includes('selected')`)
}

// A screen reader says the verdict when it changes, and not each second.
func TestTheVerdictIsSaidWhenItChanges(t *testing.T) {
	t.Parallel()
	b, s := open(t), serve(t, situations(t)["conflict"])
	b.load(s)
	b.run(chromedp.Evaluate[chromedp.Void](`{
		window.said = 0;
		new MutationObserver(() => window.said++).observe(document.querySelector('.verdict'), {subtree: true, childList: true, characterData: true, attributes: true});
	}`))
	s.change(func(s *server) { s.now = now.Add(10 * time.Minute) })
	b.until(`document.getElementById('banner').textContent.includes('10m ago')`)
	if said := value[int](b, `window.said`); said != 0 {
		t.Errorf("the verdict was said %d times, and is the same", said)
	}
	s.change(func(s *server) { s.status = threeHosts(t) })
	b.until(`document.querySelector('.verdict').textContent.includes('Well') && window.said > 0`)
	if live := value[string](b, `document.querySelector('.verdict').getAttribute('aria-live')`); live != "polite" {
		t.Errorf("aria-live is %q", live)
	}
}

// No banner outlives the server: the page says since when it has no answer, and of when the rest is.
func TestAServerThatIsGoneLeavesNoGreenBanner(t *testing.T) {
	t.Parallel()
	b, s := open(t), serve(t, threeHosts(t))
	b.load(s)
	if got := value[string](b, `document.title`); got != "Well: node1 – Harbinger" {
		t.Errorf("title %q", got)
	}
	s.change(func(s *server) { s.gone = true })
	b.until(`/^No answer since [3-9] s$/.test(document.getElementById('lost-title').innerText)`)
	for expression, what := range map[string]string{
		`getComputedStyle(document.getElementById('banner')).display === 'none'`:           "the banner is gone",
		`document.title === 'No answer: node1 – Harbinger'`:                                "the title says it",
		`document.getElementById('lost').innerText.includes('of 03:04:05 UTC')`:            "the page says of when the rest is",
		`document.getElementById('lost').innerText.includes('does the process run?')`:      "the page says what fails",
		`document.getElementById('say').textContent === 'No answer from the server.'`:      "a screen reader says it",
		`!document.body.innerText.includes('holds 192.0.2.100, 2 hosts could take over.')`: "nothing says that all is well",
	} {
		if !value[bool](b, expression) {
			t.Errorf("it does not hold that %s", what)
		}
	}
	s.change(func(s *server) { s.gone, s.status = false, situations(t)["degraded"] })
	b.until(`document.getElementById('lost').hidden && document.getElementById('banner').classList.contains('bad') && getComputedStyle(document.getElementById('banner')).display !== 'none'`)
	if got := value[string](b, `document.title + ', ' + document.getElementById('say').textContent`); got != "Critical: node1 – Harbinger, The server answers again." {
		t.Errorf("%q", got)
	}
}

// A tab that nobody sees asks for nothing, and one that is seen again asks at once.
func TestAHiddenPageIsSilent(t *testing.T) {
	t.Parallel()
	b, s := open(t), serve(t, threeHosts(t))
	b.load(s)
	b.until(`document.getElementById('mode').textContent.startsWith('Live')`)
	hide := func(hidden bool) {
		b.run(chromedp.Evaluate[chromedp.Void](`{
			Object.defineProperty(document, 'hidden', {value: ` + map[bool]string{true: "true", false: "false"}[hidden] + `, configurable: true});
			document.dispatchEvent(new Event('visibilitychange'));
		}`))
	}
	hide(true)
	b.until(`document.title === 'Paused: node1 – Harbinger'`)
	b.until(`document.documentElement.classList.contains('lost')`) // more than three times the time between two questions
	before := s.count()
	hide(false)
	b.until(`document.title === 'Well: node1 – Harbinger' && document.getElementById('lost').hidden`)
	if asked := s.count(); asked == before || before > 6 {
		t.Errorf("asked %d times before it was seen again, %d after", before, asked)
	}
}

func (s *server) count() (n int) {
	s.change(func(s *server) { n = s.asked })
	return n
}

// A page of another version of the program loads itself again.
func TestAnotherVersionIsLoaded(t *testing.T) {
	t.Parallel()
	b, s := open(t), serve(t, threeHosts(t))
	b.load(s)
	b.run(chromedp.Evaluate[chromedp.Void](`{ window.old = true; document.getElementById('live').dataset.code = 'sha256-other'; }`))
	b.until(`!window.old && document.documentElement?.classList.contains('js')`)
}

func TestACommandIsCopied(t *testing.T) {
	t.Parallel()
	b, s := open(t), serve(t, situations(t)["expiring"])
	b.load(s)
	b.run(chromedp.Click(chromedp.CSS("button.copy")))
	b.until(`['Copied', 'Selected'].includes(document.querySelector('button.copy').textContent)`)
	b.until(`document.querySelector('button.copy').textContent === 'Copy'`)
}
