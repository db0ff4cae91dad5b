// SPDX-License-Identifier: Apache-2.0

package vrrpconn

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"slices"
	"time"

	"golang.org/x/sys/unix"

	"github.com/harbinger-ha/harbinger/pkg/vrrp"
)

const (
	// tapBuffer bounds what waits between two looks: some 80 packets.
	tapBuffer = 64 << 10
	// tapLength is how much of a packet the tap passes on: the IP header, which names its ends.
	tapLength = 64
	// maxSenders and maxLook bound how many senders are kept apart, and how many packets are taken in one look.
	maxSenders, maxLook = 64, 1024
	// minPackets and minLooks show that a sender is not delivered: one packet may be on its way to the socket.
	minPackets, minLooks = 2, 2
	// staleLooks is after how many looks without a packet a sender is forgotten.
	staleLooks = 15
	// forbiddenLooks is for how many looks a destination is known as forbidden: a node that holds nothing sends nothing, and cannot
	// notice that it no longer is.
	forbiddenLooks = 600
	// minIPv6Header is the length of an IPv6 header.
	minIPv6Header = 40
)

// Reception is what a Conn shows beside the packets that it receives and sends.
type Reception struct {
	// Undelivered are the senders whose packets reach the interface, and not this socket: this host drops them.
	Undelivered []netip.Addr
	// Unsent are the destinations that this host forbade to send to when this node did last, if that is not long ago.
	Unsent []netip.Addr
	// Blind says why the interface could not be watched: then nothing is known of what reaches it. Nil: it was, or was not to be.
	Blind error
}

// A tap sees the packets of a virtual router that reach the interface, before any filter of the host. It is open only where
// advertisements are missed: every packet of the interface passes its program.
type tap struct {
	fd        int
	delivered map[netip.Addr]bool // who sent what the socket has received since the last look
	missed    map[netip.Addr]*missed
	senders   map[netip.Addr]string // source → hardware address of its last packet
}

// missed is what reached the interface from one sender since the socket received something from it.
type missed struct{ packets, looks, idle int }

// Look reports the state of the reception. With closely, it also compares what reaches the interface with what reaches the
// socket, from one look to the next; without, that costs nothing. It may be called from any goroutine, once a second or so.
func (c *Conn) Look(closely bool) (r Reception) {
	c.mu.Lock()
	for _, to := range c.destinations {
		if c.forbidden[to] > 0 {
			c.forbidden[to]--
			r.Unsent = append(r.Unsent, to)
		}
	}
	c.mu.Unlock()
	c.tapping.Lock()
	defer c.tapping.Unlock()
	switch {
	case !closely && time.Since(c.sought) < soughtTime && !c.closed:
		return r
	case !closely || c.closed:
		c.closeTap()
		return r
	}
	if r.Blind = c.watch(); r.Blind == nil {
		r.Undelivered = c.tap.compare()
	}
	return r
}

// watch takes what has reached the interface, from the time on when it was called first. The caller has c.tapping.
func (c *Conn) watch() error {
	if c.tap == nil {
		fd, err := openTap(c.cfg)
		if err != nil {
			return fmt.Errorf("watch what reaches %s: %w", c.cfg.Interface.Name, err)
		}
		c.tap = &tap{fd: fd, delivered: map[netip.Addr]bool{}, missed: map[netip.Addr]*missed{}, senders: map[netip.Addr]string{}}
		c.tapped.Store(true)
	}
	if err := c.tap.drain(c.cfg.Source, c.arrivesHere); err != nil {
		c.closeTap() // the next one opens another
		return fmt.Errorf("watch what reaches %s: %w", c.cfg.Interface.Name, err)
	}
	return nil
}

// soughtTime is for how long the interface is watched after a sender was looked for: it may send once a second.
const soughtTime = 3 * time.Second

// HardwareAddress returns that of the host whose packet reached the interface last from a source. It watches the interface from the
// first call on, for a few seconds after the last one and until a Look that is not close: only what arrives later has one. Empty:
// not known. It may be called from any goroutine.
func (c *Conn) HardwareAddress(source netip.Addr) string {
	c.tapping.Lock()
	defer c.tapping.Unlock()
	c.sought = time.Now()
	if c.closed || c.watch() != nil {
		return ""
	}
	return c.tap.senders[source.WithZone("")]
}

