// SPDX-License-Identifier: Apache-2.0

package sidecar_test

import (
	"context"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-logr/logr/funcr"

	"github.com/harbinger-ha/harbinger/e2e/lab/labtest"
	"github.com/harbinger-ha/harbinger/pkg/apis/config"
	"github.com/harbinger-ha/harbinger/pkg/apis/status/v1alpha1"
	"github.com/harbinger-ha/harbinger/pkg/sidecar"
)

// takeoverBound is generous: it is 20 ms at most where the machine has time for it.
const takeoverBound = time.Second

// knocksEvery is how often a client connects anew: a packet that is lost is sent again only after a second.
const knocksEvery = 2 * time.Millisecond

// moments notes when a line was logged first.
type moments struct {
	mu sync.Mutex
	at map[string]time.Time // by a part of the line
}

func (m *moments) wrap(run func(context.Context, *config.HarbingerConfiguration, sidecar.Options) error) func(context.Context, *config.HarbingerConfiguration, sidecar.Options) error {
	return func(ctx context.Context, cfg *config.HarbingerConfiguration, o sidecar.Options) error {
		inner := o.Log.GetSink()
		o.Log = funcr.New(func(prefix, args string) {
			now := time.Now()
			m.mu.Lock()
			for text, at := range m.at {
				if at.IsZero() && strings.Contains(args, text) {
					m.at[text] = now
				}
			}
			m.mu.Unlock()
			inner.Info(0, prefix+" "+args)
		}, funcr.Options{})
		return run(ctx, cfg, o)
	}
}

func (m *moments) of(text string) time.Time {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.at[text]
}

// knocks are the connections of a client that connects all the time.
type knocks struct {
	first    time.Time // when the first was answered
	accepted int       // of those that began after the decision
	delayed  int       // of those: not answered at once
}

// atOnce is how soon an accepted connection is answered by an apiserver that lives.
const atOnce = 100 * time.Millisecond

// knock connects from a host all the time, until a while after a decision.
func knock(t *testing.T, address string, decided func() time.Time) (k knocks) {
	t.Helper()
	var mu sync.Mutex
	var knocking sync.WaitGroup
	one := func() {
		ctx, cancel := context.WithTimeout(t.Context(), atOnce)
		defer cancel()
		began, from := time.Now(), decided()
		conn, err := third.Dial(ctx, "tcp", address)
		if err != nil {
			return
		}
		defer conn.Close()
		accepted := time.Now()
		_ = conn.SetDeadline(accepted.Add(atOnce))
		n, _ := conn.Read(make([]byte, 1))
		mu.Lock()
		defer mu.Unlock()
		if n == 1 && k.first.IsZero() {
			k.first = time.Now()
		}
		if from.IsZero() || began.Before(from) {
			return
		}
		if k.accepted++; n != 1 {
			k.delayed++
		}
	}
	ticker := time.NewTicker(knocksEvery)
	defer ticker.Stop()
	for end := time.Now().Add(patience); ; {
		knocking.Go(one)
		<-ticker.C
		if at := decided(); time.Now().After(end) || !at.IsZero() && time.Since(at) > 300*time.Millisecond {
			knocking.Wait()
			return k
		}
	}
}

// From the decision to the first connection that is served passes almost no time: everything is open before, the neighbours hear of
// it at once, and the apiserver of the host that died is not the first that is tried.
func TestTakeoverIsServedAtOnce(t *testing.T) {
	for _, mode := range []string{"VRRP", "Hybrid"} {
		t.Run(mode, func(t *testing.T) {
			serveAPI(t)
			greet := func(conn net.Conn) { _, _ = conn.Write([]byte("x")); _ = conn.Close() }
			for _, host := range []interface {
				Listen(string) (net.Listener, error)
			}{self, peer} {
				ln, err := host.Listen(":4301")
				labtest.Must(t, err)
				labtest.Serve(t, ln, greet)
			}
			labtest.Must(t, peer.AddAddress(vip4))
			away := sync.OnceFunc(func() {
				labtest.Must(t, peer.Cut())
				labtest.Must(t, peer.DeleteAddress(vip4))
			})
			t.Cleanup(func() { away(); labtest.Must(t, peer.Join()) })
			silence := advertise(t, 250)
			m := &moments{at: map[string]time.Time{`"to"="Active"`: {}}}
			k := startAs(t, oneAddress+`loadBalancer: {discovery: false, backends: [{address: '192.168.238.130:4301'}, {address: '192.168.238.131:4301'}]}
election: {mode: `+mode+`, vrrp: {advertisementInterval: 100ms}}
healthCheck: {scheme: TCP, interval: 1s, timeout: 500ms}
`, m.wrap(sidecar.Run))
			k.until("both apiservers are healthy", func(s v1alpha1.HarbingerStatus) bool {
				n := 0
				for _, b := range s.Balancer.Backends {
					if b.Healthy {
						n++
					}
				}
				return n == 2 && s.VirtualRouter.State == "Backup"
			})
			k.untilLogged("Holder changed")
			silence()
			away()
			decided := func() time.Time { return m.of(`"to"="Active"`) }
			client := knock(t, vip4.Addr().String()+":4300", decided)
			took := client.first.Sub(decided())
			t.Logf("first answer %s after the decision; %d connections, of which %d waited", took.Round(10*time.Microsecond), client.accepted, client.delayed)
			if client.first.IsZero() || took > takeoverBound {
				t.Errorf("the first connection was answered %s after the decision", took)
			}
			peak := map[string]int{}
			k.until("the balancer has counted the connections", func(s v1alpha1.HarbingerStatus) bool {
				for _, b := range s.Balancer.Backends {
					peak[b.Address] = b.Peak
				}
				return peak["192.168.238.130:4301"] > 0
			})
			if n := peak["192.168.238.131:4301"]; n > 0 {
				t.Errorf("%d connections were tried at the apiserver of the dead host", n)
			}
		})
	}
}
