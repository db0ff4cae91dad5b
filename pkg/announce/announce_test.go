// SPDX-License-Identifier: Apache-2.0

package announce

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"testing"
	"time"

	"github.com/mdlayher/packet"
	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"github.com/harbinger-ha/harbinger/e2e/lab/labtest"

	"github.com/harbinger-ha/harbinger/e2e/lab"
)

var families = map[string]netip.Addr{"IPv4": vip4, "IPv6": vip6}

func TestAnnouncementOnTheWire(t *testing.T) {
	s := newStations(t, 2)
	for family, addr := range families {
		t.Run(family, func(t *testing.T) {
			var conn *packet.Conn
			program, err := filter(claimOf(addr))
			must(t, err)
			must(t, s[1].Do(func() (err error) {
				conn, err = s[1].link.listen(protocolOf(addr), &packet.Config{Filter: program})
				return err
			}))
			defer conn.Close()
			must(t, conn.SetReadDeadline(time.Now().Add(5*time.Second)))
			must(t, s[0].Announce(addr))
			buf := make([]byte, maxFrame)
			n, _, err := conn.ReadFrom(buf)
			must(t, err)
			want, err := announcement(s[0].MAC, addr)
			must(t, err)
			if !bytes.Equal(buf[:n], want) {
				t.Errorf("frame\n%x, want\n%x", buf[:n], want)
			}
		})
	}
}

// This is what announcements are for: neighbours send to the new holder at once.
func TestAnnouncementMovesTheNeighbours(t *testing.T) {
	s := newStations(t, 3)
	client := s[2]
	for family, addr := range families {
		t.Run(family, func(t *testing.T) {
			s[0].hold(t, addr)
			touch(t, client, addr)
			waitNeighbour(t, client, addr, s[0].MAC)
			must(t, s[1].Announce(addr))
			waitNeighbour(t, client, addr, s[1].MAC)
		})
	}
}

// touch makes the kernel resolve an address.
func touch(t *testing.T, s station, addr netip.Addr) {
	t.Helper()
	must(t, s.Do(func() error {
		conn, err := net.Dial("udp", netip.AddrPortFrom(addr, 9).String())
		if err != nil {
			return err
		}
		defer conn.Close()
		_, err = conn.Write([]byte{0})
		return err
	}))
}

func waitNeighbour(t *testing.T, s station, addr netip.Addr, want net.HardwareAddr) {
	t.Helper()
	var entries []netlink.Neigh
	for deadline := time.Now().Add(5 * time.Second); time.Now().Before(deadline); {
		must(t, s.Do(func() (err error) {
			entries, err = netlink.NeighList(s.link.Index, netlink.FAMILY_ALL)
			return err
		}))
		if slices.ContainsFunc(entries, func(n netlink.Neigh) bool {
			return n.IP.Equal(addr.AsSlice()) && bytes.Equal(n.HardwareAddr, want)
		}) {
			return
		}
	}
	t.Fatalf("neighbours %v, want %s at %s", entries, addr, want)
}

func TestDownLinkIsAnError(t *testing.T) {
	s := newStations(t, 1)[0]
	s.setLink(t, netlink.LinkSetDown)
	a := newAnnouncer(t, s.Host) // while the link is down
	if err := a.Announce(vip4); !errors.Is(err, unix.ENETDOWN) {
		t.Errorf("announce: error %v, want ENETDOWN", err)
	}
	must(t, s.Do(func() error {
		if _, err := a.Resolve(t.Context(), vip4, s.own(vip4)); !errors.Is(err, unix.ENETDOWN) {
			t.Errorf("resolve: error %v, want ENETDOWN", err)
		}
		return nil
	}))
}

func TestNewRefusesOtherMedia(t *testing.T) {
	if _, err := New(Link{Name: "ib0", MAC: make(net.HardwareAddr, 20)}); err == nil {
		t.Error("InfiniBand was taken")
	}
}

func TestWatchReportsClaims(t *testing.T) {
	s := newStations(t, 3)
	claims := s[0].watch(t)
	for family, addr := range families {
		t.Run(family, func(t *testing.T) {
			reflected, err := announcement(s[0].MAC, addr)
			must(t, err)
			must(t, s[1].send(reflected)) // no claim: some bonds and switches do this
			got := claim(t, claims, s[1], addr)
			if got.Address != addr || !bytes.Equal(got.MAC, s[1].MAC) || got.Peer.IsValid() {
				t.Errorf("claim %v, want one of %s by the foreign %s", got, addr, s[1].MAC)
			}
		})
	}
}

