// SPDX-License-Identifier: Apache-2.0

package fence

import (
	"errors"
	"net"
	"net/netip"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"github.com/harbinger-ha/harbinger/e2e/lab"
	"github.com/harbinger-ha/harbinger/e2e/lab/labtest"
)

// A rename takes the hook away without a sign, on Linux 6.16 and newer. Who hears of it says the new name; a look finds it too.
func TestRenamedLink(t *testing.T) {
	s := newScene(t)
	f := newFence(t, s.host, Config{})
	must(t, s.host.Rename("lan0"))
	must(t, f.SetLinks([]string{"lan0"}))
	s.asker.wantClosed(t)

	must(t, f.Open())
	must(t, s.host.Rename("lan1"))
	if err := f.Check(); !errors.Is(err, ErrReplaced) {
		t.Errorf("look after a rename: %v", err)
	}
	s.asker.wantOpen(t)
	must(t, f.Check())
	must(t, f.Shut())
	s.asker.wantClosed(t)
}

// onHost does something with the interface of the host, whatever it is called.
func onHost(t testing.TB, h *lab.Host, name string, do func(netlink.Link) error) {
	t.Helper()
	must(t, h.Do(func() error {
		link, err := netlink.LinkByName(name)
		if err != nil {
			return err
		}
		return do(link)
	}))
}

func prefix(a netip.Addr) *netlink.Addr {
	return &netlink.Addr{IPNet: &net.IPNet{IP: a.AsSlice(), Mask: net.CIDRMask(a.BitLen(), a.BitLen())}, Flags: unix.IFA_F_NODAD}
}

// A link becomes the port of a bridge, which has the addresses then.
func TestEnslavedLink(t *testing.T) {
	s := newScene(t)
	f := newFence(t, s.host, Config{})
	must(t, f.Open())
	must(t, s.host.MoveToBridge("br0", s.host.Address))
	must(t, f.SetLinks([]string{"br0"}))
	onHost(t, s.host, lab.Interface, func(port netlink.Link) error {
		return errors.Join(netlink.AddrDel(port, prefix(vip4)), netlink.AddrDel(port, prefix(vip6)))
	})
	onHost(t, s.host, "br0", func(bridge netlink.Link) error {
		return errors.Join(netlink.AddrAdd(bridge, prefix(vip4)), netlink.AddrAdd(bridge, prefix(vip6)))
	})
	must(t, f.Renew())
	labtest.Until(t, 5*time.Second, "IPv4 is answered by the bridge", func() bool { return s.answers(t, askARP, askEcho) })
	must(t, f.Shut())
	s.asker.wantClosed(t)
}

// answers reports whether the host has answered all of these questions at once.
func (s scene) answers(t testing.TB, questions ...string) bool {
	t.Helper()
	before := s.asker.counts()
	s.asker.ask()
	s.asker.settle(t)
	now := s.asker.counts()
	for _, q := range questions {
		if now[q] == before[q] {
			return false
		}
	}
	return true
}

// A link that is made again, and one that comes later: before Linux 6.16 a chain takes none that is not there.
func TestLinkMadeAgain(t *testing.T) {
	h := labtest.Hosts(t, 1)[0]
	f := newFence(t, h, Config{Links: []string{lab.Interface, "later0"}})
	must(t, f.Open())
	for range 2 {
		must(t, h.Do(func() error {
			return netlink.LinkAdd(&netlink.Veth{LinkAttrs: netlink.LinkAttrs{Name: "later0"}, PeerName: "later1"})
		}))
		if err := f.Check(); !errors.Is(err, ErrReplaced) {
			t.Errorf("look after a link has come: %v", err)
		}
		must(t, f.Check())
		must(t, f.Renew())
		onHost(t, h, "later0", netlink.LinkDel)
		if err := f.Check(); !errors.Is(err, ErrReplaced) {
			t.Errorf("look after a link has gone: %v", err)
		}
	}
	if err := f.SetLinks(nil); err == nil {
		t.Error("a fence without a link is accepted")
	}
}

