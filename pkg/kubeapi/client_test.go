// SPDX-License-Identifier: Apache-2.0

package kubeapi_test

import (
	"bytes"
	"cmp"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"net/http"
	"net/netip"
	"os"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/go-logr/logr"
	"go.uber.org/goleak"

	"github.com/harbinger-ha/harbinger/e2e/lab/labtest"
	"github.com/harbinger-ha/harbinger/pkg/kubeapi"
)

// must ends the test at an error.
var must = labtest.Must

// runTests runs the tests and fails if one leaves a goroutine behind.
func runTests(m *testing.M) int {
	code := m.Run()
	if err := goleak.Find(); code == 0 && err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return code
}

// run runs a client until the test ends.
func run(t *testing.T, c *kubeapi.Client) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- c.Run(ctx) }() // ends with its context
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
}

const credentialsInterval = 20 * time.Millisecond

func TestCredentialsComeAndGo(t *testing.T) {
	log := &labtest.Log{}
	c := newCluster(t, 1, func(o *kubeapi.Options) { o.CredentialsInterval, o.Log = credentialsInterval, log.Logger() })
	var token atomic.Value
	c.servers[0].set(func(w http.ResponseWriter, r *http.Request, answer http.HandlerFunc) {
		token.Store(r.Header.Get("Authorization"))
		answer(w, r)
	})
	remove(t, c.kubeconfig)
	run(t, c.Client)
	missing := "no credentials: " + c.kubeconfig + " does not exist"
	until(t, "the credentials are gone", func() bool { return c.Status().CredentialsProblem == missing })
	_, err := read(t, c)
	wantUnanswered(t, err, missing)
	_, err = write(t, c, mine)
	wantUnanswered(t, err, missing)

	for _, want := range []string{"one", "two"} {
		writeKubeconfig(t, c.kubeconfig, c.servers[0], want)
		until(t, "the credentials are used", func() bool {
			_, err := read(t, c)
			return err == nil && token.Load() == "Bearer "+want
		})
	}
	if problem := c.Status().CredentialsProblem; problem != "" {
		t.Errorf("problem is %q", problem)
	}

	// What cannot be read leaves what was good.
	if err := os.WriteFile(c.kubeconfig, []byte("clusters: ["), 0o600); err != nil {
		t.Fatal(err)
	}
	until(t, "the damage is seen", func() bool { return strings.Contains(c.Status().CredentialsProblem, c.kubeconfig+": ") })
	mustRead(t, c)
	remove(t, c.kubeconfig)
	until(t, "the credentials are gone again", func() bool { return c.Status().CredentialsProblem == missing })
	if n := log.Count(missing); n != 2 {
		t.Errorf("%d log lines say that the file is missing twice", n)
	}
}

func remove(t *testing.T, path string) {
	t.Helper()
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
}

// A change of a file that the kubeconfig names is a change.
func TestCredentialsInFiles(t *testing.T) {
	c := newCluster(t, 1, func(o *kubeapi.Options) { o.CredentialsInterval = credentialsInterval })
	run(t, c.Client)
	mustRead(t, c)
	ca := strings.TrimSuffix(c.kubeconfig, "kubeconfig") + "ca.crt"
	good, err := os.ReadFile(ca)
	if err != nil {
		t.Fatal(err)
	}
	other, _ := newCA(t, time.Now().Add(time.Hour))
	if err := os.WriteFile(ca, other, 0o600); err != nil {
		t.Fatal(err)
	}
	until(t, "the server is not trusted any more", func() bool {
		_, err := read(t, c)
		return err != nil && strings.Contains(err.Error(), "certificate")
	})
	if err := os.WriteFile(ca, good, 0o600); err != nil {
		t.Fatal(err)
	}
	until(t, "the server is trusted again", func() bool { _, err := read(t, c); return err == nil })
}

