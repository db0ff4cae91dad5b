// SPDX-License-Identifier: Apache-2.0

package probe

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/harbinger-ha/harbinger/e2e/lab"
	"github.com/harbinger-ha/harbinger/pkg/address"
	"github.com/harbinger-ha/harbinger/pkg/announce"
	"github.com/harbinger-ha/harbinger/pkg/election"
)

// rehearseRole rehearses in a host with the peers that are its argument.
var rehearseRole = lab.Role{Name: "rehearse", Main: func(args []string) int {
	r := Rehearsal{VIPs: []netip.Addr{vip4, vip6}, Port: identityPort, Interface: wire(), Sequence: 3000000001}
	if err := json.Unmarshal([]byte(args[0]), &r.Peers); err != nil {
		panic(err)
	}
	announcer, err := announcerHere()
	if err != nil {
		panic(err)
	}
	defer announcer.Close()
	r.Admit = func() (func() error, error) { return address.Admit(lab.Interface, r.VIPs) }
	r.Hear = announcer.HearSYN
	ctx, cancel := context.WithTimeout(context.Background(), 600*time.Millisecond)
	defer cancel()
	if err := json.NewEncoder(os.Stdout).Encode(r.Ask(ctx)); err != nil {
		panic(err)
	}
	return 0
}}

// announcerHere returns one for the wire of the host of this thread.
func announcerHere() (*announce.Announcer, error) {
	link, err := net.InterfaceByName(lab.Interface)
	if err != nil {
		return nil, err
	}
	return announce.New(announce.Link{Name: link.Name, Index: link.Index, MAC: link.HardwareAddr})
}

// rehearse rehearses from a host.
func rehearse(t *testing.T, h *lab.Host, peers []Peer) (r election.Rehearsed) {
	t.Helper()
	text, err := json.Marshal(peers)
	must(t, err)
	p, err := h.Start(rehearseRole.Command(string(text)))
	must(t, err)
	must(t, p.Wait(10*time.Second))
	if err := json.NewDecoder(strings.NewReader(p.Output())).Decode(&r); err != nil {
		t.Fatalf("%v in %q", err, p.Output())
	}
	return r
}

// A helper sends to a host what it asks for.
type helper struct {
	*announce.Announcer
	from, to *lab.Host
	deaf     atomic.Bool // it is an old version
}

func (h *helper) Known(peer netip.Addr) bool {
	return !h.deaf.Load() && (peer == h.to.Address.Addr() || peer == h.to.Address6.Addr())
}

func (h *helper) Rehearse(_ netip.Addr, sequence uint32) {
	for source, vip := range map[netip.Addr]netip.Addr{h.from.Address.Addr(): vip4, h.from.Address6.Addr(): vip6} {
		_ = h.SendSYN(announce.SYN{Source: netip.AddrPortFrom(source, 65510), Target: netip.AddrPortFrom(vip, clientPort), Sequence: sequence}, h.to.MAC)
	}
}

// newHelper has a host help another one until the test ends.
func newHelper(t *testing.T, from, to *lab.Host) *helper {
	t.Helper()
	h := &helper{from: from, to: to}
	must(t, from.Do(func() (err error) {
		h.Announcer, err = announcerHere()
		return err
	}))
	t.Cleanup(func() { must(t, h.Close()) })
	ln, err := from.Listen(fmt.Sprintf(":%d", identityPort))
	must(t, err)
	done := make(chan error, 1)
	go func() { // ends with the test
		done <- ServeIdentity(t.Context(), ln, func() Identity { return holder }, h)
	}()
	t.Cleanup(func() { must(t, <-done) })
	return h
}

// What a firewall of this host would do to clients is found without the virtual address, and leaves nothing behind.
func TestRehearsal(t *testing.T) {
	asker, other := newHosts(t)
	h := newHelper(t, other, asker)
	peers := both(asker, other, 0)
	want := func(t *testing.T, want election.Finding) {
		t.Helper()
		if got := rehearse(t, asker, peers); got.Client != want {
			t.Errorf("%s, want %s", got, want)
		}
		if left := rulesOf(t, asker); strings.Contains(left, "10444") {
			t.Errorf("a rule is left:\n%s", left)
		}
	}
	want(t, election.Answers)
	for _, rules := range []string{
		"tcp dport 6443 drop", "tcp dport 6443 reject with tcp reset", fmt.Sprintf("ip daddr %s drop", vip4), fmt.Sprintf("ip6 daddr %s tcp dport 6443 drop", vip6),
	} {
		t.Run(rules, func(t *testing.T) {
			filterInput(t, asker, rules)
			want(t, election.Nobody)
		})
	}
	t.Run("a rule for another address", func(t *testing.T) {
		filterInput(t, asker, "ip daddr 192.168.238.99 drop; ct state invalid drop")
		want(t, election.Answers)
	})
	t.Run("nobody can try", func(t *testing.T) {
		h.deaf.Store(true)
		want(t, election.CouldNotAsk)
		peers = nil
		want(t, election.CouldNotAsk)
	})
}

