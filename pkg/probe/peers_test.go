// SPDX-License-Identifier: Apache-2.0

package probe

import (
	"context"
	"encoding/json"
	"fmt"
	"net"
	"net/netip"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/harbinger-ha/harbinger/e2e/lab"
	"github.com/harbinger-ha/harbinger/e2e/lab/labtest"
	"github.com/harbinger-ha/harbinger/pkg/election"
	"github.com/harbinger-ha/harbinger/pkg/guard"
)

// A reachQuestion is for another process to ask, several times at once.
type reachQuestion struct {
	Peers     []Peer
	Gateway   Peer
	Neighbour bool // what ARP finds of the gateway
	Own       []netip.Addr
	Timeout   time.Duration
	Times     int
}

func (q reachQuestion) peers() Peers {
	return Peers{
		Cluster: "kubernetes", Node: "node1", Port: identityPort, Interface: wire(), Own: q.Own, Peers: q.Peers, Gateway: q.Gateway, Known: &Gateway{},
		Neighbour: func(context.Context, netip.Addr, netip.Addr) (bool, error) { return q.Neighbour, nil },
	}
}

// peersRole asks in a host, as probeRole does.
var peersRole = lab.Role{Name: "peers", Main: func(args []string) int {
	var q reachQuestion
	if err := json.Unmarshal([]byte(args[0]), &q); err != nil {
		panic(err)
	}
	found := make([]election.PeersDone, q.Times)
	var asking guard.Workers
	for i := range found {
		asking.Go(func() {
			ctx, cancel := context.WithTimeout(context.Background(), q.Timeout)
			defer cancel()
			found[i] = q.peers().Ask(ctx)
		})
	}
	asking.Wait()
	if err := json.NewEncoder(os.Stdout).Encode(found); err != nil {
		panic(err)
	}
	return 0
}}

// askPeers asks from a host.
func askPeers(t *testing.T, h *lab.Host, q reachQuestion) (found []election.PeersDone) {
	t.Helper()
	if q.Times = max(q.Times, 1); q.Timeout == 0 {
		q.Timeout = 400 * time.Millisecond
	}
	text, err := json.Marshal(q)
	must(t, err)
	cmd := peersRole.Command(string(text))
	cmd.Env = append(cmd.Env, "GORACE=atexit_sleep_ms=0") // else each process waits a second under -race
	p, err := h.Start(cmd)
	must(t, err)
	must(t, p.Wait(10*time.Second))
	if err := json.NewDecoder(strings.NewReader(p.Output())).Decode(&found); err != nil || len(found) != q.Times {
		t.Fatalf("%v in %q", err, p.Output())
	}
	return found
}

// both are the addresses of a host as a peer of another one.
func both(asker, other *lab.Host, apiServer uint16) []Peer {
	return []Peer{
		{Address: other.Address.Addr(), Source: asker.Address.Addr(), APIServer: apiServer},
		{Address: other.Address6.Addr(), Source: asker.Address6.Addr(), APIServer: apiServer},
	}
}