// Whatever a reader finds while the kubeconfig or a file that it names is replaced, the credentials before stay in force until the
// new ones are whole: not one question goes unanswered.
func TestCredentialsInTheMiddleOfTheirReplacement(t *testing.T) {
	log := &labtest.Log{}
	c := newCluster(t, 1, func(o *kubeapi.Options) { o.CredentialsInterval, o.Log = credentialsInterval, log.Logger() })
	run(t, c.Client)
	mustRead(t, c)
	ca := strings.TrimSuffix(c.kubeconfig, "kubeconfig") + "ca.crt"
	for path, spoil := range map[string]map[string]func([]byte) error{
		c.kubeconfig: {
			"empty":        func([]byte) error { return os.WriteFile(c.kubeconfig, nil, 0o600) },
			"half-written": func(raw []byte) error { return os.WriteFile(c.kubeconfig, raw[:len(raw)/2], 0o600) },
			"without a token": func(raw []byte) error {
				return os.WriteFile(c.kubeconfig, bytes.ReplaceAll(raw, []byte(`token: "secret"`), nil), 0o600)
			},
			"a pipe": func([]byte) error { return errors.Join(os.Remove(c.kubeconfig), syscall.Mkfifo(c.kubeconfig, 0o600)) },
		},
		ca: {
			"empty":        func([]byte) error { return os.WriteFile(ca, nil, 0o600) },
			"half-written": func(raw []byte) error { return os.WriteFile(ca, raw[:len(raw)/2], 0o600) },
			"removed":      func([]byte) error { return os.Remove(ca) },
		},
	} {
		for name, f := range spoil {
			good, err := os.ReadFile(path)
			must(t, err)
			before := log.Count(`"Credentials not usable"`)
			must(t, f(good))
			until(t, path+" "+name+" is seen", func() bool { return c.Status().CredentialsProblem != "" })
			mustRead(t, c)
			must(t, os.RemoveAll(path))
			must(t, os.WriteFile(path, good, 0o600))
			until(t, "the problem has gone", func() bool { return c.Status().CredentialsProblem == "" })
			mustRead(t, c)
			if n := log.Count(`"Credentials not usable"`) - before; n != 1 {
				t.Errorf("%s %s: %d lines in the log", path, name, n)
			}
		}
	}
}

func TestUnusableKubeconfigs(t *testing.T) {
	for name, tt := range map[string]struct{ replace, by, want string }{
		"no context":       {"current-context: x", "current-context: other", "specified context: other"},
		"plain HTTP":       {"https://", "http://", "is not an https:// address"},
		"missing CA":       {"ca.crt", "none.crt", "none.crt"},
		"credentials exec": {`token: "secret"`, "exec: {apiVersion: client.authentication.k8s.io/v1, command: aws, interactiveMode: Never}", "plugin"},
		"no credentials":   {`token: "secret"`, "token: ''", "neither a client certificate nor a token"},
		"not YAML":         {"users:", "\x00", ""},
	} {
		t.Run(name, func(t *testing.T) {
			c := newCluster(t, 1, nil)
			raw, err := os.ReadFile(c.kubeconfig)
			if err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(c.kubeconfig, []byte(strings.Replace(string(raw), tt.replace, tt.by, 1)), 0o600); err != nil {
				t.Fatal(err)
			}
			fresh := kubeapi.New(kubeapi.Options{Log: logr.Discard(), Kubeconfig: c.kubeconfig, Namespace: "kube-system", Name: "harbinger", Backends: c.addresses})
			_, err = read(t, fresh)
			wantUnanswered(t, err, tt.want)
			if got := fresh.Status().CredentialsProblem; got != err.Error() || !strings.HasPrefix(got, c.kubeconfig) {
				t.Errorf("problem is %q, error %q", got, err)
			}
		})
	}
}

