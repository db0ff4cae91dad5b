// SPDX-License-Identifier: Apache-2.0

package vrrpconn

import (
	"errors"
	"math/rand/v2"
	"net"
	"net/netip"
	"slices"
	"testing"
	"time"

	"github.com/harbinger-ha/harbinger/pkg/internal/lab"
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
	noise[0] = 0
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

// hearing is what a receiver heard, and how long a turn of it took at most.
type hearing struct {
	at   []time.Time
	turn time.Duration
}

// hear is the loop that package control has around a Conn. It ends when the Conn is closed.
func hear(c *Conn) (h hearing, err error) {
	for {
		if err := c.Wait(); err != nil {
			return h, err
		}
		for ok := true; ok; {
			start := time.Now()
			if _, ok, err = c.Receive(); err != nil {
				return h, err
			}
			h.turn = max(h.turn, time.Since(start))
			if ok {
				h.at = append(h.at, time.Now())
			}
		}
	}
}

// TestFlood: while one host sends 50,000 packets of garbage a second, the advertisements of another are all heard in time,
// and each packet of the flood is counted under its reason.
func TestFlood(t *testing.T) {
	hosts := newHosts(t, 3)
	m := modes[2]
	d := new(drops)
	cfg := m.config(t, hosts[0])
	cfg.Dropped = d.count
	receiver := listen(t, hosts[0], cfg)
	holder := listen(t, hosts[1], m.config(t, hosts[1]))
	flooder := listen(t, hosts[2], m.config(t, hosts[2]))

	heard := make(chan hearing, 1)
	go func() { // ends when the receiver is closed
		h, err := hear(receiver)
		if !errors.Is(err, net.ErrClosed) {
			t.Errorf("receive: %v", err)
		}
		heard <- h
	}()
	sent := make(chan map[string]int, 1)
	go func() { sent <- flood(t, flooder, floodTime) }() // ends after floodTime
	var want map[string]int
	var sentAt []time.Time
	ticks := time.NewTicker(20 * time.Millisecond)
	defer ticks.Stop()
	for want == nil {
		select {
		case want = <-sent:
		case <-ticks.C:
			sentAt = append(sentAt, time.Now())
			must(t, holder.Send(m.advertisement(100)))
		}
	}
	total := 0
	for _, n := range want {
		total += n
	}
	must(t, lab.Until(5*time.Second, "every packet is counted", func() bool { return d.sum() >= total }))
	must(t, receiver.Close())
	h := <-heard
	report(t, h, sentAt)
	if total < floodRate/2*int(floodTime/time.Second) {
		t.Errorf("the flood had only %d packets: this machine is too slow or too busy for the test", total)
	}
	for reason, n := range want {
		if got := d.byReason[reason]; got != n {
			t.Errorf("%d packets counted as %s, want %d", got, reason, n)
		}
	}
}

// report checks that every advertisement was heard within a tenth of a second, the shortest interval but a few.
func report(t *testing.T, h hearing, sentAt []time.Time) {
	t.Helper()
	if len(h.at) != len(sentAt) {
		t.Fatalf("heard %d of %d advertisements", len(h.at), len(sentAt))
	}
	var delays []time.Duration
	for i := range sentAt {
		delays = append(delays, h.at[i].Sub(sentAt[i]))
	}
	slices.Sort(delays)
	t.Logf("%d advertisements heard after %v in the median, %v at most; longest turn %v",
		len(delays), delays[len(delays)/2], delays[len(delays)-1], h.turn)
	if worst := delays[len(delays)-1]; worst > 100*time.Millisecond {
		t.Errorf("an advertisement was heard %v late", worst)
	}
}

// TestTurnIsBounded: a full queue does not hold the caller, and what the kernel dropped is counted.
func TestTurnIsBounded(t *testing.T) {
	hosts := newHosts(t, 2)
	for _, m := range []mode{modes[2], modes[4]} {
		t.Run(m.name, func(t *testing.T) {
			d := new(drops)
			cfg := m.config(t, hosts[0])
			cfg.Dropped = d.count
			receiver := listen(t, hosts[0], cfg)
			sender := listen(t, hosts[1], m.config(t, hosts[1]))
			const sent = 30000 // the queue holds a third of them
			for range sent {
				must(t, inject(sender, nil, sender.destinations[0]))
			}
			if _, ok, err := receiver.Receive(); ok || err != nil || d.sum() != maxRefused {
				t.Errorf("first turn: %t, %v, %d refused, want %d", ok, err, d.sum(), maxRefused)
			}
			must(t, lab.Until(5*time.Second, "the queue is empty", func() bool {
				before := d.sum()
				_, _, err := receiver.Receive()
				must(t, err)
				return d.sum() == before
			}))
			// The kernel tells of dropped packets with the next one that it queues.
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

// TestRefusedCostsNoMemory: a flood must not keep the garbage collector busy.
func TestRefusedCostsNoMemory(t *testing.T) {
	hosts := newHosts(t, 2)
	for _, m := range []mode{modes[2], modes[4]} {
		t.Run(m.name, func(t *testing.T) {
			refused := 0
			cfg := m.config(t, hosts[0])
			cfg.Dropped = func(string, netip.Addr) { refused++ }
			receiver := listen(t, hosts[0], cfg)
			sender := listen(t, hosts[1], m.config(t, hosts[1]))
			other := m.advertisement(100)
			other.Addresses = append(other.Addresses, m.vip())
			const runs = 4
			for range (runs + 1) * maxRefused { // AllocsPerRun makes one run more
				must(t, sender.Send(other))
			}
			n := testing.AllocsPerRun(runs, func() {
				if _, ok, err := receiver.Receive(); ok || err != nil {
					t.Errorf("accepted %t, %v", ok, err)
				}
			})
			if refused != (runs+1)*maxRefused || n > 10 {
				t.Errorf("%g allocations a turn of %d refused packets, %d in all", n, maxRefused, refused)
			}
		})
	}
}
