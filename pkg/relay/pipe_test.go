// SPDX-License-Identifier: Apache-2.0

package relay

import (
	"runtime"
	"sync"
	"testing"

	"golang.org/x/sys/unix"
)

func TestPipes(t *testing.T) {
	before := descriptors(t)
	var p pipes
	var lent []pipe
	for range mostPipes {
		if !p.ready() {
			t.Fatalf("pipe %d is not ready", len(lent))
		}
		taken, ok := p.take()
		if !ok || !taken.valid() {
			t.Fatalf("there are %d pipes only", len(lent))
		}
		lent = append(lent, taken)
	}
	if _, ok := p.take(); ok || p.ready() || p.all != mostPipes {
		t.Errorf("there are %d pipes, want %d at most", p.all, mostPipes)
	}
	dirty, clean := lent[0], lent[1:]
	_, errno := write(dirty.w, []byte("x"))
	if errno != 0 {
		t.Fatal(errno)
	}
	p.give(dirty, false)
	for _, back := range clean {
		p.give(back, true)
	}
	if p.all != keptPipes || len(p.free) != keptPipes {
		t.Errorf("%d pipes are kept, %d are free, want %d", p.all, len(p.free), keptPipes)
	}
	for range keptPipes + 1 {
		taken, ok := p.take()
		if n, err := unix.Read(int(taken.r), make([]byte, 1)); !ok || err != unix.EAGAIN {
			t.Errorf("a pipe has %d bytes of another connection (%v)", n, err)
		}
		p.give(taken, true)
	}
	if p.trim(); p.all != 1 || descriptors(t) != before+2 {
		t.Errorf("%d pipes and %d descriptors are left, %d before", p.all, descriptors(t), before)
	}
	if p.close(); descriptors(t) != before {
		t.Errorf("%d descriptors, %d before", descriptors(t), before)
	}
}

// nobodysUser is a user that has no process.
const nobodysUser = 54321

// asUser calls do in a thread that has neither a privilege nor the user of this process. The thread ends with it.
func asUser(t testing.TB, do func()) {
	t.Helper()
	var wait sync.WaitGroup
	wait.Go(func() {
		runtime.LockOSThread() // for good
		if _, _, errno := unix.RawSyscall(unix.SYS_SETRESUID, nobodysUser, nobodysUser, nobodysUser); errno != 0 {
			t.Error(errno)
			return
		}
		do()
	})
	wait.Wait()
}

// A kernel gives a user without privileges who has many pipes smaller ones (pipe(7), pipe-user-pages-soft): one that would not hold
// what a worker has read is of no use.
func TestPipesHoldABuffer(t *testing.T) {
	asUser(t, func() {
		for range 100 { // workers
			var p pipes
			for range mostPipes {
				taken, ok := p.take()
				if !ok {
					return // the kernel gives no more
				}
				defer taken.close()
				if n, errno := write(taken.w, make([]byte, bufferSize)); n != bufferSize {
					t.Errorf("a pipe took %d bytes of %d (%v)", n, bufferSize, errno)
					return
				}
			}
		}
		t.Error("the kernel gives as many pipes as one wants")
	})
}
