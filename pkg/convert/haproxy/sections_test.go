// SPDX-License-Identifier: Apache-2.0

package haproxy_test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/harbinger-ha/harbinger/pkg/apis/config/v1alpha1"
	"github.com/harbinger-ha/harbinger/pkg/convert"
	"github.com/harbinger-ha/harbinger/pkg/convert/haproxy"
)

const pair = "frontend f\n bind :443\n default_backend b\nbackend b\n balance leastconn\n server a 10.0.0.1:6443 check\n"

func TestSections(t *testing.T) {
	limit := func(n int32) change {
		return func(c *v1alpha1.HarbingerConfiguration) { c.LoadBalancer.ConnectionLimits.Total = n }
	}
	base := "defaults\n timeout connect 1s\n"
	for _, c := range []conversion{
		{"mode tcp is haproxy's default", base + pair, none, nil},
		{"mode of defaults", "defaults\n mode tcp\n timeout connect 1s\n" + strings.ReplaceAll(pair, "mode tcp", ""), none, nil},
		{"the last defaults count", "defaults\n maxconn 5\n timeout connect 300ms\n" + base + pair, none, nil},
		{"each has the defaults above it", "defaults\n maxconn 5\n" + strings.Replace(pair, "\nbackend b", "\n"+base+"backend b", 1), limit(5), nil},
		{"named defaults", "defaults one\n maxconn 5\n timeout connect 1s\ndefaults two\n maxconn 7\n mode http\n" +
			strings.NewReplacer("frontend f", "frontend f from one", "backend b\n b", "backend b from one\n b").Replace(pair), limit(5), nil},
		{"defaults of defaults", "defaults one\n maxconn 5\n timeout connect 1s\ndefaults two\n maxconn 7\ndefaults from one\n" + pair, limit(5), nil},
		{"defaults without from begin anew", "defaults one\n maxconn 5\ndefaults two\n timeout connect 1s\n" + pair, none, nil},
		{"unknown defaults", base + strings.Replace(pair, "frontend f", "frontend f from none", 1), none, []string{"there is no section of defaults with the name none"}},
		{"its own line replaces that of the defaults", "defaults\n timeout connect 10s\n balance uri\n option httpchk\n" +
			strings.Replace(pair, " balance", " timeout connect 1s\n option tcp-check\n balance", 1), none, nil},
		{"of two lines the last counts", base + strings.Replace(pair, " balance", " balance source\n balance", 1), none, nil},
		{"default-server of defaults", base + " default-server weight 3 inter 2s backup\n" + pair, func(c *v1alpha1.HarbingerConfiguration) {
			c.LoadBalancer.Backends[0].Backup = true
		}, nil},
		{"the backend of defaults", base + " default_backend b\n" + strings.Replace(pair, " default_backend b\n", "", 1), none, nil},
		{"a listen is a backend", base + strings.Replace(pair, "\nbackend b\n", "\nlisten b\n", 1), none, nil},
		{"a listen with another backend", base + strings.Replace(pair, "frontend f", "listen f\n server none 10.0.0.9:1", 1), none, []string{"all go to b"}},
		{"use_backend without a condition", base + strings.Replace(pair, "default_backend", "use_backend", 1), none, nil},
		{"use_backend before default_backend", base + "backend c\n server c 10.0.0.9:1\n" + strings.Replace(pair, "default_backend b", "default_backend c\n use_backend b", 1), none,
			[]string{"backend c: only frontend f is carried over", "haproxy uses b alone"}},
		{"use_backend if TRUE", base + strings.Replace(pair, "default_backend b", "use_backend c if FALSE\n use_backend b if { always_true }\n use_backend d if x", 1), none, nil},
		{"use_backend of the same backend", base + strings.Replace(pair, "default_backend b", "default_backend b\n use_backend b if { src 10.0.0.0/8 }", 1), none, nil},
		{"a backend of mode http", base + strings.Replace(pair, " balance", " mode http\n balance", 1), none, []string{"backend b: it is of mode http: haproxy reads HTTP"}},
		{"lines of a backend in a frontend", base + strings.Replace(pair, "default_b", "balance roundrobin\n option httpchk\n default_b", 1), none,
			[]string{"it is for a backend", "it is for a backend"}},
		{"lines of a frontend in a backend", base + pair + " bind :80\n maxconn 5\n", none, []string{"it is for a frontend", "it is for a frontend"}},
		{"a disabled frontend", base + pair + "frontend g\n disabled\n bind :80\n default_backend b\n", none, []string{"frontend g: only frontend f"}},
		{"a listen of statistics", base + pair + "listen stats\n bind :9000\n stats enable\n stats realm a\\ b\n stats uri \"/\n", none,
			[]string{"listen stats: only frontend f is carried over; the status is at http://127.0.0.1:10443/, the metrics at /metrics"}},
		{"sections that are not carried over", "userlist u\n user x password \"y\npeers p\n peer '\nresolvers r\n nameserver \\x\ncache c\n total-max-size \"$NONE\"\n" +
			"program p\n command ${X\nring r\n a\nmailers m\n b\nhttp-errors h\n c\nlog-forward l\n bind :514\nfcgi-app a\n d\ncrt-store s\n e\ntraces\n f\n" + base + pair, none,
			[]string{"userlist u: it is not carried over", "peers p", "resolvers r", "cache c", "program p", "ring r", "mailers m", "http-errors h", "log-forward l",
				"fcgi-app a", "crt-store s", "traces"}},
		{"variables that the file sets", "global\n setenv HOST 10.0.0.1\n presetenv HOST 10.0.0.9\n presetenv P 6443\n" + base +
			strings.Replace(pair, "10.0.0.1:6443", `"${HOST}:$P"`, 1), none, nil},
		{"variables that it unsets", "global\n unsetenv PORT\n" + base + strings.Replace(pair, "bind :443", `bind ":${PORT-443}"`, 1), none, nil},
		{"resetenv", "global\n resetenv PATH\n" + base + pair, none, []string{"the variables of this command count"}},
		{"conditions", base + ".if defined(PORT) && !streq(\"$PORT\",1)\n" + pair + ".else\n bogus\n.endif\n.if defined(NONE)\n more \"\n.elif 0\n.else\n.endif\n", none, nil},
		{"conditions in conditions", base + ".if 0\n.if 1\n a\n.else\n b\n.endif\n c\n.elif 1\n" + pair + ".elif 1\n d\n.endif\n", none, nil},
		{"conditions about haproxy", base + ".if version_atleast(2.4) && feature(OPENSSL)\n" + pair + ".endif\n", none, []string{"haproxy 3.2 with all features is assumed: the condition is true"}},
		{"conditions about another haproxy", base + pair + ".if version_before(3.2-dev1) || version_atleast(4)\n bogus\n.endif\n", none, []string{"the condition is false"}},
		{"conditions that are not known", base + pair + ".if dance(1\n bogus\n.endif\n.if (1\n bogus\n.endif\n", none, []string{"is not known", "is not known"}},
		{"conditions without an end", base + pair + ".else\n.if 1\n", none, []string{"an .if has no .endif", "belongs to no .if"}},
		{"messages", base + ".notice \"hello\"\n.diag a\n.warning b\n" + pair + ".alert \"stop\"\n.dance\n", none, []string{"haproxy does not start", "not known"}},
	} {
		c.test(t)
	}
}

