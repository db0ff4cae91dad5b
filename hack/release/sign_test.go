// SPDX-License-Identifier: Apache-2.0

package main

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/secure-systems-lab/go-securesystemslib/encrypted"
)

func newKey(t *testing.T) *signer {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return &signer{key}
}

func inPEM(kind string, der []byte) string {
	return string(pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}))
}

// Keys in each of the forms that cosign and openssl write sign the same.
func TestSigningKey(t *testing.T) {
	key := newKey(t)
	pkcs8, err := x509.MarshalPKCS8PrivateKey(key.key)
	if err != nil {
		t.Fatal(err)
	}
	sec1, err := x509.MarshalECPrivateKey(key.key)
	if err != nil {
		t.Fatal(err)
	}
	sealed, err := encrypted.Encrypt(pkcs8, []byte("secret"))
	if err != nil {
		t.Fatal(err)
	}
	want, err := key.sign([]byte("message"))
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "key")
	write(t, file, "-----BEGIN EC PARAMETERS-----\nBggqhkjOPQMBBw==\n-----END EC PARAMETERS-----\n"+inPEM("EC PRIVATE KEY", sec1))
	for _, given := range []string{inPEM("PRIVATE KEY", pkcs8), inPEM("ENCRYPTED SIGSTORE PRIVATE KEY", sealed), inPEM("ENCRYPTED COSIGN PRIVATE KEY", sealed), file} {
		read, err := signingKey(func(name string) string {
			return map[string]string{"COSIGN_KEY": given, "COSIGN_PASSWORD": "secret"}[name]
		})
		if err != nil {
			t.Fatal(err)
		}
		if got, err := read.sign([]byte("message")); err != nil || string(got) != string(want) {
			t.Errorf("%.30s: signature %s (%v), want %s", given, got, err, want)
		}
	}
	if none, err := signingKey(func(string) string { return "" }); none != nil || err != nil {
		t.Errorf("without a key: %v, %v", none, err)
	}
}

func TestSigningKeyRefuses(t *testing.T) {
	other, err := ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	p384, err := x509.MarshalPKCS8PrivateKey(other)
	if err != nil {
		t.Fatal(err)
	}
	rsaKey, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	pkcs8, err := x509.MarshalPKCS8PrivateKey(rsaKey)
	if err != nil {
		t.Fatal(err)
	}
	sealed, err := encrypted.Encrypt(p384, []byte("another"))
	if err != nil {
		t.Fatal(err)
	}
	for given, want := range map[string]string{
		"/no/such/key":                                  "COSIGN_KEY: open /no/such/key",
		inPEM("PUBLIC KEY", p384):                       "no private key in PEM",
		inPEM("PRIVATE KEY", p384):                      "not an ECDSA key on the curve P-256",
		inPEM("PRIVATE KEY", pkcs8):                     "not an ECDSA key on the curve P-256",
		inPEM("ENCRYPTED SIGSTORE PRIVATE KEY", sealed): "is COSIGN_PASSWORD that of the key?",
	} {
		_, err := signingKey(func(name string) string { return map[string]string{"COSIGN_KEY": given}[name] })
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%.30s: %v, want %q in it", given, err, want)
		}
	}
}

// What the notes say of openssl is right.
func TestOpenSSLVerifies(t *testing.T) {
	if _, err := exec.LookPath("openssl"); err != nil {
		t.Fatal("openssl verifies the signature: install openssl")
	}
	dir, key := t.TempDir(), newKey(t)
	write(t, filepath.Join(dir, "file"), "content")
	if err := writeSums(dir, key); err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(source{version: "v0.1.0"}.notes("", nil, true), "# or, without cosign:\n")
	line, _, _ := strings.Cut(rest, "\n")
	if out, err := output(t.Context(), dir, "sh", "-c", line); err != nil || out != "Verified OK" {
		t.Errorf("%s: %q, %v", line, out, err)
	}
	write(t, filepath.Join(dir, sumsFile), "other")
	if out, err := output(t.Context(), dir, "sh", "-c", line); err == nil {
		t.Errorf("a changed file: %q", out)
	}
}
