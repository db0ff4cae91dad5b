// SPDX-License-Identifier: Apache-2.0

package kubeapi

import (
	"bytes"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"time"

	"k8s.io/client-go/tools/clientcmd"
)

// Issued is what a kubeconfig of NewKubeconfig says of itself: whom it is for, and from when to when.
type Issued struct {
	Server, ServerName, ClusterName string
	From, Until                     time.Time

	ca          []byte
	certificate *x509.Certificate
}

// ReadIssued reads a kubeconfig that NewKubeconfig has made. Another, of an administrator or with a token, is refused.
func ReadIssued(document []byte) (Issued, error) {
	file, err := clientcmd.Load(document)
	if err != nil {
		return Issued{}, err
	}
	var issued Issued
	context := file.Contexts[file.CurrentContext]
	if context == nil || file.Clusters[context.Cluster] == nil || file.AuthInfos[context.AuthInfo] == nil {
		return Issued{}, errors.New("the current context names no cluster and user")
	}
	cluster, user := file.Clusters[context.Cluster], file.AuthInfos[context.AuthInfo]
	issued.Server, issued.ServerName, issued.ClusterName = cluster.Server, cluster.TLSServerName, context.Cluster
	issued.ca = cluster.CertificateAuthorityData
	block, _ := pem.Decode(user.ClientCertificateData)
	if block == nil {
		return Issued{}, errors.New("there is no client certificate in it")
	}
	if issued.certificate, err = x509.ParseCertificate(block.Bytes); err != nil {
		return Issued{}, fmt.Errorf("client certificate: %w", err)
	}
	if name := issued.certificate.Subject.CommonName; name != User {
		return Issued{}, fmt.Errorf("its client certificate is for user %q, not for %s", name, User)
	}
	issued.From, issued.Until = issued.certificate.NotBefore.Add(backdate), issued.certificate.NotAfter
	return issued, nil
}

// Due reports whether the client certificate is to be replaced, and why: less than before is left of its life, or, if before
// is zero, less than a third; or the certificates of the cluster's CA are others than those that the kubeconfig was made with.
func (i Issued) Due(now time.Time, before time.Duration, ca []byte) (why string, due bool) {
	if before == 0 {
		before = i.Until.Sub(i.From) / 3
	}
	switch {
	case !bytes.Equal(bytes.TrimSpace(ca), bytes.TrimSpace(i.ca)):
		return "the certificates of the cluster's CA have changed", true
	case !now.Before(i.Until):
		return "it expired at " + i.Until.UTC().Format(time.RFC3339), true
	case i.Until.Sub(now) < before:
		return "it expires at " + i.Until.UTC().Format(time.RFC3339), true
	default:
		return "", false
	}
}
