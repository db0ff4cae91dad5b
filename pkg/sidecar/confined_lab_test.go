// SPDX-License-Identifier: Apache-2.0

package sidecar_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/harbinger-ha/harbinger/e2e/lab"
	"github.com/harbinger-ha/harbinger/e2e/lab/guest"
	"github.com/harbinger-ha/harbinger/e2e/lab/labtest"
	"github.com/harbinger-ha/harbinger/pkg/apis/status/v1alpha1"
	"github.com/harbinger-ha/harbinger/pkg/logging"
)

// confined deploys a keeper on this host whose processes are denied something, and waits until it serves.
func confined(t *testing.T, without guest.Denial) *deployment {
	t.Helper()
	serveAPI(t)
	d := &deployment{t: t, vip: vip4, hosts: []*lab.Host{self}, without: without}
	d.start("VRRP", dualStack+body("VRRP", ""))
	d.until("it serves", active)
	wantAnswers(t, "without "+string(without))
	return d
}

// says reports whether a line of a keeper's log, or of its balancer's, has a message.
func (d *deployment) says(message string) bool {
	return strings.Contains(d.processes[0].Output(), "msg=\""+message+"\"")
}

// Where the kernel lets nobody set scheduling, keeper and balancer start without, and both say so.
func TestWithoutScheduling(t *testing.T) {
	d := confined(t, guest.NoScheduling)
	for _, message := range []string{logging.MsgNormalScheduling, logging.MsgBalancerScheduling} {
		labtest.Until(t, patience, "the log has "+message, func() bool { return d.says(message) })
	}
	fencedOn(d, "without scheduling", lab.Interface)
}

// What the generated pod may do is enough for the fence and for real-time scheduling.
func TestFenceInAPod(t *testing.T) {
	d := confined(t, guest.AsInAPod)
	fencedOn(d, "in a pod", lab.Interface)
	if d.says(logging.MsgNormalScheduling) || d.says(logging.MsgBalancerScheduling) {
		t.Error("it has no real-time scheduling")
	}
}

// Without nf_tables all works, and it is said. The address of a killed holder then answers until its lifetime ends, as before there was
// a fence.
func TestWithoutNFTables(t *testing.T) {
	d := confined(t, guest.NoNFTables)
	d.until("there is no fence, and it is said", func(s v1alpha1.HarbingerStatus) bool {
		f := s.VirtualRouter.Fence
		return active(s) && f != nil && f.State == "Absent" && strings.Contains(f.Reason, "nf_tables") &&
			slices.ContainsFunc(s.Findings, func(x v1alpha1.Finding) bool { return x.Condition == v1alpha1.ConditionFenced })
	})
	labtest.Must(t, d.processes[0].Kill())
	killed := time.Now()
	labtest.Until(t, patience, "the addresses are silent", func() bool { return !answers(vip4) && !answers(vip6) })
	if took := time.Since(killed); took < 700*time.Millisecond {
		t.Errorf("silent after %s: a kernel keeps an address for a second", took)
	}
	d.processes[0] = d.run(self)
	d.until("it serves again", active)
}
