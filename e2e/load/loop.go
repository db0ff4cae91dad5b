// SPDX-License-Identifier: Apache-2.0

package load

import (
	"errors"
	"time"

	"golang.org/x/sys/unix"
)

// again is how long a connection that failed waits before the next one, in the loop's own grain.
const again = 10 * time.Millisecond

// errEnded is of a connection that the other end has closed.
var errEnded = errors.New("the other end has closed the connection")

// fail notes a failure. The connection is opened again later, so that one that always fails leaves the processor to others.
func (c *client) fail(i int32, err error) {
	c.counts.add(0, err)
	c.broken++
	c.conns[i] = conn{fd: -1, began: now() + again}
}

// until lets things happen until a time.
func (c *client) until(end time.Duration) {
	const grain = 10 // milliseconds
	revive := now()
	for now() < end && !c.complete() {
		for _, e := range c.wait(grain) {
			c.happened(e.Fd, e.Events)
		}
		if c.broken > 0 && now() > revive {
			c.revive()
			revive = now() + again
		}
	}
}

// complete reports whether as much was done as is to be done at all.
func (c *client) complete() bool { return c.job.Limit > 0 && c.counts.done >= c.job.Limit }

// revive opens the connections again whose failure was long enough ago.
func (c *client) revive() {
	for i := range c.conns {
		if k := &c.conns[i]; k.fd < 0 && now() > k.began {
			c.broken--
			c.open(int32(i))
		}
	}
}

// happened does what a connection is ready for.
func (c *client) happened(i int32, events uint32) {
	k := &c.conns[i]
	if !k.sent {
		if events&(unix.EPOLLOUT|unix.EPOLLERR|unix.EPOLLHUP) == 0 {
			return
		}
		if err := c.begin(i, k); err != nil {
			c.lose(i, err)
			return
		}
	}
	if events&(unix.EPOLLIN|unix.EPOLLERR|unix.EPOLLHUP) == 0 {
		return
	}
	var err error
	if c.job.Kind == Download {
		err = c.download(k)
	} else {
		err = c.receive(i, k)
	}
	if err != nil {
		c.lose(i, err)
	}
}

// begin sends the first request.
func (c *client) begin(i int32, k *conn) error {
	k.sent = true
	if c.job.Kind == PingPong {
		k.began = now()
	}
	if err := c.ask(k); err != nil {
		return err
	}
	if c.job.Kind == Download { // each in turn
		return c.change(k.fd, i, unix.EPOLLIN)
	}
	return nil
}

// ask sends a request.
func (c *client) ask(k *conn) error {
	n, errno := write(k.fd, c.request)
	if errno == 0 && n < len(c.request) {
		return errors.New("a request did not fit")
	}
	return failure("send", errno)
}

// download reads some bytes.
func (c *client) download(k *conn) error {
	n, err := arrived(discard(k.fd, c.buffer))
	c.counts.done += int64(n)
	return err
}

// arrived returns how many bytes a read has found; none: there are none yet.
func arrived(n int, errno unix.Errno) (int, error) {
	switch {
	case errno == unix.EAGAIN:
		return 0, nil
	case errno != 0:
		return 0, failure("receive", errno)
	case n == 0:
		return 0, errEnded
	}
	return n, nil
}

// receive reads an answer and goes on where it is complete.
func (c *client) receive(i int32, k *conn) error {
	n, err := arrived(read(k.fd, c.buffer[:answerSize]))
	if n == 0 {
		return err
	}
	if k.got += n; k.got < answerSize {
		return nil
	}
	at := now()
	c.counts.add(at-k.began, nil)
	// With a limit, what is under way counts too: nothing is left when all is done.
	more := c.job.Limit == 0 || c.counts.done+int64(len(c.conns)) <= c.job.Limit
	switch {
	case c.job.Kind == Connections:
		closeSocket(k.fd)
		if more {
			c.open(i)
		}
	case more:
		k.got, k.began = 0, at
		return c.ask(k)
	}
	return nil
}

// lose closes a connection that failed.
func (c *client) lose(i int32, err error) {
	closeSocket(c.conns[i].fd)
	c.fail(i, err)
}
