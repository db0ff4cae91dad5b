// SPDX-License-Identifier: Apache-2.0

package control

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/harbinger-ha/harbinger/pkg/election"
	"github.com/harbinger-ha/harbinger/pkg/guard"
	"github.com/harbinger-ha/harbinger/pkg/vrrp"
)

// questions are those of reach and service, each with its answer, and with the one that says that nobody was asked.
var questions = []struct {
	action        election.Action
	done, unasked election.Event
	panics        string
}{
	{election.AskPeers{Timeout: time.Second}, election.PeersDone{Gateway: election.Answers}, election.PeersDone{CouldNotAsk: true}, "AskPeers"},
	{election.CheckHolder{Timeout: time.Second}, election.HolderChecked{Client: election.Reset}, election.HolderChecked{}, "CheckHolder"},
	{election.Rehearse{Timeout: time.Second}, election.Rehearsed{Client: election.Answers}, election.Rehearsed{}, "Rehearse"},
}

// asked has a loop that does not run perform a question and returns the events that come back.
func asked(t *testing.T, l *Loop, action election.Action) (events []string, err error) {
	t.Helper()
	var ctx context.Context
	l.workers, ctx = guard.WithContext(t.Context())
	if next := l.perform(ctx, action); next != nil {
		t.Errorf("%s gives rise to %s at once", action, next)
	}
	taken := make(chan struct{})
	go func() {
		defer close(taken)
		for {
			select {
			case ev := <-l.events:
				events = append(events, ev.String())
			case <-l.ended:
				return
			}
		}
	}()
	if waited := l.workers.Wait(); waited != nil {
		t.Errorf("the workers end with %v", waited)
	}
	close(l.ended)
	<-taken
	select {
	case err = <-l.failed:
	default:
	}
	return events, err
}

// Each question is answered by one event, at the latest when its time is over, also where what asks has a fault.
func TestEachQuestionHasOneAnswer(t *testing.T) {
	for _, tt := range questions {
		t.Run(tt.panics, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				begin := time.Now()
				h := new(lan).host("192.0.2.1")
				got, err := asked(t, h.loop(100), tt.action)
				if want := []string{tt.done.String()}; !slices.Equal(got, want) || err != nil {
					t.Errorf("%q, %v, want %q", got, err, want)
				}
				if took := time.Since(begin); took != time.Second {
					t.Errorf("answered after %s", took)
				}
				if client := "finding=\"Reset\""; strings.Contains(h.scrape(), client) != (tt.panics == "CheckHolder") {
					t.Errorf("the metrics count %s", client)
				}
				l := h.loop(100)
				newFaulty(h, l).fails(tt.panics)
				got, err = asked(t, l, tt.action)
				if want := []string{tt.unasked.String()}; !slices.Equal(got, want) {
					t.Errorf("a fault: %q, want %q", got, want)
				}
				if p := (*guard.Panic)(nil); !errors.As(err, &p) || p.Value != "fault in "+tt.panics {
					t.Errorf("a fault: the loop ends with %v", err)
				}
			})
		})
	}
}

// vipLease is the Lease of kube-vip.
type vipLease struct {
	mu    sync.Mutex
	lease election.PredecessorLease
}

func (v *vipLease) put(l election.PredecessorLease) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.lease = l
}

func (v *vipLease) ReadPredecessor(context.Context) election.PredecessorDone {
	v.mu.Lock()
	defer v.mu.Unlock()
	return election.PredecessorDone{Lease: v.lease}
}

func (v *vipLease) TakePredecessor(_ context.Context, l election.PredecessorLease) election.PredecessorDone {
	l.Version += "'"
	v.put(l)
	return election.PredecessorDone{Lease: l}
}

