// SPDX-License-Identifier: Apache-2.0

package preflight_test

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"runtime"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/harbinger-ha/harbinger/e2e/lab/labtest"
	"github.com/harbinger-ha/harbinger/pkg/fence"
	"github.com/harbinger-ha/harbinger/pkg/preflight"
)

const (
	shared    = vip + "controlPlane: {port: 6443}\n"
	byKernel  = vip + "controlPlane: {port: 4300}\nloadBalancer: {mode: Kernel}\n"
	allRights = 1<<41 - 1
)

// asked is a process with some rights.
func asked(rights uint64) preflight.Asked[preflight.Process] {
	return preflight.Asked[preflight.Process]{Value: preflight.Process{Capabilities: rights}}
}

func TestKernel(t *testing.T) {
	refused := preflight.Asked[struct{}]{Err: errors.New("steer by BPF: load program: invalid argument")}
	noTables := preflight.Facts{Process: asked(allRights)}
	noTables.Firewall.Err = errors.New("operation not supported")
	forbidden := noTables
	forbidden.Firewall.Err = fmt.Errorf("read: %w", fs.ErrPermission)
	broken := noTables
	broken.BPF = refused
	unfenced := preflight.Asked[struct{}]{Err: fmt.Errorf("try: %w", &fence.Unavailable{Reason: "too old", Err: unix.EOPNOTSUPP})}
	filtered := preflight.Asked[preflight.Process]{Value: preflight.Process{Capabilities: allRights, Filtered: true}}
	for _, tt := range []struct {
		name, document string
		facts          preflight.Facts
		check          string
		want           preflight.Status
		found          string
	}{
		{"all rights", shared, preflight.Facts{Process: asked(allRights)}, "Capabilities", preflight.OK, "NET_ADMIN, NET_RAW, SYS_NICE, KILL, SETGID, SETPCAP, SETUID, BPF"},
		{"a port of its own", vip + "controlPlane: {port: 4300}\n", preflight.Facts{Process: asked(allRights &^ (1 << 39))}, "Capabilities", preflight.OK, "NET_ADMIN, NET_RAW, SYS_NICE, KILL, SETGID, SETPCAP, SETUID"},
		{"without BPF", shared, preflight.Facts{Process: asked(allRights &^ (1 << 39))}, "Capabilities", preflight.Warn, "could not be asked: this process has not BPF"},
		{"without any", shared, preflight.Facts{Process: asked(0)}, "Capabilities", preflight.Warn, "has not NET_ADMIN, NET_RAW, SYS_NICE, KILL, SETGID, SETPCAP, SETUID, BPF"},
		{"rootless", shared, preflight.Facts{Process: preflight.Asked[preflight.Process]{Value: preflight.Process{Capabilities: allRights, UserNamespace: true}}}, "Capabilities", preflight.Warn, "rootless"},

		{"taken", shared, preflight.Facts{Process: asked(allRights)}, "BPF", preflight.OK, "takes the program"},
		{"refused", shared + "loadBalancer: {steering: {mode: BPF}}\n", preflight.Facts{Process: asked(allRights), BPF: refused}, "BPF", preflight.Fail, "invalid argument"},
		{"refused, with nf_tables", shared, preflight.Facts{Process: asked(allRights), BPF: refused}, "BPF", preflight.Warn, "takes nf_tables, because the kernel refuses BPF"},
		{"refused, without nf_tables", shared, broken, "BPF", preflight.Fail, "is refused by the kernel"},
		{"no right to ask", shared, preflight.Facts{Process: asked(0), BPF: refused}, "BPF", preflight.Warn, "could not be asked"},
		{"a filter", shared, preflight.Facts{Process: filtered, BPF: refused}, "BPF", preflight.Warn, "could not be asked"},

		{"there", shared, preflight.Facts{}, "NFTables", preflight.OK, "answers"},
		{"not there, beside BPF", shared, noTables, "NFTables", preflight.Warn, "has BPF alone: operation not supported"},
		{"not there", shared + "loadBalancer: {steering: {mode: NFTables}}\n", noTables, "NFTables", preflight.Fail, "operation not supported"},
		{"no right", shared + "loadBalancer: {steering: {mode: NFTables}}\n", forbidden, "NFTables", preflight.Warn, "could not be asked"},

		{"taken", shared, preflight.Facts{Process: asked(allRights)}, "Fence", preflight.OK, "is off the wire within 400ms"},
		{"not taken", shared, preflight.Facts{Process: asked(allRights), Fence: unfenced}, "Fence", preflight.Warn, "the fence cannot be had: too old: a killed or frozen holder answers for up to 2.1s, as without one"},
		{"not taken at 1 s", shared + "election: {vrrp: {advertisementInterval: 1s}}\n", preflight.Facts{Process: asked(allRights), Fence: unfenced}, "Fence", preflight.Warn, "for up to 3.1s"},

		{"taken", byKernel, preflight.Facts{Process: asked(allRights)}, "KernelMode", preflight.OK, "this host forwards them"},
		{"not taken", byKernel, preflight.Facts{Process: asked(allRights), KernelMode: refused}, "KernelMode", preflight.Warn, "invalid argument: connections are relayed until then"},
		{"no right", byKernel, preflight.Facts{Process: asked(0), KernelMode: refused}, "KernelMode", preflight.Warn, "could not be asked"},

		{"none", shared, preflight.Facts{Process: asked(allRights)}, "Seccomp", preflight.OK, "no seccomp filter"},
		{"one", shared, preflight.Facts{Process: filtered}, "Seccomp", preflight.Warn, "a seccomp filter is on this process"},

		{"synchronised", shared, preflight.Facts{Clock: preflight.Asked[bool]{Value: true}}, "Clock", preflight.OK, "is synchronised"},
		{"not synchronised", shared, preflight.Facts{}, "Clock", preflight.Warn, "certificates are refused where it is wrong"},
		{"signed", shared + "election: {vrrp: {authentication: {type: HMAC, hmac: {activeKey: 1, keys: [{id: 1, file: /etc/kubernetes/harbinger/k}]}}}}\n", preflight.Facts{}, "Clock", preflight.Warn, "and so are signed advertisements"},

		{"present", shared, preflight.Facts{Image: preflight.Asked[preflight.Image]{Value: preflight.Image{Name: "x", Present: true}}}, "Image", preflight.OK, "x is on this host"},
		{"missing", shared, preflight.Facts{Image: preflight.Asked[preflight.Image]{Value: preflight.Image{Name: "x"}}}, "Image", preflight.Warn, "x is not on this host"},
	} {
		t.Run(tt.check+" "+tt.name, func(t *testing.T) {
			tt.facts.Links, tt.facts.Thorough = links, true
			results := of(tt.check, decode(t, tt.document), tt.facts)
			if len(results) != 1 || results[0].Status != tt.want || !strings.Contains(results[0].Found, tt.found) || (tt.want != preflight.OK) != (results[0].Remedy != "") {
				t.Errorf("%+v, want %s %q", results, tt.want, tt.found)
			}
		})
	}
}