// closeTap closes the tap, if it is open. The caller has c.tapping.
func (c *Conn) closeTap() {
	if c.tap != nil {
		_ = unix.Close(c.tap.fd) // nothing is lost
		c.tap = nil
		c.tapped.Store(false)
	}
}

// delivered notes that the socket has received a packet.
func (c *Conn) delivered(from netip.Addr) {
	if !c.tapped.Load() {
		return
	}
	c.tapping.Lock()
	defer c.tapping.Unlock()
	if c.tap != nil && (len(c.tap.delivered) < maxSenders || c.tap.missed[from] != nil) { // as many again at most
		c.tap.delivered[from] = true
	}
}

// arrivesHere reports whether the socket receives what goes to an address.
func (c *Conn) arrivesHere(to netip.Addr) bool {
	if len(c.cfg.Peers) > 0 {
		return to == c.cfg.Source.WithZone("")
	}
	return to == group(c.cfg.Source)
}

// drain counts what has reached the interface for this host, by its sender.
func (t *tap) drain(own netip.Addr, arrivesHere func(netip.Addr) bool) error {
	var packet [tapLength]byte
	for range maxLook {
		n, sender, err := unix.Recvfrom(t.fd, packet[:], unix.MSG_DONTWAIT)
		switch {
		case errors.Is(err, unix.EAGAIN):
			return nil
		case errors.Is(err, unix.ENETDOWN):
			continue // said once; the tap works again when the link is up
		case err != nil:
			return os.NewSyscallError("recvfrom", err)
		}
		from, to, ok := ends(packet[:n])
		if ok {
			t.sent(from, sender)
		}
		if !ok || from == own.WithZone("") || !arrivesHere(to) {
			continue
		}
		m := t.missed[from]
		switch {
		case m != nil:
			m.packets, m.idle = m.packets+1, 0
		case len(t.missed) < maxSenders:
			t.missed[from] = &missed{packets: 1}
		}
	}
	return nil
}

// sent notes who sent a packet. A host that invents sources leaves those of its last packets.
func (t *tap) sent(from netip.Addr, sender unix.Sockaddr) {
	link, ok := sender.(*unix.SockaddrLinklayer)
	if !ok || int(link.Halen) > len(link.Addr) {
		return
	}
	if _, known := t.senders[from]; !known && len(t.senders) >= maxSenders {
		clear(t.senders)
	}
	t.senders[from] = net.HardwareAddr(link.Addr[:link.Halen]).String()
}

// compare returns the senders of which nothing is delivered.
func (t *tap) compare() (undelivered []netip.Addr) {
	for from, m := range t.missed {
		m.looks++
		m.idle++
		switch {
		case t.delivered[from] || m.idle > staleLooks:
			delete(t.missed, from)
		case m.packets >= minPackets && m.looks >= minLooks:
			undelivered = append(undelivered, from)
		}
	}
	clear(t.delivered)
	slices.SortFunc(undelivered, netip.Addr.Compare)
	return undelivered
}

// ends returns the source and the destination of a packet.
func ends(packet []byte) (from, to netip.Addr, ok bool) {
	switch {
	case len(packet) >= minIPv4Header && packet[0]>>4 == 4:
		return netip.AddrFrom4([4]byte(packet[12:16])), netip.AddrFrom4([4]byte(packet[16:20])), true
	case len(packet) >= minIPv6Header && packet[0]>>4 == 6:
		return netip.AddrFrom16([16]byte(packet[8:24])), netip.AddrFrom16([16]byte(packet[24:40])), true
	}
	return netip.Addr{}, netip.Addr{}, false
}

// openTap opens a socket that gets every packet of the virtual router which the interface receives, from its IP header on.
func openTap(cfg Config) (int, error) {
	return openPacketSocket(cfg.Interface.Index, tapProgram(cfg.Source.Is6(), cfg.Rules.VRID), tapBuffer)
}