// rulesOf returns the routing rules of a host, and the routes of the table of a rehearsal.
func rulesOf(t *testing.T, h *lab.Host) string {
	t.Helper()
	p, err := h.Start(lab.Command{Path: "sh", Args: []string{"-c", "ip rule; ip -6 rule; ip route show table all; ip -6 route show table all"}})
	must(t, err)
	must(t, p.Wait(10*time.Second))
	return p.Output()
}

// While a host rehearses, the address is not its own for anybody on the wire. What a process has left that could not end it, the
// next one removes.
func TestRehearsalIsNotSeen(t *testing.T) {
	asker, other := newHosts(t)
	h := newHelper(t, other, asker)
	must(t, asker.Do(func() error {
		_, err := address.Admit(lab.Interface, []netip.Addr{vip4, vip6})
		return err
	}))
	if rules := rulesOf(t, asker); strings.Count(rules, "ipproto tcp lookup 10444") != 2 {
		t.Errorf("the rules are\n%s", rules)
	}
	for _, vip := range []netip.Addr{vip4, vip6} {
		ctx, cancel := context.WithTimeout(t.Context(), 250*time.Millisecond)
		source := other.Address.Addr()
		if vip.Is6() {
			source = other.Address6.Addr()
		}
		must(t, other.Do(func() error {
			owners, err := h.Resolve(ctx, vip, source)
			if len(owners) > 0 {
				return fmt.Errorf("%s answers for %s", owners, vip)
			}
			return err
		}))
		cancel()
	}
	must(t, asker.Do(func() error {
		return errors.Join(address.Dismiss(), address.Dismiss()) // a second time there is nothing
	}))
	if rules := rulesOf(t, asker); strings.Contains(rules, "10444") {
		t.Errorf("left:\n%s", rules)
	}
}

func TestRequest(t *testing.T) {
	for line, want := range map[string]int64{
		"rehearse 0\n": 0, "rehearse 4294967295\n": 4294967295, "rehearse 4294967296\n": -1, "rehearse -1\n": -1, "rehearse \n": -1, "rehearse\n": -1,
		"GET / HTTP/1.1\n": -1, "": -1, "rehearse 1 2\n": -1,
	} {
		got, ok := parseRequest([]byte(line))
		if ok != (want >= 0) || ok && int64(got) != want {
			t.Errorf("%q is %d, %v", line, got, ok)
		}
	}
}

// asks is who may ask, and what was asked for.
type asks chan uint32

func (asks) Known(netip.Addr) bool                    { return true }
func (a asks) Rehearse(_ netip.Addr, sequence uint32) { a <- sequence }

// Peers that ask for nothing hold nothing: others get their line, and the peer its own at once.
func TestRequestsAreBounded(t *testing.T) {
	ln := listen(t)
	got := make(asks, 1)
	done := make(chan error, 1)
	go func() { done <- ServeIdentity(t.Context(), ln, func() Identity { return holder }, got) }() // ends with the test
	t.Cleanup(func() { must(t, <-done) })
	ask := func(request string) {
		t.Helper()
		conn, err := net.Dial("tcp", ln.Addr().String())
		must(t, err)
		t.Cleanup(func() { conn.Close() })
		must(t, conn.SetDeadline(time.Now().Add(5*time.Second)))
		_, _ = conn.Write([]byte(request)) // it may be reset: more are asked for than are read
		if id, err := ReadIdentity(conn); err != nil || id != holder {
			t.Errorf("after %q: %+v, %v", request, id, err)
		}
	}
	ask("rehearse 7\n")
	if sequence := <-got; sequence != 7 {
		t.Errorf("asked for %d", sequence)
	}
	begin := time.Now()
	for range 10 * maxRequests {
		ask("")
	}
	ask(strings.Repeat("x", 10000))
	if took := time.Since(begin); took > 5*time.Second {
		t.Errorf("took %s", took)
	}
}
