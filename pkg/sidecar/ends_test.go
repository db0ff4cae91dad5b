// SPDX-License-Identifier: Apache-2.0

package sidecar_test

import (
	"context"
	"errors"
	"net/netip"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/harbinger-ha/harbinger/e2e/lab/guest"
	"github.com/harbinger-ha/harbinger/e2e/lab/labtest"
	"github.com/harbinger-ha/harbinger/e2e/lab/watch"
	"github.com/harbinger-ha/harbinger/pkg/apis/config"
	"github.com/harbinger-ha/harbinger/pkg/sidecar"
)

var errInjected = errors.New("injected")

// A fault is what a part does from a moment on.
type fault struct {
	part  string
	fails func() error
	begin chan struct{} // closed when it does

	mu    sync.Mutex
	parts []string // that there are
}

func newFault(part string, fails func() error) *fault {
	return &fault{part: part, fails: fails, begin: make(chan struct{})}
}

func explode() error { panic(errInjected) }

// run runs a sidecar with the fault.
func (f *fault) run(ctx context.Context, cfg *config.HarbingerConfiguration, options sidecar.Options) error {
	return sidecar.RunChanged(ctx, cfg, options, func(name string, run func(context.Context) error) func(context.Context) error {
		f.mu.Lock()
		f.parts = append(f.parts, name)
		f.mu.Unlock()
		if name != f.part {
			return run
		}
		return func(ctx context.Context) error {
			healthy, end := context.WithCancel(ctx)
			defer end()
			ended := make(chan error, 1)
			go func() { ended <- run(healthy) }()
			select {
			case err := <-ended:
				return err
			case <-f.begin:
			}
			end()
			<-ended
			return f.fails()
		}
	})
}

// wantError waits for the end of a sidecar, which has to name the part.
func (k *keeper) wantError(part string) {
	k.t.Helper()
	select {
	case err := <-k.done:
		if err == nil || !strings.Contains(err.Error(), part+": ") || !strings.Contains(err.Error(), "injected") {
			k.t.Errorf("the sidecar ended with %v, want the error of part %q", err, part)
		}
		k.done <- nil
	case <-time.After(patience):
		k.t.Fatalf("the sidecar does not end after a fault in part %q", part)
	}
}

// untilReleased waits until a priority of 0 is on the wire.
func untilReleased(t *testing.T, ear *guest.Forger) {
	t.Helper()
	for end := time.Now().Add(patience); time.Now().Before(end); {
		packet, err := ear.Hear(self.Address.Addr(), patience)
		labtest.Must(t, err)
		if packet.Payload[2] == 0 {
			return
		}
	}
	t.Fatal("no release is heard")
}

// A panic in any part is a planned end: the others hear it, and the address does not outlive the process.
func TestPanicInAnyPartIsAPlannedEnd(t *testing.T) {
	serveAPI(t)
	advertise(t, 50) // a node that takes what is left to it
	whole := newFault("", explode)
	all := startAs(t, oneAddress+body("Hybrid", ""), whole.run)
	all.until("this node holds the address", active)
	all.end()
	for _, part := range whole.parts {
		f := newFault(part, explode)
		k := startAs(t, oneAddress+body("Hybrid", ""), f.run)
		k.until("this node holds the address", active)
		ear := newForger(t)
		close(f.begin)
		untilReleased(t, ear)
		k.wantError(part)
		if held(vip4) {
			t.Errorf("%s: the virtual address outlived the process", part)
		}
		if k.log.Count("ends_test.go") == 0 || k.log.Count("Part failed") == 0 {
			t.Errorf("%s: the log does not say where the fault is", part)
		}
	}
	if len(whole.parts) < 10 {
		t.Errorf("only the parts %q were found", whole.parts)
	}
}

// An error is met by starting the part again, and only where that does not help by the planned end.
func TestErrorOfAPartIsMendedOrAPlannedEnd(t *testing.T) {
	serveAPI(t)
	const part = "watch of the addresses"
	failures := 0
	f := newFault(part, func() error {
		if failures++; failures > 1 {
			return errInjected
		}
		return errors.New("only once")
	})
	k := startAs(t, oneAddress+body("VRRP", ""), f.run)
	k.until("this node holds the address", active)
	ear := newForger(t)
	close(f.begin)
	k.untilLogged("only once")
	if !active(status()) {
		t.Error("one failure moved the address")
	}
	untilReleased(t, ear)
	if n := k.log.Count("Part failed"); n != 5 {
		t.Errorf("the part was given up after %d failures, want 5", n)
	}
	k.stop() // a signal during that changes nothing
	k.wantError(part)
	if held(vip4) {
		t.Error("the virtual address outlived the process")
	}
}

// startOther runs a sidecar of a lower priority on the other host, which has all files that this one has, until the test ends.
func startOther(t *testing.T, body string) {
	t.Helper()
	for _, file := range []string{"/etc/kubernetes/pki/ca.crt", "/etc/kubernetes/harbinger/kubeconfig"} {
		content, err := os.ReadFile(file)
		labtest.Must(t, err)
		labtest.Must(t, peer.WriteFile(file, string(content)))
	}
	labtest.Must(t, peer.WriteFile(configFile, string(document(body))))
	other, err := peer.Start(keeperRole.Command(peer.Name))
	labtest.Must(t, err)
	t.Cleanup(func() {
		labtest.Must(t, other.Terminate())
		if err := other.Wait(patience); err != nil {
			t.Error(err)
		}
		if t.Failed() {
			t.Logf("the log of the other node:\n%s", other.Output())
		}
	})
}

// Whatever ends a holder, clients notice no more of it than of a planned stop.
func TestClientsNoticeNoEnd(t *testing.T) {
	serveAPI(t)
	backend := "loadBalancer: {backends: [{address: '192.168.238.130:6443'}]}\n"
	startOther(t, oneAddress+backend+body("VRRP", ", priority: 90"))
	measured := watch.ClientConfig{}
	control, err := watch.StartControl(third, netip.MustParseAddrPort("192.168.238.130:6443"), measured)
	labtest.Must(t, err)
	defer control.Stop()
	measured.Target, measured.Control = netip.AddrPortFrom(vip4.Addr(), 4300), control
	asking := watch.StartClient(third, measured)
	defer asking.Stop()
	fails := func() error { return errInjected }
	for name, f := range map[string]*fault{
		"panic of a watcher": newFault("watch of the neighbours", explode), "errors of the commands": newFault("commands", fails),
	} {
		k := startAs(t, oneAddress+backend+body("VRRP", ""), f.run)
		k.until("this node holds the address", active)
		labtest.Until(t, patience, "clients are served", func() bool { return asking.Served(200 * time.Millisecond) })
		since := time.Now()
		close(f.begin)
		k.wantError(f.part)
		labtest.Until(t, patience, "clients are served", func() bool { return asking.Served(200 * time.Millisecond) })
		if outage := asking.Outage(since); outage.Length() > 100*time.Millisecond {
			t.Errorf("%s: no answer for %s", name, outage)
		}
	}
}
