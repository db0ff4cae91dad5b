// SPDX-License-Identifier: Apache-2.0

package announce

import (
	"context"
	"encoding/binary"
	"fmt"
	"math"
	"net"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/mdlayher/arp"
	"github.com/mdlayher/ndp"
	"github.com/mdlayher/packet"
	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"github.com/harbinger-ha/harbinger/e2e/lab"
	"github.com/harbinger-ha/harbinger/e2e/lab/labtest"
)

// found is what an Inquire returned, and how long it took.
type found struct {
	owners       []net.HardwareAddr
	asked, heard int
	err          error
	took         time.Duration
}

// inquire runs an Inquire of the given time, until this machine has run the test for all of it.
func (s station) inquire(t *testing.T, target, gateway netip.Addr, asks int, timeout time.Duration) (f found) {
	t.Helper()
	labtest.Until(t, 30*time.Second, "all questions are sent in time", func() bool {
		f = s.inquireOnce(t, target, gateway, asks, timeout)
		return f.err == nil
	})
	return f
}

// inquireOnce runs an Inquire of the given time.
func (s station) inquireOnce(t *testing.T, target, gateway netip.Addr, asks int, timeout time.Duration) (f found) {
	t.Helper()
	must(t, s.Do(func() error {
		start := time.Now()
		ctx, cancel := context.WithTimeout(t.Context(), timeout)
		defer cancel()
		f.owners, f.asked, f.heard, f.err = s.Inquire(ctx, target, s.own(target), gateway, asks)
		f.took = time.Since(start)
		return nil
	}))
	return f
}

// knows makes a station a peer whose hardware address is known.
func (s station) knows(others ...station) {
	for _, o := range others {
		for _, family := range []netip.Addr{vip4, vip6} {
			s.due(o.own(family), time.Now())
			s.see(sighting{o.own(family), o.MAC})
		}
	}
}

// asksAt returns how many questions make silence no accident where so much is lost each way.
func asksAt(percent int) int {
	pass := 1 - float64(percent)/100
	return max(5, int(math.Ceil(math.Log(1e-5)/math.Log(1-pass*pass))))
}

func TestInquireFindsWhoAnswersAlone(t *testing.T) {
	s := newStations(t, 3)
	s[0].knows(s[1])
	for family, addr := range families {
		t.Run(family, func(t *testing.T) {
			const asks, timeout = 5, 110 * time.Millisecond
			silent := s[0].inquire(t, addr, s[2].own(addr), asks, timeout)
			checkMACs(t, silent.owners)
			if silent.took < timeout || silent.asked != 2*asks || silent.heard != silent.asked {
				t.Errorf("heard %d of %d in %s, want all of the peer and the gateway, at the end of the time", silent.heard, silent.asked, silent.took)
			}
			s[2].hold(t, addr)
			foreign := s[0].inquire(t, addr, netip.Addr{}, asks, timeout)
			checkMACs(t, foreign.owners, s[2].MAC)
			if foreign.took < timeout || foreign.asked != asks {
				t.Errorf("%d questions in %s, want those to the peer until the end", foreign.asked, foreign.took)
			}
			s[1].hold(t, addr)
			var peer found
			labtest.Until(t, 5*time.Second, "the peer answers", func() bool { // see TestResolve
				peer = s[0].inquire(t, addr, netip.Addr{}, 10, 5*time.Second)
				return len(peer.owners) == 2
			})
			if peer.took > 4*time.Second {
				t.Errorf("took %s, want the end shortly after a peer has answered", peer.took)
			}
		})
	}
}

// A quarter, or 40 %, of the frames is lost each way, and a holder that lives is never taken for silent, known before or not.
func TestLossHidesNoHolder(t *testing.T) {
	for percent, rounds := range map[int]int{25: 40, 40: 25} {
		t.Run(fmt.Sprintf("%d %%", percent), func(t *testing.T) {
			l, s := newLab(t, 4)
			s[0].knows(s[2])
			for _, addr := range families {
				s[1].hold(t, addr)
				labtest.Until(t, 5*time.Second, "the holder answers", func() bool { return len(s[0].resolve(t, addr, time.Second)) == 1 })
			}
			must(t, l.Drop(lab.Drop{Percent: percent}))
			asks := asksAt(percent)
			asked, heard := 0, 0
			for round := range rounds {
				for _, addr := range families {
					if round == rounds/2 {
						s[0].claimed(sighting{addr, s[1].MAC})
					}
					f := s[0].inquire(t, addr, s[3].own(addr), asks, time.Duration(asks)*2*time.Millisecond)
					checkMACs(t, f.owners, s[1].MAC)
					asked, heard = asked+f.asked, heard+f.heard
				}
			}
			pass := (1 - float64(percent)/100) * (1 - float64(percent)/100)
			if share := float64(heard) / float64(asked); asked < rounds*asks || math.Abs(share-pass) > 0.06 {
				t.Errorf("heard %d of %d, want %.0f %%", heard, asked, 100*pass)
			}
		})
	}
}

// A liar answers for others.
type liar struct {
	mac   net.HardwareAddr // that it names
	alone bool             // it answers also what was not for all
}

