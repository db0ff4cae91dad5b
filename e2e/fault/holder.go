// SPDX-License-Identifier: Apache-2.0

//go:build linux

package fault

import (
	"time"

	"github.com/harbinger-ha/harbinger/e2e/trial"
)

// What two hosts may do at once, by the invariants S1 and S3 of the election:
// an advertisement and a delay; the life of an address that nobody refreshes.
const (
	dualLive = time.Second + 50*time.Millisecond
	dualDead = 2*time.Second + 1100*time.Millisecond
)

// takeover is promised where one other node takes the address.
func takeover(outage time.Duration) promise {
	return promise{outage: outage, gone: unbounded, held: dualLive, answered: dualDead, moves: 1}
}

// holderRows are what happens to the node that has the address.
func holderRows() []Row {
	powerOff := trial.Fault{
		Name: "power off", Moves: true, Apart: true,
		Inject: (*trial.Plane).PowerOff,
		Repair: func(p *trial.Plane, n *trial.Node) error {
			if err := p.PowerOn(n); err != nil {
				return err
			}
			return p.AwaitAPIServer(n)
		},
	}
	blackhole := trial.Fault{
		Name: "silent cut, API alive", Moves: true, Apart: true,
		Inject: func(_ *trial.Plane, n *trial.Node) error { return n.Blackhole() },
		Repair: func(_ *trial.Plane, n *trial.Node) error { return n.Unblackhole() },
	}
	return []Row{
		fault(trial.Kill, kind{}, 4*time.Second),
		fault(trial.Freeze, kind{}, 4*time.Second),
		fault(powerOff, kind{}, 5300*time.Millisecond),
		fault(trial.CutCable, kind{}, 5300*time.Millisecond),
		fault(blackhole, kind{backplane: true}, 15500*time.Millisecond),
	}
}

// fault returns the row of a fault of the holder.
func fault(f trial.Fault, k kind, outage time.Duration) Row {
	return Row{Name: f.Name, kind: k, promise: takeover(outage), do: func(s *stage) (sample, error) {
		var r trial.Result
		m, err := s.measure(func() (err error) {
			r, err = s.Do(f)
			return err
		})
		if err != nil {
			return m, err
		}
		m.outage = max(r.Outage.Length(), r.RepairOutage.Length())
		m.held = r.Held.Length()
		s.expect(s.awaitArbiter(byLease, findTime))
		return m, nil
	}}
}
