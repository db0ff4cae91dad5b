// SPDX-License-Identifier: Apache-2.0

//go:build e2e

package e2e

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/harbinger-ha/harbinger/e2e/cluster"
	"github.com/harbinger-ha/harbinger/e2e/observe"
)

// Bounds of the time in which no new connection through the virtual IP was answered.
const (
	planned = 900 * time.Millisecond  // make before break; a skew time where the successor is late
	sudden  = 5300 * time.Millisecond // Active_Down_Interval, the Lease, and a member of etcd that died with its host
	stays   = time.Second             // the address does not move: a request that met the fault, and the next one
)

// A fault is done to the holder of the virtual IP (or to more), and undone.
type fault struct {
	name  string
	bound time.Duration // without an answer
	moves bool          // the address goes to another host
	off   bool          // machines are off in between: who watches their network has to begin again
	do    func(ctx context.Context, s *story, holder *cluster.Host) error
	undo  func(ctx context.Context, s *story, holder *cluster.Host) error
	short bool // done in a short run too
}

// freeze is the fault that every story has.
var freeze = fault{name: "the holder freezes (docker pause), and wakes", bound: sudden, moves: true, short: true,
	do:   on((*cluster.Host).Pause),
	undo: on((*cluster.Host).Unpause)}

var faultTable = []fault{
	freeze,
	{name: "the holder is shut down, and started", bound: sudden, moves: true, off: true,
		do:   on((*cluster.Host).Shutdown),
		undo: on((*cluster.Host).PowerOn)},
	{name: "the holder's kubelet shuts its node down gracefully, and it is started", bound: planned, moves: true, off: true,
		do:   inCluster((*cluster.Cluster).ShutDownGracefully),
		undo: on((*cluster.Host).PowerOn)},
	{name: "the holder loses power, and gets it back", bound: sudden, moves: true, off: true,
		do:   on((*cluster.Host).PowerOff),
		undo: on((*cluster.Host).PowerOn)},
	{name: "the holder's network is taken away, and given back", bound: sudden, moves: true,
		do:   on((*cluster.Host).Unplug),
		undo: on((*cluster.Host).Plug)},
	{name: "kill -9 of all processes of Harbinger on the holder", bound: sudden, moves: true, short: true,
		do: kill("harbinger")},
	{name: "kill -9 of the apiserver on the holder", bound: stays,
		do: kill("kube-apiserver")},
	{name: "restart of the kubelet on the holder", bound: stays,
		do: on((*cluster.Host).RestartKubelet)},
	{name: "kubectl delete of the holder's mirror pod", bound: stays,
		do: inCluster((*cluster.Cluster).DeletePod)},
	{name: "the holder's ha.yaml is taken away, and put back", bound: planned, moves: true,
		do:   on((*cluster.Host).TakeManifest),
		undo: on((*cluster.Host).PutManifest)},
	{name: "another image in the holder's ha.yaml", bound: planned, moves: true,
		do: inCluster((*cluster.Cluster).ChangeImage)},
	{name: "harbinger handover", bound: planned, moves: true,
		do: on((*cluster.Host).HandOver)},
	{name: "renewal of the certificates by kubeadm, and a restart of the holder's apiserver", bound: stays,
		do: on((*cluster.Host).RenewCertificates)},
	{name: "kill -9 of etcd on two of three for 20 s: /version", bound: stays,
		do: inCluster((*cluster.Cluster).KillQuorum)},
}

func (s *story) faults(t *testing.T) {
	for _, f := range faultTable {
		if testing.Short() && !f.short {
			continue
		}
		t.Run(strings.ReplaceAll(f.name, " ", "_"), func(t *testing.T) { s.fault(t, f) })
	}
	if !testing.Short() {
		t.Run("cold_start", s.coldStart)
	}
	s.ownAddresses(t)
}

// fault does one row of the table.
func (s *story) fault(t *testing.T, f fault) {
	ctx := t.Context()
	holder := s.settle(t)
	s.served(t, observe.Version, time.Now())
	began := time.Now()

	if err := f.do(ctx, s, holder); err != nil {
		if f.undo != nil { // the rows after this one need the hosts
			err = errors.Join(err, f.undo(ctx, s, holder))
		}
		must(t, err)
	}
	if f.moves {
		must(t, cluster.Until(ctx, time.Minute, "the virtual IP leaves "+holder.Name, func(ctx context.Context) error {
			if holders := s.Holders(ctx); len(holders) != 1 || holders[0] == holder {
				return fmt.Errorf("%d hosts have it", len(holders))
			}
			return nil
		}))
	}
	s.served(t, observe.Version, time.Now())
	if f.undo != nil {
		must(t, f.undo(ctx, s, holder))
	}
	if f.off {
		s.watchAddresses(holder)
	}
	must(t, s.RoutePods(ctx))
	now := s.settle(t)
	s.judge(t, f, holder, now, began)
}

// on does to the holder what can be done to a host.
func on(do func(*cluster.Host, context.Context) error) func(context.Context, *story, *cluster.Host) error {
	return func(ctx context.Context, _ *story, holder *cluster.Host) error { return do(holder, ctx) }
}

// inCluster does to the holder what can be done to a host of a cluster.
func inCluster(do func(*cluster.Cluster, context.Context, *cluster.Host) error) func(context.Context, *story, *cluster.Host) error {
	return func(ctx context.Context, s *story, holder *cluster.Host) error { return do(s.Cluster, ctx, holder) }
}

func kill(process string) func(context.Context, *story, *cluster.Host) error {
	return func(ctx context.Context, _ *story, holder *cluster.Host) error { return holder.Kill(ctx, process) }
}

// coldStart switches all machines off and on: the address is back soon after the kubelets have started the pods, and the
// cluster is usable without a hand.
func (s *story) coldStart(t *testing.T) {
	ctx := t.Context()
	s.settle(t)
	for _, h := range s.ControlPlane {
		must(t, h.PowerOff(ctx))
	}
	// Docker gives a machine of kind's the lowest address that is free.
	byAddress := slices.SortedFunc(slices.Values(s.ControlPlane), func(a, b *cluster.Host) int { return a.Address.Compare(b.Address) })
	for _, h := range byAddress {
		must(t, h.PowerOn(ctx))
		s.watchAddresses(h)
	}
	var started time.Time
	must(t, cluster.Until(ctx, 3*time.Minute, "a kubelet has started the pod", func(ctx context.Context) error {
		var errs []error
		for _, h := range s.ControlPlane {
			pid, err := s.PID(ctx, h)
			if err == nil {
				started, err = h.StartTime(ctx, pid)
			}
			if err == nil {
				return nil
			}
			errs = append(errs, err)
		}
		return errors.Join(errs...)
	}))
	_, err := s.Holder(ctx, time.Minute)
	must(t, err)
	vacant := s.held(t, started, time.Now()).Vacant()
	checkTime(t, "cold start of all hosts: first pod to the virtual IP", vacant.Total(), 10*time.Second)
	must(t, s.RoutePods(ctx))
	s.settle(t)
	s.served(t, observe.Version, time.Now())
	reached(t, "cold start of all hosts: the cluster is usable", seconds(time.Since(started)))
}
