// SPDX-License-Identifier: Apache-2.0

package fenced

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/harbinger-ha/harbinger/pkg/address"
	"github.com/harbinger-ha/harbinger/pkg/fault"
	"github.com/harbinger-ha/harbinger/pkg/fence"
	"github.com/harbinger-ha/harbinger/pkg/logging"
)

// again is how long a fence that cannot be had is not tried again.
const again = 10 * time.Second

// State is what the fence is now.
type State struct {
	Table   string
	Timeout time.Duration
	// Installed says that the fence is there, Open that it lets frames in.
	Installed, Open bool
	// Spared says that there is none as another program may have the addresses on this host.
	Spared bool
	// Reason says why there is none, or why it is not on its links. Empty: all is well.
	Reason string
	Links  []string // that it is on
	// PutBack is how often somebody had removed it.
	PutBack int
}

// State returns what the fence is now.
func (a *Addresses) State() State {
	a.mu.Lock()
	defer a.mu.Unlock()
	s := State{
		Table: a.cfg.Table, Timeout: a.cfg.Timeout, Installed: a.fence != nil, Open: a.open, Spared: a.spares, Reason: a.reason, Links: a.links, PutBack: a.putBack,
	}
	if a.unlinked != nil {
		s.Reason = fault.Words(a.unlinked)
	}
	return s
}

// SetLinks has the fence on these links from now on. It is to be called after every change of a link, also where their names are the
// same: the kernel forgets a fence with the device, and with its name.
func (a *Addresses) SetLinks(links []string) {
	a.mu.Lock()
	a.links = slices.Clone(links)
	f := a.fence
	a.mu.Unlock()
	if f != nil {
		a.linked(f, f.SetLinks(links)) // without the lock: no renewal waits for it
	}
}

// linked notes whether a fence is on its links.
func (a *Addresses) linked(f Fence, err error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.fence != f || errors.Is(err, fence.ErrLate) { // it is gone, or the next renewal finds that it is late
		return
	}
	if _, unavailable := errors.AsType[*fence.Unavailable](err); unavailable {
		_ = a.lose(err)
		return
	}
	if before := a.unlinked; err != nil && (before == nil || fault.Words(before) != fault.Words(err)) {
		logging.Warn(a.cfg.Log, logging.MsgFenceMissing, logging.KeyReason, fault.Words(err))
	} else if err == nil && before != nil {
		a.cfg.Log.Info(logging.MsgFenceThere)
	}
	a.unlinked = err
}

// Asked reports whether somebody has asked for an address since such questions are not answered.
func (a *Addresses) Asked() bool {
	a.mu.Lock()
	f, refuses := a.fence, a.refuses
	a.mu.Unlock()
	if f == nil || !refuses {
		return false
	}
	asked, err := f.Asked()
	return asked && err == nil // what cannot be read is seen by Check
}

// Check sees once a second whether all of the fence is there, and puts back what is not. Where there is none, it is tried again from
// time to time.
func (a *Addresses) Check() {
	a.mu.Lock()
	f, unlinked, links := a.fence, a.unlinked, a.links
	if f == nil && !a.spares {
		a.reinstall()
	}
	a.mu.Unlock()
	if f == nil {
		return
	}
	if unlinked != nil {
		a.linked(f, f.SetLinks(links))
	}
	err := f.Check()
	a.mu.Lock()
	defer a.mu.Unlock()
	switch {
	case err == nil || a.fence != f || errors.Is(err, fence.ErrLate): // the next renewal finds that it is late
	case errors.Is(err, fence.ErrReplaced):
		a.notePutBack()
	default:
		_ = a.lose(err)
	}
}

// reinstall installs a fence before addresses that are held without one.
func (a *Addresses) reinstall() {
	a.install()
	if a.fence == nil || !a.Held() {
		return
	}
	a.open = true
	if err := a.fence.Open(); err != nil {
		_ = a.lose(err)
	}
}

// Close removes the fence at the planned end of the process. Where an address may be left, the closed fence stays: it ends by itself
// some seconds after the address.
func (a *Addresses) Close() error {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.unclean || a.Held() {
		return a.shut()
	}
	return a.remove()
}

// install installs the fence, closed, unless that has failed a moment ago.
func (a *Addresses) install() {
	now := a.cfg.Now()
	if now.Before(a.tryAt) {
		return
	}
	f, err := a.cfg.Install(a.links)
	if err != nil {
		a.missing(err)
		return
	}
	if a.reason != "" {
		a.cfg.Log.Info(logging.MsgFenceThere)
	}
	a.fence, a.open, a.unlinked, a.reason = f, false, nil, ""
}

// missing notes why there is no fence.
func (a *Addresses) missing(err error) {
	a.tryAt = a.cfg.Now().Add(again)
	if words := fault.Words(err); words != a.reason {
		a.reason = words
		logging.Warn(a.cfg.Log, logging.MsgFenceMissing, logging.KeyReason, words)
	}
}

// lose goes on without a fence that cannot be opened, renewed or closed. Where it cannot be removed either, it may keep the clients of
// the addresses out: they are removed, for another node to take them.
func (a *Addresses) lose(err error) error {
	a.missing(err)
	removed := a.remove()
	if removed == nil {
		return nil
	}
	released := a.cfg.Kernel.Release()
	a.unclean = released != nil
	return errors.Join(address.ErrLate, fmt.Errorf("the fence could neither be used nor removed: %w", err), removed, released)
}

// remove removes the fence, if there is one.
func (a *Addresses) remove() error {
	f := a.fence
	a.fence, a.open, a.unlinked = nil, false, nil
	if f == nil {
		return nil
	}
	return f.Close()
}

// notePutBack notes that somebody had removed the fence, and that it was put back.
func (a *Addresses) notePutBack() {
	a.putBack++
	if a.budget.Admit(a.cfg.Now()) {
		logging.Warn(a.cfg.Log, logging.MsgFenceReplaced)
	}
}
