// SPDX-License-Identifier: Apache-2.0

package keepalived_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/harbinger-ha/harbinger/e2e/converttest"
	"github.com/harbinger-ha/harbinger/pkg/apis/config/v1alpha1"
	"github.com/harbinger-ha/harbinger/pkg/convert"
	"github.com/harbinger-ha/harbinger/pkg/convert/keepalived"
)

// written writes statements as they are read: a line for each, its words apart by |.
func written(statements []convert.Statement, indent string) (lines []string) {
	for _, s := range statements {
		lines = append(lines, fmt.Sprintf("%d: %s%s", s.Line, indent, strings.Join(s.Words, "|")))
		lines = append(lines, written(s.Block, indent+" ")...)
	}
	return lines
}

func TestStatements(t *testing.T) {
	for _, tt := range []struct {
		name, raw string
		want      []string
	}{
		{
			name: "words and blanks",
			raw:  "  a\tb   c \r\n\n\td\f e\n",
			want: []string{"1: a|b|c", "3: d|e"},
		},
		{
			name: "comments",
			raw:  "! a\n# b\na # b\na b! c\n a \"b # ! c\" # d\na#b\n",
			want: []string{"3: a", "4: a|b", "5: a|b # ! c", "6: a"},
		},
		{
			name: "quotes",
			raw:  `a "b c" d"e f"g "" "{ } @x $y" 'h i'`,
			want: []string{`1: a|b c|d|e f|g||{ } @x $y|'h|i'`},
		},
		{
			name: "escapes",
			raw:  `a b\#c` + "\n" + `a "b\"c" d` + "\n" + `a \\ b`,
			want: []string{"1: a|b", `2: a|b\|c`, `3: a|\\|b`},
		},
		{
			name: "blocks",
			raw:  "a {\n b\n c {\n d\n }\n}\ne\n{\nf }\ng { h }\ni{j}k{l{m}}n",
			want: []string{"1: a", "2:  b", "3:  c", "4:   d", "7: e", "9:  f", "10: g", "10:  h", "11: i", "11:  j", "11: k", "11:  l", "11:   m", "11: n"},
		},
		{
			name: "templates are words",
			raw:  "a ${b} {{ c }}/24 x${d}y {{e}}\n{{ f }}\n${_RANDOM 1 9}\n",
			want: []string{"1: a|${b}|{{ c }}/24|x${d}y|{{e}}", "2: {{ f }}", "3: ${_RANDOM 1 9}"},
		},
		{
			name: "conditions",
			raw:  "@one a 1\n@two a 2\n@^one b 1\n@^two b 2\n@one\n@ c\na { @one d\n@two e\n}\n",
			want: []string{"1: a|1", "4: b|2", "7: a", "7:  d"},
		},
		{
			name: "definitions",
			raw:  "$A=1\n$B = 2\n$_C=x y\na $A b $A\na ${A}0 $A0 $AB $B $_C\n@one $A=3\n@two $A=4\na $A,$A)\n$A=\na [${A}]\n",
			want: []string{"2: $B|=|2", "4: a|1|b|1", "5: a|10|$A0|$AB|$B|x|y", "8: a|3,3)", "10: a|[]"},
		},
		{
			name: "definitions in definitions",
			raw:  "$BASE=10.2.${SUB}\n$SUB=0\na ${BASE}.100/32\n$SUB=10\na ${BASE}.100/32\n$IF=@one\n$IF b\n$IF=@two\n$IF c\n",
			want: []string{"3: a|10.2.0.100/32", "5: a|10.2.10.100/32", "7: b"},
		},
		{
			name: "definitions of several lines",
			raw:  "$I= \\\na ${N} { \\\n @one b \\\n @two c \\\n d $N \\\n}\n$N=1\n$I\n$N=2\n$I\n",
			want: []string{"8: a|1", "8:  b", "8:  d|1", "10: a|2", "10:  b", "10:  d|2"},
		},
		{
			name: "a definition of several lines ends with a blank one",
			raw:  "$I=a \\\nb \\\n\nc\n$I\n",
			want: []string{"4: c", "5: a", "5: b"},
		},
		{
			name: "definitions of its own",
			raw:  "a ${_INSTANCE} ${_PWD} $_PWD\n",
			want: []string{"1: a|one|/etc/keepalived|/etc/keepalived"},
		},
		{
			name: "sequences",
			raw:  "~SEQ(X, 0, 2) a $X\n~SEQ(X, 3, -2, 0) b ${X}.\n~SEQ(X, 2) c $X\n~SEQ(X, -2) d $X\n~SEQx(X, 0x0e, 0x10) e $X\n$N=2\n~SEQ(X, 1, $N) f $X\n",
			want: []string{"1: a|0", "1: a|1", "1: a|2", "2: b|3.", "2: b|1.", "3: c|1", "3: c|2", "4: d|-1", "4: d|-2", "5: e|e", "5: e|f", "5: e|10", "7: f|1", "7: f|2"},
		},
		{
			name: "lists",
			raw:  "~LST(X, 7, 9) a $X\n~LST({X, Y}, {1,2}, {3}) b $X [${Y}]\n~LST(X, u, v) ~SEQ(Y, 1, 2) c ${X}${Y} { d }\n",
			want: []string{"1: a|7", "1: a|9", "2: b|1|[2]", "2: b|3|[]", "3: c|u1", "3:  d", "3: c|u2", "3:  d", "3: c|v1", "3:  d", "3: c|v2", "3:  d"},
		},
		{
			name: "sequences that are none",
			raw:  "~SEQ(X, 1, 0, 2) a\n~SEQ(X) a\n~SEQ(X, 5, 1, 2) a\n~LST(X) a\n~LST(X, {1,2}) a\n~SEQ(X, a) b\n~SEQ(X,1,2,3,4) a\n~SEQx(X, -2, 2) a\n~OTHER b\n",
			want: []string{"9: ~OTHER|b"},
		},
		{
			name: "the hash sign and the exclamation mark",
			raw:  "a \"${_HASH}\" \"${_BANG}x\"\n",
			want: []string{"1: a|#|!x"},
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got, found := keepalived.Statements(convert.File{Name: "/etc/keepalived/keepalived.conf", Content: []byte(tt.raw)}, keepalived.Options{ID: "one"})
			if err := found.Err(); err != nil {
				t.Error(err)
			}
			if diff := cmp.Diff(tt.want, written(got, "")); diff != "" {
				t.Errorf("statements (-want +got):\n%s", diff)
			}
		})
	}
}

