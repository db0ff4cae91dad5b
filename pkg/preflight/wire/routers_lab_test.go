// SPDX-License-Identifier: Apache-2.0

package wire

import (
	"context"
	"net"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/harbinger-ha/harbinger/e2e/lab"
	"github.com/harbinger-ha/harbinger/e2e/lab/guest"
	"github.com/harbinger-ha/harbinger/e2e/lab/labtest"
	"github.com/harbinger-ha/harbinger/pkg/preflight"
	"github.com/harbinger-ha/harbinger/pkg/probe"
	"github.com/harbinger-ha/harbinger/pkg/vrrp"
	"github.com/harbinger-ha/harbinger/pkg/vrrpconn"
)

// keepalived runs one for an address. The function that is returned waits until it holds that.
func keepalived(t *testing.T, h *lab.Host, k guest.Keepalived, address string) (p *lab.Process, holds func()) {
	t.Helper()
	k.VirtualAddresses = []netip.Prefix{netip.MustParsePrefix(address)}
	if k.AdvertisementInterval == 0 {
		k.AdvertisementInterval = 300 * time.Millisecond
	}
	p, err := k.Start(h)
	must(t, err)
	return p, func() {
		t.Helper()
		labtest.Until(t, 10*time.Second, "keepalived is the master", func() bool { return p.Wrote("Entering MASTER STATE") })
	}
}

// Other virtual routers are listed, and one that has the virtual router ID for another address is refused, with a free one.
func TestRouterIDInUse(t *testing.T) {
	t.Parallel() // it waits most of the time
	hosts := labtest.Hosts(t, 4)
	_, third := keepalived(t, hosts[1], guest.Keepalived{VirtualRouterID: 51, Priority: 150}, "192.168.238.200/24")
	_, second := keepalived(t, hosts[2], guest.Keepalived{VirtualRouterID: 52, Priority: 90, Version: 2, Password: "s3cret", AdvertisementInterval: time.Second}, "192.168.238.201/24")
	_, sixth := keepalived(t, hosts[3], guest.Keepalived{VirtualRouterID: 53, Priority: 80}, "fd00:99::200/64")
	third()
	second()
	sixth()
	all := check(t, hosts[0], run{Config: vip, Listen: 2500 * time.Millisecond})
	want(t, all, checkAddress, preflight.OK, "no other host")
	r := want(t, all, checkID, preflight.Fail, "another virtual router", hosts[1].Address.Addr().String(), "virtualRouterID: 54")
	if r.Field != "election.vrrp.virtualRouterID" {
		t.Errorf("field %q", r.Field)
	}
	want(t, all, checkRouters, preflight.OK, "ID 51: VRRP version 3 from 192.168.238.131", "priority 150, every 300ms, for 192.168.238.200, not authenticated")
	want(t, all, checkRouters, preflight.OK, "ID 52: VRRP version 2 from 192.168.238.132", "priority 90, every 1s, for 192.168.238.201, with a password")
	want(t, all, checkRouters, preflight.OK, "ID 53: VRRP version 3 from fe80::", "for fd00:99::200")
	for _, r := range all {
		if strings.Contains(r.Found+r.Remedy, "s3cret") {
			t.Errorf("%s shows the password", r.Check)
		}
	}
	// What is suggested fits.
	none(t, check(t, hosts[0], run{Config: vip + "election: {vrrp: {virtualRouterID: 54}}\n", Listen: 1500 * time.Millisecond}), preflight.Fail)
}

// The recipe that Harbinger is to replace is known by its virtual router ID and address, and refused where the configuration would not
// hear it. Test packets change nothing for it.
func TestRecipeStillRuns(t *testing.T) {
	t.Parallel() // it waits most of the time
	hosts := labtest.Hosts(t, 3)
	const address = "192.168.238.100/24"
	// An interval after which a busy machine has woken the backup.
	master, holds := keepalived(t, hosts[0], guest.Keepalived{VirtualRouterID: 51, Priority: 150, AdvertisementInterval: time.Second}, address)
	holds()
	backup, _ := keepalived(t, hosts[1], guest.Keepalived{VirtualRouterID: 51, Priority: 100, AdvertisementInterval: time.Second}, address)
	labtest.Until(t, 10*time.Second, "the other one is a backup", func() bool {
		return backup.Wrote("Entering BACKUP STATE") && backup.Wrote("Startup complete") && master.Wrote("Startup complete")
	})
	before := [2]string{master.Output(), backup.Output()}

	nodes := []netip.Addr{hosts[0].Address.Addr(), hosts[1].Address.Addr(), hosts[2].Address.Addr()}
	found := together(t, hosts, run{Config: vip, Listen: 2 * time.Second, Wait: 10 * time.Second, Peers: nodes})
	for i, all := range found {
		none(t, all, preflight.Fail)
		if i > 0 {
			want(t, all, checkAddress, preflight.Warn, "node 192.168.238.130", "the virtual router that this node joins", "migrated host by host")
			want(t, all, checkID, preflight.Warn, "the virtual router is there already", "priority 150")
		}
		want(t, all, checkVRRP, preflight.OK, "both ways (multicast; unicast as well)")
	}
	if after := [2]string{master.Output(), backup.Output()}; after != before {
		t.Errorf("keepalived took notice of the test packets:\n%q\n%q", before, after)
	}
	other := check(t, hosts[2], run{Config: vip + "election: {vrrp: {version: 2, advertisementInterval: 1s}}\n", Listen: 2 * time.Second})
	want(t, other, checkID, preflight.Fail, "would refuse its advertisements (VRRP version differs from ours)", "harbinger convert")
}

