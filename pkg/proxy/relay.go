// SPDX-License-Identifier: Apache-2.0

package proxy

import (
	"net"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"
)

// relay copies bytes both ways until both sides have finished, and closes both connections. A side that finishes is
// passed on as such, and the other side may go on. A side that breaks breaks the other: it gets a reset, as it would
// without a proxy, and relay returns the error. Once one side has finished, silence of the other for halfClosed counts
// as broken; 0 means never. Where the backend says nothing for the time silence after the first bytes of the client,
// silent is called, once.
//
// An idle connection holds two file descriptors and no buffer: io.Copy would hold two pipes as well.
func relay(client, backend *net.TCPConn, halfClosed, silence time.Duration, silent func()) error {
	r := &relayed{client: client, backend: backend, halfClosed: halfClosed}
	defer client.Close()
	defer backend.Close()
	var answered atomic.Bool
	var question *time.Timer
	var both sync.WaitGroup
	both.Go(func() {
		r.copy(backend, client, func() {
			question = time.AfterFunc(silence, func() {
				if !answered.Load() && !r.finished.Load() {
					silent()
				}
			})
		})
	})
	r.copy(client, backend, func() { answered.Store(true) })
	both.Wait()
	if question != nil {
		question.Stop()
	}
	return r.err
}

// relayed is one connection through the proxy.
type relayed struct {
	client, backend *net.TCPConn
	halfClosed      time.Duration
	finished        atomic.Bool // one side has

	breaking sync.Once
	err      error // why it broke; set by the first goroutine that breaks
}

// copy copies what src sends to dst, until src finishes or one of them breaks. It calls begun after the first bytes.
func (r *relayed) copy(dst, src *net.TCPConn, begun func()) {
	err := r.pump(dst, src, begun)
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

// pump waits for bytes without holding a buffer.
func (r *relayed) pump(dst, src *net.TCPConn, begun func()) error {
	raw, err := src.SyscallConn()
	if err != nil {
		return err
	}
	var chunk chunk
	for {
		if err := raw.Read(chunk.read); err != nil {
			return err
		}
		n, err := chunk.writeTo(dst)
		if n == 0 || err != nil {
			return err
		}
		if begun != nil {
			begun()
			begun = nil
		}
		if r.finished.Load() {
			r.bound(dst, src)
		}
	}
}

// bound limits the silence of src, and how long dst may take nothing.
func (r *relayed) bound(dst, src *net.TCPConn) {
	if r.halfClosed == 0 {
		return
	}
	deadline := time.Now().Add(r.halfClosed)
	// An error here is an error of the connection, which the copying meets itself.
	_ = src.SetReadDeadline(deadline)
	_ = dst.SetWriteDeadline(deadline)
}

// breakWith resets both connections, which ends the other direction.
func (r *relayed) breakWith(err error) {
	r.breaking.Do(func() {
		r.err = err
		reset(r.client)
		reset(r.backend)
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

// A chunk is what one read got.
type chunk struct {
	buffer *[bufferSize]byte
	n      int
	err    error
}

// read reads from a non-blocking socket, and returns false when there is nothing to read yet.
func (c *chunk) read(fd uintptr) bool {
	c.buffer = buffers.Get().(*[bufferSize]byte)
	for {
		c.n, c.err = unix.Read(int(fd), c.buffer[:])
		switch c.err {
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
func (c *chunk) writeTo(dst *net.TCPConn) (n int, err error) {
	defer buffers.Put(c.buffer)
	if c.err != nil || c.n == 0 {
		return 0, c.err
	}
	return dst.Write(c.buffer[:c.n])
}
