// SPDX-License-Identifier: Apache-2.0

package watch

import (
	"crypto/tls"
	"net/netip"
	"os"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/harbinger-ha/harbinger/e2e/lab"
	"github.com/harbinger-ha/harbinger/e2e/lab/guest"
	"github.com/harbinger-ha/harbinger/e2e/lab/labtest"
)

func TestMain(m *testing.M) { os.Exit(lab.Main(m.Run, guest.APIServerRole)) }

// must ends the test at an error.
var must = labtest.Must

// newLab returns a lab with two nodes and a host to watch from.
func newLab(t *testing.T) (l *lab.Lab, a, b, client *lab.Host) {
	t.Helper()
	l = labtest.New(t, lab.Config{Nodes: 2, Prefix6: netip.MustParsePrefix("fd00:238::/64")})
	client, err := l.AddHost("client", 200)
	must(t, err)
	return l, l.Hosts()[0], l.Hosts()[1], client
}

// startAPIServer runs an API server in a host that trusts a new authority.
func startAPIServer(t *testing.T, h *lab.Host) (*guest.APIServer, *guest.Authority) {
	t.Helper()
	ca, err := guest.NewAuthority()
	must(t, err)
	server, err := guest.StartAPIServer(h, ca, 6443)
	must(t, err)
	return server, ca
}

func TestClientMeasuresAKnownOutage(t *testing.T) {
	_, a, b, host := newLab(t)
	server, _ := startAPIServer(t, a)
	startAPIServer(t, b)
	control, err := StartControl(host, netip.AddrPortFrom(b.Address.Addr(), 6443), ClientConfig{})
	must(t, err)
	defer control.Stop()
	client := StartClient(host, ClientConfig{Target: netip.AddrPortFrom(a.Address.Addr(), 6443), Control: control})
	defer client.Stop()
	must(t, lab.Until(5*time.Second, "the client is served", func() bool { return client.Served(100 * time.Millisecond) }))

	frozen := time.Now()
	must(t, server.Freeze())
	must(t, lab.Until(5*time.Second, "a third of a second", func() bool { return time.Since(frozen) > time.Second/3 }))
	must(t, server.Thaw())
	thawed := control.Between(frozen, time.Now())
	must(t, lab.Until(5*time.Second, "the client is served again", func() bool { return client.Served(100 * time.Millisecond) }))

	outage := client.Outage(frozen)
	// An attempt may wait out the end of the freeze, but not its begin.
	if got := outage.Length(); got < thawed-100*time.Millisecond || got > thawed+100*time.Millisecond {
		t.Errorf("longest outage = %v, want about %v", got, thawed)
	}
	served, ok := client.FirstServed(outage.From.Add(outage.Length() / 2))
	if late := served.Sub(outage.To); !ok || late > 100*time.Millisecond || late < -100*time.Millisecond {
		t.Errorf("served first at %v (%v), and the outage ended at %v", served, ok, outage.To)
	}
	if outage.Failed < 20 || outage.Last == "" {
		t.Errorf("outage = %+v, want the failures of a third of a second", outage)
	}
	if after := client.Availability(time.Now().Add(-50 * time.Millisecond)); after.Failed() != 0 || after.Requests == 0 {
		t.Errorf("after the outage = %+v", after)
	}
}

func TestClientTellsWhoAnswered(t *testing.T) {
	_, a, _, host := newLab(t)
	_, ca := startAPIServer(t, a)
	start := time.Now()
	client := StartClient(host, ClientConfig{
		Target:   netip.AddrPortFrom(a.Address6.Addr(), 6443),
		Interval: 200 * time.Millisecond, // more handshakes at a time than a busy machine can do would all be late
		Timeout:  10 * time.Second,
		Try:      HTTPS(&tls.Config{RootCAs: ca.Pool(), ServerName: "kubernetes"}, "/"),
	})
	defer client.Stop()
	must(t, lab.Until(20*time.Second, "ten answers", func() bool { return client.Nodes(start)["node1"] >= 10 }))
}

func TestHoldersFollowTheKernel(t *testing.T) {
	_, a, b, _ := newLab(t)
	vip := netip.MustParsePrefix("192.168.238.100/24")
	must(t, a.AddAddress(vip))
	holders, err := NewHolders(nil, vip.Addr(), a, b)
	must(t, err)
	defer holders.Stop()
	have := func(hosts ...string) {
		t.Helper()
		must(t, lab.Until(5*time.Second, "the holders change", func() bool { return slices.Equal(holders.Now(), hosts) }))
	}
	start := time.Now()
	have("node1")
	must(t, b.AddAddress(vip))
	have("node1", "node2")
	must(t, a.DeleteAddress(vip))
	have("node2")
	if holders.Since(start).Shared().Total() == 0 {
		t.Error("the time with two holders is not recorded")
	}
	if holders.Since(start, "node1").Shared().Total() != 0 {
		t.Error("a host that was left out counts")
	}
}

func TestWatcherHearsWhoAnswers(t *testing.T) {
	for name, vip := range map[string]string{
		"ARP": "192.168.238.100/24",
		"ND":  "fd00:238::100/64",
	} {
		t.Run(name, func(t *testing.T) {
			l, a, b, host := newLab(t)
			vip := netip.MustParsePrefix(vip)
			watcher, err := Watch(nil, l, host, vip.Addr())
			must(t, err)
			defer watcher.Stop()
			answer := func(hosts ...string) {
				t.Helper()
				err := lab.Until(5*time.Second, "others answer", func() bool { return slices.Equal(watcher.Now(), hosts) })
				if err != nil {
					t.Error(cmp.Diff(hosts, watcher.Now()))
				}
			}
			answer()
			must(t, a.AddAddress(vip))
			answer("node1")
			must(t, b.AddAddress(vip))
			answer("node1", "node2")
			must(t, a.Cut())
			answer("node2")
		})
	}
}

// TestOneQuestionCountsForOneInterval has the ticks of a clock come too late by what is usual, and by more.
func TestOneQuestionCountsForOneInterval(t *testing.T) {
	began := time.Now()
	for _, c := range []struct{ asked, next, counts time.Duration }{
		{20 * time.Millisecond, 30*time.Millisecond + 3*time.Microsecond, askInterval},
		{20*time.Millisecond + 2*time.Microsecond, 30 * time.Millisecond, askInterval},
		{20 * time.Millisecond, 34 * time.Millisecond, askInterval},
		{20 * time.Millisecond, 41 * time.Millisecond, 2 * askInterval},
	} {
		if got := due(began, began.Add(c.next)).Sub(due(began, began.Add(c.asked))); got != c.counts {
			t.Errorf("questions at %v and %v: the first counts for %v, want %v", c.asked, c.next, got, c.counts)
		}
	}
}
