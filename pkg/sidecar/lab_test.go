// SPDX-License-Identifier: Apache-2.0

package sidecar_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/go-logr/logr"
	"go.uber.org/goleak"

	"github.com/harbinger-ha/harbinger/e2e/lab"
	"github.com/harbinger-ha/harbinger/e2e/lab/guest"
	"github.com/harbinger-ha/harbinger/e2e/lab/labtest"
	"github.com/harbinger-ha/harbinger/pkg/apis/config"
	"github.com/harbinger-ha/harbinger/pkg/apis/config/scheme"
	"github.com/harbinger-ha/harbinger/pkg/apis/status/v1alpha1"
	"github.com/harbinger-ha/harbinger/pkg/logging"
	"github.com/harbinger-ha/harbinger/pkg/sidecar"
)

// balancerArgument makes the test binary the balancer process that a sidecar starts.
const balancerArgument = "balancer"

// speaksArgument makes that process write its log.
const speaksArgument = "speaks"

// patience bounds every wait: nothing that is waited for takes a tenth of it on a quiet machine.
const patience = 20 * time.Second

// wire is the lab: this process is the host self; peer and third are others on its link.
var (
	wire              *lab.Lab
	self, peer, third *lab.Host
)

func TestMain(m *testing.M) {
	if slices.Contains(os.Args[1:], balancerArgument) {
		log := logr.Discard()
		if slices.Contains(os.Args[1:], speaksArgument) {
			log = logging.New(os.Stderr, logging.FormatText, 0)
		}
		if err := sidecar.RunBalancer(context.Background(), log); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	os.Exit(lab.MainInHost(func() int {
		if err := build(); err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
		code := m.Run()
		if err := errors.Join(wire.Close(), goleak.Find()); code == 0 && err != nil {
			fmt.Fprintln(os.Stderr, err)
			code = 1
		}
		return code
	}, keeperRole, connectionsRole, guest.ConfinedRole))
}

func build() (err error) {
	if wire, err = lab.New(lab.Config{Prefix6: netip.MustParsePrefix("fd00:99::/64")}); err != nil {
		return err
	}
	if self, err = wire.AddSelf("node1", 130); err != nil {
		return err
	}
	if peer, err = wire.AddHost("node2", 131); err != nil {
		return err
	}
	third, err = wire.AddHost("node3", 132)
	return err
}

// The virtual addresses of the tests.
var (
	vip4 = netip.MustParsePrefix("192.168.238.100/24")
	vip6 = netip.MustParsePrefix("fd00:99::100/64")
)

// A keeper is a sidecar that runs in this process.
type keeper struct {
	t    *testing.T
	log  *labtest.Log
	file string // its configuration
	stop context.CancelFunc
	done chan error // gets the result of Run
}

// start runs a sidecar with a configuration until the test ends. Its election takes tenths of a second.
func start(t *testing.T, body string) *keeper {
	t.Helper()
	return startAs(t, body, sidecar.Run)
}

// startAs is start with another way to run the sidecar.
func startAs(t *testing.T, body string, run func(context.Context, *config.HarbingerConfiguration, sidecar.Options) error) *keeper {
	t.Helper()
	k := &keeper{t: t, log: &labtest.Log{}, file: filepath.Join(t.TempDir(), "config.yaml"), done: make(chan error, 1)}
	k.configure(body)
	cfg, err := scheme.Decode(document(body))
	labtest.Must(t, err)
	ctx, cancel := context.WithCancel(context.Background())
	k.stop = cancel
	go func() {
		k.done <- run(ctx, cfg, sidecar.Options{
			Log: k.log.Logger(), Node: "node1", Balancer: []string{"/proc/self/exe", balancerArgument}, File: k.file,
		})
	}()
	t.Cleanup(func() {
		k.end()
		for _, raw := range []string{"dial tcp", "context deadline exceeded", "connect: "} { // the words of Go, which no line has
			if n := k.log.Count(raw); n > 0 {
				t.Errorf("%d lines have %q", n, raw)
			}
		}
		if t.Failed() {
			t.Logf("the log:\n%s", k.log)
		}
	})
	return k
}

// end stops the sidecar and waits for its end, which may have come.
func (k *keeper) end() {
	k.t.Helper()
	k.stop()
	select {
	case err := <-k.done:
		if err != nil {
			k.t.Error(err)
		}
		k.done <- nil
	case <-time.After(patience):
		k.t.Error("the sidecar does not end")
	}
}

func document(body string) []byte {
	return []byte("apiVersion: harbinger.dev/v1alpha1\nkind: HarbingerConfiguration\n" + body)
}

// configure replaces the configuration file.
func (k *keeper) configure(body string) {
	k.t.Helper()
	labtest.Must(k.t, os.WriteFile(k.file, document(body), 0o600))
}

// get asks the status address of the sidecar.
func get(path string) (code int, body string) {
	response, err := (&http.Client{Timeout: patience, Transport: &http.Transport{DisableKeepAlives: true}}).Get("http://127.0.0.1:10443" + path)
	if err != nil {
		return 0, err.Error()
	}
	defer response.Body.Close()
	content, err := io.ReadAll(response.Body)
	if err != nil {
		return 0, err.Error()
	}
	return response.StatusCode, string(content)
}

// status returns what the sidecar says of itself, nothing while it does not answer.
func status() v1alpha1.HarbingerStatus {
	var s v1alpha1.HarbingerStatus
	if code, body := get("/status"); code == http.StatusOK {
		_ = json.Unmarshal([]byte(body), &s) // what is missing is not waited for in vain
	}
	return s
}

// until waits for a condition of the status.
func (k *keeper) until(what string, condition func(v1alpha1.HarbingerStatus) bool) {
	k.t.Helper()
	labtest.Until(k.t, patience, what, func() bool { return condition(status()) })
}

func active(s v1alpha1.HarbingerStatus) bool {
	return s.VirtualRouter.State == "Active" && s.VirtualRouter.Held && s.Ready
}

// held reports whether this host has an address.
func held(address netip.Prefix) bool {
	all, _ := net.InterfaceAddrs()
	return slices.ContainsFunc(all, func(a net.Addr) bool { return strings.HasPrefix(a.String(), address.Addr().String()+"/") })
}

// untilLogged waits for a line.
func (k *keeper) untilLogged(text string) {
	k.t.Helper()
	labtest.Until(k.t, patience, fmt.Sprintf("the log has %q", text), func() bool { return k.log.Count(text) > 0 })
}
