// SPDX-License-Identifier: Apache-2.0

package probe

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/harbinger-ha/harbinger/e2e/lab"
	"github.com/harbinger-ha/harbinger/e2e/lab/labtest"
	"github.com/harbinger-ha/harbinger/pkg/election"
)

const (
	identityPort = 10444
	clientPort   = 6443
)

var peer = netip.MustParseAddr("192.0.2.2")

var (
	peerMAC    = net.HardwareAddr{2, 0, 0, 0, 0, 131}
	foreignMAC = net.HardwareAddr{2, 0, 0, 0, 9, 9}
)

// A question is a probe for another process to make.
type question struct {
	VIP, Source netip.Addr
	Timeout     time.Duration
	Owners      []net.HardwareAddr // whom the resolver finds
}

// probeRole makes a probe in a host: the sockets belong to the namespace of the goroutine's thread, and a probe has
// goroutines of its own.
var probeRole = lab.Role{Name: "probe", Main: func(args []string) int {
	var q question
	if err := json.Unmarshal([]byte(args[0]), &q); err != nil {
		panic(err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), q.Timeout)
	defer cancel()
	r := q.probe().Probe(ctx, q.VIP)
	if err := json.NewEncoder(os.Stdout).Encode(r); err != nil {
		panic(err)
	}
	return 0
}}

// wire is the index of the interface on the wire; 0 where this process is in no host.
func wire() int {
	link, err := net.InterfaceByName(lab.Interface)
	if err != nil {
		return 0
	}
	return link.Index
}

func (q question) probe() VIPProbe {
	return VIPProbe{
		Cluster:   "kubernetes",
		Node:      "node1",
		Port:      identityPort,
		Interface: wire(),
		Source:    q.Source,
		Resolver:  fakeResolver(q.Owners),
		Client:    clientPort,
		PeerOf:    func(mac net.HardwareAddr) (netip.Addr, bool) { return peer, bytes.Equal(mac, peerMAC) },
	}
}

// fakeResolver finds what it is.
type fakeResolver []net.HardwareAddr

func (f fakeResolver) Resolve(context.Context, netip.Addr, netip.Addr) ([]net.HardwareAddr, error) {
	if f == nil {
		return nil, errors.New("network is down")
	}
	return f, nil
}

// Inquire finds the same, and loses every other answer of a neighbour.
func (f fakeResolver) Inquire(ctx context.Context, target, source, _ netip.Addr, asks int) ([]net.HardwareAddr, int, int, error) {
	owners, err := f.Resolve(ctx, target, source)
	return owners, 2 * asks, asks, err
}

// newHosts returns one that asks and one that holds the addresses.
func newHosts(t *testing.T, vips ...netip.Addr) (asker, holder *lab.Host) {
	t.Helper()
	_, asker, holder = newLab(t, vips...)
	return asker, holder
}

// newLab returns the same with their wire.
func newLab(t *testing.T, vips ...netip.Addr) (l *lab.Lab, asker, holder *lab.Host) {
	t.Helper()
	l = labtest.New(t, lab.Config{Nodes: 2, Prefix6: labtest.Prefix6})
	asker, holder = l.Hosts()[0], l.Hosts()[1]
	for _, vip := range vips {
		must(t, holder.AddAddress(netip.PrefixFrom(vip, vip.BitLen())))
	}
	labtest.Meet(t, asker, holder)
	return l, asker, holder
}

// ask makes a probe from a host.
func ask(t *testing.T, h *lab.Host, q question) (r election.ProbeDone) {
	t.Helper()
	if q.Timeout == 0 {
		q.Timeout = 300 * time.Millisecond
	}
	q.Source = h.Address.Addr()
	if q.VIP.Is6() {
		q.Source = h.Address6.Addr()
	}
	text, err := json.Marshal(q)
	must(t, err)
	cmd := probeRole.Command(string(text))
	cmd.Env = append(cmd.Env, "GORACE=atexit_sleep_ms=0") // else each process waits a second under -race
	p, err := h.Start(cmd)
	must(t, err)
	must(t, p.Wait(10*time.Second))
	if err := json.NewDecoder(strings.NewReader(p.Output())).Decode(&r); err != nil {
		t.Fatalf("%v in %q", err, p.Output())
	}
	return r
}

