// SPDX-License-Identifier: Apache-2.0

package cluster

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// DeletePod deletes the mirror pod of a machine's sidecar in the API, and does not wait for its end.
func (c *Cluster) DeletePod(ctx context.Context, h *Host) error {
	_, err := c.Kubectl(ctx, "delete", "pod", "--namespace", "kube-system", "--wait=false", "harbinger-"+h.Name)
	return err
}

// RestartKubelet restarts the kubelet.
func (h *Host) RestartKubelet(ctx context.Context) error {
	_, err := h.Run(ctx, "systemctl", "restart", "kubelet")
	return err
}

// HandOver asks the sidecar of a machine to hand the virtual IP over.
func (h *Host) HandOver(ctx context.Context) error {
	_, err := h.Harbinger(ctx, "handover")
	return err
}

// keptManifest is where a machine keeps the manifest that TakeManifest empties.
const keptManifest = "/root/ha.yaml"

// TakeManifest empties the manifest of the sidecar. kind mounts the file, so it is written in place.
func (h *Host) TakeManifest(ctx context.Context) error {
	_, err := h.Shell(ctx, "cp "+ManifestPath+" "+keptManifest+" && : >"+ManifestPath)
	return err
}

// PutManifest ends a [Host.TakeManifest].
func (h *Host) PutManifest(ctx context.Context) error {
	_, err := h.Shell(ctx, "cat "+keptManifest+" >"+ManifestPath)
	return err
}

// ChangeImage names another image in the manifest of a machine's sidecar: the same one with another tag.
func (c *Cluster) ChangeImage(ctx context.Context, h *Host) error {
	_, err := h.Shell(ctx, fmt.Sprintf(`ctr -n k8s.io images tag --force %[1]s %[1]s-next
sed 's|image: %[1]s$|image: %[1]s-next|' %[2]s >/root/next.yaml
cmp -s /root/next.yaml %[2]s && { echo "the manifest does not name the image %[1]s" >&2; exit 1; }
cat /root/next.yaml >%[2]s`, c.Image, ManifestPath))
	return err
}

// RenewCertificates renews the certificates of a machine by kubeadm, and restarts its API server.
func (h *Host) RenewCertificates(ctx context.Context) error {
	_, err := h.Shell(ctx, "kubeadm certs renew all && pkill -KILL -x kube-apiserver")
	return err
}

// ShutDownGracefully shuts a machine down by its init system, once its kubelet delays shutdowns to end its pods first.
func (c *Cluster) ShutDownGracefully(ctx context.Context, h *Host) error {
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

// withoutQuorum is for how long KillQuorum keeps etcd from a quorum: long enough that every client notices.
const withoutQuorum = 20 * time.Second

// KillQuorum kills etcd on the two machines that do not hold the virtual IP, as often as their kubelets start it, for 20 s. It
// returns an error if the virtual IP moves meanwhile.
//
// Without a quorum for 80 s all API servers are killed for their liveness. So the file of etcd is not taken away instead: then
// a kubelet deletes the mirror pod before it starts etcd again, and waits for that 34 s at a time.
func (c *Cluster) KillQuorum(ctx context.Context, holder *Host) error {
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

// Scripts that drop VRRP packets which a machine sends, those which it receives, and pass both again.
const (
	muteScript   = "nft add table inet e2e; nft add chain inet e2e out '{ type filter hook output priority -300; }'; nft add rule inet e2e out meta l4proto 112 drop"
	deafenScript = "nft add table inet e2e; nft add chain inet e2e in '{ type filter hook input priority -300; }'; nft add rule inet e2e in meta l4proto 112 drop"
	passScript   = "nft delete table inet e2e"
)

// Mute drops the VRRP packets that a machine sends, until [Host.Unmute].
func (h *Host) Mute(ctx context.Context) error {
	_, err := h.Shell(ctx, muteScript)
	return err
}

// Unmute ends a [Host.Mute].
func (h *Host) Unmute(ctx context.Context) error {
	_, err := h.Shell(ctx, passScript)
	return err
}

// DropVRRP drops the VRRP packets that the machines of the control plane receive, until [Cluster.PassVRRP].
func (c *Cluster) DropVRRP(ctx context.Context) error { return c.everywhere(ctx, deafenScript) }

// PassVRRP ends a [Cluster.DropVRRP].
func (c *Cluster) PassVRRP(ctx context.Context) error { return c.everywhere(ctx, passScript) }

// everywhere runs a script on all machines of the control plane, and goes on where it fails on one.
func (c *Cluster) everywhere(ctx context.Context, script string) error {
	var errs []error
	for _, h := range c.ControlPlane {
		_, err := h.Shell(ctx, script)
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}
