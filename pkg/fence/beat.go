// SPDX-License-Identifier: Apache-2.0

package fence

import (
	"errors"
	"fmt"
	"unsafe"

	"golang.org/x/sys/unix"
)

// A beat is a packet socket on the loopback link whose frames have a mark of their own. It is a file descriptor.
type beat int

// frame is what a beat sends: 60 bytes with the ethertype for local experiments (IEEE 802), which no protocol takes.
var frame = append(make([]byte, 12), append([]byte{0x88, 0xb5}, make([]byte, 46)...)...)

// send sends the frame. The chain drops what it has acted on, which the kernel reports as ENOBUFS: then it was taken. A frame that
// went out met no chain, or one that did not want it.
func (b beat) send() (taken bool, err error) {
	for {
		// It never waits: the runtime need not know of it.
		_, _, err := unix.RawSyscall(unix.SYS_WRITE, uintptr(b), uintptr(unsafe.Pointer(&frame[0])), uintptr(len(frame)))
		switch err {
		case 0:
			return false, nil
		case unix.ENOBUFS:
			return true, nil
		case unix.EINTR:
		default:
			return false, err
		}
	}
}

// The frames of a fence, by what the chain on lo does.
const (
	renew = iota
	open
	shut
	disarm
	refuse
	answer
	purposes
)

// beats are the sockets of a fence, one for each purpose.
type beats [purposes]beat

// newBeats opens them in the network namespace of the calling thread, with marks that follow the one given.
func newBeats(mark uint32) (b beats, err error) {
	for i := range b {
		b[i] = -1
	}
	for i := range b {
		if b[i], err = newBeat(mark | uint32(i)); err != nil {
			return b, &Unavailable{"it needs a packet socket on lo that sets a mark (CAP_NET_RAW and CAP_NET_ADMIN)", err}
		}
	}
	return b, nil
}

// loopback is the index of lo in every network namespace: LOOPBACK_IFINDEX of net/flow.h.
const loopback = 1

func newBeat(mark uint32) (beat, error) {
	fd, err := unix.Socket(unix.AF_PACKET, unix.SOCK_RAW|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0) // of protocol 0: it receives nothing
	if err != nil {
		return -1, fmt.Errorf("open a packet socket: %w", err)
	}
	err = unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_MARK, int(mark))
	if err == nil {
		err = unix.Bind(fd, &unix.SockaddrLinklayer{Ifindex: loopback})
	}
	if err != nil {
		return -1, errors.Join(fmt.Errorf("prepare a packet socket: %w", err), unix.Close(fd))
	}
	return beat(fd), nil
}

// prove tries the chain: it takes the frame that closes, and does not take a renewal while closed.
func (b beats) prove() error {
	closed, err := b[shut].send()
	if err != nil {
		return &Unavailable{"no frame leaves by lo", err}
	}
	renewed, err := b[renew].send()
	if err != nil {
		return &Unavailable{"no frame leaves by lo", err}
	}
	if !closed || renewed {
		return &Unavailable{Reason: fmt.Sprintf("the chain on lo does not work as it should (closing taken: %t, late renewal taken: %t)", closed, renewed)}
	}
	return nil
}

func (b beats) close() error {
	var errs []error
	for _, fd := range b {
		if fd >= 0 {
			errs = append(errs, unix.Close(int(fd)))
		}
	}
	return errors.Join(errs...)
}

// A link is one of the fence: its name, and the index that this had when the chain was made; 0: there was none.
type link struct {
	name  string
	index uint32
}

// find looks links up by their names, in the network namespace of the fence.
func (b beats) find(names []string) []link {
	links := make([]link, 0, len(names))
	for _, name := range names {
		links = append(links, link{name, b.index(name)})
	}
	return links
}

// follow returns the links as they are now: one that was renamed by its new name, and one that was made again with its new index.
func (b beats) follow(links []link) []link {
	now := make([]link, 0, len(links))
	for _, l := range links {
		if name := b.name(l.index); name != "" {
			l.name = name
		} else {
			l.index = b.index(l.name)
		}
		now = append(now, l)
	}
	return now
}

func (b beats) index(name string) uint32 {
	request, err := unix.NewIfreq(name)
	if err != nil || unix.IoctlIfreq(int(b[renew]), unix.SIOCGIFINDEX, request) != nil {
		return 0
	}
	return request.Uint32()
}

func (b beats) name(index uint32) string {
	request, err := unix.NewIfreq("by-index") // the kernel writes the name over it
	if err != nil || index == 0 {
		return ""
	}
	request.SetUint32(index)
	if unix.IoctlIfreq(int(b[renew]), unix.SIOCGIFNAME, request) != nil {
		return ""
	}
	return request.Name()
}
