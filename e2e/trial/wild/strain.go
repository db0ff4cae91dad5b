// SPDX-License-Identifier: Apache-2.0

package wild

import (
	"errors"
	"fmt"
	"runtime"
	"strings"
	"time"

	"github.com/harbinger-ha/harbinger/e2e/fault"
	"github.com/harbinger-ha/harbinger/e2e/lab"
	"github.com/harbinger-ha/harbinger/e2e/lab/guest"
	"github.com/harbinger-ha/harbinger/e2e/trial"
	"github.com/harbinger-ha/harbinger/pkg/logging"
)

// lost returns how many percent of the frames a fault loses.
func lost(f fault.Fault) int {
	if f.Act == fault.LoseTwoFifths {
		return 40
	}
	return 25
}

// strains are the settings in which frames are lost or the processors are taken. A member of etcd that loses frames is without a leader
// again and again, and its API server is not ready then: that is a row of its own.
func strains(f fault.Fault) []scenario {
	settings := []setting{{}}
	if f.Act == fault.LoseAQuarter || f.Act == fault.LoseTwoFifths {
		settings = append(settings, setting{name: ", Lease", lease: true, backplane: true})
	}
	if f.Act == fault.LoseAQuarter {
		settings = append(settings, setting{name: ", Lease, those of etcd too", lease: true})
	}
	if f.Act == fault.Saturate {
		settings = append(settings, setting{name: ", without SCHED_RR", without: guest.NoRealTime})
	}
	var all []scenario
	for _, s := range settings {
		all = append(all, scenario{fault: f, hosts: 3, setting: s})
	}
	return all
}

// strainTime is for how long frames are lost or the processors are taken.
func (r *run) strainTime(long time.Duration) time.Duration {
	if r.cfg.Long {
		return long
	}
	return r.cfg.Watch
}

// startStrained starts the cluster, where there is one, and the sidecars.
func (r *run) startStrained() error {
	if err := errors.Join(r.startCluster(), r.Start()); err != nil {
		return err
	}
	if r.setting.lease {
		return r.arbitrated()
	}
	return nil
}

// loseFrames loses frames to the nodes at random. Those of the control come through: what is lost is not to be taken for a machine that
// stalls.
func (r *run) loseFrames() error {
	if err := r.startStrained(); err != nil {
		return err
	}
	var drops []lab.Drop
	for _, n := range r.Nodes {
		drops = append(drops, lab.Drop{To: n.Host, Percent: lost(r.fault)})
	}
	start := time.Now()
	if err := r.Lab.Drop(drops...); err != nil {
		return err
	}
	observeFor(r.strainTime(10 * time.Minute))
	s := r.Sample(start)
	r.sample(s)
	r.note("%d %% of the frames to the nodes lost for %.0f s: %d moves, two hosts answered for %.3f s at most", lost(r.fault),
		time.Since(start).Seconds(), s.Moves, s.Kernel.Length().Seconds())
	return errors.Join(r.Lab.Pass(), r.Settle())
}

// saturate takes every processor by processes of the same niceness as those of the nodes.
func (r *run) saturate() error {
	if err := errors.Join(r.startStrained(), r.Each(r.saysItsScheduling)); err != nil {
		return err
	}
	var loops []*lab.Process
	defer func() {
		for _, p := range loops {
			_ = p.Kill() // the lab does it too
		}
	}()
	start := time.Now()
	for range runtime.NumCPU() {
		p, err := r.ClientHost().Start(lab.Command{Path: "sh", Args: []string{"-c", "while :; do :; done"}})
		if err != nil {
			return err
		}
		loops = append(loops, p)
	}
	observeFor(r.strainTime(15 * time.Minute))
	s := r.Sample(start)
	r.sample(s)
	r.note("%d busy processes on %d processors for %.0f s: %d moves; the control had no answer for %.3f s at most", len(loops), runtime.NumCPU(),
		time.Since(start).Seconds(), s.Moves, r.Control.Pause(start, time.Now()).Seconds())
	return r.Each(r.lives)
}

// saysItsScheduling returns an error unless a sidecar says that it has normal scheduling where the kernel refuses it another.
func (r *run) saysItsScheduling(n *trial.Node) error {
	if says := strings.Contains(n.Output(), logging.MsgNormalScheduling); says != (r.setting.without == guest.NoRealTime) {
		return fmt.Errorf("%s writes %q: %v", n.Name, logging.MsgNormalScheduling, says)
	}
	return nil
}

// lives returns an error where a sidecar has ended.
func (r *run) lives(n *trial.Node) error {
	select {
	case <-n.Sidecar.Keeper.Done():
		return fmt.Errorf("the sidecar of %s has ended", n.Name)
	default:
		return nil
	}
}