// Linux answers for an address on every link: the fence is on all of them.
func TestSecondLink(t *testing.T) {
	s := newScene(t)
	second := net.HardwareAddr{2, 0, 0, 0, 0, 9}
	must(t, s.asker.host.Do(func() error {
		neighbour, err := os.Open("/proc/thread-self/ns/net")
		if err != nil {
			return err
		}
		defer neighbour.Close()
		return s.host.Do(func() error {
			return netlink.LinkAdd(&netlink.Veth{LinkAttrs: netlink.LinkAttrs{Name: "eth1", HardwareAddr: second, Flags: net.FlagUp},
				PeerName: "peer0", PeerNamespace: netlink.NsFd(neighbour.Fd())})
		})
	}))
	onHost(t, s.asker.host, "peer0", netlink.LinkSetUp)
	onHost(t, s.host, "eth1", netlink.LinkSetUp)
	f := newFence(t, s.host, Config{Links: []string{lab.Interface, "eth1"}})
	out := list(t, s.host)
	if !strings.Contains(out, "devices = {") || !strings.Contains(out, "eth1") {
		t.Errorf("the chain is not on both: %s", out)
	}

	fd := -1
	onHost(t, s.asker.host, "peer0", func(link netlink.Link) (err error) {
		fd, err = packetSocket(unix.ETH_P_ARP, link.Attrs().Index)
		return err
	})
	defer unix.Close(fd)
	must(t, unix.SetsockoptTimeval(fd, unix.SOL_SOCKET, unix.SO_RCVTIMEO, &unix.Timeval{Usec: 50000}))
	answered := func() bool {
		_, err := unix.Write(fd, s.asker.arp(vip4))
		must(t, err)
		frame := make([]byte, 128)
		for {
			n, _, err := unix.Recvfrom(fd, frame, 0)
			if err != nil {
				return false
			}
			if n >= 42 && frame[21] == 2 {
				return true
			}
		}
	}
	if answered() {
		t.Error("the second link answers through a closed fence")
	}
	must(t, f.Open())
	labtest.Until(t, 5*time.Second, "the second link answers", answered)
}

// What tc redirects comes back behind the fence, and a copy does not.
func TestRedirect(t *testing.T) {
	s := newScene(t)
	f := newFence(t, s.host, Config{})
	must(t, f.Open())
	index := 0
	must(t, s.host.Do(func() error {
		ifb := &netlink.Ifb{LinkAttrs: netlink.LinkAttrs{Name: "ifb0"}}
		if err := netlink.LinkAdd(ifb); err != nil {
			return err
		}
		index = ifb.Index
		return netlink.LinkSetUp(ifb)
	}))
	onHost(t, s.host, lab.Interface, func(link netlink.Link) error {
		return netlink.QdiscAdd(&netlink.Clsact{QdiscAttrs: netlink.QdiscAttrs{
			LinkIndex: link.Attrs().Index, Handle: netlink.MakeHandle(0xffff, 0), Parent: netlink.HANDLE_CLSACT,
		}})
	})
	filter := func(action netlink.MirredAct) *netlink.U32 {
		return &netlink.U32{
			FilterAttrs: netlink.FilterAttrs{Parent: netlink.HANDLE_MIN_INGRESS, Priority: 1, Protocol: unix.ETH_P_ALL},
			Actions:     []netlink.Action{&netlink.MirredAction{ActionAttrs: netlink.ActionAttrs{Action: netlink.TC_ACT_PIPE}, MirredAction: action, Ifindex: index}},
		}
	}
	change := func(do func(netlink.Filter) error, action netlink.MirredAct) {
		t.Helper()
		onHost(t, s.host, lab.Interface, func(link netlink.Link) error {
			u := filter(action)
			u.LinkIndex = link.Attrs().Index
			return do(u)
		})
	}
	change(netlink.FilterAdd, netlink.TCA_EGRESS_MIRROR)
	must(t, f.Check())
	change(netlink.FilterDel, netlink.TCA_EGRESS_MIRROR)
	change(netlink.FilterAdd, netlink.TCA_EGRESS_REDIR)
	_, made := tryFence(s.host, Config{Name: Prefix + "52"})
	for what, err := range map[string]error{"look": f.Check(), "links": f.SetLinks([]string{lab.Interface}), "start": made} {
		if u := (*Unavailable)(nil); !errors.As(err, &u) || !strings.Contains(u.Reason, "tc redirects incoming frames of eth0") {
			t.Errorf("%s beside a redirect: %v", what, err)
		}
	}
	change(netlink.FilterDel, netlink.TCA_EGRESS_REDIR)
	must(t, f.Check())
}

func FuzzRedirects(f *testing.F) {
	f.Add([]byte("\x0b\x00\x01\x00mirred\x00\x00"))
	f.Add([]byte("\x30\x00\x02\x80\x0b\x00\x01\x00mirred\x00\x00\x20\x00\x02\x80"))
	f.Fuzz(func(_ *testing.T, data []byte) { redirects(data, deepestActions) })
}

func FuzzAnswers(f *testing.F) {
	f.Add([]byte("\x14\x00\x00\x00\x02\x00\x00\x00\x01\x00\x00\x00\x00\x00\x00\x00\xff\xff\xff\xff"))
	b := transaction(func(b *batch) { table{name: "t"}.newTable(b, 0) })
	f.Fuzz(func(t *testing.T, data []byte) {
		answers, err := b.read(data)
		if err != nil && answers != nil {
			t.Error("answers beside an error")
		}
	})
}
