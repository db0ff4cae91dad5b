// SPDX-License-Identifier: Apache-2.0

package main

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/secure-systems-lab/go-securesystemslib/encrypted"
)

// The files of the checksums and of their signature.
const (
	sumsFile      = "SHA256SUMS"
	signatureFile = sumsFile + ".sig"
	publicFile    = "cosign.pub"
)

// A signer signs as `cosign sign-blob --key` does.
type signer struct{ key *ecdsa.PrivateKey }

// signingKey reads the key that COSIGN_KEY names or is: one of `cosign generate-key-pair`, which COSIGN_PASSWORD opens, or a
// plain one in PEM. Without the variable there is none.
func signingKey(environment func(string) string) (*signer, error) {
	given := environment("COSIGN_KEY")
	if given == "" {
		return nil, nil
	}
	document := []byte(given)
	if !strings.Contains(given, "-----BEGIN ") {
		var err error
		if document, err = os.ReadFile(given); err != nil {
			return nil, fmt.Errorf("COSIGN_KEY: %w", err)
		}
	}
	key, err := parsePrivateKey(document, []byte(environment("COSIGN_PASSWORD")))
	if err != nil {
		return nil, fmt.Errorf("COSIGN_KEY: %w", err)
	}
	return &signer{key}, nil
}

func parsePrivateKey(document, password []byte) (*ecdsa.PrivateKey, error) {
	for {
		var block *pem.Block
		if block, document = pem.Decode(document); block == nil {
			return nil, errors.New("no private key in PEM: make one with cosign generate-key-pair")
		}
		switch block.Type {
		case "ENCRYPTED SIGSTORE PRIVATE KEY", "ENCRYPTED COSIGN PRIVATE KEY":
			plain, err := encrypted.Decrypt(block.Bytes, password)
			if err != nil {
				return nil, fmt.Errorf("%w: is COSIGN_PASSWORD that of the key?", err)
			}
			return parsePKCS8(plain)
		case "PRIVATE KEY":
			return parsePKCS8(block.Bytes)
		case "EC PRIVATE KEY":
			return onlyP256(x509.ParseECPrivateKey(block.Bytes))
		}
	}
}

func parsePKCS8(der []byte) (*ecdsa.PrivateKey, error) {
	parsed, err := x509.ParsePKCS8PrivateKey(der)
	if err != nil {
		return nil, err
	}
	key, _ := parsed.(*ecdsa.PrivateKey)
	return onlyP256(key, nil)
}

func onlyP256(key *ecdsa.PrivateKey, err error) (*ecdsa.PrivateKey, error) {
	if err == nil && (key == nil || key.Curve != elliptic.P256()) {
		err = errors.New("it is not an ECDSA key on the curve P-256, as cosign makes them")
	}
	return key, err
}

// sign returns the base64 of the ASN.1 of an ECDSA signature over the SHA-256. It is the same for the same message (RFC 6979).
func (s *signer) sign(message []byte) ([]byte, error) {
	digest := sha256.Sum256(message)
	signature, err := s.key.Sign(nil, digest[:], crypto.SHA256)
	if err != nil {
		return nil, err
	}
	return base64.StdEncoding.AppendEncode(nil, signature), nil
}

// public returns the public key in PEM.
func (s *signer) public() ([]byte, error) {
	der, err := x509.MarshalPKIXPublicKey(s.key.Public())
	return pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der}), err
}

// writeSums writes the checksums of what is in a folder, and with a key their signature.
func writeSums(dir string, key *signer) error {
	files, err := os.ReadDir(dir)
	if err != nil {
		return err
	}
	var sums strings.Builder
	for _, f := range files {
		content, err := os.ReadFile(filepath.Join(dir, f.Name()))
		if err != nil {
			return err
		}
		fmt.Fprintf(&sums, "%x  %s\n", sha256.Sum256(content), f.Name())
	}
	if err := os.WriteFile(filepath.Join(dir, sumsFile), []byte(sums.String()), 0o644); err != nil || key == nil {
		return err
	}
	signature, err := key.sign([]byte(sums.String()))
	if err != nil {
		return err
	}
	public, err := key.public()
	if err != nil {
		return err
	}
	return errors.Join(os.WriteFile(filepath.Join(dir, signatureFile), signature, 0o644), os.WriteFile(filepath.Join(dir, publicFile), public, 0o644))
}
