// SPDX-License-Identifier: Apache-2.0

package cluster

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// Scripts for the acts on a machine. keepManifest empties the manifest of the sidecar and keeps a copy: kind mounts the file, so
// it is written in place. mute drops the VRRP packets that a machine sends, deafen those that it receives, and pass ends both.
const (
	keepManifest = "cp " + ManifestPath + " /root/ha.yaml && : >" + ManifestPath
	putManifest  = "cat /root/ha.yaml >" + ManifestPath
	renewCerts   = "kubeadm certs renew all && pkill -KILL -x kube-apiserver"
	mute         = "nft add table inet e2e; nft add chain inet e2e out '{ type filter hook output priority -300; }'; nft add rule inet e2e out meta l4proto 112 drop"
	deafen       = "nft add table inet e2e; nft add chain inet e2e in '{ type filter hook input priority -300; }'; nft add rule inet e2e in meta l4proto 112 drop"
	pass         = "nft delete table inet e2e"
)

// script runs one of bash on a machine.
func script(text string) func(*Cluster, context.Context, *Host) error {
	return onHost(func(h *Host, ctx context.Context) error {
		_, err := h.Shell(ctx, text)
		return err
	})
}

// everywhere runs a script on all machines of the control plane, and goes on where it fails on one.
func everywhere(text string) func(*Cluster, context.Context, *Host) error {
	return func(c *Cluster, ctx context.Context, _ *Host) error {
		var errs []error
		for _, h := range c.ControlPlane {
			_, err := h.Shell(ctx, text)
			errs = append(errs, err)
		}
		return errors.Join(errs...)
	}
}

func (h *Host) handOver(ctx context.Context) error {
	_, err := h.Harbinger(ctx, "handover")
	return err
}

// deletePod deletes the mirror pod of a machine's sidecar in the API, and does not wait for its end.
func (c *Cluster) deletePod(ctx context.Context, h *Host) error {
	_, err := c.Kubectl(ctx, "delete", "pod", "--namespace", "kube-system", "--wait=false", "harbinger-"+h.Name)
	return err
}

// changeImage names another image in the manifest of a machine's sidecar: the same one with another tag.
func (c *Cluster) changeImage(ctx context.Context, h *Host) error {
	_, err := h.Shell(ctx, fmt.Sprintf(`ctr -n k8s.io images tag --force %[1]s %[1]s-next
sed 's|image: %[1]s$|image: %[1]s-next|' %[2]s >/root/next.yaml
cmp -s /root/next.yaml %[2]s && { echo "the manifest does not name the image %[1]s" >&2; exit 1; }
cat /root/next.yaml >%[2]s`, c.Image, ManifestPath))
	return err
}

// shutDownGracefully shuts a machine down by its init system, once its kubelet delays shutdowns to end its pods first.
func (c *Cluster) shutDownGracefully(ctx context.Context, h *Host) error {
	_, err := h.Shell(ctx, `systemctl start dbus systemd-logind
sed -i 's/^shutdownGracePeriod: .*/shutdownGracePeriod: 30s/; s/^shutdownGracePeriodCriticalPods: .*/shutdownGracePeriodCriticalPods: 20s/' /var/lib/kubelet/config.yaml
systemctl restart kubelet`)
	if err != nil {
		return err
	}
	if err := Until(ctx, time.Minute, "the kubelet delays shutdowns", func(ctx context.Context) error {
		_, err := h.Shell(ctx, "systemd-inhibit --list | grep kubelet >/dev/null")
		return err
	}); err != nil {
		return err
	}
	if err := c.Ready(ctx, time.Minute); err != nil {
		return err
	}
	if _, err := h.Run(ctx, "systemctl", "poweroff"); err != nil {
		return err
	}
	return Until(ctx, 2*time.Minute, h.Name+" is off", func(ctx context.Context) error {
		if running, err := h.Running(ctx); err != nil || running {
			return errors.Join(err, errors.New("it runs"))
		}
		return nil
	})
}

// withoutQuorum is for how long killQuorum keeps etcd from a quorum: long enough that every client notices.
const withoutQuorum = 20 * time.Second

// killQuorum kills etcd on the two machines that do not hold the virtual IP, as often as their kubelets start it, for 20 s. It
// returns an error if the virtual IP moves meanwhile.
//
// Without a quorum for 80 s all API servers are killed for their liveness. So the file of etcd is not taken away instead: then
// a kubelet deletes the mirror pod before it starts etcd again, and waits for that 34 s at a time.
func (c *Cluster) killQuorum(ctx context.Context, holder *Host) error {
	for _, h := range c.Others(holder) {
		if err := h.Kill(ctx, "etcd"); err != nil { // it has to be there, the first time
			return err
		}
	}
	began := time.Now()
	return Until(ctx, time.Minute, fmt.Sprintf("%v have passed without a quorum of etcd", withoutQuorum), func(ctx context.Context) error {
		for _, h := range c.Others(holder) {
			if _, err := h.Shell(ctx, "pkill -KILL -x etcd || true"); err != nil {
				return err
			}
		}
		if holders := c.Holders(ctx); len(holders) != 1 || holders[0] != holder {
			return fmt.Errorf("the virtual IP left %s", holder.Name)
		}
		if time.Since(began) < withoutQuorum {
			return errors.New("not yet")
		}
		return nil
	})
}
