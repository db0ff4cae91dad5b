// SPDX-License-Identifier: Apache-2.0

package dnat

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os/exec"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"github.com/harbinger-ha/harbinger/e2e/lab"
	"github.com/harbinger-ha/harbinger/e2e/lab/labtest"
	"github.com/harbinger-ha/harbinger/pkg/balance"
)

func TestMain(m *testing.M) { labtest.Main(m) }

// must ends the test at an error.
var must = labtest.Must

const (
	patience = 10 * time.Second
	tableOf  = Prefix + "51"
	port     = 4300
)

// The virtual addresses of the tests.
var (
	vip4 = netip.MustParseAddr("192.168.238.100")
	vip6 = netip.MustParseAddr("fd00::100")
)

// A scene is a host with the virtual addresses and an apiserver, two more apiservers on its link, and a client. Each apiserver greets with
// its name and the address of its client, and then sends back what it gets.
type scene struct {
	host, client *lab.Host
	servers      []*lab.Host // the host is the first
	stops        []func()
}

func newScene(t *testing.T) *scene {
	t.Helper()
	l := labtest.New(t, lab.Config{Nodes: 3, Prefix6: netip.MustParsePrefix("fd00::/64")})
	client, err := l.AddHost("client", 10)
	must(t, err)
	s := &scene{host: l.Hosts()[0], servers: l.Hosts()[:3], client: client}
	for _, vip := range []netip.Addr{vip4, vip6} {
		must(t, s.host.AddAddress(netip.PrefixFrom(vip, vip.BitLen())))
		must(t, s.host.Do(func() error { return deprecate(vip) }))
	}
	must(t, s.host.SetSysctl("net/ipv4/ip_forward", "1"))
	must(t, s.host.SetSysctl("net/ipv6/conf/all/forwarding", "1"))
	for _, h := range s.servers {
		ln, err := h.Listen("[::]:6443")
		must(t, err)
		s.stops = append(s.stops, labtest.Serve(t, ln, func(conn net.Conn) {
			from := conn.RemoteAddr().(*net.TCPAddr).AddrPort().Addr().Unmap()
			fmt.Fprintf(conn, "%s %s\n", h.Name, from)
			io.Copy(conn, conn)
		}))
	}
	return s
}

// deprecate has the kernel choose an address for nothing, as package address does with the virtual ones.
func deprecate(vip netip.Addr) error {
	link, err := netlink.LinkByName(lab.Interface)
	if err != nil {
		return err
	}
	return netlink.AddrReplace(link, &netlink.Addr{
		IPNet: &net.IPNet{IP: vip.AsSlice(), Mask: net.CIDRMask(vip.BitLen(), vip.BitLen())}, Flags: unix.IFA_F_NODAD, ValidLft: 300,
	})
}

// address returns that of a host, of the family of another address.
func address(h *lab.Host, like netip.Addr) netip.Addr {
	if like.Is6() {
		return h.Address6.Addr()
	}
	return h.Address.Addr()
}

// targets are the apiservers of some hosts, by both their addresses.
func targets(hosts ...*lab.Host) (all []balance.Backend) {
	for _, a := range endpoints(hosts...) {
		all = append(all, balance.Backend{Address: a, Weight: 1})
	}
	return all
}

func endpoints(hosts ...*lab.Host) (all []netip.AddrPort) {
	for _, h := range hosts {
		all = append(all, netip.AddrPortFrom(h.Address.Addr(), 6443), netip.AddrPortFrom(h.Address6.Addr(), 6443))
	}
	return all
}

// apply gives the host rules.
func (s *scene) apply(t *testing.T, rules Rules) {
	t.Helper()
	rules.Port = port
	must(t, s.host.Do(func() error { return Apply(tableOf, rules) }))
}

// A session is a connection that was greeted.
type session struct {
	net.Conn
	server, seen string // who greeted, and the address that it has seen
}

func connect(from *lab.Host, to netip.AddrPort) (*session, error) {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	conn, err := from.Dial(ctx, "tcp", to.String())
	if err != nil {
		return nil, err
	}
	s := &session{Conn: conn}
	conn.SetDeadline(time.Now().Add(patience))
	if _, err := fmt.Fscanf(conn, "%s %s\n", &s.server, &s.seen); err != nil {
		return nil, errors.Join(err, conn.Close())
	}
	return s, nil
}

func open(t *testing.T, from *lab.Host, to netip.Addr) *session {
	t.Helper()
	s, err := connect(from, netip.AddrPortFrom(to, port))
	must(t, err)
	t.Cleanup(func() { s.Close() })
	return s
}

