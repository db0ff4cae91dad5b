// SPDX-License-Identifier: Apache-2.0

package sidecar

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/harbinger-ha/harbinger/pkg/apis/config"
	"github.com/harbinger-ha/harbinger/pkg/apis/config/scheme"
	"github.com/harbinger-ha/harbinger/pkg/vrrpconn"
)

// reloadEvery is how often the configuration file is looked at. A file that was replaced by rename is found as well.
const reloadEvery = time.Second

// watchFile applies a changed configuration file while everything runs. What is wrong with a file is logged once, and the
// configuration before it stays in force.
func (s *Sidecar) watchFile(ctx context.Context, path string) error {
	ticker := time.NewTicker(reloadEvery)
	defer ticker.Stop()
	last, err := os.ReadFile(path)
	for told := fmt.Sprint(err); ; {
		select {
		case <-ctx.Done():
			return nil
		case <-ticker.C:
		}
		raw, err := os.ReadFile(path)
		if err == nil && bytes.Equal(raw, last) {
			continue
		}
		if err == nil {
			last = raw
			err = s.reload(raw)
		}
		if message := fmt.Sprint(err); err != nil && message != told {
			told = message
			s.metrics.Failed("reload")
			s.log.Error(err, "Configuration change not applied", "file", path)
		}
	}
}

// reload applies a document as far as that is possible while everything runs.
func (s *Sidecar) reload(raw []byte) error {
	next, err := scheme.Decode(raw)
	if err != nil {
		return err
	}
	if fixed := needRestart(s.cfg, next); len(fixed) > 0 {
		return fmt.Errorf("a change of %s asks for a restart of the pod", strings.Join(fixed, ", "))
	}
	for _, p := range s.ports {
		if err := p.check(next); err != nil {
			return err
		}
	}
	s.live.Store(next)
	s.apply(next)
	v := next.Election.VRRP
	s.log.Info("Configuration changed", "priority", v.Priority, "backends", len(next.LoadBalancer.Backends))
	return nil
}

// needRestart names the fields that differ and cannot change while everything runs: those that sockets, addresses and
// listeners were made from.
func needRestart(now, next *config.HarbingerConfiguration) []string {
	var names []string
	differ := func(name string, a, b any) {
		if !reflect.DeepEqual(a, b) {
			names = append(names, name)
		}
	}
	differ("virtualAddresses", now.VirtualAddresses, next.VirtualAddresses)
	differ("interface", now.Interface, next.Interface)
	differ("controlPlane", now.ControlPlane, next.ControlPlane)
	differ("election.mode", now.Election.Mode, next.Election.Mode)
	differ("election.lease", now.Election.Lease, next.Election.Lease)
	differ("election.vrrp", fixedVRRP(now), fixedVRRP(next))
	differ("election.vrrp.peers", now.Election.VRRP.Peers == nil, next.Election.VRRP.Peers == nil)
	differ("loadBalancer.steering", now.LoadBalancer.Steering, next.LoadBalancer.Steering)
	differ("status", now.Status, next.Status)
	differ("logging", now.Logging, next.Logging)
	return names
}

// fixedVRRP is the part of the VRRP configuration that cannot change while everything runs.
func fixedVRRP(cfg *config.HarbingerConfiguration) config.VRRP {
	v := cfg.Election.VRRP
	v.Priority, v.Preempt, v.PreemptDelay, v.Peers = 0, false, 0, nil
	return v
}

// port is what reload changes of an advertisement socket.
type port struct {
	conn    *vrrpconn.Conn
	sidecar *Sidecar
	vip     netip.Addr
}

// check refuses peers that are not this node's.
func (p port) check(next *config.HarbingerConfiguration) error {
	if next.Election.VRRP.Peers != nil && len(peers(next, p.sidecar.link, p.vip)) == len(next.Election.VRRP.Peers) {
		return errors.New("election.vrrp.peers: no address of this node is among them")
	}
	return nil
}

// follow gives a unicast socket its new peers: the configured ones, and the nodes of the discovered apiservers.
func (p port) follow(cfg *config.HarbingerConfiguration) error {
	if cfg.Election.VRRP.Peers == nil {
		return nil
	}
	all := *cfg
	all.Election.VRRP.Peers = with(slices.Clone(cfg.Election.VRRP.Peers), p.sidecar.found())
	return p.conn.SetPeers(peers(&all, p.sidecar.link, p.vip))
}
