// SPDX-License-Identifier: Apache-2.0

package app_test

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

const kubeconfigFile = kubernetes + "/harbinger/kubeconfig"

// makeCA makes a CA as kubeadm does, in a directory.
func makeCA(t *testing.T, dir string) {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "kubernetes"}, NotBefore: time.Now().Add(-time.Hour),
		NotAfter: time.Now().Add(10 * 365 * 24 * time.Hour), IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	for name, block := range map[string]*pem.Block{
		"ca.crt": {Type: "CERTIFICATE", Bytes: der},
		"ca.key": {Type: "RSA PRIVATE KEY", Bytes: x509.MarshalPKCS1PrivateKey(key)},
	} {
		if err := os.WriteFile(filepath.Join(dir, name), pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

func TestKubeconfig(t *testing.T) {
	cleanNode(t)
	makeCA(t, kubernetes+"/pki")
	r := harbinger("", "kubeconfig")
	// There is no administrator and no apiserver yet.
	r.want(t, 0, "Wrote "+kubeconfigFile+", for user harbinger until ", "The permissions could not be applied: no credentials: /etc/kubernetes/admin.conf does not exist",
		"kubectl --kubeconfig /etc/kubernetes/admin.conf apply -f")
	if shipped := readFile(t, "../../../manifests/rbac.yaml"); !strings.HasSuffix(shipped, r.stdout) || !strings.HasPrefix(r.stdout, "apiVersion: ") {
		t.Errorf("stdout is %q, want what is in manifests/rbac.yaml", r.stdout)
	}
	r = harbinger("", "kubeconfig", "--predecessor", "kube-system/plndr-cp-lock")
	_, more, _ := strings.Cut(readFile(t, "../../../manifests/rbac-kube-vip.yaml"), "apiVersion: ")
	if !strings.HasSuffix(r.stdout, "---\napiVersion: "+more) {
		t.Errorf("stdout is %q, want what is in manifests/rbac-kube-vip.yaml at its end", r.stdout)
	}
	harbinger("", "kubeconfig", "--predecessor", "plndr-cp-lock").want(t, 2, `--predecessor: "plndr-cp-lock" is not the namespace and the name of a Lease`)
	document := readFile(t, kubeconfigFile)
	for _, want := range []string{"server: https://127.0.0.1:6443\n", "tls-server-name: kubernetes\n", "certificate-authority-data: ", "client-certificate-data: ", "client-key-data: "} {
		if !strings.Contains(document, want) {
			t.Errorf("%s is %s, want %q in it", kubeconfigFile, document, want)
		}
	}
	for path, want := range map[string]os.FileMode{kubeconfigFile: 0o600, filepath.Dir(kubeconfigFile): 0o700 | os.ModeDir} {
		if info, err := os.Stat(path); err != nil || info.Mode() != want {
			t.Errorf("%s has mode %v (%v), want %v", path, info.Mode(), err, want)
		}
	}
	harbinger("", "kubeconfig").want(t, 0)
	if again := readFile(t, kubeconfigFile); again == document {
		t.Error("a second call has made no new certificate")
	}
}

// What is no regular file is not replaced by credentials.
func TestKubeconfigRefusesOutput(t *testing.T) {
	cleanNode(t)
	makeCA(t, kubernetes+"/pki")
	before, err := os.Stat(os.DevNull)
	if err != nil {
		t.Fatal(err)
	}
	harbinger("", "kubeconfig", "--output", os.DevNull).want(t, 1, "/dev/null is a device, not a regular file")
	harbinger("", "kubeconfig", "--output", kubernetes).want(t, 1, kubernetes+" is a directory, not a regular file")
	if after, err := os.Stat(os.DevNull); err != nil || !os.SameFile(before, after) {
		t.Errorf("%s is %v (%v) now", os.DevNull, after, err)
	}
}

func TestKubeconfigOfAConfiguration(t *testing.T) {
	cleanNode(t)
	dir := t.TempDir()
	makeCA(t, dir)
	const document = `apiVersion: harbinger.dev/v1alpha1
kind: HarbingerConfiguration
virtualAddresses: [192.168.238.100/24]
controlPlane: {apiServerPort: 7443, port: 6443, clusterName: blue}
election: {lease: {kubeconfig: /etc/kubernetes/harbinger/other, namespace: network, name: vip}}
`
	t.Setenv("HARBINGER_CONFIG", document)
	r := harbinger("", "kubeconfig", "--cert-dir", dir, "--apply-rbac=false")
	r.want(t, 0, "Wrote /etc/kubernetes/harbinger/other")
	if !strings.Contains(r.stdout, "namespace: network\n") || !strings.Contains(r.stdout, "resourceNames:\n  - vip\n") {
		t.Errorf("stdout is %q", r.stdout)
	}
	if got := readFile(t, "/etc/kubernetes/harbinger/other"); !strings.Contains(got, "server: https://127.0.0.1:7443\n") || !strings.Contains(got, "name: blue\n") {
		t.Errorf("kubeconfig is %s", got)
	}
	r = harbinger("", "kubeconfig", "--cert-dir", dir, "--apply-rbac=false", "--output", dir+"/k", "--server", "https://[fd00::130]:6443", "--validity", "24h")
	r.want(t, 0, "Wrote "+dir+"/k, for user harbinger until "+time.Now().Add(24*time.Hour).UTC().Format("2006-01-02T"))
	if got := readFile(t, dir+"/k"); !strings.Contains(got, "server: https://[fd00::130]:6443\n") {
		t.Errorf("kubeconfig is %s", got)
	}
}

func TestKubeconfigRefuses(t *testing.T) {
	dir := t.TempDir()
	makeCA(t, dir+"/good")
	makeCA(t, dir+"/external")
	makeCA(t, dir+"/mixed")
	if err := os.Remove(dir + "/external/ca.key"); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(dir+"/mixed/ca.key", dir+"/mixed/old.key"); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(dir+"/mixed/ca.key", []byte(readFile(t, dir+"/good/ca.key")), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, tt := range map[string]struct {
		code int
		args []string
		want string
	}{
		"no CA":               {1, nil, "/etc/kubernetes/pki/ca.crt does not exist: run this command after kubeadm has made the CA"},
		"external CA":         {1, []string{"--cert-dir", dir + "/external"}, "/external/ca.key does not exist: run this command on a node that has the key"},
		"key of another CA":   {1, []string{"--cert-dir", dir + "/mixed"}, "none belongs to the key of the CA: name the directory of the cluster's CA with --cert-dir"},
		"directory is a file": {1, []string{"--cert-dir", dir + "/good", "--output", dir + "/good/ca.crt/kubeconfig"}, dir + "/good/ca.crt"},
		"not a URL":           {2, []string{"--cert-dir", dir + "/good", "--server", "127.0.0.1:6443"}, "--server: "},
		"plain HTTP":          {2, []string{"--cert-dir", dir + "/good", "--server", "http://127.0.0.1:6443"}, "--server: "},
		"no validity":         {2, []string{"--cert-dir", dir + "/good", "--validity", "0s"}, "--validity: "},
		"missing file":        {2, []string{"--cert-dir", dir + "/good", "--config", dir + "/none"}, "--config: open " + dir + "/none"},
		"argument":            {2, []string{"now"}, "takes no argument, but \"now\" was given"},
	} {
		t.Run(name, func(t *testing.T) {
			cleanNode(t)
			r := harbinger("", append([]string{"kubeconfig"}, tt.args...)...)
			r.want(t, tt.code, "error: ", tt.want)
			if files := written(t); len(files) > 0 || r.stdout != "" {
				t.Errorf("files written: %v; stdout: %q", files, r.stdout)
			}
		})
	}
}
