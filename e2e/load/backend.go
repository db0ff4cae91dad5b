// SPDX-License-Identifier: Apache-2.0

package load

import (
	"fmt"
	"net/netip"
	"os"
	"time"

	"golang.org/x/sys/unix"

	"github.com/harbinger-ha/harbinger/e2e/lab"
)

// Port is where the backends listen.
const Port = 6443

// What a client sends first, and what becomes of the connection then.
const (
	kindRequests = 'r' // each request of requestSize is answered by answerSize
	kindPings    = 'p' // each of answerSize is answered by as much
	kindDownload = 'd' // bytes come until the client closes
)

// Sizes, in bytes.
const (
	requestSize = 200
	answerSize  = 1024
	chunkSize   = 256 << 10 // of a download, and what is read at once
)

// raw is the environment of a role that makes raw calls: nothing of Go shall interrupt it.
var raw = []string{"GOGC=off", "GODEBUG=asyncpreemptoff=1"}

// ordinary is the environment of a role that is an ordinary program, whose garbage has room.
var ordinary = []string{"GOGC=400"}

// BackendRole is a backend. The program must know it; see [lab.Main].
var BackendRole = lab.Role{Name: "load-backend", Main: func([]string) int {
	if err := serve(netip.AddrPortFrom(netip.IPv4Unspecified(), Port)); err != nil {
		fmt.Fprintln(os.Stderr, "backend:", err)
		return 1
	}
	return 0
}}

// StartBackend runs a backend in a host, and returns once it listens.
func StartBackend(h *lab.Host) (*lab.Process, error) {
	command := BackendRole.Command()
	command.Env = append(command.Env, raw...)
	return startListening(h, command)
}

// startListening runs a backend, and returns once it listens.
func startListening(h *lab.Host, command lab.Command) (*lab.Process, error) {
	p, err := h.Start(command)
	if err != nil {
		return nil, err
	}
	err = lab.Until(5*time.Second, "the backend listens", func() bool { return p.Wrote(listening) })
	if err != nil {
		return nil, fmt.Errorf("%w\n%s", err, p.Output())
	}
	return p, nil
}

// listening is what a backend writes as soon as it listens.
const listening = "listening"

// A backend answers what connections ask.
type backend struct {
	*poller
	listener int
	conns    []asked // by descriptor
	buffer   []byte
}

// asked is a connection of a backend.
type asked struct {
	kind byte // 0 before the first byte
	got  int  // bytes of a request that is not complete
}

// serve answers connections to an address for ever.
func serve(address netip.AddrPort) error {
	b := &backend{buffer: make([]byte, chunkSize)}
	var err error
	if b.poller, err = newPoller(); err != nil {
		return err
	}
	if b.listener, err = listen(address); err != nil {
		return err
	}
	if err := b.add(b.listener, int32(b.listener), unix.EPOLLIN); err != nil {
		return err
	}
	fmt.Println(listening)
	for {
		for _, e := range b.wait(-1) {
			switch fd := int(e.Fd); {
			case fd == b.listener:
				b.acceptAll()
			case e.Events&unix.EPOLLIN == 0 && e.Events&unix.EPOLLOUT != 0:
				b.send(fd)
			case !b.take(fd, e.Events):
				closeSocket(fd)
			}
		}
	}
}

func listen(address netip.AddrPort) (fd int, err error) {
	if fd, err = socket(); err != nil {
		return -1, err
	}
	if err := unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_REUSEADDR, 1); err != nil {
		return -1, err
	}
	if err := unix.Bind(fd, &unix.SockaddrInet4{Addr: address.Addr().As4(), Port: int(address.Port())}); err != nil {
		return -1, fmt.Errorf("bind to %s: %w", address, err)
	}
	return fd, unix.Listen(fd, 1<<16-1)
}

func (b *backend) acceptAll() {
	for fd := accept(b.listener); fd >= 0; fd = accept(b.listener) {
		for len(b.conns) <= fd {
			b.conns = append(b.conns, asked{})
		}
		b.conns[fd] = asked{}
		if b.add(fd, int32(fd), unix.EPOLLIN|unix.EPOLLRDHUP|unix.EPOLLET) != nil {
			closeSocket(fd)
		}
	}
}

// take reads what a connection has and answers it. It returns false where the connection is over.
func (b *backend) take(fd int, events uint32) bool {
	for {
		n, errno := read(fd, b.buffer)
		if errno == unix.EAGAIN {
			return true
		}
		if errno != 0 || n == 0 || !b.answer(fd, b.buffer[:n]) {
			return false
		}
		if events&(unix.EPOLLRDHUP|unix.EPOLLHUP) == 0 { // else the end must be read: nothing else comes
			return true
		}
	}
}

// answer answers the requests that are complete.
func (b *backend) answer(fd int, p []byte) bool {
	c := &b.conns[fd]
	if c.kind == 0 {
		c.kind = p[0]
	}
	size := answerSize
	switch c.kind {
	case kindDownload:
		return b.change(fd, int32(fd), unix.EPOLLIN|unix.EPOLLOUT|unix.EPOLLRDHUP) == nil
	case kindRequests:
		size = requestSize
	}
	for c.got += len(p); c.got >= size; c.got -= size {
		if n, errno := write(fd, b.buffer[:answerSize]); errno != 0 || n < answerSize {
			return false
		}
	}
	return true
}

// send sends as much of a download as there is room for. What went wrong comes as the next event.
func (b *backend) send(fd int) { _, _ = write(fd, b.buffer) }