var (
	vip4 = netip.MustParseAddr("192.168.238.100")
	vip6 = netip.MustParseAddr("fd00:99::100")
)

// reaction is what a host does at the port of the identity endpoint.
func reaction(t *testing.T, h *lab.Host, react func(net.Conn)) {
	t.Helper()
	ln, err := h.Listen(fmt.Sprintf(":%d", identityPort))
	must(t, err)
	labtest.Serve(t, ln, react)
}

func says(text string) func(net.Conn) {
	return func(conn net.Conn) {
		_, _ = io.WriteString(conn, text)
	}
}

func TestFindingOfAReaction(t *testing.T) {
	owners := []net.HardwareAddr{peerMAC}
	asker, other := newHosts(t, vip4, vip6)
	for _, limit := range []string{"net/ipv4/icmp_ratelimit", "net/ipv6/icmp/ratelimit"} { // the probes of a second share one message
		must(t, other.SetSysctl(limit, "0"))
	}
	want := func(t *testing.T, vip netip.Addr, want election.ProbeDone, detail string) {
		t.Helper()
		want.Neighbour, want.Owner, want.Peer = election.Answers, peerMAC.String(), peer
		got := ask(t, asker, question{VIP: vip, Owners: owners})
		want.Detail = got.Detail
		if got != want || !strings.Contains(got.Detail, detail) {
			t.Errorf("%s, want %s with %q", got, want, detail)
		}
	}
	want(t, vip4, election.ProbeDone{Identity: election.Reset, Client: election.Reset}, "refuses connections")
	for _, tt := range []struct {
		name   string
		react  func(net.Conn)
		detail string
	}{
		{"silent", func(conn net.Conn) { _, _ = io.Copy(io.Discard, conn) }, "i/o timeout"},
		{"closes", func(conn net.Conn) { conn.Close() }, "EOF"},
		{"another protocol", says("SSH-2.0-OpenSSH_9.9\r\n"), "decode identity"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			reaction(t, other, tt.react)
			want(t, vip4, election.ProbeDone{Identity: election.Answers, Client: election.Reset}, tt.detail)
		})
	}
	for _, tt := range []struct {
		rule    string
		finding election.Finding
	}{
		{"drop", election.Nobody},
		{"reject with icmpx admin-prohibited", election.Rejected},
		{"reject with icmpx host-unreachable", election.Rejected},
		{"reject with icmpx no-route", election.Rejected},
		{"reject with icmpx port-unreachable", election.Reset},
		{"reject with tcp reset", election.Reset},
	} {
		t.Run(tt.rule, func(t *testing.T) {
			filterInput(t, other, fmt.Sprintf("tcp dport { %d, %d } %s", identityPort, clientPort, tt.rule))
			want(t, vip4, election.ProbeDone{Identity: tt.finding, Client: tt.finding}, "identity port 10444")
			if strings.Contains(tt.rule, "icmpx") {
				return // over IPv6 the kernel keeps the message to itself, so that silence is found
			}
			want(t, vip6, election.ProbeDone{Identity: tt.finding, Client: tt.finding}, "identity port 10444")
		})
	}
}

// filterInput has a host filter what it gets, until the test ends.
func filterInput(t *testing.T, h *lab.Host, rule string) {
	t.Helper()
	nft(t, h, "table inet filter { chain input { type filter hook input priority 0; "+rule+"; }; }")
	t.Cleanup(func() { nft(t, h, "delete table inet filter") })
}

func nft(t *testing.T, h *lab.Host, text string) {
	t.Helper()
	p, err := h.Start(lab.Command{Path: "nft", Args: []string{text}})
	must(t, err)
	must(t, p.Wait(10*time.Second))
}

