// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"context"
	"encoding/pem"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/harbinger-ha/harbinger/e2e/lab/labtest"
	"github.com/harbinger-ha/harbinger/e2e/observe"
)

// must ends the test at an error.
var must = labtest.Must

// running is a witness that runs.
type running struct {
	t    *testing.T
	stop func() // ends it, and waits for its last line

	mu    sync.Mutex
	lines observe.Log
}

// Write takes whole lines.
func (r *running) Write(p []byte) (int, error) {
	lines, err := observe.ReadLog(bytes.NewReader(p))
	if err != nil {
		r.t.Error(err)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.lines = append(r.lines, lines...)
	return len(p), nil
}

// start runs a witness that asks the server at an address until the test ends.
func start(t *testing.T, s *apiserver, address string, args ...string) *running {
	t.Helper()
	file := filepath.Join(t.TempDir(), "kubeconfig")
	ca := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: s.Certificate().Raw})
	must(t, os.WriteFile(file+".crt", ca, 0o600))
	must(t, os.WriteFile(file, fmt.Appendf(nil, `apiVersion: v1
kind: Config
clusters: [{name: c, cluster: {certificate-authority: kubeconfig.crt, server: "https://%s"}}]
contexts: [{name: x, context: {cluster: c}}]
current-context: x
`, address), 0o600))
	o, err := parse(append([]string{"-kubeconfig", file}, args...), os.Stderr)
	must(t, err)
	r := &running{t: t}
	w, err := newWitness(o, r)
	must(t, err)
	ctx, cancel := context.WithCancel(t.Context())
	var ended sync.WaitGroup
	ended.Go(func() { w.run(ctx) })
	r.stop = func() {
		cancel()
		ended.Wait()
	}
	t.Cleanup(r.stop)
	return r
}

// log returns what the witness has written so far.
func (r *running) log() observe.Log {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.lines)
}

// patience is for a busy machine.
const patience = 2 * time.Minute

// until waits for lines for which a condition is true.
func (r *running) until(what string, condition func(observe.Log) bool) {
	r.t.Helper()
	for begin := time.Now(); !condition(r.log()); time.Sleep(5 * time.Millisecond) {
		if time.Since(begin) > patience {
			r.t.Fatalf("waited %v until %s", patience, what)
		}
	}
}

// count returns how many lines about something are or are not OK.
func count(log observe.Log, op observe.Op, ok bool) (n int) {
	for _, line := range log.Of(op) {
		if line.OK == ok {
			n++
		}
	}
	return n
}

// wantNothingLost holds that the log explains each acknowledged write, and that the watch has shown them all.
func wantNothingLost(t *testing.T, log observe.Log) {
	t.Helper()
	lost, err := log.Lost()
	must(t, err)
	missed, err := log.Missed()
	must(t, err)
	if len(lost) > 0 || len(missed) > 0 {
		t.Errorf("lost: %+v\nmissed by the watch: %+v", lost, missed)
	}
}

func TestWitnessAsksAllTheTime(t *testing.T) {
	s := newAPIServer(t)
	r := start(t, s, s.Listener.Addr().String(), "-rate", "100", "-timeout", "10s")
	r.until("it has asked often", func(log observe.Log) bool { // far more often than while the first connections are made
		return count(log, observe.Version, true) > 100 && count(log, observe.List, true) > 50 && count(log, observe.Write, true) > 50
	})
	r.stop()
	log := r.log()
	wantNothingLost(t, log)
	for _, line := range log.Of(observe.Final) {
		if object := s.objects[line.Key]; line.Key != "" && (object.Data["value"] != line.Value || object.ResourceVersion != line.RV) {
			t.Errorf("the end is %+v, but there is %+v", line, object)
		}
	}
	if got := len(log.Of(observe.Final)); got != len(s.objects)+1 {
		t.Errorf("the end has %d lines for %d objects", got, len(s.objects))
	}
	// Each question for the version has a connection of its own; lists, writes and the watch keep theirs.
	versions, others := len(log.Of(observe.Version)), len(log.Of(observe.List))+len(log.Of(observe.Write))
	if got := int(s.connections.Load()); got < versions+3 || got > versions+others/2 {
		t.Errorf("made %d connections for %d questions for the version and %d others", got, versions, others)
	}
}

func TestHangingRequestsHideNothing(t *testing.T) {
	s := newAPIServer(t)
	r := start(t, s, s.Listener.Addr().String(), "-rate", "40")
	r.until("it is answered", func(log observe.Log) bool { return log.Answered(observe.Write) && log.Answered(observe.Version) })
	s.with(func() { s.disturb = func(*http.Request) disturbed { return ignored } })
	r.until("many have failed", func(log observe.Log) bool { return count(log, observe.Version, false) > 20 })
	thawed := time.Now()
	s.with(func() { s.disturb = nil })
	r.until("it is answered again", func(log observe.Log) bool {
		since := log.Since(thawed)
		return since.Answered(observe.Version) && since.Answered(observe.List) && since.Answered(observe.Write)
	})
	r.stop()
	log := r.log()
	wantNothingLost(t, log)
	for _, o := range log.Outages(observe.Version, log[0].Start, time.Now(), 0) {
		if o.From.Before(thawed) && o.To.After(thawed) && (o.Failed == 0 || o.Last == "") {
			t.Errorf("the outage is %v", o)
		}
	}
}

