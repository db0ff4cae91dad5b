// SPDX-License-Identifier: Apache-2.0

package sidecar_test

import (
	"crypto/tls"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"

	"github.com/harbinger-ha/harbinger/e2e/lab"
	"github.com/harbinger-ha/harbinger/e2e/lab/labtest"
	"github.com/harbinger-ha/harbinger/pkg/announce"
	"github.com/harbinger-ha/harbinger/pkg/apis/status/v1alpha1"
	"github.com/harbinger-ha/harbinger/pkg/command"
	"github.com/harbinger-ha/harbinger/pkg/probe"
)

// Configurations.
const (
	oneAddress = "virtualAddresses: [192.168.238.100/24]\ncontrolPlane: {port: 4300}\n"
	dualStack  = "virtualAddresses: [192.168.238.100/24, 'fd00:99::100/64']\ncontrolPlane: {port: 4300}\n"
)

func TestHolderServesBothFamilies(t *testing.T) {
	serveAPI(t)
	k := start(t, dualStack+body("VRRP", ""))
	k.until("this node holds the addresses", active)
	for _, vip := range []netip.Prefix{vip4, vip6} {
		if !held(vip) {
			t.Errorf("%s is not in the kernel", vip)
		}
		wantServed(t, netip.AddrPortFrom(vip.Addr(), 4300))
		if id := identity(t, netip.AddrPortFrom(vip.Addr(), 10444)); id.Node != "node1" || id.State != "active" || id.Cluster != "kubernetes" {
			t.Errorf("identity at %s: %+v", vip, id)
		}
	}
	for path, want := range map[string]string{"/": "<html", "/livez": "ok", "/readyz": "ok", "/metrics": "harbinger_"} {
		if code, body := get(path); code != http.StatusOK || !strings.Contains(body, want) {
			t.Errorf("%s: %d %.200s", path, code, body)
		}
	}
	k.end()
	if held(vip4) || held(vip6) {
		t.Error("a virtual address outlived the planned stop")
	}
}

// The others hear that this node leaves, so that they do not wait for its silence.
func TestPlannedStopIsAnnounced(t *testing.T) {
	serveAPI(t)
	k := start(t, oneAddress+body("VRRP", ""))
	k.until("this node holds the address", active)
	ear := newForger(t)
	k.stop()
	for priority := byte(1); priority != 0; {
		packet, err := ear.Hear(self.Address.Addr(), patience)
		labtest.Must(t, err)
		priority = packet.Payload[2]
	}
	k.end()
	if held(vip4) {
		t.Error("the virtual address outlived the planned stop")
	}
}

func TestBalancerIsReplaced(t *testing.T) {
	serveAPI(t)
	k := start(t, oneAddress+body("VRRP", ""))
	k.until("this node holds the address", active)
	pid := status().Balancer.PID
	labtest.Must(t, syscall.Kill(pid, syscall.SIGKILL))
	k.until("another balancer runs", func(s v1alpha1.HarbingerStatus) bool {
		return active(s) && s.Balancer.Up && s.Balancer.PID != pid && s.Balancer.Restarts == 1
	})
	wantServed(t, netip.AddrPortFrom(vip4.Addr(), 4300))
}

// A virtual address that a killed process has left is removed before another node is asked for it.
func TestLeftoverAddressIsRemoved(t *testing.T) {
	serveAPI(t)
	advertise(t, 250)
	labtest.Must(t, self.AddAddress(vip4))
	k := start(t, oneAddress+body("VRRP", ""))
	k.until("this node is Backup", func(s v1alpha1.HarbingerStatus) bool { return s.VirtualRouter.State == "Backup" })
	if held(vip4) {
		t.Error("a node in Backup has the address of the process before it")
	}
}

// wantServed asks an apiserver through the balancer, as a client on the other host.
func wantServed(t *testing.T, address netip.AddrPort) {
	t.Helper()
	wantAnswer(t, address, http.StatusOK)
}

