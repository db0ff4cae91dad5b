// SPDX-License-Identifier: Apache-2.0

package proxy

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/go-logr/logr"
	"golang.org/x/sys/unix"

	"github.com/harbinger-ha/harbinger/pkg/balance"
	"github.com/harbinger-ha/harbinger/pkg/confine"
	"github.com/harbinger-ha/harbinger/pkg/guard"
	"github.com/harbinger-ha/harbinger/pkg/health"
	"github.com/harbinger-ha/harbinger/pkg/relay"
	"github.com/harbinger-ha/harbinger/pkg/socket"
)

// balancerArgument makes the test program a balancer process.
const balancerArgument = "balancer"

func balancerMain() int {
	err := confine.CallsStrictly() // a call that the filter lacks ends the test
	conn, listeners, failed := Inherited()
	if err = errors.Join(err, failed); err == nil {
		var b *Balancer
		if b, err = NewBalancer(logr.Discard(), conn, listeners, newGreetingChecker); err == nil {
			err = b.Run(context.Background())
		}
	}
	if err != nil {
		return 1
	}
	return 0
}

func newGreetingChecker(b balance.Backend, _ health.Config) Checker {
	return greetingChecker(b.Address)
}

// A greetingChecker finds a backend healthy that greets.
type greetingChecker netip.AddrPort

func (c greetingChecker) Check(ctx context.Context) error {
	var d net.Dialer
	conn, err := d.DialContext(ctx, "tcp", netip.AddrPort(c).String())
	if err != nil {
		return err
	}
	defer conn.Close()
	deadline, _ := ctx.Deadline()
	conn.SetDeadline(deadline)
	_, err = conn.Read(make([]byte, 1))
	return err
}

func (c greetingChecker) Close() error { return nil }

// A testSupervisor is a running supervisor with a balancer process.
type testSupervisor struct {
	*Supervisor
	address netip.AddrPort
	ended   chan error
}

func newSupervisor(t testing.TB, settings Settings, onStatus func(Status)) *testSupervisor {
	t.Helper()
	return superviseCommand(t, settings, onStatus, "/proc/self/exe", balancerArgument)
}

func superviseCommand(t testing.TB, settings Settings, onStatus func(Status), command ...string) *testSupervisor {
	t.Helper()
	ln := newListener(t)
	s := &testSupervisor{
		Supervisor: NewSupervisor(SupervisorConfig{
			Log: logr.Discard(), Command: command, Listeners: []*Listener{ln}, Settings: settings, OnStatus: onStatus,
		}),
		address: ln.Address(),
		ended:   make(chan error, 1),
	}
	ctx, cancel := context.WithCancel(context.Background())
	var wait sync.WaitGroup
	wait.Go(func() { s.ended <- s.Run(ctx) })
	t.Cleanup(func() {
		cancel()
		wait.Wait()
	})
	return s
}

// untilHealthy waits for a balancer process other than the one given, and its first verdict. It returns its PID.
func (s *testSupervisor) untilHealthy(t testing.TB, otherThan int) int {
	t.Helper()
	until(t, "a balancer process is healthy", func() bool { return s.Status().Healthy() && s.Status().PID != otherThan })
	return s.Status().PID
}

// greeters returns settings with as many backends.
func greeters(t testing.TB, names ...string) Settings {
	t.Helper()
	var backends []balance.Backend
	for _, name := range names {
		backends = append(backends, balance.Backend{Address: newGreeter(t, name).address})
	}
	return testSettings(backends...)
}

// TestCrashRefusesNoConnection kills the balancer under 200 connections a second. A crash cuts those that the dead process
// may have accepted, and no other.
func TestCrashRefusesNoConnection(t *testing.T) {
	s := newSupervisor(t, greeters(t, "a", "b"), nil)
	pid := s.untilHealthy(t, 0)
	const kills, perKill = 3, 200
	var inFlight atomic.Int32
	ticker := time.NewTicker(5 * time.Millisecond)
	defer ticker.Stop()
	var wait sync.WaitGroup
	for range kills {
		for i := range perKill {
			<-ticker.C
			wait.Go(func() {
				err := connect(s.address)
				cut := errors.Is(err, syscall.ECONNRESET) || errors.Is(err, io.EOF)
				switch {
				case cut && i <= perKill/2:
					inFlight.Add(1)
				case err != nil:
					t.Errorf("connection %d failed, and the crash was after %d: %v", i, perKill/2, err)
				}
			})
			if i == perKill/2 {
				must(t, syscall.Kill(pid, syscall.SIGKILL))
			}
		}
		pid = s.untilHealthy(t, pid)
		wait.Wait() // the next crash is not to cut the connections of this round
	}
	t.Logf("%d of %d connections were cut in flight by %d crashes", inFlight.Load(), kills*perKill, kills)
	if got := s.Status().Restarts; got != kills {
		t.Errorf("%d restarts, want %d", got, kills)
	}
}