// included is what the patterns of a test match.
func included(files map[string]string) func(string) ([]convert.File, error) {
	return func(pattern string) (list []convert.File, err error) {
		if pattern == "/etc/keepalived/unreadable" {
			return nil, errors.New("permission denied")
		}
		for name := range strings.FieldsSeq(files[pattern]) {
			list = append(list, convert.File{Name: name, Content: []byte(files["text of "+name])})
		}
		return list, nil
	}
}

func TestInclude(t *testing.T) {
	files := map[string]string{
		"/etc/keepalived/conf.d/*.conf":         "/etc/keepalived/conf.d/a.conf /etc/keepalived/conf.d/b.conf",
		"text of /etc/keepalived/conf.d/a.conf": "vrrp_instance VI_1 {\n include peers\n",
		"text of /etc/keepalived/conf.d/b.conf": "virtual_router_id 51\nvirtual_ipaddress {\n 10.0.0.100/24\n}\n}\n",
		"/etc/keepalived/conf.d/peers":          "/etc/keepalived/conf.d/peers",
		"text of /etc/keepalived/conf.d/peers":  "interface eth0\nunicast_src_ip 10.0.0.21\nunicast_peer {\n 10.0.0.22,\n}\n",
		"/etc/keepalived/loop":                  "/etc/keepalived/loop",
		"text of /etc/keepalived/loop":          "include loop\n",
	}
	for _, tt := range []struct {
		raw             string
		warned, refused []string
		peers           []string
	}{
		{raw: "include conf.d/*.conf\n", warned: []string{"/etc/keepalived/conf.d/peers:4: 10.0.0.22,: keepalived skips this peer"}, peers: []string{"10.0.0.21", "10.0.0.22"}},
		{raw: "includea /etc/keepalived/conf.d/*.conf\n", warned: []string{"/etc/keepalived/conf.d/peers:4"}, peers: []string{"10.0.0.21", "10.0.0.22"}},
		{raw: instance("includem nothing/*"), warned: []string{"keepalived.conf:7: includem nothing/*: no such file here: keepalived goes on without it"}},
		{raw: instance("include unreadable"), refused: []string{"keepalived.conf:7: include unreadable: permission denied"}},
		{raw: "include loop\n" + instance(""), refused: []string{"/etc/keepalived/loop:1: include loop: the files include each other without end"}},
		{raw: instance("includex conf.d/*.conf"), warned: []string{"includex conf.d/*.conf: not known"}},
	} {
		var cfg v1alpha1.HarbingerConfiguration
		found := keepalived.Convert(convert.File{Name: "/etc/keepalived/keepalived.conf", Content: []byte(tt.raw)}, keepalived.Options{Include: included(files)}, &cfg)
		converttest.Check(t, converttest.Warned(found), tt.warned)
		converttest.Check(t, converttest.Texts(found, convert.Refused), tt.refused)
		if diff := cmp.Diff(tt.peers, cfg.Election.VRRP.Peers); diff != "" {
			t.Errorf("%q: peers (-want +got):\n%s", tt.raw, diff)
		}
	}
}

