// SPDX-License-Identifier: Apache-2.0

package kubeapi_test

import (
	"bytes"
	"crypto/x509"
	"encoding/pem"
	"slices"
	"strings"
	"testing"
	"time"

	"k8s.io/client-go/tools/clientcmd"

	"github.com/harbinger-ha/harbinger/pkg/kubeapi"
)

func TestNewKubeconfig(t *testing.T) {
	now := time.Now().Truncate(time.Second)
	caExpires := now.Add(10 * 24 * time.Hour)
	ca, key := newCA(t, caExpires)
	old, _ := newCA(t, caExpires)
	bundle := slices.Concat(old, ca)
	for _, tt := range []struct {
		validity, want time.Duration
	}{{24 * time.Hour, 24 * time.Hour}, {365 * 24 * time.Hour, 10 * 24 * time.Hour}} {
		document, expires, err := kubeapi.NewKubeconfig(kubeapi.KubeconfigOptions{
			CACertificate: bundle, CAKey: key, Server: "https://127.0.0.1:6443", ServerName: "kubernetes", ClusterName: "kubernetes",
			Now: now, Validity: tt.validity,
		})
		if err != nil {
			t.Fatal(err)
		}
		if want := now.Add(tt.want); !expires.Equal(want) {
			t.Errorf("expires at %v, want %v", expires, want)
		}
		config, err := clientcmd.RESTConfigFromKubeConfig(document)
		if err != nil {
			t.Fatal(err)
		}
		if config.Host != "https://127.0.0.1:6443" || config.ServerName != "kubernetes" || !bytes.Equal(config.CAData, bundle) {
			t.Errorf("host %s, name %s, CA\n%s", config.Host, config.ServerName, config.CAData)
		}
		wantClient(t, config.CertData, ca, expires)
	}
}

// wantClient holds what a client certificate permits: to be one user who is no administrator.
func wantClient(t *testing.T, certificate, ca []byte, expires time.Time) {
	t.Helper()
	block, _ := pem.Decode(certificate)
	parsed, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(ca)
	if _, err := parsed.Verify(x509.VerifyOptions{Roots: roots, KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}}); err != nil {
		t.Error(err)
	}
	if got := parsed.Subject.String(); got != "CN=harbinger,O=harbinger.dev:nodes" || parsed.IsCA || len(parsed.ExtKeyUsage) != 1 || !parsed.NotAfter.Equal(expires) {
		t.Errorf("subject %s, CA %v, usages %v, expires %v", got, parsed.IsCA, parsed.ExtKeyUsage, parsed.NotAfter)
	}
}

func TestNewKubeconfigRefuses(t *testing.T) {
	now := time.Now()
	ca, key := newCA(t, now.Add(time.Hour))
	expired, expiredKey := newCA(t, now.Add(-time.Hour))
	_, otherKey := newCA(t, now.Add(time.Hour))
	for name, tt := range map[string]struct {
		ca, key []byte
		want    string
	}{
		"key of another CA":   {ca, otherKey, "none belongs to the key"},
		"expired CA":          {expired, expiredKey, "expired at"},
		"no key":              {ca, ca, "no private key"},
		"no certificate":      {nil, key, "none belongs to the key"},
		"damaged key":         {ca, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: []byte("x")}), "key of the CA"},
		"damaged RSA key":     {ca, pem.EncodeToMemory(&pem.Block{Type: "RSA PRIVATE KEY", Bytes: []byte("x")}), "key of the CA"},
		"damaged certificate": {pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: []byte("x")}), key, "certificate of the CA"},
	} {
		document, _, err := kubeapi.NewKubeconfig(kubeapi.KubeconfigOptions{CACertificate: tt.ca, CAKey: tt.key, Now: now, Validity: time.Hour})
		if err == nil || !strings.Contains(err.Error(), tt.want) || document != nil {
			t.Errorf("%s: %v, want %q in it", name, err, tt.want)
		}
	}
}
