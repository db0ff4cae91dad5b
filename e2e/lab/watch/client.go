// SPDX-License-Identifier: Apache-2.0

package watch

import (
	"cmp"
	"math"
	"net"
	"net/netip"
	"slices"
	"sync"
	"time"

	"github.com/harbinger-ha/harbinger/e2e/lab"
	"github.com/harbinger-ha/harbinger/e2e/observe"
)

// ClientConfig says what a client asks, and how often.
type ClientConfig struct {
	Target   netip.AddrPort
	Interval time.Duration // 5 ms if not set
	Timeout  time.Duration // of one attempt; 60 ms if not set
	Try      Try           // what an attempt does; PlainHTTP if not set
	// Control knows when the machine stalled, which is no part of an outage.
	Control *Control
}

// A Client asks again and again, on a new connection each time.
type Client struct {
	cfg   ClientConfig
	host  *lab.Host
	ticks chan struct{} // one per attempt, but for the first of each worker
	stop  chan struct{}
	once  sync.Once // closes stop
	ended sync.WaitGroup

	mu       sync.Mutex
	attempts observe.Log // in the order they ended
}

// StartClient runs a client in a host.
func StartClient(h *lab.Host, cfg ClientConfig) *Client {
	cfg.Interval = cmp.Or(cfg.Interval, 5*time.Millisecond)
	cfg.Timeout = cmp.Or(cfg.Timeout, 60*time.Millisecond)
	if cfg.Try == nil {
		cfg.Try = PlainHTTP
	}
	c := &Client{cfg: cfg, host: h, ticks: make(chan struct{}), stop: make(chan struct{})}
	c.ended.Go(c.tick)
	return c
}

// tick starts attempts until the client is stopped, and workers as they are needed: no attempt waits for the end of another.
func (c *Client) tick() {
	defer close(c.ticks)
	ticker := time.NewTicker(c.cfg.Interval)
	defer ticker.Stop()
	for {
		select {
		case <-c.stop:
			return
		case <-ticker.C:
		}
		select {
		case c.ticks <- struct{}{}:
		default:
			c.ended.Go(func() { _ = c.host.Do(c.work) })
		}
	}
}

// work makes an attempt at once, and then one at each tick.
func (c *Client) work() error {
	for ok := true; ok; _, ok = <-c.ticks {
		start := time.Now()
		host, err := c.try(start.Add(c.cfg.Timeout))
		attempt := observe.Line{Start: start, Took: time.Since(start), Op: observe.Connect, Host: host, OK: err == nil}
		if err != nil {
			attempt.Err = err.Error()
		}
		c.mu.Lock()
		c.attempts = append(c.attempts, attempt)
		c.mu.Unlock()
	}
	return nil
}

// try makes one attempt, and returns the name of the host that answered, if it is known.
func (c *Client) try(deadline time.Time) (node string, err error) {
	dialer := net.Dialer{Deadline: deadline, KeepAlive: -1}
	conn, err := dialer.Dial("tcp", c.cfg.Target.String())
	if err != nil {
		return "", err
	}
	defer conn.Close()
	conn.(*net.TCPConn).SetLinger(0) // leave no port in TIME_WAIT
	conn.SetDeadline(deadline)
	return c.cfg.Try(conn)
}

// Outage returns the longest time since a moment from a failed attempt to the next success, without stalls of the machine;
// zero if no attempt failed.
func (c *Client) Outage(since time.Time) observe.Outage {
	return c.since(since).Failures(observe.Connect, since, time.Now()).LeaveOut(c.cfg.Control.Stalled).Longest()
}

// Availability returns what became of the attempts since a moment. Each ends within its timeout: what succeeded came soon
// enough.
func (c *Client) Availability(since time.Time) observe.Availability {
	return c.since(since).Availability(observe.Connect, since, time.Now(), math.MaxInt64)
}

// Served reports whether the attempts of the last time d succeeded, but for one in ten: a busy machine may be too slow for
// some.
func (c *Client) Served(d time.Duration) bool {
	a := c.Availability(time.Now().Add(-d))
	return a.Requests > 0 && a.Failed() <= a.Requests/10
}

// Nodes returns how many requests each node has answered since a moment.
func (c *Client) Nodes(since time.Time) map[string]int {
	nodes := make(map[string]int)
	for _, a := range c.since(since) {
		if a.OK && !a.Start.Before(since) {
			nodes[a.Host]++
		}
	}
	return nodes
}

// FirstServed returns when the first attempt that ended after a moment and succeeded did so, and whether there was one.
func (c *Client) FirstServed(after time.Time) (at time.Time, served bool) {
	for _, a := range c.since(after) {
		if a.OK && (!served || a.End().Before(at)) {
			at, served = a.End(), true
		}
	}
	return at, served
}

// since returns the attempts that ended after a moment, some that began before it among them.
func (c *Client) since(since time.Time) observe.Log {
	c.mu.Lock()
	defer c.mu.Unlock()
	i := len(c.attempts)
	for i > 0 && !c.attempts[i-1].End().Before(since) {
		i--
	}
	return slices.Clone(c.attempts[i:])
}

// Stop ends the client, once. What it saw can still be read.
func (c *Client) Stop() {
	c.once.Do(func() { close(c.stop) })
	c.ended.Wait()
}