// wantAnswer waits until the readiness of the apiserver, asked from the other host, is answered so.
func wantAnswer(t *testing.T, address netip.AddrPort, code int) {
	t.Helper()
	client := &http.Client{Timeout: 5 * time.Second, Transport: &http.Transport{
		DialContext: peer.Dial, DisableKeepAlives: true, TLSClientConfig: &tls.Config{InsecureSkipVerify: true},
	}}
	labtest.Until(t, patience, fmt.Sprintf("%s answers %d", address, code), func() bool {
		response, err := client.Get("https://" + address.String() + "/readyz")
		if err != nil {
			return false
		}
		response.Body.Close()
		return response.StatusCode == code
	})
}

// identity asks the identity endpoint from the other host.
func identity(t *testing.T, address netip.AddrPort) probe.Identity {
	t.Helper()
	conn, err := peer.Dial(t.Context(), "tcp", address.String())
	labtest.Must(t, err)
	defer conn.Close()
	var id probe.Identity
	labtest.Must(t, json.NewDecoder(conn).Decode(&id))
	return id
}

// Beside the apiserver on the same port, connections to the virtual address are steered to the balancer while a backend takes them:
// healthy, or, where none is, one that at least accepts them.
func TestSteeringFollowsHealth(t *testing.T) {
	api := serveAPI(t)
	k := start(t, "virtualAddresses: [192.168.238.100/24]\n"+body("VRRP", ""))
	k.until("connections are steered", func(s v1alpha1.HarbingerStatus) bool { return active(s) && s.Balancer.Steered })
	before := status().Balancer.Accepted
	wantServed(t, netip.AddrPortFrom(vip4.Addr(), 6443))
	k.until("the balancer has accepted the connection", func(s v1alpha1.HarbingerStatus) bool { return s.Balancer.Accepted > before })
	api.setUnwell(true)
	k.until("it goes on with the backend that accepts", func(s v1alpha1.HarbingerStatus) bool {
		return s.Balancer.Steered && s.Balancer.Degraded && s.VirtualRouter.Distress && s.Ready &&
			meta.IsStatusConditionTrue(s.Conditions, v1alpha1.ConditionDegraded)
	})
	if code, body := get("/readyz"); code != http.StatusOK {
		t.Errorf("/readyz: %d %s", code, body)
	}
	wantAnswer(t, netip.AddrPortFrom(vip4.Addr(), 6443), http.StatusInternalServerError)
	api.stop()
	k.until("nothing is steered without a backend that accepts", func(s v1alpha1.HarbingerStatus) bool {
		return !s.Balancer.Steered && !s.Balancer.Degraded && s.VirtualRouter.Distress && slices.Contains(s.NotReady, "no healthy backend")
	})
	if code, body := get("/readyz"); code != http.StatusServiceUnavailable || !strings.Contains(body, "no healthy backend") {
		t.Errorf("/readyz: %d %s", code, body)
	}
	serveAPI(t)
	k.until("connections are steered again", func(s v1alpha1.HarbingerStatus) bool { return active(s) && s.Balancer.Steered })
	wantFigures(t, status().Balancer)
}

// wantFigures compares what the status and the metrics say of a backend that was away once.
func wantFigures(t *testing.T, b v1alpha1.Balancer) {
	t.Helper()
	x := b.Backends[0]
	downtime, err := time.ParseDuration(x.Downtime)
	labtest.Must(t, err)
	took, err := time.ParseDuration(x.CheckTook)
	labtest.Must(t, err)
	if x.Downs != 1 || downtime <= 0 || took <= 0 || x.Checked == nil || x.CheckFailure != "" || x.Sent == 0 || x.Received == 0 || b.Received < x.Sent || b.Sent < x.Received {
		t.Errorf("figures %+v of a backend that was away once", x)
	}
	_, metrics := get("/metrics")
	for _, want := range []string{
		fmt.Sprintf("harbinger_backend_downs_total{backend=%q} 1\n", x.Address),
		fmt.Sprintf("harbinger_backend_check_duration_seconds_count{backend=%q} ", x.Address),
		fmt.Sprintf("harbinger_connections_refused_total{reason=%q} ", "BackendFailed"),
	} {
		if !strings.Contains(metrics, want) {
			t.Errorf("the metrics lack %q", want)
		}
	}
}

