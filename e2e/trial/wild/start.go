// SPDX-License-Identifier: Apache-2.0

package wild

import (
	"errors"
	"fmt"
	"time"

	"github.com/harbinger-ha/harbinger/e2e/observe"
	"github.com/harbinger-ha/harbinger/e2e/trial"
)

// Bounds of a start that are those of nobody's promise: what is wanted of it at the default interval.
const (
	upAlone    = time.Second
	upTogether = 1200 * time.Millisecond
)

// prepared is a system whose pods are written already, so that its start is that of the processes.
type prepared struct{ trial.Harbinger }

// Start runs the pod of a node.
func (s prepared) Start(_ *trial.Plane, n *trial.Node) (*trial.Sidecar, error) { return s.RunPod(n) }

// start starts every host at once, as often as it is asked to, and measures when the address is answered for.
func (r *run) start() error {
	r.System = prepared{r.cfg.System}
	wanted := upAlone
	if len(r.Nodes) > 1 {
		wanted = upTogether
	}
	r.row.Limits.Outage = min(r.row.Limits.Outage, wanted)
	r.row.Limits.Live, r.row.Limits.Kernel = sight, sight
	err := r.Each(func(n *trial.Node) error { return r.cfg.System.Generate(n, r.cfg.System.ManifestArguments(r.Plane)...) })
	for i := 0; err == nil && i < r.cfg.Runs; i++ {
		err = r.startOnce()
	}
	return err
}

// sight is what the observer on the wire, which asks every 10 ms, may add to the time for which two hosts answer.
const sight = 20 * time.Millisecond

// startOnce starts the sidecars, and stops them when they have settled.
func (r *run) startOnce() error {
	began := time.Now()
	if err := errors.Join(r.StartSidecars(), r.Settle()); err != nil {
		return err
	}
	s := r.Sample(began)
	for _, span := range r.Answers.Since(began) {
		if len(span.Hosts) > 0 {
			s.Outage = observe.Outage{From: began, To: span.From, Stalled: r.Control.Stalled(began, span.From)}
			break
		}
	}
	served, _ := r.Client.FirstServed(began)
	r.sample(s)
	r.note("the address answered %.3f s after the start, and a client was served after %.3f s",
		s.Outage.Length().Seconds(), r.Control.Between(began, served).Seconds())
	return errors.Join(
		r.Each(func(n *trial.Node) error { return n.Sidecar.Stop() }),
		r.Each(func(n *trial.Node) error {
			if err := n.Sidecar.Keeper.Wait(moveTime); err != nil {
				return fmt.Errorf("stop %s: %w", n.Name, err)
			}
			return nil
		}))
}
