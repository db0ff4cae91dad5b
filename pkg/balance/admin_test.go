// SPDX-License-Identifier: Apache-2.0

package balance_test

import (
	"net/netip"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/harbinger-ha/harbinger/pkg/balance"
)

func TestOrders(t *testing.T) {
	var none balance.Orders
	if got := none.Of(address(1)); got != balance.Ready || !got.Takes() {
		t.Errorf("without an order it is %s", got)
	}
	drained := none.Give(address(1), balance.Drain)
	both := drained.Give(address(2), balance.Maintenance)
	if drained.Of(address(2)) != balance.Ready || len(none) != 0 {
		t.Error("an order has changed those before it")
	}
	if both.Of(address(1)) != balance.Drain || both.Of(address(2)) != balance.Maintenance || both.Of(address(1)).Takes() || both.Of(address(2)).Takes() {
		t.Errorf("the orders are %v", both)
	}
	for _, state := range []balance.AdminState{balance.Ready, ""} {
		if back := both.Give(address(1), state); len(back) != 1 || back.Of(address(1)) != balance.Ready {
			t.Errorf("%q leaves %v", state, back)
		}
	}
	kept, forgotten := both.Only([]balance.Backend{{Address: address(2)}, {Address: address(3)}})
	if len(kept) != 1 || kept.Of(address(2)) != balance.Maintenance || !slices.Equal(forgotten, []netip.AddrPort{address(1)}) {
		t.Errorf("kept %v, forgotten %v", kept, forgotten)
	}
	if kept, forgotten := none.Only(nil); len(kept)+len(forgotten) != 0 {
		t.Errorf("of no orders there are %v, %v", kept, forgotten)
	}
}

// Whatever else is known of the backends, one that was ordered out takes no connection, and the others take them as if it did not exist.
func TestBackendsThatWereOrderedOutTakeNothing(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		states := rapid.SliceOfN(rapid.IntRange(0, 5), 1, 6).Draw(t, "states")
		orders := rapid.SliceOfN(rapid.SampledFrom(balance.AdminStates()), len(states), len(states)).Draw(t, "orders")
		cfg := balance.Config{Policy: rapid.SampledFrom(policies).Draw(t, "policy")}
		without := cfg
		for i, state := range states {
			c := balance.Candidate{
				Backend: balance.Backend{Address: address(i), Backup: rapid.Bool().Draw(t, "backup")}, Admin: orders[i],
				Healthy: state == 0, Undecided: state == 1, NotReady: state == 2, Late: state == 3,
			}
			cfg.Backends = append(cfg.Backends, c)
			if orders[i].Takes() {
				without.Backends = append(without.Backends, c)
			}
		}
		with, alone := balance.New(cfg), balance.New(without)
		if with.Usable() != alone.Usable() {
			t.Fatalf("usable is %t, without those it is %t", with.Usable(), alone.Usable())
		}
		for turn := range uint64(20) {
			r := balance.Request{Now: now, Client: client(int(turn)), Turn: turn, Active: none}
			i, ok := with.Pick(r)
			if _, other := alone.Pick(r); ok != other {
				t.Fatalf("one is picked: %t, without those: %t", ok, other)
			}
			if ok && !orders[i].Takes() {
				t.Fatalf("%s is in %s and takes a connection", cfg.Backends[i].Address, orders[i])
			}
		}
	})
}
