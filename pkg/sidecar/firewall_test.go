// SPDX-License-Identifier: Apache-2.0

package sidecar_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"os"
	"os/signal"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/harbinger-ha/harbinger/e2e/lab"
	"github.com/harbinger-ha/harbinger/e2e/lab/guest"
	"github.com/harbinger-ha/harbinger/e2e/lab/labtest"
	"github.com/harbinger-ha/harbinger/pkg/apis/config"
	"github.com/harbinger-ha/harbinger/pkg/apis/config/scheme"
	"github.com/harbinger-ha/harbinger/pkg/apis/status/v1alpha1"
	"github.com/harbinger-ha/harbinger/pkg/logging"
	"github.com/harbinger-ha/harbinger/pkg/sidecar"
)

// keeperRole is a sidecar with the configuration in a file, in a process of its own. It follows a file that is named.
var keeperRole = lab.Role{Name: "keeper", Main: func(args []string) int {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	raw, err := os.ReadFile(configFile)
	if err == nil {
		var cfg *config.HarbingerConfiguration
		if cfg, err = scheme.Decode(raw); err == nil {
			options := sidecar.Options{Log: logging.New(os.Stdout, logging.FormatText, 0), Node: args[0], Balancer: []string{"/proc/self/exe", balancerArgument, speaksArgument}}
			if len(args) > 1 {
				options.File = args[1]
			}
			err = sidecar.Run(ctx, cfg, options)
		}
	}
	if err != nil {
		fmt.Println(err)
		return 1
	}
	return 0
}}

const configFile = "/etc/harbinger-test.yaml"

// allowed is what firewalls let in that know the apiserver and the port of the clients, and nothing of Harbinger.
const allowed = "iif lo accept; ct state established,related accept; icmp type echo-request accept; " +
	"icmpv6 type { nd-neighbor-solicit, nd-neighbor-advert, nd-router-advert, echo-request } accept; tcp dport { 22, 4300, 6443 } accept;"

// denies is the input chain of such a firewall, with what ends it.
func denies(end string) string {
	return "chain input { type filter hook input priority 0; policy drop; " + allowed + " " + end + " }"
}

// A deployment is a keeper on each of some hosts.
type deployment struct {
	t         *testing.T
	vip       netip.Prefix
	hosts     []*lab.Host
	backends  string       // the end of the configuration
	arguments []string     // of the keepers, after the name of the host
	without   guest.Denial // what their processes are denied; empty: nothing
	processes []*lab.Process
}

// deploy starts a keeper on each host, one after the other, and ends them with the test.
func deploy(t *testing.T, mode, body string, vip netip.Prefix, hosts ...*lab.Host) *deployment {
	t.Helper()
	d := &deployment{t: t, vip: vip, hosts: hosts}
	d.start(mode, body)
	return d
}

func (d *deployment) start(mode, body string) {
	t, vip, hosts := d.t, d.vip, d.hosts
	t.Helper()
	t.Cleanup(d.end)
	ca, err := self.ReadFile("/etc/kubernetes/pki/ca.crt")
	labtest.Must(t, err)
	var backends []string // one of which answers
	for _, h := range hosts {
		at := h.Address.Addr()
		if vip.Addr().Is6() {
			at = h.Address6.Addr()
		}
		backends = append(backends, fmt.Sprintf("{address: '%s'}", netip.AddrPortFrom(at, 6443)))
	}
	d.backends = "loadBalancer: {backends: [" + strings.Join(backends, ", ") + "]}\n"
	kubeconfig, err := self.ReadFile("/etc/kubernetes/harbinger/kubeconfig")
	labtest.Must(t, err)
	for _, h := range hosts {
		labtest.Must(t, h.Do(func() error { return os.RemoveAll(config.StateDirectory) }))
		for path, content := range map[string]string{
			"/etc/kubernetes/pki/ca.crt":           ca,
			"/etc/kubernetes/harbinger/kubeconfig": strings.ReplaceAll(kubeconfig, "127.0.0.1", self.Address.Addr().String()),
			config.StateDirectory + "/.keep":       "",
			configFile:                             string(document(body + d.backends)),
		} {
			if mode != "VRRP" || !strings.HasSuffix(path, "kubeconfig") || h == self {
				labtest.Must(t, h.WriteFile(path, content))
			}
		}
		d.processes = append(d.processes, d.run(h))
	}
}

// run starts the keeper of a host.
func (d *deployment) run(h *lab.Host) *lab.Process {
	d.t.Helper()
	command := keeperRole.Command(append([]string{h.Name}, d.arguments...)...)
	if d.without != "" {
		command = guest.Confined(d.without, command)
	}
	p, err := h.Start(command)
	labtest.Must(d.t, err)
	return p
}

