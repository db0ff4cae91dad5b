// SPDX-License-Identifier: Apache-2.0

package probe

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strconv"
	"sync"
	"syscall"
	"time"

	"github.com/harbinger-ha/harbinger/pkg/election"
	"github.com/harbinger-ha/harbinger/pkg/guard"
	"github.com/harbinger-ha/harbinger/pkg/socket"
)

// Rehearsal finds out whether clients would reach this node if it had the virtual addresses: the same rule of a firewall may be on all
// hosts. The peers are asked, by their identity ports, to send the first packet of a connection to a virtual address to the hardware
// address of this node. The kernel delivers it for a moment as if this node had the address, so that it passes the input filter of
// the host, or not. All fields are required.
type Rehearsal struct {
	VIPs      []netip.Addr
	Peers     []Peer
	Port      uint16 // of the identity endpoints
	Interface int    // index
	Sequence  uint32 // by which the packets are known
	// Admit has the kernel deliver TCP to the virtual addresses, until the function that it returns is called.
	Admit func() (end func() error, err error)
	// Hear watches the interface for the packet, before any filter of the host.
	Hear func(ctx context.Context, vip netip.Addr, sequence uint32) (wait func() bool, err error)
}

// filteredAfter is how long after a packet has reached the interface it counts as filtered.
const filteredAfter = 100 * time.Millisecond

// Ask rehearses, at the latest until ctx ends. The worst of the virtual addresses counts.
func (r Rehearsal) Ask(ctx context.Context) election.Rehearsed {
	if ctx.Err() != nil || len(r.Peers) == 0 {
		return election.Rehearsed{}
	}
	end, err := r.Admit()
	if err != nil {
		return election.Rehearsed{}
	}
	defer func() { _ = end() }() // what stays does no harm, and the next process removes it
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	found := make([]election.Finding, len(r.VIPs))
	ready := make(chan struct{}, len(r.VIPs))
	var watching, asking guard.Workers
	for i, vip := range r.VIPs {
		watching.Go(func() { found[i] = r.watch(ctx, vip, sync.OnceFunc(func() { ready <- struct{}{} })) })
	}
	for range r.VIPs {
		<-ready
	}
	for _, peer := range r.Peers {
		asking.Go(func() { r.request(ctx, peer) })
	}
	watching.Wait()
	stop()
	asking.Wait()
	return election.Rehearsed{Client: worst(found)}
}

// worst returns the worst finding. What could not be asked does not count.
func worst(found []election.Finding) election.Finding {
	var least election.Finding
	for _, f := range found {
		if least == election.CouldNotAsk || f != election.CouldNotAsk && f < least {
			least = f
		}
	}
	return least
}

// watch waits for the packet to one virtual address, on the wire and behind the input filter. Ready is called when it may come.
func (r Rehearsal) watch(ctx context.Context, vip netip.Addr, ready func()) election.Finding {
	defer ready()
	delivered, err := r.listen(ctx, vip)
	if err != nil {
		return election.CouldNotAsk
	}
	defer delivered.Close()
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	wait, err := r.Hear(ctx, vip, r.Sequence)
	if err != nil {
		return election.CouldNotAsk
	}
	defer context.AfterFunc(ctx, func() { _ = delivered.SetDeadline(time.Unix(1, 0)) })()
	var onWire, passed bool
	var waiting guard.Workers
	waiting.Go(func() {
		defer stop()
		if onWire = wait(); onWire {
			pause(ctx, filteredAfter)
		}
	})
	waiting.Go(func() {
		if passed = r.arrives(ctx, delivered); passed {
			stop()
		}
	})
	ready()
	waiting.Wait()
	switch {
	case passed:
		return election.Answers
	case onWire:
		return election.Nobody
	}
	return election.CouldNotAsk
}

// listen opens a socket that gets what is delivered for a virtual address.
func (r Rehearsal) listen(ctx context.Context, vip netip.Addr) (*net.IPConn, error) {
	lc := net.ListenConfig{Control: func(network, address string, c syscall.RawConn) error {
		return errors.Join(socket.FreeBind(network, address, c), socket.Control(c, func(fd int) error { return socket.BindToInterface(fd, r.Interface) }))
	}}
	network := "ip4:tcp"
	if vip.Is6() {
		network = "ip6:tcp"
	}
	conn, err := lc.ListenPacket(ctx, network, vip.String())
	if err != nil {
		return nil, err
	}
	return conn.(*net.IPConn), nil
}

// arrives waits until the packet has passed the filter.
func (r Rehearsal) arrives(ctx context.Context, conn *net.IPConn) bool {
	var b [maxEcho]byte
	for ctx.Err() == nil {
		n, _, err := conn.ReadFromIP(b[:])
		if err == nil && n >= 8 && bytes.Equal(b[4:8], []byte{byte(r.Sequence >> 24), byte(r.Sequence >> 16), byte(r.Sequence >> 8), byte(r.Sequence)}) {
			return true
		}
		if err != nil {
			pause(ctx, hearAgain)
		}
	}
	return false
}

// request asks a peer to send the packets.
func (r Rehearsal) request(ctx context.Context, peer Peer) {
	from, to := origin{index: r.Interface, source: peer.Source}, peer.Address
	spread(ctx, connections, func(ctx context.Context) bool {
		conn, err := from.tcp(ctx, netip.AddrPortFrom(to, r.Port), func(int) error { return nil })
		if err != nil {
			return false
		}
		if _, err := fmt.Fprintf(conn, "%s%d\n", rehearseRequest, r.Sequence); err != nil {
			_ = conn.Close()
			return false
		}
		_, err = identityOf(ctx, conn)
		return err == nil
	})
}

// rehearseRequest is what a node may say at the identity port of another one, followed by a number.
const rehearseRequest = "rehearse "

// parseRequest returns the number of a request.
func parseRequest(line []byte) (sequence uint32, ok bool) {
	number, ok := bytes.CutPrefix(bytes.TrimSuffix(line, []byte("\n")), []byte(rehearseRequest))
	if !ok {
		return 0, false
	}
	n, err := strconv.ParseUint(string(number), 10, 32)
	return uint32(n), err == nil
}