func TestWatchKnowsPeers(t *testing.T) {
	s := newStations(t, 2)
	for family, addr := range families {
		t.Run(family, func(t *testing.T) {
			a := station{s[0].Host, newAnnouncer(t, s[0].Host)} // that knows nobody
			claims := a.watch(t)
			claim(t, claims, s[1], addr) // the watch runs
			must(t, a.Learn(s[1].own(addr), a.own(addr)))
			waitPeer(t, a, s[1], s[1].own(addr))
			if got := claim(t, claims, s[1], addr); got.Peer != s[1].own(addr) {
				t.Errorf("claim %v, want one of the peer %s", got, s[1].own(addr))
			}
		})
	}
}

func waitPeer(t *testing.T, a station, s station, want netip.Addr) {
	t.Helper()
	for deadline := time.Now().Add(5 * time.Second); time.Now().Before(deadline); {
		if got, ok := a.PeerOf(s.MAC); ok && got == want {
			return
		}
	}
	t.Fatalf("%s is not known as the peer %s", s.MAC, want)
}

func TestLearnAsksRarelyAndRemembersFew(t *testing.T) {
	a := &Announcer{peers: map[netip.Addr]peer{}}
	start, addr := time.Unix(1000, 0), netip.MustParseAddr("192.168.238.1")
	for _, tt := range []struct {
		after time.Duration
		want  bool
	}{{0, true}, {askInterval / 2, false}, {askInterval, true}} {
		if got := a.due(addr, start.Add(tt.after)); got != tt.want {
			t.Errorf("after %s: asks %t, want %t", tt.after, got, tt.want)
		}
	}
	a.see(sighting{addr, macA})
	if a.due(addr, start.Add(time.Hour)) {
		t.Error("asks for what it knows")
	}
	a.Doubt()
	for _, want := range []bool{true, false} { // at once, and not again until it is time
		if got := a.due(addr, start.Add(time.Hour)); got != want {
			t.Errorf("doubted: asks %t, want %t", got, want)
		}
	}
	if _, known := a.PeerOf(macA); !known {
		t.Error("a peer that is doubted is forgotten")
	}
	a.see(sighting{addr, macA})
	if a.due(addr, start.Add(2*time.Hour)) {
		t.Error("asks for what it has been told again")
	}
}

// A host that invents nodes displaces none that is named, and none that was heard a moment ago; and it does not make this node ask
// for each.
func TestInventedNodesAreFew(t *testing.T) {
	a := &Announcer{peers: map[netip.Addr]peer{}}
	now, named, heard := time.Unix(1000, 0), netip.MustParseAddr("192.168.238.1"), netip.MustParseAddr("192.168.238.2")
	a.Name([]netip.Addr{named})
	a.due(heard, now)
	for _, s := range []sighting{{named, macA}, {heard, macB}} {
		a.see(s)
	}
	invented, asked := netip.MustParseAddr("10.0.0.0"), 0
	const flood = 100_000
	for i := range flood { // 10,000 a second
		now = now.Add(100 * time.Microsecond)
		invented = invented.Next()
		if a.due(invented, now) {
			asked++
		}
		if i%10_000 == 0 {
			a.due(heard, now)
		}
	}
	if len(a.peers) != maxHeard+1 || asked > maxHeard {
		t.Errorf("remembers %d, want %d; asked %d times in 10 s", len(a.peers), maxHeard+1, asked)
	}
	for _, mac := range []net.HardwareAddr{macA, macB} {
		if _, known := a.PeerOf(mac); !known {
			t.Errorf("%s was forgotten", mac)
		}
	}
	now = now.Add(forgetAfter)
	a.due(heard, now)
	if !a.due(invented.Next(), now) || len(a.peers) != maxHeard+1 {
		t.Error("a node that is heard when the invented ones are old is not remembered")
	}
	if _, known := a.PeerOf(macB); !known {
		t.Error("a node that was heard a moment ago was forgotten")
	}
	a.Name(nil)
	if _, known := a.PeerOf(macA); known {
		t.Error("a node is a peer that is not named any more")
	}
}

func TestWatchPassesFewOfManyClaims(t *testing.T) {
	s := newStations(t, 2)
	claims := s[0].watch(t)
	claim(t, claims, s[1], vip4)
	passed := 0
	start := time.Now()
	for range 1000 {
		must(t, s[1].Announce(vip4))
		select {
		case <-claims:
			passed++
		default:
		}
	}
	if most := int(time.Since(start)/claimInterval) + 1; passed > most {
		t.Errorf("%d claims passed, want at most %d", passed, most)
	}
}

func TestWatchSurvivesAFlap(t *testing.T) {
	s := newStations(t, 2)
	s[0].setLink(t, netlink.LinkSetDown)
	claims := s[0].watch(t)
	for range 3 {
		s[0].setLink(t, netlink.LinkSetUp)
		claim(t, claims, s[1], vip4)
		s[0].setLink(t, netlink.LinkSetDown)
	}
}