func (d *deployment) end() {
	for i, p := range d.processes {
		_ = p.Terminate() // it may have ended
		if err := p.Wait(patience); err != nil {
			d.t.Errorf("%s: %v", d.hosts[i].Name, err)
		}
		if d.t.Failed() {
			d.t.Logf("%s:\n%s", d.hosts[i].Name, p.Output())
		}
	}
}

// status returns what the keeper of a host says of itself, nothing while it does not answer.
func (d *deployment) status(h *lab.Host) (s v1alpha1.HarbingerStatus) {
	client := http.Client{Timeout: time.Second, Transport: &http.Transport{DisableKeepAlives: true, DialContext: h.Dial}}
	response, err := client.Get("http://127.0.0.1:10443/status")
	if err != nil {
		return s
	}
	defer response.Body.Close()
	_ = json.NewDecoder(response.Body).Decode(&s) // what is missing is not waited for in vain
	return s
}

// holders returns the hosts that have the address.
func (d *deployment) holders() (names []string) {
	for _, h := range d.hosts {
		labtest.Must(d.t, h.Do(func() error {
			all, err := net.InterfaceAddrs()
			if slices.ContainsFunc(all, func(a net.Addr) bool { return strings.HasPrefix(a.String(), d.vip.Addr().String()+"/") }) {
				names = append(names, h.Name)
			}
			return err
		}))
	}
	return names
}

// rests fails unless the address stays where it is for a time.
func (d *deployment) rests(holder string, long time.Duration) {
	d.t.Helper()
	for end := time.Now().Add(long); time.Now().Before(end); time.Sleep(50 * time.Millisecond) {
		if now := d.holders(); !slices.Equal(now, []string{holder}) {
			d.t.Fatalf("held by %v, want %s alone", now, holder)
		}
	}
}

// until waits until the status of each host is as wanted, and returns those that do not hold the address.
func (d *deployment) until(what string, wanted func(s v1alpha1.HarbingerStatus) bool) (backups []v1alpha1.HarbingerStatus) {
	d.t.Helper()
	labtest.Until(d.t, 2*patience, what, func() bool {
		backups = nil
		for _, h := range d.hosts {
			s := d.status(h)
			if s.Node == "" || !wanted(s) {
				return false
			}
			if !s.VirtualRouter.Held {
				backups = append(backups, s)
			}
		}
		return true
	})
	return backups
}

// holds waits until one host holds the address, and returns its name.
func (d *deployment) holds() string {
	d.t.Helper()
	var now []string
	labtest.Until(d.t, patience, "one host holds the address", func() bool { now = d.holders(); return len(now) == 1 })
	return now[0]
}

// filtered reports whether a status has a filter.
func filtered(s v1alpha1.HarbingerStatus, protocol, peer, direction string) bool {
	return slices.ContainsFunc(s.VirtualRouter.Filtered, func(f v1alpha1.Filter) bool {
		return f.Protocol == protocol && f.Peer == peer && f.Direction == direction
	})
}

// calm is a body for hosts that share a busy machine, none of whose times is measured: three keepers with the race detector may stand still
// for the 200 ms of a fence at the interval of the others.
func calm(mode string) string {
	return fmt.Sprintf(`election: {mode: %s, vrrp: {advertisementInterval: 500ms}}
healthCheck: {serverName: example.com, interval: 400ms, timeout: 1s}
`, mode)
}

// A firewall that knows nothing of Harbinger is on every host from the start. One host holds the address and stays the holder; the
// others say what does not arrive, from whom, and which command opens it: carried out, it makes them ready without a move.
func TestFirewallsOfEveryHost(t *testing.T) {
	const sharedPort = "virtualAddresses: [192.168.238.100/24]\n"
	for _, tc := range []struct {
		name, mode, end, addresses string
		vip                        netip.Prefix
		hosts                      []*lab.Host
	}{
		{"nft drop on three hosts", "VRRP", "", oneAddress, vip4, []*lab.Host{self, peer, third}},
		{"firewalld on two hosts, with a Lease, on the port of the apiserver", "Hybrid", "reject with icmpx type admin-prohibited;", sharedPort, vip4, []*lab.Host{self, peer}},
		{"IPv6, reset", "VRRP", "meta l4proto tcp reject with tcp reset; reject with icmpx type admin-prohibited;",
			"virtualAddresses: ['fd00:99::100/64']\ncontrolPlane: {port: 4300}\n", vip6, []*lab.Host{self, peer}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			serveAPI(t)
			for _, h := range tc.hosts {
				labtest.Firewall(t, h, denies(tc.end))
			}
			d := deploy(t, tc.mode, tc.addresses+calm(tc.mode), tc.vip, tc.hosts...)
			holder := d.holds()
			backups := d.until("the backups say that the holder is filtered", func(s v1alpha1.HarbingerStatus) bool {
				r := s.VirtualRouter
				return r.Held && s.Ready || !s.Ready && r.State == "Backup" && r.SplitSuspected &&
					slices.ContainsFunc(r.Filtered, func(f v1alpha1.Filter) bool { return f.Protocol == "112" && f.Direction == "in" })
			})
			from := d.source(holder)
			for _, s := range backups {
				if !filtered(s, "112", from, "in") || !strings.Contains(strings.Join(s.NotReady, " "), "protocol 112") {
					t.Errorf("%s: filtered %+v, not ready %q", s.Node, s.VirtualRouter.Filtered, s.NotReady)
				}
				if tc.mode == "VRRP" && !slices.ContainsFunc(s.VirtualRouter.Filtered, func(f v1alpha1.Filter) bool { return f.Protocol == "TCP 10444" }) {
					t.Errorf("%s does not name the identity port: %+v", s.Node, s.VirtualRouter.Filtered)
				}
			}
			d.rests(holder, 3*time.Second)
			d.open(backups)
			d.until("all are ready", func(s v1alpha1.HarbingerStatus) bool { return s.Ready && s.VirtualRouter.Filtered == nil })
			d.rests(holder, time.Second)
		})
	}
}

