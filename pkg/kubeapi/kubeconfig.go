// SPDX-License-Identifier: Apache-2.0

package kubeapi

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"time"

	"k8s.io/client-go/tools/clientcmd"
	"k8s.io/client-go/tools/clientcmd/api"
)

// KubeconfigOptions say what a kubeconfig is made of.
type KubeconfigOptions struct {
	// CACertificate and CAKey are those of the cluster, in PEM. There may be several certificates, during a rotation.
	CACertificate, CAKey []byte
	// Server is the URL of the local apiserver, and ServerName what its certificate is checked for.
	Server, ServerName string
	// ClusterName is the name of the cluster, for people.
	ClusterName string
	// Now is the time, and Validity how long the client certificate is good from then: no longer than the CA's.
	Now      time.Time
	Validity time.Duration
}

// backdate lets clocks differ between the nodes.
const backdate = 5 * time.Minute

// NewKubeconfig returns a kubeconfig with a new key and client certificate for User, and when it expires.
func NewKubeconfig(opts KubeconfigOptions) (document []byte, expires time.Time, err error) {
	ca, caKey, err := parseCA(opts.CACertificate, opts.CAKey)
	if err != nil {
		return nil, time.Time{}, err
	}
	if opts.Now.After(ca.NotAfter) {
		return nil, time.Time{}, fmt.Errorf("the certificate of the CA expired at %s", ca.NotAfter.UTC().Format(time.RFC3339))
	}
	expires = opts.Now.Add(opts.Validity)
	if expires.After(ca.NotAfter) {
		expires = ca.NotAfter
	}
	certificate, key, err := sign(ca, caKey, opts.Now.Add(-backdate), expires)
	if err != nil {
		return nil, time.Time{}, err
	}
	context := User + "@" + opts.ClusterName
	document, err = clientcmd.Write(api.Config{
		Clusters: map[string]*api.Cluster{opts.ClusterName: {
			Server: opts.Server, TLSServerName: opts.ServerName, CertificateAuthorityData: opts.CACertificate,
		}},
		AuthInfos:      map[string]*api.AuthInfo{User: {ClientCertificateData: certificate, ClientKeyData: key}},
		Contexts:       map[string]*api.Context{context: {Cluster: opts.ClusterName, AuthInfo: User}},
		CurrentContext: context,
	})
	return document, expires, err
}

// sign returns a client certificate and its key, in PEM.
func sign(ca *x509.Certificate, caKey crypto.Signer, from, to time.Time) (certificate, key []byte, err error) {
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, nil, err
	}
	// The serial number is left out: x509 makes a random one.
	der, err := x509.CreateCertificate(rand.Reader, &x509.Certificate{
		Subject:     pkix.Name{CommonName: User, Organization: []string{Group}},
		NotBefore:   from,
		NotAfter:    to,
		KeyUsage:    x509.KeyUsageDigitalSignature,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
	}, ca, private.Public(), caKey)
	if err != nil {
		return nil, nil, fmt.Errorf("sign the client certificate: %w", err)
	}
	keyDER, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		return nil, nil, err
	}
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: keyDER}), nil
}

// parseCA returns the key of a CA and the certificate that belongs to it.
func parseCA(certificates, key []byte) (*x509.Certificate, crypto.Signer, error) {
	private, err := parseKey(key)
	if err != nil {
		return nil, nil, fmt.Errorf("key of the CA: %w", err)
	}
	public, ok := private.Public().(interface{ Equal(crypto.PublicKey) bool })
	if !ok {
		return nil, nil, errors.New("key of the CA: unknown kind, want RSA, ECDSA or Ed25519")
	}
	for rest := certificates; ; {
		var block *pem.Block
		if block, rest = pem.Decode(rest); block == nil {
			return nil, nil, errors.New("certificate of the CA: none belongs to the key of the CA")
		}
		certificate, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			return nil, nil, fmt.Errorf("certificate of the CA: %w", err)
		}
		if certificate.IsCA && public.Equal(certificate.PublicKey) {
			return certificate, private, nil
		}
	}
}

// parseKey reads a private key in any of the forms in which tools write it.
func parseKey(document []byte) (crypto.Signer, error) {
	for rest := document; ; {
		var block *pem.Block
		if block, rest = pem.Decode(rest); block == nil {
			return nil, errors.New("there is no private key in PEM form")
		}
		switch block.Type {
		case "RSA PRIVATE KEY":
			return x509.ParsePKCS1PrivateKey(block.Bytes)
		case "EC PRIVATE KEY":
			return x509.ParseECPrivateKey(block.Bytes)
		case "PRIVATE KEY":
			key, err := x509.ParsePKCS8PrivateKey(block.Bytes)
			if err != nil {
				return nil, err
			}
			if signer, ok := key.(crypto.Signer); ok {
				return signer, nil
			}
			return nil, errors.New("cannot sign")
		}
	}
}