// What only the host itself can send is a proof; answers that others give for it are none.
func TestProofOfReach(t *testing.T) {
	asker, other := newHosts(t)
	for _, limit := range []string{"net/ipv4/icmp_ratelimit", "net/ipv6/icmp/ratelimit"} {
		must(t, other.SetSysctl(limit, "0"))
	}
	ln, err := other.Listen(fmt.Sprintf(":%d", clientPort))
	must(t, err)
	const times = 5
	var accepted atomic.Int32
	labtest.Serve(t, ln, func(net.Conn) { accepted.Add(1) })
	const echo, answerARP = "meta l4proto { icmp, ipv6-icmp } icmp type echo-request", "icmpv6 type { nd-neighbor-solicit, nd-neighbor-advert } accept; "
	for _, tt := range []struct {
		name, rules string
		apiServer   uint16
		reached     bool
	}{
		{"everything", "", 0, true},
		{"TCP alone, which is refused", "icmp type echo-request drop; icmpv6 type echo-request drop", 0, true},
		{"an echo alone", "meta l4proto tcp drop", 0, true},
		{"the apiserver alone", answerARP + "tcp dport 6443 accept; drop", clientPort, true},
		{"the apiserver alone, which is not known", answerARP + "tcp dport 6443 accept; drop", 0, false},
		{"an ICMP error alone", answerARP + "meta l4proto tcp reject with icmpx port-unreachable; drop", clientPort, false},
		{"ARP and neighbour discovery alone", answerARP + "drop", clientPort, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if tt.rules != "" {
				filterInput(t, other, tt.rules)
			}
			peers := both(asker, other, tt.apiServer)
			var want []netip.Addr
			if tt.reached {
				want = []netip.Addr{peers[0].Address, peers[1].Address}
			}
			runs := 1
			if tt.reached && tt.apiServer > 0 {
				runs = times
			}
			for range runs {
				got := askPeers(t, asker, reachQuestion{Peers: peers, Timeout: time.Second})[0]
				if !slices.Equal(got.Reached, want) || got.CouldNotAsk || got.Gateway != election.CouldNotAsk || got.Witnesses != nil {
					t.Errorf("%s, want %v reached", got, want)
				}
			}
			// The kernel completes a connection 40 ms after its answer, which is soon where the machine is busy.
			if n := accepted.Swap(0); n > times {
				t.Errorf("the apiserver has accepted %d connections of %d", n, 2*times)
			}
		})
	}
	t.Run("silence", func(t *testing.T) {
		must(t, other.Blackhole())
		if got := askPeers(t, asker, reachQuestion{Peers: both(asker, other, clientPort)})[0]; got.Reached != nil || got.CouldNotAsk {
			t.Errorf("%s, want nobody, who was asked", got)
		}
	})
}

// 40 % of the packets are lost in each direction, and no peer is.
func TestLossHidesNoPeer(t *testing.T) {
	asker, other := newHosts(t)
	reaction(t, other, says(`{"cluster":"kubernetes","node":"node2","state":"backup"}`+"\n"))
	for _, h := range []*lab.Host{asker, other} {
		filterInput(t, h, "icmpv6 type { nd-neighbor-solicit, nd-neighbor-advert } accept; numgen random mod 100 < 40 drop")
	}
	const times = 20
	reached := 0
	for _, got := range askPeers(t, asker, reachQuestion{Peers: both(asker, other, 0), Timeout: time.Second, Times: times}) {
		reached += len(got.Reached)
	}
	if reached < 2*times-1 { // one of a thousand questions finds nothing
		t.Errorf("%d of %d questions were answered", reached, 2*times)
	}
}

// What a Backup finds of the holder travels by its identity line.
func TestWitnessTravelsToTheHolder(t *testing.T) {
	asker, other := newHosts(t)
	var said atomic.Pointer[Identity]
	ln, err := other.Listen(fmt.Sprintf(":%d", identityPort))
	must(t, err)
	serve(t, ln, func() Identity { return *said.Load() })
	peers := both(asker, other, 0)
	all := []netip.Addr{peers[0].Address, peers[1].Address}
	own := []netip.Addr{asker.Address.Addr(), netip.MustParseAddr("fe80::1%eth0")}
	for _, tt := range []struct {
		name                   string
		witness                Witness
		change                 func(*Identity)
		witnesses, unreachable []netip.Addr
	}{
		{name: "an old version"},
		{name: "reaches it", witness: Witness{Holder: own[0], AgeMs: 500}, witnesses: all},
		{name: "has failed twice", witness: Witness{Holder: own[0], AgeMs: 500, Failures: 2}, witnesses: all},
		{name: "has failed", witness: Witness{Holder: own[0], AgeMs: 6000, Failures: 3}, witnesses: all, unreachable: all},
		{name: "by the link-local address", witness: Witness{Holder: own[1].WithZone(""), Failures: 9}, witnesses: all, unreachable: all},
		{name: "long ago", witness: Witness{Holder: own[0], AgeMs: 6001, Failures: 3}},
		{name: "in the future", witness: Witness{Holder: own[0], AgeMs: -1, Failures: 3}},
		{name: "of another holder that it does not hear now", witness: Witness{Holder: all[0], Silent: true}},
		{name: "of another holder", witness: Witness{Holder: all[0], Failures: 3}},
		{name: "of another cluster", witness: Witness{Holder: own[0], Failures: 3}, change: func(id *Identity) { id.Cluster = "staging" }},
		{name: "this node itself", witness: Witness{Holder: own[0], Failures: 3}, change: func(id *Identity) { id.Node = "node1" }},
	} {
		t.Run(tt.name, func(t *testing.T) {
			id := Identity{Cluster: "kubernetes", Node: "node2", State: "backup", Witness: tt.witness}
			if tt.change != nil {
				tt.change(&id)
			}
			said.Store(&id)
			got := askPeers(t, asker, reachQuestion{Peers: peers, Own: own, Timeout: 5 * time.Second})[0]
			heard := []netip.Addr(nil)
			if tt.name == "of another holder" {
				heard = []netip.Addr{tt.witness.Holder, tt.witness.Holder} // of both peers
			}
			if !slices.Equal(got.Heard, heard) {
				t.Errorf("hears %v, want %v", got.Heard, heard)
			}
			if !slices.Equal(got.Reached, all) || !slices.Equal(got.Witnesses, tt.witnesses) || !slices.Equal(got.Unreachable, tt.unreachable) {
				t.Errorf("%s, want witnesses %v, unreachable %v", got, tt.witnesses, tt.unreachable)
			}
		})
	}
}

