// SPDX-License-Identifier: Apache-2.0

package trial

import (
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/harbinger-ha/harbinger/e2e/fault"
	"github.com/harbinger-ha/harbinger/e2e/lab"
)

// acts are those on one node.
var acts = map[fault.Act]func(*Plane, *Node) error{
	fault.StopSidecar:    func(_ *Plane, n *Node) error { return n.Sidecar.Stop() },
	fault.KillSidecar:    func(_ *Plane, n *Node) error { return n.Sidecar.Kill() },
	fault.FreezeSidecar:  func(_ *Plane, n *Node) error { return n.Sidecar.Freeze() },
	fault.ThawSidecar:    func(_ *Plane, n *Node) error { return n.Sidecar.Thaw() },
	fault.RestartSidecar: (*Plane).restart,
	fault.CrashBalancer:  func(_ *Plane, n *Node) error { return n.Sidecar.CrashBalancer() },
	fault.KillWithAPI:    func(_ *Plane, n *Node) error { return errors.Join(n.Sidecar.Kill(), n.APIServer.Kill()) },
	fault.StartWithAPI:   (*Plane).startWithAPI,
	fault.CutCable:       func(_ *Plane, n *Node) error { return errors.Join(n.Cut(), n.CutBackplane()) },
	fault.JoinCable:      func(_ *Plane, n *Node) error { return errors.Join(n.Join(), n.JoinBackplane()) },
	fault.Blackhole:      func(_ *Plane, n *Node) error { return n.Blackhole() },
	fault.EndBlackhole:   func(_ *Plane, n *Node) error { return n.Unblackhole() },
	fault.CutOff:         func(_ *Plane, n *Node) error { return errors.Join(n.Blackhole(), n.CutBackplane()) },
	fault.EndCutOff:      func(_ *Plane, n *Node) error { return errors.Join(n.Unblackhole(), n.JoinBackplane()) },
	fault.KillAPIServer:  func(_ *Plane, n *Node) error { return n.APIServer.Kill() },
	fault.StartAPIServer: (*Plane).StartAPIServer,
	fault.PowerOff:       (*Plane).PowerOff,
	fault.PowerOn:        (*Plane).PowerOn,
	fault.Mute:           func(p *Plane, n *Node) error { return p.Lab.Drop(lab.Drop{Traffic: lab.VRRP, From: n.Host}) },
	fault.Unmute:         func(p *Plane, _ *Node) error { return p.Lab.Pass() },
}

// actsOnAll are those on all nodes, or the wire between them. Most need a real cluster.
var actsOnAll = map[fault.Act]func(*Plane) error{
	fault.KillAPIs:       each(func(n *Node) error { return n.APIServer.Kill() }),
	fault.StartAPIs:      (*Plane).StartAPIServers,
	fault.HangAPIs:       (*Plane).hangAPIServers,
	fault.ThawAPIs:       (*Plane).thawAPIServers,
	fault.SlowAPIs:       (*Plane).slowAPIServers,
	fault.EndSlowAPIs:    func(p *Plane) error { return p.endSlow() },
	fault.FreezeQuorum:   func(p *Plane) error { return errors.Join(p.Nodes[0].Etcd.Freeze(), p.Nodes[1].Etcd.Freeze()) },
	fault.ThawQuorum:     func(p *Plane) error { return errors.Join(p.Nodes[0].Etcd.Thaw(), p.Nodes[1].Etcd.Thaw()) },
	fault.TakeCredential: each(func(n *Node) error { return n.Do(func() error { return os.Remove(KubeconfigFile) }) }),
	fault.GiveCredential: func(p *Plane) error { return p.Each(p.System.(Harbinger).GiveCredentials) },
	fault.MuteAll:        func(p *Plane) error { return p.Lab.Drop(lab.Drop{Traffic: lab.VRRP}) },
	fault.UnmuteAll:      func(p *Plane) error { return p.Lab.Pass() },
}

func each(do func(*Node) error) func(*Plane) error { return func(p *Plane) error { return p.Each(do) } }

// Do carries an act out on the node of that name, or on all: a plane is a [fault.Target].
func (p *Plane) Do(act fault.Act, host string) error {
	if do := actsOnAll[act]; do != nil {
		return do(p)
	}
	do, node := acts[act], p.Node(host)
	if do == nil || node == nil {
		return fmt.Errorf("a plane of the lab cannot %q on %q", act, host)
	}
	return do(p, node)
}

// restart starts a sidecar again that has ended, or is killed for it. Where that left the address behind, it does first what
// an administrator has to do.
func (p *Plane) restart(n *Node) error {
	if err := n.Sidecar.Kill(); err != nil {
		return err
	}
	if err := p.removeAddress(n); err != nil {
		return err
	}
	return p.StartSidecar(n)
}

// startWithAPI starts the apiserver of a node, and when it is ready the sidecar.
func (p *Plane) startWithAPI(n *Node) error {
	if err := p.StartAPIServer(n); err != nil {
		return err
	}
	if p.Cluster != nil {
		if err := p.AwaitAPIServer(n); err != nil {
			return err
		}
	}
	return p.restart(n)
}

// Knows reports whether any plane carries an act out.
func Knows(act fault.Act) bool { return acts[act] != nil || actsOnAll[act] != nil }

// hangAPIServers makes the API servers accept connections and never answer.
func (p *Plane) hangAPIServers() error {
	return p.Each(func(n *Node) error { return n.APIServer.Freeze() })
}

func (p *Plane) thawAPIServers() error {
	return p.Each(func(n *Node) error { return n.APIServer.Thaw() })
}

// The times of a slow API server: what is asked while it stands still is answered up to ten seconds later, and may be carried
// out then.
const (
	slowStands = 10 * time.Second
	slowRuns   = 300 * time.Millisecond
)

// slowAPIServers makes the API servers stand still for ten seconds, again and again, all at the same time, until endSlow is called.
func (p *Plane) slowAPIServers() error {
	stop, ended := make(chan struct{}), make(chan error, 1)
	p.endSlow = func() error {
		close(stop)
		return <-ended
	}
	// Ends when endSlow closes stop.
	go func() { ended <- p.slowUntil(stop) }()
	return nil
}

func (p *Plane) slowUntil(stop <-chan struct{}) error {
	for {
		if err := p.hangAPIServers(); err != nil {
			return err
		}
		select {
		case <-stop:
			return p.thawAPIServers()
		case <-time.After(slowStands):
		}
		if err := p.thawAPIServers(); err != nil {
			return err
		}
		time.Sleep(slowRuns)
	}
}