// lies has a station answer for an address until the test ends.
func (s station) lies(t *testing.T, addr netip.Addr, l liar) {
	t.Helper()
	var conn *packet.Conn
	must(t, s.Do(func() (err error) {
		conn, err = s.link.listen(protocolOf(addr), nil)
		return err
	}))
	done := make(chan struct{})
	t.Cleanup(func() { _ = conn.Close(); <-done })
	go func() { // ends with the socket
		defer close(done)
		buf := make([]byte, maxFrame)
		for {
			n, _, err := conn.ReadFrom(buf)
			if err != nil {
				return
			}
			if frame := l.answer(buf[:n], addr); frame != nil {
				_, _ = conn.WriteTo(frame, &packet.Addr{HardwareAddr: frame[:macLen]})
			}
		}
	}()
}

// answer returns the answer to a question for an address.
func (l liar) answer(frame []byte, addr netip.Addr) []byte {
	if frame[0]&1 == 0 && !l.alone {
		return nil
	}
	asker := net.HardwareAddr(slices.Clone(frame[macLen : 2*macLen]))
	if binary.BigEndian.Uint16(frame[12:]) == unix.ETH_P_ARP {
		var q arp.Packet
		if q.UnmarshalBinary(frame[headerARP:]) != nil || q.Operation != arp.OperationRequest || q.TargetIP != addr {
			return nil
		}
		p, _ := arp.NewPacket(arp.OperationReply, l.mac, addr, asker, q.SenderIP)
		b, _ := p.MarshalBinary()
		return append(ethernet(l.mac, asker, unix.ETH_P_ARP), b...)
	}
	if frame[offsetNext] != unix.IPPROTO_ICMPV6 {
		return nil
	}
	m, err := ndp.ParseMessage(frame[headerICMPv6:])
	if q, ok := m.(*ndp.NeighborSolicitation); err != nil || !ok || q.TargetAddress != addr {
		return nil
	}
	source, _ := netip.AddrFromSlice(frame[offsetSource:offsetDestIn6])
	answer, _ := ndFrame(l.mac, addr, source, asker, &ndp.NeighborAdvertisement{
		Solicited: true, TargetAddress: addr, Options: []ndp.Option{&ndp.LinkLayerAddress{Direction: ndp.Target, Addr: l.mac}},
	})
	return answer
}

// Who answers for a dead holder what all were asked, and nothing else, is not believed, in any of many questions. One that answers
// everything is not distinguished from the holder by these questions.
func TestInquireOfALiar(t *testing.T) {
	dead := net.HardwareAddr{2, 0, 0, 0, 0, 0xdd}
	for family, addr := range families {
		for _, tt := range []struct {
			name     string
			liar     func(station) liar
			believed bool
		}{
			{"suppression", func(station) liar { return liar{mac: dead} }, false},
			{"proxy", func(s station) liar { return liar{mac: s.MAC, alone: true} }, true},
			{"the right hardware address", func(station) liar { return liar{mac: dead, alone: true} }, true},
		} {
			t.Run(family+" "+tt.name, func(t *testing.T) {
				s := newStations(t, 2)
				l := tt.liar(s[1])
				s[0].claimed(sighting{addr, dead}) // it held
				s[1].lies(t, addr, l)
				const times = 10
				wrong := 0
				for range times {
					f := s[0].inquire(t, addr, netip.Addr{}, 5, 110*time.Millisecond)
					if believed := len(f.owners) > 0; believed != tt.believed {
						wrong++
					}
				}
				if wrong > 1 { // the answer to all may come late
					t.Errorf("%d of %d are wrong", wrong, times)
				}
			})
		}
	}
}

// What keeps this node from asking is an error, and not the silence of others.
func TestInquireThatIsNotSent(t *testing.T) {
	s := newStations(t, 2)
	for family, addr := range families {
		t.Run(family, func(t *testing.T) {
			for name, fault := range map[string]struct {
				begin, end func()
				says       string
			}{
				"a filter of this host": {
					func() {
						must(t, labtest.Nft(s[0].Host, fmt.Sprintf("table netdev out { chain out { type filter hook egress device %s priority 0; drop; }; }", lab.Interface)))
					},
					func() { must(t, labtest.Nft(s[0].Host, "delete table netdev out")) }, "no buffer space",
				},
				"the link": {
					func() { s[0].setLink(t, netlink.LinkSetDown) }, func() { s[0].setLink(t, netlink.LinkSetUp) }, "network is down",
				},
			} {
				fault.begin()
				f := s[0].inquireOnce(t, addr, netip.Addr{}, 5, 30*time.Millisecond)
				if f.err == nil || !strings.Contains(f.err.Error(), fault.says) || len(f.owners) > 0 {
					t.Errorf("%s: %v, want that nothing was sent", name, f.err)
				}
				fault.end()
			}
			if f := s[0].inquireOnce(t, addr, netip.Addr{}, 30, 10*time.Millisecond); f.err == nil || !strings.Contains(f.err.Error(), "of 30 questions were sent in time") {
				t.Errorf("%v, want that there is no time for 30", f.err)
			}
			if f := s[0].inquireOnce(t, addr, netip.Addr{}, 5, 0); f.err == nil {
				t.Error("a question without any time is answered")
			}
		})
	}
	s[0].inquire(t, vip4, netip.Addr{}, 1000, time.Second) // at most 60
}