// Whatever address is dialled, the certificate must be for the server of the kubeconfig, or for the name that the kubeconfig gives in addition.
func TestServerName(t *testing.T) {
	for name, tt := range map[string]struct{ server, serverName, fault string }{
		"name in addition": {"https://192.0.2.1:6443", "tls-server-name: example.com", ""},
		"host name":        {"https://example.com:6443", "", ""},
		"address":          {"https://127.0.0.1:1", "", ""},
		"other address":    {"https://192.0.2.1:6443", "", "certificate"},
		"other name":       {"https://example.com:6443", "tls-server-name: example.net", "certificate"},
	} {
		t.Run(name, func(t *testing.T) {
			c := newCluster(t, 1, nil)
			raw, err := os.ReadFile(c.kubeconfig)
			if err != nil {
				t.Fatal(err)
			}
			text := strings.NewReplacer("https://192.0.2.1:6443", tt.server, "tls-server-name: example.com", cmp.Or(tt.serverName, "tls-server-name: ''")).Replace(string(raw))
			if err := os.WriteFile(c.kubeconfig, []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
			fresh := kubeapi.New(kubeapi.Options{Log: logr.Discard(), Kubeconfig: c.kubeconfig, Namespace: "kube-system", Name: "harbinger", Backends: c.addresses})
			if tt.fault == "" {
				mustRead(t, fresh)
				return
			}
			_, err = read(t, fresh)
			wantUnanswered(t, err, tt.fault)
		})
	}
}

func TestExpiry(t *testing.T) {
	start := time.Now()
	var day atomic.Int64
	log := &labtest.Log{}
	path := t.TempDir() + "/kubeconfig"
	ca, key := newCA(t, start.Add(365*24*time.Hour))
	document, expires, err := kubeapi.NewKubeconfig(kubeapi.KubeconfigOptions{
		CACertificate: ca, CAKey: key, Server: "https://127.0.0.1:6443", ServerName: "kubernetes", ClusterName: "kubernetes",
		Now: start, Validity: 40 * 24 * time.Hour,
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, document, 0o600); err != nil {
		t.Fatal(err)
	}
	c := kubeapi.New(kubeapi.Options{
		Log: log.Logger(), Kubeconfig: path, Backends: func() []netip.AddrPort { return nil }, CredentialsInterval: time.Millisecond,
		Now: func() time.Time { return start.Add(time.Duration(day.Load()) * 24 * time.Hour) },
	})
	run(t, c)
	if got := c.Status(); got.CredentialsProblem != "" || !got.Expires.Equal(expires.Truncate(time.Second)) {
		t.Errorf("status is %+v, want it to expire at %v", got, expires)
	}
	for _, step := range []struct {
		day  int64
		want string
	}{{11, "Credentials expire soon"}, {41, "Credentials expired"}} {
		if n := log.Count(step.want); n != 0 {
			t.Fatalf("%q on day %d", step.want, day.Load())
		}
		day.Store(step.day)
		until(t, "the log warns: "+step.want, func() bool { return log.Count(step.want) == 1 })
		day.Store(step.day + 1)
		until(t, "the log warns again: "+step.want, func() bool { return log.Count(step.want) == 2 })
	}
	if got := c.Status().CredentialsProblem; !strings.Contains(got, "expired at") || !strings.Contains(got, "harbinger kubeconfig") {
		t.Errorf("problem is %q", got)
	}
}

// newCA returns a certificate and a key, in PEM.
func newCA(t *testing.T, expires time.Time) (certificate, key []byte) {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "kubernetes"}, NotBefore: expires.Add(-10 * 365 * 24 * time.Hour), NotAfter: expires,
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageDigitalSignature,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, private.Public(), private)
	if err != nil {
		t.Fatal(err)
	}
	keyDER, err := x509.MarshalECPrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), pem.EncodeToMemory(&pem.Block{Type: "EC PRIVATE KEY", Bytes: keyDER})
}

// A proxy of the environment and the server of the kubeconfig (both lead nowhere here) are not used, and a connection whose
// other side has gone without a word is given up within some seconds.
func TestSilentConnectionIsReplaced(t *testing.T) {
	t.Setenv("HTTPS_PROXY", "http://192.0.2.3:3128")
	var relay *labtest.Relay
	c := newCluster(t, 1, func(o *kubeapi.Options) {
		o.Backends = func() []netip.AddrPort { return []netip.AddrPort{relay.Address} }
	})
	relay = labtest.NewRelay(t, c.servers[0].address().String())
	mustRead(t, c)
	mustRead(t, c)
	if n := relay.Accepted.Load(); n != 1 {
		t.Fatalf("two reads took %d connections", n)
	}
	relay.Silence()
	start := time.Now()
	until(t, "another connection is made", func() bool {
		ctx, cancel := context.WithTimeout(t.Context(), 700*time.Millisecond)
		defer cancel()
		_, err := c.ReadLease(ctx)
		return err == nil
	})
	if took := time.Since(start); took > 6*time.Second {
		t.Errorf("took %v", took)
	}
}
