// SPDX-License-Identifier: Apache-2.0

package preflight

import (
	"bufio"
	"cmp"
	"context"
	"crypto/tls"
	"encoding/json"
	"io"
	"net"
	"net/netip"
	"path/filepath"
	"strings"
	"time"

	"github.com/harbinger-ha/harbinger/pkg/address"
	"github.com/harbinger-ha/harbinger/pkg/apis/config"
	"github.com/harbinger-ha/harbinger/pkg/balance"
	"github.com/harbinger-ha/harbinger/pkg/firewall"
	"github.com/harbinger-ha/harbinger/pkg/health"
	"github.com/harbinger-ha/harbinger/pkg/hostfile"
	"github.com/harbinger-ha/harbinger/pkg/probe"
	"github.com/harbinger-ha/harbinger/pkg/socket"
	"github.com/harbinger-ha/harbinger/pkg/vrrp/keyed"
)

// answerTimeout bounds how long a listener of this host may take to identify itself.
const answerTimeout = 2 * time.Second

// Gather finds the facts about this host that matter to a configuration.
func Gather(ctx context.Context, cfg *config.HarbingerConfiguration) (Facts, error) {
	links, err := address.Links()
	if err != nil {
		return Facts{}, err
	}
	// They serve warnings alone: where they cannot be found out, there is none.
	routing, _ := address.GetRouting()
	ports, _ := localPorts()
	facts := Facts{Links: links, LocalPorts: ports, Routing: routing, CAOutside: outside(cfg.HealthCheck.CAFile), Firewall: ask(firewall.Read)}
	if file := cfg.Election.VRRP.PasswordFile; file != "" {
		facts.Password = passwordFault(file)
	}
	facts.Kubelet = ask(kubelet)
	facts.Programs = ask(func() ([]Program, error) { return otherPrograms(cfg) })
	facts.Pods = ask(func() ([]Pod, error) { return pods(cfg, cmp.Or(facts.Kubelet.Value.StaticPodPath, manifestDirectory)) })
	facts.Settings = ask(func() (map[string]int, error) { return interfaceSettings(links) })
	facts.NetworkLines = ask(func() ([]Line, error) { return networkLines(cfg) })
	facts.Management, facts.DefaultRoute = managements(links), defaultRoute()
	facts.Process = ask(thisProcess)
	facts.Keys = keyFaults(cfg.Election.VRRP.HMAC.Keys)
	sockets, err := socket.Tables()
	if err != nil {
		return Facts{}, err
	}
	seen := map[netip.AddrPort]bool{}
	for _, s := range sockets {
		if s.Listens && !seen[s.Local] {
			seen[s.Local] = true
			facts.add(ctx, cfg, s.Local)
		}
	}
	return facts, nil
}

// GatherAll finds those of the slow checks too. The image is that of the pod; without one it is not looked for.
func GatherAll(ctx context.Context, cfg *config.HarbingerConfiguration, image string) (Facts, error) {
	facts, err := Gather(ctx, cfg)
	if err != nil {
		return facts, err
	}
	facts.Thorough, facts.Clock = true, ask(synchronised)
	if steersByBPF(cfg) {
		facts.BPF = ask(tryBPF)
	}
	facts.Fence = ask(func() (struct{}, error) { return tryFence(cfg, facts.Links) })
	if cfg.LoadBalancer.Mode == balance.ModeKernel {
		facts.KernelMode = ask(func() (struct{}, error) { return tryKernelMode(cfg, facts.Links) })
	}
	if image != "" {
		facts.Image = ask(func() (Image, error) { return findImage(ctx, image) })
	}
	return facts, nil
}

// passwordFault says why a process could not read a password from its file.
func passwordFault(file string) string {
	content, err := hostfile.ReadPrivate(file)
	if err == nil {
		_, err = config.ParsePassword(content)
	}
	if err != nil {
		return err.Error()
	}
	return ""
}

// keyFaults says why a process could not read the keys from their files.
func keyFaults(keys []config.KeyFile) map[uint8]string {
	faults := map[uint8]string{}
	for _, key := range keys {
		content, err := hostfile.ReadPrivate(key.File)
		if err == nil {
			_, err = keyed.ParseKey(key.ID, content)
		}
		if err != nil {
			faults[key.ID] = err.Error()
		}
	}
	return faults
}

// outside returns where a file leads by symbolic links, if that is outside its directory. One that is not there leads nowhere.
func outside(file string) string {
	if file == "" {
		return ""
	}
	dir, err := filepath.EvalSymlinks(filepath.Dir(file))
	if err != nil {
		return ""
	}
	target, err := filepath.EvalSymlinks(file)
	if err != nil || strings.HasPrefix(target, strings.TrimSuffix(dir, "/")+"/") {
		return ""
	}
	return target
}

func (f *Facts) add(ctx context.Context, cfg *config.HarbingerConfiguration, listener netip.AddrPort) {
	ctx, cancel := context.WithTimeout(ctx, answerTimeout)
	defer cancel()
	l := Listener{Address: listener}
	switch listener.Port() {
	case cfg.ControlPlane.APIServerPort:
		l.APIServer = isAPIServer(ctx, listener, &cfg.HealthCheck)
	case cfg.Status.IdentityPort:
		f.HarbingerRuns = f.HarbingerRuns || isHarbinger(ctx, listener)
	}
	f.Listeners = append(f.Listeners, l)
}

// isAPIServer reports whether a listener has the certificate that the health checks will want. Whether it is ready, or
// signed by the right authority, is not asked. A check without TLS gives no way to recognise an apiserver.
func isAPIServer(ctx context.Context, listener netip.AddrPort, check *health.Config) bool {
	if check.Scheme != health.HTTPS {
		return true
	}
	conn, err := dial(ctx, listener)
	if err != nil {
		return false
	}
	defer conn.Close()
	session := tls.Client(conn, &tls.Config{ServerName: check.ServerName, InsecureSkipVerify: true})
	if err := session.Handshake(); err != nil {
		return false
	}
	return check.ServerName == "" || session.ConnectionState().PeerCertificates[0].VerifyHostname(check.ServerName) == nil
}

// isHarbinger reports whether a listener answers as the identity endpoint of Harbinger does.
func isHarbinger(ctx context.Context, listener netip.AddrPort) bool {
	conn, err := dial(ctx, listener)
	if err != nil {
		return false
	}
	defer conn.Close()
	const longestLine = 4096
	line, err := bufio.NewReader(io.LimitReader(conn, longestLine)).ReadBytes('\n')
	if err != nil {
		return false
	}
	var identity probe.Identity
	return json.Unmarshal(line, &identity) == nil && identity.Incarnation != ""
}

// dial connects to a listener of this host; the deadline of the context bounds the whole conversation.
func dial(ctx context.Context, listener netip.AddrPort) (net.Conn, error) {
	addr := listener.Addr()
	switch addr {
	case netip.IPv4Unspecified(), netip.IPv6Unspecified():
		// A listener on [::] takes IPv4 too, unless it was configured not to: then it is no apiserver of kubeadm's.
		addr = netip.AddrFrom4([4]byte{127, 0, 0, 1})
	}
	var d net.Dialer
	conn, err := d.DialContext(ctx, "tcp", netip.AddrPortFrom(addr, listener.Port()).String())
	if err != nil {
		return nil, err
	}
	if deadline, ok := ctx.Deadline(); ok {
		err = conn.SetDeadline(deadline)
	}
	return conn, err
}
