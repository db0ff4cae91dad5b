// SPDX-License-Identifier: Apache-2.0

package probe

import (
	"context"
	"encoding/json"
	"fmt"
	"math"
	"net/netip"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/harbinger-ha/harbinger/e2e/lab"
	"github.com/harbinger-ha/harbinger/e2e/lab/labtest"
	"github.com/harbinger-ha/harbinger/pkg/election"
)

// An oftenQuestion is for another process to ask, some times after another, with questions by ARP that are repeated.
type oftenQuestion struct {
	VIPs, Sources, Peers []netip.Addr // one of each for each family
	Asks                 int
	Full                 bool       // no file descriptor is left after the first probe
	Gateway              netip.Addr // valid: the peers are asked whether they are reached, and the gateway, instead of the addresses
	Timeout, Pause       time.Duration
	Times                int
}

// An oftenAnswer is what was found, and when.
type oftenAnswer struct {
	Done  election.ProbeDone
	Peers election.PeersDone
	Took  time.Duration
}

var oftenRole = lab.Role{Name: "often", Main: func(args []string) int {
	var q oftenQuestion
	if err := json.Unmarshal([]byte(args[0]), &q); err != nil {
		panic(err)
	}
	announcer, err := announcerHere()
	if err != nil {
		panic(err)
	}
	defer announcer.Close()
	vips := VIPs{}
	for i, vip := range q.VIPs {
		p := question{Source: q.Sources[i]}.probe()
		p.Resolver, p.PeerOf, p.Asks = announcer, announcer.PeerOf, q.Asks
		vips[vip] = p
		if announcer.Learn(q.Peers[i], q.Sources[i]) != nil {
			panic("a peer cannot be asked")
		}
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		_, _ = announcer.Resolve(ctx, q.Peers[i], q.Sources[i]) // learns its hardware address
		cancel()
	}
	var answers []oftenAnswer
	for i := range q.Times {
		if q.Full && i > 0 {
			if err := unix.Setrlimit(unix.RLIMIT_NOFILE, &unix.Rlimit{Cur: 3, Max: 3}); err != nil {
				panic(err)
			}
		}
		start := time.Now()
		ctx, cancel := context.WithTimeout(context.Background(), q.Timeout)
		var a oftenAnswer
		if q.Gateway.IsValid() {
			r := reachQuestion{Gateway: Peer{Address: q.Gateway, Source: q.Sources[0]}}
			for i, p := range q.Peers {
				r.Peers = append(r.Peers, Peer{Address: p, Source: q.Sources[i]})
			}
			reach := r.peers()
			reach.Neighbour = announcer.Confirm
			a.Peers = reach.Ask(ctx)
		} else {
			a.Done = vips.Probe(ctx)
		}
		a.Took = time.Since(start)
		answers = append(answers, a)
		cancel()
		time.Sleep(q.Pause)
	}
	if err := json.NewEncoder(os.Stdout).Encode(answers); err != nil {
		panic(err)
	}
	return 0
}}

// askOften asks from a host, of which another one is a peer.
func askOften(t testing.TB, h, peer *lab.Host, q oftenQuestion) (answers []oftenAnswer) {
	t.Helper()
	q.VIPs, q.Sources = []netip.Addr{vip4, vip6}, []netip.Addr{h.Address.Addr(), h.Address6.Addr()}
	q.Peers = []netip.Addr{peer.Address.Addr(), peer.Address6.Addr()}
	text, err := json.Marshal(q)
	labtest.Must(t, err)
	cmd := oftenRole.Command(string(text))
	cmd.Env = append(cmd.Env, "GORACE=atexit_sleep_ms=0") // else each process waits a second under -race
	p, err := h.Start(cmd)
	labtest.Must(t, err)
	labtest.Must(t, p.Wait(10*time.Second+time.Duration(q.Times)*(q.Timeout+q.Pause+100*time.Millisecond)))
	if err := json.NewDecoder(strings.NewReader(p.Output())).Decode(&answers); err != nil || len(answers) != q.Times {
		t.Fatalf("%v in %q", err, p.Output())
	}
	return answers
}

// stall reports whether this machine has not run the test for all of a question.
func stall(d election.ProbeDone) bool {
	return d.Neighbour == election.CouldNotAsk && strings.Contains(d.Detail, "questions were sent in time")
}

