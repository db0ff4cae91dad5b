// SPDX-License-Identifier: Apache-2.0

package fenced

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/go-logr/logr/funcr"

	"github.com/harbinger-ha/harbinger/pkg/address"
	"github.com/harbinger-ha/harbinger/pkg/fence"
)

const (
	lifetime = 2 * time.Second
	beat     = 100 * time.Millisecond
)

// host plays the kernel: it notes what is done to the addresses and to the fence, in one order, and what is to fail.
type host struct {
	now   time.Time
	did   []string
	fails map[string]error
	held  bool
	asked bool // for an address that is refused
	lines []string
}

func (h *host) do(what string) error {
	h.did = append(h.did, what)
	return h.fails[what]
}

// since returns what was done since the last call.
func (h *host) since() string {
	did := strings.Join(h.did, " ")
	h.did = nil
	return did
}

// kernel are its addresses.
type kernel struct{ *host }

func (k kernel) Held() bool { return k.held }

func (k kernel) Acquire() error {
	err := k.do("add")
	k.held = err == nil
	return err
}

func (k kernel) Refresh() error {
	err := k.do("refresh")
	k.held = !errors.Is(err, address.ErrLate)
	return err
}

func (k kernel) Release() error {
	k.held = false
	return k.do("remove")
}

func (k kernel) ReleaseOwn() error {
	k.held = false
	return k.do("remove-own")
}

// wall is its fence.
type wall struct{ *host }

func (w wall) Open() error  { return w.do("open") }
func (w wall) Renew() error { return w.do("renew") }
func (w wall) Shut() error  { return w.do("shut") }
func (w wall) Check() error { return w.do("check") }
func (w wall) Close() error { return w.do("take-down") }
func (w wall) Resolve(answered bool) error {
	return w.do(fmt.Sprintf("resolve:%t", answered))
}
func (w wall) Asked() (bool, error) { return w.asked, w.do("asked") }
func (w wall) Disarm() error {
	return w.do("disarm")
}
func (w wall) SetLinks(links []string) error { return w.do("links:" + strings.Join(links, ",")) }

// newHost returns addresses behind a fence, as they are after the start.
func newHost(t *testing.T, spare bool) (*host, *Addresses) {
	t.Helper()
	h := &host{now: time.Now(), fails: map[string]error{}}
	a := New(Config{
		Log:    funcr.New(func(_, line string) { h.lines = append(h.lines, line) }, funcr.Options{}),
		Kernel: kernel{h}, Table: "harbinger-51", Timeout: 2 * beat, Lifetime: lifetime, Spare: spare, Links: []string{"eth0"}, Now: func() time.Time { return h.now },
		Install: func(links []string) (Fence, error) {
			if err := h.do("install:" + strings.Join(links, ",")); err != nil {
				return nil, err
			}
			return wall{h}, nil
		},
	})
	start := a.Release
	if spare {
		start = a.ReleaseOwn
	}
	if err := start(); err != nil {
		t.Fatal(err)
	}
	return h, a
}

// want compares what was done.
func (h *host) want(t *testing.T, did string) {
	t.Helper()
	if got := h.since(); got != did {
		t.Fatalf("done %q, want %q", got, did)
	}
}

// says checks how many lines of the log have a message.
func (h *host) says(t *testing.T, message string, n int) {
	t.Helper()
	found := 0
	for _, line := range h.lines {
		if strings.Contains(line, message) {
			found++
		}
	}
	if found != n {
		t.Errorf("%d lines say %q, want %d: %q", found, message, n, h.lines)
	}
}

