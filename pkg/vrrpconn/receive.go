// SPDX-License-Identifier: Apache-2.0

package vrrpconn

import (
	"errors"
	"net/netip"
	"os"
	"slices"

	"golang.org/x/sys/unix"

	"github.com/harbinger-ha/harbinger/pkg/socket"
	"github.com/harbinger-ha/harbinger/pkg/vrrp"
)

// ReasonOverflow is the reason of packets that the kernel dropped because the receive queue was full.
const ReasonOverflow = "receive_queue_overflow"

// queueCapacity is more than the packets that the receive buffer holds at once (see receiveBuffer).
const queueCapacity = 16384

// Receive takes the next accepted packet from the queue and never blocks. ok is false when the queue is empty, or after
// 16384 packets since it was false last. So a caller that goes on until it is false has heard all that was queued when it
// began: one that was frozen hears its successor behind whatever came before. And no flood keeps it from its timers, even
// one that comes faster than it is read. The error is net.ErrClosed after Close.
func (c *Conn) Receive() (p vrrp.Packet, ok bool, err error) {
	err = socket.Control(c.raw, func(fd int) error {
		ok, err = c.receive(fd)
		return err
	})
	c.reportOverflow()
	if !ok || err != nil {
		return vrrp.Packet{}, false, err
	}
	p = c.in.packet
	p.Advertisement.Addresses = slices.Clone(p.Advertisement.Addresses)
	return p, true, nil
}

// receive leaves the next accepted packet in the reader.
func (c *Conn) receive(fd int) (bool, error) {
	for c.taken < queueCapacity {
		err := c.in.next(fd)
		if errors.Is(err, unix.EAGAIN) {
			break
		}
		if err != nil {
			return false, os.NewSyscallError("recvmsg", err)
		}
		c.taken++
		c.delivered(c.in.packet.Source)
		rules := c.rules()
		if err = rules.CheckRouter(c.in.message); err == nil {
			err = c.in.parse(c.cfg.Signing != nil)
		}
		if err == nil {
			err = rules.Check(c.in.packet)
		}
		if err == nil && c.cfg.Signing != nil { // last: it costs most, and what it accepts will not be accepted again
			err = c.cfg.Signing.verify(c.in.message, c.in.trailer, c.in.packet.Source)
		}
		if err == nil {
			return true, nil
		}
		c.cfg.Dropped(vrrp.Reason(err), c.in.packet.Source)
	}
	c.taken = 0
	return false, nil
}

// reportOverflow reports packets that the kernel dropped, some at a time as there may be very many.
func (c *Conn) reportOverflow() {
	for range min(c.in.overflow, queueCapacity) {
		c.in.overflow--
		c.cfg.Dropped(ReasonOverflow, netip.Addr{})
	}
}

// rules are those of the peers that are set now. SetPeers replaces their list and changes none.
func (c *Conn) rules() vrrp.Rules {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.cfg.Rules
}
