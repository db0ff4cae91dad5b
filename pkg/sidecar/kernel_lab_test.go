// SPDX-License-Identifier: Apache-2.0

package sidecar_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/harbinger-ha/harbinger/e2e/lab"
	"github.com/harbinger-ha/harbinger/e2e/lab/guest"
	"github.com/harbinger-ha/harbinger/e2e/lab/labtest"
	"github.com/harbinger-ha/harbinger/pkg/apis/config"
	"github.com/harbinger-ha/harbinger/pkg/apis/status/v1alpha1"
	"github.com/harbinger-ha/harbinger/pkg/dnat"
	"github.com/harbinger-ha/harbinger/pkg/logging"
)

// kernelTable is the table of the mode Kernel.
const kernelTable = dnat.Prefix + "51"

// byKernel is a deployment on the host peer, whose kernel passes connections on to an apiserver on each host.
type byKernel struct {
	*deployment
	port uint16 // of clients
}

// mode is the configuration with a mode of the balancer.
func (k byKernel) mode(mode string) string {
	var backends []string
	for _, h := range []*lab.Host{self, peer, third} {
		for _, a := range []netip.Addr{h.Address.Addr(), h.Address6.Addr()} {
			backends = append(backends, fmt.Sprintf("{address: '%s'}", netip.AddrPortFrom(a, 6443)))
		}
	}
	return fmt.Sprintf("%scontrolPlane: {port: %d}\nelection: {mode: VRRP, vrrp: {advertisementInterval: 200ms}}\n"+
		"healthCheck: {scheme: TCP, interval: 200ms, timeout: 600ms}\nloadBalancer: {mode: %s, policy: RoundRobin, backends: [%s]}\n",
		strings.SplitAfter(dualStack, "\n")[0], k.port, mode, strings.Join(backends, ", "))
}

// deployKernel starts the apiservers and a keeper, and waits until the kernel passes connections on.
func deployKernel(t *testing.T, port uint16) byKernel {
	t.Helper()
	k := startKernel(t, port)
	k.until("the kernel passes connections on", passes)
	return k
}

func startKernel(t *testing.T, port uint16) byKernel {
	t.Helper()
	k := newByKernel(t, port)
	k.processes = []*lab.Process{k.run(peer)}
	return k
}

// newByKernel prepares a host that forwards, and its configuration.
func newByKernel(t *testing.T, port uint16) byKernel {
	t.Helper()
	for _, h := range []*lab.Host{self, peer, third} {
		greet(t, h)
	}
	return withoutServers(t, port)
}

// withoutServers is newByKernel, where the test runs the apiservers.
func withoutServers(t *testing.T, port uint16) byKernel {
	t.Helper()
	labtest.Must(t, peer.SetSysctl("net/ipv4/ip_forward", "1"))
	labtest.Must(t, peer.SetSysctl("net/ipv6/conf/all/forwarding", "1"))
	k := byKernel{&deployment{t: t, vip: vip4, hosts: []*lab.Host{peer}, arguments: []string{configFile}}, port}
	labtest.Must(t, peer.Do(func() error { return os.RemoveAll(config.StateDirectory) }))
	labtest.Must(t, peer.WriteFile(configFile, string(document(k.mode("Kernel")))))
	t.Cleanup(k.end)
	return k
}

// passes reports whether the kernel passes connections on.
func passes(s v1alpha1.HarbingerStatus) bool {
	c := meta.FindStatusCondition(s.Conditions, v1alpha1.ConditionKernelBalances)
	return active(s) && allHealthy(s) && s.Balancer.Mode == "Kernel" && c != nil && c.Status == metav1.ConditionTrue && c.Message == ""
}

func allHealthy(s v1alpha1.HarbingerStatus) bool {
	return !slices.ContainsFunc(s.Balancer.Backends, func(b v1alpha1.Backend) bool { return b.State != "Healthy" })
}