// A link gets another hardware address, or is made again with another index: the watch goes on, and announcements come from it.
func TestSetLink(t *testing.T) {
	s := newStations(t, 2)
	claims, others := s[0].watch(t), s[1].watch(t)
	claim(t, claims, s[1], vip4)
	mac := net.HardwareAddr{2, 0, 0, 0, 1, 1}
	s[0].setLink(t, func(l netlink.Link) error { return netlink.LinkSetHardwareAddr(l, mac) })
	s[0].setLink(t, func(l netlink.Link) error {
		return s[0].SetLink(Link{Name: "renamed", Index: l.Attrs().Index, MAC: mac})
	})
	claim(t, claims, s[1], vip4)
	labtest.Until(t, 5*time.Second, "the new hardware address claims", func() bool {
		return bytes.Equal(claim(t, others, s[0], vip6).MAC, mac)
	})
	var end *Announcer
	must(t, s[0].Do(func() error {
		attrs := netlink.NewLinkAttrs()
		attrs.Name = "other0"
		if err := netlink.LinkAdd(&netlink.Veth{LinkAttrs: attrs, PeerName: "other1"}); err != nil {
			return err
		}
		var ends [2]Link
		for i, name := range []string{"other0", "other1"} {
			link, err := netlink.LinkByName(name)
			if err := errors.Join(err, netlink.LinkSetUp(link)); err != nil {
				return err
			}
			ends[i] = Link{Name: name, Index: link.Attrs().Index, MAC: link.Attrs().HardwareAddr}
		}
		var err error
		if end, err = New(ends[1]); err != nil {
			return err
		}
		if err := s[0].SetLink(Link{Name: "gone", Index: 1 << 20, MAC: mac}); err == nil {
			t.Error("an interface that does not exist was taken")
		}
		return s[0].SetLink(ends[0])
	}))
	defer end.Close()
	claim(t, claims, station{Host: s[0].Host, Announcer: end}, vip4)
}

// setLink changes the interface of a station.
func (s station) setLink(t *testing.T, set func(netlink.Link) error) {
	t.Helper()
	must(t, s.Do(func() error {
		link, err := netlink.LinkByName(lab.Interface)
		if err != nil {
			return err
		}
		return set(link)
	}))
}

func TestResolve(t *testing.T) {
	s := newStations(t, 3)
	for family, addr := range families {
		t.Run(family, func(t *testing.T) {
			checkMACs(t, s[0].resolve(t, addr, 50*time.Millisecond))
			s[1].hold(t, addr)
			checkMACs(t, s[0].resolve(t, addr, 5*time.Second), s[1].MAC)
			s[2].hold(t, addr)
			// The kernel joins the group of a new IPv6 address a little later: the host may miss the first question.
			var found []net.HardwareAddr
			for deadline := time.Now().Add(5 * time.Second); len(found) < 2 && time.Now().Before(deadline); {
				found = s[0].resolve(t, addr, time.Second)
			}
			checkMACs(t, found, s[1].MAC, s[2].MAC)
		})
	}
}

// A fabric that suppresses broadcasts passes what goes to one host.
func TestResolveAsksTheLastOwnerDirectly(t *testing.T) {
	l, s := newLab(t, 2)
	claims := s[0].watch(t)
	s[1].hold(t, vip4)
	claim(t, claims, s[1], vip4)
	must(t, l.Drop(lab.Drop{Traffic: "ether daddr ff:ff:ff:ff:ff:ff"}))
	checkMACs(t, s[0].resolve(t, vip4, 5*time.Second), s[1].MAC)
}

func TestResolveRepeatsTheQuestion(t *testing.T) {
	l, s := newLab(t, 2)
	s[1].hold(t, vip4)
	dropFirstQuestion(t, l)
	checkMACs(t, s[0].resolve(t, vip4, 5*time.Second), s[1].MAC)
}

func dropFirstQuestion(t *testing.T, l *lab.Lab) {
	t.Helper()
	const first = 50 // bytes: one question is less, two are more
	must(t, l.Drop(lab.Drop{Traffic: lab.Traffic(fmt.Sprintf("arp operation request quota %d bytes", first))}))
}

// The kernel repeats its own lost question only after a second. A connection that is made during a Resolve does not wait
// for that: the kernel takes the answer too.
func TestResolveHelpsTheKernel(t *testing.T) {
	l, s := newLab(t, 2)
	s[1].hold(t, vip4)
	dropFirstQuestion(t, l)
	start := time.Now()
	touch(t, s[0], vip4)
	checkMACs(t, s[0].resolve(t, vip4, 5*time.Second), s[1].MAC)
	waitNeighbour(t, s[0], vip4, s[1].MAC)
	if took := time.Since(start); took >= time.Second {
		t.Errorf("took %s", took)
	}
}

func TestResolveEndsWithItsContext(t *testing.T) {
	s := newStations(t, 1)[0]
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	must(t, s.Do(func() error {
		found, err := s.Resolve(ctx, vip6, s.own(vip6))
		checkMACs(t, found)
		return err
	}))
}
