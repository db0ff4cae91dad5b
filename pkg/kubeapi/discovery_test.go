// SPDX-License-Identifier: Apache-2.0

package kubeapi_test

import (
	"fmt"
	"net/http"
	"net/netip"
	"os"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	discoveryv1 "k8s.io/api/discovery/v1"

	"github.com/harbinger-ha/harbinger/e2e/lab/labtest"
	"github.com/harbinger-ha/harbinger/pkg/kubeapi"
	"github.com/harbinger-ha/harbinger/pkg/staticpod"
)

// found collects what a Discovery reports.
type found struct {
	mu    sync.Mutex
	lists []string
}

func (f *found) add(list []netip.AddrPort) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.lists = append(f.lists, fmt.Sprint(list))
}

func (f *found) all() []string {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Clone(f.lists)
}

func (f *found) last() string {
	if all := f.all(); len(all) > 0 {
		return all[len(all)-1]
	}
	return ""
}

// apiservers is the EndpointSlice of some apiservers. An address with a "!" is not ready.
func apiservers(addresses ...string) discoveryv1.EndpointSlice {
	slice := discoveryv1.EndpointSlice{Ports: []discoveryv1.EndpointPort{{Name: new("https"), Port: new(int32(6443))}}}
	for _, address := range addresses {
		address, unready := strings.CutPrefix(address, "!")
		slice.Endpoints = append(slice.Endpoints, discoveryv1.Endpoint{
			Addresses: []string{address}, Conditions: discoveryv1.EndpointConditions{Ready: new(!unready)},
		})
	}
	return slice
}

const interval = 10 * time.Millisecond

func discover(t *testing.T, n int, stateFile string) (*cluster, *found, *labtest.Log) {
	t.Helper()
	f, log := &found{}, &labtest.Log{}
	c := newCluster(t, n, func(o *kubeapi.Options) {
		o.Log = log.Logger()
		o.Discovery = &kubeapi.Discovery{
			OnEndpoints: f.add, StateFile: stateFile, WriteFile: staticpod.Write, Interval: interval, Settle: interval,
			Take: take,
		}
	})
	return c, f, log
}

// take takes what has a port, and is neither 192.168.238.100 nor loopback nor below 2.0.0.0.
func take(all []netip.AddrPort) []netip.AddrPort {
	return slices.DeleteFunc(slices.Clone(all), func(a netip.AddrPort) bool {
		return a.Port() == 0 || a.Addr().IsLoopback() || a.Addr() == netip.MustParseAddr("192.168.238.100") || a.Addr().Less(netip.MustParseAddr("2.0.0.0"))
	})
}

// Of an answer with very many apiservers, as many become known as are taken, and are kept.
func TestDiscoveryOfVeryMany(t *testing.T) {
	file := t.TempDir() + "/backends.json"
	c, f, _ := discover(t, 1, file)
	var parts []discoveryv1.EndpointSlice
	for part := range 3 {
		var addresses []string
		for i := range 1000 {
			addresses = append(addresses, fmt.Sprintf("1.%d.%d.%d", part, i/250, i%250))
		}
		parts = append(parts, apiservers(addresses...))
	}
	parts[2].Endpoints = append(parts[2].Endpoints, apiservers("192.168.238.130").Endpoints...)
	parts[2].Endpoints[1000].Addresses = append(parts[2].Endpoints[1000].Addresses, "192.168.238.131") // another address of the same
	c.store.setSlices(parts...)
	run(t, c.Client)
	until(t, "one is known", func() bool { return f.last() == "[192.168.238.130:6443]" })
	raw, err := os.ReadFile(file)
	if err != nil || len(raw) > 200 {
		t.Errorf("the state file has %d bytes: %v", len(raw), err)
	}
}

