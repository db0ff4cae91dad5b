// SPDX-License-Identifier: Apache-2.0

package sidecar_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"io"
	"log"
	"math/big"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sys/unix"
	"k8s.io/apimachinery/pkg/api/meta"

	"github.com/harbinger-ha/harbinger/e2e/lab/labtest"
	"github.com/harbinger-ha/harbinger/pkg/apis/status/v1alpha1"
)

// newCertificate returns a certificate for example.com that is its own CA, also as PEM.
func newCertificate(t *testing.T) (*tls.Certificate, string) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	labtest.Must(t, err)
	template := &x509.Certificate{
		SerialNumber: big.NewInt(time.Now().UnixNano()), NotAfter: time.Now().Add(time.Hour), DNSNames: []string{"example.com"},
		IsCA: true, BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	labtest.Must(t, err)
	return &tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}))
}

// serveWith answers at the port of the apiserver with the certificate of the moment, over a new connection each time. It counts
// the answers.
func serveWith(t *testing.T, certificate *atomic.Pointer[tls.Certificate], answers *atomic.Int32) {
	t.Helper()
	ln, err := net.Listen("tcp", ":6443")
	labtest.Must(t, err)
	server := &http.Server{Handler: http.HandlerFunc(func(http.ResponseWriter, *http.Request) { answers.Add(1) }), ErrorLog: log.New(io.Discard, "", 0)}
	server.SetKeepAlivesEnabled(false)
	served := make(chan error, 1)
	go func() { // ends with the server
		served <- server.Serve(tls.NewListener(ln, &tls.Config{
			GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) { return certificate.Load(), nil },
		}))
	}()
	t.Cleanup(func() {
		_ = server.Close()
		<-served
	})
}

// mount gives the pod a file or a directory of the host.
func mount(t *testing.T, host, pod string) {
	t.Helper()
	labtest.Must(t, unix.Mount(host, pod, "", unix.MS_BIND, ""))
	t.Cleanup(func() { labtest.Must(t, unix.Unmount(pod, unix.MNT_DETACH)) })
}

// The CA of the cluster is replaced by a rename, then the apiserver has a certificate of the new one. A pod that mounts the
// directory trusts it; one of an older manifest, which mounts the
// file, notices that it cannot, and goes on without asking the old CA.
func TestCAIsReplaced(t *testing.T) {
	for _, file := range []bool{false, true} {
		t.Run(map[bool]string{false: "directory", true: "file"}[file], func(t *testing.T) {
			first, firstPEM := newCertificate(t)
			second, secondPEM := newCertificate(t)
			var certificate atomic.Pointer[tls.Certificate]
			certificate.Store(first)
			var answers atomic.Int32
			serveWith(t, &certificate, &answers)
			host, pod := t.TempDir(), t.TempDir()
			onHost, inPod := filepath.Join(host, "ca.crt"), filepath.Join(pod, "ca.crt")
			labtest.Must(t, os.WriteFile(onHost, []byte(firstPEM), 0o600))
			if file {
				labtest.Must(t, os.WriteFile(inPod, nil, 0o600))
				mount(t, onHost, inPod)
			} else {
				mount(t, host, pod)
			}
			k := start(t, oneAddress+strings.Replace(body("VRRP", ""), "healthCheck: {", "healthCheck: {caFile: "+inPod+", ", 1))
			k.until("this node holds the address and trusts the apiserver", active)

			labtest.Must(t, os.WriteFile(onHost+".new", []byte(firstPEM+secondPEM), 0o600))
			labtest.Must(t, os.Rename(onHost+".new", onHost))
			stale := func(s v1alpha1.HarbingerStatus) bool {
				c := meta.FindStatusCondition(s.Conditions, v1alpha1.ConditionFilesCurrent)
				return c != nil && c.Reason == "FileReplaced" && strings.Contains(c.Message, inPod)
			}
			if file {
				k.untilLogged("File replaced on the host")
				k.until("the status says so", stale)
			}
			certificate.Store(second)
			// The checks go on over new connections, of which none is answered without trust.
			answers.Store(0)
			const checks = 6
			k.until("the apiserver is healthy in every check", func(s v1alpha1.HarbingerStatus) bool {
				if !active(s) || s.Balancer.Backends[0].Failures > 0 || stale(s) != file {
					t.Fatalf("the new certificate is not trusted: %+v", s)
				}
				return answers.Load() > checks
			})
			if code, body := get("/livez"); code != http.StatusOK {
				t.Errorf("the holder, which waits for the others, fails liveness: %s", body)
			}
		})
	}
}
