// SPDX-License-Identifier: Apache-2.0

package page

import (
	"bytes"
	"fmt"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/net/html"

	"github.com/harbinger-ha/harbinger/pkg/apis/status/v1alpha1"
)

// fill gives each field of a value one of its own, so that it is found again: text(path) to each string.
func fill(v reflect.Value, path string, text func(path string) string, number *uint64) {
	switch v.Interface().(type) {
	case time.Time:
		*number++
		v.Set(reflect.ValueOf(now.Add(-time.Duration(*number) * 25 * time.Hour)))
		return
	}
	switch v.Kind() {
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		fill(v.Elem(), path, text, number)
	case reflect.Slice:
		if v.Type().Elem().Kind() == reflect.Uint8 {
			return
		}
		v.Set(reflect.MakeSlice(v.Type(), 2, 2))
		for i := range 2 {
			fill(v.Index(i), path+"/"+strconv.Itoa(i), text, number)
		}
	case reflect.Map:
		v.Set(reflect.MakeMap(v.Type()))
		value := reflect.New(v.Type().Elem()).Elem()
		fill(value, path+"/value", text, number)
		v.SetMapIndex(reflect.ValueOf(text(path+"/key")), value)
	case reflect.Struct:
		for field, value := range v.Fields() {
			if field.IsExported() {
				fill(value, path+"."+field.Name, text, number)
			}
		}
	case reflect.String:
		v.SetString(text(path))
	case reflect.Bool:
		v.SetBool(true)
	case reflect.Int, reflect.Int64:
		*number++
		v.SetInt(int64(100 + *number))
	case reflect.Uint64:
		*number++
		v.SetUint(100 + *number)
	case reflect.Uint8:
		*number++
		v.SetUint(*number % 250)
	case reflect.Float64:
		*number++
		v.SetFloat(float64(*number))
	}
}

// everything returns a status of which each field has a value.
func everything(text func(path string) string) *v1alpha1.HarbingerStatus {
	var s v1alpha1.HarbingerStatus
	var number uint64
	fill(reflect.ValueOf(&s).Elem(), "", text, &number)
	return &s
}

// notShown are the strings of the status that the page does not show as they are, by the end of their path, with the reason.
var notShown = map[string]string{
	".TypeMeta.Kind": "says what the document is", ".TypeMeta.APIVersion": "says what the document is",
	".VirtualRouter.Arbiter": "is shown in words", ".Hosts/0.Identity": "is the key of the row", ".Hosts/1.Identity": "is the key of the row",
	".Findings/0.Condition": "the runbook", ".VirtualRouter.Holder": "shown where another holds", ".NotReady/0": "each has a finding", ".NotReady/1": "each has a finding",
	".Lease.API.Credentials": "a copy of .API", ".Lease.API.APIServers/0.Address": "a copy of .API", ".Lease.API.APIServers/1.Address": "a copy of .API",
	".Lease.API.APIServers/0.Failure": "a copy of .API", ".Lease.API.APIServers/1.Failure": "a copy of .API",
}

// What the status has, the page has: a field that is added to one is added to the other.
func TestThePageHasEverything(t *testing.T) {
	tokens := map[string]string{}
	s := everything(func(path string) string {
		token := fmt.Sprintf("w%dw", len(tokens)+1000)
		tokens[token] = path
		return token
	})
	s.VirtualRouter.Held = false
	text := visible(t, rendered(t, s))
	for token, path := range tokens {
		if _, known := notShown[path]; !known && !strings.Contains(text, token) {
			t.Errorf("the page does not show %s", path)
		}
	}
	if len(tokens) < 100 {
		t.Errorf("found only %d strings", len(tokens))
	}
}

// visible returns the text of a page with what stands in attributes for readers.
func visible(t *testing.T, page string) string {
	t.Helper()
	var text strings.Builder
	each(t, page, func(n *html.Node) {
		switch {
		case n.Type == html.TextNode && n.Parent.Data != "script" && n.Parent.Data != "style":
			text.WriteString(n.Data + " ")
		case n.Type == html.ElementNode:
			for _, a := range n.Attr {
				if a.Key == "data-column" || a.Key == "title" {
					text.WriteString(a.Val + " ")
				}
			}
		}
	})
	return strings.Join(strings.Fields(text.String()), " ")
}

