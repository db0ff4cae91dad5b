// SPDX-License-Identifier: Apache-2.0

package preflight_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/harbinger-ha/harbinger/e2e/lab"
	"github.com/harbinger-ha/harbinger/e2e/lab/guest"
	"github.com/harbinger-ha/harbinger/e2e/lab/labtest"
	"github.com/harbinger-ha/harbinger/pkg/address"
	"github.com/harbinger-ha/harbinger/pkg/apis/config"
	"github.com/harbinger-ha/harbinger/pkg/apis/config/scheme"
	"github.com/harbinger-ha/harbinger/pkg/health"
	"github.com/harbinger-ha/harbinger/pkg/preflight"
	"github.com/harbinger-ha/harbinger/pkg/probe"
)

func TestMain(m *testing.M) { os.Exit(lab.Main(m.Run, guest.APIServerRole)) }

func decode(t *testing.T, document string) *config.HarbingerConfiguration {
	t.Helper()
	cfg, err := scheme.Decode([]byte("apiVersion: harbinger.dev/v1alpha1\nkind: HarbingerConfiguration\n" + document))
	if err != nil {
		t.Fatal(err)
	}
	return cfg
}

var links = []address.Link{
	{Name: "lo", Index: 1, Addresses: []netip.Prefix{netip.MustParsePrefix("127.0.0.1/8")}},
	{Name: "ens160", Index: 2, Up: true, Addresses: []netip.Prefix{
		netip.MustParsePrefix("192.168.238.130/24"), netip.MustParsePrefix("fd00::130/64"), netip.MustParsePrefix("fe80::1/64"),
	}},
	{Name: "ens192", Index: 3, Up: true, Addresses: []netip.Prefix{netip.MustParsePrefix("10.0.0.130/24")}},
}

// A predecessor may have the virtual address on this node; whoever else has put it there is a fault.
func TestKubeVIPHasTheAddressHere(t *testing.T) {
	const document = "virtualAddresses: [192.168.238.100/24]\nelection: {lease: {predecessor: %q}}"
	here := preflight.Facts{Links: []address.Link{{Name: "ens160", Index: 2, Up: true, Addresses: []netip.Prefix{
		netip.MustParsePrefix("192.168.238.130/24"), netip.MustParsePrefix("192.168.238.100/32"),
	}}}}
	for predecessor, want := range map[string]bool{"": true, "kube-system/plndr-cp-lock": false} {
		cfg := decode(t, fmt.Sprintf(document, predecessor))
		var faults []string
		for _, r := range preflight.Run(cfg, here) {
			if r.Status == preflight.Fail {
				faults = append(faults, r.Field)
			}
		}
		if slices.Contains(faults, "virtualAddresses[0]") != want || !want && len(faults) > 0 {
			t.Errorf("predecessor %q: faults of %q", predecessor, faults)
		}
	}
}

// IPv6 advertisements to the group need a link-local address; two addresses in the subnet are no fault where the peers name one.
func TestAddressesOfTheLink(t *testing.T) {
	link := func(prefixes ...string) preflight.Facts {
		l := address.Link{Name: "ens160", Index: 2, Up: true}
		for _, p := range prefixes {
			l.Addresses = append(l.Addresses, netip.MustParsePrefix(p))
		}
		return preflight.Facts{Links: []address.Link{l}}
	}
	for _, tt := range []struct {
		name, document string
		facts          preflight.Facts
		want           string
	}{
		{"no link-local address", "virtualAddresses: ['fd00::100/64']", link("fd00::130/64"), "interface: Invalid value: \"ens160\": must have an IPv6 link-local address"},
		{"one", "virtualAddresses: ['fd00::100/64']", link("fd00::130/64", "fe80::1/64"), ""},
		{"unicast", "virtualAddresses: ['fd00::100/64']\nelection: {vrrp: {peers: ['fd00::130', 'fd00::131']}}", link("fd00::130/64"), ""},
		{"the second is named", "virtualAddresses: [192.168.238.100/24]\nelection: {vrrp: {peers: [192.168.238.130, 192.168.238.131]}}",
			link("192.168.238.30/24", "192.168.238.130/24"), ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got := failures(decode(t, tt.document), tt.facts)
			if tt.want == "" && got != nil || tt.want != "" && (len(got) != 1 || !strings.Contains(got[0].String(), tt.want)) {
				t.Errorf("%v, want %q", got, tt.want)
			}
		})
	}
}

