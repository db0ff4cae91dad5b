// SPDX-License-Identifier: Apache-2.0

package scheduling

import (
	"os/exec"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// child runs a program and returns its process ID and what kills it.
func child(t *testing.T, name string, args ...string) int {
	t.Helper()
	cmd := exec.Command(name, args...)
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill() // fails only when it has ended
		_ = cmd.Wait()
	})
	return cmd.Process.Pid
}

// until waits until the use of a process since an earlier one is as wanted.
func until(t *testing.T, pid int, what string, condition func(use Use, ran time.Duration) bool) {
	t.Helper()
	before, err := UseOf(pid)
	if err != nil {
		t.Fatal(err)
	}
	for end := time.Now().Add(20 * time.Second); ; {
		use, err := UseOf(pid)
		if err != nil {
			t.Fatal(err)
		}
		ran, _ := use.Since(before)
		if condition(use, ran) {
			return
		}
		if time.Now().After(end) {
			t.Fatalf("%s: not within 20 s: %+v, ran for %v", what, use, ran)
		}
		time.Sleep(5 * time.Millisecond)
	}
}

func TestUseOfABusyProcess(t *testing.T) {
	pid := child(t, "sh", "-c", "while :; do :; done")
	until(t, pid, "it runs", func(use Use, ran time.Duration) bool {
		return use.Runnable && !use.Stopped && ran > 50*time.Millisecond
	})
	if err := unix.Kill(pid, unix.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	until(t, pid, "it is stopped", func(use Use, _ time.Duration) bool { return use.Stopped && !use.Runnable })
	use, err := UseOf(pid)
	if err != nil {
		t.Fatal(err)
	}
	if later, err := UseOf(pid); err != nil {
		t.Fatal(err)
	} else if ran, waited := later.Since(use); ran != 0 || waited != 0 {
		t.Errorf("stopped, it ran for %v and waited for %v", ran, waited)
	}
}

func TestUseOfASleepingProcess(t *testing.T) {
	pid := child(t, "sleep", "60")
	until(t, pid, "it sleeps", func(use Use, _ time.Duration) bool { return !use.Runnable && !use.Stopped })
}

// With several that want the same processor, each waits for it.
func TestUseOfACompetitor(t *testing.T) {
	var set unix.CPUSet
	set.Set(0)
	var pids []int
	for range 3 {
		pid := child(t, "sh", "-c", "while :; do :; done")
		if err := unix.SchedSetaffinity(pid, &set); err != nil {
			t.Fatal(err)
		}
		pids = append(pids, pid)
	}
	before, err := UseOf(pids[0])
	if err != nil {
		t.Fatal(err)
	}
	until(t, pids[0], "it waits", func(use Use, _ time.Duration) bool {
		ran, waited := use.Since(before)
		return ran > 0 && waited > ran
	})
}

func TestUseOfNoProcess(t *testing.T) {
	if _, err := UseOf(1 << 30); err == nil {
		t.Error("a process that does not exist was looked at")
	}
}

func TestParseStat(t *testing.T) {
	for _, tc := range []struct {
		raw   string
		state byte
		ran   time.Duration
	}{
		{"7 (a) S) R 1 7 7 0 -1 4 0 0 0 0 30 12 0 0 20 0", 'R', 420 * time.Millisecond},
		{"7 (sh) T 1 7 7 0 -1 4 0 0 0 0 1 x 0 0 20 0", 'T', 10 * time.Millisecond},
		{"7 (sh) S 1", 0, 0},
		{"", 0, 0},
	} {
		if state, got := parseStat([]byte(tc.raw)); state != tc.state || got.ran != tc.ran {
			t.Errorf("%q: %c, %v", tc.raw, state, got.ran)
		}
	}
	coarse := thread{ran: userTick}
	if got := parseSchedstat([]byte("5000 7000 3\n"), coarse); got.ran != 5000 || got.waited != 7000 {
		t.Errorf("schedstat: %+v", got)
	}
	for _, without := range []string{"0 0 0\n", "", "1"} {
		if got := parseSchedstat([]byte(without), coarse); got != coarse {
			t.Errorf("schedstat %q: %+v", without, got)
		}
	}
}
