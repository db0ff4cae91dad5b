// SPDX-License-Identifier: Apache-2.0

package fence

import (
	"errors"
	"testing"

	"github.com/harbinger-ha/harbinger/e2e/lab/labtest"
)

// wantRefused asks some times, and wants an answer to packets alone.
func (s scene) wantRefused(t *testing.T) {
	t.Helper()
	s.asker.settle(t)
	before := s.asker.counts()
	for range 5 {
		s.asker.ask()
		s.asker.settle(t)
	}
	now := s.asker.counts()
	for _, q := range []string{askARP, askNeighbour} {
		if now[q] > before[q] {
			t.Errorf("%s is answered", q)
		}
	}
	for _, q := range []string{askEcho, askEcho6} {
		if now[q] == before[q] {
			t.Errorf("%s is not answered", q)
		}
	}
}

func wantAsked(t *testing.T, f *Fence, want bool) {
	t.Helper()
	asked, err := f.Asked()
	if must(t, err); asked != want {
		t.Errorf("asked %t, want %t", asked, want)
	}
}

// Who asks for an address learns nothing, and who knows it is served.
func TestResolutionIsRefused(t *testing.T) {
	s := newScene(t)
	f := newFence(t, s.host, Config{})
	if err := f.Resolve(false); !errors.Is(err, ErrShut) {
		t.Errorf("a closed fence: %v", err)
	}
	must(t, f.Open())
	s.asker.wantOpen(t)
	wantAsked(t, f, false)
	must(t, f.Resolve(false))
	wantAsked(t, f, false)
	s.wantRefused(t)
	wantAsked(t, f, true)
	must(t, f.Renew())
	s.wantRefused(t)
	must(t, f.Resolve(true))
	wantAsked(t, f, false)
	s.asker.wantOpen(t)

	for _, again := range []func() error{f.Shut, f.Disarm} { // that is forgotten with the addresses
		must(t, f.Resolve(false))
		must(t, again())
		must(t, f.Open())
		s.asker.wantOpen(t)
	}
}

// A table that is put back refuses what it refused.
func TestResolutionIsRefusedAfterAFlush(t *testing.T) {
	s := newScene(t)
	f := newFence(t, s.host, Config{})
	makePlain(t, f)
	must(t, f.Open())
	must(t, f.Resolve(false))
	must(t, labtest.Nft(s.host, "flush ruleset"))
	if err := f.Renew(); !errors.Is(err, ErrReplaced) {
		t.Errorf("renewal: %v", err)
	}
	s.wantRefused(t)
}
