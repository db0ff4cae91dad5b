// SPDX-License-Identifier: Apache-2.0

package probe

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/harbinger-ha/harbinger/e2e/lab"
	"github.com/harbinger-ha/harbinger/e2e/lab/labtest"
)

// manyChecks are made at the same time by lossRole, each by another connection.
const manyChecks = 60

// lossRole prints how many checks of a backend by TCP fail.
var lossRole = lab.Role{Name: "loss", Main: func(args []string) int {
	c := TCP{Address: netip.MustParseAddrPort(args[0]), Timeout: 900 * time.Millisecond}
	var failed atomic.Int32
	var checks sync.WaitGroup
	for range manyChecks {
		checks.Go(func() {
			if c.Check(context.Background()) != nil {
				failed.Add(1)
			}
		})
	}
	checks.Wait()
	fmt.Println(failed.Load())
	return 0
}}

// A check dials again where its SYN, or the answer, is lost. Of those that dial once 26 of 60 fail on average, of these 2.
func TestChecksBearLostFrames(t *testing.T) {
	const bearable = 12
	l, asker, other := newLab(t)
	ln, err := other.Listen(fmt.Sprintf(":%d", clientPort))
	must(t, err)
	labtest.Serve(t, ln, func(net.Conn) {})
	must(t, l.Drop(lab.Drop{Percent: 25}))
	p, err := asker.Start(lossRole.Command(netip.AddrPortFrom(other.Address.Addr(), clientPort).String()))
	must(t, err)
	must(t, p.Wait(20*time.Second))
	var failed int
	if _, err := fmt.Sscan(p.Output(), &failed); err != nil {
		t.Fatalf("%v in %q", err, p.Output())
	}
	t.Logf("%d of %d checks failed", failed, manyChecks)
	if failed > bearable {
		t.Errorf("%d of %d checks failed, want at most %d", failed, manyChecks, bearable)
	}
}