// greet runs an apiserver that says the name of its host, and then sends back what it gets.
func greet(t *testing.T, h *lab.Host) {
	t.Helper()
	ln, err := h.Listen("[::]:6443")
	labtest.Must(t, err)
	labtest.Serve(t, ln, func(conn net.Conn) {
		fmt.Fprintln(conn, h.Name)
		_, _ = io.Copy(conn, conn)
	})
}

// A greeted connection knows by whom.
type greeted struct {
	net.Conn
	server string
}

func dial(from *lab.Host, to netip.AddrPort) (net.Conn, error) {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	return from.Dial(ctx, "tcp", to.String())
}

func hold(from *lab.Host, to netip.Addr, port uint16) (*greeted, error) {
	conn, err := dial(from, netip.AddrPortFrom(to, port))
	if err != nil {
		return nil, err
	}
	h := &greeted{Conn: conn}
	_ = conn.SetDeadline(time.Now().Add(patience))
	line, err := bufio.NewReader(conn).ReadString('\n')
	if err != nil {
		return nil, errors.Join(err, conn.Close())
	}
	h.server = strings.TrimSpace(line)
	return h, nil
}

// holdAll opens three connections by each virtual address.
func (k byKernel) holdAll(from *lab.Host) (all []*greeted) {
	k.t.Helper()
	for _, vip := range both {
		for range 3 {
			h, err := hold(from, vip.Addr(), k.port)
			labtest.Must(k.t, err)
			k.t.Cleanup(func() { h.Close() })
			all = append(all, h)
		}
	}
	return all
}

// spread is holdAll, of which each virtual address reaches each host: the rules follow what the status says a moment later.
func (k byKernel) spread(from *lab.Host) (all []*greeted) {
	k.t.Helper()
	labtest.Until(k.t, patience, "connections go to all hosts", func() bool {
		all = k.holdAll(from)
		for i := 0; i < len(all); i += 3 {
			servers := []string{all[i].server, all[i+1].server, all[i+2].server}
			if slices.Sort(servers); len(slices.Compact(servers)) != 3 {
				return false
			}
		}
		return true
	})
	return all
}

// echoes sends something and wants it back.
func (h *greeted) echoes() error {
	_ = h.SetDeadline(time.Now().Add(patience))
	return labtest.Echoes(h)
}

// churn connects all the time until the function that is returned is called, which returns how many connects failed and how many there were.
func (k byKernel) churn(from *lab.Host) (end func() (failed []error, count int)) {
	stop, done := make(chan struct{}), sync.WaitGroup{}
	var failed []error
	count := 0
	done.Go(func() {
		ticker := time.NewTicker(5 * time.Millisecond)
		defer ticker.Stop()
		for {
			select {
			case <-stop:
				return
			case <-ticker.C:
			}
			conn, err := dial(from, netip.AddrPortFrom(vip4.Addr(), k.port))
			count++
			if err != nil {
				failed = append(failed, err)
				continue
			}
			conn.Close()
		}
	})
	return func() ([]error, int) {
		close(stop)
		done.Wait()
		return failed, count
	}
}

// Connections last and new ones are served while the balancer process is killed, and a keeper that was killed finds them again. A planned
// stop leaves no rule, and resets the clients, however silent they are.
func TestKernelModeOutlivesItsProcesses(t *testing.T) {
	before := nftables(t, peer, "list", "ruleset")
	k := deployKernel(t, 4300)
	all := k.spread(self)
	end := k.churn(self)
	pid := k.status(peer).Balancer.PID
	labtest.Must(t, syscall.Kill(pid, syscall.SIGKILL))
	k.until("another balancer has checked", func(s v1alpha1.HarbingerStatus) bool { return passes(s) && s.Balancer.PID != pid })
	if failed, count := end(); len(failed) > 0 {
		t.Errorf("%d of %d connects failed: %v", len(failed), count, failed[0])
	}
	wantEchoes(t, "the balancer was killed", all)
	labtest.Must(t, k.processes[0].Kill())
	if rules := nftables(t, peer, "list", "tables"); !strings.Contains(rules, kernelTable) {
		t.Errorf("the killed keeper has left %s", rules)
	}
	k.processes[0] = k.run(peer)
	k.until("it serves again", passes)
	wantEchoes(t, "the keeper was killed", all)
	k.wantListed(all)
	labtest.Must(t, k.processes[0].Terminate())
	labtest.Must(t, k.processes[0].Wait(patience))
	if after := nftables(t, peer, "list", "ruleset"); after != before {
		t.Errorf("the planned stop has left %s", after)
	}
	for _, h := range all {
		if _, err := h.Read(make([]byte, 1)); !errors.Is(err, syscall.ECONNRESET) {
			t.Errorf("planned stop: a client of %s: %v, want a reset", h.server, err)
		}
	}
}

