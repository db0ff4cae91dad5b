// SPDX-License-Identifier: Apache-2.0

// Package serving serves HTTP to other hosts: by TLS, to clients that have a certificate or a token, with files that are replaced
// while it serves. What is wrong with a new file leaves the last good one in force.
package serving

import (
	"bytes"
	"crypto/sha256"
	"crypto/subtle"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/harbinger-ha/harbinger/pkg/hostfile"
)

// leastToken is how many bytes a token has at least: fewer could be guessed.
const leastToken = 16

// Files are what an endpoint is served with; each may be empty.
type Files struct {
	Cert, Key string // with them it is served by TLS
	ClientCA  string // clients have a certificate of it, with Cert alone
	Token     string // clients have its content
}

// Credentials are the content of the files.
type Credentials struct {
	files Files

	mu      sync.Mutex
	pair    [2][]byte // that tls was made of, as the files had it
	ca      []byte
	tls     *tls.Certificate
	clients *x509.CertPool
	token   *[sha256.Size]byte
	config  *tls.Config // of the connections to come
}

// New returns the credentials in the files, which are not read yet.
func New(files Files) *Credentials { return &Credentials{files: files} }

// Look reads the files again, and returns what is wrong with each, by its path.
func (c *Credentials) Look(now time.Time) map[string]error {
	faults := map[string]error{}
	fault := func(file string, err error) {
		if err != nil {
			faults[file] = err
		}
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.files.Cert != "" {
		fault(c.lookAtPair(now))
	}
	if c.files.ClientCA != "" {
		fault(c.files.ClientCA, c.lookAtCA())
	}
	if c.files.Token != "" {
		fault(c.files.Token, c.lookAtToken())
	}
	if c.config == nil && c.ready() && c.tls != nil {
		c.config = c.configure()
	}
	return faults
}

// lookAtPair reads the certificate and its key, and returns which file has a fault.
func (c *Credentials) lookAtPair(now time.Time) (file string, err error) {
	cert, err := hostfile.Read(c.files.Cert)
	if err != nil {
		return c.files.Cert, err
	}
	key, err := hostfile.ReadPrivate(c.files.Key)
	if err != nil {
		return c.files.Key, err
	}
	if c.tls == nil || !bytes.Equal(cert, c.pair[0]) || !bytes.Equal(key, c.pair[1]) {
		pair, err := tls.X509KeyPair(cert, key)
		if err != nil {
			return c.files.Cert, fmt.Errorf("%s and %s: %w", c.files.Cert, c.files.Key, err)
		}
		c.pair, c.tls, c.config = [2][]byte{cert, key}, &pair, nil
	}
	if end := c.tls.Leaf.NotAfter; now.After(end) {
		return c.files.Cert, fmt.Errorf("the certificate in %s has expired at %s, and clients refuse it", c.files.Cert, end.Format(time.RFC3339))
	}
	return "", nil
}

func (c *Credentials) lookAtCA() error {
	content, err := hostfile.Read(c.files.ClientCA)
	if err != nil || c.clients != nil && bytes.Equal(content, c.ca) {
		return err
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(content) {
		return fmt.Errorf("no certificate in %s", c.files.ClientCA)
	}
	c.ca, c.clients, c.config = content, pool, nil
	return nil
}

func (c *Credentials) lookAtToken() error {
	content, err := hostfile.ReadPrivate(c.files.Token)
	if err != nil {
		return err
	}
	token := bytes.TrimRight(content, "\r\n")
	switch {
	case len(token) < leastToken:
		return fmt.Errorf("the token in %s has %d bytes, but at least %d are needed: openssl rand -hex 32 makes one", c.files.Token, len(token), leastToken)
	case slices.ContainsFunc(token, func(b byte) bool { return b <= ' ' || b > '~' }):
		return fmt.Errorf("the token in %s has a space or a byte that is not printable ASCII, which no client can send", c.files.Token)
	}
	c.token = new(sha256.Sum256(token))
	return nil
}

// Ready reports whether each file could be used once: before that nothing must be served.
func (c *Credentials) Ready() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.ready()
}

func (c *Credentials) ready() bool {
	return (c.files.Cert == "" || c.tls != nil) && (c.files.ClientCA == "" || c.clients != nil) && (c.files.Token == "" || c.token != nil)
}

// configure returns how connections are served from now on. Those of another configuration cannot be resumed.
func (c *Credentials) configure() *tls.Config {
	config := &tls.Config{MinVersion: tls.VersionTLS12, Certificates: []tls.Certificate{*c.tls}, NextProtos: []string{"http/1.1"}}
	if c.clients != nil {
		config.ClientAuth, config.ClientCAs = tls.RequireAndVerifyClientCert, c.clients
	}
	return config
}

// Listener returns a listener whose connections are by TLS where there is a certificate.
func (c *Credentials) Listener(ln net.Listener) net.Listener {
	if c.files.Cert == "" {
		return ln
	}
	return tls.NewListener(ln, &tls.Config{MinVersion: tls.VersionTLS12, GetConfigForClient: func(*tls.ClientHelloInfo) (*tls.Config, error) {
		c.mu.Lock()
		defer c.mu.Unlock()
		if c.config == nil {
			return nil, errors.New("the certificate was not read yet")
		}
		return c.config, nil
	}})
}

// Handler lets those ask who may. It judges each request by the files of that moment: a connection may be older than they are.
func (c *Credentials) Handler(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		c.mu.Lock()
		clients, token, ready := c.clients, c.token, c.ready()
		c.mu.Unlock()
		switch {
		case !ready:
			http.Error(w, "the files of this endpoint were not read yet", http.StatusServiceUnavailable)
		case clients != nil && !known(r.TLS, clients):
			http.Error(w, "the certificate of the client is not of a CA that may ask", http.StatusForbidden)
		case token != nil && !shows(r, token):
			w.Header().Set("WWW-Authenticate", `Bearer realm="harbinger"`)
			http.Error(w, "a bearer token is needed", http.StatusUnauthorized)
		default:
			next.ServeHTTP(w, r)
		}
	})
}

// known reports whether a client has a certificate of one of the CAs.
func known(state *tls.ConnectionState, clients *x509.CertPool) bool {
	if state == nil || len(state.PeerCertificates) == 0 {
		return false
	}
	between := x509.NewCertPool()
	for _, cert := range state.PeerCertificates[1:] {
		between.AddCert(cert)
	}
	_, err := state.PeerCertificates[0].Verify(x509.VerifyOptions{Roots: clients, Intermediates: between, KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}})
	return err == nil
}

// shows reports whether a request has the token. How long that takes says nothing of the token.
func shows(r *http.Request, token *[sha256.Size]byte) bool {
	scheme, given, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	sum := sha256.Sum256([]byte(strings.TrimLeft(given, " ")))
	return strings.EqualFold(scheme, "Bearer") && subtle.ConstantTimeCompare(sum[:], token[:]) == 1
}
