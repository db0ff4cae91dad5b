// SPDX-License-Identifier: Apache-2.0

package fence

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"runtime"
	"slices"
	"syscall"
	"testing"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/harbinger-ha/harbinger/e2e/lab"
	"github.com/harbinger-ha/harbinger/e2e/lab/labtest"
)

// keeper is what the keeper role does.
type keeper struct {
	Timeout, Every time.Duration
	Drop           []int // capabilities that it does without
	Sandboxed      bool  // the kernel refuses it sockets to nf_tables
}

// keeperRole is a process that has a fence, opens it and renews it until it is late.
var keeperRole = lab.Role{Name: "keeper", Main: func(args []string) int {
	if err := keep(args[0]); err != nil {
		fmt.Println("error:", err)
		return 1
	}
	return 0
}}

func keep(encoded string) error {
	var k keeper
	if err := json.Unmarshal([]byte(encoded), &k); err != nil {
		return err
	}
	if len(k.Drop) > 0 {
		return k.without()
	}
	if k.Sandboxed {
		if err := sandbox(); err != nil {
			return err
		}
	}
	f, err := New(complete(Config{Timeout: k.Timeout}))
	if u := (*Unavailable)(nil); errors.As(err, &u) {
		fmt.Println("unavailable:", u.Reason)
	}
	if err == nil {
		err = f.Open()
	}
	if err != nil {
		return err
	}
	fmt.Println("open")
	for err == nil {
		time.Sleep(k.Every)
		err = f.Renew()
	}
	fmt.Println(err)
	time.Sleep(aWhile) // the table stays
	return nil
}

// without starts the program again without some capabilities.
func (k keeper) without() error {
	runtime.LockOSThread() // the bounding set is the thread's, and exec takes it over
	for _, c := range k.Drop {
		if err := unix.Prctl(unix.PR_CAPBSET_DROP, uintptr(c), 0, 0, 0); err != nil {
			return err
		}
	}
	k.Drop = nil
	encoded, err := json.Marshal(k)
	if err != nil {
		return err
	}
	return syscall.Exec("/proc/self/exe", []string{os.Args[0], string(encoded)}, os.Environ())
}

// start starts a keeper and waits until it has written something.
func (k keeper) start(t testing.TB, h *lab.Host) *lab.Process {
	t.Helper()
	encoded, err := json.Marshal(k)
	must(t, err)
	p, err := h.Start(keeperRole.Command(string(encoded)))
	must(t, err)
	labtest.Until(t, 10*time.Second, "the keeper has begun", func() bool { return p.Wrote("\n") })
	return p
}

// opens starts a keeper that opens its fence.
func (k keeper) opens(t testing.TB, h *lab.Host) *lab.Process {
	t.Helper()
	p := k.start(t, h)
	if !p.Wrote("open") {
		t.Fatal(p.Output())
	}
	return p
}

// A death is never noticed later than the timeout, of whatever kind the question is. The clock of the kernel stamps the answers.
func TestDeath(t *testing.T) {
	const slack = 100 * time.Millisecond // the signal reaches a process on a busy machine late, and so does the end of a renewal
	for _, timeout := range []time.Duration{Least, 400 * time.Millisecond} {
		for _, death := range []struct {
			name string
			die  func(*lab.Process) error
		}{{"SIGKILL", func(p *lab.Process) error { return p.Signal(unix.SIGKILL) }}, {"SIGSTOP", (*lab.Process).Freeze}} { // not Kill, which waits for the end
			t.Run(fmt.Sprintf("%s %s", timeout, death.name), func(t *testing.T) {
				s := newScene(t)
				p := keeper{Timeout: timeout, Every: timeout / 4}.start(t, s.host)
				stop := s.asker.every(2 * time.Millisecond)
				before := s.asker.counts()
				labtest.Until(t, 5*time.Second, "all is answered", func() bool {
					now := s.asker.counts()
					return !slices.ContainsFunc(questions, func(q string) bool { return now[q] == before[q] }) || p.Wrote(ErrLate.Error())
				})
				if p.Wrote(ErrLate.Error()) {
					t.Skip("this machine is too busy for a process with this timeout")
				}
				must(t, death.die(p))
				dead := time.Now()
				labtest.Until(t, 10*time.Second, "the host was asked for long enough", func() bool { return time.Since(dead) > timeout+2*slack })
				stop()
				s.asker.settle(t)
				text, latest := s.asker.after(dead)
				t.Log(text)
				if latest > timeout+slack {
					t.Errorf("the last answer came %s after the death", latest)
				}
				s.asker.wantClosed(t)
			})
		}
	}
}

// A frozen process that goes on opens nothing, and says that it was late.
func TestThaw(t *testing.T) {
	s := newScene(t)
	p := keeper{Timeout: 200 * time.Millisecond, Every: time.Millisecond}.opens(t, s.host)
	must(t, p.Freeze())
	labtest.Until(t, 10*time.Second, "the fence has closed", func() bool { return s.asker.isClosed(t) })
	must(t, p.Thaw())
	labtest.Until(t, 10*time.Second, "the process has noticed", func() bool { return p.Wrote(ErrLate.Error()) })
	s.asker.wantClosed(t)
}

// Ten seconds after the death of the process nothing is fenced any more: another program may have the address.
func TestDisarmsItself(t *testing.T) {
	t.Parallel()
	s := newScene(t)
	p := keeper{Timeout: 100 * time.Millisecond, Every: 20 * time.Millisecond}.start(t, s.host)
	must(t, p.Kill())
	dead := time.Now()
	labtest.Until(t, 5*time.Second, "the fence has closed", func() bool { return s.asker.isClosed(t) })
	labtest.Until(t, 2*Disarm, "the address is answered again", func() bool { return !s.asker.isClosed(t) })
	if at := time.Since(dead); at < Disarm-500*time.Millisecond {
		t.Errorf("disarmed after %s", at)
	}
	s.asker.wantOpen(t)
}

