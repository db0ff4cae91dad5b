// SPDX-License-Identifier: Apache-2.0

//go:build apiserver

package kubeapi_test

import (
	"crypto/tls"
	"net/http"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"

	"github.com/harbinger-ha/harbinger/e2e/lab"
	"github.com/harbinger-ha/harbinger/e2e/lab/guest"
	"github.com/harbinger-ha/harbinger/e2e/lab/labtest"
	"github.com/harbinger-ha/harbinger/pkg/kubeapi"
)

// The goroutines of a client are on no host of a lab: so the whole program is one.
func TestMain(m *testing.M) { os.Exit(lab.MainInHost(func() int { return runTests(m) })) }

// binariesVariable names the directory with etcd, kube-apiserver and kubectl.
const binariesVariable = "HARBINGER_KUBE_BINARIES"

// startTimeout is for an apiserver on a busy machine.
const startTimeout = 3 * time.Minute

// apiserverPort is that of every apiserver.
const apiserverPort = 6443

// plane is real apiservers and etcd members on the hosts of a lab.
type plane struct {
	*guest.Kubernetes
	dir        string
	apiservers []*lab.Process
	admin      string // kubeconfig of an administrator
}

func startPlane(t *testing.T, n int) *plane {
	t.Helper()
	l := labtest.New(t, lab.Config{Nodes: n})
	hosts := slices.Clone(l.Hosts())
	_, err := l.AddSelf("client", 200)
	must(t, err)
	ca, err := guest.NewAuthority()
	must(t, err)
	cluster, err := guest.NewKubernetes(os.Getenv(binariesVariable), ca, hosts)
	must(t, err)
	p := &plane{Kubernetes: cluster, dir: t.TempDir()}
	for _, h := range hosts {
		must(t, cluster.Prepare(h))
		etcd, err := cluster.StartEtcd(h)
		must(t, err)
		show(t, h, etcd)
	}
	for _, h := range hosts {
		apiserver, err := cluster.StartAPIServer(h, apiserverPort)
		must(t, err)
		show(t, h, apiserver)
		p.apiservers = append(p.apiservers, apiserver)
	}
	for _, address := range p.addresses() {
		waitReady(t, address)
	}
	admin, err := ca.User("kubernetes-admin", "system:masters")
	must(t, err)
	p.admin = p.write(t, "admin.conf", []byte(admin.Kubeconfig(p.server())))
	return p
}

// show prints the end of what a process has written if the test fails.
func show(t *testing.T, h *lab.Host, process *lab.Process) {
	t.Cleanup(func() {
		if written := process.Output(); t.Failed() {
			t.Logf("%s:\n%s", h.Name, written[max(0, len(written)-4000):])
		}
	})
}

func (p *plane) write(t *testing.T, name string, content []byte) (file string) {
	t.Helper()
	file = filepath.Join(p.dir, name)
	must(t, os.WriteFile(file, content, 0o600))
	return file
}

func (p *plane) addresses() []netip.AddrPort {
	var all []netip.AddrPort
	for _, h := range p.Members {
		all = append(all, netip.AddrPortFrom(h.Address.Addr(), apiserverPort))
	}
	return all
}

// server returns where the first apiserver is.
func (p *plane) server() string { return "https://" + p.addresses()[0].String() }

func waitReady(t *testing.T, address netip.AddrPort) {
	t.Helper()
	transport := &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}}
	defer transport.CloseIdleConnections()
	client := &http.Client{Transport: transport, Timeout: time.Second}
	labtest.Until(t, startTimeout, "the apiserver is ready", func() bool {
		r, err := client.Get("https://" + address.String() + "/readyz")
		if err != nil {
			return false
		}
		r.Body.Close()
		return r.StatusCode == http.StatusOK
	})
}

// kubeconfig returns what the command harbinger kubeconfig would have written.
func (p *plane) kubeconfig(t *testing.T) string {
	t.Helper()
	key, err := p.Authority.KeyPEM()
	must(t, err)
	document, _, err := kubeapi.NewKubeconfig(kubeapi.KubeconfigOptions{
		CACertificate: []byte(p.Authority.PEM()), CAKey: []byte(key), Server: p.server(), ServerName: "kubernetes",
		ClusterName: "kubernetes", Now: time.Now(), Validity: time.Hour,
	})
	must(t, err)
	return p.write(t, "kubeconfig", document)
}

// client returns a plain client of the first apiserver with the credentials of a kubeconfig.
func (p *plane) client(t *testing.T, kubeconfig string) *rest.RESTClient {
	t.Helper()
	config, err := clientcmd.BuildConfigFromFlags("", kubeconfig)
	must(t, err)
	tlsConfig, err := rest.TLSConfigFor(config)
	must(t, err)
	transport := &http.Transport{TLSClientConfig: tlsConfig, ForceAttemptHTTP2: true}
	t.Cleanup(transport.CloseIdleConnections)
	config.NegotiatedSerializer = codecs().WithoutConversion()
	client, err := rest.UnversionedRESTClientForConfigAndClient(config, &http.Client{Transport: transport})
	must(t, err)
	return client
}