// The slow checks are not made from facts that were gathered in haste.
func TestQuickChecks(t *testing.T) {
	for _, r := range preflight.Run(decode(t, shared), preflight.Facts{Links: links}) {
		switch r.Check {
		case "BPF", "Clock", "Fence", "KernelMode", "Image":
			t.Errorf("%+v", r)
		}
	}
	for _, check := range []string{"BPF", "NFTables", "KernelMode"} {
		if r := of(check, decode(t, vip+"controlPlane: {port: 4300}\n"), preflight.Facts{Links: links, Thorough: true}); len(r) > 0 {
			t.Errorf("with a port of its own: %v", r)
		}
	}
}

// without runs a function in a thread whose effective rights are fewer. The thread ends with it.
func without(t *testing.T, rights uint64, f func()) {
	t.Helper()
	done := make(chan error)
	go func() {
		runtime.LockOSThread() // for good
		header := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
		var data [2]unix.CapUserData
		err := unix.Capget(&header, &data[0])
		if err == nil {
			data[0].Effective &^= uint32(rights)
			data[1].Effective &^= uint32(rights >> 32)
			err = unix.Capset(&header, &data[0])
		}
		if err == nil {
			f()
		}
		done <- err
	}()
	labtest.Must(t, <-done)
}

// Without the rights of root the checks say that they could not ask; as root of the host, which is the remedy, they are fine.
func TestRightsOfThisProcess(t *testing.T) {
	const sysAdmin, netAdmin, perfmon, bpf = 21, 12, 38, 39
	cfg := decode(t, shared)
	gathered := func() (facts preflight.Facts) {
		facts, err := preflight.GatherAll(context.Background(), cfg, testImage)
		if err != nil {
			t.Error(err)
		}
		facts.Links = links
		return facts
	}
	t.Setenv("PATH", "/nowhere")
	var few preflight.Facts
	without(t, 1<<sysAdmin|1<<netAdmin|1<<perfmon|1<<bpf, func() { few = gathered() })
	host := newHost(t)
	var all preflight.Facts
	labtest.Must(t, host.Do(func() error { all = gathered(); return nil }))
	if r := of("Fence", cfg, few); len(r) != 1 || r[0].Status != preflight.Warn || !strings.HasPrefix(r[0].Found, "the fence cannot be had: ") || !strings.Contains(r[0].Remedy, "CAP_NET_ADMIN") {
		t.Errorf("without rights: %+v", r)
	}
	if r := of("Fence", cfg, all); len(r) != 1 || r[0].Status != preflight.OK {
		t.Errorf("as root: %+v", r)
	}
	for check, found := range map[string]string{
		"Capabilities": "could not be asked: this process has not NET_ADMIN, BPF", "BPF": "could not be asked: steer by BPF: ",
		"NFTables": "could not be asked: read the rules of nf_tables: ", "FirewallVRRP": "could not be asked: read the rules of nf_tables: ",
	} {
		if r := of(check, cfg, few); len(r) != 1 || r[0].Status != preflight.Warn || !strings.HasPrefix(r[0].Found, found) || !strings.Contains(r[0].Remedy, "as root") {
			t.Errorf("without rights: %+v, want %q", r, found)
		}
		if r := of(check, cfg, all); len(r) != 1 || r[0].Status != preflight.OK {
			t.Errorf("as root: %+v", r)
		}
	}
	if r := of("Image", cfg, all); len(r) != 1 || r[0].Status != preflight.Warn || r[0].Found != "could not be asked: there is neither crictl nor ctr on this host" {
		t.Errorf("without a program of the runtime: %+v", r)
	}
}

