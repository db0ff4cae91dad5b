// SPDX-License-Identifier: Apache-2.0

package relay

import "golang.org/x/sys/unix"

const (
	// mostPipes is how many pipes a worker has at most. Connections beyond that which wait for a slow reader keep what they carry
	// in their sockets.
	mostPipes = 64
	// keptPipes is how many of them are kept while nobody needs them, and there are connections. Without any one is kept.
	keptPipes = 8
	// pipeSize is asked for. A kernel gives a user without privileges who has many pipes less, and in the end two pages (pipe(7)).
	pipeSize = 1 << 20
)

// A pipe carries bytes from one socket to another inside the kernel. The zero value is none.
type pipe struct{ r, w int32 }

func (p pipe) valid() bool { return p.w != 0 }

func (p pipe) close() {
	closeDescriptor(p.r)
	closeDescriptor(p.w)
}

// Pipes are those of a worker. A connection holds one while it carries something.
type pipes struct {
	free []pipe
	all  int
}

// take returns an empty pipe, and false where there is none.
func (p *pipes) take() (pipe, bool) {
	if n := len(p.free); n > 0 {
		taken := p.free[n-1]
		p.free = p.free[:n-1]
		return taken, true
	}
	if p.all == mostPipes {
		return pipe{}, false
	}
	var fds [2]int
	if err := unix.Pipe2(fds[:], unix.O_NONBLOCK|unix.O_CLOEXEC); err != nil {
		return pipe{}, false
	}
	made := pipe{int32(fds[0]), int32(fds[1])}
	size, err := unix.FcntlInt(uintptr(made.w), unix.F_SETPIPE_SZ, pipeSize)
	if err != nil {
		size, _ = unix.FcntlInt(uintptr(made.w), unix.F_GETPIPE_SZ, 0)
	}
	if size < bufferSize { // what a worker has read would not fit
		made.close()
		return pipe{}, false
	}
	p.all++
	return made, true
}

// ready reports whether take would return one.
func (p *pipes) ready() bool {
	if len(p.free) > 0 {
		return true
	}
	taken, ok := p.take()
	if ok {
		p.free = append(p.free, taken)
	}
	return ok
}

// give takes back a pipe, which is empty or not.
func (p *pipes) give(back pipe, empty bool) {
	if empty && len(p.free) < keptPipes {
		p.free = append(p.free, back)
		return
	}
	back.close()
	p.all--
}

// trim closes the free pipes but one.
func (p *pipes) trim() {
	for len(p.free) > 1 {
		last := len(p.free) - 1
		p.free[last].close()
		p.free = p.free[:last]
		p.all--
	}
}

func (p *pipes) close() {
	for _, free := range p.free {
		free.close()
	}
	p.free = nil
}
