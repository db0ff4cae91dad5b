// SPDX-License-Identifier: Apache-2.0

package cluster

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"time"
)

// An Observer is a container that only observes, and writes what it sees line by line. It has processes and a freezer of its
// own: it goes on while the machine whose network it shares is frozen.
type Observer struct {
	Name      string
	container string
}

// ObserveAddresses records each address that comes to a machine or leaves it, in lines that begin with the time. A machine
// that was off needs another observer, with another number: its network is a new one.
func (e Environment) ObserveAddresses(ctx context.Context, h *Host, number int) (*Observer, error) {
	return e.observe(ctx, fmt.Sprintf("addresses-%s-%d", h.Name, number), "container:"+h.container,
		`ip -o monitor address | while read -r line; do printf '%s %s\n' "$EPOCHREALTIME" "$line"; done`)
}

// ObserveARP records who announces the virtual IP, as another host on the network receives it, and VRRP advertisements for
// the reader of a failure.
func (c *Cluster) ObserveARP(ctx context.Context) (*Observer, error) {
	return c.observe(ctx, "arp", c.Network, fmt.Sprintf("exec tcpdump -Z root -p -i eth0 -l -n -e -tt 'arp and host %s or ip proto 112 or ip6 proto 112'", c.VIP))
}

func (e Environment) observe(ctx context.Context, name, network, script string) (*Observer, error) {
	o, err := e.observer(ctx, name, network, "bash", "-c", script)
	if err == nil {
		_, err = docker(ctx, nil, "start", o.container)
	}
	return o, err
}

// observer makes the container of an observer, which is not started yet. The image's own signal to stop is one for systemd.
func (e Environment) observer(ctx context.Context, name, network, program string, args ...string) (*Observer, error) {
	o := &Observer{Name: name, container: prefix + name}
	_, err := docker(ctx, nil, append([]string{"create", "--name", o.container, "--label", Label, "--pull", "never", "--stop-signal", "SIGTERM",
		"--network", network, "--cap-add", "NET_RAW", "--entrypoint", program, e.NodeImage}, args...)...)
	return o, err
}

// Client runs a program on the network of the cluster, but on none of its machines, as the administrator through the virtual
// IP: its first arguments are --kubeconfig and a file.
func (c *Cluster) Client(ctx context.Context, name, program string, args ...string) (*Observer, error) {
	o, err := c.observer(ctx, name, c.Network, "/program", append([]string{"--kubeconfig", "/admin.conf"}, args...)...)
	if err != nil {
		return nil, err
	}
	conf, err := c.ControlPlane[0].Run(ctx, "cat", adminConf)
	if err != nil {
		return nil, err
	}
	file := filepath.Join(c.Out, name+".conf")
	if err := os.WriteFile(file, []byte(conf), 0o600); err != nil {
		return nil, err
	}
	defer os.Remove(file)
	for source, target := range map[string]string{program: "/program", file: "/admin.conf"} {
		if _, err := docker(ctx, nil, "cp", "--follow-link", source, o.container+":"+target); err != nil {
			return nil, err
		}
	}
	_, err = docker(ctx, nil, "start", o.container)
	return o, err
}

// Log returns what the observer has written to its standard output since a time.
func (o *Observer) Log(ctx context.Context, since time.Time) (string, error) {
	args := []string{"logs"}
	if !since.IsZero() {
		args = append(args, "--since", since.Format(time.RFC3339Nano))
	}
	return docker(ctx, nil, append(args, o.container)...)
}

// Stop ends the observer, which may write what it still has to.
func (o *Observer) Stop(ctx context.Context) error {
	_, err := docker(ctx, nil, "stop", "--time", "20", o.container)
	return err
}

// Outsider is a machine on the network that is not of the cluster: it has curl, and nothing of Kubernetes runs on it.
func (e Environment) Outsider(ctx context.Context, name string) (*Host, error) {
	o, err := e.observe(ctx, name, e.Network, "exec sleep infinity")
	if err != nil {
		return nil, err
	}
	return &Host{Name: o.Name, container: o.container, network: e.Network}, nil
}
