// SPDX-License-Identifier: Apache-2.0

package report

import (
	"net/netip"
	"testing"
	"time"

	"github.com/harbinger-ha/harbinger/pkg/balance"
	"github.com/harbinger-ha/harbinger/pkg/health"
	"github.com/harbinger-ha/harbinger/pkg/proxy"
	"github.com/harbinger-ha/harbinger/pkg/session"
)

// busy returns the facts of a node in Backup whose balancer has relayed for a day: to one backend that is well, one that is slow and
// failed its last check, one that came back, and one that was not checked yet.
func busy() Facts {
	f := backup()
	f.Node.Started, f.Loop.Election.Since = ago(25*time.Hour), ago(25*time.Hour)
	well, slow, back, young := backend(health.Healthy, "check passed"), backend(health.Healthy, "check passed"), backend(health.Healthy, "check passed"), backend(health.Unknown, "")
	well.Since, well.Proved, well.Connections, well.Peak, well.Total, well.Sent, well.Received = ago(24*time.Hour), true, 212, 340, 48211, 734003200, 91268055040
	well.Figures = health.Figures{Checked: ago(300 * time.Millisecond), Took: 4212 * time.Microsecond}
	slow.Address, slow.Since, slow.Proved, slow.Connections, slow.Peak, slow.Total, slow.Failures = netip.MustParseAddrPort("192.0.2.2:6443"), ago(24*time.Hour), true, 187, 322, 47105, 3
	slow.Sent, slow.Received = 681574400, 80530636800
	slow.Figures = health.Figures{Checked: ago(70 * time.Millisecond), Took: 900 * time.Millisecond, Failure: "no answer within 900ms"}
	back.Address, back.Since, back.Proved, back.Connections, back.Peak, back.Total, back.Failures = netip.MustParseAddrPort("192.0.2.3:6443"), ago(2*time.Minute), true, 12, 301, 40022, 41
	back.Sent, back.Received = 524288000, 64424509440
	back.Figures = health.Figures{Checked: ago(800 * time.Millisecond), Took: 3 * time.Millisecond, Downs: 2, Downtime: 17*time.Minute + 4300*time.Millisecond}
	young.Address, young.Since, young.Backup = netip.MustParseAddrPort("192.0.2.4:6443"), ago(200*time.Millisecond), true
	slow.Admin = balance.Drain
	f.Balancer = proxy.Status{
		PID: 42, Active: 411, Limit: 20000, Peak: 806, Accepted: 135379, Rate: 3, PeakRate: 212, Received: 1939865600, Sent: 236223201280, Refused: 44,
		RefusedBy: map[session.Cause]uint64{session.NoBackend: 3, session.ConnectionLimit: 0, session.SourceLimit: 0, session.NoneAccepted: 41, session.ClientUnusable: 0},
		Backends:  []proxy.BackendStatus{well, slow, back, young},
	}
	return f
}

// What a backend has shown last shows in each state; of what it was never asked there is no word.
func TestFiguresOfBackends(t *testing.T) {
	s := Status(busy(), nil)
	slow, young := s.Balancer.Backends[1], s.Balancer.Backends[3]
	if slow.State != "Healthy" || slow.Reason != "" || slow.CheckFailure != "no answer within 900ms" || slow.CheckTook != "900ms" || slow.Checked == nil {
		t.Errorf("%+v, want a healthy backend that failed its last check", slow)
	}
	if slow.Admin != "Drain" || young.Admin != "" {
		t.Errorf("ordered of a backend is %q, of another %q", slow.Admin, young.Admin)
	}
	if young.Checked != nil || young.CheckTook != "" || young.CheckFailure != "" || young.Downtime != "" {
		t.Errorf("%+v of a backend that was not checked yet", young)
	}
	if back := s.Balancer.Backends[2]; back.Downs != 2 || back.Downtime != "17m4.3s" {
		t.Errorf("%d downs, downtime %s", back.Downs, back.Downtime)
	}
	if by := s.Balancer.RefusedByReason; len(by) != len(session.Refusals()) || by["BackendFailed"] != 41 {
		t.Errorf("refused by reason: %v", by)
	}
}