// A holder that lives reacts, and answers for its addresses, at whatever loss; and what is lost is known.
func TestLossHidesNoLiveHolder(t *testing.T) {
	const times = 15
	for percent, asks := range map[int]int{25: 14, 40: 26} {
		t.Run(fmt.Sprintf("%d %%", percent), func(t *testing.T) {
			l, asker, other := newLab(t)
			must(t, l.Drop(lab.Drop{Percent: percent}))
			asked, heard := 0, 0
			q := oftenQuestion{Asks: asks, Timeout: time.Duration(asks) * 20 * time.Millisecond, Times: times}
			for _, a := range askOften(t, asker, other, q) {
				asked, heard = asked+a.Done.Asked, heard+a.Done.Heard
			}
			pass := math.Pow(1-float64(percent)/100, 2)
			if share := float64(heard) / float64(max(asked, 1)); asked < times*asks || math.Abs(share-pass) > 0.1 {
				t.Errorf("heard %d of %d, want %.0f %%", heard, asked, 100*pass)
			}
			for _, vip := range []netip.Addr{vip4, vip6} {
				must(t, other.AddAddress(netip.PrefixFrom(vip, vip.BitLen())))
			}
			reaction(t, other, says(`{"cluster":"kubernetes","node":"node2","state":"active"}`+"\n"))
			said, silent := 0, 0
			for _, a := range askOften(t, asker, other, q) {
				switch d := a.Done; {
				case d.Identity == election.SaysActive, stall(d):
					said++
				case d.Neighbour == election.Nobody:
					t.Errorf("%s: it is not found", d)
				case d.Identity <= election.Nobody && d.Client <= election.Nobody:
					silent++ // its kernel answers, and the process came too late on a busy machine
				}
			}
			if silent > 1 {
				t.Errorf("the holder did not react %d times of %d", silent, times)
			}
			if said < times*3/4 {
				t.Errorf("the holder said %d times of %d who it is", said, times)
			}
		})
	}
}

// Who says who it is ends the probe; where nobody reacts, it ends with its time.
func TestProbeEndsInTime(t *testing.T) {
	asker, other := newHosts(t)
	const timeout, times = 120 * time.Millisecond, 8
	q := oftenQuestion{Asks: 5, Timeout: timeout, Times: times}
	inTime := 0
	for _, a := range askOften(t, asker, other, q) {
		d := a.Done
		if stall(d) {
			continue
		}
		inTime++
		if d.Identity != election.Nobody || d.Client != election.Nobody || d.Asked < q.Asks || a.Took < timeout {
			t.Errorf("%s with %d of %d in %s, want silence after all of the time", d, d.Heard, d.Asked, a.Took)
		}
	}
	if inTime == 0 {
		t.Error("no question was asked in time")
	}
	for _, vip := range []netip.Addr{vip4, vip6} {
		must(t, other.AddAddress(netip.PrefixFrom(vip, vip.BitLen())))
	}
	reaction(t, other, says(`{"cluster":"kubernetes","node":"node2","state":"active"}`+"\n"))
	q.Timeout = 10 * time.Second
	for _, a := range askOften(t, asker, other, q) {
		if a.Done.Identity != election.SaysActive || a.Took > q.Timeout/2 {
			t.Errorf("%s after %s, want what the holder says at once", a.Done, a.Took)
		}
	}
}

// The answer of a holder at one address is enough, and what was opened before asks also where no file descriptor is left.
func TestHolderOfOneAddress(t *testing.T) {
	asker, other := newHosts(t, vip4)
	q := oftenQuestion{Asks: 5, Timeout: 200 * time.Millisecond, Times: 3, Full: true}
	for i, a := range askOften(t, asker, other, q) {
		want := election.CouldNotAsk
		if i == 0 {
			want = election.Reset
		}
		if d := a.Done; d.Identity != want || d.Client != want || d.Neighbour != election.Answers || !d.Peer.IsValid() {
			t.Errorf("%s, want what the kernel of the peer answers: %s", d, want)
		}
	}
	reaction(t, other, says(`{"cluster":"kubernetes","node":"node2","state":"active"}`+"\n"))
	q.Timeout, q.Full = 10*time.Second, false
	for _, a := range askOften(t, asker, other, q) {
		if a.Done.Identity != election.SaysActive || a.Took > q.Timeout/2 {
			t.Errorf("%s after %s, want what the holder says, without the other address", a.Done, a.Took)
		}
	}
}