// openPacketSocket opens a socket that gets what the program passes on of the packets that an interface receives.
func openPacketSocket(index int, program []unix.SockFilter, buffer int) (int, error) {
	fd, err := unix.Socket(unix.AF_PACKET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0) // of no protocol yet: it gets nothing
	if err != nil {
		return -1, os.NewSyscallError("socket", err)
	}
	err = errors.Join(
		os.NewSyscallError("setsockopt SO_ATTACH_FILTER", unix.SetsockoptSockFprog(fd, unix.SOL_SOCKET, unix.SO_ATTACH_FILTER,
			&unix.SockFprog{Len: uint16(len(program)), Filter: &program[0]})),
		os.NewSyscallError("setsockopt SO_RCVBUF", unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RCVBUF, buffer)),
	)
	_ = unix.SetsockoptInt(fd, unix.SOL_PACKET, unix.PACKET_IGNORE_OUTGOING, 1) // spares a copy, where the kernel knows it
	if err == nil {
		err = os.NewSyscallError("bind", unix.Bind(fd, &unix.SockaddrLinklayer{Protocol: bigEndian(unix.ETH_P_ALL), Ifindex: index}))
	}
	if err != nil {
		_ = unix.Close(fd) // the first error counts
		return -1, err
	}
	return fd, nil
}

// bigEndian returns a number whose bytes in memory are in the order of the network.
func bigEndian(n uint16) uint16 {
	return binary.NativeEndian.Uint16(binary.BigEndian.AppendUint16(nil, n))
}

// Where an IP header has what the tap asks for, and what the kernel says of a packet beside its bytes.
const (
	offsetProtocol = 9 // IPv4
	offsetNext     = 6 // IPv6
	offsetVRID     = 1 // in the advertisement
	ancillary      = uint32(0xfffff000)
	packetProtocol = ancillary + 0
	packetType     = ancillary + 4
	highestOwnType = 2 // for this host, for all, for a group; from 3 on for others, and sent by this host
)

// tapProgram passes on the packets of protocol 112 of one virtual router that are for this host.
func tapProgram(ipv6 bool, vrid uint8) []unix.SockFilter {
	load := func(size uint16, offset uint32) unix.SockFilter {
		return unix.SockFilter{Code: unix.BPF_LD | size | unix.BPF_ABS, K: offset}
	}
	header := []unix.SockFilter{
		load(unix.BPF_W, packetType), {Code: unix.BPF_JMP | unix.BPF_JGT | unix.BPF_K, K: highestOwnType, Jt: reject},
		load(unix.BPF_W, packetProtocol), equals(unix.ETH_P_IP),
		load(unix.BPF_B, offsetProtocol), equals(vrrp.Protocol),
		{Code: unix.BPF_LDX | unix.BPF_B | unix.BPF_MSH, K: 0}, {Code: unix.BPF_LD | unix.BPF_B | unix.BPF_IND, K: offsetVRID}, equals(uint32(vrid)),
	}
	if ipv6 {
		header = []unix.SockFilter{
			load(unix.BPF_W, packetType), {Code: unix.BPF_JMP | unix.BPF_JGT | unix.BPF_K, K: highestOwnType, Jt: reject},
			load(unix.BPF_W, packetProtocol), equals(unix.ETH_P_IPV6),
			load(unix.BPF_B, offsetNext), equals(vrrp.Protocol),
			load(unix.BPF_B, minIPv6Header+offsetVRID), equals(uint32(vrid)),
		}
	}
	program := append(header, unix.SockFilter{Code: unix.BPF_RET | unix.BPF_K, K: tapLength}, unix.SockFilter{Code: unix.BPF_RET | unix.BPF_K, K: 0})
	for i := range program { // the last instruction rejects
		toReject := uint8(len(program) - 2 - i)
		if program[i].Jt == reject {
			program[i].Jt = toReject
		}
		if program[i].Jf == reject {
			program[i].Jf = toReject
		}
	}
	return program
}

// reject marks the branch of a comparison that leads to the end.
const reject = 0xff

func equals(value uint32) unix.SockFilter {
	return unix.SockFilter{Code: unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K, K: value, Jf: reject}
}