// Who comes after a killed process takes its table over, closed; beside a living or frozen one it may not.
func TestAdoption(t *testing.T) {
	s := newScene(t)
	p := keeper{Timeout: aWhile, Every: 10 * time.Millisecond}.opens(t, s.host)
	refused := func(when string) {
		t.Helper()
		if _, err := tryFence(s.host, Config{}); !errors.Is(err, ErrOwned) {
			t.Errorf("a second fence beside %s process: %v", when, err)
		}
		must(t, s.host.Do(func() error {
			if err := Remove(tableName); !errors.Is(err, ErrOwned) {
				t.Errorf("removal beside %s process: %v", when, err)
			}
			return nil
		}))
	}
	refused("a living")
	s.asker.wantOpen(t)
	must(t, p.Freeze())
	refused("a frozen")
	must(t, p.Kill())
	s.asker.settle(t)

	f := newFence(t, s.host, Config{Addresses: complete(Config{}).Addresses[:1], Timeout: time.Minute})
	before := s.asker.counts()
	for range 5 {
		s.asker.ask()
	}
	s.asker.settle(t)
	if now := s.asker.counts(); now[askARP] != before[askARP] || now[askEcho] != before[askEcho] {
		t.Error("the fence that was taken over is not closed")
	}
	must(t, f.Open())
	s.asker.wantOpen(t)
}

// What has the name of the table goes, whatever it is.
func TestReplacesOtherTables(t *testing.T) {
	s := newScene(t)
	must(t, labtest.Nft(s.host, `table netdev `+tableName+` { set alive4 { type mark; }; chain ingress { type filter hook ingress device "lo" priority 0; policy drop; }; }`))
	f := newFence(t, s.host, Config{})
	s.asker.wantClosed(t)
	must(t, f.Close())

	dead, err := tryFence(s.host, Config{})
	must(t, err)
	makePlain(t, dead)
	must(t, dead.hangUp()) // a process on an older kernel was killed
	newFence(t, s.host, Config{})
	s.asker.wantClosed(t)
}

// What a process is refused it says, and the address is served without a fence.
func TestUnavailable(t *testing.T) {
	for _, test := range []struct {
		name   string
		keeper keeper
		want   string
	}{
		{"without NET_ADMIN", keeper{Drop: []int{unix.CAP_NET_ADMIN}}, "CAP_NET_ADMIN"},
		{"without NET_RAW", keeper{Drop: []int{unix.CAP_NET_RAW}}, "CAP_NET_RAW"},
		{"without system calls", keeper{Sandboxed: true}, "no socket to nf_tables"},
	} {
		t.Run(test.name, func(t *testing.T) {
			s := newScene(t)
			test.keeper.Timeout, test.keeper.Every = aWhile, time.Second
			p := test.keeper.start(t, s.host)
			if !p.Wrote("unavailable: ") || !p.Wrote(test.want) {
				t.Errorf("it says %s", p.Output())
			}
			s.asker.wantOpen(t)
		})
	}
}

// sandbox is a filter of system calls as container runtimes set it: there are no sockets to nf_tables.
func sandbox() error {
	const number, family, protocol = 0, 16, 32 // in struct seccomp_data of linux/seccomp.h
	load := func(offset uint32) unix.SockFilter {
		return unix.SockFilter{Code: unix.BPF_LD | unix.BPF_W | unix.BPF_ABS, K: offset}
	}
	unless := func(value uint32, skip uint8) unix.SockFilter {
		return unix.SockFilter{Code: unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K, K: value, Jf: skip}
	}
	program := []unix.SockFilter{
		load(number), unless(unix.SYS_SOCKET, 5), load(family), unless(unix.AF_NETLINK, 3), load(protocol), unless(unix.NETLINK_NETFILTER, 1),
		{Code: unix.BPF_RET | unix.BPF_K, K: unix.SECCOMP_RET_ERRNO | uint32(unix.EPERM)},
		{Code: unix.BPF_RET | unix.BPF_K, K: unix.SECCOMP_RET_ALLOW},
	}
	if err := unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); err != nil {
		return err
	}
	filter := unix.SockFprog{Len: uint16(len(program)), Filter: &program[0]}
	_, _, errno := unix.Syscall(unix.SYS_SECCOMP, unix.SECCOMP_SET_MODE_FILTER, unix.SECCOMP_FILTER_FLAG_TSYNC, uintptr(unsafe.Pointer(&filter)))
	if errno != 0 {
		return errno
	}
	return nil
}

func TestTables(t *testing.T) {
	s := newScene(t)
	p := keeper{Timeout: aWhile, Every: time.Second}.opens(t, s.host)
	must(t, p.Kill())
	must(t, labtest.Nft(s.host, "table netdev other { }"))
	must(t, s.host.Do(func() error {
		names, err := Tables()
		if err != nil {
			return err
		}
		if !slices.Equal(names, []string{tableName}) {
			t.Errorf("tables %v", names)
		}
		if err := errors.Join(Remove(tableName), Remove(tableName)); err != nil {
			t.Error(err)
		}
		names, err = Tables()
		if len(names) != 0 {
			t.Errorf("tables %v after the removal", names)
		}
		return err
	}))
	s.asker.wantOpen(t)
}