// The port of the clients is asked without a connection that its server would see.
func TestKnockIsNotAccepted(t *testing.T) {
	asker, other := newHosts(t, vip4)
	ln, err := other.Listen(fmt.Sprintf(":%d", clientPort))
	must(t, err)
	defer ln.Close()
	got := ask(t, asker, question{VIP: vip4, Owners: []net.HardwareAddr{peerMAC}})
	if got.Client != election.Answers || got.Identity != election.Reset {
		t.Errorf("%s, want an open port", got)
	}
	must(t, ln.(*net.TCPListener).SetDeadline(time.Now().Add(300*time.Millisecond)))
	if conn, err := ln.Accept(); err == nil {
		t.Errorf("a connection from %s was accepted", conn.RemoteAddr())
	}
}

func TestFindingOfAnIdentity(t *testing.T) {
	asker, other := newHosts(t, vip4, vip6)
	var said atomic.Pointer[Identity]
	ln, err := other.Listen(fmt.Sprintf(":%d", identityPort))
	must(t, err)
	serve(t, ln, func() Identity { return *said.Load() })
	for _, tt := range []struct {
		name   string
		change func(*Identity)
		want   election.Finding
	}{
		{"active", func(*Identity) {}, election.SaysActive},
		{"in distress", func(id *Identity) { id.Distress = true }, election.SaysDistress},
		{"leaving", func(id *Identity) { id.State = stateLeaving }, election.SaysLeaving},
		{"backup", func(id *Identity) { id.State = "backup" }, election.SaysBackup},
		{"another cluster", func(id *Identity) { id.Cluster = "staging" }, election.SaysForeign},
		{"the same node", func(id *Identity) { id.Node = "node1" }, election.SaysBackup},
	} {
		for _, vip := range []netip.Addr{vip4, vip6} {
			t.Run(tt.name+" "+vip.String(), func(t *testing.T) {
				id := holder
				tt.change(&id)
				said.Store(&id)
				got := ask(t, asker, question{VIP: vip, Timeout: 5 * time.Second, Owners: []net.HardwareAddr{peerMAC}})
				if got.Identity != tt.want || !strings.Contains(got.Detail, "node "+id.Node+" of cluster "+id.Cluster+" is "+id.State) {
					t.Errorf("%+v, want %s by %+v", got, tt.want, id)
				}
			})
		}
	}
}

// Nobody at all, nobody behind an answer to ARP, and a host that drops what it gets.
func TestSilenceIsFree(t *testing.T) {
	asker, other := newHosts(t)
	for name, owners := range map[string][]net.HardwareAddr{"no ARP": {}, "ARP": {foreignMAC}, "failed ARP": nil} {
		neighbour := map[string]election.Finding{"no ARP": election.Nobody, "ARP": election.Answers, "failed ARP": election.CouldNotAsk}[name]
		t.Run(name, func(t *testing.T) {
			start := time.Now()
			got := ask(t, asker, question{VIP: vip4, Owners: owners})
			if got.Identity != election.Nobody || got.Client != election.Nobody || got.Neighbour != neighbour || !strings.Contains(got.Detail, "no reaction") {
				t.Errorf("%s, want silence", got)
			}
			if took := time.Since(start); took < 300*time.Millisecond {
				t.Errorf("gave up after %s", took)
			}
		})
	}
	t.Run("blackhole", func(t *testing.T) {
		must(t, other.AddAddress(netip.PrefixFrom(vip4, 32)))
		must(t, other.Blackhole())
		if got := ask(t, asker, question{VIP: vip4, Owners: []net.HardwareAddr{}}); got.Identity != election.Nobody || got.Client != election.Nobody {
			t.Errorf("%s, want silence", got)
		}
	})
}

// TCP would repeat a lost packet after the probe has ended.
func TestLostPacketIsNoSilence(t *testing.T) {
	l, asker, other := newLab(t, vip4)
	reaction(t, other, says(`{"cluster":"kubernetes","node":"node2","state":"active"}`+"\n"))
	const first = 100 // bytes: one packet without data is less, two are more
	must(t, l.Drop(lab.Drop{Traffic: lab.Traffic(fmt.Sprintf("tcp dport %d quota %d bytes", identityPort, first))}))
	got := ask(t, asker, question{VIP: vip4, Timeout: 900 * time.Millisecond, Owners: []net.HardwareAddr{}})
	if got.Identity != election.SaysActive {
		t.Errorf("%s, want what the holder says", got)
	}
}