func wantEchoes(t *testing.T, what string, all []*greeted) {
	t.Helper()
	for _, h := range all {
		if err := h.echoes(); err != nil {
			t.Errorf("%s: a connection of %s to %s: %v", what, h.LocalAddr(), h.server, err)
		}
	}
}

// The host of a backend vanishes: no connect fails, and its clients are reset. All others go on.
func TestKernelModeHostVanishes(t *testing.T) {
	k := deployKernel(t, 4300)
	all := k.spread(self)
	end := k.churn(self)
	labtest.Must(t, third.Blackhole())
	back := sync.OnceFunc(func() { labtest.Must(t, third.Unblackhole()) })
	t.Cleanup(back)
	began := time.Now()
	for _, h := range all {
		switch err := h.echoes(); {
		case h.server != third.Name && err != nil:
			t.Errorf("a connection to %s: %v", h.server, err)
		case h.server == third.Name && !errors.Is(err, syscall.ECONNRESET):
			t.Errorf("a connection to the host that vanished: %v after %s, want a reset", err, time.Since(began))
		}
	}
	t.Logf("its clients were reset after %s", time.Since(began))
	failed, count := end()
	if len(failed) > 0 {
		t.Errorf("%d of %d connects failed: %v", len(failed), count, failed[0])
	}
	back()
	k.until("the host is back", passes)
	k.spread(self)
}

// The address of a frozen holder is silent, although no process passes its connections on.
func TestKernelModeFenced(t *testing.T) {
	k := deployKernel(t, 4300)
	fencedOn(k.deployment, "start", lab.Interface)
	wantAnswers(t, "start")
	labtest.Must(t, k.processes[0].Freeze())
	pin(t, peer, lab.Interface, both...)
	wantSilence(t, k.deployment, "frozen", both...)
	labtest.Must(t, k.processes[0].Thaw())
	k.until("it serves again", passes)
	wantAnswers(t, "again")
}

// On a port that an apiserver shares, the virtual addresses are balanced, and the addresses of the host are its apiserver's.
func TestKernelModeOnASharedPort(t *testing.T) {
	k := deployKernel(t, 6443)
	for _, from := range []*lab.Host{self, peer} {
		wantEchoes(t, "a client of "+from.Name, k.spread(from))
		for range 3 {
			h, err := hold(from, peer.Address.Addr(), 6443)
			labtest.Must(t, err)
			if h.Close(); h.server != peer.Name {
				t.Errorf("the apiserver of %s is %s", peer.Name, h.server)
			}
		}
	}
}

