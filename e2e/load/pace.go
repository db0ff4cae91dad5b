// SPDX-License-Identifier: Apache-2.0

package load

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"os/signal"
	"runtime"
	"sync/atomic"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/harbinger-ha/harbinger/e2e/lab"
)

// PacerRole makes connections at a rate. The program must know it; see [lab.Main].
var PacerRole = lab.Role{Name: "load-pacer", Main: func(args []string) int {
	if err := pace(args); err != nil {
		fmt.Fprintln(os.Stderr, "pacer:", err)
		return 1
	}
	return 0
}}

// attemptTime is within what a connection must have been made and its request answered.
const attemptTime = 5 * time.Second

// How an attempt fails, other than by what the kernel says.
const (
	NoAnswer = "no answer"
	Refused  = "refused"
)

// An Attempt is one connection with a request.
type Attempt struct {
	At      time.Time     // of its begin
	Took    time.Duration // until the answer, or the failure
	Failure string        // empty: it was answered
}

// A Pacer is a client that begins a connection at equal distances, however long those before take: with a request of 200 bytes and an
// answer of 1 KiB.
type Pacer struct{ process *lab.Process }

// Pace starts a pacer in a host, that begins so many connections a second to targets in turn.
func Pace(h *lab.Host, perSecond int, targets ...netip.AddrPort) (*Pacer, error) {
	argument, err := json.Marshal(Job{Kind: Idle, Parallel: perSecond, Targets: targets})
	if err != nil {
		return nil, err
	}
	command := PacerRole.Command(string(argument))
	command.Env = append(command.Env, raw...)
	p, err := h.Start(command)
	return &Pacer{p}, err
}

// Stop ends the pacer, and returns all attempts by their begin once each has ended.
func (p *Pacer) Stop() (attempts []Attempt, err error) {
	if err := p.process.Terminate(); err != nil {
		return nil, err
	}
	if err := p.process.Wait(2 * attemptTime); err != nil {
		return nil, errors.Join(fmt.Errorf("pacer: %w: %s", err, p.process.Output()), p.process.Kill())
	}
	err = p.process.Result(&attempts)
	return attempts, err
}

// A pacer has a connection for each attempt that is under way.
type pacer struct {
	*client
	free     []int32     // connections that are none
	numbers  map[int]int // of the attempt of a connection, by its place
	attempts []Attempt
}

// pace makes the attempts of the job in its argument until the process is to end, and writes them.
func pace(args []string) error {
	job, err := jobOf(args)
	if err != nil {
		return err
	}
	distance := time.Second / time.Duration(job.Parallel)
	job.Parallel *= 2 * int(attemptTime/time.Second)
	c, err := newClient(job)
	if err != nil {
		return err
	}
	p := &pacer{client: c, numbers: map[int]int{}}
	for i := range c.conns {
		p.free = append(p.free, int32(i))
	}
	p.run(distance)
	return json.NewEncoder(os.Stdout).Encode(p.attempts)
}

// run makes attempts until the process is to end, and then waits for those that are under way.
func (p *pacer) run(distance time.Duration) {
	var ends atomic.Bool
	signals := make(chan os.Signal, 1) // one is enough
	signal.Notify(signals, syscall.SIGTERM)
	// Ends with the process.
	go func() {
		<-signals
		ends.Store(true)
	}()
	for next := now(); !ends.Load() || len(p.numbers) > 0; {
		for ; now() >= next && !ends.Load(); next += distance {
			p.begin()
		}
		for _, e := range p.wait(1) {
			ready, err := p.holds(e.Fd, e.Events)
			if ready || err != nil {
				p.end(e.Fd, err)
			}
		}
		for i := range p.numbers {
			if now()-p.conns[i].began > attemptTime {
				p.end(int32(i), errNoAnswer)
			}
		}
		runtime.Gosched() // for the signal, where there is one processor
	}
}

var errNoAnswer = errors.New(NoAnswer)

// begin begins an attempt.
func (p *pacer) begin() {
	i := p.free[len(p.free)-1]
	p.free = p.free[:len(p.free)-1]
	p.numbers[int(i)] = len(p.attempts)
	p.attempts = append(p.attempts, Attempt{At: time.Now()})
	if err := p.openOnce(i); err != nil {
		p.conns[i].fd = -1
		p.end(i, err)
	}
}

// end ends an attempt.
func (p *pacer) end(i int32, err error) {
	k := &p.conns[i]
	a := &p.attempts[p.numbers[int(i)]]
	a.Took = now() - k.began
	switch {
	case errors.Is(err, unix.ECONNREFUSED):
		a.Failure = Refused
	case err != nil:
		a.Failure = err.Error()
	}
	if k.fd >= 0 {
		closeSocket(k.fd)
	}
	delete(p.numbers, int(i))
	p.free = append(p.free, i)
}
