// SPDX-License-Identifier: Apache-2.0

package cluster

import (
	"bytes"
	"context"
	"embed"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"text/template"
)

//go:embed kind.yaml kubeadm.yaml
var templates embed.FS

// KindName is the cluster's name in kind.
const KindName = "harbinger-e2e"

// A KindConfig says what differs from one kind cluster to the next.
type KindConfig struct {
	ControlPlanes, Workers int
	ProxyMode              string // iptables or nftables
	IPFamily               string // ipv4 or dual
	Manifest               []byte // ha.yaml, the same for every control plane
}

// CreateKind makes a cluster with kind whose control plane endpoint is the virtual IP on port 6443. Harbinger's image is
// imported by containerd before the kubelet starts, and the manifest is there before kubeadm: nothing is patched.
// The machines have no pod network yet.
//
// After an error the cluster has the machines that there are, for their logs.
func (e Environment) CreateKind(ctx context.Context, k KindConfig) (*Cluster, error) {
	c := &Cluster{Environment: e, VIP: VIP, Port: 6443}
	config, err := e.kindConfig(k)
	if err != nil {
		return c, err
	}
	kind, err := e.binary("kind")
	if err != nil {
		return c, err
	}
	out, err := command(ctx, nil, "env", "KIND_EXPERIMENTAL_DOCKER_NETWORK="+e.Network, "KUBECONFIG="+filepath.Join(e.Out, "kind.kubeconfig"),
		kind, "create", "cluster", "--name", KindName, "--image", e.NodeImage, "--config", config, "--retain")
	if writeErr := os.WriteFile(filepath.Join(e.Out, "kind.log"), []byte(out), 0o644); err == nil {
		err = writeErr
	}
	var errs [2]error
	c.ControlPlane, errs[0] = e.adopt(ctx, "control-plane", k.ControlPlanes)
	c.Workers, errs[1] = e.adopt(ctx, "worker", k.Workers)
	if err == nil {
		err = errors.Join(errs[:]...)
	}
	return c, err
}

// KindManifest makes ha.yaml by Harbinger's own image, on a machine that is none of the cluster's: kind mounts the file
// into machines that are not there yet. So no address is named; the sidecars find each other by multicast.
func (e Environment) KindManifest(ctx context.Context, arguments ...string) ([]byte, error) {
	config, err := e.render("kubeadm.yaml", struct{ Endpoint string }{netip.AddrPortFrom(VIP, 6443).String()})
	if err != nil {
		return nil, err
	}
	container := prefix + "manifest"
	if _, err := docker(ctx, nil, append([]string{"create", "--name", container, "--label", Label, "--pull", "never", "--network", e.Network,
		e.Image, "manifest", "--vip", netip.PrefixFrom(VIP, Bits).String(), "--kubeadm-config", "/kubeadm.yaml",
		"--image", e.Image, "--output", "-"}, arguments...)...); err != nil {
		return nil, err
	}
	defer func() { _, _ = docker(context.WithoutCancel(ctx), nil, "rm", "--force", container) }()
	if _, err := docker(ctx, nil, "cp", config, container+":/kubeadm.yaml"); err != nil {
		return nil, err
	}
	out, err := docker(ctx, nil, "start", "--attach", container)
	return []byte(out), err
}

// render writes a template filled in, and returns the path.
func (e Environment) render(name string, data any) (string, error) {
	parsed, err := template.ParseFS(templates, name)
	if err != nil {
		return "", err
	}
	var content bytes.Buffer
	if err := parsed.Execute(&content, data); err != nil {
		return "", err
	}
	path := filepath.Join(e.Out, name)
	return path, os.WriteFile(path, content.Bytes(), 0o644)
}

// kindConfig writes kind's configuration and the files that it mounts, and returns its path. Each machine has a copy of
// the manifest, so that a story may edit one.
func (e Environment) kindConfig(k KindConfig) (string, error) {
	data := struct {
		Environment
		KindConfig
		Endpoint      string
		Manifests     []string
		WorkerPlaces  []struct{}
		ImportOnStart string
	}{e, k, netip.AddrPortFrom(VIP, 6443).String(), nil, make([]struct{}, k.Workers), filepath.Join(e.Out, "import.conf")}
	for i := range k.ControlPlanes {
		path := filepath.Join(e.Out, fmt.Sprintf("ha-%d.yaml", i+1))
		if err := os.WriteFile(path, k.Manifest, 0o644); err != nil {
			return "", err
		}
		data.Manifests = append(data.Manifests, path)
	}
	const unit = "[Service]\nExecStartPost=/usr/bin/env ctr -n k8s.io images import /harbinger.tar\n"
	if err := os.WriteFile(data.ImportOnStart, []byte(unit), 0o644); err != nil {
		return "", err
	}
	return e.render("kind.yaml", data)
}

// adopt finds the machines that kind has made of one role, in the order of their numbers.
func (e Environment) adopt(ctx context.Context, role string, count int) ([]*Host, error) {
	var hosts []*Host
	for i := range count {
		name := KindName + "-" + role
		if i > 0 {
			name += fmt.Sprint(i + 1)
		}
		// kind has Docker start again what ends with an error, which every machine does that is switched off.
		if _, err := docker(ctx, nil, "update", "--restart", "no", name); err != nil {
			return hosts, err
		}
		out, err := docker(ctx, nil, "inspect", "--format", fmt.Sprintf("{{with (index .NetworkSettings.Networks %q)}}{{.IPAddress}} {{.GlobalIPv6Address}}{{end}}", e.Network), name)
		if err != nil {
			return hosts, err
		}
		h := &Host{Name: name, container: name, network: e.Network}
		v4, v6, _ := strings.Cut(strings.TrimSpace(out), " ")
		if h.Address, err = netip.ParseAddr(v4); err != nil {
			return hosts, fmt.Errorf("address of %s: %w", name, err)
		}
		if h.ipv6, err = netip.ParseAddr(v6); v6 != "" && err != nil {
			return hosts, fmt.Errorf("address of %s: %w", name, err)
		}
		hosts = append(hosts, h)
	}
	return hosts, nil
}

// Credentials gives each control plane host the sidecar's own kubeconfig, as a user does after kubeadm.
func (c *Cluster) Credentials(ctx context.Context) error {
	for _, h := range c.ControlPlane {
		if _, err := h.Run(ctx, "harbinger", "kubeconfig"); err != nil {
			return err
		}
	}
	return nil
}
