// SPDX-License-Identifier: Apache-2.0

package keepalived_test

import (
	"os"
	"testing"

	"github.com/harbinger-ha/harbinger/pkg/apis/config/scheme"
	"github.com/harbinger-ha/harbinger/pkg/apis/config/v1alpha1"
	"github.com/harbinger-ha/harbinger/pkg/convert"
	"github.com/harbinger-ha/harbinger/pkg/convert/keepalived"
)

// Whatever is in the file, it is read to its end, and a configuration without an error is one that can be checked. Each finding has a
// line, and the password is in none.
func FuzzConvert(f *testing.F) {
	recipe, err := os.ReadFile("../testdata/keepalived.conf")
	if err != nil {
		f.Fatal(err)
	}
	f.Add(recipe)
	f.Add([]byte(complete))
	f.Add([]byte("vrrp_instance a { virtual_ipaddress { fd00::1/64 dev b } unicast_peer { 10.0.0.1 } } }"))
	f.Add([]byte("{ { \" } !"))
	f.Add([]byte("\"\""))
	f.Add([]byte("$A= \\\n ${B} { \\\n } \\\n@a ~SEQx(X, 1, 2, 9) ~LST({Y,Z},{1,2}) include ${A}$X ${_PWD}\n$A"))
	for _, b := range behaviors {
		f.Add([]byte(b.raw))
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		var cfg v1alpha1.HarbingerConfiguration
		include := func(pattern string) ([]convert.File, error) {
			return []convert.File{{Name: pattern, Content: raw[len(raw)/2:]}}, nil
		}
		found := keepalived.Convert(convert.File{Name: "file", Content: raw}, keepalived.Options{ID: "a", Include: include}, &cfg)
		password := cfg.Election.VRRP.Authentication.Password
		for _, finding := range found.All() {
			if finding.Line <= 0 || finding.Directive == "" {
				t.Errorf("%+v has no line, or no directive", finding)
			}
			if finding.Directive == "auth_pass "+password {
				t.Errorf("the password is printed: %s", finding)
			}
		}
		if found.Err() == nil {
			_, _ = scheme.Complete(&cfg) // must not panic; it says itself what it misses
		}
	})
}
