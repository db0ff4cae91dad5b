// SPDX-License-Identifier: Apache-2.0

package trial

import (
	"fmt"
	"net"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"time"

	coordinationv1 "k8s.io/api/coordination/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/harbinger-ha/harbinger/e2e/lab"
	"github.com/harbinger-ha/harbinger/e2e/promise"
	"github.com/harbinger-ha/harbinger/pkg/announce"
)

// kubeVIPLease is the Lease of every kube-vip, by the defaults of its generator.
const kubeVIPLease = "kube-system/plndr-cp-lock"

// kubeVIPTimes are the settings of a kube-vip.
type kubeVIPTimes struct {
	lease, retry time.Duration // vip_leaseduration, vip_retryperiod
}

// gratuitousARPEvery is how often kube-vip announces, and adds an address that has gone.
const gratuitousARPEvery = 3 * time.Second

// kubeVIP is a stand-in for kube-vip in ARP mode on one node. In the order of kube-vip it removes the address when it starts,
// stands for its Lease as client-go does, then adds the address as /32 for ever and announces it; at its end it releases the Lease
// first and removes the address then. Killed, it leaves both.
type kubeVIP struct {
	t         *testing.T
	node      *Node
	store     *leaseStore
	times     kubeVIPTimes
	vip       netip.Prefix
	announcer *announce.Announcer

	mu       sync.Mutex
	leads    bool
	observed string    // version of the Lease
	seen     time.Time // when it was first seen
	stop     chan struct{}
	ended    chan struct{}
}

// startKubeVIP runs a kube-vip on a node until it is stopped, killed or the test ends.
func startKubeVIP(t *testing.T, p *Plane, n *Node, store *leaseStore, times kubeVIPTimes) *kubeVIP {
	t.Helper()
	v := &kubeVIP{
		t: t, node: n, store: store, times: times, vip: netip.PrefixFrom(p.VirtualAddress(), 32),
		stop: make(chan struct{}), ended: make(chan struct{}),
	}
	must(t, n.Do(func() error {
		link, err := net.InterfaceByName(lab.Interface)
		if err != nil {
			return err
		}
		v.announcer, err = announce.New(announce.Link{Name: link.Name, Index: link.Index, MAC: link.HardwareAddr})
		return err
	}))
	_ = n.DeleteAddress(v.vip) // in case it already exists
	go v.run()
	t.Cleanup(v.kill)
	return v
}

func (v *kubeVIP) run() {
	defer close(v.ended)
	retry, again := time.NewTicker(v.times.retry), time.NewTicker(gratuitousARPEvery)
	defer retry.Stop()
	defer again.Stop()
	for {
		v.try()
		select {
		case <-v.stop:
			return
		case <-again.C:
			v.announce()
		case <-retry.C:
		}
	}
}

// try is what client-go's leader election does each retry period.
func (v *kubeVIP) try() {
	v.mu.Lock()
	defer v.mu.Unlock()
	stored, now := v.store.read(kubeVIPLease), metav1.NowMicro()
	next := &coordinationv1.Lease{}
	if stored != nil {
		next = stored
		if stored.ResourceVersion != v.observed {
			v.observed, v.seen = stored.ResourceVersion, time.Now()
		}
		holder := *stored.Spec.HolderIdentity
		duration := time.Duration(*stored.Spec.LeaseDurationSeconds) * time.Second
		if holder != "" && holder != v.node.Name && time.Since(v.seen) < duration {
			return
		}
	}
	next.Spec.HolderIdentity, next.Spec.RenewTime, next.Spec.LeaseDurationSeconds = &v.node.Name, &now, new(int32(v.times.lease/time.Second))
	if _, err := v.store.write(kubeVIPLease, next); err != nil || v.leads {
		return
	}
	v.leads = true
	if err := v.node.AddAddress(v.vip); err != nil {
		v.t.Errorf("kube-vip of %s: %v", v.node.Name, err)
	}
	_ = v.announcer.Announce(v.vip.Addr()) // it is repeated
}

func (v *kubeVIP) announce() {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.leads {
		_ = v.node.AddAddress(v.vip) // it is there, most of the time
		_ = v.announcer.Announce(v.vip.Addr())
	}
}

// kill ends the process and nothing else. It may be called again.
func (v *kubeVIP) kill() {
	v.mu.Lock()
	select {
	case <-v.stop:
	default:
		close(v.stop)
	}
	v.mu.Unlock()
	<-v.ended
	_ = v.announcer.Close() // as often as it likes
}

