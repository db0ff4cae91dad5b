// SPDX-License-Identifier: Apache-2.0

package sidecar_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"io"
	"log"
	"math/big"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"

	"github.com/harbinger-ha/harbinger/e2e/lab/labtest"
	"github.com/harbinger-ha/harbinger/pkg/apis/status/v1alpha1"
)

// discovers is the end of a configuration that asks the API for backends.
const discovers = "loadBalancer: {discovery: true}\n"

// Whoever may write the EndpointSlice names 3,000 addresses, some of which lead back here: the balancer takes 64, the rest is
// reported, and clients are served all the time.
func TestThreeThousandEndpoints(t *testing.T) {
	api := serveAPI(t)
	k := start(t, oneAddress+body("VRRP", "")+discovers)
	k.until("this node holds the address, and its backend is discovered", func(s v1alpha1.HarbingerStatus) bool {
		return active(s) && len(s.Balancer.Backends) == 1 && s.Balancer.Backends[0].Healthy
	})
	before := status().Balancer
	named := []string{vip4.Addr().String(), "127.0.0.1", "0.0.0.0"}
	for i := len(named); i < 3000; i++ {
		named = append(named, fmt.Sprintf("10.%d.%d.1", i/200, i%200))
	}
	api.name(named...)
	k.until("64 backends are there", func(s v1alpha1.HarbingerStatus) bool { return len(s.Balancer.Backends) == 64 })
	s := status()
	condition := meta.FindStatusCondition(s.Conditions, v1alpha1.ConditionBackendsLeftOut)
	if s.Balancer.LeftOut != 3001-64 || condition == nil || condition.Status != "True" || !strings.Contains(condition.Message, "is a virtual address") {
		t.Errorf("%d are left out: %+v", s.Balancer.LeftOut, condition)
	}
	k.until("each has a verdict", func(s v1alpha1.HarbingerStatus) bool {
		for _, b := range s.Balancer.Backends {
			if b.State == "Unknown" {
				return false
			}
		}
		return true
	})
	wantServed(t, netip.AddrPortFrom(vip4.Addr(), 4300))
	if after := status(); after.Balancer.PID != before.PID || after.Balancer.Restarts != 0 || !active(after) {
		t.Errorf("balancer %d was replaced by %d, started again %d times; state %s, not ready: %s",
			before.PID, after.Balancer.PID, after.Balancer.Restarts, after.VirtualRouter.State, after.NotReady)
	}
	k.untilLogged("Backends left out")
	api.name()
	k.until("only the apiserver is left", func(s v1alpha1.HarbingerStatus) bool { return len(s.Balancer.Backends) == 1 && s.Balancer.LeftOut == 0 })
}

// A host that the EndpointSlice names is no peer: its advertisements count only when it has answered with a certificate of the
// cluster's CA for its address.
func TestDiscoveredHostProvesItself(t *testing.T) {
	api := serveAPI(t)
	certificate, ca := certificateOf(t, peer.Address.Addr())
	k := start(t, oneAddress+body("VRRP", ", peers: [192.168.238.130, 192.168.238.140]")+discovers)
	k.until("this node holds the address", active)
	api.name(peer.Address.Addr().String())
	k.until("the other host is a backend", func(s v1alpha1.HarbingerStatus) bool { return len(s.Balancer.Backends) == 2 })
	advertiseTo(t, self.Address.Addr(), 250)
	refused := func() uint64 { return status().VirtualRouter.Dropped["source"].Count }
	k.until("its advertisements are refused", func(v1alpha1.HarbingerStatus) bool { return refused() > 2 })

	serveOnPeer(t, certificate) // which nobody trusts yet
	so := refused()
	k.until("more of them are", func(v1alpha1.HarbingerStatus) bool { return refused() > so+5 })
	if s := status(); !active(s) || s.Balancer.Backends[1].Proved {
		t.Errorf("an unproved host counts: %+v", s.VirtualRouter)
	}
	trusted, err := self.ReadFile("/etc/kubernetes/pki/ca.crt")
	labtest.Must(t, err)
	labtest.Must(t, self.WriteFile("/etc/kubernetes/pki/ca.crt", trusted+ca))
	k.until("a peer that has proved itself is obeyed", func(s v1alpha1.HarbingerStatus) bool { return s.VirtualRouter.State == "Backup" })
	k.untilLogged("Discovered peers proved")
}

// certificateOf returns a certificate for an address and for example.com that is its own CA, also as PEM.
func certificateOf(t *testing.T, address netip.Addr) (*tls.Certificate, string) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	labtest.Must(t, err)
	template := &x509.Certificate{
		SerialNumber: big.NewInt(time.Now().UnixNano()), NotAfter: time.Now().Add(time.Hour), DNSNames: []string{"example.com"},
		IPAddresses: []net.IP{address.AsSlice()}, IsCA: true, BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	labtest.Must(t, err)
	return &tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}))
}

// serveOnPeer answers on the other host as a ready apiserver, until the test ends.
func serveOnPeer(t *testing.T, certificate *tls.Certificate) {
	t.Helper()
	ln, err := peer.Listen(netip.AddrPortFrom(peer.Address.Addr(), 6443).String())
	labtest.Must(t, err)
	server := &http.Server{Handler: http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}), ErrorLog: log.New(io.Discard, "", 0)}
	served := make(chan error, 1)
	go func() { // ends with the server
		served <- server.Serve(tls.NewListener(ln, &tls.Config{Certificates: []tls.Certificate{*certificate}}))
	}()
	t.Cleanup(func() {
		_ = server.Close()
		<-served
	})
}