// ended returns the results of some status.
func ended(status preflight.Status, cfg *config.HarbingerConfiguration, facts preflight.Facts) (found []preflight.Result) {
	for _, r := range preflight.Run(cfg, facts) {
		if r.Status == status {
			found = append(found, r)
		}
	}
	return found
}

func failures(cfg *config.HarbingerConfiguration, facts preflight.Facts) []preflight.Result {
	return ended(preflight.Fail, cfg, facts)
}

// warnings are those that are about a field of the configuration.
func warnings(cfg *config.HarbingerConfiguration, facts preflight.Facts) []preflight.Result {
	return slices.DeleteFunc(ended(preflight.Warn, cfg, facts), func(r preflight.Result) bool { return r.Field == "" })
}

func listener(at string) preflight.Listener {
	return preflight.Listener{Address: netip.MustParseAddrPort(at)}
}

func TestCheck(t *testing.T) {
	const vip = "virtualAddresses: [192.168.238.100/24]\n"
	apiServer := preflight.Listener{Address: netip.MustParseAddrPort("[::]:6443"), APIServer: true}
	tests := []struct {
		name      string
		document  string
		listeners []preflight.Listener
		harbinger bool
		want      []string // paths of the errors
	}{
		{name: "found by subnet", document: vip},
		{name: "by name", document: vip + "interface: ens160"},
		{name: "single address", document: "virtualAddresses: [192.168.238.100]"},
		{name: "dual stack", document: "virtualAddresses: [192.168.238.100/24, 'fd00::100/64']"},
		{name: "unknown interface", document: vip + "interface: eth9", want: []string{"interface"}},
		{name: "another interface", document: vip + "interface: ens192", want: []string{"virtualAddresses"}},
		{name: "outside every subnet", document: "virtualAddresses: [192.168.239.100/24]", want: []string{"virtualAddresses"}},
		{name: "second address outside", document: "virtualAddresses: [192.168.238.100/24, 'fd01::100/64']", want: []string{"virtualAddresses"}},
		{name: "address of this node", document: "virtualAddresses: ['fd00::100/64', 192.168.238.130/24]", want: []string{"virtualAddresses[1]"}},
		{name: "address of this node elsewhere", document: "virtualAddresses: [10.0.0.130/24]\ninterface: ens160", want: []string{"virtualAddresses[0]"}},
		{name: "own balancer as a backend", document: vip + "controlPlane: {port: 4300}\nloadBalancer: {backends: [{address: '192.168.238.130:6443'}, {address: '10.0.0.130:4300'}, {address: '[fd00::130]:10444'}, {address: '192.168.238.131:4300'}]}",
			want: []string{"loadBalancer.backends[1].address", "loadBalancer.backends[2].address"}},
		{name: "source address", document: vip + "election: {vrrp: {sourceAddress: 192.168.238.130}}"},
		{name: "source address of another node", document: vip + "election: {vrrp: {sourceAddress: 192.168.238.131}}", want: []string{"election.vrrp.sourceAddress"}},
		{name: "in the list of peers", document: vip + "election: {vrrp: {peers: [192.168.238.130, 192.168.238.131]}}"},
		{name: "a peer behind a router", document: vip + "election: {vrrp: {peers: [192.168.238.130, 198.51.100.131]}}", want: []string{"election.vrrp.peers[1]"}},
		{name: "a peer behind a router that may be", document: vip + "election: {vrrp: {minimumTTL: 254, peers: [192.168.238.130, 198.51.100.131]}}"},
		{name: "not in the list of peers", document: vip + "election: {vrrp: {peers: [192.168.238.131, 192.168.238.132]}}", want: []string{"election.vrrp.peers"}},
		{name: "in the list of one family", document: "virtualAddresses: [192.168.238.100/24, 'fd00::100/64']\n" +
			"election: {vrrp: {peers: [192.168.238.130, 192.168.238.131, 'fd00::131', 'fd00::132']}}", want: []string{"election.vrrp.peers"}},
		{name: "in the list by the link-local address", document: "virtualAddresses: ['fd00::100/64']\nelection: {vrrp: {peers: ['fe80::1', 'fe80::2']}}"},

		{name: "apiserver at work", document: vip, listeners: []preflight.Listener{apiServer}},
		{name: "something else at the apiserver's port", document: vip, listeners: []preflight.Listener{listener("127.0.0.1:6443")}, want: []string{"controlPlane.apiServerPort"}},
		{name: "own port in use", document: vip + "controlPlane: {port: 4300}", listeners: []preflight.Listener{apiServer, listener("0.0.0.0:4300")}, want: []string{"controlPlane.port"}},
		{name: "own port in use by an apiserver", document: vip + "controlPlane: {port: 6443, apiServerPort: 7443}", listeners: []preflight.Listener{apiServer}, want: []string{"controlPlane.port"}},
		{name: "other ports in use", document: vip,
			listeners: []preflight.Listener{listener("127.0.0.1:10443"), listener("192.168.238.130:10444"), listener("[::]:16443")},
			want:      []string{"status.bindAddress", "status.identityPort", "loadBalancer.steering.port"}},
		{name: "status port on another address", document: vip, listeners: []preflight.Listener{listener("192.168.238.130:10443")}},
		{name: "port of the metrics in use", document: vip + "status: {metricsBindAddress: 'node:10445', metricsTokenFile: /etc/kubernetes/harbinger/t}",
			listeners: []preflight.Listener{listener("192.168.238.130:10445")}, want: []string{"status.metricsBindAddress"}},
		{name: "port of the metrics on another address", document: vip + "status: {metricsBindAddress: '127.0.0.1:10445'}", listeners: []preflight.Listener{listener("192.168.238.130:10445")}},
		{name: "Harbinger at work", document: vip + "controlPlane: {port: 4300}", harbinger: true,
			listeners: []preflight.Listener{listener("[::]:4300"), listener("127.0.0.1:10443"), listener("192.168.238.130:10444"), apiServer}},
		{name: "everything at once", document: vip + "interface: eth9", listeners: []preflight.Listener{listener("0.0.0.0:6443"), listener("0.0.0.0:16443")},
			want: []string{"interface", "controlPlane.apiServerPort", "loadBalancer.steering.port"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			facts := preflight.Facts{Links: links, Listeners: tt.listeners, HarbingerRuns: tt.harbinger}
			var got []string
			for _, err := range failures(decode(t, tt.document), facts) {
				got = append(got, err.Field)
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("Check (-want +got):\n%s\n%v", diff, failures(decode(t, tt.document), facts))
			}
		})
	}
}

