// SPDX-License-Identifier: Apache-2.0

package probe

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/binary"
	"net"
	"net/netip"
	"syscall"
	"time"

	"github.com/harbinger-ha/harbinger/pkg/guard"
)

// What an echo request and its answer look like: RFC 792, and RFC 4443, section 4.
const (
	echoRequest4, echoReply4 = 8, 0
	echoRequest6, echoReply6 = 128, 129
	echoHeader               = 8
	nonceLength              = 16
	// maxEcho holds every answer; a longer packet is none.
	maxEcho = 256
)

// echoes are the parts of the time at which echo requests are sent: they cost little, and many may be lost.
var echoes = []float64{0, .04, .08, .12, .16, .2, .24, .28, .32, .36, .4, .44, .48, .52, .56, .6, .64, .68, .72, .76}

// hearAgain is the wait after an error that a socket reports, such as what an ICMP message says.
const hearAgain = 5 * time.Millisecond

// An echo is a question that a kernel answers. The nonce shows that the answer is to it.
type echo struct {
	nonce [nonceLength]byte
	is6   bool
	more  int // zeros behind the nonce, an even number
}

func newEcho(to netip.Addr) echo {
	e := echo{is6: to.Is6()}
	_, _ = rand.Read(e.nonce[:]) // it never fails
	return e
}

// request returns the message. The kernel adds the checksum over IPv6.
func (e echo) request() []byte {
	b := make([]byte, echoHeader+nonceLength+e.more)
	copy(b[4:], e.nonce[:2]) // the identifier, by which some firewalls distinguish questions
	copy(b[echoHeader:], e.nonce[:])
	if b[0] = echoRequest6; !e.is6 {
		b[0] = echoRequest4
		binary.BigEndian.PutUint16(b[2:], checksum(b))
	}
	return b
}

// answeredBy reports whether a message is the answer.
func (e echo) answeredBy(b []byte) bool {
	reply := byte(echoReply4)
	if e.is6 {
		reply = echoReply6
	}
	return len(b) == echoHeader+nonceLength+e.more && b[0] == reply && b[1] == 0 && bytes.HasPrefix(b[echoHeader:], e.nonce[:])
}

// checksum is that of RFC 1071, for a message of an even length.
func checksum(b []byte) uint16 {
	var sum uint32
	for ; len(b) > 0; b = b[2:] {
		sum += uint32(binary.BigEndian.Uint16(b))
	}
	sum = sum>>16 + sum&0xffff
	return ^uint16(sum>>16 + sum)
}

// Echo asks a host for an echo until it answers or ctx ends, by the interface of an index and from a source. The packets, both
// ways, are at least so many bytes long, and the question is not fragmented. Asked says that one was sent at all.
func Echo(ctx context.Context, index int, source, to netip.Addr, size int) (answered, asked bool) {
	e, headers := newEcho(to), 20+echoHeader+nonceLength
	if to.Is6() {
		headers += 20
	}
	e.more = max(0, size-headers) &^ 1
	return origin{index, source}.ask(ctx, to, e)
}

// echo asks for an answer until there is one or ctx ends. Asked says that a request was sent at all.
func (o origin) echo(ctx context.Context, to netip.Addr) (answered, asked bool) {
	return o.ask(ctx, to, newEcho(to))
}

// ask is echo with a question that was made before.
func (o origin) ask(ctx context.Context, to netip.Addr, e echo) (answered, asked bool) {
	conn, err := o.icmp(ctx, to)
	if err != nil {
		return false, false
	}
	defer conn.Close()
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	defer context.AfterFunc(ctx, func() { _ = conn.SetDeadline(time.Unix(1, 0)) })() // ends the reads
	var hearing guard.Workers
	hearing.Go(func() { // ends with ctx
		defer stop()
		answered = hears(ctx, conn, e)
	})
	sent := make(chan struct{}, len(echoes))
	spread(ctx, echoes, func(context.Context) bool {
		if _, err := conn.Write(e.request()); err == nil {
			sent <- struct{}{}
		}
		return false
	})
	hearing.Wait()
	return answered, len(sent) > 0
}

// hears waits for the answer. What else comes, such as an ICMP error, is none.
func hears(ctx context.Context, conn *net.IPConn, e echo) bool {
	b := make([]byte, maxEcho+e.more)
	for ctx.Err() == nil {
		n, _, err := conn.ReadFromIP(b)
		if err == nil && e.answeredBy(b[:n]) {
			return true
		}
		if err != nil {
			pause(ctx, hearAgain)
		}
	}
	return false
}

// icmp opens a socket that gets the ICMP messages of one host.
func (o origin) icmp(ctx context.Context, to netip.Addr) (*net.IPConn, error) {
	network := "ip4:icmp"
	if to.Is6() {
		network = "ip6:ipv6-icmp"
	}
	var local net.Addr // a typed nil would be an address
	if o.source.IsValid() {
		local = &net.IPAddr{IP: o.source.AsSlice(), Zone: o.source.Zone()}
	}
	level, option := syscall.IPPROTO_IP, syscall.IP_MTU_DISCOVER
	if to.Is6() {
		level, option = syscall.IPPROTO_IPV6, syscall.IPV6_MTU_DISCOVER
	}
	// Never fragmented, whatever the kernel has learned of the path.
	dialer := o.dialer(local, func(fd int) error { return syscall.SetsockoptInt(fd, level, option, syscall.IP_PMTUDISC_PROBE) })
	conn, err := dialer.DialContext(ctx, network, to.String())
	if err != nil {
		return nil, err
	}
	return conn.(*net.IPConn), nil
}
