// SPDX-License-Identifier: Apache-2.0

package lab

import (
	"errors"
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// selfVariable says that this program runs in namespaces of its own.
const selfVariable = "HARBINGER_LAB_SELF"

// hostNamespaces are those that make a host.
const hostNamespaces = unix.CLONE_NEWNET | unix.CLONE_NEWNS | unix.CLONE_NEWUTS

// MainInHost is [Main] for a program that is a host of its lab itself: [Lab.AddSelf] plugs it in. All its goroutines run in
// the host, which those of [Netns.Do] do not, so that a test can run a whole product in its own process.
func MainInHost(run func() int, roles ...Role) int {
	if name := os.Getenv(roleVariable); name != "" {
		return play(name, roles)
	}
	if os.Getenv(selfVariable) == "" {
		return rerun(hostNamespaces, selfVariable+"=1")
	}
	if err := errors.Join(privateMounts(), loopbackUp()); err != nil {
		return fail(err)
	}
	return Main(run, roles...)
}

// AddSelf plugs this program itself into the lab, once. It must have been started by [MainInHost].
func (l *Lab) AddSelf(name string, number uint8) (*Host, error) {
	if os.Getenv(selfVariable) == "" {
		return nil, errors.New("this program is no host: start it with lab.MainInHost")
	}
	ns := new(Netns)
	if err := onThread(ns.open); err != nil {
		return nil, errors.Join(fmt.Errorf("open the own namespaces: %w", err), ns.Close())
	}
	return l.addHost(ns, name, number)
}