// connect makes a connection that gets a greeting.
func connect(address netip.AddrPort) error {
	conn, err := net.DialTimeout("tcp", address.String(), patience)
	if err != nil {
		return err
	}
	defer conn.Close()
	conn.SetDeadline(time.Now().Add(patience))
	_, err = conn.Read(make([]byte, 1))
	return err
}

func TestHungBalancerIsReplaced(t *testing.T) {
	s := newSupervisor(t, greeters(t, "a"), nil)
	pid := s.untilHealthy(t, 0)
	must(t, syscall.Kill(pid, syscall.SIGSTOP))
	until(t, "the process is frozen", func() bool { return processState(pid) == 'T' })
	start := time.Now()
	must(t, connect(s.address)) // waits for the next process
	if took := time.Since(start); took < silentAfter-heartbeat || took > silentAfter+2*time.Second {
		t.Errorf("the hung process was replaced after %v", took)
	}
	s.untilHealthy(t, pid)
	if err := syscall.Kill(pid, 0); !errors.Is(err, syscall.ESRCH) {
		t.Errorf("the hung process is still there: %v", err)
	}
}

func TestApplyKeepsSessions(t *testing.T) {
	settings := greeters(t, "a", "b")
	both := settings.Backends
	settings.Backends = both[:1]
	s := newSupervisor(t, settings, nil)
	pid := s.untilHealthy(t, 0)
	conn := dial(t, s.address)
	greeting(t, conn)
	settings.Backends = both[1:]
	s.Apply(settings)
	until(t, "the settings are in use", func() bool {
		status := s.Status()
		return len(status.Backends) == 1 && status.Backends[0].Address == both[1].Address && status.Healthy()
	})
	if got := greeting(t, dial(t, s.address)); got != "b" {
		t.Errorf("new connection went to %q", got)
	}
	must(t, echoes(conn))
	if got := s.Status().PID; got != pid {
		t.Errorf("process %d was replaced by %d", pid, got)
	}
	must(t, syscall.Kill(pid, syscall.SIGKILL))
	s.untilHealthy(t, pid)
	if got := greeting(t, dial(t, s.address)); got != "b" {
		t.Errorf("after a crash, new connection went to %q", got)
	}
}

func TestDrainEndsWithTheLastConnection(t *testing.T) {
	s := newSupervisor(t, greeters(t, "a"), nil)
	s.untilHealthy(t, 0)
	conn := dial(t, s.address)
	greeting(t, conn)
	drained := make(chan error, 1)
	var wait sync.WaitGroup
	wait.Go(func() { drained <- s.Drain(context.Background()) })
	defer wait.Wait()
	until(t, "connections are refused", func() bool { return refused(s.address) })
	must(t, echoes(conn))
	must(t, conn.Close())
	must(t, <-drained)
	must(t, <-s.ended)
}

func TestDrainCutsConnectionsInTheEnd(t *testing.T) {
	s := newSupervisor(t, greeters(t, "a"), nil)
	s.untilHealthy(t, 0)
	conn := dial(t, s.address)
	greeting(t, conn)
	ctx, cancel := context.WithTimeout(context.Background(), 300*time.Millisecond)
	defer cancel()
	if err := s.Drain(ctx); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("drain ended with %v", err)
	}
	must(t, <-s.ended)
	if err := echoes(conn); err == nil {
		t.Error("the connection is still there")
	}
}

// A socket that somebody else has shut listens again, in the same process.
func TestSocketThatWasShutListensAgain(t *testing.T) {
	s := newSupervisor(t, greeters(t, "a"), nil)
	pid := s.untilHealthy(t, 0)
	until(t, "connections are served", func() bool { return !refused(s.address) })
	for range 2 {
		// Where the kernel or the host cannot destroy a socket, it is shut only.
		_ = exec.Command("ss", "-K", "-ltn", fmt.Sprintf("sport = :%d", s.address.Port())).Run()
		if !refused(s.address) {
			must(t, socket.ControlConn(s.cfg.Listeners[0], func(fd int) error { return unix.Shutdown(fd, unix.SHUT_RDWR) }))
		}
		if !refused(s.address) {
			t.Fatal("the socket is not shut")
		}
		until(t, "connections are accepted again", func() bool { return !refused(s.address) })
		if conn := dial(t, s.address); greeting(t, conn) != "a" || s.Status().PID != pid {
			t.Errorf("process %d serves, want %d", s.Status().PID, pid)
		}
	}
}

// What the supervisor itself does wrong is not met by another process.
func TestPanicEndsTheSupervisor(t *testing.T) {
	s := newSupervisor(t, greeters(t, "a"), func(status Status) {
		if status.PID != 0 {
			panic("here")
		}
	})
	select {
	case err := <-s.ended:
		if !strings.Contains(guard.Stack(err), "TestPanicEndsTheSupervisor") {
			t.Errorf("ended with %v", err)
		}
	case <-time.After(10 * time.Second):
		t.Fatal("it goes on")
	}
}