// acquired returns addresses that are held behind an open fence.
func acquired(t *testing.T) (*host, *Addresses) {
	t.Helper()
	h, a := newHost(t, false)
	if err := a.Acquire(); err != nil {
		t.Fatal(err)
	}
	h.since()
	return h, a
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func TestFenceIsClosedBeforeTheAddressesComeAndAfterTheyGo(t *testing.T) {
	h, a := newHost(t, false)
	h.want(t, "install:eth0 remove shut disarm") // what a crash has left goes behind a closed fence
	must(t, a.Acquire())
	h.want(t, "shut add open")
	if s := a.State(); !s.Open || !s.Installed || s.Reason != "" || !slices.Equal(s.Links, []string{"eth0"}) || s.Table != "harbinger-51" || s.Timeout != 2*beat {
		t.Errorf("state %+v", s)
	}
	must(t, a.Release())
	h.want(t, "remove shut disarm")
	must(t, a.Close())
	h.want(t, "take-down")
	if s := a.State(); s.Installed || s.Open {
		t.Errorf("state %+v after the end", s)
	}
}

// The fence is renewed each time, the kernel only as often as it needs.
func TestRefreshRenewsTheFenceEachTime(t *testing.T) {
	h, a := acquired(t)
	for range 10 {
		h.now = h.now.Add(beat)
		must(t, a.Refresh())
	}
	h.want(t, strings.TrimSpace(strings.Repeat("renew renew renew renew renew refresh ", 2)))
}

// What the kernel refuses once is asked of it again with the next call.
func TestRefreshIsTriedAgain(t *testing.T) {
	h, a := acquired(t)
	h.fails["refresh"] = errors.New("not now")
	h.now = h.now.Add(lifetime / 4)
	if err := a.Refresh(); err == nil || !a.Held() {
		t.Errorf("error %v, held %t", err, a.Held())
	}
	delete(h.fails, "refresh")
	must(t, a.Refresh())
	h.want(t, "renew refresh renew refresh")
}

// A holder that was frozen longer than the timeout has lost the addresses, whatever their lifetime is.
func TestLateFenceIsNeverOpenedByARenewal(t *testing.T) {
	for _, late := range []error{fence.ErrLate, fence.ErrShut} {
		h, a := acquired(t)
		h.fails["renew"] = late
		if err := a.Refresh(); !errors.Is(err, address.ErrLate) || a.Held() {
			t.Errorf("%v: error %v, held %t", late, err, a.Held())
		}
		h.want(t, "renew remove shut disarm")
		if err := a.Refresh(); !errors.Is(err, address.ErrNotHeld) {
			t.Errorf("refresh of what is not held: %v", err)
		}
		h, a = acquired(t)
		h.fails["renew"] = late
		if err := a.Acquire(); !errors.Is(err, address.ErrLate) || a.Held() { // an address had vanished meanwhile
			t.Errorf("%v: error %v, held %t", late, err, a.Held())
		}
		h.want(t, "renew remove shut disarm")
	}
}

func TestLateLifetimeClosesTheFence(t *testing.T) {
	h, a := acquired(t)
	h.fails["refresh"] = address.ErrLate
	h.now = h.now.Add(lifetime)
	if err := a.Refresh(); !errors.Is(err, address.ErrLate) {
		t.Errorf("error %v", err)
	}
	h.want(t, "renew refresh shut")
}

// An address that something has removed is added again without a moment in which the fence is closed.
func TestVanishedAddressIsAddedBehindTheOpenFence(t *testing.T) {
	h, a := acquired(t)
	must(t, a.Acquire())
	h.want(t, "renew add")
	h.fails["add"] = errors.New("no such device")
	if err := a.Acquire(); err == nil {
		t.Error("no error")
	}
	h.want(t, "renew add shut")
}

// What could not be removed may answer still: the fence stays, closed, also after the end of the process.
func TestFenceStaysBeforeAnAddressThatStays(t *testing.T) {
	h, a := acquired(t)
	h.fails["remove"] = errors.New("operation not permitted")
	if err := a.Release(); err == nil {
		t.Error("no error")
	}
	h.want(t, "remove shut")
	must(t, a.Close())
	h.want(t, "shut")
}

func TestResolve(t *testing.T) {
	h, a := acquired(t)
	must(t, a.Resolve(false))
	must(t, a.Resolve(true))
	h.fails["resolve:false"] = fence.ErrShut
	if h.asked = true; a.Asked() {
		t.Error("a question that was answered counts")
	}
	must(t, a.Resolve(false))
	h.want(t, "resolve:false resolve:true resolve:false")
	if !a.Asked() {
		t.Error("a question that was refused does not count")
	}
	if h.fails["asked"] = errors.New("interrupted"); a.Asked() {
		t.Error("what could not be read counts")
	}
	h.since()
	h.fails["resolve:false"] = errors.New("no buffer space")
	must(t, a.Resolve(false)) // it serves on without the fence
	must(t, a.Resolve(false))
	h.want(t, "resolve:false take-down")
	must(t, a.Release())
	h.since()
	must(t, a.Resolve(false))
	if a.Asked() {
		t.Error("there is no fence, and somebody was refused")
	}
	h.want(t, "")
}

// Another program's clients must not be kept out.
func TestPredecessorIsSpared(t *testing.T) {
	h, a := newHost(t, true)
	a.Check()
	a.SetLinks([]string{"eth0", "eth1"})
	h.want(t, "remove-own")
	if s := a.State(); !s.Spared || s.Installed {
		t.Errorf("state %+v", s)
	}
	must(t, a.Acquire())
	h.want(t, "install:eth0,eth1 add open")
	must(t, a.ReleaseOwn())
	h.want(t, "remove-own take-down")
	must(t, a.Release()) // the predecessor is over
	h.want(t, "install:eth0,eth1 remove shut disarm")
	h.fails["remove-own"] = errors.New("operation not permitted")
	if err := a.ReleaseOwn(); err == nil {
		t.Error("no error")
	}
	h.want(t, "remove-own shut")
}
