// SPDX-License-Identifier: Apache-2.0

package sidecar

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"time"

	"github.com/harbinger-ha/harbinger/pkg/apis/status/v1alpha1"
	"github.com/harbinger-ha/harbinger/pkg/probe"
	"github.com/harbinger-ha/harbinger/pkg/socket"
	"github.com/harbinger-ha/harbinger/pkg/view/page"
)

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
	mux.HandleFunc("GET /{$}", func(w http.ResponseWriter, r *http.Request) {
		for name, value := range page.Headers() {
			w.Header().Set(name, value)
		}
		write := page.Write
		if r.URL.Query().Has("content") { // the page's own script asks
			write = page.WriteContent
		}
		s := status()
		_ = write(w, &s, time.Now()) // a client that went away is its own concern, here and below
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

// openEndpoints opens what this node shows of itself, as far as the ports are free: the status, and the identity also on the
// virtual addresses, which this host may not have yet.
func (s *sidecar) openEndpoints() []*endpoint {
	view := s.members.now()
	status := &endpoint{ownPort: ownPort{name: "status (status.bindAddress)", address: view.Config.Status.BindAddress}}
	status.listen = func() (net.Listener, error) { return net.Listen("tcp", status.address.String()) }
	status.serve = func(ctx context.Context, ln net.Listener) error {
		r := s.reporter
		plain := func(ln net.Listener) net.Listener { return ln }
		return s.serveHTTP(ctx, ln, plain, s.guardedHandler("status", handler(r.status, r.alive, r.metrics.Handler())))
	}
	s.openEndpoint(status)
	all := []*endpoint{status}
	for _, vip := range view.VirtualAddresses() {
		for _, a := range []netip.Addr{vip, view.Primary(vip)} {
			e := s.identity(a)
			s.openEndpoint(e)
			all = append(all, e)
		}
	}
	return all
}

// identity is what others ask this node at an address.
func (s *sidecar) identity(a netip.Addr) *endpoint {
	e := &endpoint{ownPort: ownPort{name: "identity (status.identityPort)", serves: true, address: netip.AddrPortFrom(a, s.cfg.Status.IdentityPort)}}
	freebind := net.ListenConfig{Control: socket.FreeBind}
	e.listen = func() (net.Listener, error) { return freebind.Listen(context.Background(), "tcp", e.address.String()) }
	e.serve = func(ctx context.Context, ln net.Listener) error {
		return probe.ServeIdentity(ctx, ln, s.reporter.identity, &requests{sidecar: s})
	}
	return e
}

// The bounds of what clients of the status and of the metrics hold: connections of other hosts at a time, the part of them that one may
// have, and the size of a request.
const (
	statusConnections = 64
	statusSources     = 4
	statusHeader      = 16 << 10
)

const (
	// ownDescriptors are the file descriptors that no client takes: those of the election, the addresses, the API and the balancer process are
	// some 40 with two families, and more while others are asked.
	ownDescriptors = 128
	// clientPools are who has connections of their own: other hosts and this one, at the status and at the metrics.
	clientPools = 4
)

// clientConnections returns how many connections each of the pools of clients has, beside those of the identity.
func (s *sidecar) clientConnections(descriptors int) int {
	identities := 2 * len(s.members.now().VirtualAddresses()) * probe.IdentityConnections
	return socket.Share(descriptors, ownDescriptors+identities, clientPools, statusConnections)
}

// serveHTTP serves the handler until ctx ends, on what secured makes of the listener.
func (s *sidecar) serveHTTP(ctx context.Context, ln net.Listener, secured func(net.Listener) net.Listener, handler http.Handler) error {
	total := s.clientConnections(socket.Descriptors())
	perSource := max(1, total/statusSources)
	server := &http.Server{
		Handler:           handler,
		ReadHeaderTimeout: 5 * time.Second,
		ReadTimeout:       5 * time.Second,
		MaxHeaderBytes:    statusHeader,
		WriteTimeout:      10 * time.Second,
		IdleTimeout:       time.Minute,
		ErrorLog:          log.New(io.Discard, "", 0), // of connections that are none of HTTP or TLS: whoever reaches the port may make them
	}
	defer socket.CloseWith(ctx, server)() // ends Serve below
	if err := server.Serve(secured(socket.Limit(ln, total, perSource))); !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("serve HTTP on %s: %w", ln.Addr(), err)
	}
	return nil
}
