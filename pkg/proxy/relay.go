// SPDX-License-Identifier: Apache-2.0

package proxy

import (
	"cmp"
	"errors"
	"io"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"

	"github.com/harbinger-ha/harbinger/pkg/socket"
)

// A relay copies bytes both ways between a client and its backend until both sides have finished. A side that finishes is
// passed on as finished, and the other side may go on. Where one connection fails, the other is reset, as the client would see it
// without a proxy. But a backend that fails during the opening is replaced by another one, once, so that a request that makes one
// backend fail cannot go through all of them.
//
// An idle connection holds two file descriptors and no buffer: io.Copy would hold two pipes as well.
type relay struct {
	client     *net.TCPConn
	halfClosed time.Duration // silence of one side after the other has finished that counts as broken; 0: none
	silence    time.Duration // of the backend after the first bytes of the client, before silent is called; above 0

	silent func(*server)              // the backend leaves the client without an answer
	again  func(*server, error) *link // returns another backend than one that failed, or nil; called once

	fromClient, fromBackend flow

	finished atomic.Bool // one side has
	answered atomic.Bool // the backend has sent something

	mu       sync.Mutex
	backend  *link // replaced only before the opening is over, by down
	opening  opening
	question *time.Timer // since the first bytes of the client
	asked    time.Time   // when the current backend was sent them

	breaking sync.Once
	err      error // why it broke; set by the first goroutine that breaks
}

// run relays until the end, closes both connections, and returns why the relay broke if it did.
func (r *relay) run() error {
	r.use(r.backend)
	var both sync.WaitGroup
	both.Go(r.up)
	r.down()
	both.Wait()
	r.client.Close()
	r.backend.Close()
	r.backend.leave()
	if r.question != nil {
		r.question.Stop()
	}
	return r.err
}

// use makes backend the backend of the relay.
func (r *relay) use(backend *link) {
	r.backend = backend
	backend.enter(func() { r.lose(backend) })
}

// up copies what the client sends, until it finishes or the relay breaks.
func (r *relay) up() {
	err := r.pump(upstream{r}, r.client)
	r.finish(r.settle(), r.client, err)
}

// settle ends the opening, and returns the connection of the backend.
func (r *relay) settle() *net.TCPConn {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.opening.end()
	return r.backend.TCPConn
}

// upstream writes to the current backend.
type upstream struct{ *relay }

func (u upstream) Write(p []byte) (int, error) {
	u.fromClient.sent(len(p), &u.fromBackend)
	u.mu.Lock()
	if u.question == nil {
		u.asked = time.Now()
		u.question = time.AfterFunc(u.silence, u.doubt)
	}
	u.opening.add(p)
	backend, server, over := u.backend.TCPConn, u.backend.server, u.opening.over
	u.mu.Unlock()
	n, err := backend.Write(p)
	server.sent.Add(uint64(n))
	if !over {
		return len(p), nil // down meets the error as well, and sends p to another backend
	}
	if u.finished.Load() {
		u.bound(backend, u.client)
	}
	return n, err
}

// down copies what the backend sends, until it finishes or the relay breaks.
func (r *relay) down() {
	for {
		err := r.pump(downstream{r}, r.backend.TCPConn)
		if !r.reopen(err) {
			r.finish(r.client, r.settle(), err)
			return
		}
	}
}

// downstream writes to the client.
type downstream struct{ *relay }

func (d downstream) Write(p []byte) (int, error) {
	d.fromBackend.sent(len(p), &d.fromClient)
	if !d.answered.Swap(true) {
		d.settle()
	}
	n, err := d.client.Write(p)
	d.backend.server.received.Add(uint64(n))
	if d.finished.Load() {
		d.bound(d.client, d.backend.TCPConn)
	}
	return n, err
}

// doubt reports a backend that has been silent for too long. The backend keeps the connection: where all are overloaded, to ask
// the next one as well would make it worse. If it turns out to be dead, the connection is lost to it.
func (r *relay) doubt() {
	r.mu.Lock()
	defer r.mu.Unlock()
	if !r.answered.Load() && !r.finished.Load() && time.Since(r.asked) >= r.silence && !readable(r.backend.TCPConn) {
		r.silent(r.backend.server)
	}
}

