// SPDX-License-Identifier: Apache-2.0

package trial

import (
	"errors"
	"time"

	"github.com/harbinger-ha/harbinger/e2e/lab"
)

// endTime is within what a sidecar that was asked to stop must have ended. Connections may drain for longer.
const endTime = 20 * time.Second

// Replace ends the sidecar of every node by plan, which leaves nothing behind, and runs another system there, or the same one with
// another interval between advertisements. API servers and observers go on.
func (p *Plane) Replace(system System, interval time.Duration) error {
	_ = p.Each(func(n *Node) error { return n.Sidecar.each((*lab.Process).Terminate) }) // one may have ended already
	if err := p.Each(p.end); err != nil {
		return err
	}
	p.System, p.Interval = system, interval
	return p.Start()
}

// end waits until a sidecar has ended that was asked to stop, and kills it where that takes too long.
func (p *Plane) end(n *Node) error {
	deadline := time.Now().Add(endTime)
	for _, process := range n.Sidecar.processes() {
		_ = process.Wait(time.Until(deadline)) // how it ended is not judged here
	}
	return errors.Join(n.Sidecar.Kill(), p.removeAddress(n))
}
