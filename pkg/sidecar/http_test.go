// SPDX-License-Identifier: Apache-2.0

package sidecar

import (
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"reflect"
	"regexp"
	"strings"
	"testing"

	"github.com/harbinger-ha/harbinger/pkg/apis/status/v1alpha1"
)

func TestEndpoints(t *testing.T) {
	s := v1alpha1.HarbingerStatus{Node: "node1", NotReady: []string{"balancer down", "no healthy backend"}}
	var alive error
	h := handler(func() v1alpha1.HarbingerStatus { return s }, func() error { return alive }, http.NotFoundHandler())
	get := func(method, path string) *httptest.ResponseRecorder {
		w := httptest.NewRecorder()
		h.ServeHTTP(w, httptest.NewRequest(method, path, nil))
		return w
	}
	expect := func(path string, code int, body string) {
		t.Helper()
		if w := get("GET", path); w.Code != code || !strings.Contains(w.Body.String(), body) {
			t.Errorf("%s: %d %q, want %d with %q", path, w.Code, w.Body, code, body)
		}
	}
	expect("/livez", http.StatusOK, "ok")
	expect("/readyz", http.StatusServiceUnavailable, "balancer down\nno healthy backend\n")
	s.Ready, alive = true, errors.New("the control loop does not turn")
	expect("/livez", http.StatusServiceUnavailable, "the control loop does not turn")
	expect("/readyz", http.StatusOK, "ok")
	expect("/nothing", http.StatusNotFound, "")

	w := get("GET", "/status")
	var got v1alpha1.HarbingerStatus
	if err := json.Unmarshal(w.Body.Bytes(), &got); err != nil || !reflect.DeepEqual(got, s) || w.Header().Get("Content-Type") != "application/json" {
		t.Errorf("/status: %s %+v (%v), want %+v", w.Header(), got, err, s)
	}
	if w := get("POST", "/status"); w.Code != http.StatusMethodNotAllowed {
		t.Errorf("POST /status: %d", w.Code)
	}
	if w := get("GET", "/"); w.Header().Get("Content-Type") != "text/html; charset=utf-8" || !strings.Contains(w.Body.String(), "<title>Harbinger</title>") {
		t.Errorf("/: %s %s", w.Header(), w.Body)
	}
}

// The page reads fields of the status that there are: nothing else would notice that one is misspelt.
func TestPageReadsTheStatus(t *testing.T) {
	found := 0
	for variable, group := range map[string]reflect.Type{
		"s": reflect.TypeFor[v1alpha1.HarbingerStatus](), "r": reflect.TypeFor[v1alpha1.VirtualRouter](), "b": reflect.TypeFor[v1alpha1.Balancer](),
		"x": reflect.TypeFor[v1alpha1.Backend](), "m": reflect.TypeFor[v1alpha1.Move](), `s\.lease`: reflect.TypeFor[v1alpha1.Lease](),
		"f": reflect.TypeFor[v1alpha1.Filter](), `r\.conflictWith`: reflect.TypeFor[v1alpha1.Host](),
	} {
		names := map[string]bool{}
		for _, field := range reflect.VisibleFields(group) {
			name, _, _ := strings.Cut(field.Tag.Get("json"), ",")
			names[name] = true
		}
		for _, use := range regexp.MustCompile(`[^.\w]`+variable+`\.(\w+)`).FindAllSubmatch(page, -1) {
			found++
			if !names[string(use[1])] {
				t.Errorf("the page reads %s, which %s does not have", use[0], group.Name())
			}
		}
	}
	for _, shown := range []string{"r.currentReason", "r.conflictWith.hardwareAddress", "f.message", "f.remedy", "r.couldNotAsk", "x.state", "x.since", "x.reason"} {
		if !strings.Contains(string(page), shown) {
			t.Errorf("the page does not show %s", shown)
		}
	}
	if found < 30 {
		t.Errorf("found only %d fields in the page", found)
	}
}
