// SPDX-License-Identifier: Apache-2.0

package haproxy_test

import (
	"encoding/csv"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/harbinger-ha/harbinger/e2e/converttest"
	"github.com/harbinger-ha/harbinger/e2e/lab"
	"github.com/harbinger-ha/harbinger/pkg/convert/haproxy"
)

// does are proxies with what haproxy makes of them, for what is said of the same lines: SERVER is an apiserver.
var does = []struct {
	name, lines string
	shows       map[string]string // of a server, its weight and the result of its check
	said        string
}{
	{"plain", "option httpchk GET /healthz\n server a SERVER check", map[string]string{"a": "1 L7STS 400"}, "nothing will be healthy, as with haproxy"},
	{"refusal", "option httpchk GET /healthz\n http-check expect ! rstatus ^5\n server a SERVER check", map[string]string{"a": "1 L7OK 400"}, "haproxy takes that for healthy"},
	{"hello", "option httpchk GET /healthz\n option ssl-hello-chk\n server a SERVER check", map[string]string{"a": "1 L6OK "}, "option ssl-hello-chk in line 6 replaces it"},
	{"hello-first", "option ssl-hello-chk\n option httpchk GET /healthz\n server a SERVER check check-ssl", map[string]string{"a": "1 L7OK 200"}, "option httpchk in line 6 replaces it"},
	{"rules", "http-check send meth GET uri /healthz\n server a SERVER check", map[string]string{"a": "1 L4OK "}, "it counts with option httpchk alone"},
	{"order", "server a SERVER\n default-server weight 7\n server b SERVER check\n default-server inter 3s\n server c SERVER weight 0\n server d SERVER disabled",
		map[string]string{"a": "1  ", "b": "7 L4OK ", "c": "0  ", "d": "7  "}, "weight 0: it is left out"},
	{"variables", "server a ${ADDRESS} check", map[string]string{"a": "1 L4OK "}, ""},
}

// TestWhatHAProxyDoes holds what the findings say of haproxy, by haproxy itself.
func TestWhatHAProxyDoes(t *testing.T) {
	apiserver := httptest.NewUnstartedServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	apiserver.Config.ErrorLog = log.New(io.Discard, "", 0) // some checks are made to fail
	apiserver.StartTLS()
	defer apiserver.Close()
	address := apiserver.Listener.Addr().String()
	dir := t.TempDir()
	control := filepath.Join(dir, "control")
	file := "global\n stats socket " + control + "\n ssl-server-verify none\ndefaults\n default-server inter 50ms fall 1\n timeout connect 1s\n timeout client 1s\n timeout server 1s\n"
	for _, d := range does {
		raw := "listen " + d.name + "\n bind unix@" + filepath.Join(dir, d.name) + "\n timeout connect 1s\n " + strings.ReplaceAll(d.lines, "SERVER", address) + "\n"
		file += raw
		converted := from(strings.Replace(raw, "bind unix", "bind :443\n #", 1), haproxy.Options{Environment: func(string) (string, bool) { return address, true }})
		if text := strings.Join(converttest.Warned(converted), "\n"); converted.Err() != nil || !strings.Contains(text, d.said) {
			t.Errorf("%s: %q is not said, but %q; error %v", d.name, d.said, text, converted.Err())
		}
	}
	name := filepath.Join(dir, "haproxy.cfg")
	if err := os.WriteFile(name, []byte(file), 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), "haproxy", "-db", "-f", name)
	cmd.Env = []string{"ADDRESS=" + address}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = cmd.Wait() }) // the end of the context kills it
	var wrong []string
	if err := lab.Until(20*time.Second, "haproxy has checked all", func() bool { wrong = differences(control); return wrong == nil }); err != nil {
		t.Errorf("%v: %q", err, wrong)
	}
}

// differences returns where haproxy does something else than the table.
func differences(control string) (wrong []string) {
	conn, err := net.Dial("unix", control)
	if err != nil {
		return []string{err.Error()}
	}
	defer func() { _ = conn.Close() }()
	if _, err := io.WriteString(conn, "show stat\n"); err != nil {
		return []string{err.Error()}
	}
	records, err := csv.NewReader(conn).ReadAll()
	if err != nil || len(records) == 0 {
		return []string{"no statistics"}
	}
	column := map[string]int{}
	for i, title := range records[0] {
		column[title] = i
	}
	shown := map[string]string{}
	for _, r := range records[1:] {
		shown[r[0]+"/"+r[1]] = strings.Join([]string{r[column["weight"]], strings.TrimPrefix(r[column["check_status"]], "* "), r[column["check_code"]]}, " ")
	}
	for _, d := range does {
		for server, want := range d.shows {
			if got := shown[d.name+"/"+server]; got != want {
				wrong = append(wrong, d.name+"/"+server+": "+got+", want "+want)
			}
		}
	}
	return wrong
}
