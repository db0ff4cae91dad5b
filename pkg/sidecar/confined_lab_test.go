// SPDX-License-Identifier: Apache-2.0

package sidecar_test

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

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

// A keeper in a pod gives its balancer nothing, and can end it all the same when it hangs.
func TestBalancerInAPod(t *testing.T) {
	d := confined(t, guest.AsInAPod)
	d.until("the status says so", func(s v1alpha1.HarbingerStatus) bool { return confinement(s) == metav1.ConditionTrue })
	if d.says(logging.MsgBalancerUnconfined) {
		t.Errorf("the balancer keeps privileges:\n%s", d.processes[0].Output())
	}
	replacedWhenFrozen(t, "65532")
}

// One in the pod of an older manifest serves, says once what its balancer keeps, and why.
func TestBalancerInAnOldPod(t *testing.T) {
	d := confined(t, guest.AsInAnOldPod)
	d.until("the status says so", func(s v1alpha1.HarbingerStatus) bool {
		return confinement(s) == metav1.ConditionFalse && strings.Contains(s.Balancer.Keeps, "user 0") && s.Ready
	})
	replacedWhenFrozen(t, "0")
	out := d.processes[0].Output()
	line := out[strings.Index(out, logging.MsgBalancerUnconfined):]
	line = line[:strings.Index(line, "\n")]
	for _, part := range []string{"user 0", "group 0", "bounding capabilities 0x803000", "capability KILL is needed", "capability SETPCAP is needed"} {
		if !strings.Contains(line, part) {
			t.Errorf("the log says %q, without %q", line, part)
		}
	}
	if strings.Contains(line, "effective capabilities") || strings.Contains(line, "system call") {
		t.Errorf("the log says %q: it could give that up", line)
	}
	if n := strings.Count(out, logging.MsgBalancerUnconfined); n != 1 {
		t.Errorf("%d lines say so, want one for both processes", n)
	}
}

// confinement is whether the balancer process has no more than it needs, as the status says.
func confinement(s v1alpha1.HarbingerStatus) metav1.ConditionStatus {
	if c := meta.FindStatusCondition(s.Conditions, v1alpha1.ConditionConfined); c != nil {
		return c.Status
	}
	return ""
}

// replacedWhenFrozen freezes the balancer process, which has that user, and waits for another one that serves.
func replacedWhenFrozen(t *testing.T, user string) {
	t.Helper()
	pid := status().Balancer.PID
	kernel, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	labtest.Must(t, err)
	for _, line := range []string{"Uid:\t" + user + "\t", "CapEff:\t0000000000000000\n", "NoNewPrivs:\t1\n", "Seccomp:\t2\n"} {
		if !strings.Contains(string(kernel), line) {
			t.Errorf("the balancer has no %q:\n%s", line, kernel)
		}
	}
	labtest.Must(t, syscall.Kill(pid, syscall.SIGSTOP))
	labtest.Until(t, patience, "another balancer serves", func() bool {
		s := status()
		return active(s) && s.Balancer.PID != 0 && s.Balancer.PID != pid
	})
	if _, err := os.Stat(fmt.Sprintf("/proc/%d/status", pid)); err == nil {
		t.Error("the frozen one lives")
	}
	wantAnswers(t, "after a balancer that hung")
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
	for _, message := range []string{logging.MsgKernelFailed, logging.MsgKernelCannot} {
		if d.says(message) {
			t.Errorf("the log has %q, and the kernel is to pass nothing on", message)
		}
	}
	labtest.Must(t, d.processes[0].Kill())
	killed, silent, looks := time.Now(), time.Time{}, 0
	labtest.Until(t, patience, "the addresses are silent, as a stall of this machine is not", func() bool {
		if answers(vip4) || answers(vip6) {
			looks = 0
			return false
		}
		if looks++; looks == 1 {
			silent = time.Now()
		}
		return looks == 3
	})
	if took := silent.Sub(killed); took < 700*time.Millisecond {
		t.Errorf("silent after %s: a kernel keeps an address for a second", took)
	}
	d.processes[0] = d.run(self)
	d.until("it serves again", active)
}
