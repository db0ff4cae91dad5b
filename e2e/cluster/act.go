// SPDX-License-Identifier: Apache-2.0

package cluster

import (
	"context"
	"errors"
	"fmt"

	"github.com/harbinger-ha/harbinger/e2e/fault"
)

// acts are how the machines carry out what the catalogue of faults names. Where a kubelet starts again what has ended, nothing
// is left to do.
var acts = map[fault.Act]func(*Cluster, context.Context, *Host) error{
	fault.KillSidecar:    kill("harbinger"),
	fault.RestartSidecar: nothing,
	fault.KillAPIServer:  kill("kube-apiserver"),
	fault.StartAPIServer: nothing,
	fault.KillEtcd:       kill("etcd"),
	fault.KillQuorum:     (*Cluster).killQuorum,

	fault.PauseHost:          onHost((*Host).Pause),
	fault.UnpauseHost:        onHost((*Host).Unpause),
	fault.ShutDown:           onHost((*Host).Shutdown),
	fault.ShutDownGracefully: (*Cluster).shutDownGracefully,
	fault.PowerOff:           onHost((*Host).PowerOff),
	fault.PowerOn:            rejoin((*Host).PowerOn),
	fault.CutCable:           onHost((*Host).Unplug),
	fault.JoinCable:          rejoin((*Host).Plug),

	fault.HandOver:       onHost((*Host).handOver),
	fault.TakeManifest:   script(keepManifest),
	fault.PutManifest:    script(putManifest),
	fault.ChangeImage:    (*Cluster).changeImage,
	fault.DeletePod:      (*Cluster).deletePod,
	fault.RestartKubelet: script("systemctl restart kubelet"),
	fault.RenewCerts:     script(renewCerts),

	fault.Mute:      script(mute),
	fault.Unmute:    script(pass),
	fault.MuteAll:   everywhere(deafen),
	fault.UnmuteAll: everywhere(pass),
}

func nothing(*Cluster, context.Context, *Host) error { return nil }

func kill(process string) func(*Cluster, context.Context, *Host) error {
	return func(_ *Cluster, ctx context.Context, h *Host) error { return h.Kill(ctx, process) }
}

func onHost(do func(*Host, context.Context) error) func(*Cluster, context.Context, *Host) error {
	return func(_ *Cluster, ctx context.Context, h *Host) error { return do(h, ctx) }
}

// rejoin brings a machine back to the network, and the routes to its pods.
func rejoin(do func(*Host, context.Context) error) func(*Cluster, context.Context, *Host) error {
	return func(c *Cluster, ctx context.Context, h *Host) error { return errors.Join(do(h, ctx), c.RoutePods(ctx)) }
}

// Target returns the cluster as a target of faults, whose acts the context bounds.
func (c *Cluster) Target(ctx context.Context) fault.Target { return target{c, ctx} }

type target struct {
	cluster *Cluster
	ctx     context.Context
}

// Do carries an act out on the control-plane machine of that name.
func (t target) Do(act fault.Act, host string) error {
	do := acts[act]
	for _, h := range t.cluster.ControlPlane {
		if do != nil && h.Name == host {
			return do(t.cluster, t.ctx, h)
		}
	}
	return fmt.Errorf("a cluster of containers cannot %q on %q", act, host)
}
