// SPDX-License-Identifier: Apache-2.0

package command

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net"
	"os"
	"strings"
	"syscall"
	"time"

	"github.com/go-logr/logr"

	"github.com/harbinger-ha/harbinger/pkg/logging"
	"github.com/harbinger-ha/harbinger/pkg/socket"
)

const (
	// lockRetry is how often a second instance looks whether the first has gone.
	lockRetry = 100 * time.Millisecond
	// silentRetries is how often a socket is asked that does not take a connection, before it counts as another user's: an instance takes
	// each at once.
	silentRetries = 20
	// askTimeout bounds one question.
	askTimeout = time.Second
)

// lockPrefix begins the name of every lock.
const lockPrefix = "@harbinger/"

// name is the name of the lock.
func name(iface string, vrid uint8) string { return fmt.Sprintf("%s%s/%d", lockPrefix, iface, vrid) }

// substitute is another name for a lock whose name another user has. Nobody can take it in advance.
func substitute(name string) string { return name + "#" + rand.Text() }

// Listen opens the command socket, and makes this process the only one of its virtual router in the network namespace: an
// abstract unix socket belongs to the namespace, as the virtual addresses do, whatever files the pods of a host see of each other;
// and it ends with the process, so that no stale file remains. Listen waits for another instance to end, or for ctx: a restarted
// container may overlap with one that still drains.
//
// Any user may take a name of such a socket, but only an instance that root runs is one to wait for: the kernel says who
// listens. Where another user has the name, the lock is a socket of a name that nobody can guess. Whoever takes a lock looks for
// all such sockets after it has its own, so that of two instances one sees the other at least.
func Listen(ctx context.Context, log logr.Logger, iface string, vrid uint8) (net.Listener, error) {
	l := lock{name: name(iface, vrid), log: log, self: os.Geteuid(), silent: map[string]int{}}
	for waiting := false; ; {
		ln, err := l.take()
		if err != nil {
			return nil, fmt.Errorf("take the lock of virtual router %d on %s: %w", vrid, iface, err)
		}
		if ln != nil {
			return ln, nil
		}
		if !waiting {
			waiting = true
			log.Info(logging.MsgInstanceWaits, logging.KeyVRID, vrid, logging.KeyInterface, iface)
		}
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-time.After(lockRetry + time.Duration(rand.Text()[0]%8)*lockRetry/8): // two that saw each other come at different times
		}
	}
}

// A lock is one that is being taken.
type lock struct {
	name   string
	log    logr.Logger
	self   int            // user ID of this process, which is one of an instance as root's is
	silent map[string]int // how often a socket did not take a connection, one question after the other
	warned bool
}

// take makes one attempt. Without an error and without a listener another instance has the lock.
func (l *lock) take() (net.Listener, error) {
	ln, err := net.Listen("unix", l.name)
	if errors.Is(err, syscall.EADDRINUSE) {
		owner, theirs := l.instance(l.name)
		if theirs {
			return nil, nil
		}
		l.warn(owner)
		ln, err = net.Listen("unix", substitute(l.name))
	}
	if err != nil {
		return nil, err
	}
	for _, other := range locks(l.name) {
		if other == ln.Addr().String() {
			continue
		}
		if _, theirs := l.instance(other); theirs {
			return nil, ln.Close()
		}
	}
	return ln, nil
}

func (l *lock) warn(owner string) {
	if !l.warned {
		l.warned = true
		logging.Warn(l.log, logging.MsgLockSquatted, logging.KeyReason, fmt.Sprintf("%s has the abstract unix socket %s", owner, l.name))
	}
}

// instance reports whether an instance listens on a socket, or who else does.
func (l *lock) instance(name string) (owner string, yes bool) {
	conn, peer, err := ask(context.Background(), name)
	if err != nil {
		l.silent[name]++
		return "a process that takes no connection", l.silent[name] < silentRetries
	}
	_ = conn.Close()
	l.silent[name] = 0
	return peer.String(), trusted(peer, l.self)
}

// trusted reports whether a process is one of root, or of this process's own user.
func trusted(peer socket.Peer, self int) bool { return peer.User == 0 || peer.User == self }

// ask connects to a socket, and finds out who listens there.
func ask(ctx context.Context, name string) (net.Conn, socket.Peer, error) {
	ctx, cancel := context.WithTimeout(ctx, askTimeout)
	defer cancel()
	conn, err := new(net.Dialer).DialContext(ctx, "unix", name)
	if err != nil {
		return nil, socket.Peer{}, err
	}
	peer, err := socket.PeerOf(conn.(*net.UnixConn))
	if err != nil {
		_ = conn.Close()
		return nil, socket.Peer{}, err
	}
	return conn, peer, nil
}

// dial connects to the instance that has a lock, and to no other process.
func dial(ctx context.Context, name string) (net.Conn, error) {
	failed := fmt.Errorf("nothing listens on %s", name)
	for _, candidate := range locks(name) {
		conn, peer, err := ask(ctx, candidate)
		switch {
		case err != nil:
			failed = err
		case trusted(peer, os.Geteuid()):
			return conn, nil
		default:
			_ = conn.Close()
			failed = fmt.Errorf("%s has the abstract unix socket %s, and is not asked", peer, candidate)
		}
	}
	return nil, failed
}

// listens is the flag of a listening socket in the kernel's table, __SO_ACCEPTCON.
const listens = "00010000"

// locks returns the sockets that may be the lock of a name: those that listen on it or on a substitute. The table is that of the
// network namespace of the calling thread; where it cannot be read, only the name itself is known.
func locks(name string) []string {
	found, _ := listening(name + "#")
	return append([]string{name}, found...)
}

// listening returns the names of the listening sockets that begin with that, of the network namespace of the calling thread.
func listening(beginning string) (found []string, err error) {
	table, err := os.ReadFile("/proc/thread-self/net/unix")
	for line := range strings.Lines(string(table)) {
		fields := strings.Fields(line)
		if len(fields) == 8 && fields[3] == listens && strings.HasPrefix(fields[7], beginning) {
			found = append(found, fields[7])
		}
	}
	return found, err
}

// Instances returns who has the lock of a virtual router in the network namespace of the calling thread, in words. A socket of
// another user is none, but one that takes no connection may be an instance that is frozen.
func Instances(ctx context.Context) (all []string, err error) {
	found, err := listening(lockPrefix)
	if err != nil {
		return nil, fmt.Errorf("look for running sidecars: %w", err)
	}
	for _, candidate := range found {
		who := "a process that takes no connection"
		if conn, peer, err := ask(ctx, candidate); err == nil {
			_ = conn.Close()
			if !trusted(peer, os.Geteuid()) {
				continue
			}
			who = peer.String()
		}
		router, _, _ := strings.Cut(strings.TrimPrefix(candidate, lockPrefix), "#")
		iface, vrid, _ := strings.Cut(router, "/")
		all = append(all, fmt.Sprintf("of virtual router %s on %s: %s", vrid, iface, who))
	}
	return all, nil
}
