// SPDX-License-Identifier: Apache-2.0

package sidecar

import (
	"context"
	_ "embed"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strings"
	"time"

	"github.com/harbinger-ha/harbinger/pkg/apis/status/v1alpha1"
)

// page shows /status to people and asks for it again every second.
//
//go:embed page.html
var page []byte

// handler returns what is seen from outside, on loopback:
//
//	/        a page for people
//	/status  the status as JSON
//	/metrics for Prometheus
//	/livez   200 while the control loop turns
//	/readyz  200 while the addresses are where the state says and a backend is healthy, else 503 with the reasons
func handler(status func() v1alpha1.HarbingerStatus, alive func() bool, metrics http.Handler) http.Handler {
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", metrics)
	mux.HandleFunc("GET /{$}", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		_, _ = w.Write(page) // a client that went away is its own concern, here and below
	})
	mux.HandleFunc("GET /status", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		encoder := json.NewEncoder(w)
		encoder.SetIndent("", "  ")
		_ = encoder.Encode(status())
	})
	mux.HandleFunc("GET /livez", func(w http.ResponseWriter, _ *http.Request) {
		if !alive() {
			http.Error(w, "the control loop does not turn", http.StatusServiceUnavailable)
			return
		}
		_, _ = fmt.Fprintln(w, "ok")
	})
	mux.HandleFunc("GET /readyz", func(w http.ResponseWriter, _ *http.Request) {
		if s := status(); !s.Ready {
			http.Error(w, strings.Join(s.NotReady, "\n"), http.StatusServiceUnavailable)
			return
		}
		_, _ = fmt.Fprintln(w, "ok")
	})
	return mux
}

// serveHTTP serves the handler until ctx ends.
func (s *Sidecar) serveHTTP(ctx context.Context, ln net.Listener) error {
	server := &http.Server{
		Handler:           handler(s.Status, s.loop.Alive, s.metrics.Handler()),
		ReadHeaderTimeout: 5 * time.Second,
		WriteTimeout:      10 * time.Second,
		IdleTimeout:       time.Minute,
	}
	stop := context.AfterFunc(ctx, func() { _ = server.Close() }) // ends Serve below
	defer stop()
	if err := server.Serve(ln); !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("serve status on %s: %w", ln.Addr(), err)
	}
	return nil
}
