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

	"github.com/harbinger-ha/harbinger/pkg/fault"
	"github.com/harbinger-ha/harbinger/pkg/health"
	"github.com/harbinger-ha/harbinger/pkg/hostfile"
)

// handshakeTimeout bounds a TLS handshake, which may go on when the check that began it has failed: breaking it off
// would leave an error in the log of an apiserver that is only slow, and the next check can use the connection.
const handshakeTimeout = 5 * time.Second

// HTTPS checks a backend over one kept TLS connection, so that the backend sees one handshake and not one per check. It
// makes one check at a time, and reads no file: whoever may read the CA file says whom to trust, also during a check.
type HTTPS struct {
	*HTTP
	cfg   health.Config
	trust atomic.Pointer[trust]
	// distrusted is the trust by which a certificate was refused that the file of the host may well vouch for.
	distrusted atomic.Pointer[trust]
	// proved says that the certificate of the connection in use is the backend's own.
	proved atomic.Bool
}

// A trust is an authority in use.
type trust struct {
	authority health.Authority
	roots     *x509.CertPool // nil: it vouches for nobody
	problem   error          // where roots is nil
}

// NewHTTPS returns a check of a backend that has not connected yet, and trusts nobody until Trust is called. The certificates of
// kubeadm have "kubernetes" and the address of the node, but not 127.0.0.1. The backend gets header first on each connection; nil:
// nothing.
func NewHTTPS(backend netip.AddrPort, cfg health.Config, header []byte) *HTTPS {
	h := &HTTPS{HTTP: newHTTP("https", backend, cfg, header), cfg: cfg}
	h.transport().DialTLSContext = h.dialTLS
	h.Trust(health.Authority{Problem: "CA file: not read yet"})
	return h
}

// Trust uses the certificates of an authority for the connections to come. Another goroutine may have a check under way.
func (h *HTTPS) Trust(a health.Authority) {
	before := h.trust.Load()
	next := &trust{authority: a}
	switch {
	case len(a.Certificates) == 0:
		next.problem = errors.New(a.Problem)
	case before != nil && bytes.Equal(a.Certificates, before.authority.Certificates):
		if a.Replaced == before.authority.Replaced {
			return
		}
		next.roots = before.roots
	default:
		next.roots, next.problem = parseCA(h.cfg.CAFile, a.Certificates)
	}
	h.trust.Store(next)
}

// Check asks once. Without a certificate to trust it does not connect at all.
func (h *HTTPS) Check(ctx context.Context) error {
	used := h.trust.Load()
	if used.roots == nil && !h.cfg.InsecureSkipVerify {
		return used.problem
	}
	err := h.HTTP.Check(ctx)
	// A certificate that is refused while the host has another CA file is most likely good: what the old CA says is no reason to
	// serve nobody, and clients verify the certificate of the apiserver themselves.
	if _, refused := errors.AsType[*tls.CertificateVerificationError](err); refused && used.authority.Replaced {
		h.distrusted.Store(used)
	}
	return err
}

// Proved reports whether the last check that passed has proved whose backend it is: its certificate was signed by the CA, for the
// address that was asked. Whoever only passes connections on to an apiserver has no such certificate.
func (h *HTTPS) Proved() bool { return h.proved.Load() }

// A CAFile is one that is looked at again and again. The zero value has seen none.
type CAFile struct {
	path string
	raw  []byte // as it was seen last
	err  error
	good []byte // the last content to trust
}

// Look reads the file of a path, and returns whom it vouches for, and what is wrong with it now. Its content is compared, whatever
// way it came there. Where the file is missing, empty or half-written, what was read before stays trusted: it may just be in the
// middle of its replacement.
func (f *CAFile) Look(path string) (health.Authority, error) {
	raw, err := hostfile.Read(path)
	if path != f.path {
		*f = CAFile{path: path}
	}
	if err == nil {
		f.read(raw)
		err = f.err
	}
	a := health.Authority{Certificates: f.good}
	if f.good == nil {
		a.Problem = "CA file: " + fault.Words(err)
	}
	return a, err
}

// read takes a content of the file.
func (f *CAFile) read(raw []byte) {
	if f.raw != nil && bytes.Equal(raw, f.raw) {
		return
	}
	var roots *x509.CertPool
	f.raw = raw
	roots, f.err = parseCA(f.path, raw)
	if roots != nil && (f.err == nil || f.good == nil) {
		f.good = raw
	}
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
	used := h.trust.Load()
	raw, err := h.dial(ctx, network, address)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, handshakeTimeout)
	defer cancel()
	conn := tls.Client(raw, &tls.Config{
		ServerName:         h.cfg.ServerName,
		RootCAs:            used.roots,
		InsecureSkipVerify: h.cfg.InsecureSkipVerify || used == h.distrusted.Load(),
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