// readable reports whether something of the other end waits to be read, if only that it has finished.
func readable(conn *net.TCPConn) bool {
	events := []unix.PollFd{{Events: unix.POLLIN}}
	err := socket.ControlConn(conn, func(fd int) error {
		events[0].Fd = int32(fd)
		_, err := unix.Poll(events, 0)
		return err
	})
	return err != nil || events[0].Revents != 0
}

// errFinished is the failure of a backend that closed the connection without an answer.
var errFinished = errors.New("connection closed without an answer")

// reopen goes on with another backend where the opening allows it, and reports whether there is one.
func (r *relay) reopen(reason error) bool {
	r.mu.Lock()
	over, asked := r.opening.over, len(r.opening.sent) > 0
	r.mu.Unlock()
	if over || reason == nil && !asked { // which need no answer
		return false
	}
	next := r.again(r.backend.server, cmp.Or(reason, errFinished))
	if next == nil {
		return false
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.opening.over { // the client has sent more in the meantime, or is gone
		reset(next.TCPConn)
		next.server.active.leave()
		return false
	}
	reset(r.backend.TCPConn)
	r.backend.leave()
	r.use(next)
	_, _ = next.Write(r.opening.sent) // an error is met by the reading
	r.opening.end()
	if r.question != nil {
		r.asked = time.Now()
		r.question.Reset(r.silence)
	}
	return true
}

// lose resets the connection to a backend, and that of the client where no other backend may take it.
func (r *relay) lose(backend *link) {
	r.mu.Lock()
	bound := r.opening.over && r.backend == backend
	r.mu.Unlock()
	reset(backend.TCPConn)
	if bound {
		reset(r.client)
	}
}

// finish passes on that src has finished, or that it broke.
func (r *relay) finish(dst, src *net.TCPConn, err error) {
	if err == nil {
		err = dst.CloseWrite()
	}
	if err != nil {
		r.breakWith(err)
		return
	}
	r.finished.Store(true)
	r.bound(src, dst)
}

// pump copies what src sends until it finishes. It waits for bytes without holding a buffer.
func (r *relay) pump(dst io.Writer, src *net.TCPConn) error {
	raw, err := src.SyscallConn()
	if err != nil {
		return err
	}
	var chunk chunk
	for {
		if err := raw.Read(chunk.read); err != nil {
			return err
		}
		if n, err := chunk.writeTo(dst); n == 0 || err != nil {
			return err
		}
	}
}

// bound limits the silence of src, and how long dst may take nothing.
func (r *relay) bound(dst, src *net.TCPConn) {
	if r.halfClosed == 0 {
		return
	}
	deadline := time.Now().Add(r.halfClosed)
	// An error here is an error of the connection, which the next read or write returns as well.
	_ = src.SetReadDeadline(deadline)
	_ = dst.SetWriteDeadline(deadline)
}

// breakWith resets both connections, which ends the other direction.
func (r *relay) breakWith(err error) {
	r.breaking.Do(func() {
		r.err = err
		r.mu.Lock()
		defer r.mu.Unlock()
		r.opening.end()
		reset(r.client)
		reset(r.backend.TCPConn)
	})
}

// reset closes a connection with a reset instead of an orderly end.
func reset(conn *net.TCPConn) {
	// Both fail only on a connection that is closed already.
	_ = conn.SetLinger(0)
	_ = conn.Close()
}

// bufferSize is where larger buffers stop to pay.
const bufferSize = 64 << 10

// buffers are shared by all connections and held only while bytes are in flight.
var buffers = sync.Pool{New: func() any { return new([bufferSize]byte) }}

// A chunk is the result of one read.
type chunk struct {
	buffer *[bufferSize]byte
	n      int
	err    error
}

// read reads from a non-blocking socket, and returns false when there is nothing to read yet.
func (c *chunk) read(fd uintptr) bool {
	c.buffer = buffers.Get().(*[bufferSize]byte)
	for {
		n, err := unix.Read(int(fd), c.buffer[:])
		c.n, c.err = n, err
		switch err {
		case unix.EINTR:
			continue
		case unix.EAGAIN:
			buffers.Put(c.buffer)
			return false
		}
		return true
	}
}

// writeTo writes what was read and gives the buffer back. No bytes and no error is the end of the stream.
func (c *chunk) writeTo(dst io.Writer) (n int, err error) {
	defer buffers.Put(c.buffer)
	if c.err != nil || c.n == 0 {
		return 0, c.err
	}
	return dst.Write(c.buffer[:c.n])
}
