// SPDX-License-Identifier: Apache-2.0

package confine

import (
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"runtime"
	"runtime/debug"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// filteredArgument makes the test program one that lives under the filter.
const filteredArgument = "filtered"

func TestMain(m *testing.M) {
	if len(os.Args) > 1 && os.Args[1] == filteredArgument {
		if err := live(); err != nil {
			fmt.Println(err)
			os.Exit(1)
		}
		return
	}
	os.Exit(m.Run())
}

// live does what the runtime does in any program, under a filter that kills for what it lacks.
func live() error {
	if err := CallsStrictly(); err != nil {
		return err
	}
	defer func() { _ = recover() }()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	accepted := make(chan error, 1)
	go func() { // ends with the connection
		conn, err := ln.Accept()
		if err == nil {
			_, err = conn.Write(make([]byte, 1<<20))
			err = errors.Join(err, conn.Close())
		}
		accepted <- err
	}()
	conn, err := net.Dial("tcp", ln.Addr().String())
	if err != nil {
		return err
	}
	buffer := make([]byte, 64<<10)
	for err == nil {
		_, err = conn.Read(buffer)
	}
	ended := make(chan struct{})
	for range 20 { // threads
		go func() {
			runtime.LockOSThread()
			<-time.After(time.Millisecond)
			ended <- struct{}{}
		}()
	}
	for range 20 {
		<-ended
	}
	debug.FreeOSMemory()
	busy := time.Now() // long enough to be interrupted
	for time.Since(busy) < 30*time.Millisecond {
		runtime.GOMAXPROCS(0)
	}
	_, err = os.ReadFile("/proc/self/schedstat")
	return errors.Join(err, <-accepted, ln.Close(), conn.Close())
}

func TestRuntimeLivesUnderTheFilter(t *testing.T) {
	out, err := exec.Command("/proc/self/exe", filteredArgument).CombinedOutput()
	if err != nil || len(out) > 0 {
		t.Errorf("it says %q, %v", out, err)
	}
}

// onThread waits for f on a thread of its own.
func onThread(f func()) {
	done := make(chan struct{})
	OnThread(func() {
		defer close(done)
		f()
	})
	<-done
}

// No thread that is changed is the one that stands for the process, and none is used again.
func TestOnThread(t *testing.T) {
	seen := map[int]bool{}
	for range 100 {
		onThread(func() {
			id := unix.Gettid()
			if id == os.Getpid() || seen[id] {
				t.Errorf("thread %d of process %d", id, os.Getpid())
			}
			seen[id] = true
		})
	}
}

// thread returns what the calling thread may do.
func thread(t *testing.T) Privileges {
	t.Helper()
	status, err := os.ReadFile("/proc/thread-self/status")
	if err != nil {
		t.Fatal(err)
	}
	p, err := parse(string(status))
	if err != nil {
		t.Error(err)
	}
	return p
}

// The thread that starts a process keeps what it may do, for it has to end that process; what is started gets nothing. Other threads
// are as before.
func TestThread(t *testing.T) {
	before := thread(t)
	onThread(func() {
		if err := Thread(); err != nil {
			t.Error(err)
		}
		p := thread(t)
		if p.sets["CapBnd"] != 0 || p.sets["CapInh"] != 0 || p.elevates {
			t.Errorf("a process would get %+v", p)
		}
		if p.sets["CapEff"] != before.sets["CapEff"] || !Kills() {
			t.Errorf("the thread lost %+v", p)
		}
		if err := Powerless(); err != nil {
			t.Error(err)
		}
		if p := thread(t); p.sets["CapPrm"] != 0 || p.sets["CapEff"] != 0 || Kills() {
			t.Errorf("without power it has %+v", p)
		}
		out, err := exec.Command("grep", "Cap", "/proc/self/status").CombinedOutput()
		if err != nil || strings.Count(string(out), "\t0000000000000000\n") != len(sets) {
			t.Errorf("root started by a thread without power has %s, %v", out, err)
		}
	})
	if after := thread(t); after.sets["CapBnd"] != before.sets["CapBnd"] || after.elevates != before.elevates {
		t.Errorf("another thread has %+v, before %+v", after, before)
	}
}

// Where the capability for it is missing the bounding set stays, all else is done, and the error names the capability.
func TestThreadWithoutSetpcap(t *testing.T) {
	onThread(func() {
		header, has, err := capabilities()
		has[0].Effective &^= 1 << unix.CAP_SETPCAP
		has[0].Permitted &^= 1 << unix.CAP_SETPCAP
		if err = errors.Join(err, unix.Capset(header, &has[0])); err != nil {
			t.Error(err)
		}
		if err := Thread(); err == nil || !strings.Contains(err.Error(), "SETPCAP") || !errors.Is(err, unix.EPERM) {
			t.Errorf("error %v", err)
		}
		if p := thread(t); p.sets["CapBnd"] == 0 || p.elevates {
			t.Errorf("it has %+v", p)
		}
	})
}

func TestCloseOnExec(t *testing.T) {
	fd, err := unix.Open(os.DevNull, unix.O_RDONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(fd)
	if err := CloseOnExec(); err != nil {
		t.Fatal(err)
	}
	if flags, err := unix.FcntlInt(uintptr(fd), unix.F_GETFD, 0); err != nil || flags&unix.FD_CLOEXEC == 0 {
		t.Errorf("flags %#x, %v", flags, err)
	}
	if flags, err := unix.FcntlInt(2, unix.F_GETFD, 0); err != nil || flags&unix.FD_CLOEXEC != 0 {
		t.Errorf("standard error has flags %#x, %v", flags, err)
	}
}
