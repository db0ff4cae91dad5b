// SPDX-License-Identifier: Apache-2.0

package sidecar_test

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"github.com/harbinger-ha/harbinger/e2e/lab"
	"github.com/harbinger-ha/harbinger/e2e/lab/labtest"
	"github.com/harbinger-ha/harbinger/pkg/apis/status/v1alpha1"
	"github.com/harbinger-ha/harbinger/pkg/fence"
)

const fenceTable = "harbinger-51"

// both are the virtual addresses of most tests.
var both = []netip.Prefix{vip4, vip6}

// pin gives virtual addresses on a host a lifetime that outlasts the test: from then on only the fence keeps them from answering.
func pin(t *testing.T, h *lab.Host, iface string, vips ...netip.Prefix) {
	t.Helper()
	labtest.Must(t, h.Do(func() error {
		link, err := netlink.LinkByName(iface)
		if err != nil {
			return err
		}
		for _, vip := range vips {
			bits := vip.Addr().BitLen()
			err = errors.Join(err, netlink.AddrReplace(link, &netlink.Addr{
				IPNet: &net.IPNet{IP: vip.Addr().AsSlice(), Mask: net.CIDRMask(bits, bits)}, Flags: unix.IFA_F_NODAD | unix.IFA_F_NOPREFIXROUTE, ValidLft: 300,
			}))
		}
		return err
	}))
}

// answers reports whether a virtual address reacts to a connection of another host, if only by refusing it.
func answers(vip netip.Prefix) bool {
	ctx, cancel := context.WithTimeout(context.Background(), 100*time.Millisecond)
	defer cancel()
	conn, err := third.Dial(ctx, "tcp", netip.AddrPortFrom(vip.Addr(), 4300).String())
	if err == nil {
		_ = conn.Close()
	}
	return err == nil || errors.Is(err, unix.ECONNREFUSED)
}

// wantSilence waits until no address answers, though the first is there.
func wantSilence(t *testing.T, d *deployment, what string, vips ...netip.Prefix) {
	t.Helper()
	labtest.Until(t, patience, what+": the addresses are silent", func() bool { return !slices.ContainsFunc(vips, answers) })
	if now := d.holders(); !slices.Equal(now, []string{peer.Name}) {
		t.Errorf("%s: held by %v: they are silent because they are not there", what, now)
	}
}

func wantAnswers(t *testing.T, what string) {
	t.Helper()
	labtest.Until(t, patience, what+": both addresses answer", func() bool { return answers(vip4) && answers(vip6) })
}

// holding reports whether a host has the addresses: without an apiserver it is not ready.
func holding(s v1alpha1.HarbingerStatus) bool {
	return s.VirtualRouter.State == "Active" && s.VirtualRouter.Held
}

// fencedOn waits until a host serves behind the open fence of an interface.
func fencedOn(d *deployment, what, iface string) {
	d.t.Helper()
	d.until(what+": it serves behind the fence", func(s v1alpha1.HarbingerStatus) bool {
		f := s.VirtualRouter.Fence
		return holding(s) && f != nil && f.State == "Open" && f.Reason == "" && slices.Equal(f.Interfaces, []string{iface})
	})
}

// nftables returns what nft(8) says of the tables of a host.
func nftables(t *testing.T, h *lab.Host, args ...string) (out string) {
	t.Helper()
	labtest.Must(t, h.Do(func() error {
		text, err := exec.Command("nft", args...).CombinedOutput()
		out = string(text)
		return err
	}))
	return out
}

// A frozen holder is silent while it has the addresses still, whatever was done to its rules and its interface before; when it runs again,
// it does not go on as if nothing had been.
func TestFrozenHolderIsSilent(t *testing.T) {
	serveAPI(t)
	d := deploy(t, "VRRP", dualStack+body("VRRP", ""), vip4, peer)
	iface := lab.Interface
	t.Cleanup(func() { labtest.Must(t, peer.Rename(lab.Interface)) })
	for _, act := range []struct {
		name string
		do   func() error
	}{
		{"nothing else", func() error { return nil }},
		{"flush ruleset", func() error { return labtest.Nft(peer, "flush ruleset") }},
		{"another name", func() error { iface = "lan0"; return peer.Rename(iface) }},
	} {
		fencedOn(d, act.name, iface)
		labtest.Must(t, act.do())
		fencedOn(d, act.name, iface)
		wantAnswers(t, act.name)
		labtest.Must(t, d.processes[0].Freeze())
		pin(t, peer, iface, both...)
		wantSilence(t, d, act.name, both...)
		labtest.Must(t, d.processes[0].Thaw())
		d.until(act.name+": it has taken the addresses anew", func(s v1alpha1.HarbingerStatus) bool {
			last := s.VirtualRouter.Since
			return holding(s) && slices.ContainsFunc(s.Moves, func(m v1alpha1.Move) bool { return m.From == "Active" && last.Sub(m.Time) < patience })
		})
	}
}