func newHost(t *testing.T) *lab.Host {
	t.Helper()
	return labtest.New(t, lab.Config{Nodes: 1, Prefix6: netip.MustParsePrefix("fd00::/64")}).Hosts()[0]
}

func gather(t *testing.T, host *lab.Host, cfg *config.HarbingerConfiguration) preflight.Facts {
	t.Helper()
	var facts preflight.Facts
	err := host.Do(func() (err error) {
		facts, err = preflight.Gather(context.Background(), cfg)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return facts
}

// paste gives a remedy to a shell of the host, as its administrator does.
func paste(t *testing.T, host *lab.Host, remedy string) {
	t.Helper()
	labtest.Must(t, host.Do(func() error {
		if out, err := exec.Command("sh", "-c", remedy).CombinedOutput(); err != nil {
			return fmt.Errorf("%s: %w\n%s", remedy, err, out)
		}
		return nil
	}))
}

// gatherAll gathers the facts of the slow checks too.
func gatherAll(t *testing.T, host *lab.Host, cfg *config.HarbingerConfiguration) (facts preflight.Facts) {
	t.Helper()
	labtest.Must(t, host.Do(func() (err error) {
		facts, err = preflight.GatherAll(context.Background(), cfg, testImage)
		return err
	}))
	return facts
}

const testImage = "registry.example.org/harbinger:v0.1"

// serve answers each connection with one line until the test ends.
func serve(t *testing.T, host *lab.Host, at, line string) {
	t.Helper()
	ln, err := host.Listen(at)
	labtest.Must(t, err)
	labtest.Serve(t, ln, func(conn net.Conn) { fmt.Fprintln(conn, line) })
}

func find(t *testing.T, facts preflight.Facts, port uint16) preflight.Listener {
	t.Helper()
	i := slices.IndexFunc(facts.Listeners, func(l preflight.Listener) bool { return l.Address.Port() == port })
	if i < 0 {
		t.Fatalf("no listener on port %d among %v", port, facts.Listeners)
	}
	return facts.Listeners[i]
}

func TestGather(t *testing.T) {
	host := newHost(t)
	cfg := decode(t, "virtualAddresses: [192.168.238.100/24]")

	facts := gather(t, host, cfg)
	if len(facts.Listeners) > 0 || facts.HarbingerRuns {
		t.Errorf("an idle host has %+v", facts)
	}
	if errs := failures(cfg, facts); len(errs) > 0 {
		t.Errorf("an idle host is refused: %v", errs)
	}

	ca, err := guest.NewAuthority()
	if err != nil {
		t.Fatal(err)
	}
	apiServer, err := guest.StartAPIServer(host, ca, 6443)
	if err != nil {
		t.Fatal(err)
	}
	if l := find(t, gather(t, host, cfg), 6443); !l.APIServer {
		t.Errorf("the apiserver is not seen as one: %+v", l)
	}
	if err := apiServer.Kill(); err != nil {
		t.Fatal(err)
	}

	serve(t, host, "192.168.238.130:6443", "SSH-2.0-none")
	if l := find(t, gather(t, host, cfg), 6443); l.APIServer || l.Address.Addr() != host.Address.Addr() {
		t.Errorf("what is no apiserver is seen as %+v", l)
	}
	cfg.HealthCheck.Scheme = health.TCP
	if l := find(t, gather(t, host, cfg), 6443); !l.APIServer {
		t.Errorf("without TLS, the listener is seen as %+v", l)
	}
}

// The pod sees the directory of the CA file: a link out of it leads nowhere there, one inside it, or to the directory, does.
func TestGatherFollowsTheCAFile(t *testing.T) {
	host, dir := newHost(t), t.TempDir()
	at := func(name string) string { return filepath.Join(dir, name) }
	for _, err := range []error{
		os.MkdirAll(at("pki/..1"), 0o755), os.WriteFile(at("pki/..1/ca.crt"), nil, 0o600), os.WriteFile(at("elsewhere.crt"), nil, 0o600),
		os.Symlink("..1", at("pki/..data")), os.Symlink("..data/ca.crt", at("pki/ca.crt")), os.Symlink("pki", at("link")),
		os.Symlink("../elsewhere.crt", at("pki/out.crt")), os.Symlink("none", at("pki/dangling.crt")),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	without := decode(t, "virtualAddresses: [192.168.238.100/24]\nhealthCheck: {scheme: HTTP}")
	if errs := failures(without, gather(t, host, without)); len(errs) > 0 {
		t.Errorf("without a CA file: %v", errs)
	}
	for file, want := range map[string]string{
		"pki/ca.crt": "", "link/ca.crt": "", "elsewhere.crt": "", "pki/none.crt": "", "none/ca.crt": "", "pki/dangling.crt": "",
		"pki/out.crt": at("elsewhere.crt"), "link/out.crt": at("elsewhere.crt"),
	} {
		cfg := decode(t, "virtualAddresses: [192.168.238.100/24]\nhealthCheck: {caFile: "+at(file)+"}")
		facts := gather(t, host, cfg)
		if facts.CAOutside != want {
			t.Errorf("%s leads to %q outside, want %q", file, facts.CAOutside, want)
		}
		errs := failures(cfg, facts)
		if refused := len(errs) == 1 && errs[0].Field == "healthCheck.caFile" && strings.HasSuffix(errs[0].Remedy, "use "+want); refused != (want != "") {
			t.Errorf("%s: %v", file, errs)
		}
	}
}

// A key that the pod could not read is a fault with the path of its file in the configuration; no fault has the key.
func TestGatherReadsTheKeys(t *testing.T) {
	const secret = "correct-horse-battery-staple-238"
	host, dir := newHost(t), t.TempDir()
	cfg := decode(t, "virtualAddresses: [192.168.238.100/24]")
	for i, key := range []struct {
		content string
		mode    os.FileMode
	}{{secret + "\n", 0o600}, {"hex:" + strings.Repeat("0f", 32), 0o400}, {secret, 0o640}, {secret[:31], 0o600}, {"", 0}} {
		file := fmt.Sprintf("%s/%d", dir, i+1)
		cfg.Election.VRRP.HMAC.Keys = append(cfg.Election.VRRP.HMAC.Keys, config.KeyFile{ID: uint8(i + 1), File: file})
		if key.mode != 0 {
			labtest.Must(t, os.WriteFile(file, []byte(key.content), key.mode))
		}
	}
	var got []string
	for _, err := range failures(cfg, gather(t, host, cfg)) {
		if got = append(got, err.String()); strings.Contains(err.String(), secret[:31]) {
			t.Errorf("the fault has the key: %v", err)
		}
	}
	want := []string{"keys[2].file: Invalid value: \"" + dir + "/3\": " + dir + "/3 has mode 0640", "keys[3].file: ", "keys[4].file: Invalid value: \"" + dir + "/5\": open " + dir + "/5: no such file"}
	if len(got) != len(want) {
		t.Fatalf("faults %q, want %q", got, want)
	}
	for i := range want {
		if !strings.HasPrefix(got[i], "election.vrrp.authentication.hmac."+want[i]) {
			t.Errorf("fault %q, want %q", got[i], want[i])
		}
	}
}

func TestGatherFindsHarbinger(t *testing.T) {
	cfg := decode(t, "virtualAddresses: ['fd00::100/64']")
	identity, err := json.Marshal(probe.Identity{Cluster: "kubernetes", Node: "node1", Incarnation: "boot/1"})
	if err != nil {
		t.Fatal(err)
	}
	for line, want := range map[string]bool{string(identity): true, "{}": false, "HTTP/1.1 400 Bad Request": false} {
		host := newHost(t)
		serve(t, host, netip.AddrPortFrom(host.Address6.Addr(), 10444).String(), line)
		if got := gather(t, host, cfg).HarbingerRuns; got != want {
			t.Errorf("HarbingerRuns is %v with %q, want %v", got, line, want)
		}
	}
}

// A virtual address that a Harbinger holds is deprecated, and so no address of the node.
func TestGatherOnAHolder(t *testing.T) {
	host := newHost(t)
	cfg := decode(t, "virtualAddresses: [192.168.238.100/24]")
	err := host.Do(func() error {
		found, err := address.Links()
		if err != nil {
			return err
		}
		link, err := address.Find(found, "", cfg.VirtualAddresses)
		if err != nil {
			return err
		}
		held, err := address.New(address.Config{Link: link, Addresses: cfg.VirtualAddresses, Lifetime: time.Minute})
		if err != nil {
			return err
		}
		return held.Acquire()
	})
	if err != nil {
		t.Fatal(err)
	}
	if errs := failures(cfg, gather(t, host, cfg)); len(errs) > 0 {
		t.Errorf("the holder is refused: %v", errs)
	}
	if err := host.AddAddress(netip.MustParsePrefix("192.168.238.101/24")); err != nil {
		t.Fatal(err)
	}
	cfg.VirtualAddresses = []netip.Prefix{netip.MustParsePrefix("192.168.238.101/24")}
	if errs := failures(cfg, gather(t, host, cfg)); len(errs) == 0 {
		t.Error("an address of the node is accepted")
	}
}

// errNotPermitted is what the kernel answers to who may not ask.
var errNotPermitted = syscall.EPERM