// echoes sends something and wants it back.
func (s *session) echoes() error {
	s.SetDeadline(time.Now().Add(patience))
	return labtest.Echoes(s)
}

// Connections of both families go to all backends in turn. One on the host sees the client, others see the host.
func TestRoundRobin(t *testing.T) {
	s := newScene(t)
	s.apply(t, Rules{Addresses: []netip.Addr{vip4, vip6}, Policy: balance.RoundRobin, Targets: targets(s.servers...)})
	for _, vip := range []netip.Addr{vip4, vip6} {
		count := map[string]int{}
		for range 9 {
			c := open(t, s.client, vip)
			must(t, c.echoes())
			count[c.server]++
			want := address(s.host, vip)
			if c.server == s.host.Name {
				want = address(s.client, vip)
			}
			if c.seen != want.String() {
				t.Errorf("%s sees %s as the client, want %s", c.server, c.seen, want)
			}
		}
		for _, h := range s.servers {
			if count[h.Name] != 3 {
				t.Errorf("by %s: %v of 9, want 3 each", vip, count)
			}
		}
	}
}

// Each backend gets as many connections as its weight says.
func TestWeights(t *testing.T) {
	s := newScene(t)
	rules := Rules{Addresses: []netip.Addr{vip4}, Policy: balance.RoundRobin, Targets: targets(s.servers...)}
	weights := map[string]int{s.servers[0].Name: 3, s.servers[1].Name: 1, s.servers[2].Name: 2}
	for i := range rules.Targets {
		rules.Targets[i].Weight = weights[s.servers[i/2].Name]
	}
	s.apply(t, rules)
	count := map[string]int{}
	for range 12 {
		count[open(t, s.client, vip4).server]++
	}
	for name, weight := range weights {
		if count[name] != 2*weight {
			t.Errorf("%v of 12, want each twice its weight: %v", count, weights)
		}
	}
}

// A client stays with its backend, also when another one goes.
func TestSourceHash(t *testing.T) {
	s := newScene(t)
	rules := Rules{Addresses: []netip.Addr{vip4, vip6}, Policy: balance.SourceHash, Targets: targets(s.servers...)}
	for _, vip := range []netip.Addr{vip4, vip6} {
		s.apply(t, rules)
		first := open(t, s.client, vip).server
		for _, left := range s.servers {
			without := rules
			without.Targets = targets(slices.DeleteFunc(slices.Clone(s.servers), func(h *lab.Host) bool { return h == left })...)
			s.apply(t, without)
			if now := open(t, s.client, vip).server; (now == first) == (left.Name == first) {
				t.Errorf("by %s: without %s the client of %s is with %s", vip, left.Name, first, now)
			}
		}
	}
}

// Clients on the host are balanced as others are, by the virtual address and by an own one; not by loopback, and not where the host has
// not the address.
func TestOwnClients(t *testing.T) {
	s := newScene(t)
	s.apply(t, Rules{Policy: balance.RoundRobin, Targets: targets(s.servers...)})
	for _, to := range []netip.Addr{vip4, vip6, s.host.Address.Addr(), s.host.Address6.Addr()} {
		var seen []string
		for range 3 {
			c := open(t, s.host, to)
			must(t, c.echoes())
			seen = append(seen, c.server)
		}
		if slices.Sort(seen); len(slices.Compact(seen)) != 3 {
			t.Errorf("%s leads to %v", to, seen)
		}
	}
	for _, to := range []string{"127.0.0.1", "::1", s.servers[1].Address.Addr().String(), s.servers[1].Address6.Addr().String()} {
		if c, err := connect(s.host, netip.AddrPortFrom(netip.MustParseAddr(to), port)); !errors.Is(err, syscall.ECONNREFUSED) {
			t.Errorf("%s leads to %v, %v", to, c, err)
		}
	}
}

// Where a family has no backend, or the rules are for other addresses, the host answers as without rules.
func TestOtherDestinations(t *testing.T) {
	s := newScene(t)
	ln, err := s.host.Listen("[::]:4300")
	must(t, err)
	labtest.Serve(t, ln, func(conn net.Conn) { fmt.Fprintf(conn, "relay -\n"); io.Copy(conn, conn) })
	s.apply(t, Rules{Addresses: []netip.Addr{vip4}, Policy: balance.RoundRobin, Targets: targets(s.servers[1])[:1]})
	for to, want := range map[netip.Addr]string{vip4: s.servers[1].Name, vip6: "relay", s.host.Address.Addr(): "relay"} {
		if c := open(t, s.client, to); c.server != want {
			t.Errorf("%s leads to %s, want %s", to, c.server, want)
		}
	}
}