// What keeps this node from asking says nothing of the others.
func TestPeersThatCouldNotBeAsked(t *testing.T) {
	asker, other := newHosts(t)
	elsewhere := []Peer{{Address: other.Address.Addr(), Source: netip.MustParseAddr("192.0.2.77")}}
	if got := askPeers(t, asker, reachQuestion{Peers: elsewhere, Gateway: elsewhere[0]})[0]; !got.CouldNotAsk || got.Reached != nil {
		t.Errorf("without its own address: %s", got)
	}
	late, cancel := context.WithDeadline(t.Context(), time.Now())
	defer cancel()
	if got := (reachQuestion{Peers: elsewhere}).peers().Ask(late); !got.CouldNotAsk {
		t.Errorf("too late: %s", got)
	}
	if got := (reachQuestion{}).peers().Ask(t.Context()); got.CouldNotAsk || got.Reached != nil || got.Gateway != election.CouldNotAsk {
		t.Errorf("nobody to ask: %s", got)
	}
}

func TestGatewayOnTheWire(t *testing.T) {
	asker, router := newHosts(t)
	v4 := Peer{Address: router.Address.Addr(), Source: asker.Address.Addr()}
	linkLocal := netip.MustParseAddr(strings.Split(linkLocalOf(t, router), "/")[0])
	v6 := Peer{Address: linkLocal, Source: asker.Address6.Addr()}
	for _, tt := range []struct {
		name, rules string
		neighbour   bool
		want        election.Finding
	}{
		{"an echo", "meta l4proto tcp drop", false, election.Answers},
		{"a refused connection", "icmp type echo-request drop; icmpv6 type echo-request drop", false, election.Answers},
		{"nothing", "icmpv6 type { nd-neighbor-solicit, nd-neighbor-advert } accept; drop", false, election.Nobody},
		{"ARP alone", "icmpv6 type { nd-neighbor-solicit, nd-neighbor-advert } accept; drop", true, election.Answers},
	} {
		t.Run(tt.name, func(t *testing.T) {
			filterInput(t, router, tt.rules)
			for _, gateway := range []Peer{v4, v6} {
				if got := askPeers(t, asker, reachQuestion{Gateway: gateway, Neighbour: tt.neighbour})[0]; got.Gateway != tt.want || got.CouldNotAsk {
					t.Errorf("%s: %s, want %s", gateway.Address, got, tt.want)
				}
			}
		})
	}
}

// linkLocalOf returns the link-local address of a host.
func linkLocalOf(t *testing.T, h *lab.Host) (found string) {
	t.Helper()
	must(t, h.Do(func() error {
		link, err := net.InterfaceByName(lab.Interface)
		if err != nil {
			return err
		}
		all, err := link.Addrs()
		for _, a := range all {
			if strings.HasPrefix(a.String(), "fe80:") {
				found = a.String()
			}
		}
		return err
	}))
	return found
}

