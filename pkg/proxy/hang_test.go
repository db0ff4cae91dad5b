// SPDX-License-Identifier: Apache-2.0

package proxy

import (
	"context"
	"errors"
	"net/netip"
	"os/exec"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/go-logr/logr/funcr"
	"golang.org/x/sys/unix"

	"github.com/harbinger-ha/harbinger/pkg/logging"
)

func TestHang(t *testing.T) {
	var (
		asleep  = turn{}
		stopped = turn{stopped: true, runnable: true, ran: time.Hour}
		dozes   = turn{ran: 20 * time.Millisecond, waited: 10 * time.Millisecond}
		tenth   = turn{runnable: true, ran: heartbeat / 10, waited: 4 * heartbeat / 5}
		waits   = turn{ran: heartbeat / 10, waited: 4 * heartbeat / 5} // asleep just when it was looked at
		nothing = turn{runnable: true}                                 // no time at all, for the whole turn
		spins   = turn{runnable: true, ran: heartbeat}
		eight   = turn{runnable: true, ran: 8 * heartbeat} // processors
	)
	turns := func(d time.Duration) int { return int(d / heartbeat) }
	for _, tc := range []struct {
		name  string
		start hang
		turns []turn // one after the other, again and again
		after int    // turns, until the verdict; 0: never
		want  verdict
	}{
		{"asleep", hang{limit: silentAfter}, []turn{asleep}, turns(silentAfter), stuck},
		{"asleep at its start", hang{limit: startTime}, []turn{asleep}, turns(startTime), stuck},
		{"stopped, whatever else", hang{limit: silentAfter}, []turn{stopped}, turns(silentAfter), stuck},
		{"what is deadlocked wakes up now and then", hang{limit: silentAfter}, []turn{dozes}, turns(silentAfter), stuck},
		{"what is deadlocked relays as well", hang{limit: silentAfter}, []turn{dozes, spins, dozes}, 3 * turns(silentAfter) / 2, stuck},
		{"no time at all", hang{limit: silentAfter}, []turn{nothing}, 0, starved},
		{"a tenth of a processor", hang{limit: silentAfter}, []turn{tenth, waits}, 10 * turns(spinAfter), spinning},
		{"a tenth at its start", hang{limit: startTime}, []turn{tenth}, 10 * turns(spinAfter), spinning},
		{"spinning", hang{limit: silentAfter}, []turn{spins}, turns(spinAfter), spinning},
		{"spinning on eight processors", hang{limit: silentAfter}, []turn{eight}, turns(spinAfter), spinning},
	} {
		t.Run(tc.name, func(t *testing.T) {
			h := tc.start
			got, last := 0, patient
			for i := range 10 * turns(time.Minute) {
				if last = h.take(tc.turns[i%len(tc.turns)]); last == stuck || last == spinning {
					got = i + 1
					break
				}
			}
			if got != tc.after || last != tc.want {
				t.Errorf("verdict %v after %d turns, want %v after %d", last, got, tc.want, tc.after)
			}
		})
	}
}

// A process that spins is none that sleeps: only the time that it uses counts.
func TestObserverSeesAProcessSpin(t *testing.T) {
	cmd := exec.Command("sh", "-c", "while :; do :; done")
	must(t, cmd.Start())
	defer func() {
		cmd.Process.Kill()
		cmd.Wait()
	}()
	o, h := observer{pid: cmd.Process.Pid}, hang{limit: silentAfter}
	o.look()
	ticker := time.NewTicker(heartbeat)
	defer ticker.Stop()
	for range 4 {
		<-ticker.C
		if v := h.take(o.look()); v == stuck || v == spinning || h.silent != 0 {
			t.Fatalf("verdict %v: %+v", v, h)
		}
	}
	if h.spun == 0 || h.spun > 4*heartbeat {
		t.Errorf("it has spun for %v", h.spun)
	}
}

// deadlockedArgument makes the test program a balancer process that says once that it lives, and then waits for ever.
const deadlockedArgument = "deadlocked"

func deadlockedMain() int {
	conn, _, err := Inherited()
	if err != nil || send(conn, report{Version: protocolVersion, Status: Status{PID: self}}) != nil {
		return 1
	}
	<-make(chan struct{})
	return 0
}

