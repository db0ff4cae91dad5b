// SPDX-License-Identifier: Apache-2.0

// Package fenced has the virtual addresses of this host behind its fence, and gives the control loop both as one.
//
// The addresses (package address) live on in the kernel for a second and more when the process is killed or frozen. The fence (package
// fence) is a filter that lets frames for them in only while it is renewed, so that such a host is off the wire within its timeout, some
// advertisement intervals sooner. The lifetime of the addresses is the second line, and the only one where the kernel takes no fence.
//
// The order makes it safe: the fence is closed before the addresses are added and opened as the last step of that; it is closed again after
// they are removed. A fence that was not renewed in time is never opened by a renewal: the addresses are removed, as another node may have
// them already.
package fenced

import (
	"errors"
	"sync"
	"time"

	"github.com/go-logr/logr"

	"github.com/harbinger-ha/harbinger/pkg/address"
	"github.com/harbinger-ha/harbinger/pkg/fence"
	"github.com/harbinger-ha/harbinger/pkg/logging"
)

// Kernel are the virtual addresses in the kernel: *address.Addresses.
type Kernel interface {
	Acquire() error
	Refresh() error
	Release() error
	ReleaseOwn() error
	Held() bool
}

// Fence keeps frames for the virtual addresses out: *fence.Fence. Its methods may be called from several goroutines, and Renew waits for
// none of the others.
type Fence interface {
	Open() error
	Renew() error
	Shut() error
	Resolve(answered bool) error
	Asked() (bool, error)
	Disarm() error
	SetLinks([]string) error
	Check() error
	Close() error
}

// Config is what Addresses work with.
type Config struct {
	Log    logr.Logger
	Kernel Kernel
	// Install returns the fence on some links, closed. Links are those at the start.
	Install func(links []string) (Fence, error)
	Links   []string
	// Table is the name of its table, and Timeout how long it stays open without a renewal.
	Table   string
	Timeout time.Duration
	// Lifetime is how long the kernel keeps an address without a refresh.
	Lifetime time.Duration
	// Spare says that another program may have the addresses on this host, whose clients no fence may keep out: there is none before the
	// first Acquire or Release.
	Spare bool
	// Now is the clock of the lifetime. It must go on while the host is suspended.
	Now func() time.Time
}

// Addresses are the virtual addresses behind the fence. They implement control.Addresses. The methods may be called from several
// goroutines.
type Addresses struct {
	cfg Config

	mu        sync.Mutex
	fence     Fence // nil: there is none
	open      bool  // the fence was opened, and not closed since
	refuses   bool  // questions for the addresses were not to be answered, when it was said last
	spares    bool
	refreshed time.Time // when the last refresh of the kernel began
	unclean   bool      // an address may be there that was to be removed
	links     []string
	unlinked  error // why the fence is not on its links; nil: it is
	reason    string
	tryAt     time.Time // when it is installed the next time, where there is none
	putBack   int
	budget    logging.Budget // of the lines that say so
}

// New returns the addresses without touching the host: call Release or ReleaseOwn first, for what a crash may have left.
func New(cfg Config) *Addresses { return &Addresses{cfg: cfg, spares: cfg.Spare, links: cfg.Links} }

// Held reports whether the addresses were acquired and neither released nor found late since.
func (a *Addresses) Held() bool { return a.cfg.Kernel.Held() }

// Acquire adds the addresses behind the closed fence, then opens it. After an error none of the addresses is there.
func (a *Addresses) Acquire() error {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.spares = false
	if a.Held() && a.open { // it serves: what is missing in the kernel is added again
		if err := a.renew(); err != nil {
			return err
		}
		return a.add()
	}
	if a.fence == nil {
		a.install()
	} else if err := a.shut(); err != nil {
		return err
	}
	if err := a.add(); err != nil || a.fence == nil {
		return err
	}
	a.open = true
	if err := a.fence.Open(); err != nil {
		return a.lose(err)
	}
	return nil
}

// Refresh renews the fence with each call, and the lifetime in the kernel when a quarter of it has passed. What comes too late for the
// one or the other returns address.ErrLate, and the addresses are no longer held.
func (a *Addresses) Refresh() error {
	a.mu.Lock()
	defer a.mu.Unlock()
	if !a.Held() {
		return address.ErrNotHeld
	}
	if err := a.renew(); err != nil {
		return err
	}
	began := a.cfg.Now()
	if began.Sub(a.refreshed) < a.cfg.Lifetime/4 {
		return nil
	}
	err := a.cfg.Kernel.Refresh()
	switch {
	case err == nil:
		a.refreshed = began
	case !a.Held():
		err = errors.Join(err, a.shut())
	}
	return err
}

// Resolve says whether questions of address resolution for the addresses are answered while they are held, until the next time that
// they are acquired. Without a fence they always are.
func (a *Addresses) Resolve(answered bool) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.refuses = !answered; a.fence == nil || !a.open {
		return nil
	}
	if err := a.fence.Resolve(answered); err != nil && !errors.Is(err, fence.ErrShut) { // the next renewal finds that it has closed
		return a.lose(err)
	}
	return nil
}

// Release removes the addresses, whoever added them, and closes the fence. It may be called at any time and again.
func (a *Addresses) Release() error {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.spares = false
	if a.fence == nil && !a.Held() { // what a crash has left must not answer until it is removed
		a.install()
	}
	return a.release()
}

// ReleaseOwn removes the addresses but for those that another program has added, then the fence, which would keep the clients of that
// program out.
func (a *Addresses) ReleaseOwn() error {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.spares = true
	err := a.cfg.Kernel.ReleaseOwn()
	if a.unclean = err != nil; a.unclean {
		return errors.Join(err, a.shut())
	}
	return a.remove()
}

// add adds the addresses, or removes them again.
func (a *Addresses) add() error {
	began := a.cfg.Now()
	if err := a.cfg.Kernel.Acquire(); err != nil {
		return errors.Join(err, a.shut())
	}
	a.refreshed = began
	return nil
}

// release removes the addresses, then closes the fence. Where all are gone nothing is left to be kept from answering: it lets pass what
// is on its way to another host that has them.
func (a *Addresses) release() error {
	err := a.cfg.Kernel.Release()
	a.unclean = err != nil
	if err := errors.Join(err, a.shut()); err != nil || a.fence == nil {
		return err
	}
	return a.fence.Disarm()
}

// renew keeps the fence open.
func (a *Addresses) renew() error {
	if a.fence == nil {
		return nil
	}
	err := a.fence.Renew()
	switch {
	case err == nil:
		return nil
	case errors.Is(err, fence.ErrLate), errors.Is(err, fence.ErrShut): // a look at it may have found that first
		return errors.Join(address.ErrLate, a.release())
	case errors.Is(err, fence.ErrReplaced):
		a.notePutBack()
		return nil
	}
	return a.lose(err)
}

// shut closes the fence, if there is one.
func (a *Addresses) shut() error {
	a.open = false
	if a.fence == nil {
		return nil
	}
	if err := a.fence.Shut(); err != nil {
		return a.lose(err)
	}
	return nil
}
