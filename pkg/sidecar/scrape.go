// SPDX-License-Identifier: Apache-2.0

package sidecar

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"slices"
	"time"

	"github.com/harbinger-ha/harbinger/pkg/apis/config"
	"github.com/harbinger-ha/harbinger/pkg/guard"
	"github.com/harbinger-ha/harbinger/pkg/serving"
)

// A scrape is the endpoint of the metrics that other hosts may reach.
type scrape struct {
	config.Metrics
	credentials *serving.Credentials
}

func newScrape(m config.Metrics) scrape {
	return scrape{m, serving.New(serving.Files{Cert: m.CertFile, Key: m.KeyFile, ClientCA: m.ClientCAFile, Token: m.TokenFile})}
}

// followScrape looks at the files of the endpoint. Until each could be used once, there is no endpoint; nothing else waits for it.
func (s *sidecar) followScrape() {
	c := s.scrape
	if !c.Served() {
		return
	}
	faults := c.credentials.Look(time.Now())
	waits := ""
	if !c.credentials.Ready() {
		waits = " (until then the metrics are not served at " + c.BindAddress() + ")"
	}
	for _, file := range []struct{ field, path string }{
		{"metricsTLS.certFile", c.CertFile}, {"metricsTLS.keyFile", c.KeyFile}, {"metricsTLS.clientCAFile", c.ClientCAFile}, {"metricsTokenFile", c.TokenFile},
	} {
		if file.path == "" {
			continue
		}
		err := faults[file.path]
		if err != nil {
			err = fmt.Errorf("status.%s: %w%s", file.field, err, waits)
		}
		s.files.used(file.path, err)
	}
}

// errMoved ends the endpoint at an address that the node does not have any more.
var errMoved = errors.New("the node has another address")

// serveScrape serves the metrics at the address of their own as soon as their files are there, and follows the address of the node.
func (s *sidecar) serveScrape(ctx context.Context) error {
	if !tick(ctx, filesEvery, s.scrape.credentials.Ready) {
		return nil
	}
	has := func() bool { return s.scrapeAddress().IsValid() }
	for tick(ctx, linkRetry, has) {
		at := s.scrapeAddress()
		g, here := guard.WithContext(ctx)
		g.Go(func() error { return s.serveEndpoint(here, s.scrapeEndpoint(at)) })
		g.Go(func() error {
			if tick(here, linkRetry, func() bool { return has() && s.scrapeAddress() != at }) {
				return errMoved
			}
			return nil
		})
		if err := g.Wait(); !errors.Is(err, errMoved) {
			return err
		}
		s.ports.forget(s.scrapeEndpoint(at).ownPort)
	}
	return nil
}

// tick waits for a condition, which it looks at every so often. It returns false when ctx ends before.
func tick(ctx context.Context, every time.Duration, condition func() bool) bool {
	for !condition() {
		select {
		case <-time.After(every):
		case <-ctx.Done():
			return false
		}
	}
	return ctx.Err() == nil
}

// scrapeAddress returns where the endpoint is now.
func (s *sidecar) scrapeAddress() netip.AddrPort {
	view := s.members.now()
	return s.scrape.At(view.Primary(view.VirtualAddresses()[0]))
}

func (s *sidecar) scrapeEndpoint(at netip.AddrPort) *endpoint {
	e := &endpoint{ownPort: ownPort{name: "metrics (status.metricsBindAddress)", address: at}}
	e.listen = func() (net.Listener, error) { return net.Listen("tcp", at.String()) }
	e.serve = func(ctx context.Context, ln net.Listener) error {
		mux := http.NewServeMux()
		mux.Handle("GET /metrics", s.reporter.metrics.Handler())
		handler := s.scrape.credentials.Handler(mux)
		return s.serveHTTP(ctx, apart{ln, s.members.now().VirtualAddresses()}, s.scrape.credentials.Listener, s.guardedHandler("metrics", handler))
	}
	return e
}

// apart is a listener without the connections to virtual addresses: it may be open on all addresses of the host.
type apart struct {
	net.Listener
	virtual []netip.Addr
}

// Accept implements net.Listener.
func (a apart) Accept() (net.Conn, error) {
	for {
		conn, err := a.Listener.Accept()
		if err != nil {
			return nil, err
		}
		local, ok := conn.LocalAddr().(*net.TCPAddr)
		if !ok || !slices.Contains(a.virtual, local.AddrPort().Addr().Unmap().WithZone("")) {
			return conn, nil
		}
		_ = conn.Close()
	}
}