func TestOnStatusTellsChangesOnly(t *testing.T) {
	var mu sync.Mutex
	var seen []string
	a := newGreeter(t, "a")
	s := newSupervisor(t, testSettings(balance.Backend{Address: a.address}), func(status Status) {
		mu.Lock()
		defer mu.Unlock()
		state := "none"
		if len(status.Backends) > 0 {
			state = status.Backends[0].State.String()
		}
		seen = append(seen, fmt.Sprintf("running=%t %s", status.PID != 0, state))
	})
	pid := s.untilHealthy(t, 0)
	a.close()
	until(t, "the backend is down", func() bool { return !s.Status().Healthy() })
	must(t, syscall.Kill(pid, syscall.SIGKILL))
	until(t, "a new process judges", func() bool {
		status := s.Status()
		return status.PID != 0 && status.PID != pid && len(status.Backends) == 1 && status.Backends[0].State.String() == "Down"
	})
	mu.Lock()
	defer mu.Unlock()
	for i, entry := range seen {
		if i > 0 && entry == seen[i-1] {
			t.Errorf("told twice: %s", entry)
		}
	}
	told := strings.Join(seen, ", ")
	for _, want := range []string{"running=true Healthy, running=true Down", "running=false Down, running=true"} {
		if !strings.Contains(told, want) {
			t.Errorf("told %s, want %s in it", told, want)
		}
	}
}

// TestNoBalancerRefusesInTheEnd has a balancer that cannot start: connections must not wait for ever.
func TestNoBalancerRefusesInTheEnd(t *testing.T) {
	s := superviseCommand(t, greeters(t, "a"), nil, "/nonexistent/balancer")
	if refused(s.address) {
		t.Error("connection was refused at once")
	}
	until(t, "connections are refused", func() bool { return refused(s.address) })
	if s.Status().Healthy() {
		t.Error("status is healthy")
	}
}

// TestAcceptSurvivesWantOfDescriptors takes descriptors away from a running balancer: connections wait until there are
// some again.
func TestAcceptSurvivesWantOfDescriptors(t *testing.T) {
	settings := greeters(t, "a")
	settings.HealthCheck.Interval = time.Hour // the checks of this test need descriptors as well
	s := newSupervisor(t, settings, nil)
	pid := s.untilHealthy(t, 0)
	served := dial(t, s.address)
	greeting(t, served)

	var enough unix.Rlimit
	must(t, asBalancer(func() error { return unix.Prlimit(pid, unix.RLIMIT_NOFILE, nil, &enough) }))
	must(t, asBalancer(func() error {
		return unix.Prlimit(pid, unix.RLIMIT_NOFILE, &unix.Rlimit{Cur: 1, Max: enough.Max}, nil)
	}))
	waiting := dial(t, s.address)
	must(t, echoes(served))
	must(t, waiting.SetReadDeadline(time.Now().Add(5*relay.AcceptPause)))
	if _, err := waiting.Read(make([]byte, 1)); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("connection without a descriptor: %v", err)
	}

	must(t, asBalancer(func() error { return unix.Prlimit(pid, unix.RLIMIT_NOFILE, &enough, nil) }))
	must(t, waiting.SetReadDeadline(time.Now().Add(patience)))
	greeting(t, waiting)
	if got := s.Status().PID; got != pid {
		t.Error("the balancer did not survive")
	}
}

// TestBalancerGivesUpSchedulingOfItsKeeper uses a class that needs no privilege to stand for the real-time one.
func TestBalancerGivesUpSchedulingOfItsKeeper(t *testing.T) {
	setPolicy(t, unix.SCHED_BATCH)
	defer setPolicy(t, unix.SCHED_NORMAL)
	s := newSupervisor(t, greeters(t, "a"), nil)
	pid := s.untilHealthy(t, 0)
	for _, tid := range threads(t, pid) {
		attr, err := unix.SchedGetAttr(tid, 0)
		must(t, err)
		if attr.Policy != unix.SCHED_NORMAL {
			t.Errorf("thread %d has policy %d", tid, attr.Policy)
		}
	}
}

// setPolicy sets the scheduling policy of all threads of this process.
func setPolicy(t testing.TB, policy uint32) {
	t.Helper()
	for _, tid := range threads(t, os.Getpid()) {
		err := unix.SchedSetAttr(tid, &unix.SchedAttr{Size: unix.SizeofSchedAttr, Policy: policy}, 0)
		if err != nil && !errors.Is(err, syscall.ESRCH) {
			t.Fatal(err)
		}
	}
}

func threads(t testing.TB, pid int) []int {
	t.Helper()
	entries, err := os.ReadDir(fmt.Sprintf("/proc/%d/task", pid))
	must(t, err)
	var tids []int
	for _, entry := range entries {
		tid, err := strconv.Atoi(entry.Name())
		must(t, err)
		tids = append(tids, tid)
	}
	return tids
}
