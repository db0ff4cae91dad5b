// SPDX-License-Identifier: Apache-2.0

package app_test

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

// What was done is said, with what it means for the connections; what was refused, with the reason and the way out.
func TestOrdersToBackends(t *testing.T) {
	defer servePod(t)()
	const only, first, last = "192.168.238.130:6443", "192.168.238.131:6443", "192.168.238.132:6443"
	for _, tt := range []struct {
		args         []string
		code         int
		stdout, want string
	}{
		{[]string{"drain", first}, 0, first + " takes no new connections. It has 3 connections; harbinger backend shows how many are left.\n", ""},
		{[]string{"maintenance", only}, 1, "", "error: " + only + ": no other backend could take connections. With --force it is done all the same"},
		{[]string{"maintenance", only, "--force"}, 0, only + " takes no connections and is not checked. Those that it had were closed.\n", ""},
		{[]string{"ready", first}, 0, first + " takes connections.\n", ""},
		{[]string{"drain", last}, 0, last + " was in state Drain already.\n", ""},
		{[]string{"drain", "192.168.238.139:6443"}, 2, "", "There are: " + only + ", " + first + ", " + last},
		{[]string{"drain", "192.168.238.131"}, 2, "", "no backend of this host has that address and port"},
		{[]string{"ready"}, 2, "", "name one backend by its address and port: harbinger backend lists them"},
	} {
		r := harbinger("", append([]string{"backend"}, tt.args...)...)
		r.want(t, tt.code, tt.want)
		if r.stdout != tt.stdout {
			t.Errorf("%v says %q, want %q", tt.args, r.stdout, tt.stdout)
		}
	}
	r := harbinger("", "__complete", "backend", "drain", "")
	if r.want(t, 0); !strings.HasPrefix(r.stdout, only+"\n"+first+"\n"+last+"\n:4") {
		t.Errorf("completed by %q", r.stdout)
	}
}

// The list has the backends alone, with what was ordered of them.
func TestListOfBackends(t *testing.T) {
	document := strings.Replace(healthyHolder, `"state": "Healthy",`, `"state": "Healthy", "admin": "Drain",`, 1)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte(document)) }))
	defer server.Close()
	r := harbinger("", "backend", "--address", strings.TrimPrefix(server.URL, "http://"))
	r.want(t, 0)
	lines := strings.Split(strings.TrimSpace(r.stdout), "\n")
	if len(lines) != 4 || !strings.Contains(lines[0], "ADMIN") || !strings.Contains(lines[1], "Drain") || strings.Contains(lines[2], "Drain") {
		t.Errorf("the list is\n%s", r.stdout)
	}
}
