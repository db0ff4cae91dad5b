// SPDX-License-Identifier: Apache-2.0

package observe

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// final is the end of a log whose last list shows witness-0 as another write than the tests look at has left it.
const final = `{"t":30,"op":"final","ok":true,"key":"witness-0","value":"9","rv":"109"}
{"t":30,"op":"final","ok":true,"rv":"120"}
`

func TestLost(t *testing.T) {
	const (
		acknowledged = `{"t":01,"op":"write","ok":true,"key":"witness-0","value":"5","rv":"105","base":"104"}` + "\n"
		shown        = `{"t":30,"op":"final","ok":true,"key":"witness-0","value":"5","rv":"105"}
{"t":30,"op":"final","ok":true,"rv":"120"}` + "\n"
	)
	for name, test := range map[string]struct {
		log  string
		lost int
	}{
		"the final list shows it":    {acknowledged + shown, 0},
		"the final list has another": {acknowledged + final, 1},
		"the final list has no such": {acknowledged + `{"t":30,"op":"final","ok":true,"rv":"120"}` + "\n", 1},
		"an acknowledged write replaced it": {acknowledged +
			`{"t":02,"op":"write","ok":true,"key":"witness-0","value":"9","rv":"109","base":"105"}` + "\n" + final, 0},
		"one that may have been done replaced it": {acknowledged +
			`{"t":02,"op":"write","ok":false,"key":"witness-0","value":"9","base":"105"}` + "\n" + final, 0},
		"one that was refused did not": {acknowledged +
			`{"t":02,"op":"write","ok":false,"key":"witness-0","value":"9","base":"105","undone":true}` + "\n" + final, 1},
		"the next one found what was there before": {acknowledged +
			`{"t":02,"op":"write","ok":true,"key":"witness-0","value":"9","rv":"109","base":"104"}` + "\n" + final, 1},
		"another object is another thing": {acknowledged +
			`{"t":02,"op":"write","ok":true,"key":"witness-1","value":"9","rv":"109","base":"105"}` + "\n" + final, 2},
		"it has the version, but not the value": {`{"t":01,"op":"write","ok":true,"key":"witness-0","value":"5","rv":"109","base":"104"}` + "\n" + final, 1},
		"a write without an answer is no loss":  {`{"t":01,"op":"write","ok":false,"key":"witness-0","value":"5","base":"104"}` + "\n" + final, 0},
	} {
		t.Run(name, func(t *testing.T) {
			lost, err := read(t, test.log).Lost()
			must(t, err)
			if len(lost) != test.lost {
				t.Errorf("lost are %+v, want %d", lost, test.lost)
			}
		})
	}
	for _, end := range []string{"", `{"t":30,"op":"final","ok":true,"key":"witness-0","value":"5","rv":"105"}` + "\n", `{"t":30,"op":"final","ok":false}` + "\n"} {
		if lost, err := read(t, acknowledged+end).Lost(); err == nil {
			t.Errorf("without a complete final list it returns %v", lost)
		}
	}
}

func TestBreaks(t *testing.T) {
	log := read(t, `{"t":00,"op":"relist","ok":true,"rv":"100"}
{"t":00,"took":0.1,"op":"stream","ok":true,"rv":"100"}
{"t":01,"op":"watch","ok":true,"key":"witness-0","value":"1","rv":"101"}
{"t":02,"op":"watch","ok":false,"err":"http2: client connection lost"}
{"t":03,"took":0.5,"op":"stream","ok":false,"err":"connection refused","rv":"101"}
{"t":04,"took":0.5,"op":"stream","ok":true,"rv":"101"}
{"t":10,"op":"watch","ok":false,"err":"too old resource version"}
{"t":11,"op":"relist","ok":false,"err":"connection refused"}
{"t":12,"op":"relist","ok":true,"rv":"150"}
{"t":12,"op":"watch","ok":true,"key":"witness-0","value":"1","rv":"101"}
{"t":13,"op":"stream","ok":true,"rv":"150"}
{"t":20,"op":"watch","ok":false,"err":"closed by the server"}
`)
	want := []Break{
		{at(2), "http2: client connection lost", at(4.5), false},
		{at(10), "too old resource version", at(13), true},
		{at(20), "closed by the server", time.Time{}, false},
	}
	if diff := cmp.Diff(want, log.Breaks()); diff != "" {
		t.Errorf("breaks (-want +got):\n%s", diff)
	}
}

func TestMissed(t *testing.T) {
	log := read(t, `{"t":00,"op":"write","ok":true,"key":"witness-0","value":"1","rv":"99"}
{"t":00,"op":"relist","ok":true,"rv":"100"}
{"t":00,"op":"watch","ok":true,"key":"witness-0","value":"1","rv":"99"}
{"t":01,"op":"write","ok":true,"key":"witness-0","value":"2","rv":"101","base":"99"}
{"t":01,"op":"watch","ok":true,"key":"witness-0","value":"2","rv":"101"}
{"t":02,"op":"write","ok":true,"key":"witness-1","value":"3","rv":"102"}
{"t":03,"op":"watch","ok":false,"err":"http2: client connection lost"}
{"t":04,"op":"stream","ok":true,"rv":"101"}
{"t":05,"op":"watch","ok":true,"key":"witness-0","value":"4","rv":"103"}
{"t":05,"op":"write","ok":true,"key":"witness-0","value":"5","rv":"104"}
{"t":06,"op":"relist","ok":true,"rv":"105"}
{"t":06,"op":"write","ok":false,"key":"witness-0","value":"6"}
{"t":07,"op":"write","ok":true,"key":"witness-0","value":"7","rv":"106"}
`)
	missed, err := log.Missed()
	must(t, err)
	var got []string
	for _, line := range missed {
		got = append(got, line.RV)
	}
	// 102 is not shown though the watch went past it, 106 not any more; 104 is passed over by the list.
	if diff := cmp.Diff([]string{"102", "106"}, got); diff != "" {
		t.Errorf("missed (-want +got):\n%s", diff)
	}
	if _, err := (Log{{Op: Watch, OK: true, RV: "x"}}).Missed(); err == nil {
		t.Error("a version that is no number is no error")
	}
}
