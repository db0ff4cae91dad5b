// SPDX-License-Identifier: Apache-2.0

package trial

import (
	"fmt"

	"github.com/harbinger-ha/harbinger/e2e/fault"
)

// acts are those that any plane carries out, with stand-ins for API servers or a real cluster.
var acts = map[fault.Act]func(*Plane, *Node) error{
	fault.StopSidecar:    func(_ *Plane, n *Node) error { return n.Sidecar.Stop() },
	fault.KillSidecar:    func(_ *Plane, n *Node) error { return n.Sidecar.Kill() },
	fault.FreezeSidecar:  func(_ *Plane, n *Node) error { return n.Sidecar.Freeze() },
	fault.ThawSidecar:    func(_ *Plane, n *Node) error { return n.Sidecar.Thaw() },
	fault.RestartSidecar: (*Plane).restart,
	fault.CrashBalancer:  func(_ *Plane, n *Node) error { return n.Sidecar.CrashBalancer() },
	fault.CutCable:       func(_ *Plane, n *Node) error { return n.Cut() },
	fault.JoinCable:      func(_ *Plane, n *Node) error { return n.Join() },
	fault.Blackhole:      func(_ *Plane, n *Node) error { return n.Blackhole() },
	fault.EndBlackhole:   func(_ *Plane, n *Node) error { return n.Unblackhole() },
	fault.KillAPIServer:  func(_ *Plane, n *Node) error { return n.APIServer.Kill() },
	fault.StartAPIServer: (*Plane).StartAPIServer,
	fault.PowerOff:       (*Plane).PowerOff,
	fault.PowerOn:        (*Plane).PowerOn,
}

// Do carries an act out on the node of that name: a plane is a [fault.Target].
func (p *Plane) Do(act fault.Act, host string) error {
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

// Knows reports whether any plane carries an act out.
func Knows(act fault.Act) bool { return acts[act] != nil }