// each calls a function for each node of a page.
func each(t *testing.T, page string, f func(*html.Node)) {
	t.Helper()
	root, err := html.Parse(strings.NewReader(page))
	if err != nil {
		t.Fatal(err)
	}
	for n := range root.Descendants() {
		f(n)
	}
}

const (
	harmless = "word of a sentence, which is long"
	hostile  = `"'><img src=x onerror=alert(1)></script></style></title><script>alert(2)</script><a href="javascript:alert(3)">&amp;{{.}}<!--` + "`${x}\x00\u202e"
)

// Whatever another host says of itself, it is text: no element and no attribute is made of it.
func TestStringsFromTheNetworkAreText(t *testing.T) {
	shape := func(s *v1alpha1.HarbingerStatus) (elements []string) {
		each(t, rendered(t, s), func(n *html.Node) {
			if n.Type != html.ElementNode {
				return
			}
			element := n.Data
			for _, a := range n.Attr {
				element += " " + a.Key
			}
			elements = append(elements, element)
		})
		return elements
	}
	want, got := shape(everything(func(string) string { return harmless })), shape(everything(func(string) string { return hostile }))
	if !slices.Equal(want, got) {
		t.Errorf("the strings make elements: %d become %d", len(want), len(got))
	}
	if len(want) < 300 {
		t.Errorf("only %d elements", len(want))
	}
}

// filled returns a document with that text wherever it has one, and with each way in which the page shows it.
func filled(text string) document {
	var d document
	var number uint64
	fill(reflect.ValueOf(&d).Elem(), "", func(string) string { return text }, &number)
	s := &d.Sections[0]
	s.Folded, s.Timeline.From.Time, s.Findings[0].Since.Time, s.Facts[0].At, s.Tables[0].Rows = "", time.Time{}, time.Time{}, moment{}, nil
	for _, row := range s.Tables[1].Rows {
		row.Cells[0].At, row.Cells[1].At = moment{}, moment{}
	}
	return d
}

// Every string that the page shows is the same text or value, letter by letter, and the rest of the page is what it was.
func TestEveryStringOfTheDocumentStaysAsItIs(t *testing.T) {
	parts := func(text string) (all []string) {
		var w bytes.Buffer
		if err := write(&w, filled(text).page()); err != nil {
			t.Fatal(err)
		}
		each(t, w.String(), func(n *html.Node) {
			all = append(all, n.Data)
			for _, a := range n.Attr {
				all = append(all, n.Data+" "+a.Key+"="+a.Val)
			}
		})
		return all
	}
	shown, seen := parts(harmless), strings.ReplaceAll(hostile, "\x00", "\ufffd") // HTML has no U+0000
	with := 0
	for i, part := range shown {
		if shown[i] = strings.ReplaceAll(part, harmless, seen); shown[i] != part {
			with++
		}
	}
	if diff := cmp.Diff(shown, parts(hostile)); diff != "" {
		t.Errorf("the strings do not stay text (-want +got):\n%s", diff)
	}
	if with < 200 {
		t.Errorf("only %d parts of the page have strings", with)
	}
}

// The browser runs and fetches only what the policy names: the style and the script of the page.
func TestThePageNeedsNothingElse(t *testing.T) {
	page, policy := rendered(t, golden(t, "full")), Headers()["Content-Security-Policy"]
	for _, part := range []string{"default-src 'none'", "frame-ancestors 'none'", "base-uri 'none'", "form-action 'none'"} {
		if !strings.Contains(policy, part) {
			t.Errorf("%s is not in %s", part, policy)
		}
	}
	if strings.Contains(policy, "unsafe") {
		t.Errorf("%s", policy)
	}
	found := 0
	each(t, page, func(n *html.Node) {
		if n.Data == "style" || n.Data == "script" {
			if found++; !strings.Contains(policy, n.Data+"-src '"+digest(n.FirstChild.Data)+"'") {
				t.Errorf("the policy does not allow the %s", n.Data)
			}
		}
		for _, a := range n.Attr {
			link := a.Key == "href" || a.Key == "src" || a.Key == "action"
			if strings.HasPrefix(a.Key, "on") || a.Key == "style" || link && !regexp.MustCompile(`^(#live|status|metrics|readyz|livez|data:image/svg\+xml,[^<>"' #]+|)$`).MatchString(a.Val) {
				t.Errorf("%s has %s=%q", n.Data, a.Key, a.Val)
			}
		}
	})
	if found != 2 {
		t.Errorf("%d styles and scripts", found)
	}
}

