// SPDX-License-Identifier: Apache-2.0

package command

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"runtime"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/go-logr/logr"
	"golang.org/x/sys/unix"

	"github.com/harbinger-ha/harbinger/e2e/lab/labtest"
)

const nobody = 65534

// asNobody calls a function as another user: this thread only.
func asNobody(t *testing.T, f func() error) {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("needs root, to be another user")
	}
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	become := func(user uintptr) {
		if _, _, errno := unix.RawSyscall(unix.SYS_SETRESUID, ^uintptr(0), user, ^uintptr(0)); errno != 0 {
			t.Fatal(errno)
		}
	}
	become(nobody)
	err := f()
	become(0)
	labtest.Must(t, err)
}

// squat has another user listen on a name until the test ends.
func squat(t *testing.T, name string) net.Listener {
	t.Helper()
	var ln net.Listener
	asNobody(t, func() (err error) { ln, err = net.Listen("unix", name); return err })
	t.Cleanup(func() { ln.Close() })
	return ln
}

// Another user's socket is not waited for; instances exclude each other all the same, before and after it has gone.
func TestLockCannotBeSquatted(t *testing.T) {
	const vrid = 207
	squatter := squat(t, name(iface, vrid))
	squat(t, name(iface, vrid)+"#guessed")
	log := &labtest.Log{}
	first, err := Listen(t.Context(), log.Logger(), iface, vrid)
	labtest.Must(t, err)
	defer first.Close()
	if log.Count("Lock taken by another user") != 1 || log.Count("user 65534 (process ") != 1 {
		t.Errorf("the log does not name the other user once: %s", log)
	}
	asked := make(chan string, 1)
	ctx, end := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() {
		ended <- Serve(ctx, first, Handlers{Handover: func(_ context.Context, to string) (time.Duration, error) { asked <- to; return 0, nil }})
	}()
	if _, err := RequestHandover(t.Context(), iface, vrid, "node2"); err != nil || <-asked != "node2" {
		t.Errorf("a handover does not reach the instance: %v", err)
	}
	waits := func(when string) {
		t.Helper()
		ctx, cancel := context.WithTimeout(t.Context(), 5*lockRetry)
		defer cancel()
		if second, err := Listen(ctx, logr.Discard(), iface, vrid); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("%s a second instance got %v, %v, want to wait in vain", when, second, err)
		}
	}
	waits("while another user has the name")
	labtest.Must(t, squatter.Close())
	waits("after another user has given the name up")
	end()
	labtest.Must(t, <-ended)
	labtest.Must(t, listen(t, vrid).Close())
}

// What is asked for a handover is root's.
func TestSquatterIsNotAsked(t *testing.T) {
	const vrid = 208
	ln := squat(t, name(iface, vrid))
	labtest.Serve(t, ln, func(conn net.Conn) {
		if n, _ := conn.Read(make([]byte, 1)); n > 0 {
			t.Error("another user's process got the command")
		}
	})
	if _, err := RequestHandover(t.Context(), iface, vrid, ""); err == nil || !strings.Contains(err.Error(), "user 65534") {
		t.Errorf("got %v, want the user", err)
	}
}

// bind binds a socket to an abstract name without listening, as nobody, or listens without accepting.
func bind(t *testing.T, name string, backlog int) {
	t.Helper()
	asNobody(t, func() error {
		fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
		if err != nil {
			return err
		}
		t.Cleanup(func() { unix.Close(fd) })
		if err := unix.Bind(fd, &unix.SockaddrUnix{Name: name}); err != nil || backlog < 0 {
			return err
		}
		if err := unix.Listen(fd, backlog); err != nil {
			return err
		}
		for { // fill the queue
			conn, err := net.DialTimeout("unix", name, time.Second)
			if errors.Is(err, syscall.EAGAIN) {
				return nil
			}
			if err != nil {
				return err
			}
			t.Cleanup(func() { conn.Close() })
		}
	})
}

// Nor is a socket that takes no connection, for long.
func TestSilentSocketIsNotWaitedForLong(t *testing.T) {
	for vrid, backlog := range map[uint8]int{209: -1, 210: 0} {
		t.Run(fmt.Sprint("backlog ", backlog), func(t *testing.T) {
			t.Parallel()
			bind(t, name(iface, vrid), backlog)
			log := &labtest.Log{}
			start := time.Now()
			ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
			defer cancel()
			ln, err := Listen(ctx, log.Logger(), iface, vrid)
			labtest.Must(t, err)
			if waited := time.Since(start); waited < silentRetries*lockRetry/2 {
				t.Errorf("it waited only %s for a process that may be an instance", waited)
			}
			if log.Count("a process that takes no connection has the abstract unix socket") != 1 {
				t.Errorf("the log does not say why: %s", log)
			}
			labtest.Must(t, ln.Close())
		})
	}
}

// Of many that come at once, while another user has the name, one at a time has the lock.
func TestOneAtATimeBesideASquatter(t *testing.T) {
	const vrid = 211
	squat(t, name(iface, vrid))
	var inside atomic.Int32
	done := make(chan error)
	const instances = 4
	for range instances {
		go func() {
			ln, err := Listen(t.Context(), logr.Discard(), iface, vrid)
			if err == nil {
				if inside.Add(1) > 1 {
					err = errors.New("two instances have the lock")
				}
				time.Sleep(2 * lockRetry) // so long it is in use
				inside.Add(-1)
				err = errors.Join(err, ln.Close())
			}
			done <- err
		}()
	}
	for range instances {
		select {
		case err := <-done:
			labtest.Must(t, err)
		case <-time.After(20 * time.Second):
			t.Fatal("an instance never gets the lock")
		}
	}
}

// Every instance in the namespace is found, also beside a squatter and where it has frozen; another user's socket is none.
func TestInstances(t *testing.T) {
	const vrid, beside, squatted, frozen = 212, 213, 214, 215
	mine := func() (all []string) {
		t.Helper()
		found, err := Instances(t.Context())
		labtest.Must(t, err)
		for _, f := range found {
			for _, n := range []int{vrid, beside, squatted, frozen} {
				if strings.HasPrefix(f, fmt.Sprintf("of virtual router %d on %s: ", n, iface)) {
					all = append(all, f)
				}
			}
		}
		return all
	}
	if found := mine(); found != nil {
		t.Errorf("found before the first: %q", found)
	}
	ln := listen(t, vrid)
	squat(t, name(iface, beside))
	squat(t, name(iface, squatted))
	listen(t, beside)
	bind(t, name(iface, frozen), 0)
	found := strings.Join(mine(), "\n")
	own := fmt.Sprintf(": user %d (process %d, ", os.Geteuid(), os.Getpid())
	if strings.Count(found, own) != 2 || strings.Count(found, "\n") != 2 || !strings.Contains(found, "router 215 on test: a process that takes no connection") {
		t.Errorf("found\n%s", found)
	}
	labtest.Must(t, ln.Close())
	if found := strings.Join(mine(), "\n"); strings.Contains(found, " 212 ") {
		t.Errorf("found after its end\n%s", found)
	}
}