// end is the planned stop. Whoever is quicker than the others stands for the Lease as soon as it is released.
func (v *kubeVIP) end(quicker *kubeVIP) {
	v.kill()
	if !v.leads {
		return
	}
	l := v.store.read(kubeVIPLease)
	empty, now := "", metav1.NowMicro()
	l.Spec.HolderIdentity, l.Spec.RenewTime, l.Spec.LeaseDurationSeconds = &empty, &now, new(int32(1))
	if _, err := v.store.write(kubeVIPLease, l); err != nil {
		v.t.Errorf("kube-vip of %s cannot release: %v", v.node.Name, err)
	}
	if quicker != nil {
		quicker.try()
	}
	if err := v.node.DeleteAddress(v.vip); err != nil {
		v.t.Errorf("kube-vip of %s: %v", v.node.Name, err)
	}
}

// besideKubeVIP returns a plane on whose nodes kube-vip runs, that of the first node with the address. It shares the port of the API
// servers with them, as kube-vip does.
func besideKubeVIP(t *testing.T, times kubeVIPTimes) (*Plane, *leaseStore, []*kubeVIP) {
	t.Helper()
	system := Harbinger{Binary: harbinger.Binary, Flags: []string{"--config-file", "--predecessor", kubeVIPLease}}
	p := newPlane(t, Config{System: system, Port: APIServerPort})
	store := serveLeases(t, p)
	key, err := p.CA.KeyPEM()
	must(t, err)
	var all []*kubeVIP
	for _, n := range p.Nodes {
		must(t, n.WriteFile("/etc/kubernetes/pki/ca.key", key))
		all = append(all, startKubeVIP(t, p, n, store, times))
		until(t, p, 5*time.Second, "kube-vip of the first node leads", func() bool { return store.holder(kubeVIPLease) == p.Nodes[0].Name })
	}
	must(t, p.Settle())
	return p, store, all
}

// joinKubeVIP adds Harbinger to a node, as the page says, and waits until it waits.
func joinKubeVIP(t *testing.T, p *Plane, n *Node, holder string) {
	t.Helper()
	_, err := harbinger.Run(n, "kubeconfig", "--predecessor", kubeVIPLease, "--apply-rbac=false")
	must(t, err)
	must(t, p.StartSidecar(n))
	until(t, p, 20*time.Second, n.Name+" waits for kube-vip on "+holder, func() bool { return waitsFor(t, n, holder) && p.System.Ready(n) })
}

func waitsFor(t *testing.T, n *Node, holder string) bool {
	r := status(t, n).VirtualRouter
	return r.State == "Backup" && r.CurrentReason == fmt.Sprintf("waits for kube-vip on %s, which holds the Lease %s", holder, kubeVIPLease)
}

// untilHarbingerHolds waits until a Harbinger has the address, and all others hear it.
func untilHarbingerHolds(t *testing.T, p *Plane) (holder *Node) {
	t.Helper()
	until(t, p, 20*time.Second, "a Harbinger has the address, and the others hear it", func() bool {
		states := map[string]int{}
		for _, n := range p.Nodes {
			r := status(t, n).VirtualRouter
			states[r.State]++
			if r.Held {
				holder = n
			}
			if r.State == "Backup" && !strings.HasPrefix(r.CurrentReason, "hears ") {
				return false
			}
		}
		return states["Active"] == 1 && states["Backup"] == len(p.Nodes)-1
	})
	must(t, p.Settle())
	return holder
}

// wantMove fails where the address was away for longer than allowed, was got more often than allowed since a moment, or where two
// had it for longer than allowed.
func wantMove(t *testing.T, p *Plane, what string, since time.Time, outage time.Duration, moves int) {
	t.Helper()
	must(t, p.Control.Check(since))
	s := p.Sample(since)
	t.Logf("%s: no answer for %v, nobody had it for %v, two had it for %v, moves %d, the machine stalled for %v", what, s.Outage, s.Nobody, s.Live, s.Moves, s.Stalled)
	if s.Outage.Length() > outage {
		t.Errorf("%s: no answer for %v, want at most %v", what, s.Outage, outage)
	}
	if s.Moves > moves {
		t.Errorf("%s: %d moves, want at most %d", what, s.Moves, moves)
	}
	if s.Live.Length() > time.Second {
		t.Errorf("%s: two had it for %v", what, s.Live)
	}
}

// wantLogs fails where a node wrote one of some lines, or not as often as expected.
func wantLogs(t *testing.T, p *Plane, lines map[string]int) {
	t.Helper()
	for _, n := range p.Nodes {
		for line, want := range lines {
			if got := strings.Count(n.Output(), line); got != want {
				t.Errorf("%s wrote %q %d times, want %d", n.Name, line, got, want)
			}
		}
	}
}

