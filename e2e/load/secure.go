// SPDX-License-Identifier: Apache-2.0

package load

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"math/big"
	"net"
	"net/netip"
	"os"
	"sync"
	"time"

	"github.com/harbinger-ha/harbinger/e2e/lab"
)

// SecurePort is where the backends serve TLS.
const SecurePort = 6444

// SecureBackendRole is a backend that answers one request of each connection, by TLS. The program must know it; see [lab.Main].
var SecureBackendRole = lab.Role{Name: "load-secure-backend", Main: func([]string) int {
	fmt.Fprintln(os.Stderr, "backend:", serveSecurely(netip.AddrPortFrom(netip.IPv4Unspecified(), SecurePort)))
	return 1
}}

// StartSecureBackend runs a backend with TLS in a host, and returns once it listens.
func StartSecureBackend(h *lab.Host) (*lab.Process, error) {
	command := SecureBackendRole.Command()
	command.Env = append(command.Env, ordinary...)
	return startListening(h, command)
}

// serveSecurely answers connections to an address, until that fails.
func serveSecurely(address netip.AddrPort) error {
	certificate, err := selfSigned()
	if err != nil {
		return err
	}
	ln, err := net.ListenTCP("tcp4", net.TCPAddrFromAddrPort(address))
	if err != nil {
		return err
	}
	config := &tls.Config{Certificates: []tls.Certificate{certificate}, SessionTicketsDisabled: true}
	fmt.Println(listening)
	for {
		conn, err := ln.Accept()
		if err != nil {
			return err
		}
		// Ends with the connection.
		go answerSecurely(tls.Server(conn, config))
	}
}

// answerSecurely answers one request. Whoever closes before is no error: a health check does.
func answerSecurely(conn net.Conn) {
	defer conn.Close()
	if _, err := io.ReadFull(conn, make([]byte, requestSize)); err != nil {
		return
	}
	if _, err := conn.Write(make([]byte, answerSize)); err == nil {
		_, _ = io.Copy(io.Discard, conn) // until the client closes
	}
}

// selfSigned returns a certificate with a key as kubeadm makes them since it may choose: ECDSA over P-256.
func selfSigned() (tls.Certificate, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return tls.Certificate{}, err
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), DNSNames: []string{"backend"}, NotAfter: time.Now().Add(24 * time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, err
}

// A secureClient makes connections with TLS, each with a handshake in full.
type secureClient struct {
	job    Job
	config *tls.Config
	end    chan struct{} // closed when it is over

	mu     sync.Mutex
	counts counts
}

func newSecureClient(j Job) *secureClient {
	return &secureClient{
		job: j, end: make(chan struct{}), counts: counts{samples: newSamples()},
		// The client does what a handshake needs, and leaves out the chain of certificates: that is the same for every plane.
		config: &tls.Config{InsecureSkipVerify: true, ServerName: "backend", CurvePreferences: []tls.CurveID{tls.CurveP256}},
	}
}

// until lets things happen until a time.
func (c *secureClient) until(end time.Duration) { time.Sleep(end - now()) }

// start begins the connections, and returns what ends them.
func (c *secureClient) start() (stop func()) {
	var running sync.WaitGroup
	for i := range c.job.Parallel {
		running.Go(func() { c.repeat(i) })
	}
	return func() {
		close(c.end)
		running.Wait()
	}
}

// repeat makes one connection after the other.
func (c *secureClient) repeat(first int) {
	for i := first; ; i++ {
		began := now()
		err := c.once(c.job.Targets[i%len(c.job.Targets)])
		c.mu.Lock()
		c.counts.add(now()-began, err)
		c.mu.Unlock()
		pause := time.Duration(0)
		if err != nil {
			pause = again
		}
		select {
		case <-c.end:
			return
		case <-time.After(pause):
		}
	}
}

func (c *secureClient) once(to netip.AddrPort) error {
	conn, err := net.DialTCP("tcp4", nil, net.TCPAddrFromAddrPort(to))
	if err != nil {
		return err
	}
	defer conn.Close()
	session := tls.Client(conn, c.config)
	if _, err := session.Write(make([]byte, requestSize)); err != nil {
		return err
	}
	_, err = io.ReadFull(session, make([]byte, answerSize))
	return err
}

// take returns what was counted since the last take.
func (c *secureClient) take() counts {
	c.mu.Lock()
	defer c.mu.Unlock()
	taken := c.counts
	c.counts = counts{samples: newSamples()}
	return taken
}
