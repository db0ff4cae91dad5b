// SPDX-License-Identifier: Apache-2.0

package relay

import (
	"context"
	"errors"
	"io"
	"net"
	"net/netip"
	"testing"
	"time"

	"github.com/go-logr/logr"

	"github.com/harbinger-ha/harbinger/pkg/apis/status/v1alpha1"
	"github.com/harbinger-ha/harbinger/pkg/balance"
	"github.com/harbinger-ha/harbinger/pkg/session"
)

// listed returns the list of a relay.
func (b *bench) listed(t *testing.T) v1alpha1.ConnectionList {
	t.Helper()
	list, err := b.List(t.Context())
	must(t, err)
	return list
}

// What runs is listed with whom it is between and what it has carried, the oldest first; what has ended with the reason, the newest first.
func TestListOfConnections(t *testing.T) {
	to := newBackend(t, echo)
	b := withLog(t, balance.AccessLogAll, to)
	if list := b.listed(t); list.Running == nil || list.Ended == nil || len(list.Running)+len(list.Ended) != 0 {
		t.Errorf("before there is any the list is %+v", list)
	}
	silent := dialTo(t, b.address)
	until(t, "the silent one has a backend", func() bool { l := b.listed(t).Running; return len(l) == 1 && l[0].Backend != "" })
	conn := dialTo(t, b.address)
	must(t, ask(conn))
	list := b.listed(t)
	if len(list.Running) != 2 || list.LeftOut != 0 {
		t.Fatalf("the list is %+v", list)
	}
	old, young := list.Running[0], list.Running[1]
	if old.Client != silent.LocalAddr().String() || old.Active != nil || old.Received+old.Sent != 0 || !old.Began.Before(young.Began) {
		t.Errorf("the silent one is %+v", old)
	}
	if young.Client != conn.LocalAddr().String() || young.Frontend != b.address.String() || young.Backend != to.String() || young.Active == nil || young.Active.Before(young.Began) ||
		young.Received == 0 || young.Received != young.Sent || young.Ended != nil || young.Reason != "" {
		t.Errorf("the other is %+v", young)
	}
	must(t, silent.CloseWrite())
	_, err := io.ReadAll(silent)
	must(t, err)
	until(t, "one has ended", func() bool { list = b.listed(t); return len(list.Ended) == 1 })
	if e := list.Ended[0]; e.Client != silent.LocalAddr().String() || e.Frontend != b.address.String() || e.Reason != "Finished" || e.Ended == nil || e.Ended.Before(e.Began) {
		t.Errorf("the one that has ended is %+v", e)
	}
	must(t, b.CloseSessions(t.Context(), b.server(0), session.Maintenance))
	wantReset(t, conn)
	if list = b.listed(t); len(list.Running) != 0 || len(list.Ended) != 2 || list.Ended[0].Reason != "Maintenance" || list.Ended[0].Sent != young.Sent {
		t.Errorf("in the end the list is %+v", list)
	}
}

// A connection that is refused has ended as well; that costs no look at its socket where the access log has no line.
func TestListOfARefusedConnection(t *testing.T) {
	b := withLog(t, balance.AccessLogOff)
	conn, err := net.Dial("tcp", b.address.String())
	if err == nil {
		wantReset(t, conn)
	}
	var list v1alpha1.ConnectionList
	until(t, "it is listed", func() bool { list = b.listed(t); return len(list.Ended) == 1 })
	if e := list.Ended[0]; e.Reason != "NoBackend" || e.Backend != "" || e.Frontend != "" {
		t.Errorf("it is %+v", e)
	}
}

// A list is bounded, however many connections there are: the oldest that run, and the newest that have ended.
func TestListIsBounded(t *testing.T) {
	r, err := New(Config{Log: logr.Discard(), Workers: 2})
	must(t, err)
	defer func() {
		for _, w := range r.workers {
			w.table = newTable() // of no real connections
			w.close()
		}
	}()
	const count = MostRunning
	r.SetRoute(&Route{})
	for i := range 2 * count { // the newest first
		w := r.workers[i%2]
		c := w.table.at(w.table.add())
		c.accepted, c.sides[client].fd = time.Duration(2*count-i)*time.Second, -1
		w.ended.add(ending{trace{from: netip.IPv6Loopback().As16(), server: -1, accepted: time.Second}, time.Duration(i+2) * time.Second, netip.AddrPort{}, session.Finished})
	}
	list := merge([]v1alpha1.ConnectionList{r.workers[0].list(), r.workers[1].list()})
	if len(list.Running) != MostRunning || list.LeftOut != count || len(list.Ended) != MostEnded {
		t.Fatalf("%d run, %d are left out, %d have ended", len(list.Running), list.LeftOut, len(list.Ended))
	}
	for i, c := range list.Running {
		if want := r.start.Add(time.Duration(i+1) * time.Second); !c.Began.Equal(want) {
			t.Fatalf("number %d began at %v, want %v", i, c.Began, want)
		}
	}
	for i, c := range list.Ended {
		if want := r.start.Add(time.Duration(2*count+1-i) * time.Second); !c.Ended.Equal(want) {
			t.Fatalf("number %d ended at %v, want %v", i, c.Ended, want)
		}
	}
}

// Where nobody answers, whoever asks does not wait for ever.
func TestListOfARelayThatHasStopped(t *testing.T) {
	b := newRelay(t, defaults)
	b.stop()
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if _, err := b.List(ctx); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("got %v", err)
	}
}