func TestDeadlockedBalancerIsReplaced(t *testing.T) {
	s := superviseCommand(t, greeters(t, "a"), nil, "/proc/self/exe", deadlockedArgument)
	until(t, "the first process reports", func() bool { return s.Status().PID != 0 })
	pid, start := s.Status().PID, time.Now()
	until(t, "another process reports", func() bool { now := s.Status().PID; return now != 0 && now != pid })
	if took := time.Since(start); took < silentAfter-heartbeat || took > silentAfter+2*time.Second {
		t.Errorf("the deadlocked process was replaced after %v", took)
	}
	if err := syscall.Kill(pid, 0); !errors.Is(err, syscall.ESRCH) {
		t.Errorf("the deadlocked process is still there: %v", err)
	}
}

// A balancer that gets no time for longer than one that hangs may be silent is left alone, with its sessions.
func TestStarvedBalancerIsLeftAlone(t *testing.T) {
	lines := make(chan string, 1000)
	ln := newListener(t)
	s := NewSupervisor(SupervisorConfig{
		Log:     funcr.New(func(_, args string) { lines <- args }, funcr.Options{}),
		Command: []string{"/proc/self/exe", balancerArgument}, Listeners: []*Listener{ln}, Settings: greeters(t, "a"),
	})
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- s.Run(ctx) }()
	defer func() {
		cancel()
		must(t, <-ended)
	}()
	until(t, "the balancer is healthy", func() bool { return s.Status().Healthy() })
	pid, conn := s.Status().PID, dial(t, ln.Address())
	greeting(t, conn)

	stop := demand(ln.Address())
	feed := starve(t, pid)
	untilSilent(t, lines)
	feed()
	stop()
	if line := <-lines; !strings.Contains(line, logging.MsgBalancerReports) {
		t.Errorf("log line %s", line)
	}
	must(t, conn.SetDeadline(time.Now().Add(patience)))
	must(t, echoes(conn))
	if err := connect(ln.Address()); err != nil {
		t.Errorf("a new connection: %v: %+v", err, s.Status())
	}
	if got := s.Status(); got.PID != pid || got.Restarts != 0 {
		t.Errorf("process %d was replaced by %d", pid, got.PID)
	}
}

// untilSilent waits until a balancer was silent, for lack of time, for a second longer than one that hangs may be.
func untilSilent(t testing.TB, lines <-chan string) {
	t.Helper()
	for end := time.Now().Add(3 * patience); time.Now().Before(end); {
		select {
		case line := <-lines:
			if !strings.Contains(line, logging.MsgBalancerSlow) && !strings.Contains(line, logging.MsgBalancerReports) {
				t.Fatalf("log line %s", line)
			}
			if strings.Contains(line, logging.MsgBalancerReports) {
				continue
			}
		case <-time.After(time.Until(end)):
			t.Fatal("it is not short of time")
		}
		select {
		case <-lines: // it reports
		case <-time.After(silentAfter + time.Second):
			return
		}
	}
	t.Fatal("it is not short of time for long enough")
}

// demand makes connections until stop is called.
func demand(address netip.AddrPort) (stop func()) {
	var over atomic.Bool
	var wait sync.WaitGroup
	for range 50 {
		wait.Go(func() {
			for !over.Load() {
				_ = connect(address) // it may take too long
			}
		})
	}
	return func() {
		over.Store(true)
		wait.Wait()
	}
}

// starve has a process wait for a processor that others use, which get it first, until feed is called.
func starve(t testing.TB, pid int) (feed func()) {
	t.Helper()
	var one unix.CPUSet
	one.Set(0)
	var hogs []*exec.Cmd
	feed = sync.OnceFunc(func() {
		for _, hog := range hogs {
			hog.Process.Kill()
			hog.Wait()
		}
	})
	t.Cleanup(feed)
	for range 4 {
		hog := exec.Command("sh", "-c", "while :; do :; done")
		must(t, hog.Start())
		hogs = append(hogs, hog)
		must(t, unix.SchedSetaffinity(hog.Process.Pid, &one))
	}
	for _, tid := range threads(t, pid) {
		must(t, unix.SchedSetAttr(tid, &unix.SchedAttr{Size: unix.SizeofSchedAttr, Policy: schedIdle}, 0))
		must(t, unix.SchedSetaffinity(tid, &one))
	}
	return feed
}

// schedIdle is SCHED_IDLE: its threads run when no other wants to.
const schedIdle = 5
