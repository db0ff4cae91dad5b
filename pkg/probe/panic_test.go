// SPDX-License-Identifier: Apache-2.0

package probe

import (
	"context"
	"net"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/harbinger-ha/harbinger/pkg/guard"
)

type faultyResolver struct{}

func (faultyResolver) Resolve(context.Context, netip.Addr, netip.Addr) ([]net.HardwareAddr, error) {
	panic("here")
}

func (faultyResolver) Inquire(context.Context, netip.Addr, netip.Addr, netip.Addr, int) ([]net.HardwareAddr, int, int, error) {
	panic("here")
}

// A fault in one of the questions of a probe is that of who asks, and keeps nobody waiting.
func TestPanicOfAQuestionIsTheAskers(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), time.Second)
	defer cancel()
	vip := netip.MustParseAddr("192.0.2.1") // for documentation: nobody answers
	for name, f := range map[string]func(){
		"resolver": func() { VIPs{vip: VIPProbe{Resolver: faultyResolver{}, Port: 9, Client: 9}}.Probe(ctx) },
		"often":    func() { VIPs{vip: VIPProbe{Resolver: faultyResolver{}, Port: 9, Client: 9, Asks: 5}}.Probe(ctx) },
		"connection": func() {
			VIPProbe{}.ask(ctx, netip.AddrPortFrom(vip, 9), func(context.Context, netip.AddrPort) answer { panic("here") })
		},
	} {
		err := guard.Run(func() error { f(); return nil })
		if !strings.Contains(guard.Stack(err), "panic_test.go") {
			t.Errorf("%s: got %v with stack %q, want the panic and where it was", name, err, guard.Stack(err))
		}
	}
}
