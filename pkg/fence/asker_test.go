// SPDX-License-Identifier: Apache-2.0

package fence

import (
	"encoding/binary"
	"fmt"
	"maps"
	"net"
	"net/netip"
	"slices"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/harbinger-ha/harbinger/e2e/lab"
	"github.com/harbinger-ha/harbinger/e2e/lab/labtest"
)

// The questions that a neighbour asks a virtual address, and the last one an own address of the host.
const (
	askARP       = "ARP"
	askEcho      = "IPv4"
	askNeighbour = "neighbour solicitation"
	askEcho6     = "IPv6"
	askOwn       = "own address "
)

var questions = []string{askARP, askEcho, askNeighbour, askEcho6}

// An asker is a neighbour that asks a host for the virtual addresses.
type asker struct {
	fd   int
	host *lab.Host // that asks
	mac  net.HardwareAddr
	own  netip.Addr

	mu    sync.Mutex
	last  map[string]time.Time // when the kernel received the last answer
	count map[string]int
	round uint16
	done  sync.WaitGroup
}

// newAsker asks the host with a MAC address that is known, as neighbours know it that have asked before.
func newAsker(t testing.TB, from, to *lab.Host) *asker {
	t.Helper()
	a := &asker{host: from, mac: to.MAC, own: to.Address.Addr(), last: map[string]time.Time{}, count: map[string]int{}}
	must(t, from.Do(func() (err error) {
		ifi, err := net.InterfaceByName(lab.Interface)
		if err != nil {
			return err
		}
		a.fd, err = packetSocket(unix.ETH_P_ALL, ifi.Index)
		return err
	}))
	must(t, unix.SetsockoptInt(a.fd, unix.SOL_SOCKET, unix.SO_TIMESTAMPNS, 1))
	must(t, unix.SetsockoptTimeval(a.fd, unix.SOL_SOCKET, unix.SO_RCVTIMEO, &unix.Timeval{Usec: 20000}))
	stop := make(chan struct{})
	a.done.Go(func() { a.listen(stop) })
	t.Cleanup(func() {
		close(stop)
		a.done.Wait()
		unix.Close(a.fd)
	})
	return a
}

func packetSocket(protocol uint16, index int) (int, error) {
	fd, err := unix.Socket(unix.AF_PACKET, unix.SOCK_RAW|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return -1, err
	}
	return fd, unix.Bind(fd, &unix.SockaddrLinklayer{Protocol: protocol<<8 | protocol>>8, Ifindex: index})
}

func (a *asker) listen(stop chan struct{}) {
	frame, control := make([]byte, 2048), make([]byte, 256)
	for {
		select {
		case <-stop:
			return
		default:
		}
		n, m, _, from, err := unix.Recvmsg(a.fd, frame, control, 0)
		if ll, ok := from.(*unix.SockaddrLinklayer); err != nil || !ok || ll.Pkttype == unix.PACKET_OUTGOING {
			continue
		}
		kind := a.answer(frame[:n])
		if kind == "" {
			continue
		}
		messages, err := unix.ParseSocketControlMessage(control[:m])
		if err != nil || len(messages) == 0 {
			continue
		}
		at := time.Unix(int64(binary.NativeEndian.Uint64(messages[0].Data)), int64(binary.NativeEndian.Uint64(messages[0].Data[8:])))
		a.mu.Lock()
		a.last[kind] = at
		a.count[kind]++
		a.mu.Unlock()
	}
}

// answer returns what a frame answers.
func (a *asker) answer(f []byte) string {
	if len(f) < 42 {
		return ""
	}
	switch protocol := binary.BigEndian.Uint16(f[12:]); {
	case protocol == unix.ETH_P_ARP && f[21] == 2 && netip.AddrFrom4([4]byte(f[28:])) == vip4:
		return askARP
	case protocol == unix.ETH_P_IP && f[23] == unix.IPPROTO_ICMP && f[34] == 0 && netip.AddrFrom4([4]byte(f[26:])) == a.own:
		return fmt.Sprint(askOwn, binary.BigEndian.Uint16(f[40:]))
	case protocol == unix.ETH_P_IP && f[23] == unix.IPPROTO_ICMP && f[34] == 0 && netip.AddrFrom4([4]byte(f[26:])) == vip4:
		return askEcho
	case protocol == unix.ETH_P_IPV6 && len(f) >= 78 && f[54] == 136 && netip.AddrFrom16([16]byte(f[62:])) == vip6:
		return askNeighbour
	case protocol == unix.ETH_P_IPV6 && len(f) >= 62 && f[54] == 129 && netip.AddrFrom16([16]byte(f[22:])) == vip6:
		return askEcho6
	}
	return ""
}

// ask sends every question once.
func (a *asker) ask() {
	for _, frame := range [][]byte{
		a.arp(vip4), a.ipv4(vip4, 0), a.solicitation(), a.ipv6(a.mac, vip6, []byte{128, 0, 0, 0, 0, 1, 0, 1}),
	} {
		_, _ = unix.Write(a.fd, frame) // one that is lost has no answer
	}
}

// settle waits until the host has answered a question for its own address: by then it has had all questions before it, and their
// answers have come.
func (a *asker) settle(t testing.TB) {
	t.Helper()
	a.mu.Lock()
	a.round++
	round := a.round
	a.mu.Unlock()
	labtest.Until(t, 5*time.Second, "the host answers for its own address", func() bool {
		_, _ = unix.Write(a.fd, a.ipv4(a.own, round))
		return a.counts()[fmt.Sprint(askOwn, round)] > 0
	})
}