// A change of the rules leaves the connections that there are, whether their backend stays or goes, and no connect meets half a change.
func TestChangesKeepConnections(t *testing.T) {
	s := newScene(t)
	rules := Rules{Policy: balance.RoundRobin, Targets: targets(s.servers...)}
	s.apply(t, rules)
	var held []*session
	for _, vip := range []netip.Addr{vip4, vip6} {
		for range 3 {
			held = append(held, open(t, s.client, vip))
		}
	}
	stop, failed := make(chan struct{}), make(chan error, 1)
	go func() {
		for {
			select {
			case <-stop:
				failed <- nil
				return
			default:
			}
			c, err := connect(s.client, netip.AddrPortFrom(vip4, port))
			if err != nil {
				failed <- err
				return
			}
			c.Close()
		}
	}()
	for i := range 100 {
		next := rules
		next.Targets = targets(s.servers[i%3])
		s.apply(t, next)
	}
	close(stop)
	if err := <-failed; err != nil {
		t.Errorf("a connect while the rules change: %v", err)
	}
	for _, c := range held {
		if err := c.echoes(); err != nil {
			t.Errorf("a connection to %s: %v", c.server, err)
		}
	}
}

// The clients of a backend that is ended are reset with what they send next, and all others go on.
func TestEnd(t *testing.T) {
	s := newScene(t)
	rules := Rules{Policy: balance.RoundRobin, Targets: targets(s.servers...)}
	s.apply(t, rules)
	var held []*session
	for _, from := range []*lab.Host{s.client, s.host} {
		for _, vip := range []netip.Addr{vip4, vip6} {
			for range 3 {
				held = append(held, open(t, from, vip))
			}
		}
	}
	dead := s.servers[1]
	must(t, dead.Blackhole())
	t.Cleanup(func() { must(t, dead.Unblackhole()) })
	rules.Targets = targets(s.servers[0], s.servers[2])
	s.apply(t, rules)
	must(t, s.host.Do(func() error {
		n, err := End(port, endpoints(dead))
		if n != 4 {
			t.Errorf("ended %d, want 4", n)
		}
		return err
	}))
	for _, c := range held {
		began, err := time.Now(), c.echoes()
		switch {
		case c.server != dead.Name && err != nil:
			t.Errorf("a connection to %s: %v", c.server, err)
		case c.server == dead.Name && !errors.Is(err, syscall.ECONNRESET):
			t.Errorf("a connection to the dead one: %v after %s, want a reset", err, time.Since(began))
		}
	}
}

// Clients that wait in silence are reset at once as well, of both families, on the host and beside it.
func TestEndOfSilentClients(t *testing.T) {
	s := newScene(t)
	dead := s.servers[1]
	s.apply(t, Rules{Policy: balance.RoundRobin, Targets: targets(dead)})
	var held []*session
	for _, from := range []*lab.Host{s.client, s.host} {
		for _, to := range []netip.Addr{vip4, vip6, s.host.Address.Addr(), s.host.Address6.Addr()} {
			held = append(held, open(t, from, to))
		}
	}
	must(t, dead.Blackhole())
	t.Cleanup(func() { must(t, dead.Unblackhole()) })
	s.apply(t, Rules{Policy: balance.RoundRobin, Targets: targets(s.servers[0])})
	must(t, s.host.Do(func() error {
		n, err := End(port, endpoints(dead))
		if n != len(held) {
			t.Errorf("ended %d, want %d", n, len(held))
		}
		return err
	}))
	for _, c := range held {
		c.SetDeadline(time.Now().Add(patience))
		if _, err := c.Read(make([]byte, 1)); !errors.Is(err, syscall.ECONNRESET) {
			t.Errorf("a client at %s that asked %s: %v, want a reset", c.LocalAddr(), c.RemoteAddr(), err)
		}
	}
}

// The checksum of a segment is what the kernel wants.
func TestSegment(t *testing.T) {
	for _, c := range []Connection{
		{Frontend: netip.MustParseAddrPort("192.168.238.100:4300"), Client: netip.MustParseAddrPort("192.168.238.7:45678")},
		{Frontend: netip.MustParseAddrPort("[fd00::100]:4300"), Client: netip.MustParseAddrPort("[fd00::7]:45678")},
	} {
		segment := c.segment()
		if sum := c.checksum(segment); sum != 0 {
			t.Errorf("of %v: the sum with its checksum is %#x", c, sum)
		}
	}
}