// ARP is the word of whoever answers it: it counts for a gateway that says nothing else, and no longer for one that has.
func TestGatewayThatHasProvedMore(t *testing.T) {
	first, second := netip.MustParseAddr("192.0.2.1"), netip.MustParseAddr("192.0.2.2")
	proven, asked, unasked := reach{asked: true, proven: true}, reach{asked: true}, reach{}
	g := &Gateway{}
	for i, step := range []struct {
		address   netip.Addr
		reach     *reach
		neighbour bool
		want      election.Finding
	}{
		{first, &unasked, false, election.CouldNotAsk},
		{first, &asked, false, election.Nobody},
		{first, &asked, true, election.Answers},
		{first, &proven, false, election.Answers},
		{first, &asked, true, election.Nobody},
		{second, &asked, true, election.Answers},
		{first, &asked, true, election.Answers}, // it may be another host by now
	} {
		if got := g.judge(step.address, step.reach, step.neighbour); got != step.want {
			t.Errorf("step %d: %s, want %s", i, got, step.want)
		}
	}
}

func TestEchoAnswer(t *testing.T) {
	for _, to := range []string{"192.0.2.1", "2001:db8::1"} {
		e, other := newEcho(netip.MustParseAddr(to)), newEcho(netip.MustParseAddr(to))
		answer := func(e echo) []byte {
			b := e.request()
			if b[0] = echoReply4; e.is6 {
				b[0] = echoReply6
			}
			return b
		}
		if request := e.request(); !e.is6 && checksum(request) != 0 {
			t.Errorf("%x has the checksum %x", request, checksum(request))
		}
		if !e.answeredBy(answer(e)) {
			t.Error("its own answer does not count")
		}
		for name, b := range map[string][]byte{
			"its request": e.request(), "another answer": answer(other), "nothing": nil, "a header": answer(e)[:8], "a short one": answer(e)[:23],
			"a long one": append(answer(e), 0), "an error": append([]byte{3, 3}, answer(e)[2:]...),
		} {
			if e.answeredBy(b) {
				t.Errorf("%s, %x, counts", name, b)
			}
		}
	}
}

// A long question has a long answer, of which each byte counts.
func TestLongEchoAnswer(t *testing.T) {
	e := newEcho(netip.MustParseAddr("192.0.2.1"))
	e.more = 1448
	b := e.request()
	if len(b) != 1472 || checksum(b) != 0 {
		t.Errorf("%d bytes, checksum %x", len(b), checksum(b))
	}
	if b[0] = echoReply4; !e.answeredBy(b) || e.answeredBy(b[:24]) {
		t.Error("its own answer does not count, or its beginning does")
	}
}

// echoRole asks a host for echoes: its arguments are the address and the length of the packets.
var echoRole = lab.Role{Name: "echo", Main: func(args []string) int {
	size, err := strconv.Atoi(args[1])
	if err != nil {
		panic(err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), 600*time.Millisecond)
	defer cancel()
	answered, asked := Echo(ctx, wire(), netip.Addr{}, netip.MustParseAddr(args[0]), size)
	fmt.Println(answered, asked)
	return 0
}}

// An echo as long as the interface allows shows what the path lets through, and one that is longer is not sent in parts.
func TestEchoOfALength(t *testing.T) {
	network := labtest.New(t, lab.Config{Nodes: 2, Prefix6: labtest.Prefix6})
	hosts := network.Hosts()
	labtest.Meet(t, hosts[0], hosts[1])
	must(t, network.Drop(lab.Drop{Traffic: "ip length > 1400"}))
	for _, c := range []struct {
		to   netip.Addr
		size int
		want string
	}{
		{hosts[1].Address.Addr(), 0, "true true"}, {hosts[1].Address.Addr(), 1400, "true true"}, {hosts[1].Address.Addr(), 1500, "false true"},
		{hosts[1].Address6.Addr(), 1500, "true true"}, {hosts[1].Address6.Addr(), 1502, "false false"},
	} {
		p, err := hosts[0].Start(echoRole.Command(c.to.String(), strconv.Itoa(c.size)))
		must(t, err)
		must(t, p.Wait(10*time.Second))
		if got := strings.TrimSpace(p.Output()); got != c.want {
			t.Errorf("%d bytes to %s: answered, asked: %s, want %s", c.size, c.to, got, c.want)
		}
	}
}