// Whoever runs Harbinger is known by what its identity port says.
func TestHarbingerHolds(t *testing.T) {
	t.Parallel() // it waits most of the time
	hosts := labtest.Hosts(t, 2)
	must(t, hosts[1].AddAddress(netip.MustParsePrefix("192.168.238.100/32")))
	serve := func(cluster string) (stop func()) {
		ln, err := hosts[1].Listen(":10444")
		must(t, err)
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		go func() {
			ended <- probe.ServeIdentity(ctx, ln, func() probe.Identity {
				return probe.Identity{Cluster: cluster, Node: "node2", Incarnation: "1", State: "active"}
			}, nil)
		}()
		return func() { cancel(); must(t, <-ended) }
	}
	stop := serve("kubernetes")
	_, holds := keepalived(t, hosts[1], guest.Keepalived{VirtualRouterID: 51, Priority: 100}, "192.168.238.100/24") // its advertisements
	holds()
	r := run{Config: vip + "election: {vrrp: {advertisementInterval: 300ms}}\n", Listen: 1500 * time.Millisecond, Exchange: true, Peers: []netip.Addr{hosts[1].Address.Addr()}}
	all := check(t, hosts[0], r)
	want(t, all, checkAddress, preflight.OK, "Harbinger of this cluster on node2")
	want(t, all, checkID, preflight.OK, "Harbinger of this cluster on node2")
	want(t, all, checkPeers, preflight.Warn, "192.168.238.131 (node2) runs Harbinger", "was not asked")
	want(t, all, checkVRRP, preflight.OK, "its advertisements were heard")
	want(t, all, checkMTU, preflight.OK, "both ways")
	labtest.Firewall(t, hosts[0], "chain input { type filter hook input priority 0; meta l4proto 112 drop; }")
	all = check(t, hosts[0], r)
	paste(t, hosts[0], want(t, all, checkVRRP, preflight.Fail, "reaches eth0 of this host, whose firewall drops it").Remedy)
	want(t, check(t, hosts[0], r), checkVRRP, preflight.OK, "its advertisements were heard")
	stop()
	stop = serve("other")
	defer stop()
	want(t, check(t, hosts[0], quick), checkAddress, preflight.Fail, `Harbinger of cluster "other"`)
}

// CARP shares the protocol and is distinguished, as is what no router means, and what is returned to this host.
func TestOtherSpeakers(t *testing.T) {
	t.Parallel() // it waits most of the time
	hosts := labtest.Hosts(t, 2)
	forger, err := guest.NewForger(hosts[1])
	must(t, err)
	defer forger.Close()
	p := start(t, hosts[0], quick)
	source := hosts[1].Address.Addr()
	carp := make([]byte, carpLength)
	copy(carp, []byte{0x21, 51, 100, carpWords, 0, 1})
	to := netip.MustParseAddr("224.0.0.18")
	sent := 0
	labtest.Until(t, 20*time.Second, "the check ends", func() bool {
		for _, payload := range [][]byte{carp, nil, {0x31}, {0x45, 1, 1, 1, 1, 1, 1, 1}, message{instance: 1, name: "x"}.appendTo(nil, 0)} {
			must(t, forger.Send(guest.Packet{Source: source, Destination: to, Payload: payload}))
		}
		sent++
		select {
		case <-p.Done():
			return true
		default:
			return false
		}
	})
	all := results(t, p)
	want(t, all, checkRouters, preflight.OK, "ID 51: CARP from 192.168.238.131", "advskew 100, every 1s")
	want(t, all, checkID, preflight.Warn, "CARP", "virtualRouterID: 52")
	if n := len(all); n != 3 {
		t.Errorf("%d results, want one each for the address, the ID and CARP", n)
	}
}

// Harbinger refuses test packets, which name no virtual router of its own, as any other router does, and counts them.
func TestHarbingerRefusesTestPackets(t *testing.T) {
	t.Parallel() // it waits most of the time
	hosts := labtest.Hosts(t, 2)
	refused := map[string]int{}
	var conn *vrrpconn.Conn
	must(t, hosts[0].Do(func() error {
		iface, err := net.InterfaceByName(lab.Interface)
		if err != nil {
			return err
		}
		conn, err = vrrpconn.Listen(vrrpconn.Config{
			Interface: *iface, Source: hosts[0].Address.Addr(), Dropped: func(reason string, _ netip.Addr) { refused[reason]++ },
			Rules: vrrp.Rules{Version: vrrp.Version3, VRID: 51, Addresses: []netip.Addr{vip4}, Multicast: true, MinimumTTL: 255},
		})
		return err
	}))
	defer conn.Close()
	check(t, hosts[1], run{Config: vip, Listen: time.Second, Exchange: true, Peers: []netip.Addr{hosts[0].Address.Addr()}})
	if p, ok, err := conn.Receive(); ok || err != nil || refused["vrid"] < 8 || len(refused) != 1 {
		t.Errorf("accepted %+v, %v; refused %v", p, err, refused)
	}
}
