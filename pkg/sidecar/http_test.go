// SPDX-License-Identifier: Apache-2.0

package sidecar

import (
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"reflect"
	"strings"
	"testing"

	"github.com/harbinger-ha/harbinger/pkg/apis/status/v1alpha1"
	"github.com/harbinger-ha/harbinger/pkg/view/page"
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
	for path, whole := range map[string]bool{"/": true, "/?content": false} {
		w := get("GET", path)
		for name, value := range page.Headers() {
			if w.Code != http.StatusOK || w.Header().Get(name) != value {
				t.Errorf("%s: %d, %s is %q, want %q", path, w.Code, name, w.Header().Get(name), value)
			}
		}
		if body := w.Body.String(); !strings.Contains(body, `<main id="live"`) || !strings.Contains(body, "node1") || strings.Contains(body, "<title>") != whole {
			t.Errorf("%s: %s", path, body)
		}
	}
}
