// SPDX-License-Identifier: Apache-2.0

package probe

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"os"
	"sync/atomic"
	"time"

	"github.com/harbinger-ha/harbinger/pkg/health"
)

// handshakeTimeout bounds a TLS handshake, which may go on when the check that began it has failed: breaking it off
// would leave an error in the log of an apiserver that is only slow, and the next check can use the connection.
const handshakeTimeout = 5 * time.Second

// HTTPS checks a backend over one kept TLS connection, so that the backend sees one handshake and not one per check. It
// makes one check at a time.
type HTTPS struct {
	*HTTP
	cfg    health.Config
	dialer net.Dialer
	caFile os.FileInfo // as it was read last
	roots  atomic.Pointer[x509.CertPool]
}

// NewHTTPS returns a check of a backend that has not connected yet. The certificates of kubeadm have "kubernetes" and the
// address of the node, but not 127.0.0.1.
func NewHTTPS(backend netip.AddrPort, cfg health.Config) *HTTPS {
	h := &HTTPS{cfg: cfg, dialer: net.Dialer{Timeout: cfg.Timeout}}
	h.HTTP = newHTTP("https", backend, cfg, &h.dialer)
	h.client.Transport.(*http.Transport).DialTLSContext = h.dial
	return h
}

// Check asks once. Without a certificate to trust it does not connect at all.
func (h *HTTPS) Check(ctx context.Context) error {
	if err := h.loadCA(); err != nil {
		return err
	}
	return h.HTTP.Check(ctx)
}

// loadCA reads the file if it is another one than before. Where it cannot be read, the certificates that were read
// before stay trusted: it may just be in the middle of its replacement.
func (h *HTTPS) loadCA() error {
	if h.cfg.InsecureSkipVerify {
		return nil
	}
	info, err := os.Stat(h.cfg.CAFile)
	if err == nil && h.caFile != nil && os.SameFile(info, h.caFile) &&
		info.ModTime().Equal(h.caFile.ModTime()) && info.Size() == h.caFile.Size() {
		return nil
	}
	if err == nil {
		err = h.readCA(info)
	}
	if err != nil && h.roots.Load() == nil {
		return fmt.Errorf("CA file: %w", err)
	}
	return nil
}

func (h *HTTPS) readCA(info os.FileInfo) error {
	pem, err := os.ReadFile(h.cfg.CAFile)
	if err != nil {
		return err
	}
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(pem) {
		return fmt.Errorf("no certificate in %s", h.cfg.CAFile)
	}
	h.roots.Store(roots)
	h.caFile = info
	return nil
}

// dial makes the connection. The context is not that of a check: the transport ends it when it is closed.
func (h *HTTPS) dial(ctx context.Context, network, address string) (net.Conn, error) {
	raw, err := h.dialer.DialContext(ctx, network, address)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, handshakeTimeout)
	defer cancel()
	conn := tls.Client(raw, &tls.Config{
		ServerName:         h.cfg.ServerName,
		RootCAs:            h.roots.Load(),
		InsecureSkipVerify: h.cfg.InsecureSkipVerify,
		NextProtos:         []string{"http/1.1"},
	})
	if err := conn.HandshakeContext(ctx); err != nil {
		_ = raw.Close()
		return nil, err
	}
	return conn, nil
}
