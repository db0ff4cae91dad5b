// SPDX-License-Identifier: Apache-2.0

//go:build e2e

package e2e

import (
	"context"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/harbinger-ha/harbinger/e2e/cluster"
	"github.com/harbinger-ha/harbinger/pkg/manifest"
	"github.com/harbinger-ha/harbinger/pkg/version"
)

// standalone lets the kubelet of a host run static pods without an apiserver, as it does before kubeadm init has made one.
const (
	standaloneConfig = `apiVersion: kubelet.config.k8s.io/v1beta1
kind: KubeletConfiguration
staticPodPath: /etc/kubernetes/manifests
containerRuntimeEndpoint: unix:///run/containerd/containerd.sock
cgroupDriver: systemd
failSwapOn: false
imageGCHighThresholdPercent: 100
evictionHard: {nodefs.available: "0%", imagefs.available: "0%", nodefs.inodesFree: "0%"}
authentication: {anonymous: {enabled: true}, webhook: {enabled: false}}
authorization: {mode: AlwaysAllow}
`
	standaloneUnit = "[Service]\nExecStart=\nExecStart=/usr/bin/kubelet --config=/var/lib/kubelet/config.yaml\n"
)

// TestRelease makes a release of the last commit and installs it as an operator does: the program, the archive of the image index, and
// the manifest, whose pod the kubelet runs from that image. make release-test installs the packages.
func TestRelease(t *testing.T) {
	ctx := t.Context()
	tag := version.Minor + ".0"
	dir := release(t, tag)
	released := environment
	released.Program = filepath.Join(dir, "harbinger-"+tag+"-linux-"+runtime.GOARCH)
	released.Image, released.ImageTar = manifest.DefaultImage, filepath.Join(dir, "harbinger-"+tag+"-image.tar")
	c := &cluster.Cluster{Environment: released, VIP: cluster.VIP, Port: 4300}
	begin(t, c)
	h, err := released.StartHost(ctx, "n1")
	must(t, err)
	c.ControlPlane = append(c.ControlPlane, h)

	must(t, h.Put(ctx, "/var/lib/kubelet/config.yaml", 0o644, []byte(standaloneConfig)))
	must(t, h.Put(ctx, "/etc/systemd/system/kubelet.service.d/20-standalone.conf", 0o644, []byte(standaloneUnit)))
	// The pod waits for the cluster's CA, which is among the first things that kubeadm init makes.
	_, err = h.Shell(ctx, "harbinger manifest --vip 192.168.238.100/24 --port 4300; kubeadm init phase certs ca; systemctl daemon-reload; systemctl restart kubelet")
	must(t, err)
	began := time.Now()
	var says string
	must(t, cluster.Until(ctx, time.Minute, "the pod runs the released program", func(ctx context.Context) error {
		var err error
		says, err = h.Harbinger(ctx, "version")
		return err
	}))
	check(t, strings.HasPrefix(says, "harbinger "+tag+" "), "version in the pod", strings.TrimSpace(says), tag)
	image, err := h.Shell(ctx, `crictl inspect --output go-template --template '{{.status.image.image}}' "$(crictl ps -q --name '^harbinger$')"`)
	must(t, err)
	check(t, strings.TrimSpace(image) == manifest.DefaultImage, "image of the pod", strings.TrimSpace(image), manifest.DefaultImage)
	_, err = c.Holder(ctx, time.Minute)
	must(t, err)
	reached(t, "released pod", "holds the address after "+seconds(time.Since(began)))

	out, err := exec.CommandContext(ctx, "docker", "load", "--input", released.ImageTar).CombinedOutput()
	loaded := manifest.DefaultImage + "-" + runtime.GOARCH // Docker's own store knows no index
	check(t, err == nil && strings.Contains(string(out), loaded), "docker load of the index", strings.Join(strings.Fields(string(out)), " "), loaded)
	for _, image := range strings.Fields(string(out)) {
		if strings.Contains(image, "/") {
			must(t, exec.CommandContext(ctx, "docker", "image", "rm", image).Run())
		}
	}
}

// release makes a release in a clone of the repository, whose tree need not be clean, and returns its folder.
func release(t *testing.T, tag string) string {
	t.Helper()
	clone := t.TempDir()
	for _, command := range [][]string{{"git", "clone", "--quiet", "..", clone}, {"make", "-C", clone, "release", "VERSION=" + tag}} {
		if out, err := exec.Command(command[0], command[1:]...).CombinedOutput(); err != nil {
			t.Fatalf("%s: %v\n%s", strings.Join(command, " "), err, out)
		}
	}
	return filepath.Join(clone, "out", "release", tag)
}