// TestConditionsAgreeWithHAProxy has haproxy evaluate the same conditions.
func TestConditionsAgreeWithHAProxy(t *testing.T) {
	conditions := []string{"", "0", "1", "7", "!1", "!0", "1 && 0", "1 || 0", "0 || 1 && 0", "1 && 0 || 1", "(0 || 1) && 1", "!(1 && 0)", "defined(PORT)", "defined(NONE)",
		"!defined(NONE)", `streq("$PORT",9443)`, `streq("$PORT",1)`, `strneq("$PORT",1)`, "((1))", "!!1", "version_atleast(1.8)", "version_before(1.8)", `streq(a\ b,a\ b)`}
	var file strings.Builder
	for _, c := range conditions {
		fmt.Fprintf(&file, ".if %s\n.notice \"yes: %s\"\n.endif\n", c, strings.ReplaceAll(strings.ReplaceAll(c, `"`, "'"), "$", ""))
	}
	file.WriteString("listen a\n mode tcp\n bind 127.0.0.1:1\n server b 127.0.0.1:2\n")
	name := filepath.Join(t.TempDir(), "haproxy.cfg")
	if err := os.WriteFile(name, []byte(file.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("haproxy", "-c", "-f", name)
	cmd.Env = []string{"PORT=9443"}
	output, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%v: %s", err, output)
	}
	found := from(file.String(), haproxy.Options{Environment: environment})
	for i, c := range conditions {
		want := strings.Contains(string(output), fmt.Sprintf(":%d]:", 3*i+2))
		got := slices.ContainsFunc(found.All(), func(f convert.Finding) bool { return f.Line == 3*i+2 })
		if got != want {
			t.Errorf("condition %q is %t here, and %t to haproxy", c, got, want)
		}
	}
}

func TestFrontendIsChosenByItsName(t *testing.T) {
	raw := listen("") + "listen web\n mode tcp\n bind :80\n server w 10.0.0.9:8080 check\nlisten page\n mode http\n bind :81\n server p 10.0.0.9:81\n"
	for name, want := range map[string]int32{"api": 443, "web": 80} {
		cfg := v1alpha1.HarbingerConfiguration{}
		found := haproxy.Convert(convert.File{Name: "haproxy.cfg", Content: []byte(raw)}, haproxy.Options{Frontend: name}, &cfg)
		if err := found.Err(); err != nil || cfg.ControlPlane.Port != want {
			t.Errorf("frontend %s: port %d, want %d; error %v", name, cfg.ControlPlane.Port, want, err)
		}
	}
	for name, want := range map[string]string{
		"":     "haproxy.cfg:8: listen web: want one frontend or listen of mode tcp, there are 2: api (line 1, bind :443), web (line 8, bind :80): choose",
		"none": "there are 0 frontends of this name; there are: api (line 1, bind :443), web (line 8, bind :80), page (line 12, bind :81)",
		"page": "haproxy.cfg:12: listen page: it is of mode http",
	} {
		found := from(raw, haproxy.Options{Frontend: name})
		if err := found.Err(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("frontend %q: error %v, want %q", name, err, want)
		}
	}
}
