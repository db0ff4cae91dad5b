// SPDX-License-Identifier: Apache-2.0

package haproxy_test

import (
	"bufio"
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

// written returns a file with a keyword in its place, and the line that it is in.
func written(k convert.Keyword) (file string, line int) {
	name := strings.ReplaceAll(k.Name, "*", "some")
	arguments := strings.Repeat(" 1", haproxy.Arguments(k))
	switch {
	case k.Block == "sections":
		return listen("") + name + " x\n", 8
	case k.Name == "disabled" && strings.HasPrefix(k.Block, "defaults"):
		return "frontend f\n bind :443\n default_backend b\nbackend b\n disabled\n server a 10.0.0.1:6443\n", 5
	case k.Block == "global":
		return "global\n " + name + " 1\n" + listen(""), 2
	case strings.HasPrefix(k.Block, "defaults"):
		return listen(name + " 1"), 7
	case k.Block == "bind":
		return listen("bind :443 " + name + arguments), 7
	case strings.HasPrefix(k.Block, "server"):
		return listen("server b 10.0.0.2:6443 check " + name + arguments), 7
	case strings.HasPrefix(k.Block, "http-check connect"):
		return listen("option httpchk GET /readyz\n http-check connect ssl " + name + arguments), 8
	case k.Block == "http-check send":
		return listen("option httpchk GET /readyz\n http-check send " + name + arguments), 8
	}
	return listen("tcp-request content " + name), 7
}

// TestKeywordsAreWhatTheTableSays holds for every keyword that no function reads that a file with it gets the finding of its class.
func TestKeywordsAreWhatTheTableSays(t *testing.T) {
	tested := 0
	for _, k := range haproxy.Keywords() {
		if k.Class == convert.Taken || haproxy.IsRead(k) {
			continue
		}
		tested++
		file, line := written(k)
		found := haproxy.Convert(convert.File{Name: "file", Content: []byte(file)}, haproxy.Options{}, &v1alpha1.HarbingerConfiguration{})
		at := slices.DeleteFunc(found.All(), func(f convert.Finding) bool { return f.Line != line })
		silent := k.Class == convert.BuiltIn && k.Block != "global" && !strings.HasPrefix(k.Block, "defaults") && !strings.HasPrefix(k.Block, "tcp-request")
		is := func(f convert.Finding) bool {
			return f.Class == k.Class && strings.Contains(f.Text, k.Text) || silent && f.Class == convert.Taken
		}
		if k.Class != convert.Refused && found.Err() != nil || !slices.ContainsFunc(at, is) || strings.Contains(k.Text, "not known") {
			t.Errorf("%s: %s is %s (%s), but of it is said: %v; error %v", k.Block, k.Name, k.Class, k.Text, at, found.Err())
		}
	}
	if tested < 400 {
		t.Errorf("%d keywords, want most of them", tested)
	}
}

// TestKeywordsAreInOrder holds that each is in the table once, with a text.
func TestKeywordsAreInOrder(t *testing.T) {
	all := haproxy.Keywords()
	for i, k := range all {
		if k.Text == "" || k.Class == "" || k.Name == "" {
			t.Errorf("%+v misses something", k)
		}
		if i > 0 && (all[i-1].Block > k.Block || all[i-1].Block == k.Block && all[i-1].Name >= k.Name) {
			t.Errorf("%s %s comes after %s", k.Block, k.Name, all[i-1].Name)
		}
	}
	for _, name := range haproxy.Unread() {
		t.Errorf("%s is read by a function, but is not in the table", name)
	}
	for _, name := range haproxy.Twice() {
		t.Errorf("%s is in the table twice", name)
	}
}

// TestKeywordsOfTheInstalledHAProxy has haproxy name all that it knows.
func TestKeywordsOfTheInstalledHAProxy(t *testing.T) {
	name := filepath.Join(t.TempDir(), "haproxy.cfg")
	if err := os.WriteFile(name, []byte("global\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	output, _ := exec.Command("haproxy", "-dKall", "-c", "-f", name).CombinedOutput()
	known := map[string]bool{}
	for _, k := range haproxy.Keywords() {
		known[k.Block+" "+k.Name] = true
		known[k.Block+" "+strings.Fields(k.Name)[0]] = true // such as timeout
	}
	section, asked, inside := "", 0, false
	for scan := bufio.NewScanner(strings.NewReader(string(output))); scan.Scan(); {
		line := scan.Text()
		words := strings.Fields(strings.ReplaceAll(line, " ssl ", " "))
		switch {
		case strings.HasPrefix(line, "# List"):
			inside = strings.Contains(line, "configuration keywords")
			continue
		case !inside || len(words) == 0:
			continue
		case !strings.HasPrefix(line, "\t"):
			section = words[0]
			continue
		}
		want := ""
		switch {
		case section == "global":
			want = "global " + words[0]
		case section != "listen":
			continue // its lines are left out
		case words[0] == "bind" && len(words) > 2:
			want = "bind " + words[2]
		case words[0] == "server" && len(words) > 3:
			want = "server, default-server " + words[3]
		case strings.HasPrefix(words[0], "tcp-re") && len(words) > 2:
			want = "tcp-request, tcp-response " + strings.TrimSuffix(words[2], "*")
		case words[0] == "option":
			want = "defaults, frontend, listen, backend option " + words[1]
		default:
			want = "defaults, frontend, listen, backend " + words[0]
		}
		if asked++; !known[want] {
			t.Errorf("haproxy knows %q, the table does not (%q)", strings.TrimSpace(line), want)
		}
	}
	if asked < 300 {
		t.Errorf("haproxy names %d keywords: %.200s", asked, output)
	}
}
