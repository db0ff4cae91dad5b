// SPDX-License-Identifier: Apache-2.0

package haproxy_test

import (
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/harbinger-ha/harbinger/pkg/apis/config/scheme"
	"github.com/harbinger-ha/harbinger/pkg/apis/config/v1alpha1"
	"github.com/harbinger-ha/harbinger/pkg/convert"
	"github.com/harbinger-ha/harbinger/pkg/convert/haproxy"
)

// Whatever is in the file, it is read to its end, and a configuration without an error is one that can be checked.
func FuzzConvert(f *testing.F) {
	recipe, err := os.ReadFile("../testdata/haproxy.cfg")
	if err != nil {
		f.Fatal(err)
	}
	f.Add(recipe)
	f.Add([]byte("listen a\n mode tcp\n bind [::]:1-2 ssl\n server b 1.2.3.4:5 check inter\n option httpchk\n http-check send meth\n"))
	f.Add([]byte("global\n setenv A \"1.2.3.4:5\"\n.if defined(A) && !(0 || version_before(2))\ndefaults x\n mode tcp\nfrontend f from x\n bind \"$A\"\n use_backend b if TRUE\n" +
		"backend b\n default-server check port 6 weight 0\n server s ${A}\n option tcp-check\n tcp-check connect ssl\n.else\n...\n.endif\n"))
	for _, k := range kinds {
		f.Add([]byte(k.raw))
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		var cfg v1alpha1.HarbingerConfiguration
		found := haproxy.Convert(convert.File{Name: "file", Content: raw}, options, &cfg)
		if found.Err() == nil {
			_, _ = scheme.Complete(&cfg) // must not panic; it says itself what it misses
		}
		for _, finding := range found.All() {
			if text := finding.String(); strings.ContainsAny(text, "\r\n") || finding.Class == "" {
				t.Errorf("a finding of several lines: %q", text)
			}
		}
	})
}

// Whatever is in a line, its words are the same when they are read again from strong quotes.
func FuzzLexer(f *testing.F) {
	for _, line := range asked {
		f.Add(line)
	}
	f.Fuzz(func(t *testing.T, line string) {
		words, _ := haproxy.Words(line, environment)
		quoted := make([]string, len(words))
		for i, word := range words {
			quoted[i] = "'" + strings.ReplaceAll(word, "'", `'\''`) + "'"
		}
		again, faults := haproxy.Words(strings.Join(quoted, " "), environment)
		if !slices.Equal(words, again) || faults != nil {
			t.Errorf("%q has the words %q, and again %q: %q", line, words, again, faults)
		}
	})
}
