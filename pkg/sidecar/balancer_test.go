// SPDX-License-Identifier: Apache-2.0

package sidecar

import (
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/go-logr/logr"

	"github.com/harbinger-ha/harbinger/pkg/health"
)

// Each scheme has its check: HTTPS reads no answer in plain text, and TCP asks for none.
func TestCheckers(t *testing.T) {
	handler := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/readyz" {
			http.NotFound(w, r)
		}
	})
	plain, secure := httptest.NewServer(handler), httptest.NewTLSServer(handler)
	defer plain.Close()
	defer secure.Close()
	for _, tc := range []struct {
		scheme health.Scheme
		server *httptest.Server
		want   string // part of the error, empty: healthy
	}{
		{health.TCP, plain, ""},
		{health.TCP, secure, ""},
		{health.HTTP, plain, ""},
		{health.HTTPS, secure, ""},
		{health.HTTPS, plain, "HTTP response to HTTPS client"},
		{health.HTTP, secure, "400"},
	} {
		check := health.Config{Scheme: tc.scheme, Path: "/readyz", Timeout: 5 * time.Second, InsecureSkipVerify: true}
		checker := newChecker(netip.MustParseAddrPort(tc.server.Listener.Addr().String()), check)
		switch err := checker.Check(t.Context()); {
		case tc.want == "" && err != nil:
			t.Errorf("%s of %s: %v", tc.scheme, tc.server.URL, err)
		case tc.want != "" && (err == nil || !strings.Contains(err.Error(), tc.want)):
			t.Errorf("%s of %s: %v, want %q", tc.scheme, tc.server.URL, err, tc.want)
		}
		if err := checker.Close(); err != nil {
			t.Error(err)
		}
	}
}

func TestBalancerNeedsItsKeeper(t *testing.T) {
	if err := RunBalancer(t.Context(), logr.Discard()); err == nil || !strings.Contains(err.Error(), "not started by a supervisor") {
		t.Errorf("got %v", err)
	}
}
