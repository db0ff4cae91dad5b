// SPDX-License-Identifier: Apache-2.0

package load

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/harbinger-ha/harbinger/e2e/lab"
)

// Kinds of connections that are held open.
const (
	Idle       Kind = "idle"        // one request was answered, and nothing more is sent
	NeverReads Kind = "never reads" // a download was asked for, and nothing is read
	HalfClosed Kind = "half-closed" // as NeverReads, and the client has finished
	OneByte    Kind = "one byte"    // of a request, and nothing more
	Silent     Kind = "silent"      // nothing was ever sent
)

// HolderRole holds connections open. The program must know it; see [lab.Main].
var HolderRole = lab.Role{Name: "load-holder", Main: func(args []string) int {
	fmt.Fprintln(os.Stderr, "holder:", hold(args))
	return 1
}}

// A Holder is a client that holds connections open until its process is killed.
type Holder struct{ *lab.Process }

// What a holder writes: that all connections are open, and when one was lost, in nanoseconds since 1970.
const (
	allOpen = "open\n"
	oneLost = "lost "
)

// openTime is within what a holder must have opened its connections.
const openTime = 60 * time.Second

// Hold lets a client in a host open so many connections of a kind to targets in turn, and returns when all are open.
func Hold(h *lab.Host, kind Kind, number int, targets ...netip.AddrPort) (*Holder, error) {
	argument, err := json.Marshal(Job{Kind: kind, Parallel: number, Targets: targets})
	if err != nil {
		return nil, err
	}
	command := HolderRole.Command(string(argument))
	command.Env = append(command.Env, raw...)
	p, err := h.Start(command)
	if err != nil {
		return nil, err
	}
	err = lab.Until(openTime, fmt.Sprintf("%d connections are open", number), func() bool {
		select {
		case <-p.Done():
			return true
		default:
			return p.Wrote(allOpen)
		}
	})
	if err == nil && !p.Wrote(allOpen) {
		err = fmt.Errorf("%d connections: %s", number, p.Output())
	}
	if err != nil {
		return nil, errors.Join(err, p.Kill())
	}
	return &Holder{p}, nil
}

// Lost returns when connections were lost, in order. Who never reads may not learn of an end: it comes after what was not read.
func (h *Holder) Lost() (times []time.Time) {
	for line := range strings.Lines(h.Output()) {
		if at, ok := strings.CutPrefix(strings.TrimSpace(line), oneLost); ok {
			if n, err := strconv.ParseInt(at, 10, 64); err == nil {
				times = append(times, time.Unix(0, n))
			}
		}
	}
	return times
}

// opening is how many connections a holder opens at once.
const opening = 64

// hold opens the connections of the job in its argument and holds them, until that fails.
func hold(args []string) error {
	job, err := jobOf(args)
	if err != nil {
		return err
	}
	c, err := newClient(job)
	if err != nil {
		return err
	}
	opened, open := 0, 0
	for {
		for ; opened < len(c.conns) && opened-open < opening; opened++ {
			if err := c.openOnce(int32(opened)); err != nil {
				return err
			}
		}
		for _, e := range c.wait(-1) {
			ready, err := c.holds(e.Fd, e.Events)
			if err != nil {
				return err
			}
			if ready {
				if open++; open == len(c.conns) {
					fmt.Print(allOpen)
				}
			}
		}
	}
}

// holds does what a held connection is ready for. It returns true where the connection has become what it is to be. One that is lost
// before is an error.
func (c *client) holds(i int32, events uint32) (ready bool, err error) {
	k := &c.conns[i]
	if !k.sent {
		if events&(unix.EPOLLOUT|unix.EPOLLERR|unix.EPOLLHUP) == 0 {
			return false, nil
		}
		k.sent = true
		return c.job.Kind != Idle, c.starts(k)
	}
	ended := events&(unix.EPOLLRDHUP|unix.EPOLLERR|unix.EPOLLHUP) != 0
	if c.job.Kind != Idle {
		if ended {
			c.over(k)
		}
		return false, nil
	}
	if !ended && events&unix.EPOLLIN == 0 {
		return false, nil
	}
	n, err := arrived(read(k.fd, c.buffer[:answerSize]))
	if err != nil && k.got < answerSize {
		return false, err
	}
	k.got += n
	if err != nil || ended && k.got == answerSize {
		c.over(k)
	}
	return n > 0 && k.got == answerSize, nil
}

// starts sends what a connection of the kind sends.
func (c *client) starts(k *conn) error {
	switch c.job.Kind {
	case Silent:
		return nil
	case HalfClosed:
		return errors.Join(c.ask(k), unix.Shutdown(k.fd, unix.SHUT_WR))
	default:
		return c.ask(k)
	}
}

// over closes a held connection that its other end has ended or reset, and writes when.
func (c *client) over(k *conn) {
	closeSocket(k.fd)
	fmt.Printf("%s%d\n", oneLost, time.Now().UnixNano())
}
