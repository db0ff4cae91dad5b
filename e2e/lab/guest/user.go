// SPDX-License-Identifier: Apache-2.0

package guest

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"fmt"
	"net/http"
	"time"

	"github.com/harbinger-ha/harbinger/e2e/lab"
)

// A User is a user whom the API servers know by a certificate.
type User struct {
	name        string
	certificate string
	authority   *Authority
}

// User returns a new user. The group "system:masters" may do everything.
func (a *Authority) User(name string, groups ...string) (*User, error) {
	certificate, err := a.issue(identity{
		name: name, groups: groups, usages: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
	})
	if err != nil {
		return nil, err
	}
	return &User{name, certificate, a}, nil
}

// Kubeconfig returns the file by which a client speaks for the user. The server's certificate has to be for the name
// "kubernetes".
func (u *User) Kubeconfig(server string) string {
	encode := func(text string) string { return base64.StdEncoding.EncodeToString([]byte(text)) }
	return fmt.Sprintf(`apiVersion: v1
kind: Config
clusters:
- name: kubernetes
  cluster:
    server: %s
    tls-server-name: kubernetes
    certificate-authority-data: %s
users:
- name: %s
  user:
    client-certificate-data: %[4]s
    client-key-data: %[4]s
contexts:
- name: default
  context: {cluster: kubernetes, user: %[3]s}
current-context: default
`, server, encode(u.authority.PEM()), u.name, encode(u.certificate))
}

// Client returns a client that speaks for the user and works on a host. Each of its requests has a connection of its own.
func (u *User) Client(h *lab.Host, timeout time.Duration) (*http.Client, error) {
	pair, err := tls.X509KeyPair([]byte(u.certificate), []byte(u.certificate))
	if err != nil {
		return nil, err
	}
	return &http.Client{
		Timeout: timeout,
		Transport: &http.Transport{
			DialContext:       h.Dial,
			DisableKeepAlives: true,
			TLSClientConfig: &tls.Config{
				RootCAs:      u.authority.Pool(),
				Certificates: []tls.Certificate{pair},
				ServerName:   serverNames[0],
			},
		},
	}, nil
}
