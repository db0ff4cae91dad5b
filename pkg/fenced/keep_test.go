// SPDX-License-Identifier: Apache-2.0

package fenced

import (
	"errors"
	"testing"

	"github.com/harbinger-ha/harbinger/pkg/address"
	"github.com/harbinger-ha/harbinger/pkg/fence"
	"github.com/harbinger-ha/harbinger/pkg/logging"
)

// refused is what New of a fence returns where the kernel has none.
var refused = &fence.Unavailable{Reason: "the kernel has no nf_tables"}

// Without a fence all goes on as it would with the lifetime alone; it is logged once, and the fence is tried again.
func TestWithoutAFence(t *testing.T) {
	h, a := newHost(t, false)
	must(t, a.Release())
	must(t, a.Close())
	h.since()
	h.fails["install:eth0"] = refused
	must(t, a.Acquire())
	h.want(t, "install:eth0 add")
	for range 3 {
		h.now = h.now.Add(lifetime / 4)
		must(t, a.Refresh())
		a.Check()
	}
	h.want(t, "refresh refresh refresh")
	if s := a.State(); s.Installed || s.Open || s.Reason != "no fence: the kernel has no nf_tables" {
		t.Errorf("state %+v", s)
	}
	h.now = h.now.Add(again)
	a.Check()
	h.says(t, logging.MsgFenceMissing, 1)
	h.now = h.now.Add(again)
	delete(h.fails, "install:eth0")
	h.since()
	a.Check()
	h.want(t, "install:eth0 open") // the addresses are held
	h.says(t, logging.MsgFenceThere, 1)
	if s := a.State(); !s.Open || s.Reason != "" {
		t.Errorf("state %+v", s)
	}
	must(t, a.Release())
	h.want(t, "remove shut disarm")
}

// A fence that fails beside held addresses is taken down: a live holder must not be shut out by it.
func TestFenceThatFailsIsTakenDown(t *testing.T) {
	down := errors.New("network is down")
	for step, act := range map[string]func(*Addresses) error{
		"renew": (*Addresses).Refresh,
		"check": func(a *Addresses) error { a.Check(); return nil },
		"links:lan0": func(a *Addresses) error {
			a.SetLinks([]string{"lan0"})
			return nil
		},
	} {
		h, a := acquired(t)
		h.fails[step] = &fence.Unavailable{Reason: "frames pass it by", Err: down}
		if err := act(a); err != nil || !a.Held() {
			t.Errorf("%s: error %v, held %t", step, err, a.Held())
		}
		h.want(t, step+" take-down")
		h.says(t, logging.MsgFenceMissing, 1)
		must(t, a.Refresh())
		h.want(t, "")
	}
}

// Where it cannot be taken down either, another node has to serve the clients.
func TestFenceThatFailsAndStays(t *testing.T) {
	h, a := acquired(t)
	h.fails["renew"], h.fails["take-down"] = errors.New("network is down"), errors.New("operation not permitted")
	if err := a.Refresh(); !errors.Is(err, address.ErrLate) || a.Held() {
		t.Errorf("error %v, held %t", err, a.Held())
	}
	h.want(t, "renew take-down remove")
	h, a = newHost(t, false)
	h.since()
	h.fails["open"], h.fails["take-down"] = errors.New("network is down"), errors.New("operation not permitted")
	if err := a.Acquire(); err == nil || a.Held() {
		t.Errorf("error %v, held %t", err, a.Held())
	}
	h.want(t, "shut add open take-down remove")
	h, a = newHost(t, false)
	h.since()
	h.fails["shut"], h.fails["take-down"] = errors.New("network is down"), errors.New("operation not permitted")
	if err := a.Acquire(); err == nil || a.Held() {
		t.Errorf("error %v, held %t", err, a.Held())
	}
	h.want(t, "shut take-down remove")
}

// What somebody has removed is put back without anything else.
func TestFenceThatWasPutBack(t *testing.T) {
	h, a := acquired(t)
	h.fails["renew"], h.fails["check"] = fence.ErrReplaced, fence.ErrReplaced
	must(t, a.Refresh())
	a.Check()
	h.want(t, "renew check")
	h.says(t, logging.MsgFenceReplaced, 2)
	if s := a.State(); s.PutBack != 2 || !s.Open || s.Reason != "" {
		t.Errorf("state %+v", s)
	}
	h.fails["check"] = fence.ErrLate
	a.Check() // the next renewal says so
	if !a.Held() || !a.State().Open {
		t.Error("a look has ended what the election holds")
	}
}

// Links that the fence cannot be put on are tried again.
func TestLinksAreTriedAgain(t *testing.T) {
	h, a := acquired(t)
	h.fails["links:lan0"] = errors.New("no such device")
	a.SetLinks([]string{"lan0"})
	a.Check()
	h.want(t, "links:lan0 links:lan0 check")
	if s := a.State(); s.Reason != "no such device" || !s.Open {
		t.Errorf("state %+v", s)
	}
	h.says(t, logging.MsgFenceMissing, 1)
	delete(h.fails, "links:lan0")
	a.Check()
	a.Check()
	h.want(t, "links:lan0 check check")
	h.says(t, logging.MsgFenceThere, 1)
	if s := a.State(); s.Reason != "" {
		t.Errorf("state %+v", s)
	}
}
