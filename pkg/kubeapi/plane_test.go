// SPDX-License-Identifier: Apache-2.0

//go:build apiserver

package kubeapi_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"net/http"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"

	"github.com/harbinger-ha/harbinger/e2e/lab"
	"github.com/harbinger-ha/harbinger/pkg/kubeapi"
)

// binariesVariable names the directory with etcd, kube-apiserver and kubectl.
const binariesVariable = "HARBINGER_KUBE_BINARIES"

// startTimeout is for an apiserver on a busy machine.
const startTimeout = 3 * time.Minute

// plane is an etcd and real apiservers on loopback.
type plane struct {
	dir        string
	binaries   string
	ca, caKey  []byte // PEM
	apiservers []*apiserver
	admin      string // kubeconfig of an administrator
}

type apiserver struct {
	address netip.AddrPort
	// advertised is where it says it is. Nothing is there.
	advertised netip.AddrPort
	process    *os.Process
}

func startPlane(t *testing.T, n int) *plane {
	t.Helper()
	p := &plane{dir: t.TempDir(), binaries: os.Getenv(binariesVariable)}
	if p.binaries == "" {
		t.Fatalf("%s names no directory with etcd, kube-apiserver and kubectl", binariesVariable)
	}
	p.ca, p.caKey = newCA(t, time.Now().Add(24*time.Hour))
	p.write(t, "ca.crt", p.ca)
	etcd := "http://" + freeAddress(t).String()
	peer := "http://" + freeAddress(t).String()
	p.start(t, "etcd", "--data-dir", filepath.Join(p.dir, "etcd"), "--unsafe-no-fsync", "--log-level", "error",
		"--listen-client-urls", etcd, "--advertise-client-urls", etcd, "--listen-peer-urls", peer,
		"--initial-advertise-peer-urls", peer, "--initial-cluster", "default="+peer)
	p.issue(t, "server", "kube-apiserver", "", x509.ExtKeyUsageServerAuth)
	p.issue(t, "admin", "kubernetes-admin", "system:masters", x509.ExtKeyUsageClientAuth)
	port := freeAddress(t).Port() // one for all: the Service has one
	for i := range n {
		a := &apiserver{
			address:    netip.AddrPortFrom(netip.AddrFrom4([4]byte{127, 0, 0, byte(1 + i)}), port),
			advertised: netip.AddrPortFrom(netip.AddrFrom4([4]byte{192, 0, 2, byte(1 + i)}), port),
		}
		p.apiservers = append(p.apiservers, a)
		a.process = p.start(t, "kube-apiserver", "--etcd-servers", etcd, "--bind-address", a.address.Addr().String(),
			"--secure-port", fmt.Sprint(a.address.Port()), "--advertise-address", a.advertised.Addr().String(),
			"--client-ca-file", p.file("ca.crt"), "--tls-cert-file", p.file("server.crt"), "--tls-private-key-file", p.file("server.key"),
			"--authorization-mode", "RBAC", "--service-cluster-ip-range", "10.96.0.0/16", "--profiling=false",
			"--service-account-issuer", "https://kubernetes.default.svc", "--service-account-key-file", p.file("server.key"),
			"--service-account-signing-key-file", p.file("server.key"))
		p.waitReady(t, a)
	}
	p.admin = p.file("admin.conf")
	p.write(t, "admin.conf", fmt.Appendf(nil, `apiVersion: v1
kind: Config
clusters: [{name: c, cluster: {certificate-authority: ca.crt, server: "https://%s", tls-server-name: kubernetes}}]
users: [{name: u, user: {client-certificate: admin.crt, client-key: admin.key}}]
contexts: [{name: x, context: {cluster: c, user: u}}]
current-context: x
`, p.apiservers[0].address))
	return p
}

func (p *plane) file(name string) string { return filepath.Join(p.dir, name) }

func (p *plane) write(t *testing.T, name string, content []byte) {
	t.Helper()
	if err := os.WriteFile(p.file(name), content, 0o600); err != nil {
		t.Fatal(err)
	}
}

