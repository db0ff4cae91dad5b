// SPDX-License-Identifier: Apache-2.0

package lab

import (
	"fmt"
	"net"
	"strings"
	"testing"
	"time"
)

// An ear hears raw packets of protocol 112 in one host.
type ear struct {
	conn *net.IPConn
	sent int
}

func newEar(t *testing.T, h *Host) *ear {
	t.Helper()
	var conn *net.IPConn
	must(t, h.Do(func() (err error) {
		conn, err = net.ListenIP("ip4:112", &net.IPAddr{IP: net.IPv4zero})
		return err
	}))
	t.Cleanup(func() { conn.Close() })
	return &ear{conn: conn}
}

// hears reports whether a packet that another host sends arrives. One that was sent before may be late: it is another's.
func (e *ear) hears(t *testing.T, from, to *Host) bool {
	t.Helper()
	e.sent++
	packet := fmt.Sprintf("advertisement %d", e.sent)
	must(t, from.Do(func() error {
		conn, err := net.Dial("ip4:112", to.Address.Addr().String())
		if err != nil {
			return err
		}
		defer conn.Close()
		_, err = conn.Write([]byte(packet))
		return err
	}))
	e.conn.SetReadDeadline(time.Now().Add(300 * time.Millisecond))
	for b := make([]byte, 128); ; {
		n, err := e.conn.Read(b)
		if err != nil || strings.HasSuffix(string(b[:n]), packet) {
			return err == nil
		}
	}
}

func TestDropOfVRRPLeavesTheRest(t *testing.T) {
	l := newLab(t, Config{Nodes: 2})
	a, b := l.Hosts()[0], l.Hosts()[1]
	serve(t, b, "6443")
	earA, earB := newEar(t, a), newEar(t, b)
	passes := func(what string, e *ear, from, to *Host) {
		t.Helper()
		must(t, Until(5*time.Second, what, func() bool { return e.hears(t, from, to) }))
	}
	passes("protocol 112 passes without a filter", earB, a, b)
	must(t, l.Drop(Drop{Traffic: VRRP, From: a, To: b}))
	if earB.hears(t, a, b) {
		t.Error("protocol 112 passes the filter")
	}
	passes("it passes in the other direction", earA, b, a)
	wantReached(t, a, b, "6443")
	must(t, l.Pass())
	passes("it passes after the filter", earB, a, b)
}

func TestDropOfOneTCPPort(t *testing.T) {
	l := newLab(t, Config{Nodes: 2})
	a, b := l.Hosts()[0], l.Hosts()[1]
	serve(t, b, "6443")
	serve(t, b, "4300")
	must(t, l.Drop(Drop{Traffic: TCP(6443)}))
	if reaches(a, b, "6443") {
		t.Error("the port passes the filter")
	}
	wantReached(t, a, b, "4300")
}

func TestDropOfARP(t *testing.T) {
	l := newLab(t, Config{Nodes: 2})
	a, b := l.Hosts()[0], l.Hosts()[1]
	serve(t, b, "6443")
	must(t, l.Drop(Drop{Traffic: ARP, To: b}))
	if reaches(a, b, "6443") {
		t.Error("a host is found without ARP")
	}
}

func TestDropOfAShare(t *testing.T) {
	l := newLab(t, Config{Nodes: 2})
	a, b := l.Hosts()[0], l.Hosts()[1]
	e := newEar(t, b)
	must(t, Until(5*time.Second, "the ARP caches are filled", func() bool { return e.hears(t, a, b) }))
	must(t, l.Drop(Drop{Traffic: VRRP, Percent: 50}))
	const packets = 400
	must(t, a.Do(func() error {
		conn, err := net.Dial("ip4:112", b.Address.Addr().String())
		if err != nil {
			return err
		}
		defer conn.Close()
		for range packets {
			if _, err := conn.Write([]byte("advertisement")); err != nil {
				return err
			}
		}
		return nil
	}))
	heard := 0
	for {
		e.conn.SetReadDeadline(time.Now().Add(500 * time.Millisecond))
		if _, err := e.conn.Read(make([]byte, 64)); err != nil {
			break
		}
		heard++
	}
	if heard < packets/4 || heard > packets*3/4 {
		t.Errorf("heard %d of %d packets, want about half", heard, packets)
	}
}
