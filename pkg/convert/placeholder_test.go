// SPDX-License-Identifier: Apache-2.0

package convert_test

import (
	"testing"

	"github.com/harbinger-ha/harbinger/pkg/convert"
)

func TestPlaceholder(t *testing.T) {
	for value, want := range map[string]string{
		"192.168.238.100:4300":                   "",
		"[fd00::100]:6443":                       "",
		"api.example.org":                        "",
		"https://api.example.org:4300/":          "",
		"${VIP}:4300":                            "${VIP}",
		"$${VIP}:4300":                           "$${VIP}",
		"${VIP:-192.168.238.100}:4300":           "${VIP:-192.168.238.100}",
		"$VIP:4300":                              "$VIP",
		"$(hostname -i):4300":                    "$(hostname -i)",
		"`hostname -i`:4300":                     "`hostname -i`",
		"{{ vip }}:4300":                         "{{ vip }}",
		"{{.Values.vip}}":                        "{{.Values.vip}}",
		"{{- .Vip | quote -}}":                   "{{- .Vip | quote -}}",
		"{% if vip %}192.168.238.100{% endif %}": "{% if vip %}",
		"<% vip %>":                              "<% vip %>",
		"<VIP>:4300":                             "<VIP>",
		"<your virtual ip>":                      "<your virtual ip>",
		"<<vip>>":                                "<<vip>>",
		"[[ vip ]]:4300":                         "[[ vip ]]",
		"((vip)):4300":                           "((vip))",
		"%VIP%:4300":                             "%VIP%",
		"%(vip)s:4300":                           "%(vip)s",
		"%s:4300":                                "%s",
		"#{vip}":                                 "#{vip}",
		"@VIP@:4300":                             "@VIP@",
		"@@VIP@@":                                "@@VIP@@",
		"__VIP__:4300":                           "__VIP__",
		"{vip}:4300":                             "{vip}",
		"!Ref VIP":                               "!Ref VIP",
		"192.168.238.100:${PORT}":                "${PORT}",
		"{{ vip":                                 "{{ vip",
		"${VIP":                                  "${VIP",
	} {
		if got := convert.Placeholder(value); got != want {
			t.Errorf("Placeholder(%q) = %q, want %q", value, got, want)
		}
	}
}

func TestTemplate(t *testing.T) {
	for content, want := range map[string]struct {
		line  int
		found string
	}{
		"a: b\nc: [d]\n":                  {},
		"a: {b: {c: d}}\n":                {},
		"# {{ a comment }}\na: b\n":       {},
		"a: b\n  c: {{ d }}:4300\n":       {2, "{{ d }}"},
		"{% if a %}\nb: c\n{% endif %}\n": {1, "{% if a %}"},
		"a: b\n\nc: ${D}\n":               {3, "${D}"},
	} {
		line, found := convert.Template([]byte(content))
		if line != want.line || found != want.found {
			t.Errorf("Template(%q) = %d, %q, want %d, %q", content, line, found, want.line, want.found)
		}
	}
}
