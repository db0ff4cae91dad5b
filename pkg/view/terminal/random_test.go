// SPDX-License-Identifier: Apache-2.0

package terminal_test

import (
	"net/netip"
	"reflect"
	"strings"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"pgregory.net/rapid"

	"github.com/harbinger-ha/harbinger/pkg/apis/status/v1alpha1"
	"github.com/harbinger-ha/harbinger/pkg/view/terminal"
)

// hostile are texts that another host may send, or that are hard to fit.
var hostile = rapid.OneOf(
	rapid.SampledFrom([]string{
		"", "node1", "192.0.2.1:6443", "[2001:db8:aaaa:bbbb:cccc:dddd:eeee:ffff%enp0s31f6]:6443", "\x1b[2J\x1b[31mWell:", "\u009b31m", "a\r\nb\tc", "\u202eright",
		"\xff\xfe", "e\u0301\u200d", strings.Repeat("x", 300), strings.Repeat("节点 ", 30), strings.Repeat("🚢", 50), "nft insert rule 'inet filter input ip saddr' \"1 2\" accept",
		"3.5s", "-1h", "Healthy", "Down", "Critical", "Active", "active",
	}),
	rapid.String(), rapid.Map(rapid.SliceOfN(rapid.Byte(), 0, 30), func(b []byte) string { return string(b) }),
)

var prefixes = rapid.SampledFrom([]netip.Prefix{{}, netip.MustParsePrefix("192.0.2.100/24"), netip.MustParsePrefix("2001:db8:aaaa:bbbb:cccc:dddd:eeee:ffff/64")})

// random fills a value, at any depth.
func random(t *rapid.T, v reflect.Value) {
	at := func() time.Time {
		return now.Add(time.Duration(rapid.Int64Range(-int64(1e18), int64(1e18)).Draw(t, "age")))
	}
	switch v.Interface().(type) {
	case netip.Prefix:
		v.Set(reflect.ValueOf(prefixes.Draw(t, "prefix")))
		return
	case time.Time:
		v.Set(reflect.ValueOf(at()))
		return
	case metav1.Time:
		v.Set(reflect.ValueOf(metav1.NewTime(at())))
		return
	}
	switch v.Kind() {
	case reflect.String:
		v.SetString(hostile.Draw(t, "text"))
	case reflect.Bool:
		v.SetBool(rapid.Bool().Draw(t, "bool"))
	case reflect.Int, reflect.Int64:
		v.SetInt(int64(rapid.Int32().Draw(t, "int")))
	case reflect.Uint8:
		v.SetUint(uint64(rapid.Uint8().Draw(t, "uint8")))
	case reflect.Uint64:
		v.SetUint(rapid.Uint64().Draw(t, "uint64"))
	case reflect.Pointer:
		if rapid.Bool().Draw(t, "there") {
			v.Set(reflect.New(v.Type().Elem()))
			random(t, v.Elem())
		}
	case reflect.Slice:
		v.Set(reflect.MakeSlice(v.Type(), rapid.IntRange(0, 3).Draw(t, "length"), 3))
		for i := range v.Len() {
			random(t, v.Index(i))
		}
	case reflect.Map:
		v.Set(reflect.MakeMap(v.Type()))
		for range rapid.IntRange(0, 2).Draw(t, "size") {
			element := reflect.New(v.Type().Elem()).Elem()
			random(t, element)
			v.SetMapIndex(reflect.ValueOf(hostile.Draw(t, "key")), element)
		}
	case reflect.Struct:
		for _, field := range v.Fields() {
			random(t, field)
		}
	default:
		t.Fatalf("a status has a field of kind %s", v.Kind())
	}
}

// Whatever the hosts say, no line is wider than the terminal, and no escape sequence of theirs reaches it.
func TestAnyStatusFits(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var s v1alpha1.HarbingerStatus
		random(t, reflect.ValueOf(&s).Elem())
		o := terminal.Options{
			Now: now, Width: rapid.IntRange(0, 200).Draw(t, "width"), Wide: rapid.Bool().Draw(t, "wide"), Color: rapid.Bool().Draw(t, "color"),
		}
		wide := min(max(o.Width, 20), 160)
		text, hosts := terminal.Render(&s, o), terminal.Hosts(s.Hosts, o)
		if o.Color {
			text, hosts = sequences.ReplaceAllString(text, ""), sequences.ReplaceAllString(hosts, "")
		}
		fits(t, "status", text, wide)
		fits(t, "hosts", hosts, wide)
		if well := strings.HasPrefix(text, "Well: "); well && (len(s.Findings) > 0 || !s.Ready) {
			t.Errorf("all is well with %d findings, ready %t", len(s.Findings), s.Ready)
		}
	})
}
