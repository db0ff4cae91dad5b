// SPDX-License-Identifier: Apache-2.0

package probe

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"sync/atomic"
	"time"

	"github.com/harbinger-ha/harbinger/pkg/health"
	"github.com/harbinger-ha/harbinger/pkg/hostfile"
)

// handshakeTimeout bounds a TLS handshake, which may go on when the check that began it has failed: breaking it off
// would leave an error in the log of an apiserver that is only slow, and the next check can use the connection.
const handshakeTimeout = 5 * time.Second

// HTTPS checks a backend over one kept TLS connection, so that the backend sees one handshake and not one per check. It
// makes one check at a time.
type HTTPS struct {
	*HTTP
	cfg    health.Config
	ca     []byte // what roots was made from
	roots  atomic.Pointer[x509.CertPool]
	mounts hostfile.Mounts
	// stale says that the CA file was replaced on the host, that this process cannot see the new one, and that it refused a
	// certificate by the old one.
	stale atomic.Bool
	// proved says that the certificate of the connection in use is the backend's own.
	proved atomic.Bool
}

// NewHTTPS returns a check of a backend that has not connected yet. The certificates of kubeadm have "kubernetes" and the
// address of the node, but not 127.0.0.1.
func NewHTTPS(backend netip.AddrPort, cfg health.Config) *HTTPS {
	h := &HTTPS{HTTP: newHTTP("https", backend, cfg), cfg: cfg}
	h.transport().DialTLSContext = h.dialTLS
	return h
}

// Check asks once. Without a certificate to trust it does not connect at all.
func (h *HTTPS) Check(ctx context.Context) error {
	if err := h.loadCA(); err != nil {
		return err
	}
	err := h.HTTP.Check(ctx)
	if _, refused := errors.AsType[*tls.CertificateVerificationError](err); refused && h.replaced() {
		h.stale.Store(true)
	}
	return err
}

// Proved reports whether the last check that passed has proved whose backend it is: its certificate was signed by the CA, for the
// address that was asked. Whoever only passes connections on to an apiserver has no such certificate.
func (h *HTTPS) Proved() bool { return h.proved.Load() }

// replaced reports whether the CA file is another one on the host than the one that this process sees. A certificate that is
// refused then is most likely good: what the old CA says is no reason to serve nobody, and clients verify the certificate of the
// apiserver themselves.
func (h *HTTPS) replaced() bool {
	paths, err := h.mounts.Replaced(h.cfg.CAFile)
	return err == nil && len(paths) > 0
}

// loadCA uses what is in the file now: its content is compared, whatever way it came there. Where the file is missing, empty
// or half-written, the certificates that were read before stay trusted: it may just be in the middle of its replacement.
func (h *HTTPS) loadCA() error {
	if h.cfg.InsecureSkipVerify {
		return nil
	}
	raw, err := hostfile.Read(h.cfg.CAFile)
	if err == nil && h.roots.Load() != nil && bytes.Equal(raw, h.ca) {
		return nil
	}
	var roots *x509.CertPool
	if err == nil {
		roots, err = parseCA(h.cfg.CAFile, raw)
	}
	if roots != nil && (err == nil || h.roots.Load() == nil) {
		h.replaced() // from here on
		h.roots.Store(roots)
		h.ca = raw
		h.stale.Store(false)
	}
	if h.roots.Load() == nil {
		return fmt.Errorf("CA file: %w", err)
	}
	return nil
}

// A CAFile is one that is looked at again and again. The zero value has seen none.
type CAFile struct {
	path string
	raw  []byte // as it was seen last
	err  error
}

// Check says what is wrong with the file of a path. Checks of backends that have read it before go on with what it was.
func (f *CAFile) Check(path string) error {
	raw, err := hostfile.Read(path)
	if err != nil {
		return err
	}
	if path != f.path || !bytes.Equal(raw, f.raw) {
		f.path, f.raw = path, raw
		_, f.err = parseCA(path, raw)
	}
	return f.err
}

// certificate begins each certificate of a CA file.
const certificate = "-----BEGIN CERTIFICATE-----"

// parseCA returns the certificates of a CA file. If there is also one that is incomplete, the error says so: the file is most
// likely being written.
func parseCA(path string, raw []byte) (*x509.CertPool, error) {
	roots, found, complete := x509.NewCertPool(), false, 0
	for rest := raw; ; {
		var block *pem.Block
		if block, rest = pem.Decode(rest); block == nil {
			break
		}
		if block.Type != "CERTIFICATE" {
			continue
		}
		complete++
		if c, err := x509.ParseCertificate(block.Bytes); err == nil {
			roots.AddCert(c)
			found = true
		}
	}
	switch begun := bytes.Count(raw, []byte(certificate)); {
	case !found:
		return nil, fmt.Errorf("no certificate in %s", path)
	case begun != complete:
		return roots, fmt.Errorf("%d of the %d certificates in %s are incomplete", begun-complete, begun, path)
	}
	return roots, nil
}

// dialTLS makes the connection, in a context as that of dial.
func (h *HTTPS) dialTLS(ctx context.Context, network, address string) (net.Conn, error) {
	h.proved.Store(false)
	raw, err := h.dial(ctx, network, address)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, handshakeTimeout)
	defer cancel()
	conn := tls.Client(raw, &tls.Config{
		ServerName:         h.cfg.ServerName,
		RootCAs:            h.roots.Load(),
		InsecureSkipVerify: h.cfg.InsecureSkipVerify || h.stale.Load(),
		NextProtos:         []string{"http/1.1"},
	})
	if err := conn.HandshakeContext(ctx); err != nil {
		_ = raw.Close()
		return nil, err
	}
	h.proved.Store(owns(conn.ConnectionState(), address))
	return conn, nil
}

// owns reports whether the certificate of a connection was verified, and is for the host that was connected to.
func owns(state tls.ConnectionState, address string) bool {
	host, err := netip.ParseAddrPort(address)
	return err == nil && len(state.VerifiedChains) > 0 && state.PeerCertificates[0].VerifyHostname(host.Addr().WithZone("").String()) == nil
}
