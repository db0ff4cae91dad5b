// SPDX-License-Identifier: Apache-2.0

package vrrpconn

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"net/netip"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/harbinger-ha/harbinger/e2e/lab"
	"github.com/harbinger-ha/harbinger/e2e/lab/labtest"
	"github.com/harbinger-ha/harbinger/pkg/socket"
	"github.com/harbinger-ha/harbinger/pkg/vrrp"
)

const (
	floodRate = 50000 // packets a second
	floodTime = 2 * time.Second
)

// garbage are messages of the flood, by the reason that refuses each.
func garbage(t *testing.T, c *Conn) map[string][]byte {
	t.Helper()
	marshal := func(a vrrp.Advertisement) []byte {
		b, err := a.AppendBinary(nil, c.cfg.Source, c.destinations[0], vrrp.ChecksumPseudo)
		must(t, err)
		return b
	}
	m := modes[2]
	otherVRID, long := m.advertisement(200), m.advertisement(200)
	otherVRID.VRID = 52
	for len(long.Addresses) < 255 {
		long.Addresses = append(long.Addresses, vip4)
	}
	damaged := marshal(m.advertisement(200))
	damaged[2] = 255
	random := rand.New(rand.NewPCG(1, 2))
	noise := make([]byte, 64)
	for i := range noise {
		noise[i] = byte(random.Uint32())
	}
	noise[0], noise[1] = 0, otherVRID.VRID-1 // of our virtual router
	return map[string][]byte{"vrid": marshal(otherVRID), "addresses": marshal(long), "checksum": damaged, "version": noise, "short": nil}
}

// flood sends garbage at a steady rate and returns how many packets of each reason.
func flood(t *testing.T, c *Conn, duration time.Duration) map[string]int {
	messages := garbage(t, c)
	reasons := []string{"vrid", "addresses", "checksum", "version", "short"}
	sent := map[string]int{}
	ticks := time.NewTicker(time.Millisecond)
	defer ticks.Stop()
	total := 0
	for start := time.Now(); time.Since(start) < duration; <-ticks.C {
		for due := int(time.Since(start) * floodRate / time.Second); total < due; total++ {
			reason := reasons[total%len(reasons)]
			if err := inject(c, messages[reason], c.destinations[0]); err != nil {
				t.Errorf("flood: %v", err)
				return sent
			}
			sent[reason]++
		}
	}
	t.Logf("%d packets in %v", total, duration)
	return sent
}

// ear is a receiver in the loop that package control has around a Conn.
type ear struct {
	conn  *Conn
	heard atomic.Int64
	last  time.Time
	gap   time.Duration // the longest between two accepted packets
	turn  time.Duration // the longest call of Receive
}

// hear ends when the Conn is closed.
func (e *ear) hear() error {
	e.last = time.Now()
	for {
		if err := e.conn.Wait(); err != nil {
			return err
		}
		for ok := true; ok; {
			start := time.Now()
			var err error
			if _, ok, err = e.conn.Receive(); err != nil {
				return err
			}
			now := time.Now()
			e.turn = max(e.turn, now.Sub(start))
			if ok {
				e.gap, e.last = max(e.gap, now.Sub(e.last)), now
				e.heard.Add(1)
			}
		}
	}
}

// TestFlood: while one host sends 50,000 packets of garbage a second, the advertisements of another are heard, so that no
// Backup takes over, and every packet is counted. What a flood does it does every time, while a busy machine stalls a
// process now and then: one flood of several must pass in time, each must be counted.
func TestFlood(t *testing.T) {
	hosts := labtest.Hosts(t, 3)
	const attempts = 4
	var err error
	for range attempts {
		if err = surviveFlood(t, hosts); err == nil {
			return
		}
		t.Log(err)
	}
	t.Errorf("%d floods, the last: %v", attempts, err)
}

// surviveFlood returns an error when the flood, or whatever else the machine does, kept the receiver from hearing in time.
func surviveFlood(t *testing.T, hosts []*lab.Host) error {
	t.Helper()
	const (
		interval = 20 * time.Millisecond
		down     = 300 * time.Millisecond // a Backup takes over later than that with advertisements every 100 ms
	)
	m := modes[2]
	d := new(drops)
	cfg := m.config(t, hosts[0])
	cfg.Dropped = d.count
	e := &ear{conn: listen(t, hosts[0], cfg)}
	holder := listen(t, hosts[1], m.config(t, hosts[1]))
	flooder := listen(t, hosts[2], m.config(t, hosts[2]))

	heard := make(chan error, 1)
	go func() { heard <- e.hear() }() // ends when the receiver is closed
	flooded := make(chan map[string]int, 1)
	go func() { flooded <- flood(t, flooder, floodTime) }() // ends after floodTime
	var sent map[string]int
	advertised := 0
	for ticks := time.NewTicker(interval); sent == nil; {
		select {
		case sent = <-flooded:
			ticks.Stop()
		case <-ticks.C:
			must(t, holder.Send(m.advertisement(100)))
			advertised++
		}
	}
	total := 0
	for _, n := range sent {
		total += n
	}
	must(t, lab.Until(5*time.Second, "every packet is counted", func() bool {
		if d.sum()+int(e.heard.Load()) == total+advertised {
			return true
		}
		must(t, holder.Send(m.advertisement(100))) // the kernel reports what it dropped with what it queues next
		advertised++
		return false
	}))
	must(t, e.conn.Close())
	if err := <-heard; !errors.Is(err, net.ErrClosed) {
		t.Errorf("receive: %v", err)
	}
	t.Logf("heard %d of %d advertisements, at most %v apart; longest turn %v", e.heard.Load(), advertised, e.gap, e.turn)
	checkReasons(t, d, sent)
	if e.gap > down {
		return fmt.Errorf("no advertisement was heard for %v", e.gap)
	}
	if total < floodRate/4*int(floodTime/time.Second) {
		return fmt.Errorf("the flood had only %d packets: this machine is too slow or too busy for the test", total)
	}
	return nil
}

