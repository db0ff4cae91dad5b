// SPDX-License-Identifier: Apache-2.0

package wire

import (
	"context"
	"encoding/json"
	"fmt"
	"net"
	"net/netip"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/harbinger-ha/harbinger/e2e/lab"
	"github.com/harbinger-ha/harbinger/e2e/lab/labtest"
	"github.com/harbinger-ha/harbinger/pkg/apis/config/scheme"
	"github.com/harbinger-ha/harbinger/pkg/preflight"
)

var must = labtest.Must

func TestMain(m *testing.M) { labtest.Main(m, checkRole) }

// A run is what the role is started with.
type run struct {
	Config       string // what is below the kind
	Listen, Wait time.Duration
	Exchange     bool
	Peers        []netip.Addr
	Host         bool // the checks of the host as well
}

// checkRole is the check in a process of its own.
var checkRole = lab.Role{Name: "wire", Main: func(args []string) int {
	var r run
	if err := json.Unmarshal([]byte(args[0]), &r); err != nil {
		panic(err)
	}
	cfg, err := scheme.Decode([]byte("apiVersion: harbinger.dev/v1alpha1\nkind: HarbingerConfiguration\n" + r.Config))
	if err != nil {
		panic(err)
	}
	o := Options{Config: cfg, Listen: r.Listen, Wait: r.Wait, Exchange: r.Exchange, Peers: r.Peers}
	o.Name, _ = os.Hostname()
	if r.Host {
		facts, err := preflight.GatherAll(context.Background(), cfg, "")
		if err != nil {
			panic(err)
		}
		o.Host = preflight.Run(cfg, facts)
	}
	results := Check(context.Background(), o)
	if err := json.NewEncoder(os.Stdout).Encode(results); err != nil {
		panic(err)
	}
	return 0
}}

const vip = "virtualAddresses: [192.168.238.100/24]\n"

// start runs the check on a host.
func start(t *testing.T, h *lab.Host, r run) *lab.Process {
	t.Helper()
	text, err := json.Marshal(r)
	must(t, err)
	p, err := h.Start(checkRole.Command(string(text)))
	must(t, err)
	return p
}

// results waits for the end of the check.
func results(t *testing.T, p *lab.Process) (all []preflight.Result) {
	t.Helper()
	if err := p.Wait(30 * time.Second); err != nil {
		t.Fatalf("%v\n%s", err, p.Output())
	}
	if err := json.NewDecoder(strings.NewReader(p.Output())).Decode(&all); err != nil {
		t.Fatalf("%v in %q", err, p.Output())
	}
	for _, r := range all {
		t.Logf("[%s] %s: %s\n    %s", r.Status, r.Check, r.Found, r.Remedy)
	}
	return all
}

// check runs the check on a host to its end.
func check(t *testing.T, h *lab.Host, r run) []preflight.Result {
	t.Helper()
	return results(t, start(t, h, r))
}

// together runs the check on hosts at the same time, and returns what each has found.
func together(t *testing.T, hosts []*lab.Host, r run) [][]preflight.Result {
	t.Helper()
	r.Exchange = true
	var processes []*lab.Process
	for _, h := range hosts {
		processes = append(processes, start(t, h, r))
	}
	var all [][]preflight.Result
	for i, p := range processes {
		t.Log(hosts[i].Name)
		all = append(all, results(t, p))
	}
	return all
}

// find returns the one result of a check whose text has all parts.
func find(t *testing.T, all []preflight.Result, check string, parts ...string) preflight.Result {
	t.Helper()
	for _, r := range all {
		ok := r.Check == check
		for _, part := range parts {
			ok = ok && strings.Contains(r.Found+"\n"+r.Remedy, part)
		}
		if ok {
			return r
		}
	}
	t.Fatalf("no %s with %q in %+v", check, parts, all)
	return preflight.Result{}
}

// want makes sure that a check has a result of a status whose text has all parts.
func want(t *testing.T, all []preflight.Result, check string, status preflight.Status, parts ...string) preflight.Result {
	t.Helper()
	r := find(t, all, check, parts...)
	if r.Status != status {
		t.Errorf("%s is %s, want %s: %s", check, r.Status, status, r.Found)
	}
	return r
}

// none makes sure that no check has a status.
func none(t *testing.T, all []preflight.Result, status preflight.Status) {
	t.Helper()
	for _, r := range all {
		if r.Status == status {
			t.Errorf("%s is %s: %s", r.Check, r.Status, r.Found)
		}
	}
}

// quick listens for a moment only.
var quick = run{Config: vip, Listen: 1200 * time.Millisecond}