// The lines for other hosts are named. Where they decide something, and none is for the host that the file is read for, no
// configuration is guessed.
func TestConfigID(t *testing.T) {
	file := "global_defs {\n @left router_id left\n @right router_id right\n}\n" + instance("@left priority 120\n@right priority 110\n@^left nopreempt\nauthentication {\n auth_type PASS\n @other auth_pass hush\n auth_pass abc\n}")
	for _, tt := range []struct {
		id       string
		priority int32
		warned   []string
		refused  string
	}{
		{id: "left", priority: 120, warned: []string{":3: @right router_id: it is for the config id right, and the file is read for left", ":12: @right priority", ":13: @^left nopreempt: it is for every config id but left", ":16: @other auth_pass"}},
		{id: "right", priority: 110, warned: []string{":2: @left router_id", ":11: @left priority", ":16: @other auth_pass"}},
		{id: "middle", priority: 100, warned: []string{":2:", ":3:", ":11:", ":12:", ":16:"}, refused: `keepalived.conf:11: @left priority: there are lines for the config ids left, right, other, and none for "middle"`},
		{id: "", priority: 100, warned: []string{":2:", ":3:", ":11:", ":12:", ":16:"}, refused: `none for ""`},
	} {
		t.Run(tt.id, func(t *testing.T) {
			var cfg v1alpha1.HarbingerConfiguration
			found := keepalived.Convert(convert.File{Name: "keepalived.conf", Content: []byte(file)}, keepalived.Options{ID: tt.id}, &cfg)
			converttest.Check(t, converttest.Warned(found), tt.warned)
			if err := found.Err(); (err != nil) != (tt.refused != "") || err != nil && !strings.Contains(err.Error(), tt.refused) {
				t.Errorf("error %v, want %q", err, tt.refused)
			}
			if got := *cfg.Election.VRRP.Priority; got != tt.priority {
				t.Errorf("priority %d, want %d", got, tt.priority)
			}
			if preempts := cfg.Election.VRRP.Preempt == nil; preempts != (tt.id == "left") {
				t.Errorf("it preempts: %v", preempts)
			}
		})
	}
	// Lines that decide nothing need no config id.
	found := keepalived.Convert(convert.File{Name: "keepalived.conf", Content: []byte("global_defs {\n @left router_id left\n}\n" + instance("@left notify /bin/page"))}, keepalived.Options{}, &v1alpha1.HarbingerConfiguration{})
	if err := found.Err(); err != nil {
		t.Error(err)
	}
}

// What a file may become is limited.
func TestReaderIsLimited(t *testing.T) {
	for raw, want := range map[string]string{
		instance("~SEQ(A, 1, 1000) ~SEQ(B, 1, 1000) notify ${A}${B}"):           "more than 50000 lines",
		instance("~SEQ(A, 1, 2000000000) notify $A"):                            "more than 50000 lines",
		"$A=${A}\n" + instance("notify ${A}"):                                   "",
		"$A=${A}${A}\n" + instance("notify ${A}"):                               "",
		"$A= \\\n ${A} \\\n ${A}\n" + instance("$A"):                            "more than 50000 lines",
		"$A=@x @x @x\n" + instance(strings.Repeat("@^y ", 300)+"notify /bin/x"): "",
		strings.Repeat("a {\n", 5000) + instance(""):                            "there is none",
	} {
		found := keepalived.Convert(convert.File{Name: "keepalived.conf", Content: []byte(raw)}, keepalived.Options{}, &v1alpha1.HarbingerConfiguration{})
		if err := found.Err(); (err == nil) != (want == "") || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("%.60q: %v, want %q", raw, err, want)
		}
	}
}