// checkReasons compares the counters with what was sent. Only packets that the kernel dropped may be without their reason.
func checkReasons(t *testing.T, d *drops, sent map[string]int) {
	t.Helper()
	t.Logf("refused %v", d.byReason)
	for reason, n := range sent {
		if got := d.byReason[reason]; got > n || got+d.byReason[ReasonOverflow] < n {
			t.Errorf("%d packets counted as %s, sent %d", got, reason, n)
		}
	}
}

// needFullQueue ends a test whose packets must all be queued where the kernel does not allow it.
func needFullQueue(t *testing.T, c *Conn) {
	t.Helper()
	var size int
	must(t, socket.Control(c.raw, func(fd int) (err error) {
		size, err = unix.GetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RCVBUF)
		return err
	}))
	if size < receiveBuffer {
		t.Fatalf("receive buffer of %d bytes: this test needs root, or net.core.rmem_max of %d", size, receiveBuffer)
	}
}

// TestTurnIsBounded: a full queue does not hold the caller, and what the kernel dropped is counted.
func TestTurnIsBounded(t *testing.T) {
	hosts := labtest.Hosts(t, 2)
	for _, m := range []mode{modes[2], modes[4]} {
		t.Run(m.name, func(t *testing.T) {
			d := new(drops)
			cfg := m.config(t, hosts[0])
			cfg.Dropped = d.count
			receiver := listen(t, hosts[0], cfg)
			needFullQueue(t, receiver)
			sender := listen(t, hosts[1], m.config(t, hosts[1]))
			const sent = 30000 // the queue holds a third of them
			for range sent {
				must(t, inject(sender, nil, sender.destinations[0]))
			}
			const left = 100
			receiver.taken = queueCapacity - left // as after so many packets of a flood that does not end
			if _, ok, err := receiver.Receive(); ok || err != nil || d.sum() != left {
				t.Errorf("end of a turn: %t, %v, %d refused, want %d", ok, err, d.sum(), left)
			}
			must(t, lab.Until(5*time.Second, "the queue is empty", func() bool {
				before := d.sum()
				_, _, err := receiver.Receive()
				must(t, err)
				return d.sum() == before
			}))
			// The kernel reports dropped packets with the next one that it queues.
			must(t, sender.Send(m.advertisement(100)))
			receive(t, receiver)
			must(t, lab.Until(5*time.Second, "every packet is counted", func() bool {
				_, _, err := receiver.Receive()
				must(t, err)
				return d.sum() >= sent
			}))
			t.Logf("%v", d.byReason)
			if d.sum() != sent || d.byReason["short"] < 5000 || d.byReason[ReasonOverflow] < 5000 || d.source != (netip.Addr{}) {
				t.Errorf("counted %v, want %d in all", d.byReason, sent)
			}
		})
	}
}

// TestBacklogIsHeard: one that was frozen, as behind 4000 packets of other virtual routers, hears its successor before it
// looks at its timers.
func TestBacklogIsHeard(t *testing.T) {
	hosts := labtest.Hosts(t, 2)
	m := modes[2]
	witness := listen(t, hosts[1], m.config(t, hosts[1])) // the kernel serves the older socket last
	receiver := listen(t, hosts[1], m.config(t, hosts[1]))
	needFullQueue(t, receiver)
	sender := listen(t, hosts[0], m.config(t, hosts[0]))
	other := m.advertisement(254)
	other.VRID++
	for range 4000 {
		must(t, sender.Send(other))
	}
	must(t, sender.Send(m.advertisement(200)))
	receive(t, witness)
	p, ok, err := receiver.Receive()
	must(t, err)
	if !ok || p.Advertisement.Priority != 200 {
		t.Errorf("accepted %t, %+v, want priority 200 in the first turn", ok, p)
	}
}

// TestRefusedCostsNoMemory: a flood must not keep the garbage collector busy.
func TestRefusedCostsNoMemory(t *testing.T) {
	hosts := labtest.Hosts(t, 2)
	for _, m := range []mode{modes[2], modes[4]} {
		t.Run(m.name, func(t *testing.T) {
			refused := 0
			cfg := m.config(t, hosts[0])
			cfg.Dropped = func(string, netip.Addr) { refused++ }
			receiver := listen(t, hosts[0], cfg)
			needFullQueue(t, receiver)
			sender := listen(t, hosts[1], m.config(t, hosts[1]))
			other := m.advertisement(100)
			other.Addresses = append(other.Addresses, m.vip())
			const runs, turn = 4, 1000
			for range (runs + 1) * turn { // AllocsPerRun makes one run more
				must(t, sender.Send(other))
			}
			n := testing.AllocsPerRun(runs, func() {
				receiver.taken = queueCapacity - turn
				if _, ok, err := receiver.Receive(); ok || err != nil {
					t.Errorf("accepted %t, %v", ok, err)
				}
			})
			if refused != (runs+1)*turn || n > 10 {
				t.Errorf("%g allocations a turn of %d refused packets, %d in all", n, turn, refused)
			}
		})
	}
}