// A segment with nobody on it is fit for an install.
func TestQuietSegment(t *testing.T) {
	t.Parallel() // it waits most of the time
	all := check(t, labtest.Hosts(t, 1)[0], quick)
	none(t, all, preflight.Fail)
	want(t, all, checkAddress, preflight.OK, "no other host answers for 192.168.238.100")
	want(t, all, checkID, preflight.OK, "virtual router ID 51 is free")
	want(t, all, checkRouters, preflight.OK, "no VRRP and no CARP")
}

// Another host that has the virtual address is named by its hardware address; of two, both.
func TestForeignHostAnswers(t *testing.T) {
	t.Parallel() // it waits most of the time
	hosts := labtest.Hosts(t, 3)
	address := netip.MustParsePrefix("192.168.238.100/32")
	must(t, hosts[1].AddAddress(address))
	r := want(t, check(t, hosts[0], quick), checkAddress, preflight.Fail, hosts[1].MAC.String(), "without Harbinger", "choose another virtual address", "the walk in from-kube-vip.md")
	if r.Field != "virtualAddresses[0]" {
		t.Errorf("field %q", r.Field)
	}
	must(t, hosts[2].AddAddress(address))
	want(t, check(t, hosts[0], quick), checkAddress, preflight.Fail, "2 hosts answer", hosts[1].MAC.String(), hosts[2].MAC.String())
}

// A process that may not listen says so of everything that it could not ask.
func TestWithoutPrivileges(t *testing.T) {
	t.Parallel() // it waits most of the time
	h := labtest.Hosts(t, 1)[0]
	text, err := json.Marshal(run{Config: vip, Listen: time.Second, Exchange: true})
	must(t, err)
	role := checkRole.Command(string(text))
	program, err := os.Executable()
	must(t, err)
	setpriv, err := lab.FindProgram("setpriv")
	must(t, err)
	p, err := h.Start(lab.Command{Path: setpriv, Args: append([]string{"--bounding-set=-net_raw,-net_admin", "--inh-caps=-net_raw,-net_admin", program}, role.Args...), Env: role.Env})
	must(t, err)
	all := results(t, p)
	want(t, all, checkAddress, preflight.Warn, "nobody could be asked", "CAP_NET_RAW")
	want(t, all, checkID, preflight.Warn, "could not be listened for", "CAP_NET_RAW")
	want(t, all, checkPeers, preflight.Warn, "no test packet could be sent", "CAP_NET_RAW")
	none(t, all, preflight.OK)
	none(t, all, preflight.Fail)
}

// Nothing is called free where the cable is out.
func TestWithoutCarrier(t *testing.T) {
	t.Parallel() // it waits most of the time
	h := labtest.Hosts(t, 1)[0]
	must(t, h.Cut())
	labtest.Until(t, 5*time.Second, "the carrier is gone", func() (gone bool) {
		must(t, h.Do(func() error {
			iface, err := net.InterfaceByName(lab.Interface)
			gone = err == nil && iface.Flags&net.FlagRunning == 0
			return err
		}))
		return gone
	})
	r := quick
	r.Exchange = true
	all := check(t, h, r)
	for _, name := range []string{checkAddress, checkID, checkPeers} {
		want(t, all, name, preflight.Warn, "eth0 is down, or has no carrier", "mend what the error names")
	}
	none(t, all, preflight.OK)
}

// Two hosts between which everything passes say so, both ways.
func TestTwoHosts(t *testing.T) {
	t.Parallel() // it waits most of the time
	hosts := labtest.Hosts(t, 2)
	for name, r := range map[string]run{
		"multicast": {Config: vip, Wait: 10 * time.Second, Listen: time.Second, Peers: []netip.Addr{hosts[0].Address.Addr(), hosts[1].Address.Addr()}},
		"unicast":   {Config: vip + "election: {vrrp: {peers: [192.168.238.130, 192.168.238.131]}}\n", Wait: 10 * time.Second, Listen: time.Second},
		"dual":      {Config: "virtualAddresses: [192.168.238.100/24, fd00:99::100/64]\n", Listen: time.Second, Wait: 4 * time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			for i, all := range together(t, hosts, r) {
				none(t, all, preflight.Fail)
				none(t, all, preflight.Warn)
				other := hosts[1-i].Address.Addr().String()
				for _, name := range []string{checkVRRP, checkIdentity, checkMTU, checkEcho} {
					want(t, all, name, preflight.OK, fmt.Sprintf("%s (%s)", other, hosts[1-i].Name))
				}
			}
		})
	}
}
