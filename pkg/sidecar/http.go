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
	"net/netip"
	"strings"
	"time"

	"github.com/harbinger-ha/harbinger/pkg/apis/status/v1alpha1"
	"github.com/harbinger-ha/harbinger/pkg/membership"
	"github.com/harbinger-ha/harbinger/pkg/probe"
	"github.com/harbinger-ha/harbinger/pkg/socket"
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
//	/livez   200 while the control loop turns and no restart would help, else 503 with the reason
//	/readyz  200 while the addresses are where the state says and a backend is healthy, else 503 with the reasons
func handler(status func() v1alpha1.HarbingerStatus, alive func() error, metrics http.Handler) http.Handler {
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
		if err := alive(); err != nil {
			http.Error(w, err.Error(), http.StatusServiceUnavailable)
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

// endpoints are the listening sockets of what this node shows of itself.
type endpoints struct {
	status     net.Listener
	identities []net.Listener
}

// openEndpoints opens them, those of the identity also on the virtual addresses, which this host may not have yet.
func openEndpoints(view membership.View, p *parts) (endpoints, error) {
	var e endpoints
	var err error
	if e.status, err = net.Listen("tcp", view.Config.Status.BindAddress.String()); err != nil {
		return e, fmt.Errorf("open status endpoint (status.bindAddress): %w", err)
	}
	p.atEnd(e.status.Close)
	for _, vip := range view.VirtualAddresses() {
		for _, a := range []netip.Addr{vip, view.Primary(vip)} {
			ln, err := listenIdentity(a, view.Config.Status.IdentityPort)
			if err != nil {
				return e, err
			}
			p.atEnd(ln.Close)
			e.identities = append(e.identities, ln)
		}
	}
	return e, nil
}

// listenIdentity opens the identity at an address.
func listenIdentity(a netip.Addr, port uint16) (net.Listener, error) {
	freebind := net.ListenConfig{Control: socket.FreeBind}
	ln, err := freebind.Listen(context.Background(), "tcp", netip.AddrPortFrom(a, port).String())
	if err != nil {
		return nil, fmt.Errorf("open identity endpoint (status.identityPort): %w", err)
	}
	return ln, nil
}

// serve has the endpoints served while the parts run.
func (s *sidecar) serve(e endpoints) {
	r := s.newReporter()
	s.runs("conditions", r.watch)
	s.runs("status", func(ctx context.Context) error {
		return serveHTTP(ctx, e.status, s.guardedHandler("status", handler(r.status, r.alive, r.metrics.Handler())))
	})
	s.runs("identity on new addresses", func(ctx context.Context) error { return s.identities.serve(ctx, r.identity) })
	for _, ln := range e.identities {
		s.runs("identity", func(ctx context.Context) error { return probe.ServeIdentity(ctx, ln, r.identity) })
	}
}

// serveHTTP serves the handler until ctx ends.
func serveHTTP(ctx context.Context, ln net.Listener, handler http.Handler) error {
	server := &http.Server{
		Handler:           handler,
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
