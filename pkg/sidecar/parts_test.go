// SPDX-License-Identifier: Apache-2.0

package sidecar

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/harbinger-ha/harbinger/e2e/lab/labtest"
	"github.com/harbinger-ha/harbinger/pkg/control"
	"github.com/harbinger-ha/harbinger/pkg/election"
	"github.com/harbinger-ha/harbinger/pkg/guard"
	"github.com/harbinger-ha/harbinger/pkg/vrrp"
)

// noAddresses are those of a host that has none.
type noAddresses struct{}

func (noAddresses) Acquire() error     { return nil }
func (noAddresses) Refresh() error     { return nil }
func (noAddresses) Release() error     { return nil }
func (noAddresses) ReleaseOwn() error  { return nil }
func (noAddresses) Resolve(bool) error { return nil }
func (noAddresses) Held() bool         { return false }

// asksNobody is a prober that cannot ask.
type asksNobody struct{}

func (asksNobody) Probe(context.Context, int) election.ProbeDone { return election.ProbeDone{} }
func (asksNobody) AskPeers(context.Context) election.PeersDone   { return election.PeersDone{} }
func (asksNobody) CheckHolder(context.Context) election.HolderChecked {
	return election.HolderChecked{}
}
func (asksNobody) Rehearse(context.Context) election.Rehearsed { return election.Rehearsed{} }

// Who asks gets an answer, and the stop begins.
func TestPanicOfAHandlerIsAnsweredAndBeginsTheStop(t *testing.T) {
	log := &labtest.Log{}
	loop := control.New(control.Config{
		Election:  election.New(election.Config{Version: vrrp.Version3, Priority: 100, AdvertisementInterval: time.Second}),
		Addresses: noAddresses{}, Prober: asksNobody{}, Interval: time.Second, Log: log.Logger(),
	})
	s := &sidecar{Options: Options{Log: log.Logger()}, loop: loop, failed: make(chan error, 1)}
	ask := func(handler http.HandlerFunc) *httptest.ResponseRecorder {
		w := httptest.NewRecorder()
		s.guardedHandler("status", handler).ServeHTTP(w, httptest.NewRequest("GET", "/status", nil))
		return w
	}
	if w := ask(func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("ok")) }); w.Code != http.StatusOK || w.Body.String() != "ok" || len(s.failed) > 0 {
		t.Errorf("a handler that works: %d %q, %d errors", w.Code, w.Body, len(s.failed))
	}
	for range 2 { // the first error counts
		if w := ask(func(http.ResponseWriter, *http.Request) { panic("here") }); w.Code != http.StatusInternalServerError || !strings.Contains(w.Body.String(), "here") {
			t.Errorf("a handler that panics: %d %q", w.Code, w.Body)
		}
	}
	if n := log.Count("parts_test.go"); n != 2 {
		t.Errorf("the log has the stack %d times, want 2", n)
	}
	if err := <-s.failed; !errors.As(err, new(*guard.Panic)) || err.Error() != "status: panic: here" {
		t.Errorf("the process would end with %v", err)
	}
	if err := loop.Run(t.Context()); err != nil {
		t.Error(err) // it returns: the stop has begun
	}
}