// ruleset is what nft(8) says of the host.
func (s *scene) ruleset(t *testing.T) (text string) {
	t.Helper()
	must(t, s.host.Do(func() error {
		out, err := exec.Command("nft", "list", "ruleset").CombinedOutput()
		text = string(out)
		return err
	}))
	return text
}

// The table is found, survives the process, is seen to be damaged, and can be removed without a trace.
func TestTable(t *testing.T) {
	s := newScene(t)
	before := s.ruleset(t)
	must(t, s.host.Do(func() error { return Try(Prefix + "try") }))
	if after := s.ruleset(t); after != before {
		t.Errorf("the attempt has left %s", after)
	}
	intact := func() (is bool) {
		must(t, s.host.Do(func() (err error) { is, err = Intact(tableOf); return err }))
		return is
	}
	if intact() {
		t.Error("a table that is not there is intact")
	}
	rules := Rules{Policy: balance.SourceHash, Addresses: []netip.Addr{vip4, vip6}, Targets: targets(s.servers...)}
	s.apply(t, rules)
	once := s.ruleset(t)
	s.apply(t, rules)
	if twice := s.ruleset(t); len(twice) != len(once) || !intact() {
		t.Errorf("applied twice:\n%s\nonce:\n%s", twice, once)
	}
	for _, part := range []string{"priority dstnat - 1", "jhash @nh,96,32 mod 256", "jhash @nh,64,128 mod 256", "masquerade", "fib daddr type local"} {
		if !strings.Contains(once, part) {
			t.Errorf("no %q in\n%s", part, once)
		}
	}
	for _, damage := range []string{"flush ruleset", "flush table inet " + tableOf, "delete table inet " + tableOf, "flush chain inet " + tableOf + " balance"} {
		s.apply(t, rules)
		must(t, labtest.Nft(s.host, damage))
		if intact() {
			t.Errorf("intact after %q", damage)
		}
	}
	s.apply(t, rules)
	for range 2 {
		must(t, s.host.Do(func() error {
			names, err := Tables()
			if want := s.ruleset(t) != before; want != slices.Equal(names, []string{tableOf}) {
				t.Errorf("tables %v", names)
			}
			return errors.Join(err, Remove(tableOf))
		}))
	}
	if after := s.ruleset(t); after != before {
		t.Errorf("what is left: %s", after)
	}
}

// A connection outlives the process that made the rules, and ends with them.
func TestRemovedWithItsConnections(t *testing.T) {
	s := newScene(t)
	s.apply(t, Rules{Policy: balance.RoundRobin, Targets: targets(s.servers[1])})
	held := open(t, s.client, vip4)
	must(t, held.echoes())
	must(t, s.host.Do(func() error {
		if err := Remove(tableOf); err != nil {
			return err
		}
		n, err := End(port, endpoints(s.servers[0]))
		if n != 0 || err != nil {
			t.Errorf("ended %d of another one, error %v", n, err)
		}
		n, err = End(port, endpoints(s.servers[1]))
		if n != 1 {
			t.Errorf("ended %d, want 1", n)
		}
		return err
	}))
	if err := held.echoes(); !errors.Is(err, syscall.ECONNRESET) {
		t.Errorf("a connection through rules that are gone: %v, want a reset", err)
	}
}

// A backend on another host asks for forwarding, of its own family.
func TestForwards(t *testing.T) {
	s := newScene(t)
	own := func(a netip.Addr) bool { return a == s.host.Address.Addr() || a == s.host.Address6.Addr() }
	check := func(hosts ...*lab.Host) (err error) {
		_ = s.host.Do(func() error { err = Forwards(targets(hosts...), own); return nil })
		return err
	}
	must(t, check(s.servers...))
	for setting, name := range map[string]string{"net/ipv4/ip_forward": "net.ipv4.ip_forward=1", "net/ipv6/conf/all/forwarding": "net.ipv6.conf.all.forwarding=1"} {
		must(t, s.host.SetSysctl(setting, "0"))
		if err := check(s.servers...); err == nil || !strings.Contains(err.Error(), "sysctl -w "+name) {
			t.Errorf("without %s: %v", setting, err)
		}
		must(t, check(s.host))
		must(t, s.host.SetSysctl(setting, "1"))
	}
}
