// SPDX-License-Identifier: Apache-2.0

package relay

import (
	"fmt"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// A poller is an epoll instance. Events of a descriptor name what it belongs to.
type poller struct {
	fd     int
	events [256]unix.EpollEvent
	busy   bool // the last look found something
}

func newPoller() (*poller, error) {
	fd, err := unix.EpollCreate1(unix.EPOLL_CLOEXEC)
	if err != nil {
		return nil, fmt.Errorf("make an epoll instance: %w", err)
	}
	return &poller{fd: fd}, nil
}

// The events of a connection, each reported once when it begins, and of a listener, reported to one worker as long as it lasts. A client is
// asked for room only when it has none: it has some when it comes, and that would be an event.
const (
	clientEvents     = unix.EPOLLIN | unix.EPOLLRDHUP | unix.EPOLLET
	connectionEvents = clientEvents | unix.EPOLLOUT
	listenerEvents   = unix.EPOLLIN | unix.EPOLLEXCLUSIVE
)

// add asks for the events of a descriptor. generation comes back with them.
func (p *poller) add(fd int32, events uint32, generation int32) unix.Errno {
	return p.control(unix.EPOLL_CTL_ADD, fd, events, generation)
}

// change asks for other events, and reports those that are there.
func (p *poller) change(fd int32, events uint32, generation int32) unix.Errno {
	return p.control(unix.EPOLL_CTL_MOD, fd, events, generation)
}

func (p *poller) control(operation uintptr, fd int32, events uint32, generation int32) unix.Errno {
	event := unix.EpollEvent{Events: events, Fd: fd, Pad: generation}
	_, _, errno := unix.RawSyscall6(unix.SYS_EPOLL_CTL, uintptr(p.fd), operation, uintptr(fd), uintptr(unsafe.Pointer(&event)), 0, 0)
	return errno
}

// remove ends the events of a descriptor that stays open. What is closed needs no remove.
func (p *poller) remove(fd int32) {
	// It fails only where the descriptor was not added.
	_, _, _ = unix.RawSyscall6(unix.SYS_EPOLL_CTL, uintptr(p.fd), unix.EPOLL_CTL_DEL, uintptr(fd), 0, 0, 0)
}

// wait returns the events there are, at the latest after some time; below zero is for ever. A worker that is busy waits for a moment at first
// without a word to Go's scheduler, which costs more than the wait: whatever else is to run has a processor of the runtime of its own.
func (p *poller) wait(timeout time.Duration) []unix.EpollEvent {
	ms := -1
	if timeout >= 0 {
		ms = int((timeout + time.Millisecond - 1) / time.Millisecond)
	}
	if p.busy {
		moment := uintptr(1)
		if ms == 0 {
			moment = 0
		}
		n, _, errno := unix.RawSyscall6(unix.SYS_EPOLL_PWAIT, uintptr(p.fd), uintptr(unsafe.Pointer(&p.events[0])), uintptr(len(p.events)), moment, 0, 0)
		if errno == 0 && n > 0 {
			return p.events[:n]
		}
	}
	n, err := unix.EpollWait(p.fd, p.events[:], ms)
	p.busy = err == nil && n > 0
	if err != nil {
		return nil // a signal
	}
	return p.events[:n]
}

func (p *poller) close() { unix.Close(p.fd) }
