// SPDX-License-Identifier: Apache-2.0

package serving_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"io"
	"log"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/harbinger-ha/harbinger/e2e/lab/labtest"
	"github.com/harbinger-ha/harbinger/pkg/serving"
)

// An authority signs certificates.
type authority struct {
	t    *testing.T
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
}

func newAuthority(t *testing.T) *authority {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	labtest.Must(t, err)
	template := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "CA"}, NotAfter: time.Now().Add(time.Hour), IsCA: true, BasicConstraintsValid: true}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	labtest.Must(t, err)
	cert, err := x509.ParseCertificate(der)
	labtest.Must(t, err)
	return &authority{t, cert, key}
}

// pool returns who trusts the authority.
func (a *authority) pool() *x509.CertPool {
	pool := x509.NewCertPool()
	pool.AddCert(a.cert)
	return pool
}

func inPEM(kind string, der []byte) string {
	return string(pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}))
}

func (a *authority) pem() string { return inPEM("CERTIFICATE", a.cert.Raw) }

// sign returns a certificate for 127.0.0.1 and its key, which end at a time.
func (a *authority) sign(end time.Time, usage x509.ExtKeyUsage) (cert, key string) {
	a.t.Helper()
	own, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	labtest.Must(a.t, err)
	template := &x509.Certificate{
		SerialNumber: big.NewInt(time.Now().UnixNano()), NotBefore: end.Add(-2 * time.Hour), NotAfter: end,
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, ExtKeyUsage: []x509.ExtKeyUsage{usage},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, a.cert, &own.PublicKey, a.key)
	labtest.Must(a.t, err)
	raw, err := x509.MarshalPKCS8PrivateKey(own)
	labtest.Must(a.t, err)
	return inPEM("CERTIFICATE", der), inPEM("PRIVATE KEY", raw)
}

// client returns a certificate of a client.
func (a *authority) client() tls.Certificate {
	a.t.Helper()
	cert, err := tls.X509KeyPair(bytesOf(a.sign(time.Now().Add(time.Hour), x509.ExtKeyUsageClientAuth)))
	labtest.Must(a.t, err)
	return cert
}

func bytesOf(cert, key string) ([]byte, []byte) { return []byte(cert), []byte(key) }

// A place has the files of an endpoint, and the endpoint.
type place struct {
	t           *testing.T
	files       serving.Files
	credentials *serving.Credentials
	address     string
}

// newPlace serves with the files that are named.
func newPlace(t *testing.T, files ...string) *place {
	t.Helper()
	dir := t.TempDir()
	p := &place{t: t}
	for _, name := range files {
		path := filepath.Join(dir, name)
		switch name {
		case "cert":
			p.files.Cert, p.files.Key = path, filepath.Join(dir, "key")
		case "ca":
			p.files.ClientCA = path
		case "token":
			p.files.Token = path
		}
	}
	p.credentials = serving.New(p.files)
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	labtest.Must(t, err)
	p.address = ln.Addr().String()
	server := &http.Server{ErrorLog: log.New(io.Discard, "", 0), Handler: p.credentials.Handler(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, "figures")
	}))}
	done := make(chan error, 1)
	go func() { done <- server.Serve(p.credentials.Listener(ln)) }() // ends with the server
	t.Cleanup(func() { server.Close(); <-done })
	return p
}

func (p *place) write(path, content string) {
	p.t.Helper()
	labtest.Must(p.t, os.WriteFile(path, []byte(content), 0o600))
}

// look reads the files, and expects faults, each with a text, by its file.
func (p *place) look(want map[string]string) {
	p.t.Helper()
	got := p.credentials.Look(time.Now())
	for file, text := range want {
		if err := got[file]; err == nil || !strings.Contains(err.Error(), text) {
			p.t.Errorf("%s: %v, want %q", file, err, text)
		}
	}
	if len(got) != len(want) {
		p.t.Errorf("faults %v, want %v", got, want)
	}
}