func TestHigherPriorityIsObeyed(t *testing.T) {
	serveAPI(t)
	k := start(t, oneAddress+body("VRRP", ""))
	k.until("this node holds the address", active)
	stop := advertise(t, 250)
	k.until("this node is Backup", func(s v1alpha1.HarbingerStatus) bool {
		return s.VirtualRouter.State == "Backup" && s.VirtualRouter.Holder == peer.Address.Addr().String() && s.Ready
	})
	if held(vip4) {
		t.Error("a node in Backup has the address")
	}
	if _, err := command.RequestHandover(t.Context(), "eth0", 51, ""); err == nil || !strings.Contains(err.Error(), "ask the holder, "+peer.Address.Addr().String()) {
		t.Errorf("handover in Backup: %v", err)
	}
	stop()
	k.until("this node holds the address again", active)
}

func TestHandover(t *testing.T) {
	serveAPI(t)
	k := start(t, oneAddress+body("VRRP", ""))
	k.until("this node holds the address", active)
	if _, err := command.RequestHandover(t.Context(), "eth0", 51, "node2"); err == nil || !strings.Contains(err.Error(), "leave out --to") {
		t.Errorf("handover to a named node without the Lease: %v", err)
	}
	advertise(t, 50) // a node that waits, and takes what this one leaves
	_, err := command.RequestHandover(t.Context(), "eth0", 51, "")
	labtest.Must(t, err)
	k.untilLogged("Handing over")
	k.until("this node has left the address to the other", func(s v1alpha1.HarbingerStatus) bool {
		return s.VirtualRouter.State == "Backup" && !s.VirtualRouter.Held
	})
}

func TestLinkDownAndUp(t *testing.T) {
	serveAPI(t)
	k := start(t, oneAddress+body("VRRP", ""))
	k.until("this node holds the address", active)
	labtest.Must(t, self.Cut())
	k.until("this node is in Initialize", func(s v1alpha1.HarbingerStatus) bool { return s.VirtualRouter.State == "Initialize" && !s.Ready })
	labtest.Must(t, self.Join())
	k.until("this node holds the address again", active)
	if held := slices.IndexFunc(status().Moves, func(m v1alpha1.Move) bool { return m.To == "Initialize" }); held < 0 {
		t.Errorf("moves %+v", status().Moves)
	}
}

func TestVirtualAddressComesBackWhereItIsTakenAway(t *testing.T) {
	serveAPI(t)
	k := start(t, oneAddress+body("VRRP", ""))
	k.until("this node holds the address", active)
	labtest.Must(t, self.DeleteAddress(vip4))
	labtest.Until(t, patience, "the address is back", func() bool { return held(vip4) })
}

// Status, log and Event name the host, for each family.
func TestForeignClaimIsAnAlarm(t *testing.T) {
	api := serveAPI(t)
	k := start(t, dualStack+body("Hybrid", ""))
	k.until("this node holds the addresses", active)
	var other *announce.Announcer
	var mac string
	labtest.Must(t, peer.Do(func() error {
		link, err := net.InterfaceByName(lab.Interface)
		if err == nil {
			mac = link.HardwareAddr.String()
			other, err = announce.New(announce.Link{Name: link.Name, Index: link.Index, MAC: link.HardwareAddr})
		}
		return err
	}))
	defer other.Close()
	for _, vip := range []netip.Addr{vip4.Addr(), vip6.Addr()} {
		k.until("the claim is in the status", func(s v1alpha1.HarbingerStatus) bool {
			labtest.Must(t, other.Announce(vip))
			r := s.VirtualRouter
			return strings.Contains(r.Conflict, "claims "+vip.String()) && *r.ConflictWith == v1alpha1.Host{HardwareAddress: mac}
		})
	}
	k.untilLogged(fmt.Sprintf(`"hardwareAddress"=%q`, mac))
	labtest.Until(t, patience, "an Event names the host", func() bool {
		return slices.ContainsFunc(api.reasons(), func(r string) bool { return strings.HasPrefix(r, "AddressConflict: ") && strings.Contains(r, mac) })
	})
}

