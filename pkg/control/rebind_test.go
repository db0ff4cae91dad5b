// SPDX-License-Identifier: Apache-2.0

package control

import (
	"context"
	"net/netip"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/harbinger-ha/harbinger/pkg/election"
	"github.com/harbinger-ha/harbinger/pkg/vrrp"
)

// A holder goes on with another socket, from another address: the other node hears it there, and the old socket is closed.
func TestRebind(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := new(lan)
		old, other := l.host("192.0.2.2"), l.host("192.0.2.1")
		loop := old.loop(200)
		wait := start(t, t.Context(), loop)
		backup := other.loop(100)
		waitBackup := start(t, t.Context(), backup)
		pass(5 * time.Second)
		moves := len(loop.Status().Moves)
		next := l.host("192.0.2.7")
		ports := []Port{{Conn: next, Advertisement: vrrp.Advertisement{Version: vrrp.Version3, VRID: 51, Interval: time.Second}}}
		old.taken()
		loop.Rebind(t.Context(), ports, election.Reconfigured{Priority: 200, Primary: []netip.Addr{next.addr}}, election.AddressLost{})
		synctest.Wait()
		if got := old.taken(); !slices.Equal(got, []string{"close", "acquire", "announce 192.0.2.100"}) {
			t.Errorf("the old socket: %q", got)
		}
		if got := next.taken(); !slices.Equal(got, []string{"advertise 200"}) {
			t.Errorf("the new socket: %q, want an advertisement at once", got)
		}
		loop.Rebind(t.Context(), ports) // the same ones stay open
		next.deliver(vrrp.Packet{Source: other.addr, Advertisement: vrrp.Advertisement{Version: vrrp.Version3, VRID: 51, Priority: 0}})
		pass(3 * time.Second)
		if got := next.taken(); count(got, "close") != 0 || count(got, "advertise 200") < 3 {
			t.Errorf("the new socket: %q, want it in use", got)
		}
		if s := loop.Status(); !s.Held || len(s.Moves) != moves {
			t.Errorf("status %+v, want no move", s)
		}
		loop.Shutdown()
		wait()
		backup.Shutdown()
		waitBackup()
		if got := next.taken(); got[len(got)-1] != "close" {
			t.Errorf("the new socket ended with %q", got)
		}
	})
}

// Where the loop has ended or is not asked any more, the new sockets are not left open.
func TestRebindOfAnEndedLoop(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := new(lan)
		loop := l.host("192.0.2.2").loop(100)
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		for _, ended := range []bool{false, true} {
			if ended {
				start(t, ctx, loop)()
			}
			next := l.host("192.0.2.7")
			loop.Rebind(ctx, []Port{{Conn: next}})
			select {
			case <-next.closed:
			default:
				t.Errorf("ended %t: the socket is open", ended)
			}
		}
	})
}
