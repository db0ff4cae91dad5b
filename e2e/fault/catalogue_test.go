// SPDX-License-Identifier: Apache-2.0

package fault

import (
	"errors"
	"slices"
	"testing"

	"github.com/harbinger-ha/harbinger/e2e/promise"
)

// TestCatalogue holds that the faults have different names, an act, and promises of the table.
func TestCatalogue(t *testing.T) {
	names := map[string]bool{}
	for _, f := range Catalogue() {
		if names[f.Name] || f.Name == "" {
			t.Errorf("two faults are called %q", f.Name)
		}
		names[f.Name] = true
		if f.Act == Nothing {
			t.Errorf("%s does nothing", f.Name)
		}
		if !slices.ContainsFunc(promise.Table(), func(p promise.Promise) bool { return p.Name == f.Promise.Name }) {
			t.Errorf("%s is judged by %q, which is not in the table of promises", f.Name, f.Promise.Name)
		}
	}
	for _, f := range OfKubernetes() {
		if f.Needs.order() < 0 {
			t.Errorf("%s needs %+v, which has no place in the order", f.Name, f.Needs)
		}
	}
}

// TestEveryPromiseIsTried holds that each promise has a test or a fault.
func TestEveryPromiseIsTried(t *testing.T) {
	for _, p := range promise.Table() {
		if len(p.Tests) == 0 && !slices.ContainsFunc(Catalogue(), func(f Fault) bool { return f.Promise.Name == p.Name }) {
			t.Errorf("nothing tries the promise %q", p.Name)
		}
	}
}

// A fakeTarget keeps what it was asked to do.
type fakeTarget struct {
	did []string
	err error
}

func (f *fakeTarget) Do(act Act, host string) error {
	f.did = append(f.did, string(act)+" "+host)
	return f.err
}

func TestInjectAndUndo(t *testing.T) {
	target := new(fakeTarget)
	for _, f := range []Fault{Freeze, BalancerCrashes} {
		if err := errors.Join(f.Inject(target, "n1"), f.Undo(target, "n1")); err != nil {
			t.Fatal(err)
		}
	}
	if want := []string{"freeze the sidecar n1", "thaw the sidecar n1", "crash the balancer n1"}; !slices.Equal(target.did, want) {
		t.Errorf("the target did %q, want %q", target.did, want)
	}
	target.err = errors.New("no power")
	if PowerLoss.Inject(target, "n1") == nil || PowerLoss.Undo(target, "n1") == nil {
		t.Error("the error of the target is lost")
	}
}

func TestWhatAFaultMeans(t *testing.T) {
	for _, test := range []struct {
		fault             Fault
		moves, apart, off bool
	}{
		{PlannedStop, true, false, false}, {Kill, true, true, false}, {Freeze, true, true, false}, {CableCut, true, true, false},
		{APIServerDies, false, false, false}, {BalancerCrashes, false, false, false}, {PowerLoss, true, true, true},
		{SilentCut, true, true, false}, {HostFreezes, true, true, false}, {HostShutDown, true, true, true},
		{NodeShutDown, true, false, true}, {HandedOver, true, false, false}, {QuorumKilled, false, false, false},
	} {
		if moves, apart, off := test.fault.Moves(), test.fault.Apart(), test.fault.Off(); moves != test.moves || apart != test.apart || off != test.off {
			t.Errorf("%s: moves %v, apart %v, off %v; want %v, %v, %v", test.fault.Name, moves, apart, off, test.moves, test.apart, test.off)
		}
	}
}