func TestOwnAddressIsNotAsked(t *testing.T) {
	asker, _ := newHosts(t)
	got := ask(t, asker, question{VIP: asker.Address.Addr()})
	if got != (election.ProbeDone{Detail: got.Detail}) || !strings.Contains(got.Detail, "is an address of this host") {
		t.Errorf("%s, want that nothing could be asked", got)
	}
}

// A process that did not run in its time may not have asked by TCP either.
func TestStallIsNoSilence(t *testing.T) {
	p := question{Source: netip.MustParseAddr("127.0.0.1")}.probe()
	p.Interface, p.Asks, p.Resolver = 1, 5, stalled{} // lo
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	vip := netip.MustParseAddr("192.0.2.100") // for documentation: nobody answers
	if got := p.Probe(ctx, vip); got.Identity != election.CouldNotAsk || got.Client != election.CouldNotAsk || got.Neighbour != election.CouldNotAsk {
		t.Errorf("%s, want that nothing could be asked", got)
	}
	for finding, want := range map[election.Finding]election.Finding{
		election.Nobody: election.CouldNotAsk, election.Rejected: election.Rejected, election.Reset: election.Reset, election.SaysActive: election.SaysActive,
	} {
		if got := (answer{finding: finding}).unheard().finding; got != want {
			t.Errorf("%s is %s, want %s", finding, got, want)
		}
	}
}

// stalled finds that the process did not run.
type stalled struct{ fakeResolver }

func (stalled) Inquire(context.Context, netip.Addr, netip.Addr, netip.Addr, int) ([]net.HardwareAddr, int, int, error) {
	return nil, 0, 0, fmt.Errorf("3 of 5 questions were sent in time: %w", context.DeadlineExceeded)
}

// What keeps this node from asking says nothing of the others, but for who answers ARP.
func TestCouldNotAskIsNotNobody(t *testing.T) {
	asker, _ := newHosts(t)
	owners := []net.HardwareAddr{foreignMAC}
	unasked := func(got election.ProbeDone, why string) {
		t.Helper()
		if got.Identity != election.CouldNotAsk || got.Client != election.CouldNotAsk || !strings.Contains(got.Detail, why) {
			t.Errorf("%s, want that it could not ask: %s", got, why)
		}
	}
	got := ask(t, asker, question{VIP: netip.MustParseAddr("2001:db8::7"), Owners: []net.HardwareAddr{}})
	unasked(got, "this host has no route to it")
	if got.Neighbour != election.Nobody {
		t.Errorf("%s, want that nobody answers", got)
	}

	p := question{Source: netip.MustParseAddr("192.0.2.1"), Owners: owners}.probe()
	p.Interface, p.Source = 1<<20, netip.MustParseAddr("127.0.0.1") // as after the interface was deleted
	got = p.Probe(t.Context(), netip.MustParseAddr("192.0.2.100"))
	unasked(got, "no such device")
	if got.Owner != foreignMAC.String() || got.Peer.IsValid() {
		t.Errorf("%s, want who answers ARP", got)
	}

	for source, vip := range map[string]string{"192.0.2.1": "192.0.2.100", "2001:db8::1": "2001:db8::7"} {
		p := question{Source: netip.MustParseAddr(source), Owners: owners}.probe()
		p.Interface = 1 // lo
		unasked(p.Probe(t.Context(), netip.MustParseAddr(vip)), "cannot assign requested address")
	}

	late, cancel := context.WithDeadline(t.Context(), time.Now())
	defer cancel()
	unasked(p.Probe(late, netip.MustParseAddr("192.0.2.100")), "began too late")
}