func TestDiscovery(t *testing.T) {
	c, f, _ := discover(t, 1, t.TempDir()+"/backends.json")
	c.store.setSlices(apiservers("192.168.238.130"))
	run(t, c.Client)
	for _, step := range []struct {
		slices []discoveryv1.EndpointSlice
		want   string
	}{
		{nil, "[192.168.238.130:6443]"},
		{[]discoveryv1.EndpointSlice{apiservers("192.168.238.131", "192.168.238.130", "!192.168.238.132")}, "[192.168.238.130:6443 192.168.238.131:6443]"},
		{[]discoveryv1.EndpointSlice{apiservers("192.168.238.132"), apiservers("fd00::130", "fd00::131")}, "[192.168.238.132:6443 [fd00::130]:6443 [fd00::131]:6443]"},
		// The virtual address leads back here, and junk nowhere.
		{[]discoveryv1.EndpointSlice{apiservers("192.168.238.100", "192.168.238.131", "junk", "0.0.0.0", "127.0.0.1")}, "[192.168.238.131:6443]"},
		{[]discoveryv1.EndpointSlice{{Ports: []discoveryv1.EndpointPort{{Port: new(int32(7443))}}, Endpoints: []discoveryv1.Endpoint{{Addresses: []string{"192.168.238.130"}}}}}, "[192.168.238.130:7443]"},
	} {
		if step.slices != nil {
			c.store.setSlices(step.slices...)
		}
		until(t, "the apiservers are "+step.want, func() bool { return f.last() == step.want })
	}
	// None at all is no news: two more answers, and nothing happens.
	known := len(f.all())
	for _, none := range []discoveryv1.EndpointSlice{apiservers(), apiservers("!192.168.238.130"), {Endpoints: apiservers("192.168.238.133").Endpoints}} {
		c.store.setSlices(none)
		asked := c.servers[0].requests.Load()
		until(t, "two more answers", func() bool { return c.servers[0].requests.Load() > asked+2 })
	}
	if all := f.all(); len(all) != known {
		t.Errorf("apiservers are %v after they were %v", all[known:], all[known-1])
	}
}

// Those that come and go with each answer are never used.
func TestDiscoveryWaitsUntilItIsStable(t *testing.T) {
	c, f, _ := discover(t, 1, "")
	c.store.setSlices(apiservers("192.168.238.130"))
	run(t, c.Client)
	const want = "[192.168.238.130:6443]"
	until(t, "the first is known", func() bool { return f.last() == want })
	var answers atomic.Int32
	c.servers[0].set(func(w http.ResponseWriter, r *http.Request, answer http.HandlerFunc) {
		c.store.setSlices(apiservers("192.168.238.130", fmt.Sprint("192.168.239.", answers.Add(1)%250)))
		answer(w, r)
	})
	until(t, "there were many answers", func() bool { return answers.Load() > 20 })
	if all := f.all(); len(all) != 1 {
		t.Errorf("apiservers are %v", all)
	}
}

func TestDiscoveryKeepsWhatItKnows(t *testing.T) {
	file := t.TempDir() + "/backends.json"
	c, f, _ := discover(t, 1, file)
	c.store.setSlices(apiservers("192.168.238.131", "192.168.238.130"))
	run(t, c.Client)
	const want = "[192.168.238.130:6443 192.168.238.131:6443]"
	until(t, "the apiservers are known", func() bool { return f.last() == want })

	later, f, _ := discover(t, 0, file) // there is no API
	run(t, later.Client)
	until(t, "the apiservers are remembered", func() bool { return f.last() == want })
}

func TestDiscoveryWithDamagedState(t *testing.T) {
	for name, content := range map[string]string{
		"half": `{"backends": ["192.168.2`, "empty": "", "other": `{"backends": [1]}`, "junk": "\x00\xff",
		"useless": `{"backends": ["192.168.238.100:6443", "0.0.0.0:6443", "192.168.238.131:0"]}`,
	} {
		t.Run(name, func(t *testing.T) {
			file := t.TempDir() + "/backends.json"
			if err := os.WriteFile(file, []byte(content), 0o600); err != nil {
				t.Fatal(err)
			}
			c, f, log := discover(t, 1, file)
			c.store.setSlices(apiservers("192.168.238.130"))
			run(t, c.Client)
			until(t, "the apiservers are known", func() bool { return f.last() == "[192.168.238.130:6443]" })
			if all := f.all(); len(all) != 1 {
				t.Errorf("reported %v", all)
			}
			if n := log.Count("Known apiservers not read"); n != 1 && name != "useless" {
				t.Errorf("%d log lines of the damage", n)
			}
			until(t, "the file is good again", func() bool {
				raw, err := os.ReadFile(file)
				return err == nil && strings.Contains(string(raw), "192.168.238.130:6443")
			})
		})
	}
}

// The defaults: a node that is ready is used within 5 s.
func TestDiscoveryIsInTime(t *testing.T) {
	f := &found{}
	c := newCluster(t, 1, func(o *kubeapi.Options) { o.Discovery = &kubeapi.Discovery{OnEndpoints: f.add} })
	c.store.setSlices(apiservers("192.168.238.130"))
	run(t, c.Client)
	until(t, "the first is known", func() bool { return f.last() != "" })
	start, asked := time.Now(), c.servers[0].requests.Load()
	c.store.setSlices(apiservers("192.168.238.130", "192.168.238.131"))
	until(t, "the second is known", func() bool { return strings.Contains(f.last(), "131") })
	if took := time.Since(start); took > 5*time.Second {
		t.Errorf("took %v", took)
	}
	if n := c.servers[0].requests.Load() - asked; n != 2 {
		t.Errorf("took %d requests", n)
	}
}