// source returns the address that a host advertises from: over IPv6 its link-local one.
func (d *deployment) source(name string) string {
	i := slices.IndexFunc(d.hosts, func(h *lab.Host) bool { return h.Name == name })
	h := d.hosts[i]
	if d.vip.Addr().Is4() {
		return h.Address.Addr().String()
	}
	return netip.AddrFrom16([16]byte{0xfe, 0x80, 8: h.MAC[0] ^ 2, h.MAC[1], h.MAC[2], 0xff, 0xfe, h.MAC[3], h.MAC[4], h.MAC[5]}).String()
}

// open carries out the advice of each status on its host.
func (d *deployment) open(statuses []v1alpha1.HarbingerStatus) {
	d.t.Helper()
	for _, s := range statuses {
		for _, h := range d.hosts {
			for _, f := range s.VirtualRouter.Filtered {
				if h.Name == s.Node {
					labtest.Must(d.t, labtest.Nft(h, strings.TrimPrefix(f.Remedy[1], "nft ")))
				}
			}
		}
	}
}

// One filter, in one direction, on one host: its status and that of the other say where it is, and nothing moves.
func TestFilterOfOneDirection(t *testing.T) {
	serveAPI(t)
	d := deploy(t, "Hybrid", oneAddress+body("Hybrid", ""), vip4, self, peer)
	holder := d.holds()
	d.until("both are ready", func(s v1alpha1.HarbingerStatus) bool { return s.Ready && s.VirtualRouter.Arbiter == "lease" })
	holds, waits := self, peer
	if holder == peer.Name {
		holds, waits = peer, self
	}
	for _, tc := range []struct {
		name      string
		at        *lab.Host
		chain     string
		direction string // that the Backup gives
		message   string
		out       bool // that the holder gives
	}{
		{"the Backup's input", waits, "chain input { type filter hook input priority 0; meta l4proto 112 drop; }", "in", "open the firewall of this host", false},
		{"the holder's output", holds, "chain output { type filter hook output priority 0; meta l4proto 112 drop; }", "unknown", "open the output filter of that host", true},
	} {
		open := labtest.Firewall(t, tc.at, tc.chain)
		d.until(tc.name+": it is named", func(s v1alpha1.HarbingerStatus) bool {
			r := s.VirtualRouter
			if r.Held {
				return filtered(s, "112", "", "out") == tc.out
			}
			return !s.Ready && filtered(s, "112", holds.Address.Addr().String(), tc.direction) && strings.Contains(r.Filtered[0].Message, tc.message)
		})
		d.rests(holder, time.Second)
		open()
		d.until(tc.name+": it is open again", func(s v1alpha1.HarbingerStatus) bool { return s.Ready && s.VirtualRouter.Filtered == nil })
	}
	for i, p := range d.processes {
		if d.hosts[i] == waits && !p.Wrote("msg=Filtered") {
			t.Error("the Backup has not logged the filter")
		}
	}
}

// A host alone behind its firewall has nobody to hear.
func TestFirewallOfOneHost(t *testing.T) {
	serveAPI(t)
	labtest.Firewall(t, self, denies("reject with icmpx type admin-prohibited;"))
	d := deploy(t, "VRRP", oneAddress+body("VRRP", ""), vip4, self)
	d.holds()
	d.until("it is ready", func(s v1alpha1.HarbingerStatus) bool { return active(s) && s.VirtualRouter.Filtered == nil })
}