func TestConfigurationFileIsFollowed(t *testing.T) {
	serveAPI(t)
	k := start(t, oneAddress+body("VRRP", ""))
	k.until("this node holds the address", active)
	k.configure(oneAddress + body("VRRP", ", priority: 120"))
	k.until("the priority is the new one", func(s v1alpha1.HarbingerStatus) bool {
		return s.VirtualRouter.Priority == 120 && s.VirtualRouter.Configured == 120
	})
	k.configure(oneAddress + "loadBalancer: {backends: [{address: '127.0.0.1:6443'}, {address: '192.168.238.131:6443'}, {address: '192.168.238.130:4300'}]}\n" + body("VRRP", ""))
	k.until("the backends are the new ones", func(s v1alpha1.HarbingerStatus) bool {
		return len(s.Balancer.Backends) == 2 && s.VirtualRouter.Priority == 100
	})
	k.untilLogged("Backends left out") // the balancer itself
	for body, want := range map[string]string{
		"virtualAddresses: [192.168.238.101/24]\ncontrolPlane: {port: 4300}\n" + body("VRRP", ""): "a change of virtualAddresses asks for a restart",
		oneAddress + "election: {vrrp: {priority: 300}}\n":                                        "election.vrrp.priority",
	} {
		k.configure(body)
		k.untilLogged(want)
	}
	if !active(status()) {
		t.Errorf("a refused configuration had an effect: %+v", status())
	}
}

// While the configuration file is away, empty or half-written the last good one stays in force; a half-written one that would
// be a configuration of its own is never seen.
func TestConfigurationFileInTheMiddleOfItsReplacement(t *testing.T) {
	serveAPI(t)
	whole := oneAddress + body("VRRP", ", priority: 120")
	k := start(t, whole)
	k.until("this node holds the address", active)
	spoilt := []byte("apiVersion: harbinger.dev/v1alpha1\nkind: Harb")
	labtest.Must(t, os.WriteFile(k.file, spoilt, 0o600))
	k.untilLogged("Configuration change not applied")
	notCurrent := func(s v1alpha1.HarbingerStatus) bool {
		return meta.IsStatusConditionFalse(s.Conditions, v1alpha1.ConditionFilesCurrent)
	}
	k.until("the status says so", notCurrent)
	for _, moment := range []func() error{
		func() error { return os.Remove(k.file) },
		func() error { return os.WriteFile(k.file, document(oneAddress), 0o600) }, // priority 100
	} {
		labtest.Must(t, moment())
	}
	k.configure(whole)
	k.until("the status knows that it is back", func(s v1alpha1.HarbingerStatus) bool { return active(s) && !notCurrent(s) })
	if n := k.log.Count("Configuration changed"); n != 0 || status().VirtualRouter.Configured != 120 {
		t.Errorf("%d changes, priority %d, want 0 and 120", n, status().VirtualRouter.Configured)
	}
	if n := k.log.Count("Configuration change not applied"); n != 1 {
		t.Errorf("%d lines say that the file cannot be used, want 1", n)
	}
	// By the links of a Kubernetes volume.
	version := filepath.Join(filepath.Dir(k.file), "..version")
	labtest.Must(t, os.Mkdir(version, 0o755))
	labtest.Must(t, os.WriteFile(filepath.Join(version, "config.yaml"), document(oneAddress+body("VRRP", ", priority: 130")), 0o600))
	labtest.Must(t, os.Symlink(filepath.Join(version, "config.yaml"), k.file+".link"))
	labtest.Must(t, os.Rename(k.file+".link", k.file))
	k.until("the priority is the new one", func(s v1alpha1.HarbingerStatus) bool { return s.VirtualRouter.Configured == 130 })
}

