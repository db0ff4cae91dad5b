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
)

// handshakeTimeout bounds a TLS handshake, which may go on when the check that began it has failed: breaking it off
// would leave an error in the log of an apiserver that is only slow, and the next check can use the connection.
const handshakeTimeout = 5 * time.Second

// HTTPSConfig says which answer is a healthy one: 200 to a GET of Path within Timeout, from a server whose certificate
// is valid.
type HTTPSConfig struct {
	Address netip.AddrPort
	Path    string
	// ServerName must be in the certificate. The certificates of kubeadm have "kubernetes" and the node's address, but
	// not 127.0.0.1.
	ServerName string
	// CAFile has the certificates to trust. It may appear later, and is read again when it changes.
	CAFile string
	// InsecureSkipVerify trusts every certificate; CAFile is not read then.
	InsecureSkipVerify bool
	Timeout            time.Duration
}

// HTTPS checks a backend over one kept TLS connection, so that the backend sees one handshake and not one per check. It
// makes one check at a time.
type HTTPS struct {
	*HTTP
	cfg    HTTPSConfig
	dialer net.Dialer
	caFile os.FileInfo // as it was read last
	roots  atomic.Pointer[x509.CertPool]
}

// NewHTTPS returns a check that has not connected yet.
func NewHTTPS(cfg HTTPSConfig) *HTTPS {
	h := &HTTPS{cfg: cfg, dialer: net.Dialer{Timeout: cfg.Timeout}}
	h.HTTP = newHTTP("https", HTTPConfig{Address: cfg.Address, Path: cfg.Path, Timeout: cfg.Timeout}, &h.dialer)
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
