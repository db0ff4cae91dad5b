// SPDX-License-Identifier: Apache-2.0

package view_test

import (
	"math"
	"strconv"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"pgregory.net/rapid"

	"github.com/harbinger-ha/harbinger/pkg/apis/status/v1alpha1"
	"github.com/harbinger-ha/harbinger/pkg/view"
)

var now = time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)

func TestAge(t *testing.T) {
	for ago, want := range map[time.Duration]string{
		0: "now", 900 * time.Millisecond: "now", time.Second: "1s ago", 119 * time.Second: "119s ago", 2 * time.Minute: "2m ago",
		119*time.Minute + 59*time.Second: "119m ago", 2 * time.Hour: "2h ago", 47 * time.Hour: "47h ago", 20 * 24 * time.Hour: "20d ago",
		-time.Millisecond: "now", -20*24*time.Hour - time.Hour: "in 20d", -5 * time.Second: "in 5s",
	} {
		if got := view.Age(now, now.Add(-ago)); got != want {
			t.Errorf("age of %s is %q, want %q", ago, got, want)
		}
	}
	if got := view.Age(now, time.Time{}); got != "at an unknown time" {
		t.Errorf("age of no time is %q", got)
	}
}

func TestFor(t *testing.T) {
	for since, want := range map[time.Time]string{
		now: "0s", now.Add(-3 * time.Minute): "3m", now.Add(time.Hour): "0s", {}: "an unknown time",
	} {
		if got := view.For(now, since); got != want {
			t.Errorf("since %s is %q, want %q", since, got, want)
		}
	}
}

func TestDuration(t *testing.T) {
	for text, want := range map[string]string{
		"0s": "0s", "12ns": "0s", "1234ns": "1µs", "3ms": "3ms", "3.4567ms": "3ms", "3.609s": "3.6s", "42.4s": "42s", "59.9s": "1m", "60s": "1m",
		"2m": "2m", "250s": "4m10s", "10m0.2s": "10m", "3h20m10s": "3h20m", "2h": "2h0m", "100h": "100h0m", "-1.5s": "-1.5s", "": "", "soon\x1b": "soon\uFFFD",
	} {
		if got := view.DurationOf(text); got != want {
			t.Errorf("%q becomes %q, want %q", text, got, want)
		}
	}
}

func TestBytes(t *testing.T) {
	for n, want := range map[uint64]string{
		0: "0 B", 999: "999 B", 1000: "1.0 kB", 1234567: "1.2 MB", 9949999: "9.9 MB", 9950000: "10 MB", 999499: "999 kB", 999500: "1.0 MB",
		math.MaxUint64: "18 EB",
	} {
		if got := view.Bytes(n); got != want {
			t.Errorf("%d bytes are %q, want %q", n, got, want)
		}
	}
}

func TestCount(t *testing.T) {
	for n, want := range map[int]string{
		0: "0 hosts", 1: "1 host", 2: "2 hosts", 999: "999 hosts", 1000: "1,000 hosts", 1234567: "1,234,567 hosts", -123: "-123 hosts", -1234: "-1,234 hosts",
	} {
		if got := view.Count(n, "host", "hosts"); got != want {
			t.Errorf("%d of them are %q, want %q", n, got, want)
		}
	}
	if got := view.Number(uint64(math.MaxUint64)); got != "18,446,744,073,709,551,615" {
		t.Errorf("the largest number is %q", got)
	}
}

func TestWords(t *testing.T) {
	for name, want := range map[string]string{
		"Conflict": "Conflict", "SplitSuspected": "Split suspected", "APIReachable": "API reachable", "BackendsLeftOut": "Backends left out",
		"": "", "lower": "lower", "API": "API",
	} {
		if got := view.Words(name); got != want {
			t.Errorf("%q in words is %q, want %q", name, got, want)
		}
	}
}

// A peer names itself, and its words reach the terminal of whoever is on call.
func TestSafe(t *testing.T) {
	for text, want := range map[string]string{
		"node1 → node2": "node1 → node2",
		"a\tb\nc":       "a b c",
		"\x1b[2J":       "\uFFFD[2J",
		"\u009b2J":      "\uFFFD2J",
		"a\u202eb":      "a\uFFFDb",
		"a\u200bb":      "a\uFFFDb",
		"e\u0301":       "e\uFFFD",
		"a\xffb":        "a\uFFFDb",
		"a\u00a0b":      "a b",
		"a\u2028b":      "a\uFFFDb",
		"节点一":           "节点一",
	} {
		if got := view.Safe(text); got != want {
			t.Errorf("%q becomes %q, want %q", text, got, want)
		}
	}
	rapid.Check(t, func(t *rapid.T) {
		safe := view.Safe(string(rapid.SliceOfN(rapid.Byte(), 0, 40).Draw(t, "text")))
		for _, r := range safe {
			if r < ' ' || r >= 0x7f && r < 0xa0 {
				t.Fatalf("%q has a control character", safe)
			}
		}
		if !utf8.ValidString(safe) || view.Safe(safe) != safe {
			t.Fatalf("%q is not safe", safe)
		}
	})
}

// What is counted and measured has a short form, whatever it is.
func TestShortForms(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		d := time.Duration(rapid.Int64Range(-1<<60, 1<<60).Draw(t, "duration"))
		n := rapid.Uint64().Draw(t, "number")
		for _, text := range []string{view.Age(now, now.Add(d)), view.For(now, now.Add(-d)), view.Duration(d), view.Bytes(n)} {
			if text == "" || utf8.RuneCountInString(text) > 14 {
				t.Fatalf("%s and %d: %q", d, n, text)
			}
		}
		measured, err := time.ParseDuration(view.Duration(d))
		if err != nil || (measured-d).Abs() > max(time.Millisecond, (d/15).Abs()) {
			t.Fatalf("%s is written as %s", d, view.Duration(d))
		}
		if strings.ReplaceAll(view.Number(n), ",", "") != strconv.FormatUint(n, 10) {
			t.Fatalf("%d is written as %s", n, view.Number(n))
		}
	})
}

// A condition is called by the words of its type.
func TestEveryConditionHasWords(t *testing.T) {
	for _, condition := range v1alpha1.ConditionTypes() {
		words := view.Words(condition)
		if !strings.EqualFold(strings.ReplaceAll(words, " ", ""), condition) || words[1:] != strings.ReplaceAll(words[1:], "  ", " ") {
			t.Errorf("%s is %q in words", condition, words)
		}
		for _, word := range strings.Fields(words)[1:] {
			if word != strings.ToLower(word) && word != strings.ToUpper(word) {
				t.Errorf("%s is %q in words", condition, words)
			}
		}
	}
}