// ask asks as a client that trusts a CA, with an Authorization and certificates, and returns the code and the body; 0 and the error
// where no answer came.
func (p *place) ask(c *http.Client, authorization string) (int, string) {
	p.t.Helper()
	scheme := "http://"
	if p.files.Cert != "" {
		scheme = "https://"
	}
	request, err := http.NewRequestWithContext(p.t.Context(), http.MethodGet, scheme+p.address+"/metrics", nil)
	labtest.Must(p.t, err)
	request.Header.Set("Authorization", authorization)
	response, err := c.Do(request)
	if err != nil {
		return 0, err.Error()
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	labtest.Must(p.t, err)
	return response.StatusCode, string(body)
}

func client(t *testing.T, config *tls.Config) *http.Client {
	transport := &http.Transport{TLSClientConfig: config}
	t.Cleanup(transport.CloseIdleConnections)
	return &http.Client{Transport: transport, Timeout: 20 * time.Second}
}

const token = "0123456789abcdef-token"

func TestToken(t *testing.T) {
	p := newPlace(t, "token")
	c := client(t, nil)
	p.look(map[string]string{p.files.Token: "no such file"})
	if code, _ := p.ask(c, "Bearer "); code != http.StatusServiceUnavailable || p.credentials.Ready() {
		t.Errorf("without a file: %d", code)
	}
	p.write(p.files.Token, token+"\n")
	p.look(nil)
	for authorization, want := range map[string]int{
		"Bearer " + token: 200, "bearer  " + token: 200, "": 401, "Bearer": 401, "Bearer ": 401, token: 401, "Basic " + token: 401,
		"Bearer " + token + "0": 401, "Bearer " + token[:16]: 401, "Bearer " + strings.ToUpper(token): 401,
	} {
		if code, body := p.ask(c, authorization); code != want || (code == 200) != (body == "figures") {
			t.Errorf("%q: %d %q, want %d", authorization, code, body, want)
		}
	}
	// What is wrong with a new file leaves the old one in force, and a good one is used at once, by connections that are open too.
	for content, fault := range map[string]string{"": "0 bytes", "short": "5 bytes, but at least 16", "0123456789abcdef token": "a space"} {
		p.write(p.files.Token, content)
		p.look(map[string]string{p.files.Token: fault})
	}
	labtest.Must(t, os.Chmod(p.files.Token, 0o644))
	p.look(map[string]string{p.files.Token: "chmod 0600"})
	labtest.Must(t, os.Remove(p.files.Token))
	p.look(map[string]string{p.files.Token: "no such file"})
	if code, _ := p.ask(c, "Bearer "+token); code != 200 {
		t.Errorf("the old token: %d", code)
	}
	p.write(p.files.Token, "another-token-of-28-bytes")
	p.look(nil)
	if code, _ := p.ask(c, "Bearer "+token); code != 401 {
		t.Errorf("the old token after the new one: %d", code)
	}
	if code, _ := p.ask(c, "Bearer another-token-of-28-bytes"); code != 200 {
		t.Errorf("the new token: %d", code)
	}
}

func TestTLS(t *testing.T) {
	p := newPlace(t, "cert")
	first, second := newAuthority(t), newAuthority(t)
	trust := func(a *authority, highest uint16) *http.Client {
		c := client(t, &tls.Config{RootCAs: a.pool(), MaxVersion: highest})
		c.Transport.(*http.Transport).DisableKeepAlives = true
		return c
	}
	p.look(map[string]string{p.files.Cert: "no such file"})
	if code, problem := p.ask(trust(first, 0), ""); code != 0 {
		t.Errorf("before there is a certificate: %d %s", code, problem)
	}
	cert, key := first.sign(time.Now().Add(time.Hour), x509.ExtKeyUsageServerAuth)
	p.write(p.files.Cert, cert)
	p.look(map[string]string{p.files.Key: "no such file"})
	p.write(p.files.Key, key)
	p.look(nil)
	for name, tt := range map[string]struct {
		client *http.Client
		want   int
	}{
		"a client": {trust(first, 0), 200}, "by TLS 1.2": {trust(first, tls.VersionTLS12), 200},
		"by TLS 1.1": {trust(first, tls.VersionTLS11), 0}, "who trusts another CA": {trust(second, 0), 0},
	} {
		if code, problem := p.ask(tt.client, ""); code != tt.want {
			t.Errorf("%s: %d %s, want %d", name, code, problem, tt.want)
		}
	}
	// Half of a new pair changes nothing; both halves do.
	cert, key = second.sign(time.Now().Add(time.Hour), x509.ExtKeyUsageServerAuth)
	p.write(p.files.Cert, cert)
	p.look(map[string]string{p.files.Cert: "private key does not match"})
	if code, problem := p.ask(trust(first, 0), ""); code != 200 {
		t.Errorf("half of a new pair: %d %s", code, problem)
	}
	p.write(p.files.Key, key)
	p.look(nil)
	if code, problem := p.ask(trust(second, 0), ""); code != 200 {
		t.Errorf("the new certificate: %d %s", code, problem)
	}
	cert, key = second.sign(time.Now().Add(-time.Minute), x509.ExtKeyUsageServerAuth)
	p.write(p.files.Cert, cert)
	p.write(p.files.Key, key)
	p.look(map[string]string{p.files.Cert: "has expired at"})
	labtest.Must(t, os.Chmod(p.files.Key, 0o640))
	p.look(map[string]string{p.files.Key: "chmod 0600"})
}

// A client shows a certificate of the CA of this moment: one that is connected already is judged anew.
func TestClientCertificate(t *testing.T) {
	p := newPlace(t, "cert", "ca", "token")
	server, old, next := newAuthority(t), newAuthority(t), newAuthority(t)
	cert, key := server.sign(time.Now().Add(time.Hour), x509.ExtKeyUsageServerAuth)
	p.write(p.files.Cert, cert)
	p.write(p.files.Key, key)
	p.write(p.files.Token, token)
	p.write(p.files.ClientCA, "none")
	p.look(map[string]string{p.files.ClientCA: "no certificate in"})
	if p.credentials.Ready() {
		t.Error("ready without the CA of the clients")
	}
	p.write(p.files.ClientCA, old.pem())
	p.look(nil)
	with := func(certs ...tls.Certificate) *http.Client {
		return client(t, &tls.Config{RootCAs: server.pool(), Certificates: certs})
	}
	known := with(old.client())
	serverPair, err := tls.X509KeyPair(bytesOf(old.sign(time.Now().Add(time.Hour), x509.ExtKeyUsageServerAuth)))
	labtest.Must(t, err)
	for name, tt := range map[string]struct {
		client *http.Client
		token  string
		want   int
	}{
		"both": {known, token, 200}, "no token": {known, "", 401}, "no certificate": {with(), token, 0},
		"a certificate of another CA": {with(next.client()), token, 0}, "a certificate of a server": {with(serverPair), token, 0},
	} {
		if code, problem := p.ask(tt.client, "Bearer "+tt.token); code != tt.want {
			t.Errorf("%s: %d %s, want %d", name, code, problem, tt.want)
		}
	}
	p.write(p.files.ClientCA, next.pem())
	p.look(nil)
	if code, problem := p.ask(known, "Bearer "+token); code != http.StatusForbidden {
		t.Errorf("a connection from before the new CA: %d %s", code, problem)
	}
	if code, problem := p.ask(with(next.client()), "Bearer "+token); code != 200 {
		t.Errorf("a certificate of the new CA: %d %s", code, problem)
	}
	if w := httptest.NewRecorder(); true {
		p.credentials.Handler(http.NotFoundHandler()).ServeHTTP(w, httptest.NewRequest("GET", "/metrics", nil))
		if w.Code != http.StatusForbidden {
			t.Errorf("without TLS: %d", w.Code)
		}
	}
}

// Without files everybody is served: the endpoint is on loopback.
func TestNothingAskedFor(t *testing.T) {
	p := newPlace(t)
	p.look(nil)
	if code, body := p.ask(client(t, nil), ""); code != 200 || body != "figures" {
		t.Errorf("%d %q", code, body)
	}
}
