// SPDX-License-Identifier: Apache-2.0

package observe

import (
	"encoding/json"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// at returns a moment of the tests: seconds after a time that looks real.
func at(seconds float64) time.Time {
	return time.UnixMicro(1764216000_000000 + int64(math.Round(seconds*1e6))).UTC()
}

func ms(n int) time.Duration { return time.Duration(n) * time.Millisecond }

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// read returns a log whose times are seconds of [at].
func read(t *testing.T, text string) Log {
	t.Helper()
	log, err := ReadLog(strings.NewReader(strings.ReplaceAll(text, `"t":`, `"t":17642160`)))
	must(t, err)
	return log
}

func TestReadLog(t *testing.T) {
	got, err := ReadLog(strings.NewReader(
		`{"t":1764216000.123456,"took":0.004000,"op":"version","ok":true,"seq":1}` + "\n" +
			`{"t":1764216000.173,"took":1,"op":"list","ok":false,"err":"context deadline exceeded","seq":2}` + "\r\n" +
			`{"t":1764216000.223456,"took":0.011,"op":"write","ok":true,"key":"witness-3","value":"4","rv":"812","base":"790","seq":4}` + "\n" +
			`{"t":1764216000.3,"took":0.002,"op":"write","ok":false,"err":"409 Conflict","key":"witness-4","value":"8","undone":true,"seq":8}` + "\n" +
			`{"t":1764216000.9,"took":0.0`))
	must(t, err)
	want := Log{
		{Start: at(0.123456), Took: ms(4), Op: Version, OK: true, Seq: 1},
		{Start: at(0.173), Took: ms(1000), Op: List, Err: "context deadline exceeded", Seq: 2},
		{Start: at(0.223456), Took: ms(11), Op: Write, OK: true, Key: "witness-3", Value: "4", RV: "812", Base: "790", Seq: 4},
		{Start: at(0.3), Took: ms(2), Op: Write, Err: "409 Conflict", Key: "witness-4", Value: "8", Undone: true, Seq: 8},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("log (-want +got):\n%s", diff)
	}
}

func TestReadLogRefuses(t *testing.T) {
	for name, text := range map[string]string{
		"text":        "panic: runtime error",
		"empty line":  "",
		"no time":     `{"op":"list","ok":true}`,
		"no op":       `{"t":1764216000,"ok":true}`,
		"no number":   `{"t":"yesterday","op":"list"}`,
		"negative":    `{"t":-1,"op":"list"}`,
		"far future":  `{"t":1e300,"op":"list"}`,
		"two objects": `{"t":1764216000,"op":"list"} {}`,
	} {
		t.Run(name, func(t *testing.T) {
			_, err := ReadLog(strings.NewReader(`{"t":1764216000,"op":"list"}` + "\n" + text + "\n"))
			if err == nil || !strings.HasPrefix(err.Error(), "line 2: ") {
				t.Errorf("error is %v", err)
			}
		})
	}
}

func TestLineIsWrittenAsAgreed(t *testing.T) {
	for _, test := range []struct {
		line Line
		want string
	}{
		{
			Line{Start: at(0.000001), Took: ms(4), Op: List, OK: true, Seq: 7},
			`{"t":1764216000.000001,"took":0.004000,"op":"list","ok":true,"seq":7}`,
		},
		{
			Line{Start: at(1.5), Op: Watch, OK: true, Key: "witness-0", Value: "12", RV: "99", Seq: 3},
			`{"t":1764216001.500000,"took":0.000000,"op":"watch","ok":true,"key":"witness-0","value":"12","rv":"99","seq":3}`,
		},
	} {
		got, err := json.Marshal(test.line)
		must(t, err)
		if string(got) != test.want {
			t.Errorf("got  %s\nwant %s", got, test.want)
		}
	}
}

func TestLogAnswers(t *testing.T) {
	log := read(t, `{"t":00,"took":0.1,"op":"version","ok":true}
{"t":01,"took":0.1,"op":"version","ok":false}
{"t":02,"took":0.1,"op":"list","ok":true}
`)
	if !log.Answered(Version) || log.Since(at(1)).Answered(Version) || !log.Since(at(2)).Answered(List) {
		t.Error("what was answered since when is wrong")
	}
	if len(log) != 3 || len(log.Of(Version)) != 2 {
		t.Error("a part of the log is not a copy")
	}
}

func FuzzReadLog(f *testing.F) {
	f.Add(`{"t":1764216000.123456,"took":0.004,"op":"version","ok":true,"err":"a","key":"k","value":"v","rv":"1","base":"0","undone":true,"seq":1}` + "\n")
	f.Add(`{"t":9000000000,"took":9000000000,"op":"write","ok":true}` + "\n" + `{"t":0.000001,"op":"final","ok":true}` + "\n")
	f.Fuzz(func(t *testing.T, text string) {
		log, err := ReadLog(strings.NewReader(text))
		if err != nil {
			return
		}
		var again strings.Builder
		for _, line := range log {
			must(t, json.NewEncoder(&again).Encode(line))
		}
		same, err := ReadLog(strings.NewReader(again.String()))
		must(t, err)
		if diff := cmp.Diff(log, same); diff != "" {
			t.Errorf("read again it is another (-first +second):\n%s", diff)
		}
		analyse(t, log)
	})
}

// analyse holds what is true of every log.
func analyse(t *testing.T, log Log) {
	from, to := at(0), at(60)
	for _, op := range []Op{Version, Write} {
		var last time.Time
		var total time.Duration
		for _, o := range log.Outages(op, from, to, 0) {
			if o.From.Before(last) || o.Length() <= 0 {
				t.Errorf("outage %v begins before %v", o, last)
			}
			last = o.To
			total += o.Length()
		}
		if total != to.Sub(from) {
			t.Errorf("the times between the answers are %v, want all", total)
		}
		if a := log.Availability(op, from, to, time.Second); a.Share < 0 || a.Share > 1 || a.Answered > a.Requests {
			t.Errorf("availability is %+v", a)
		}
	}
	log.Breaks()
	_, _ = log.Missed() // the versions may be anything
	_, _ = log.Lost()   // there may be no final list
}
