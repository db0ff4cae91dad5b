// SPDX-License-Identifier: Apache-2.0

// Package view has the words that every picture of a status shares, so that the text of "harbinger status" and the page say the
// same: ages, durations, sizes, names of nodes instead of addresses, and the first sentence.
//
// It holds functions only. The moment at which somebody looks is a parameter.
package view

import (
	"math"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

// Age says how long ago something was, or will be: "2m ago", "in 20d". A time that is not known is "at an unknown time".
func Age(now, t time.Time) string {
	switch ago := now.Sub(t); {
	case t.IsZero():
		return "at an unknown time"
	case ago >= time.Second:
		return For(now, t) + " ago"
	case ago <= -time.Second:
		return "in " + For(t, now)
	}
	return "now"
}

// For says for how long something has lasted that began at a time: "2m". One that is not known is "an unknown time".
func For(now, since time.Time) string {
	if since.IsZero() {
		return "an unknown time"
	}
	return coarse(max(0, now.Sub(since)))
}

// units are those of ages, largest first, each with the least that is written in it.
var units = []struct {
	unit time.Duration
	name string
	from time.Duration
}{{24 * time.Hour, "d", 48 * time.Hour}, {time.Hour, "h", 2 * time.Hour}, {time.Minute, "m", 2 * time.Minute}, {time.Second, "s", 0}}

// coarse writes a duration with one unit, such that it has two digits or more of information: 119s, then 2m.
func coarse(d time.Duration) string {
	for _, u := range units {
		if d >= u.from {
			return strconv.FormatInt(int64(d/u.unit), 10) + u.name
		}
	}
	return "0s"
}

// Duration writes a duration as it is measured: "3ms", "3.6s", "4m10s", "5h2m".
func Duration(d time.Duration) string {
	for _, p := range precision {
		if d.Abs() < p.below {
			d = d.Round(p.round)
			break
		}
	}
	text := d.String()
	if strings.HasSuffix(text, "m0s") {
		text = strings.TrimSuffix(text, "0s")
	}
	return text
}

// precision is to what a duration is rounded that is shorter than another.
var precision = []struct{ below, round time.Duration }{
	{time.Millisecond, time.Microsecond}, {time.Second, time.Millisecond}, {10 * time.Second, 100 * time.Millisecond}, {time.Hour, time.Second},
	{math.MaxInt64, time.Minute},
}

// DurationOf writes a duration of the status as Duration does, and one that cannot be read as it is.
func DurationOf(text string) string {
	d, err := time.ParseDuration(text)
	if err != nil {
		return Safe(text)
	}
	return Duration(d)
}

// Bytes writes a size with three digits at most: "812 B", "1.2 MB".
func Bytes(n uint64) string {
	if n < 1000 {
		return strconv.FormatUint(n, 10) + " B"
	}
	size := float64(n)
	unit := -1
	for size >= 999.5 {
		size /= 1000
		unit++
	}
	digits := 0
	if size < 9.95 {
		digits = 1
	}
	return strconv.FormatFloat(size, 'f', digits, 64) + " " + string("kMGTPE"[unit]) + "B"
}

// Number writes a number with its thousands apart: "1,234,567".
func Number[N int | uint64](n N) string {
	digits := strconv.FormatInt(int64(n), 10)
	if n > 0 {
		digits = strconv.FormatUint(uint64(n), 10)
	}
	for i := len(digits) - 3; i > 0 && digits[i-1] != '-'; i -= 3 {
		digits = digits[:i] + "," + digits[i:]
	}
	return digits
}

// Count writes how many there are of something: "1 host", "2 hosts".
func Count[N int | uint64](n N, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return Number(n) + " " + many
}

// Words takes the type of a condition apart: "APIReachable" is "API reachable".
func Words(name string) string {
	var out strings.Builder
	letters := []rune(name)
	for i, r := range letters {
		// An acronym ends before the last of its capitals if a word follows.
		starts := i > 0 && unicode.IsUpper(r) && (unicode.IsLower(letters[i-1]) || i+1 < len(letters) && unicode.IsLower(letters[i+1]))
		if starts {
			out.WriteByte(' ')
		}
		if starts && i+1 < len(letters) && unicode.IsLower(letters[i+1]) {
			r = unicode.ToLower(r)
		}
		out.WriteRune(r)
	}
	return out.String()
}

// Safe makes text from the network fit for one line of a terminal: control characters, those that change the direction of writing or
// are not seen, and what is no UTF-8, become a mark of replacement. Line ends and tabs become spaces.
func Safe(text string) string {
	if strings.IndexFunc(text, func(r rune) bool { return r < ' ' || r > '~' }) < 0 {
		return text
	}
	return strings.Map(func(r rune) rune {
		switch {
		case r == '\n' || r == '\r' || r == '\t':
			return ' '
		case r == utf8.RuneError || !unicode.IsPrint(r) && !unicode.Is(unicode.Zs, r) || unicode.Is(unicode.M, r):
			return utf8.RuneError
		case unicode.Is(unicode.Zs, r):
			return ' '
		}
		return r
	}, text)
}
