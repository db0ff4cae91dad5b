// SPDX-License-Identifier: Apache-2.0

package proxy

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/go-logr/logr"

	"github.com/harbinger-ha/harbinger/e2e/lab"
	"github.com/harbinger-ha/harbinger/e2e/lab/labtest"
	"github.com/harbinger-ha/harbinger/pkg/balance"
)

// A keeperConfig is the configuration of the keeper role.
type keeperConfig struct {
	Listen   netip.AddrPort
	Settings Settings
}

// keeperRole is a keeper process. It writes a line per change: the PID of its balancer, the states of the backends, and the limit of
// connections.
var keeperRole = lab.Role{Name: "keeper", Main: func(args []string) int {
	os.Clearenv() // its child plays no role
	var cfg keeperConfig
	err := json.Unmarshal([]byte(args[0]), &cfg)
	if err != nil {
		return 1
	}
	ln, err := Listen(cfg.Listen)
	if err != nil {
		return 1
	}
	NewSupervisor(SupervisorConfig{
		Log: logr.Discard(), Command: []string{"/proc/self/exe", balancerArgument}, Listeners: []*Listener{ln}, Settings: cfg.Settings,
		OnStatus: func(s Status) {
			var states []string
			for _, b := range s.Backends {
				states = append(states, b.State.String())
			}
			fmt.Printf("pid=%d %s limit=%d %s\n", s.PID, strings.Join(states, ","), s.Limit, s.Lowered)
		},
	}).Run(context.Background())
	return 0
}}

// startKeeper starts a keeper in a host.
func startKeeper(t testing.TB, h *lab.Host, cfg keeperConfig) *lab.Process {
	t.Helper()
	encoded, err := json.Marshal(cfg)
	must(t, err)
	p, err := h.Start(keeperRole.Command(string(encoded)))
	must(t, err)
	return p
}

// TestBalancerDiesWithItsKeeper kills the keeper, also while the balancer cannot notice.
func TestBalancerDiesWithItsKeeper(t *testing.T) {
	for name, before := range map[string]func(pid int) error{
		"running": func(int) error { return nil },
		"frozen":  func(pid int) error { return syscall.Kill(pid, syscall.SIGSTOP) },
	} {
		t.Run(name, func(t *testing.T) {
			h := labtest.New(t, lab.Config{Nodes: 1}).Hosts()[0]
			keeper := startKeeper(t, h, keeperConfig{netip.MustParseAddrPort("0.0.0.0:4300"), testSettings(balance.Backend{Address: netip.MustParseAddrPort("127.0.0.1:6443")})})
			until(t, "the balancer runs", func() bool { return keeper.Wrote("Down") })
			var pid int
			_, err := fmt.Sscanf(keeper.Output(), "pid=%d", &pid)
			must(t, err)
			must(t, before(pid))
			must(t, syscall.Kill(keeper.PID(), syscall.SIGKILL))
			until(t, "the balancer is dead", func() bool { return dead(pid) })
		})
	}
}

// dead reports whether a process has ended, be it that nobody has waited for it.
func dead(pid int) bool { return processState(pid) == 'Z' }

// processState returns the letter that the kernel has for the state of a process: Z as well when it is gone.
func processState(pid int) byte {
	stat, err := os.ReadFile(filepath.Join("/proc", fmt.Sprint(pid), "stat"))
	if err != nil {
		return 'Z'
	}
	_, state, _ := bytes.Cut(stat, []byte(") "))
	return state[0]
}

// TestFrozenKeeperFindsItsBalancer freezes the keeper for longer than a balancer may be silent, while the balancer works.
func TestFrozenKeeperFindsItsBalancer(t *testing.T) {
	host := labtest.New(t, lab.Config{Nodes: 1}).Hosts()[0]
	settings := testSettings(balance.Backend{Address: newHostGreeter(t, host, "a").address})
	address := netip.MustParseAddrPort("127.0.0.1:4300")
	keeper := startKeeper(t, host, keeperConfig{address, settings})
	until(t, "the balancer runs", func() bool { return keeper.Wrote("Healthy") })
	before := keeper.Output()
	must(t, syscall.Kill(keeper.PID(), syscall.SIGSTOP))
	<-time.After(silentAfter + time.Second)
	hold(t, host, address, 1)
	must(t, syscall.Kill(keeper.PID(), syscall.SIGCONT))
	<-time.After(time.Second) // in which it would act
	if after := keeper.Output(); after != before {
		t.Errorf("the keeper acted:\n%s", after)
	}
}