func TestTheContentIsPartOfThePage(t *testing.T) {
	var content bytes.Buffer
	if err := WriteContent(&content, golden(t, "holder"), now); err != nil {
		t.Fatal(err)
	}
	if page := rendered(t, golden(t, "holder")); !strings.Contains(page, content.String()) || content.Len() < 5000 {
		t.Errorf("the page does not have\n%s", &content)
	}
}

// refusing fails after some bytes, as a client that goes away.
type refusing int

func (r *refusing) Write(p []byte) (int, error) {
	if *r -= refusing(len(p)); *r < 0 {
		return 0, fmt.Errorf("gone")
	}
	return len(p), nil
}

func TestAClientThatGoesAwayIsAnError(t *testing.T) {
	short := refusing(1000)
	if err := Write(&short, golden(t, "full"), now); err == nil || !strings.Contains(err.Error(), "write the page: ") {
		t.Errorf("error %v", err)
	}
}

// Green says that nothing is wrong: a split, or any other finding, never has it.
func TestTheBannerIsGreenOnlyWhereNothingIsWrong(t *testing.T) {
	want := map[string]tone{
		"normal": good, "backup": good, "degraded": bad, "split": bad, "conflict": bad, "full": bad, "no-api": warn, "seven-backends": warn, "expiring": warn,
	}
	for name, s := range situations(t) {
		d := newDocument(s, now)
		name = strings.TrimPrefix(name, "document-")
		if d.Banner.Tone != want[name] || d.Icon != icons[want[name]] || !strings.HasPrefix(d.Title, d.Banner.Word+": "+s.Node) {
			t.Errorf("%s: banner %+v, title %s", name, d.Banner, d.Title)
		}
		if d.Banner.Text == "" || (d.Banner.Tone == good) != (d.Banner.Word == "Well") {
			t.Errorf("%s: %+v", name, d.Banner)
		}
	}
	s := threeHosts(t)
	s.Ready, s.NotReady = false, []string{"balancer down"}
	if b := newDocument(s, now).Banner; b.Tone != bad || !strings.Contains(b.Text, "balancer down") {
		t.Errorf("not ready without a finding: %+v", b)
	}
	s = threeHosts(t)
	s.Hosts[2].Finding, s.Hosts[2].Severity = v1alpha1.ConditionSplitSuspected, v1alpha1.SeverityCritical
	if b := newDocument(s, now).Banner; b.Tone != bad || !strings.Contains(b.Text, "node3") {
		t.Errorf("another host has a finding: %+v", b)
	}
}

// The page has one heading of the first level, and no level is left out on the way down.
func TestHeadingsAndTablesAreInOrder(t *testing.T) {
	for name, s := range situations(t) {
		last, first := 0, 0
		each(t, rendered(t, s), func(n *html.Node) {
			if m := regexp.MustCompile(`^h([1-6])$`).FindStringSubmatch(n.Data); m != nil {
				level, _ := strconv.Atoi(m[1])
				if level > last+1 {
					t.Errorf("%s: heading %d follows %d", name, level, last)
				}
				if last = level; level == 1 {
					first++
				}
			}
			if n.Data == "th" && !slices.ContainsFunc(n.Attr, func(a html.Attribute) bool { return a.Key == "scope" && (a.Val == "col" || a.Val == "row") }) {
				t.Errorf("%s: a head of a table without a scope", name)
			}
		})
		if first != 1 {
			t.Errorf("%s: %d headings of the first level", name, first)
		}
	}
}