// What is reached proves so within a few milliseconds, also a gateway that answers ARP alone.
func TestShortQuestionsReach(t *testing.T) {
	l := labtest.New(t, lab.Config{Nodes: 3, Prefix6: labtest.Prefix6})
	asker, other, gateway := l.Hosts()[0], l.Hosts()[1], l.Hosts()[2]
	labtest.Meet(t, asker, other)
	labtest.Meet(t, asker, gateway)
	reaction(t, other, says(`{"cluster":"kubernetes","node":"node2","state":"backup"}`+"\n"))
	filterInput(t, gateway, "meta l4proto { tcp, icmp } drop")
	const times = 40
	peers, hops := 0, 0
	q := oftenQuestion{Timeout: 14 * time.Millisecond, Pause: 10 * time.Millisecond, Times: times, Gateway: gateway.Address.Addr()}
	for _, a := range askOften(t, asker, other, q) {
		peers += len(a.Peers.Reached)
		if a.Peers.Gateway == election.Answers {
			hops++
		}
	}
	if peers < times/2 || hops == 0 { // where the machine is free, of twice as many, and of all
		t.Errorf("%d of %d peers were reached, and %d of %d times the gateway", peers, 2*times, hops, times)
	}
	t.Logf("%d of %d peers were reached, and %d of %d times the gateway", peers, 2*times, hops, times)
}

// BenchmarkProbe measures when an answer is there: 14 ms is the time at an interval of 20 ms, and 110 ms at 200 ms.
func BenchmarkProbe(b *testing.B) {
	for _, timeout := range []time.Duration{14 * time.Millisecond, 110 * time.Millisecond} {
		for _, scene := range []string{"nobody", "live", "closed", "reach"} {
			b.Run(fmt.Sprintf("%s/%s", timeout, scene), func(b *testing.B) {
				asker, other := benchHosts(b, scene)
				q := oftenQuestion{Asks: 5, Timeout: timeout, Pause: 5 * time.Millisecond, Times: b.N}
				if scene == "reach" {
					q.Gateway = other.Address.Addr()
				}
				answers := askOften(b, asker, other, q)
				var took []time.Duration
				unasked := 0
				for _, a := range answers {
					took = append(took, a.Took)
					if a.Done.Neighbour == election.CouldNotAsk && a.Done.Identity < election.SaysBackup && len(a.Peers.Reached) == 0 {
						unasked++
					}
				}
				slices.Sort(took)
				b.ReportMetric(0, "ns/op")
				b.ReportMetric(float64(took[len(took)/2].Microseconds())/1000, "p50-ms")
				b.ReportMetric(float64(took[len(took)*99/100].Microseconds())/1000, "p99-ms")
				b.ReportMetric(float64(took[len(took)-1].Microseconds())/1000, "max-ms")
				b.ReportMetric(100*float64(unasked)/float64(len(answers)), "%unasked")
			})
		}
	}
}

// benchHosts returns one that asks and another one, which holds the addresses or drops what is for them.
func benchHosts(b *testing.B, scene string) (asker, other *lab.Host) {
	b.Helper()
	l := labtest.New(b, lab.Config{Nodes: 2, Prefix6: labtest.Prefix6})
	asker, other = l.Hosts()[0], l.Hosts()[1]
	labtest.Meet(b, asker, other)
	if scene == "nobody" {
		return asker, other
	}
	for _, vip := range []netip.Addr{vip4, vip6} {
		labtest.Must(b, other.AddAddress(netip.PrefixFrom(vip, vip.BitLen())))
	}
	ln, err := other.Listen(fmt.Sprintf(":%d", identityPort))
	labtest.Must(b, err)
	labtest.Serve(b, ln, says(`{"cluster":"kubernetes","node":"node2","state":"active"}`+"\n"))
	if scene == "closed" {
		labtest.Must(b, labtest.Nft(other, fmt.Sprintf("table netdev fence { chain in { type filter hook ingress device %s priority 0; "+
			"arp daddr ip %s drop; ip daddr %s drop; ip6 daddr %s drop; icmpv6 type nd-neighbor-solicit drop; }; }", lab.Interface, vip4, vip4, vip6)))
	}
	return asker, other
}
