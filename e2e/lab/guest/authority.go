// SPDX-License-Identifier: Apache-2.0

package guest

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"net/netip"
	"slices"
	"time"

	"github.com/harbinger-ha/harbinger/e2e/lab"
)

// An Authority is the certificate authority of a cluster in the lab.
type Authority struct {
	certificate *x509.Certificate
	key         *ecdsa.PrivateKey
	pem         string
}

// NewAuthority returns an authority with a new key.
func NewAuthority() (*Authority, error) {
	template := &x509.Certificate{
		SerialNumber:          big.NewInt(1),
		Subject:               pkix.Name{CommonName: "kubernetes"},
		NotBefore:             time.Now().Add(-time.Hour),
		NotAfter:              time.Now().Add(24 * time.Hour),
		IsCA:                  true,
		BasicConstraintsValid: true,
		KeyUsage:              x509.KeyUsageCertSign,
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		return nil, fmt.Errorf("sign authority: %w", err)
	}
	certificate, err := x509.ParseCertificate(der)
	if err != nil {
		return nil, err
	}
	return &Authority{certificate, key, encode("CERTIFICATE", der)}, nil
}

// PEM returns the authority's certificate.
func (a *Authority) PEM() string { return a.pem }

// Pool returns a pool that trusts only the authority.
func (a *Authority) Pool() *x509.CertPool {
	pool := x509.NewCertPool()
	pool.AddCert(a.certificate)
	return pool
}

// KeyPEM returns the authority's key.
func (a *Authority) KeyPEM() (string, error) { return encodeKey(a.key) }

// An identity is what a certificate says of its owner.
type identity struct {
	name   string
	groups []string
	dns    []string
	ips    []net.IP
	usages []x509.ExtKeyUsage
}

// serverNames are the names of every API server.
var serverNames = []string{"kubernetes", "kubernetes.default", "kubernetes.default.svc", "localhost"}

// server returns the identity of a server on a host that is reached by further addresses too. The last of its names is the
// host's.
func server(name string, h *lab.Host, addresses ...netip.Addr) identity {
	ips := []net.IP{net.IPv4(127, 0, 0, 1), net.IPv6loopback}
	for _, address := range append([]netip.Addr{h.Address.Addr(), h.Address6.Addr(), h.Backplane.Addr()}, addresses...) {
		if address.IsValid() {
			ips = append(ips, address.AsSlice())
		}
	}
	return identity{
		name:   name,
		dns:    append(slices.Clone(serverNames), h.Name),
		ips:    ips,
		usages: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
}

// HostOf returns the name of the host that a server's certificate was issued to.
func HostOf(certificate *x509.Certificate) string {
	if names := certificate.DNSNames; len(names) > 0 {
		return names[len(names)-1]
	}
	return ""
}

// issue returns certificate and key, in one PEM text.
func (a *Authority) issue(id identity) (string, error) {
	template := &x509.Certificate{
		SerialNumber: big.NewInt(time.Now().UnixNano()),
		Subject:      pkix.Name{CommonName: id.name, Organization: id.groups},
		DNSNames:     id.dns,
		IPAddresses:  id.ips,
		NotBefore:    a.certificate.NotBefore,
		NotAfter:     a.certificate.NotAfter,
		KeyUsage:     x509.KeyUsageDigitalSignature,
		ExtKeyUsage:  id.usages,
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return "", err
	}
	der, err := x509.CreateCertificate(rand.Reader, template, a.certificate, key.Public(), a.key)
	if err != nil {
		return "", fmt.Errorf("sign certificate of %s: %w", id.name, err)
	}
	keyPEM, err := encodeKey(key)
	if err != nil {
		return "", err
	}
	return encode("CERTIFICATE", der) + keyPEM, nil
}

func encodeKey(key *ecdsa.PrivateKey) (string, error) {
	der, err := x509.MarshalECPrivateKey(key)
	if err != nil {
		return "", err
	}
	return encode("EC PRIVATE KEY", der), nil
}

func encode(kind string, der []byte) string {
	return string(pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}))
}