// A node beside a kube-vip removes nothing that is kube-vip's, says once whom it waits for, and takes over when that is gone.
func TestWaitsForPredecessor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := new(lan).host("192.0.2.1")
		h.api = &store{}
		l := h.loop(100)
		vip := &vipLease{lease: election.PredecessorLease{Version: "1", Holder: "node2", Duration: time.Minute}}
		l.cfg.Predecessor = vip
		l.cfg.Election = election.New(election.Config{
			Mode: election.Hybrid, Node: "node1", Identity: "node1/boot", Lease: election.LeaseTimes{RenewInterval: time.Second, StaleAfter: 5 * time.Second},
			Version: vrrp.Version3, Priority: 100, AdvertisementInterval: time.Second, Primary: []netip.Addr{h.addr}, Lifetime: 2 * time.Second,
			Predecessor: "kube-system/plndr-cp-lock",
		})
		ctx, cancel := context.WithCancel(t.Context())
		wait := start(t, ctx, l)
		pass(20 * time.Second)
		if got := h.taken(); !slices.Equal(got, []string{"release own"}) {
			t.Errorf("while kube-vip has the address it does %q", got)
		}
		if len(h.logs) != 2 || !strings.Contains(h.logs[1], "waits for kube-vip on node2, which holds the Lease kube-system/plndr-cp-lock") {
			t.Errorf("the log has %q", h.logs)
		}
		vip.put(election.PredecessorLease{Version: "2"})
		pass(time.Second)
		stored := vip.ReadPredecessor(ctx).Lease
		if s := l.Status(); s.Election.State != election.Active || stored.Holder != "harbinger/node1" {
			t.Errorf("state %s, stored %s", s.Election.State, stored)
		}
		if got := h.taken(); count(got, "acquire") != 1 || count(got, "release own") != 0 {
			t.Errorf("then it does %q", got)
		}
		cancel()
		wait()
	})
}

// A forged advertisement has a source that anybody can write. Its hardware address is known from the second packet on, and then
// said once more, whatever was logged a moment ago.
func TestForgeryNamesTheHost(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := new(lan).host("192.0.2.1")
		l := h.loop(100)
		h.senders = []string{"", "02:00:00:00:09:09"}
		forged := election.Alarm{Kind: election.Forged, Detail: "192.0.2.9 claims", Source: h.addr}
		for range 3000 { // a thousand a second
			l.alarm(forged)
			time.Sleep(time.Millisecond)
		}
		if looked := count(h.taken(), fmt.Sprintf("look for %s", h.addr)); looked > 31 {
			t.Errorf("the host was looked for %d times in 3 s", looked)
		}
		l.publish()
		if got := l.Status().Forgery; got.Source != h.addr || got.HardwareAddress != "02:00:00:00:09:09" || time.Since(got.At) > time.Second {
			t.Errorf("the status has %+v", got)
		}
		want := []string{"Forged: 192.0.2.9 claims", "Forged: 192.0.2.9 claims (hardware address 02:00:00:00:09:09)"}
		if !slices.Equal(h.notices, want) {
			t.Errorf("Events %q, want %q", h.notices, want)
		}
		if len(h.logs) != 2 || !strings.Contains(h.logs[1], `"hardwareAddress":"02:00:00:00:09:09"`) {
			t.Errorf("the log has %q", h.logs)
		}
		h.wantMetrics(t, `alarms_total{interface="eth0",kind="Forged",vrid="51"} 3000`)
	})
}

// The election raises the alarm again after ten seconds; the host is named as soon as its next packet has shown it.
func TestForgeryIsTracedBetweenAlarms(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := new(lan).host("192.0.2.1")
		l := h.loop(100)
		h.senders = []string{"", "", "02:00:00:00:09:09"}
		l.alarm(election.Alarm{Kind: election.Forged, Detail: "192.0.2.9 claims", Source: h.addr})
		for range 3000 {
			l.traceForger()
			time.Sleep(time.Millisecond)
		}
		want := []string{"Forged: 192.0.2.9 claims", "Forged: 192.0.2.9 claims (hardware address 02:00:00:00:09:09)"}
		if !slices.Equal(h.notices, want) {
			t.Errorf("Events %q, want %q", h.notices, want)
		}
		h.wantMetrics(t, `alarms_total{interface="eth0",kind="Forged",vrid="51"} 1`)
		h.senders = []string{""}
		time.Sleep(time.Second)
		h.taken()
		l.alarm(election.Alarm{Kind: election.Forged, Detail: "192.0.2.8 claims", Source: h.addr.Next()})
		for range 60_000 {
			l.traceForger()
			time.Sleep(time.Millisecond)
		}
		if looked := count(h.taken(), fmt.Sprintf("look for %s", h.addr.Next())); looked < 20 || looked > 51 {
			t.Errorf("a host that sends nothing any more was looked for %d times", looked)
		}
	})
}
