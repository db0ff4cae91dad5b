// SPDX-License-Identifier: Apache-2.0

package steer

import (
	"encoding/json"
	"fmt"
	"os"
	"runtime"
	"slices"
	"sync"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/harbinger-ha/harbinger/e2e/lab"
	"github.com/harbinger-ha/harbinger/e2e/lab/labtest"
	"github.com/harbinger-ha/harbinger/pkg/balance"
)

// A steererConfig is the configuration of the steerer role.
type steererConfig struct {
	Mode         balance.SteeringMode
	Capabilities []int // all that it has; empty: as many as there are
}

// steererRole is a process that steers to itself, and writes which mode it uses.
var steererRole = lab.Role{Name: "steerer", Main: func(args []string) int {
	if err := runSteerer(args[0]); err != nil {
		fmt.Println("error:", err)
		return 1
	}
	return 0
}}

func runSteerer(encoded string) error {
	var cfg steererConfig
	if err := json.Unmarshal([]byte(encoded), &cfg); err != nil {
		return err
	}
	if len(cfg.Capabilities) > 0 {
		return keepCapabilities(cfg)
	}
	fronts, listeners, err := frontends()
	if err != nil {
		return err
	}
	s, err := New(Config{Mode: cfg.Mode, Frontends: fronts})
	if err != nil {
		return err
	}
	if err := s.Enable(); err != nil {
		return err
	}
	fmt.Println("enabled", s.Mode())
	var wait sync.WaitGroup
	for _, ln := range listeners {
		wait.Go(func() { labtest.Accept(ln, greeting("balancer")) })
	}
	wait.Wait()
	return nil
}

// keepCapabilities starts the program again with no capabilities but those.
func keepCapabilities(cfg steererConfig) error {
	runtime.LockOSThread() // the bounding set is the thread's, and exec takes it over
	for c := range unix.CAP_LAST_CAP + 1 {
		if slices.Contains(cfg.Capabilities, c) {
			continue
		}
		if err := unix.Prctl(unix.PR_CAPBSET_DROP, uintptr(c), 0, 0, 0); err != nil {
			return err
		}
	}
	cfg.Capabilities = nil
	encoded, err := json.Marshal(cfg)
	if err != nil {
		return err
	}
	return syscall.Exec("/proc/self/exe", []string{os.Args[0], string(encoded)}, os.Environ())
}

// startSteerer starts a steerer and waits until it steers.
func (s scene) startSteerer(t testing.TB, cfg steererConfig) *lab.Process {
	t.Helper()
	encoded, err := json.Marshal(cfg)
	must(t, err)
	p, err := s.host.Start(steererRole.Command(string(encoded)))
	must(t, err)
	must(t, lab.Until(patience, "the process steers", func() bool { return p.Wrote("\n") }))
	if !p.Wrote("enabled") {
		t.Fatal(p.Output())
	}
	return p
}

func TestDeathOfTheProcess(t *testing.T) {
	forEachMode(t, func(t *testing.T, mode balance.SteeringMode) {
		s := newScene(t)
		p := s.startSteerer(t, steererConfig{Mode: mode})
		s.wantVIPs(t, "balancer")
		must(t, p.Kill())
		start := time.Now()
		s.wantVIPs(t, "apiserver")
		t.Logf("the apiserver answered all within %v", time.Since(start))
	})
}

// TestCapabilities holds what each mode needs, and that Auto takes the best that they allow.
func TestCapabilities(t *testing.T) {
	for _, test := range []struct {
		name string
		keep []int
		want balance.SteeringMode
	}{
		{"NET_ADMIN and BPF", []int{unix.CAP_NET_ADMIN, unix.CAP_BPF}, balance.SteeringBPF},
		{"NET_ADMIN", []int{unix.CAP_NET_ADMIN}, balance.SteeringNFTables},
	} {
		t.Run(test.name, func(t *testing.T) {
			s := newScene(t)
			p := s.startSteerer(t, steererConfig{Mode: balance.SteeringAuto, Capabilities: test.keep})
			if !p.Wrote("enabled " + string(test.want)) {
				t.Errorf("it says %s, want %s", p.Output(), test.want)
			}
			s.wantVIPs(t, "balancer")
			s.wantRest(t)
		})
	}
}
