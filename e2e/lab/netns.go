// SPDX-License-Identifier: Apache-2.0

package lab

import (
	"errors"
	"fmt"
	"os"
	"runtime"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// A Netns is an anonymous network namespace with a mount and a UTS namespace of its own. Only open files keep it alive, so
// it ends with the process that made it, however that ends.
type Netns struct {
	files []nsFile
}

// An nsFile is an open namespace and the kind it has.
type nsFile struct {
	file *os.File
	kind int
}

// NewNetns returns a network namespace in which the loopback interface is up and nothing else exists.
func NewNetns() (*Netns, error) {
	n := new(Netns)
	err := onThread(func() error {
		if err := unix.Unshare(hostNamespaces); err != nil {
			return fmt.Errorf("unshare network, mount and UTS namespace (needs root or lab.Main): %w", err)
		}
		if err := privateMounts(); err != nil {
			return err
		}
		if err := n.open(); err != nil {
			return err
		}
		return loopbackUp()
	})
	if err != nil {
		return nil, errors.Join(err, n.Close())
	}
	return n, nil
}

// privateMounts keeps what is mounted from now on in the mount namespace.
func privateMounts() error {
	if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""); err != nil {
		return fmt.Errorf("make mounts private: %w", err)
	}
	return nil
}

// open opens the namespaces of the calling thread.
func (n *Netns) open() error {
	for _, ns := range []struct {
		name string
		kind int
	}{
		{"net", unix.CLONE_NEWNET},
		{"mnt", unix.CLONE_NEWNS},
		{"uts", unix.CLONE_NEWUTS},
	} {
		file, err := os.Open("/proc/thread-self/ns/" + ns.name)
		if err != nil {
			return err
		}
		n.files = append(n.files, nsFile{file, ns.kind})
	}
	return nil
}

func loopbackUp() error {
	lo, err := netlink.LinkByName("lo")
	if err != nil {
		return fmt.Errorf("find lo: %w", err)
	}
	return netlink.LinkSetUp(lo)
}

// Do runs f inside the namespace, on a thread that ends afterwards. Sockets and processes that f makes stay in the
// namespace. Goroutines that f starts do not run in it, and f must not call [testing.T.FailNow].
func (n *Netns) Do(f func() error) error {
	return onThread(func() error {
		if err := n.enter(); err != nil {
			return err
		}
		return f()
	})
}

// enter moves the calling thread into the namespace.
func (n *Netns) enter() error {
	// A thread may only change its mount namespace when it shares its working directory with no other.
	if err := unix.Unshare(unix.CLONE_FS); err != nil {
		return fmt.Errorf("unshare working directory: %w", err)
	}
	for _, ns := range n.files {
		if err := unix.Setns(int(ns.file.Fd()), ns.kind); err != nil {
			return fmt.Errorf("enter %s: %w", ns.file.Name(), err)
		}
	}
	return nil
}

// handle returns the network namespace as netlink calls name it.
func (n *Netns) handle() int { return int(n.files[0].file.Fd()) }

// Close releases the namespace. It ends with its last process and socket.
func (n *Netns) Close() error {
	var errs []error
	for _, ns := range n.files {
		errs = append(errs, ns.file.Close())
	}
	return errors.Join(errs...)
}

// onThread runs f on a thread of its own, which ends with f and takes every change of namespace along. It returns when f
// did.
func onThread(f func() error) error {
	result := make(chan error, 1)
	go func() {
		defer close(result) // also when f ended its goroutine
		runtime.LockOSThread()
		// The first thread never ends and gives /proc/self its namespaces: keep it locked while another thread works.
		if unix.Gettid() == unix.Getpid() {
			defer runtime.UnlockOSThread()
			result <- onThread(f)
			return
		}
		result <- f()
	}()
	return <-result
}
