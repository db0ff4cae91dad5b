// SPDX-License-Identifier: Apache-2.0

package trial

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"net/http"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/harbinger-ha/harbinger/e2e/fault"
	"github.com/harbinger-ha/harbinger/e2e/lab/guest"
	"github.com/harbinger-ha/harbinger/e2e/lab/watch"
	"github.com/harbinger-ha/harbinger/e2e/promise"
)

func TestWithoutBackendConnectionsAreRefusedAtOnce(t *testing.T) {
	t.Parallel()
	p := startPlane(t, Config{System: harbinger})
	for _, n := range p.Nodes {
		must(t, n.APIServer.Kill())
	}
	until(t, p, 5*time.Second, "the node that connects is refused", func() bool {
		_, err := connect(p)
		return errors.Is(err, syscall.ECONNREFUSED)
	})
	for range 20 {
		if took, err := connect(p); !errors.Is(err, syscall.ECONNREFUSED) || took > 100*time.Millisecond {
			t.Errorf("connection without a backend: %v after %v, want refused within 100ms", err, took)
		}
	}
	for _, n := range p.Nodes {
		must(t, p.StartAPIServer(n))
	}
	must(t, p.Settle())
}

// TestNotReadyEverywhereIsServed does to the API servers what an outage of etcd does, one after the other: on a port of its own the
// balancer goes on with them, and the address stays.
func TestNotReadyEverywhereIsServed(t *testing.T) {
	t.Parallel()
	p := startPlane(t, Config{System: harbinger})
	before, err := p.Holder()
	must(t, err)
	for _, n := range p.Nodes {
		must(t, n.APIServer.Signal(syscall.Signal(guest.NotReady)))
		<-time.After(300 * time.Millisecond) // the nodes learn of it at different times
	}
	for _, n := range p.Nodes {
		until(t, p, 10*time.Second, n.Name+" is degraded, and ready", func() bool {
			_, metrics := get(t, n, "/metrics")
			code, _ := get(t, n, "/readyz")
			return strings.Contains(metrics, "harbinger_balancer_degraded 1") && code == http.StatusOK
		})
	}
	client := http.Client{Timeout: 2 * time.Second, Transport: &http.Transport{
		DialContext: p.clientHost.Dial, DisableKeepAlives: true, TLSClientConfig: &tls.Config{InsecureSkipVerify: true},
	}}
	for end := time.Now().Add(5 * time.Second); time.Now().Before(end); <-time.After(50 * time.Millisecond) {
		answer, err := client.Get("https://" + p.Endpoint().String() + "/readyz")
		if err != nil {
			t.Fatalf("while no API server is ready: %v", err)
		}
		answer.Body.Close()
	}
	if after, err := p.Holder(); err != nil || after != before {
		t.Errorf("the address moved: %v, %v", after, err)
	}
	for _, n := range p.Nodes {
		must(t, n.APIServer.Signal(syscall.Signal(guest.Ready)))
	}
	must(t, p.Settle())
	if after, err := p.Holder(); err != nil || after != before {
		t.Errorf("the address moved when the API servers were ready again: %v, %v", after, err)
	}
}

// connect makes one connection through the address, and returns how long it took to be made or refused.
func connect(p *Plane) (took time.Duration, err error) {
	err = p.clientHost.Do(func() error {
		start := time.Now() // on the host: the way there is no part of the connection
		conn, err := net.DialTimeout("tcp", p.Endpoint().String(), time.Second)
		took = p.Control.Between(start, time.Now())
		if err != nil {
			return err
		}
		return conn.Close()
	})
	return took, err
}

func TestDeathOfABackendFailsFewConnections(t *testing.T) {
	t.Parallel()
	p := startPlane(t, Config{System: harbinger})
	// The bench does it at 500 connections per second. The race detector makes a handshake cost milliseconds: 200 of them
	// are all that two cores can do, and then it is the machine that fails.
	available, outage, err := p.LoseBackend(100, 5*time.Second, fault.APIServerDies)
	must(t, err)
	t.Logf("%d of %d connections failed, the longest outage was %v", available.Failed(), available.Requests, outage)
	if share := float64(available.Failed()) / float64(available.Requests); share > 0.005 {
		t.Errorf("%.2f %% of the connections failed, want at most 0.5 %%", 100*share)
	}
}

func TestSessionsSurviveTheDeathOfAnotherBackend(t *testing.T) {
	t.Parallel()
	p := startPlane(t, Config{System: harbinger})
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	sessions := make(map[string][]net.Conn) // by the node that serves them
	for range 6 {
		conn, err := p.clientHost.Dial(ctx, "tcp", p.Endpoint().String())
		must(t, err)
		defer conn.Close()
		session := tls.Client(conn, &tls.Config{RootCAs: p.CA.Pool(), ServerName: "kubernetes"})
		must(t, session.HandshakeContext(ctx))
		node := ask(t, session)
		sessions[node] = append(sessions[node], session)
	}
	if len(sessions) != 3 {
		t.Fatalf("six sessions are spread over %d nodes, want 3", len(sessions))
	}
	victim, err := p.backup()
	must(t, err)
	must(t, victim.APIServer.Kill())
	for node, conns := range sessions {
		for _, conn := range conns {
			conn.SetReadDeadline(time.Now().Add(2 * time.Second))
			if node != victim.Name {
				ask(t, conn)
				continue
			}
			if _, err := conn.Read(make([]byte, 1)); err == nil || errors.Is(err, os.ErrDeadlineExceeded) {
				t.Errorf("a session of the dead backend stays open: %v", err)
			}
		}
	}
}

// ask makes a request on a session and returns the node that answers.
func ask(t *testing.T, session net.Conn) (node string) {
	t.Helper()
	node, err := watch.Ask(session)
	if err != nil {
		t.Error(err)
	}
	return node
}

func TestSamePortAsTheAPIServer(t *testing.T) {
	t.Parallel()
	p := startPlane(t, Config{System: harbinger, Port: APIServerPort})
	start := time.Now()
	client := watch.StartClient(p.clientHost, watch.ClientConfig{
		Target:   p.Endpoint(),
		Interval: 50 * time.Millisecond, // see above for what a handshake costs here
		Timeout:  time.Second,
		Try:      watch.HTTPS(&tls.Config{RootCAs: p.CA.Pool(), ServerName: "kubernetes"}, "/"),
		Control:  p.Control,
	})
	defer client.Stop()
	until(t, p, 10*time.Second, "every API server has answered through the address", func() bool {
		return len(client.Nodes(start)) == len(p.Nodes)
	})
	must(t, holder(t, p).APIServer.Kill())
	killed := time.Now()
	observeFor(3 * time.Second)
	if o := client.Outage(killed); o.Length() > limits(promise.APIServerDeath).Outage {
		t.Errorf("after the death of the holder's API server: outage %v", o)
	}
}