// Writes that are done without an answer are not lost, nor do they make others look lost; one that is answered without being
// done is.
func TestWritesWithoutAnswer(t *testing.T) {
	for name, test := range map[string]struct {
		disturbed disturbed
		lost      bool
	}{"not done": {ignored, false}, "done": {mute, false}, "done without effect": {lost, true}} {
		t.Run(name, func(t *testing.T) {
			s := newAPIServer(t)
			r := start(t, s, s.Listener.Addr().String(), "-rate", "40")
			r.until("it writes", func(log observe.Log) bool { return log.Answered(observe.Write) })
			writes := 0
			s.with(func() {
				s.disturb = func(r *http.Request) disturbed {
					if r.Method == http.MethodGet {
						return nothing
					}
					if writes++; writes%5 != 0 {
						return nothing
					}
					return test.disturbed
				}
			})
			begin := time.Now()
			r.until("it has written for a while", func(log observe.Log) (enough bool) {
				s.with(func() { enough = writes >= 20 })
				return enough && count(log.Since(begin), observe.Write, true) >= 10
			})
			r.stop()
			if !test.lost {
				wantNothingLost(t, r.log())
				return
			}
			if lost, err := r.log().Lost(); err != nil || len(lost) == 0 {
				t.Errorf("lost are %v, error %v", lost, err)
			}
			if missed, err := r.log().Missed(); err != nil || len(missed) == 0 {
				t.Errorf("missed are %v, error %v", missed, err)
			}
		})
	}
}

func TestWatchGoesOn(t *testing.T) {
	s := newAPIServer(t)
	r := start(t, s, s.Listener.Addr().String(), "-rate", "100", "-timeout", "10s")
	events := func(n int) func(observe.Log) bool {
		return func(log observe.Log) bool { return count(log, observe.Watch, true) > n }
	}
	r.until("there are events", events(5))
	s.cutStreams(false)
	r.until("it goes on", func(log observe.Log) bool { return count(log, observe.Stream, true) == 2 })
	r.until("there are events", events(len(r.log().Of(observe.Watch))+5))
	s.cutStreams(true)
	r.until("it starts again", func(log observe.Log) bool { return count(log, observe.Relist, true) >= 2 })
	r.stop()
	log := r.log()
	wantNothingLost(t, log)
	breaks := log.Breaks()
	if len(breaks) < 3 {
		t.Fatalf("breaks are %+v", breaks)
	}
	if first := breaks[0]; first.Err != errEnded.Error() || first.Relisted || first.Resumed.IsZero() {
		t.Errorf("the first break is %+v", first)
	}
	relisted := false
	for _, b := range breaks {
		relisted = relisted || b.Relisted && strings.HasPrefix(b.Err, "too old resource version")
	}
	if !relisted {
		t.Errorf("breaks are %+v, want a list", breaks)
	}
}

func TestSilentConnectionsAreGivenUp(t *testing.T) {
	s := newAPIServer(t)
	relay := labtest.NewRelay(t, s.Listener.Addr().String())
	r := start(t, s, relay.Address.String(), "-timeout", "10s")
	r.until("it is answered", func(log observe.Log) bool {
		return log.Answered(observe.List) && log.Answered(observe.Write) && log.Answered(observe.Watch)
	})
	relay.Silence()
	silent := time.Now()
	r.until("all goes on", func(log observe.Log) bool {
		since := log.Since(silent)
		return since.Answered(observe.List) && since.Answered(observe.Write) && since.Answered(observe.Watch)
	})
	r.stop()
	wantNothingLost(t, r.log())
	if breaks := r.log().Breaks(); len(breaks) == 0 || breaks[0].Relisted || !strings.Contains(breaks[0].Err, "connection lost") {
		t.Errorf("breaks are %+v", breaks)
	}
}

func TestIdleWitness(t *testing.T) {
	s := newAPIServer(t)
	r := start(t, s, s.Listener.Addr().String(), "-idle", "-heartbeat", "10ms")
	r.until("it beats", func(log observe.Log) bool { return count(log, observe.Heartbeat, true) > 3 })
	s.cutStreams(false)
	r.until("it has another stream", func(log observe.Log) bool { return count(log, observe.Stream, true) == 2 })
	s.with(func() { s.write(configMap("other"), false) })
	r.until("it sees a change", func(log observe.Log) bool { return count(log, observe.Watch, true) == 1 })
	r.stop()
	log := r.log()
	if line := log.Of(observe.Watch)[1]; line.Key != "other" || line.Value != "changed" {
		t.Errorf("the change is %+v", line)
	}
	if breaks := log.Breaks(); len(breaks) != 1 || breaks[0].Resumed.IsZero() {
		t.Errorf("breaks are %+v", breaks)
	}
	for _, op := range []observe.Op{observe.Version, observe.List, observe.Write, observe.Final} {
		if n := len(log.Of(op)); n > 0 {
			t.Errorf("%d lines about %s", n, op)
		}
	}
}

func TestCommandLine(t *testing.T) {
	for name, args := range map[string][]string{
		"no kubeconfig": {},
		"no prefix":     {"-kubeconfig", "x", "-writes", "default"},
		"no rate":       {"-kubeconfig", "x", "-rate", "0"},
		"no patience":   {"-kubeconfig", "x", "-timeout", "0"},
		"no flag":       {"-kubeconfig", "x", "idle"},
		"unknown":       {"-what"},
	} {
		t.Run(name, func(t *testing.T) {
			var out, err strings.Builder
			if code := run(args, &out, &err); code != 2 || err.Len() == 0 || out.Len() > 0 {
				t.Errorf("exit %d, output %q, errors %q", code, out.String(), err.String())
			}
		})
	}
	if code := run([]string{"-kubeconfig", filepath.Join(t.TempDir(), "none")}, os.Stdout, new(strings.Builder)); code != 1 {
		t.Errorf("without the file: exit %d", code)
	}
}
