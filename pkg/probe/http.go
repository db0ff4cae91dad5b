// SPDX-License-Identifier: Apache-2.0

package probe

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"time"

	"github.com/harbinger-ha/harbinger/pkg/health"
)

// maxBody bounds the answer of a backend. The lists of checks that an apiserver sends have about 2 KiB.
const maxBody = 64 << 10

// maxText bounds what of an answer goes into the status and the log.
const maxText = 512

// HTTP checks a backend over one kept connection: it is healthy when it answers 200 to a GET of the path within the timeout. It
// makes one check at a time.
type HTTP struct {
	client  http.Client
	url     string
	timeout time.Duration
	header  []byte // what the backend gets first on each connection; nil: nothing
}

// NewHTTP returns a check of a backend that has not connected yet. The backend gets header first on each connection; nil: nothing.
func NewHTTP(backend netip.AddrPort, cfg health.Config, header []byte) *HTTP {
	return newHTTP("http", backend, cfg, header)
}

// newHTTP returns a check that speaks HTTP/1.1: there the connection of a request that timed out is dropped, while one
// of HTTP/2 would carry the next request too, half-open or not.
func newHTTP(scheme string, backend netip.AddrPort, cfg health.Config, header []byte) *HTTP {
	protocols := new(http.Protocols)
	protocols.SetHTTP1(true)
	target := url.URL{Scheme: scheme, Host: backend.String()}
	h := &HTTP{
		url:     target.String() + cfg.Path,
		timeout: cfg.Timeout,
		header:  header,
		client: http.Client{
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
			Transport: &http.Transport{
				Protocols:          protocols,
				MaxConnsPerHost:    1,
				DisableCompression: true,
				// An answer is as long as its sender likes.
				MaxResponseHeaderBytes: maxBody,
			},
		},
	}
	h.transport().DialContext = h.dial
	return h
}

func (h *HTTP) transport() *http.Transport { return h.client.Transport.(*http.Transport) }

// dial makes a connection within the time of a check. The context is not that of a check: the transport ends it when it is closed.
func (h *HTTP) dial(ctx context.Context, _, address string) (net.Conn, error) {
	ctx, cancel := context.WithTimeout(ctx, h.timeout)
	defer cancel()
	return dialWith(ctx, address, h.header)
}

// Check asks once. The error says why the backend is not healthy.
func (h *HTTP) Check(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, h.timeout)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, h.url, nil)
	if err != nil {
		return err
	}
	resp, err := h.client.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxBody))
	if err != nil {
		return fmt.Errorf("read the answer to GET %s: %w", h.url, err)
	}
	// The request that is given up makes some backends answer, and net/http takes an answer that is there before the
	// connection is closed.
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("GET %s: %w", h.url, err)
	}
	return h.judge(resp, string(body))
}

// Close drops the connection, and one that is being made.
func (h *HTTP) Close() error {
	h.client.CloseIdleConnections()
	return nil
}

func (h *HTTP) judge(resp *http.Response, body string) error {
	switch resp.StatusCode {
	case http.StatusOK:
		return nil
	case http.StatusUnauthorized, http.StatusForbidden:
		return fmt.Errorf("GET %s: %s: the backend refuses anonymous requests: allow them for this path in the "+
			"AuthenticationConfiguration of the apiserver, or check with the scheme TCP", h.url, short(resp.Status))
	}
	return fmt.Errorf("GET %s: %s%s", h.url, short(resp.Status), failing(body))
}

// failing returns the checks that an apiserver lists as failed, as the end of a sentence.
func failing(body string) string {
	var failed []string
	for line := range strings.Lines(body) {
		if check, ok := strings.CutPrefix(line, "[-]"); ok {
			failed = append(failed, strings.TrimSpace(check))
		}
	}
	if len(failed) == 0 {
		return ""
	}
	return ": " + short(strings.Join(failed, ", "))
}

// short cuts a text of a backend.
func short(text string) string {
	if len(text) > maxText {
		text = text[:maxText] + "…"
	}
	return strings.ToValidUTF8(text, "?")
}