// A cluster moves from kube-vip node by node: Harbinger is added on each, then kube-vip stops on each, that of the holder last.
// There is one move. Before it another kube-vip may still take over; after it none can, also where one comes back by mistake.
func TestFromKubeVIP(t *testing.T) {
	t.Parallel()
	p, store, vips := besideKubeVIP(t, kubeVIPTimes{lease: 15 * time.Second, retry: 2 * time.Second})
	start := time.Now()
	for _, n := range p.Nodes {
		joinKubeVIP(t, p, n, "node1")
	}
	out, err := harbinger.Run(p.Nodes[1], "status")
	if want := "waits for kube-vip on node1, which holds the Lease kube-system/plndr-cp-lock"; err != nil || !strings.Contains(strings.Join(strings.Fields(out), " "), want) {
		t.Errorf("harbinger status: %v, want %q in\n%s", err, want, out)
	}
	wantMove(t, p, "Harbinger is added on each node", start, 300*time.Millisecond, 0)

	start = time.Now()
	vips[0].end(vips[1])
	for _, n := range p.Nodes {
		until(t, p, 5*time.Second, n.Name+" waits for the other kube-vip", func() bool { return waitsFor(t, n, "node2") })
	}
	vips[2].end(nil)
	observeFor(watchTime)
	wantMove(t, p, "another kube-vip takes over", start, 300*time.Millisecond, 1)
	wantLogs(t, p, map[string]int{"Waiting for the predecessor": 2, "Predecessor is over": 0})

	start = time.Now()
	vips[1].end(nil)
	holder := untilHarbingerHolds(t, p)
	wantMove(t, p, "the last kube-vip is stopped, and Harbinger takes over", start, limits(promise.KubeVIPStops).Outage, 1)
	if got := store.holder(kubeVIPLease); got != "harbinger/"+holder.Name {
		t.Errorf("the Lease of kube-vip is held by %q", got)
	}

	start = time.Now()
	other := p.Others(holder)[0]
	for _, n := range []*Node{holder, other} { // kube-vip removes the address at its start, also one that is not its own
		startKubeVIP(t, p, n, store, vips[0].times)
	}
	observeFor(3 * vips[0].times.retry)
	wantMove(t, p, "kube-vip comes back on two nodes by mistake", start, 500*time.Millisecond, 1)
	if now, err := p.Holder(); err != nil || now != holder {
		t.Errorf("held by %v (%v), want %s as before", now, err, holder.Name)
	}
	wantLogs(t, p, map[string]int{"Waiting for the predecessor": 2, "Predecessor is over": 1, "ForeignHolder": 0, "Stray virtual address": 0, "AddressConflict": 0})

	for _, n := range append(p.Others(holder), holder) { // the way back
		must(t, n.Sidecar.Stop())
		must(t, n.Sidecar.Keeper.Wait(settleTime))
	}
	store.remove(kubeVIPLease)
	until(t, p, 10*time.Second, "kube-vip leads again", func() bool { return p.Node(store.holder(kubeVIPLease)) != nil })
	must(t, p.Settle())
}

// A kube-vip that is killed leaves its address and its Lease. Its own node is the first to stand for that when it has expired, and
// goes on with the address that is there. Where that node has no Harbinger the address stays there, which is a conflict with a
// remedy.
func TestFromKilledKubeVIP(t *testing.T) {
	t.Parallel()
	times := kubeVIPTimes{lease: 5 * time.Second, retry: time.Second}
	for _, tc := range []struct {
		name  string
		alone bool // the node of kube-vip has no Harbinger
	}{{"beside Harbinger", false}, {"on a node without Harbinger", true}} {
		t.Run(tc.name, func(t *testing.T) {
			p, _, vips := besideKubeVIP(t, times)
			first := p.Nodes[0]
			for _, n := range p.Nodes {
				if n != first || !tc.alone {
					joinKubeVIP(t, p, n, first.Name)
				}
			}
			vips[1].end(nil)
			vips[2].end(nil)
			start := time.Now()
			vips[0].kill()
			if !tc.alone {
				holder := untilHarbingerHolds(t, p)
				if holder != first {
					t.Errorf("%s took over, want the node that had the address", holder.Name)
				}
				wantMove(t, p, "kube-vip is killed, and the Harbinger beside it takes over", start, 300*time.Millisecond, 0)
				return
			}
			for _, n := range p.Others(first) {
				until(t, p, 20*time.Second, n.Name+" says what to do", func() bool {
					r := status(t, n).VirtualRouter
					return r.State == "Conflict" && strings.Contains(r.Conflict, "kube-vip (last on node1)") && strings.Contains(r.Conflict, "ip address del")
				})
			}
			wantMove(t, p, "kube-vip is killed on a node without Harbinger", start, 300*time.Millisecond, 0)
			start = time.Now()
			_, err := harbinger.Run(first, "kubeconfig", "--predecessor", kubeVIPLease, "--apply-rbac=false")
			must(t, err)
			must(t, p.StartSidecar(first))
			untilHarbingerHolds(t, p)
			wantMove(t, p, "Harbinger is added on that node", start, leftBehind, 1)
		})
	}
}

// leftBehind bounds the outage where an address that kube-vip has left behind is removed: two probes of a conflict, skew time,
// and a probe.
const leftBehind = 4 * time.Second