func freeAddress(t *testing.T) netip.AddrPort {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	return netip.MustParseAddrPort(ln.Addr().String())
}

// start runs a program until the test ends. What it has written is shown if the test fails.
func (p *plane) start(t *testing.T, name string, args ...string) *os.Process {
	t.Helper()
	out, err := os.CreateTemp(p.dir, name+"-*.log")
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(filepath.Join(p.binaries, name), args...)
	cmd.Stdout, cmd.Stderr = out, out
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait() // it was killed
		out.Close()
		if written, err := os.ReadFile(out.Name()); t.Failed() && err == nil {
			t.Logf("%s:\n%s", name, written[max(0, len(written)-4000):])
		}
	})
	return cmd.Process
}

// issue makes a certificate and its key.
func (p *plane) issue(t *testing.T, file, name, group string, usage x509.ExtKeyUsage) {
	t.Helper()
	pair, err := tls.X509KeyPair(p.ca, p.caKey)
	if err != nil {
		t.Fatal(err)
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(time.Now().UnixNano()), Subject: pkix.Name{CommonName: name}, DNSNames: []string{"kubernetes"},
		NotBefore: time.Now().Add(-time.Minute), NotAfter: time.Now().Add(time.Hour), ExtKeyUsage: []x509.ExtKeyUsage{usage},
	}
	if group != "" {
		template.Subject.Organization = []string{group}
	}
	der, err := x509.CreateCertificate(rand.Reader, template, pair.Leaf, key.Public(), pair.PrivateKey)
	if err != nil {
		t.Fatal(err)
	}
	keyDER, err := x509.MarshalECPrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	p.write(t, file+".crt", pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}))
	p.write(t, file+".key", pem.EncodeToMemory(&pem.Block{Type: "EC PRIVATE KEY", Bytes: keyDER}))
}

func (p *plane) waitReady(t *testing.T, a *apiserver) {
	t.Helper()
	transport := &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}}
	defer transport.CloseIdleConnections()
	client := &http.Client{Transport: transport, Timeout: time.Second}
	err := lab.Until(startTimeout, "the apiserver is ready", func() bool {
		r, err := client.Get("https://" + a.address.String() + "/readyz")
		if err != nil {
			return false
		}
		r.Body.Close()
		return r.StatusCode == http.StatusOK
	})
	if err != nil {
		t.Fatal(err)
	}
}

// kubeconfig returns what the command harbinger kubeconfig would have written.
func (p *plane) kubeconfig(t *testing.T) string {
	t.Helper()
	document, _, err := kubeapi.NewKubeconfig(kubeapi.KubeconfigOptions{
		CACertificate: p.ca, CAKey: p.caKey, Server: "https://" + p.apiservers[0].address.String(), ServerName: "kubernetes",
		ClusterName: "kubernetes", Now: time.Now(), Validity: time.Hour,
	})
	if err != nil {
		t.Fatal(err)
	}
	p.write(t, "kubeconfig", document)
	return p.file("kubeconfig")
}

func (p *plane) addresses() []netip.AddrPort {
	var all []netip.AddrPort
	for _, a := range p.apiservers {
		all = append(all, a.address)
	}
	return all
}

// client returns a plain client of the first apiserver with the credentials of a kubeconfig.
func (p *plane) client(t *testing.T, kubeconfig string) *rest.RESTClient {
	t.Helper()
	config, err := clientcmd.BuildConfigFromFlags("", kubeconfig)
	if err != nil {
		t.Fatal(err)
	}
	tlsConfig, err := rest.TLSConfigFor(config)
	if err != nil {
		t.Fatal(err)
	}
	transport := &http.Transport{TLSClientConfig: tlsConfig, ForceAttemptHTTP2: true}
	t.Cleanup(transport.CloseIdleConnections)
	config.NegotiatedSerializer = codecs().WithoutConversion()
	client, err := rest.UnversionedRESTClientForConfigAndClient(config, &http.Client{Transport: transport})
	if err != nil {
		t.Fatal(err)
	}
	return client
}
