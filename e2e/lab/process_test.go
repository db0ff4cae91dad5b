// SPDX-License-Identifier: Apache-2.0

package lab

import (
	"bufio"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// survivorRole makes a lab with a process in it, prints its ID and waits.
var survivorRole = Role{"survivor", func([]string) int {
	l, err := New(Config{Nodes: 1})
	if err != nil {
		return fail(err)
	}
	p, err := l.Hosts()[0].Start(Command{Path: "sleep", Args: []string{"60"}})
	if err != nil {
		return fail(err)
	}
	fmt.Println(p.PID())
	<-p.Done()
	return 0
}}

// alive reports whether a process exists and is no zombie.
func alive(pid int) bool { return state(pid) != 'Z' }

// state returns the state letter of a process; Z also when there is none.
func state(pid int) byte {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return 'Z'
	}
	_, after, _ := strings.Cut(string(stat), ") ")
	return after[0]
}

// startShell runs a script of the shell in a new lab's host.
func startShell(t *testing.T, script string) *Process {
	t.Helper()
	l := newLab(t, Config{Nodes: 1})
	p, err := l.Hosts()[0].Start(Command{Path: "sh", Args: []string{"-c", script}})
	must(t, err)
	return p
}

func TestNothingSurvivesTheKillOfItsMaker(t *testing.T) {
	c := survivorRole.Command()
	cmd := exec.Command(c.Path)
	cmd.Env = append(os.Environ(), c.Env...)
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	must(t, err)
	must(t, cmd.Start())
	line, err := bufio.NewReader(out).ReadString('\n')
	must(t, err)
	pid, err := strconv.Atoi(strings.TrimSpace(line))
	must(t, err)
	must(t, cmd.Process.Kill())
	cmd.Wait()
	must(t, Until(5*time.Second, "the process in the lab is gone", func() bool { return !alive(pid) }))
}

func TestKillTakesTheChildren(t *testing.T) {
	p := startShell(t, "sleep 60 & echo $!; wait")
	must(t, Until(5*time.Second, "the shell names its child", func() bool { return p.Wrote("\n") }))
	child, err := strconv.Atoi(strings.TrimSpace(p.Output()))
	must(t, err)
	if got := p.Children(); !slices.Equal(got, []int{child}) {
		t.Errorf("children = %v, want %d", got, child)
	}
	must(t, p.Kill())
	must(t, Until(5*time.Second, "the child is gone", func() bool { return !alive(child) }))
	if err := p.Wait(0); err == nil {
		t.Error("a killed process ended well")
	}
}

func TestFreezeAndThaw(t *testing.T) {
	p := startShell(t, "exec sleep 60") // without exec the shell waits in vfork, where it cannot be stopped
	must(t, p.Freeze())
	must(t, Until(5*time.Second, "the process stands still", func() bool { return state(p.PID()) == 'T' }))
	must(t, p.Thaw())
	must(t, Until(5*time.Second, "the process goes on", func() bool { return state(p.PID()) != 'T' }))
	must(t, p.Freeze())
	must(t, p.Kill()) // also when frozen
}

func TestTerminateLetsTheProcessEnd(t *testing.T) {
	p := startShell(t, "trap 'echo bye; exit 3' TERM; echo ready; while :; do sleep 0.01; done")
	must(t, Until(5*time.Second, "the trap is set", func() bool { return p.Wrote("ready") }))
	if err := p.Wait(0); !errors.Is(err, ErrStillRuns) {
		t.Errorf("wait for a process that runs = %v", err)
	}
	must(t, p.Terminate())
	err := p.Wait(5 * time.Second)
	if exit := new(exec.ExitError); !errors.As(err, &exit) || exit.ExitCode() != 3 {
		t.Errorf("end = %v, want exit code 3", err)
	}
	if !p.Wrote("bye") {
		t.Errorf("output = %q", p.Output())
	}
	if err := p.Signal(syscall.SIGTERM); !errors.Is(err, os.ErrProcessDone) {
		t.Errorf("signal after the end = %v", err)
	}
}

func TestStartOfNothing(t *testing.T) {
	l := newLab(t, Config{Nodes: 1})
	_, err := l.Hosts()[0].Start(Command{Path: "/no/such/program"})
	if err == nil || !strings.Contains(err.Error(), "/no/such/program in node1") {
		t.Errorf("error = %v", err)
	}
}

func TestThrottle(t *testing.T) {
	l := newLab(t, Config{Nodes: 1})
	for _, test := range []struct {
		script string
		busy   bool
	}{
		{"while :; do :; done", true},
		{"sleep 100", false},
	} {
		p, err := l.Hosts()[0].Start(Command{Path: "sh", Args: []string{"-c", test.script}})
		must(t, err)
		end, err := Throttle(p.PID(), 10)
		if errors.Is(err, fs.ErrPermission) {
			t.Skip("the right to make control groups is missing: ", err)
		}
		must(t, err)
		time.Sleep(500 * time.Millisecond) // some periods
		if err := end(); (err == nil) != test.busy {
			t.Errorf("%s: end of the throttle = %v, want an error: %v", test.script, err, !test.busy)
		}
		must(t, p.Kill())
	}
}
