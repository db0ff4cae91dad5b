// SPDX-License-Identifier: Apache-2.0

package wire

import (
	"bytes"
	"net/netip"
	"reflect"
	"strings"
	"testing"

	"github.com/harbinger-ha/harbinger/pkg/vrrp"
)

var (
	host4 = netip.MustParseAddr("192.0.2.1")
	host6 = netip.MustParseAddr("2001:db8::1")
	whole = message{instance: 1 << 63, group: 7, name: "node-1.example", reports: []report{{host4, groupArrived | fullEchoAnswered}, {host6, 0}}}
)

func TestMessage(t *testing.T) {
	largest := message{full: true, name: strings.Repeat("n", maxName)}
	for range maxReports {
		largest.reports = append(largest.reports, report{host6, ^passed(0)})
	}
	for _, m := range []message{{}, whole, largest} {
		got, err := parse(m.appendTo(nil, 1480))
		if err != nil || !reflect.DeepEqual(got, m) {
			t.Errorf("%+v became %+v, %v", m, got, err)
		}
	}
	if n := len(largest.appendTo(nil, 0)); n != maxMessage || n > 576-40 {
		t.Errorf("the longest message has %d bytes", n)
	}
	for length, want := range map[int]int{0: fixed, 1480: 1480, 8980: 8980} {
		if b := (message{full: true}).appendTo([]byte{9}, length); len(b) != want+1 || b[0] != 9 {
			t.Errorf("padded to %d: %d bytes", length, len(b)-1)
		}
	}
	if b := whole.appendTo(nil, 1480); len(b) >= 1480 {
		t.Error("a message that is not full is padded")
	}
	long := message{name: strings.Repeat("n", 300), reports: make([]report, 40)}
	for i := range long.reports {
		long.reports[i].address = host4
	}
	if got, err := parse(long.appendTo(nil, 0)); err != nil || len(got.name) != maxName || len(got.reports) != maxReports {
		t.Errorf("too much to say: %+v, %v", got, err)
	}
}

// No router takes a message for an advertisement: each of its barriers holds alone.
func TestMessageIsNoAdvertisement(t *testing.T) {
	b := whole.appendTo(nil, 0)
	if b[0]>>4 != 3 || b[0]&0xf == 1 || b[1] != 0 || b[2] != 1 || b[3] != 0 {
		t.Errorf("%x: its type, its virtual router ID or its number of addresses could be an advertisement's", b[:8])
	}
	for _, first := range []byte{b[0], 0x21, 0x31} { // as one that ignores version and type would have it
		for _, id := range []byte{0, 51} {
			b[0], b[1] = first, id
			var a vrrp.Advertisement
			if _, err := a.Unmarshal(b, host4, vrrp.GroupIPv4); err == nil {
				t.Errorf("first byte %x and ID %d: an advertisement", first, id)
			}
		}
	}
}

func TestParseRefuses(t *testing.T) {
	good := whole.appendTo(nil, 0)
	change := func(at int, to byte) []byte {
		b := bytes.Clone(good)
		b[at] = to
		return b
	}
	for name, b := range map[string][]byte{
		"nothing": nil, "a header": good[:vrrpHeader], "cut in the name": good[:fixed+3], "cut in the reports": good[:len(good)-1],
		"an advertisement": change(0, 0x31), "a virtual router": change(1, 51), "another form": change(vrrpHeader+7, 2),
		"another kind": change(16, 2), "a long name": change(17, maxName+1), "many reports": change(18, maxReports+1),
		"a control character in the name": change(fixed, 27), "a byte of UTF-8 in the name": change(fixed, 0xc3), "a space in the name": change(fixed, ' '),
	} {
		if m, err := parse(b); err == nil {
			t.Errorf("%s: %+v", name, m)
		}
	}
	if _, err := parse(append(good, 0, 1, 2)); err != nil {
		t.Errorf("padding: %v", err)
	}
}

func TestAbout(t *testing.T) {
	if p, ok := whole.about([]netip.Addr{host6, host4}); !ok || p != groupArrived|fullEchoAnswered {
		t.Errorf("%b, %t", p, ok)
	}
	if _, ok := whole.about([]netip.Addr{netip.MustParseAddr("192.0.2.2")}); ok {
		t.Error("a report of another host counts")
	}
}

// FuzzParse: whatever arrives, a message is taken as it was sent, or not at all.
func FuzzParse(f *testing.F) {
	f.Add(whole.appendTo(nil, 0))
	f.Add(message{full: true}.appendTo(nil, 200))
	f.Add([]byte{0x31, 51, 100, 1, 0, 100, 0, 0, 192, 0, 2, 1})
	f.Fuzz(func(t *testing.T, b []byte) {
		m, err := parse(b)
		if err != nil {
			return
		}
		if len(m.name) > maxName || len(m.reports) > maxReports || !printable(m.name) {
			t.Fatalf("%+v", m)
		}
		again, err := parse(m.appendTo(nil, len(b)))
		if err != nil || !reflect.DeepEqual(again, m) {
			t.Fatalf("%+v became %+v, %v", m, again, err)
		}
	})
}
