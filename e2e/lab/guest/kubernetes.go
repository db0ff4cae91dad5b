// SPDX-License-Identifier: Apache-2.0

package guest

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"

	"github.com/harbinger-ha/harbinger/e2e/lab"
)

// Kubernetes is a cluster of the real programs: an etcd member on each of some hosts, and on the same host an API server
// that uses this member alone, as kubeadm sets them up.
type Kubernetes struct {
	// Directory has etcd, etcdctl, kube-apiserver and kubectl.
	Directory string
	Authority *Authority
	// Members are the hosts with an etcd.
	Members []*lab.Host
	// Addresses are those by which clients reach the API servers, in addition to the hosts' own.
	Addresses []netip.Addr

	serviceAccountKey string
}

// NewKubernetes returns a cluster that does not run yet.
func NewKubernetes(directory string, authority *Authority, members []*lab.Host, addresses ...netip.Addr) (*Kubernetes, error) {
	k := &Kubernetes{Directory: directory, Authority: authority, Members: members, Addresses: addresses}
	for _, name := range []string{"etcd", "kube-apiserver"} {
		if _, err := os.Stat(k.Program(name)); err != nil {
			return nil, fmt.Errorf("find the programs of a cluster: %w", err)
		}
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	k.serviceAccountKey, err = encodeKey(key)
	return k, err
}

// Program returns the path of one of the programs.
func (k *Kubernetes) Program(name string) string { return filepath.Join(k.Directory, name) }

// pkiDirectory is where kubeadm puts keys and certificates.
const pkiDirectory = "/etc/kubernetes/pki/"

// The keys and certificates of a host. A file with both serves where either is asked for.
const (
	caKeyFile             = pkiDirectory + "ca.key"
	etcdFile              = pkiDirectory + "etcd/server.pem"
	etcdClientFile        = pkiDirectory + "apiserver-etcd-client.pem"
	serviceAccountKeyFile = pkiDirectory + "sa.key"
	auditPolicyFile       = "/etc/kubernetes/audit-policy.yaml"
)

// Prepare writes the keys and certificates of a host, on which no etcd has stored anything.
func (k *Kubernetes) Prepare(h *lab.Host) error {
	if err := k.EraseEtcd(h); err != nil {
		return err
	}
	etcd := server("etcd", h)
	etcd.usages = append(etcd.usages, x509.ExtKeyUsageClientAuth) // between members, and of a member with itself
	apiserver := server("kube-apiserver", h, k.Addresses...)
	client := identity{name: "kube-apiserver-etcd-client", usages: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}}
	for path, id := range map[string]identity{etcdFile: etcd, certificateFile: apiserver, etcdClientFile: client} {
		content, err := k.Authority.issue(id)
		if err != nil {
			return err
		}
		if err := h.WriteFile(path, content); err != nil {
			return err
		}
	}
	key, err := k.Authority.KeyPEM()
	if err != nil {
		return err
	}
	for path, content := range map[string]string{
		CAFile:                k.Authority.PEM(),
		caKeyFile:             key,
		serviceAccountKeyFile: k.serviceAccountKey,
		auditPolicyFile:       auditPolicy,
	} {
		if err := h.WriteFile(path, content); err != nil {
			return err
		}
	}
	return nil
}
