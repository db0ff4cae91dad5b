// SPDX-License-Identifier: Apache-2.0

package inject

import (
	"net/netip"

	"github.com/harbinger-ha/harbinger/e2e/fault"
	"github.com/harbinger-ha/harbinger/e2e/lab/guest"
)

// A course is how a fault is done, and what is looked at meanwhile.
type course func(*run, fault.Fault) (fault.Sample, error)

// courses are those of the faults of a cluster, but for the deaths of its holder.
var courses = map[fault.Act]course{
	fault.StartCluster:   (*run).bootstrap,
	fault.CountLoad:      measured((*run).countLoad),
	fault.ListRights:     measured((*run).listRights),
	fault.HandOver:       underLoad((*run).handOver),
	fault.HandOverTo:     underLoad((*run).handOverTo),
	fault.RestartEach:    underLoad((*run).restartAll),
	fault.DeleteLease:    measured((*run).loseLease),
	fault.RestoreEtcd:    (*run).restore,
	fault.TakeCredential: measured((*run).changeCredentials),
	fault.KillAPIs:       (*run).apiOutage,
	fault.HangAPIs:       (*run).apiOutage,
	fault.SlowAPIs:       (*run).apiOutage,
	fault.FreezeQuorum:   (*run).apiOutage,
	fault.Mute:           (*run).filter,
	fault.MuteAll:        (*run).filter,
	fault.SplitHosts:     (*run).splitWithoutAPI,
	fault.ForgeMany:      forged((*run).multicastForgeries),
	fault.ForgeEach:      forged((*run).unicastForgeries),
	fault.AddNode:        measured((*run).grow),
}

// do does a fault.
func (r *run) do(f fault.Fault) (fault.Sample, error) { return courses[f.Act](r, f) }

// measured is the course of what does all of the fault itself, and is measured as a whole.
func measured(do func(*run, fault.Fault) error) course {
	return func(r *run, f fault.Fault) (fault.Sample, error) { return r.measure(func() error { return do(r, f) }) }
}

// underLoad is the course of what is measured while a client makes 200 connections a second.
func underLoad(do func(*run) error) course {
	return func(r *run, _ fault.Fault) (fault.Sample, error) { return r.underLoad(func() error { return do(r) }) }
}

// forged is the course of forgeries that are sent for a time.
func forged(craft func(*run, *guest.Forger, netip.Addr) ([]forgery, error)) course {
	return func(r *run, _ fault.Fault) (fault.Sample, error) { return r.forge(craft) }
}
