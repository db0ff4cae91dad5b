// SPDX-License-Identifier: Apache-2.0

package sidecar_test

import (
	"fmt"
	"net"
	"net/netip"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/harbinger-ha/harbinger/e2e/lab"
	"github.com/harbinger-ha/harbinger/e2e/lab/guest"
	"github.com/harbinger-ha/harbinger/e2e/lab/labtest"
)

// flood opens connections from a host, which ask for nothing, and returns what closes them.
func flood(t *testing.T, from *lab.Host, to string, count int) (end func()) {
	t.Helper()
	var open []net.Conn
	for range count {
		conn, err := from.Dial(t.Context(), "tcp", to)
		if err != nil {
			break // its queue is full
		}
		open = append(open, conn)
	}
	return func() {
		for _, conn := range open {
			conn.Close()
		}
	}
}

// opened counts the descriptors of a process.
func opened(t *testing.T, pid int) int {
	t.Helper()
	files, err := filepath.Glob(fmt.Sprintf("/proc/%d/fd/*", pid))
	labtest.Must(t, err)
	return len(files)
}

// Clients of each endpoint, here and on other hosts, open as many connections as they can to a keeper that has few descriptors. It keeps
// its reserve: it never lacks one, goes on holding the addresses, starts another balancer process, and answers when they are gone.
func TestClientsLeaveAReserve(t *testing.T) {
	serveAPI(t)
	writeForRoot(t, "token", metricsToken+"\n")
	d := &deployment{t: t, vip: vip4, hosts: []*lab.Host{self}, without: guest.Descriptors}
	d.start("VRRP", "status: {bindAddress: '0.0.0.0:10443', metricsBindAddress: 'node:10445', metricsTokenFile: /etc/kubernetes/harbinger/metrics/token}\n"+dualStack+body("VRRP", ""))
	d.until("it serves", active)
	keeper, balancer := d.processes[0].PID(), status().Balancer.PID
	quiet := opened(t, keeper)

	own := self.Address.Addr()
	for range 3 { // the keeper ends those that say nothing after a while
		for _, port := range []uint16{10443, 10444, 10445} {
			for _, from := range []*lab.Host{self, peer, third} {
				defer flood(t, from, netip.AddrPortFrom(own, port).String(), 150)()
			}
		}
		defer flood(t, self, "127.0.0.1:10443", 150)()
		most := opened(t, keeper)
		t.Logf("%d descriptors of %d are open, %d without clients", most, guest.FewDescriptors, quiet)
		if most <= quiet || most > guest.FewDescriptors-80 {
			t.Errorf("%d descriptors of %d are open while clients have all that they get", most, guest.FewDescriptors)
		}
	}
	labtest.Must(t, lab.Until(patience, "another balancer serves", func() bool {
		children := d.processes[0].Children()
		if len(children) == 1 && children[0] == balancer {
			labtest.Must(t, syscall.Kill(balancer, syscall.SIGKILL))
		}
		return len(children) == 1 && children[0] != balancer && answers(vip4) && answers(vip6)
	}))
	if out := d.processes[0].Output(); strings.Contains(out, "too many open files") || strings.Contains(out, "from=Active") {
		t.Error("it lacks descriptors, or has given up the addresses")
	}
}
