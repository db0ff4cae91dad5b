// SPDX-License-Identifier: Apache-2.0

package inject

import (
	"net/netip"

	"github.com/harbinger-ha/harbinger/e2e/fault"
	"github.com/harbinger-ha/harbinger/e2e/lab"
	"github.com/harbinger-ha/harbinger/e2e/lab/guest"
)

// acts are those on all nodes of a cluster, and on the wire between them.
var acts = map[fault.Act]func(r *run, host string) error{
	fault.KillAPIs:       func(r *run, _ string) error { return r.killAPIs() },
	fault.StartAPIs:      func(r *run, _ string) error { return r.StartAPIServers() },
	fault.HangAPIs:       func(r *run, _ string) error { return r.hangAPIs() },
	fault.ThawAPIs:       func(r *run, _ string) error { return r.thawAPIs() },
	fault.SlowAPIs:       func(r *run, _ string) error { return r.slowAPIs() },
	fault.EndSlowAPIs:    func(r *run, _ string) error { return r.endSlow() },
	fault.FreezeQuorum:   func(r *run, _ string) error { return r.freezeQuorum() },
	fault.ThawQuorum:     func(r *run, _ string) error { return r.thawQuorum() },
	fault.TakeCredential: func(r *run, _ string) error { return r.Each(r.cfg.System.TakeCredentials) },
	fault.GiveCredential: func(r *run, _ string) error { return r.Each(r.cfg.System.GiveCredentials) },
	fault.Mute: func(r *run, host string) error {
		return r.Lab.Drop(lab.Drop{Traffic: lab.VRRP, From: r.Node(host).Host})
	},
	fault.MuteAll:   func(r *run, _ string) error { return r.Lab.Drop(lab.Drop{Traffic: lab.VRRP}) },
	fault.Unmute:    func(r *run, _ string) error { return r.Lab.Pass() },
	fault.UnmuteAll: func(r *run, _ string) error { return r.Lab.Pass() },
	fault.DropSome:  func(r *run, _ string) error { return r.dropSome() },
	fault.PassAll:   func(r *run, _ string) error { return r.Lab.Pass() },
}

// Do carries an act out: a run is a [fault.Target], as its plane is.
func (r *run) Do(act fault.Act, host string) error {
	if do := acts[act]; do != nil {
		return do(r, host)
	}
	return r.Plane.Do(act, host)
}

// A course is how a fault is done, and what is looked at meanwhile.
type course func(*run, fault.Fault) (fault.Sample, error)

// courses are those of the faults that are more than one done to the holder.
var courses = map[fault.Act]course{
	fault.StartCluster:   (*run).bootstrap,
	fault.CountLoad:      measured((*run).countLoad),
	fault.ListRights:     measured((*run).listRights),
	fault.HandOver:       underLoad((*run).handOver),
	fault.HandOverTo:     underLoad((*run).handOverTo),
	fault.RestartEach:    underLoad((*run).restartAll),
	fault.DeleteLease:    measured((*run).loseLease),
	fault.RestoreEtcd:    (*run).restore,
	fault.TakeCredential: undone((*run).changeCredentials),
	fault.KillAPIs:       (*run).apiOutage,
	fault.HangAPIs:       (*run).apiOutage,
	fault.SlowAPIs:       (*run).apiOutage,
	fault.FreezeQuorum:   (*run).apiOutage,
	fault.Mute:           (*run).filter,
	fault.MuteAll:        (*run).filter,
	fault.SplitHosts:     (*run).splitWithoutAPI,
	fault.DropSome:       undone((*run).lose),
	fault.ForgeMany:      forged((*run).multicastForgeries),
	fault.ForgeEach:      forged((*run).unicastForgeries),
	fault.AddNode:        measured((*run).grow),
}

// do does a fault.
func (r *run) do(f fault.Fault) (fault.Sample, error) {
	if do := courses[f.Act]; do != nil {
		return do(r, f)
	}
	return r.ofTheHolder(f)
}

// measured is the course of what is measured as a whole.
func measured(do func(*run) error) course {
	return func(r *run, _ fault.Fault) (fault.Sample, error) { return r.measure(func() error { return do(r) }) }
}

// undone is the course of what injects and undoes the fault itself, and is measured as a whole.
func undone(do func(*run, fault.Fault) error) course {
	return func(r *run, f fault.Fault) (fault.Sample, error) { return r.measure(func() error { return do(r, f) }) }
}

// underLoad is the course of what is measured while a client makes 200 connections a second.
func underLoad(do func(*run) error) course {
	return func(r *run, _ fault.Fault) (fault.Sample, error) { return r.underLoad(func() error { return do(r) }) }
}

// forged is the course of forgeries that are sent for a time.
func forged(craft func(*run, *guest.Forger, netip.Addr) ([]forgery, error)) course {
	return func(r *run, _ fault.Fault) (fault.Sample, error) {
		return r.forge(func(f *guest.Forger, unknown netip.Addr) ([]forgery, error) { return craft(r, f, unknown) })
	}
}