// A killed holder is silent as well. After ten seconds its fence lets through again: whoever has the address on this host then is
// reached.
func TestKilledHolderIsSilent(t *testing.T) {
	serveAPI(t)
	d := deploy(t, "VRRP", dualStack+body("VRRP", ""), vip4, peer)
	fencedOn(d, "start", lab.Interface)
	wantAnswers(t, "start")
	labtest.Must(t, d.processes[0].Kill())
	pin(t, peer, lab.Interface, both...)
	wantSilence(t, d, "killed", both...)
	wantAnswers(t, "ten seconds later")
	d.processes[0] = d.run(peer) // it removes what is there, and takes over the table
	fencedOn(d, "started anew", lab.Interface)
	if tables := nftables(t, peer, "list", "tables", "netdev"); strings.Count(tables, fenceTable) != 1 {
		t.Errorf("tables %q", tables)
	}
	labtest.Must(t, d.processes[0].Terminate())
	labtest.Must(t, d.processes[0].Wait(patience))
	if tables := nftables(t, peer, "list", "tables"); strings.Contains(tables, "harbinger") {
		t.Errorf("the planned stop has left %q", tables)
	}
}

// Where the kernel refuses the fence all goes on with the lifetime of the addresses, and it is said; once the fence can be had it is there.
func TestHolderWithoutAFence(t *testing.T) {
	serveAPI(t)
	var other *fence.Fence // another living process has the table
	labtest.Must(t, peer.Do(func() (err error) {
		other, err = fence.New(fence.Config{
			Name: fenceTable, Addresses: []netip.Addr{netip.MustParseAddr("192.0.2.1")}, Links: []string{lab.Interface}, Timeout: time.Second, Now: time.Now,
		})
		return err
	}))
	d := deploy(t, "VRRP", dualStack+body("VRRP", ""), vip4, peer)
	d.until("it serves, and says that there is no fence", func(s v1alpha1.HarbingerStatus) bool {
		f := s.VirtualRouter.Fence
		return holding(s) && f != nil && f.State == "Absent" && strings.Contains(f.Reason, "another process holds it") &&
			slices.ContainsFunc(s.Findings, func(x v1alpha1.Finding) bool { return x.Condition == v1alpha1.ConditionFenced })
	})
	wantAnswers(t, "without a fence")
	labtest.Must(t, other.Close())
	fencedOn(d, "the other has ended", lab.Interface)
	wantAnswers(t, "with a fence")
	if output := d.processes[0].Output(); strings.Count(output, `msg="Fence missing"`) != 1 || strings.Count(output, `msg="Fence there"`) != 1 {
		t.Error("the log does not say once that there is none, and once that there is one")
	}
}

// A holder whose interface becomes a port of a bridge goes on behind the fence of the bridge.
func TestFenceFollowsIntoABridge(t *testing.T) {
	serveAPI(t)
	d := deploy(t, "VRRP", oneAddress+body("VRRP", ""), vip4, peer)
	fencedOn(d, "start", lab.Interface)
	labtest.Must(t, peer.MoveToBridge("br0", peer.Address))
	t.Cleanup(func() { labtest.Must(t, peer.LeaveBridge(peer.Address)) })
	fencedOn(d, "in the bridge", "br0")
	labtest.Until(t, patience, "the address answers", func() bool { return answers(vip4) })
	labtest.Must(t, d.processes[0].Freeze())
	pin(t, peer, "br0", vip4)
	wantSilence(t, d, "in the bridge", vip4)
	labtest.Must(t, d.processes[0].Thaw())
	d.until("it has taken the address anew", func(s v1alpha1.HarbingerStatus) bool { return holding(s) && s.VirtualRouter.Fence.State == "Open" })
}
