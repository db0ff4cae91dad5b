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

const identityPort = 10444

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

func (q question) probe() VIPProbe {
	return VIPProbe{
		Cluster:   "kubernetes",
		Node:      "node1",
		Port:      identityPort,
		Interface: lab.Interface,
		Source:    q.Source,
		Resolver:  fakeResolver(q.Owners),
		KnownPeer: func(mac net.HardwareAddr) bool { return bytes.Equal(mac, peerMAC) },
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

func TestVerdictOfAReaction(t *testing.T) {
	owners := []net.HardwareAddr{peerMAC}
	asker, other := newHosts(t, vip4)
	if got := ask(t, asker, question{VIP: vip4, Owners: owners}); got.Verdict != election.Zombie || !got.KnownOwner {
		t.Errorf("refused connection: %+v, want a Zombie of a known owner", got)
	}
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
			got := ask(t, asker, question{VIP: vip4, Owners: owners})
			if got.Verdict != election.Zombie || !got.KnownOwner || !strings.Contains(got.Detail, tt.detail) {
				t.Errorf("%+v, want a Zombie of a known owner with %q", got, tt.detail)
			}
		})
	}
}

func TestVerdictOfAnIdentity(t *testing.T) {
	asker, other := newHosts(t, vip4, vip6)
	var said atomic.Pointer[Identity]
	ln, err := other.Listen(fmt.Sprintf(":%d", identityPort))
	must(t, err)
	serve(t, ln, func() Identity { return *said.Load() })
	for _, tt := range []struct {
		name   string
		change func(*Identity)
		want   election.Verdict
	}{
		{"active", func(*Identity) {}, election.Live},
		{"in distress", func(id *Identity) { id.Distress = true }, election.LiveDistress},
		{"leaving", func(id *Identity) { id.State = stateLeaving }, election.Free},
		{"backup", func(id *Identity) { id.State = "backup" }, election.Zombie},
		{"another cluster", func(id *Identity) { id.Cluster = "staging" }, election.Foreign},
		{"the same node", func(id *Identity) { id.Node = "node1" }, election.Zombie},
	} {
		for _, vip := range []netip.Addr{vip4, vip6} {
			t.Run(tt.name+" "+vip.String(), func(t *testing.T) {
				id := holder
				tt.change(&id)
				said.Store(&id)
				got := ask(t, asker, question{VIP: vip, Timeout: 5 * time.Second, Owners: []net.HardwareAddr{peerMAC}})
				if got.Verdict != tt.want || !strings.Contains(got.Detail, "node "+id.Node+" of cluster "+id.Cluster+" is "+id.State) {
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
		t.Run(name, func(t *testing.T) {
			start := time.Now()
			got := ask(t, asker, question{VIP: vip4, Owners: owners})
			if got.Verdict != election.Free || !strings.Contains(got.Detail, "no reaction") {
				t.Errorf("%+v, want Free", got)
			}
			if took := time.Since(start); took < 300*time.Millisecond {
				t.Errorf("gave up after %s", took)
			}
		})
	}
	t.Run("blackhole", func(t *testing.T) {
		must(t, other.AddAddress(netip.PrefixFrom(vip4, 32)))
		must(t, other.Blackhole())
		if got := ask(t, asker, question{VIP: vip4, Owners: []net.HardwareAddr{}}); got.Verdict != election.Free {
			t.Errorf("%+v, want Free", got)
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
	if got.Verdict != election.Live {
		t.Errorf("%+v, want Live", got)
	}
}

func TestOwnAddressIsNotAsked(t *testing.T) {
	asker, _ := newHosts(t)
	got := ask(t, asker, question{VIP: asker.Address.Addr()})
	if got.Verdict != election.Zombie || !strings.Contains(got.Detail, "is an address of this host") {
		t.Errorf("%+v, want a Zombie that says so", got)
	}
}

// What keeps this node from asking says nothing of the others, but for who answers ARP.
func TestCouldNotAskIsNotFree(t *testing.T) {
	asker, _ := newHosts(t)
	owners := []net.HardwareAddr{foreignMAC}
	got := ask(t, asker, question{VIP: netip.MustParseAddr("2001:db8::7"), Owners: owners})
	if got.Verdict != election.Unasked || !strings.Contains(got.Detail, "network is unreachable") || got.Owner != foreignMAC.String() || got.KnownOwner {
		t.Errorf("without a route: %+v, want Unasked with the error and who answers ARP", got)
	}

	p := question{Source: netip.MustParseAddr("192.0.2.1"), Owners: owners}.probe()
	p.Interface = "missing0"
	if got := p.Probe(t.Context(), netip.MustParseAddr("192.0.2.100")); got.Verdict != election.Unasked || !strings.Contains(got.Detail, "no such device") {
		t.Errorf("without the interface: %+v, want Unasked with the error", got)
	}

	for source, vip := range map[string]string{"192.0.2.1": "192.0.2.100", "2001:db8::1": "2001:db8::7"} {
		p := question{Source: netip.MustParseAddr(source), Owners: owners}.probe()
		p.Interface = "lo"
		got := p.Probe(t.Context(), netip.MustParseAddr(vip))
		if got.Verdict != election.Unasked || !strings.Contains(got.Detail, "cannot assign requested address") {
			t.Errorf("without the own address %s: %+v, want Unasked with the error", source, got)
		}
	}

	late, cancel := context.WithDeadline(t.Context(), time.Now())
	defer cancel()
	if got := p.Probe(late, netip.MustParseAddr("192.0.2.100")); got.Verdict != election.Unasked {
		t.Errorf("began when the time was over: %+v, want Unasked", got)
	}
}

func TestVerdictOfAFailedConnection(t *testing.T) {
	for _, tt := range []struct {
		want   election.Verdict
		errors []error
	}{
		{election.Free, []error{syscall.ETIMEDOUT, syscall.EHOSTUNREACH, syscall.EHOSTDOWN, os.ErrDeadlineExceeded, context.DeadlineExceeded}},
		{election.Zombie, []error{syscall.ECONNREFUSED, syscall.ECONNRESET, syscall.ENOPROTOOPT}},
		{election.Unasked, []error{
			syscall.ENETUNREACH, syscall.ENETDOWN, syscall.EADDRNOTAVAIL, syscall.EADDRINUSE, syscall.ENODEV, syscall.EPERM, syscall.EACCES,
			syscall.EMFILE, syscall.ENFILE, syscall.ENOBUFS, syscall.ENOMEM, syscall.EINVAL, context.Canceled, errors.New("unheard of"),
		}},
	} {
		for _, err := range tt.errors {
			if got := noConnection(&net.OpError{Op: "dial", Net: "tcp", Err: os.NewSyscallError("connect", err)}); got.Verdict != tt.want {
				t.Errorf("%v is %s, want %s", err, got.Verdict, tt.want)
			}
		}
	}
}

// A question that was not sent is no silence, in whatever order the attempts end; a reaction counts before both.
func TestAttemptThatCouldNotAskCounts(t *testing.T) {
	free, unasked, refused := noConnection(syscall.ETIMEDOUT), noConnection(syscall.EMFILE), noConnection(syscall.ECONNREFUSED)
	for _, tt := range []struct {
		a, next answer
		want    election.Verdict
	}{
		{free, free, election.Free}, {free, unasked, election.Unasked}, {unasked, free, election.Unasked},
		{free, refused, election.Zombie}, {unasked, refused, election.Zombie},
	} {
		if got := tt.a.with(tt.next); got.Verdict != tt.want {
			t.Errorf("%s, then %s: %s, want %s", tt.a.Verdict, tt.next.Verdict, got.Verdict, tt.want)
		}
	}
}

func TestOwnerIsAPeerFirst(t *testing.T) {
	p := question{}.probe()
	for _, tt := range []struct {
		answers []net.HardwareAddr
		owner   net.HardwareAddr
		known   bool
	}{
		{nil, nil, false},
		{[]net.HardwareAddr{foreignMAC}, foreignMAC, false},
		{[]net.HardwareAddr{foreignMAC, peerMAC}, peerMAC, true},
	} {
		if owner, known := p.owner(tt.answers); !bytes.Equal(owner, tt.owner) || known != tt.known {
			t.Errorf("owner of %v is %v, %t, want %v, %t", tt.answers, owner, known, tt.owner, tt.known)
		}
	}
}