func TestUnicastPeersAreFollowed(t *testing.T) {
	serveAPI(t)
	peers := func(hosts ...string) string { return ", peers: [" + strings.Join(hosts, ", ") + "]" }
	k := start(t, oneAddress+body("VRRP", peers("192.168.238.130", "192.168.238.140")))
	k.until("this node holds the address", active)
	stop := advertiseTo(t, self.Address.Addr(), 250)
	k.until("an advertisement of no peer is refused", func(s v1alpha1.HarbingerStatus) bool { return s.VirtualRouter.Dropped["source"].Count > 0 })
	stop()
	k.configure(oneAddress + body("VRRP", peers("192.168.238.131", "192.168.238.140")))
	k.untilLogged("no address of this node is among them")
	k.configure(oneAddress + body("VRRP", peers("192.168.238.130", "192.168.238.131")))
	k.untilLogged("Configuration changed")
	advertiseTo(t, self.Address.Addr(), 250)
	k.until("the new peer is obeyed", func(s v1alpha1.HarbingerStatus) bool { return s.VirtualRouter.State == "Backup" })
}

func TestLeaseArbitratesAndBackendsAreDiscovered(t *testing.T) {
	api := serveAPI(t)
	k := start(t, oneAddress+body("Hybrid", ""))
	k.until("this node holds the address by the Lease", func(s v1alpha1.HarbingerStatus) bool {
		return active(s) && s.VirtualRouter.Arbiter == "lease" && s.Lease != nil && s.Lease.Node == "node1" && s.VirtualRouter.Epoch > 0
	})
	if id, s := identity(t, netip.AddrPortFrom(vip4.Addr(), 10444)), status().VirtualRouter; id.Epoch == 0 || id.Epoch != uint64(s.Epoch) {
		t.Errorf("the identity has epoch %d, the status %d", id.Epoch, s.Epoch)
	}
	discovered := netip.AddrPortFrom(self.Address.Addr(), 6443).String()
	k.until("the backend is discovered", func(s v1alpha1.HarbingerStatus) bool {
		return len(s.Balancer.Backends) == 1 && s.Balancer.Backends[0].Address == discovered
	})
	labtest.Until(t, patience, "an Event says so", func() bool { return len(api.reasons()) > 0 })
	if _, err := command.RequestHandover(t.Context(), "eth0", 51, "node1"); err == nil || err.Error() != "node1 holds the virtual addresses already" {
		t.Errorf("handover to itself: %v", err)
	}
	if code, body := get("/metrics"); code != http.StatusOK || !strings.Contains(body, "harbinger_lease") {
		t.Errorf("the metrics have no Lease: %d", code)
	}
}

// In mode Lease nothing is advertised.
func TestModeLease(t *testing.T) {
	serveAPI(t)
	k := start(t, oneAddress+body("Lease", ""))
	k.until("this node holds the address", active)
}

// A second instance waits for the first, which still drains, and ends when its context does.
func TestSecondInstanceWaits(t *testing.T) {
	serveAPI(t)
	first := start(t, oneAddress+body("VRRP", ""))
	first.until("this node holds the address", active)
	second := start(t, oneAddress+body("VRRP", ""))
	second.untilLogged("Waiting for another instance to end")
	third := start(t, oneAddress+body("VRRP", ""))
	third.untilLogged("Waiting for another instance to end")
	third.end()
	first.end()
	second.until("the second instance holds the address", active)
}

func TestInterfaceIsWaitedFor(t *testing.T) {
	serveAPI(t)
	k := start(t, "virtualAddresses: [192.0.2.100/24]\ncontrolPlane: {port: 4300}\n"+body("VRRP", ""))
	k.untilLogged("Waiting for the interface of the virtual addresses")
	labtest.Must(t, self.AddAddress(netip.MustParsePrefix("192.0.2.1/24")))
	defer func() { labtest.Must(t, self.DeleteAddress(netip.MustParsePrefix("192.0.2.1/24"))) }()
	k.until("this node holds the address", active)
	k.end()
}