func (a *asker) ether(to net.HardwareAddr, protocol uint16) []byte {
	return binary.BigEndian.AppendUint16(slices.Concat(to, a.host.MAC), protocol)
}

var broadcast = net.HardwareAddr{0xff, 0xff, 0xff, 0xff, 0xff, 0xff}

func (a *asker) arp(target netip.Addr) []byte { return a.arpOf(a.host.Address.Addr(), target) }

// arpOf is a request by a sender. Where that is the target, it announces the address.
func (a *asker) arpOf(sender, target netip.Addr) []byte {
	return slices.Concat(a.ether(broadcast, unix.ETH_P_ARP), []byte{0, 1, 8, 0, 6, 4, 0, 1}, a.host.MAC, sender.AsSlice(),
		make([]byte, 6), target.AsSlice(), make([]byte, 18))
}

func (a *asker) ipv4(to netip.Addr, round uint16) []byte {
	header := slices.Concat([]byte{0x45, 0, 0, 28, 0, 7, 0, 0, 64, unix.IPPROTO_ICMP, 0, 0}, a.host.Address.Addr().AsSlice(), to.AsSlice())
	binary.BigEndian.PutUint16(header[10:], checksum(header))
	echo := binary.BigEndian.AppendUint16([]byte{8, 0, 0, 0, 0, 1}, round)
	binary.BigEndian.PutUint16(echo[2:], checksum(echo))
	return slices.Concat(a.ether(a.mac, unix.ETH_P_IP), header, echo, make([]byte, 18))
}

func (a *asker) solicitation() []byte {
	v := vip6.As16()
	group := netip.AddrFrom16([16]byte{0xff, 2, 11: 1, 12: 0xff, 13: v[13], 14: v[14], 15: v[15]})
	body := slices.Concat([]byte{neighbourSolicitation, 0, 0, 0, 0, 0, 0, 0}, v[:], []byte{1, 1}, a.host.MAC)
	return a.ipv6(net.HardwareAddr{0x33, 0x33, 0xff, v[13], v[14], v[15]}, group, body)
}

func (a *asker) ipv6(mac net.HardwareAddr, to netip.Addr, body []byte) []byte {
	from := a.host.Address6.Addr()
	pseudo := slices.Concat(from.AsSlice(), to.AsSlice(), []byte{0, 0, 0, byte(len(body)), 0, 0, 0, unix.IPPROTO_ICMPV6}, body)
	binary.BigEndian.PutUint16(body[2:], checksum(pseudo))
	return slices.Concat(a.ether(mac, unix.ETH_P_IPV6), []byte{0x60, 0, 0, 0, 0, byte(len(body)), unix.IPPROTO_ICMPV6, 255},
		from.AsSlice(), to.AsSlice(), body)
}

func checksum(b []byte) uint16 {
	sum := uint32(0)
	for i := 0; i+1 < len(b); i += 2 {
		sum += uint32(binary.BigEndian.Uint16(b[i:]))
	}
	for sum > 0xffff {
		sum = sum>>16 + sum&0xffff
	}
	return ^uint16(sum)
}

// counts returns how many answers there were until now.
func (a *asker) counts() map[string]int {
	a.mu.Lock()
	defer a.mu.Unlock()
	return maps.Clone(a.count)
}

// wantOpen waits until every question is answered.
func (a *asker) wantOpen(t testing.TB) {
	t.Helper()
	before := a.counts()
	var missing []string
	err := lab.Until(5*time.Second, "every question is answered", func() bool {
		a.ask()
		now := a.counts()
		missing = slices.DeleteFunc(slices.Clone(questions), func(q string) bool { return now[q] > before[q] })
		return len(missing) == 0
	})
	if err != nil {
		t.Fatalf("%v: no answer to %v", err, missing)
	}
}

// wantClosed asks some times, and wants no answer.
func (a *asker) wantClosed(t testing.TB) {
	t.Helper()
	a.settle(t)
	before := a.counts()
	for range 5 {
		a.ask()
		a.settle(t)
	}
	now := a.counts()
	for _, q := range questions {
		if now[q] != before[q] {
			t.Errorf("%s: %d answers through a closed fence", q, now[q]-before[q])
		}
	}
}

// isClosed asks once, and reports whether no answer came.
func (a *asker) isClosed(t testing.TB) bool {
	t.Helper()
	a.settle(t)
	before := a.counts()
	a.ask()
	a.settle(t)
	now := a.counts()
	return !slices.ContainsFunc(questions, func(q string) bool { return now[q] != before[q] })
}

// every asks so often until the function that is returned is called.
func (a *asker) every(interval time.Duration) (stop func()) {
	end := make(chan struct{})
	var asking sync.WaitGroup
	asking.Go(func() {
		ticker := time.NewTicker(interval)
		defer ticker.Stop()
		for {
			a.ask()
			select {
			case <-end:
				return
			case <-ticker.C:
			}
		}
	})
	return func() {
		close(end)
		asking.Wait()
	}
}

// after describes when the last answers were.
func (a *asker) after(t0 time.Time) (text string, latest time.Duration) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, q := range questions {
		d := a.last[q].Sub(t0).Round(100 * time.Microsecond)
		text += fmt.Sprintf("%s %s  ", q, d)
		latest = max(latest, d)
	}
	return text, latest
}