// The clock is what the kernel says of it.
func TestClockOfThisHost(t *testing.T) {
	const unsynchronised = 0x40
	var timex syscall.Timex
	if _, err := syscall.Adjtimex(&timex); err != nil {
		t.Fatal(err)
	}
	want := preflight.OK
	if timex.Status&unsynchronised != 0 {
		want = preflight.Warn
	}
	if r := one(t, bare(t), decode(t, vip), "Clock"); r.Status != want {
		t.Errorf("%+v, want %s", r, want)
	} else if r.Remedy != "" {
		paste(t, bare(t), r.Remedy)
	}
}

// An image that the runtime has not is pulled by the remedy.
func TestImageOfAHost(t *testing.T) {
	host := bare(t)
	mend(t, host, decode(t, vip), "Image", preflight.Warn, testImage+" is not on this host")
	labtest.Must(t, host.WriteFile("/run/fake/ctr", "#!/bin/sh\necho cannot connect >&2\nexit 1\n"))
	if r := one(t, host, decode(t, vip), "Image"); r.Status != preflight.Warn || !strings.HasPrefix(r.Found, "could not be asked: ctr ") || !strings.HasSuffix(r.Found, "cannot connect") {
		t.Errorf("a runtime that does not answer: %+v", r)
	}
	if _, err := os.Stat("/run/fake/ctr"); err == nil {
		t.Error("the stand-in is on the machine of the test")
	}
}