// TCP does not report that the own output filter drops what it sends: it is silence, and the other channels count.
func TestOwnFilterLeavesTheOtherChannels(t *testing.T) {
	asker, _ := newHosts(t, vip4)
	nft(t, asker, fmt.Sprintf("table inet filter { chain output { type filter hook output priority 0; tcp dport %d drop; }; }", identityPort))
	got := ask(t, asker, question{VIP: vip4, Owners: []net.HardwareAddr{peerMAC}})
	if got.Identity != election.Nobody || got.Client != election.Reset || got.Neighbour != election.Answers {
		t.Errorf("%s, want what the other channels find", got)
	}
}

func TestFindingOfAFailedConnection(t *testing.T) {
	for _, tt := range []struct {
		answered, unanswered election.Finding // ARP
		errors               []error
	}{
		{election.Nobody, election.Nobody, []error{syscall.ETIMEDOUT, os.ErrDeadlineExceeded, context.DeadlineExceeded}},
		{election.Rejected, election.Nobody, []error{syscall.EHOSTUNREACH, syscall.EHOSTDOWN}},
		{election.Rejected, election.CouldNotAsk, []error{syscall.ENETUNREACH, syscall.EACCES}},
		{election.Reset, election.Reset, []error{syscall.ECONNREFUSED, syscall.ECONNRESET, syscall.ENOPROTOOPT}},
		{election.CouldNotAsk, election.CouldNotAsk, []error{
			syscall.ENETDOWN, syscall.EADDRNOTAVAIL, syscall.EADDRINUSE, syscall.ENODEV, syscall.EPERM,
			syscall.EMFILE, syscall.ENFILE, syscall.ENOBUFS, syscall.ENOMEM, syscall.EINVAL, context.Canceled, errors.New("unheard of"),
		}},
	} {
		for _, err := range tt.errors {
			got := noConnection(&net.OpError{Op: "dial", Net: "tcp", Err: os.NewSyscallError("connect", err)})
			if got.found(true) != tt.answered || got.found(false) != tt.unanswered {
				t.Errorf("%v is %s where a host answers ARP, else %s; want %s and %s", err, got.found(true), got.found(false), tt.answered, tt.unanswered)
			}
		}
	}
}

// A question that was not sent is no silence, in whatever order the attempts end; a reaction counts before both.
func TestAttemptThatCouldNotAskCounts(t *testing.T) {
	nobody, unasked, refused := noConnection(syscall.ETIMEDOUT), noConnection(syscall.EMFILE), noConnection(syscall.ECONNREFUSED)
	rejected := noConnection(syscall.EHOSTUNREACH)
	for _, tt := range []struct {
		a, next answer
		want    election.Finding
	}{
		{nobody, nobody, election.Nobody}, {nobody, unasked, election.CouldNotAsk}, {unasked, nobody, election.CouldNotAsk},
		{nobody, refused, election.Reset}, {unasked, refused, election.Reset},
		{nobody, rejected, election.Rejected}, {rejected, nobody, election.Rejected}, {rejected, unasked, election.Rejected}, {rejected, refused, election.Reset},
	} {
		if got := tt.a.with(tt.next); got.finding != tt.want {
			t.Errorf("%s, then %s: %s, want %s", tt.a.finding, tt.next.finding, got.finding, tt.want)
		}
	}
}

func TestOwnerIsAPeerFirst(t *testing.T) {
	p := question{}.probe()
	for _, tt := range []struct {
		answers []net.HardwareAddr
		err     error
		want    election.ProbeDone
	}{
		{nil, nil, election.ProbeDone{Neighbour: election.Nobody}},
		{nil, errors.New("network is down"), election.ProbeDone{}},
		{[]net.HardwareAddr{foreignMAC}, nil, election.ProbeDone{Neighbour: election.Answers, Owner: foreignMAC.String()}},
		{[]net.HardwareAddr{foreignMAC, peerMAC}, nil, election.ProbeDone{Neighbour: election.Answers, Owner: peerMAC.String(), Peer: peer}},
	} {
		if got := p.neighbour(tt.answers, tt.err); got != tt.want {
			t.Errorf("%v, %v: %s, want %s", tt.answers, tt.err, got, tt.want)
		}
	}
}