// The mode follows the configuration: the relay leaves no rule, and no connection of them.
func TestKernelModeByReload(t *testing.T) {
	before := nftables(t, peer, "list", "tables", "inet")
	k := deployKernel(t, 4300)
	all := k.spread(self)
	labtest.Must(t, peer.WriteFile(configFile, string(document(k.mode("Relay")))))
	k.until("it relays", func(s v1alpha1.HarbingerStatus) bool {
		return active(s) && s.Balancer.Mode == "Relay" && meta.FindStatusCondition(s.Conditions, v1alpha1.ConditionKernelBalances) == nil
	})
	labtest.Until(t, patience, "its rules are gone", func() bool { return nftables(t, peer, "list", "tables", "inet") == before })
	for _, h := range all {
		if err := h.echoes(); !errors.Is(err, syscall.ECONNRESET) {
			t.Errorf("a connection through rules that are gone: %v, want a reset", err)
		}
	}
	wantEchoes(t, "relayed", k.holdAll(self))
	k.until("the relay counts them", func(s v1alpha1.HarbingerStatus) bool { return s.Balancer.Accepted >= 6 })
	labtest.Must(t, peer.WriteFile(configFile, string(document(k.mode("Kernel")))))
	k.until("the kernel passes connections on again", passes)
	wantEchoes(t, "by the kernel again", k.spread(self))
}

// relays reports whether the balancer process relays instead of the kernel for a reason.
func relays(s v1alpha1.HarbingerStatus, reason string) bool {
	c := meta.FindStatusCondition(s.Conditions, v1alpha1.ConditionKernelBalances)
	return active(s) && s.Balancer.Mode == "Relay" && c != nil && c.Status == metav1.ConditionFalse && strings.Contains(c.Message, reason)
}

// Where a packet filter of the host drops what is forwarded, as that of Docker does, connections are relayed from the start.
func TestKernelModeBesideAFilter(t *testing.T) {
	labtest.Must(t, peer.Nft(dockerRules))
	t.Cleanup(func() { labtest.Must(t, labtest.Nft(peer, "flush ruleset")) })
	k := startKernel(t, 4300)
	k.until("it relays", func(s v1alpha1.HarbingerStatus) bool {
		return relays(s, "forwarded TCP port 6443 from 192.168.238.0/24 to "+self.Address.Addr().String()+" is refused by the policy of chain FORWARD (iptables, ip filter)")
	})
	wantEchoes(t, "relayed", k.holdAll(self))
}

// What the kernel cannot do is relayed, and said, and what others have done to the rules is undone.
func TestKernelModeWithObstacles(t *testing.T) {
	k := deployKernel(t, 4300)
	labtest.Must(t, labtest.Nft(peer, "flush table inet "+kernelTable))
	labtest.Until(t, patience, "its rules are back", func() bool { return strings.Contains(nftables(t, peer, "list", "ruleset"), "dnat") })
	labtest.Must(t, peer.SetSysctl("net/ipv4/ip_forward", "0"))
	t.Cleanup(func() { labtest.Must(t, peer.SetSysctl("net/ipv4/ip_forward", "1")) })
	k.until("it relays", func(s v1alpha1.HarbingerStatus) bool { return relays(s, "sysctl -w net.ipv4.ip_forward=1") })
	wantEchoes(t, "relayed", k.holdAll(self))
	labtest.Must(t, peer.SetSysctl("net/ipv4/ip_forward", "1"))
	k.until("the kernel passes connections on", passes)
	wantEchoes(t, "by the kernel", k.spread(self))
}

// Without nf_tables connections are relayed, and the log says so once.
func TestKernelModeWithoutNFTables(t *testing.T) {
	k := newByKernel(t, 4300)
	k.without = guest.NoNFTables
	k.processes = []*lab.Process{k.run(peer)}
	k.until("it relays", func(s v1alpha1.HarbingerStatus) bool { return relays(s, "operation not permitted") })
	wantEchoes(t, "relayed", k.holdAll(self))
	labtest.Must(t, k.processes[0].Terminate())
	labtest.Must(t, k.processes[0].Wait(patience))
	out := k.processes[0].Output()
	if n := strings.Count(out, logging.MsgKernelCannot); n != 1 || strings.Contains(out, logging.MsgKernelFailed) || strings.Contains(out, logging.MsgCloseFailed) {
		t.Errorf("the log says %d times that connections are relayed:\n%s", n, out)
	}
}
