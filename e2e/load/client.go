// SPDX-License-Identifier: Apache-2.0

package load

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/netip"
	"os"
	"time"

	"golang.org/x/sys/unix"

	"github.com/harbinger-ha/harbinger/e2e/lab"
)

// Kind is what a client does.
type Kind string

// What a client does with each of its parallel connections.
const (
	Connections Kind = "connections" // connects, sends 200 bytes, waits for 1 KiB, closes, and again
	PingPong    Kind = "ping-pong"   // stays connected: sends 1 KiB, waits for 1 KiB, and again
	Download    Kind = "download"    // stays connected and reads
	Secure      Kind = "secure"      // as connections, by TLS with a handshake in full; the targets are those of [StartSecureBackend]
)

// A Job is what a client does, and for how long.
type Job struct {
	Kind     Kind
	Targets  []netip.AddrPort // taken in turn
	Parallel int              // connections at once
	WarmUp   time.Duration    // before it counts
	Length   time.Duration    // for which it counts
	Limit    int64            // ends earlier, after so many connections, answers or bytes; not where it is 0, and not by TLS
	// Groups are processes whose processor time is measured for the same time. The client itself is one more.
	Groups map[string][]int
}

// ClientGroup is the group of the client's own process.
const ClientGroup = "client"

// A Result is what a client has done in the time in which it counted.
type Result struct {
	Done      int64 // connections, answers, or bytes of a download
	Failed    int64 // of the first two
	Error     string
	Latencies Latencies // of the first two
	Processors
}

// Rate returns how much was done in a second.
func (r Result) Rate() float64 { return float64(r.Done) / r.Took.Seconds() }

// Cost returns the processor time, in seconds, that some groups have used for each that was done.
func (r Result) Cost(groups ...string) float64 {
	var used time.Duration
	for _, g := range groups {
		used += r.Groups[g]
	}
	return used.Seconds() / float64(max(r.Done, 1))
}

// ClientRole is a client. The program must know it; see [lab.Main].
var ClientRole = lab.Role{Name: "load-client", Main: func(args []string) int {
	if err := play(args); err != nil {
		fmt.Fprintln(os.Stderr, "client:", err)
		return 1
	}
	return 0
}}

// play does the job in its argument and writes the result.
func play(args []string) error {
	job, err := jobOf(args)
	if err != nil {
		return err
	}
	result, err := job.run()
	if err != nil {
		return err
	}
	return json.NewEncoder(os.Stdout).Encode(result)
}

// jobOf returns the job that a process was started for.
func jobOf(args []string) (job Job, err error) {
	if len(args) != 1 {
		return job, fmt.Errorf("%d arguments, want the job", len(args))
	}
	if err := json.Unmarshal([]byte(args[0]), &job); err != nil {
		return job, err
	}
	if len(job.Targets) == 0 || job.Parallel < 1 {
		return job, fmt.Errorf("%d connections to %d targets: nothing to do", job.Parallel, len(job.Targets))
	}
	return job, nil
}

// Run lets a client in a host do a job.
func Run(h *lab.Host, job Job) (r Result, err error) {
	argument, err := json.Marshal(job)
	if err != nil {
		return r, err
	}
	command := ClientRole.Command(string(argument))
	environment := raw
	if job.Kind == Secure {
		environment = ordinary
	}
	command.Env = append(command.Env, environment...)
	p, err := h.Start(command)
	if err != nil {
		return r, err
	}
	if err := p.Wait(job.WarmUp + job.Length + 20*time.Second); err != nil {
		return r, errors.Join(fmt.Errorf("%s: %w: %s", job.Kind, err, p.Output()), p.Kill())
	}
	err = p.Result(&r)
	return r, err
}

// A client does a job.
type client struct {
	*poller
	job     Job
	targets []unix.RawSockaddrInet4
	next    int // target
	conns   []conn
	buffer  []byte
	request []byte

	broken int // connections that wait to be opened again
	counts counts
}

// counts are what a client has done.
type counts struct {
	done, failed int64
	last         error // of what failed last
	samples      samples
}

// add counts what took so long, or failed.
func (c *counts) add(took time.Duration, err error) {
	if err != nil {
		c.failed++
		c.last = err
		return
	}
	c.done++
	c.samples.add(took)
}

// A conn is one of the parallel connections.
type conn struct {
	fd    int
	began time.Duration // the operation; since the client began
	sent  bool          // the first request
	got   int           // bytes of the answer
}

// began is when this process did.
var began = time.Now()

// now returns the time since then.
func now() time.Duration { return time.Since(began) }

// A worker does a job.
type worker interface {
	start() (stop func())
	until(end time.Duration) // lets things happen until a time
	take() counts            // what was done since the last take
}

// run does the job.
func (j Job) run() (r Result, err error) {
	var w worker
	if j.Kind == Secure {
		w = newSecureClient(j)
	} else if w, err = newClient(j); err != nil {
		return r, err
	}
	groups := maps.Clone(j.Groups)
	if groups == nil {
		groups = map[string][]int{}
	}
	groups[ClientGroup] = []int{os.Getpid()}
	defer w.start()()
	w.until(now() + j.WarmUp)
	w.take()
	before, err := readAccount(groups)
	if err != nil {
		return r, err
	}
	w.until(now() + j.Length)
	after, err := readAccount(groups)
	if err != nil {
		return r, err
	}
	done := w.take()
	r = Result{Done: done.done, Failed: done.failed, Latencies: done.samples.latencies(), Processors: after.since(before)}
	if done.last != nil {
		r.Error = done.last.Error()
	}
	return r, nil
}

func newClient(j Job) (*client, error) {
	size, kind := requestSize, byte(kindRequests)
	switch j.Kind {
	case Connections, Idle, Silent:
	case OneByte:
		size = 1
	case PingPong:
		size, kind = answerSize, kindPings
	case Download, NeverReads, HalfClosed:
		kind = kindDownload
	default:
		return nil, fmt.Errorf("no job is called %q", j.Kind)
	}
	c := &client{job: j, conns: make([]conn, j.Parallel), buffer: make([]byte, chunkSize), request: make([]byte, size), counts: counts{samples: newSamples()}}
	c.request[0] = kind
	for _, t := range j.Targets {
		c.targets = append(c.targets, sockaddr(t))
	}
	var err error
	c.poller, err = newPoller()
	return c, err
}

// start begins the connections.
func (c *client) start() (stop func()) {
	for i := range c.conns {
		c.open(int32(i))
	}
	return func() {} // the process ends
}

// take returns what was counted since the last take.
func (c *client) take() counts {
	taken := c.counts
	c.counts = counts{samples: newSamples()}
	return taken
}

// open begins a connection, and counts it where that fails at once.
func (c *client) open(i int32) {
	if err := c.openOnce(i); err != nil {
		c.fail(i, err)
	}
}

// openOnce begins a connection.
func (c *client) openOnce(i int32) (err error) {
	k := &c.conns[i]
	*k = conn{began: now()}
	target := &c.targets[c.next]
	c.next = (c.next + 1) % len(c.targets)
	if k.fd, err = socket(); err != nil {
		return err
	}
	if err = connect(k.fd, target); err == nil {
		err = c.add(k.fd, i, unix.EPOLLIN|unix.EPOLLOUT|unix.EPOLLRDHUP|unix.EPOLLET)
	}
	if err != nil {
		closeSocket(k.fd)
	}
	return err
}
