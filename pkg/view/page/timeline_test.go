// SPDX-License-Identifier: Apache-2.0

package page

import (
	"math"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/harbinger-ha/harbinger/pkg/apis/status/v1alpha1"
)

func TestTheTimelineSaysWhoHeldItAndForHowLongNobodyDid(t *testing.T) {
	s := threeHosts(t)
	h := newDocument(s, now).section(t, "history")
	if want := "Nobody served for 3.6s in all, in 1 gap since 5h ago."; h.Intro != want {
		t.Errorf("%q, want %q", h.Intro, want)
	}
	if want := "node3 for 2h0m, then nobody for 3.6s, then node2 for 2h20m, then node1 for 40m"; h.Timeline.Text != want {
		t.Errorf("%q, want %q", h.Timeline.Text, want)
	}
	var legend []string
	for _, e := range h.Timeline.Legend {
		legend = append(legend, e.Name+" "+e.Share)
	}
	if want := "node1 40m, node2 2h20m, node3 2h0m, nobody 3.6s"; strings.Join(legend, ", ") != want {
		t.Errorf("legend %q, want %q", legend, want)
	}
	if rows := h.Tables[0].Rows; len(rows) != 3 || rows[0].Cells[0].Text != "node1" || rows[0].Cells[2].Text != "now" || rows[1].Cells[4].Text != "3.6s" || rows[1].Cells[4].Tone != bad {
		t.Errorf("rows %+v", rows)
	}

	s.Holders = s.Holders[2:]
	if h := newDocument(s, now).section(t, "history"); h.Intro != "Somebody held it all the time since 40m ago." {
		t.Errorf("%q", h.Intro)
	}
	s.Holders[0].Until = at(ago(12 * time.Second))
	h = newDocument(s, now).section(t, "history")
	if !strings.HasSuffix(h.Intro, " Nobody has been seen to serve for 12s.") || !strings.HasSuffix(h.Timeline.Text, ", then nobody for 12s") {
		t.Errorf("%q, %q", h.Intro, h.Timeline.Text)
	}
	s.Holders = nil
	if h := newDocument(s, now).section(t, "history"); h.Timeline != nil || !strings.Contains(h.Intro, "nobody") {
		t.Errorf("%+v", h)
	}
}

// section returns one part of a document.
func (d document) section(t *testing.T, id string) section {
	t.Helper()
	for _, s := range d.Sections {
		if s.ID == id {
			return s
		}
	}
	t.Fatalf("no section %s", id)
	return section{}
}

// Whoever held it however often: the parts of the bar follow each other, fill it, and each is seen.
func TestTheBarIsFilled(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := v1alpha1.HarbingerStatus{Node: "node1"}
		at := now.Add(-1000 * time.Hour)
		for range rapid.IntRange(1, 32).Draw(t, "spans") {
			gap := time.Duration(rapid.IntRange(0, 10).Draw(t, "gap")) * time.Second
			at = at.Add(gap)
			until := at.Add(time.Duration(rapid.Int64Range(0, int64(30*time.Hour)).Draw(t, "lasts")))
			s.Holders = append(s.Holders, v1alpha1.HolderSpan{Holder: rapid.SampledFrom([]string{"a", "b", "c", "d", "e", "f", "g", "h"}).Draw(t, "holder"), From: at, Until: &until, Unserved: gap.String()})
			at = until
		}
		r := reader{HarbingerStatus: &s, now: at}
		line := r.timeline(r.swatches())
		x := 0.0
		for _, b := range line.Bars {
			if math.Abs(b.X-x) > 0.02 || b.Width < 5 || b.Swatch < 0 || b.Swatch > colours {
				t.Fatalf("part %+v at %g", b, x)
			}
			x += b.Width
		}
		if math.Abs(x-barWidth) > 1 {
			t.Fatalf("the bar ends at %g", x)
		}
	})
}
