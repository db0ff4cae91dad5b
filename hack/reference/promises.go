// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"strings"
	"time"

	"github.com/harbinger-ha/harbinger/e2e/fault"
	"github.com/harbinger-ha/harbinger/e2e/promise"
	"github.com/harbinger-ha/harbinger/pkg/apis/config/v1alpha1"
)

// standard is the interval between advertisements where the configuration names none.
const standard = v1alpha1.DefaultAdvertisementInterval

// failures returns what happens to a cluster, what Harbinger does then, and for how long at most no client is answered.
func failures() (string, error) {
	var b strings.Builder
	b.WriteString("| What happens | What Harbinger does | No answer for at most |\n|---|---|---|\n")
	for _, p := range promise.Table() {
		fmt.Fprintf(&b, "| %s | %s | %s |\n", p.Happens, p.Does, value(p.Outage, standard))
	}
	return b.String(), nil
}

// shortFailures returns what a new user asks first: for how long no client is answered, at two intervals between advertisements.
func shortFailures() (string, error) {
	var b strings.Builder
	b.WriteString("| What happens | No answer for at most | With advertisements every second |\n|---|---|---|\n")
	for _, p := range []promise.Promise{
		promise.PlannedStop, promise.Kill, promise.Freeze, promise.HostLoss, promise.BalancerCrash, promise.APIServerDeath,
	} {
		fmt.Fprintf(&b, "| %s | %s | %s |\n", p.Happens, value(p.Outage, standard), value(p.Outage, time.Second))
	}
	return b.String(), nil
}

// promises returns each bound with its formula, its values at three intervals between advertisements, and what holds it.
func promises() (string, error) {
	var b strings.Builder
	b.WriteString("| Promise | At most | Formula | At 200 ms | At 1 s | At 20 ms | Moves | Held by |\n|---|---|---|---|---|---|---|---|\n")
	for _, p := range promise.Table() {
		name, moves, held := p.Name, fmt.Sprint(p.Moves), holders(p)
		if p.Moves == promise.Any {
			moves = "any"
		}
		for _, bound := range groups(p.Bounds) {
			fmt.Fprintf(&b, "| %s | %s | %s | %s | %s | %s | %s | %s |\n", name, bound.name, bound.Formula,
				value(bound.Formula, standard), value(bound.Formula, time.Second), value(bound.Formula, 20*time.Millisecond), moves, held)
			name, moves, held = "", "", ""
		}
	}
	fmt.Fprintf(&b, "\n%s\n", promise.Letters)
	return b.String() + allowances(), nil
}

type namedBound struct {
	name string
	promise.Formula
}

// groups returns the bounds that are promised, those of one formula together.
func groups(b promise.Bounds) (all []namedBound) {
	for _, bound := range []namedBound{
		{"no answer", b.Outage}, {"nobody has it", b.Nobody}, {"two live hosts have it", b.Live}, {"two answer", b.Kernel},
	} {
		switch n := len(all); {
		case !bound.Promised():
		case n > 0 && all[n-1].String() == bound.String():
			all[n-1].name += ", " + bound.name
		default:
			all = append(all, bound)
		}
	}
	return all
}

// holders returns the tests and the faults of the catalogue that hold a promise, the tests as code.
func holders(p promise.Promise) string {
	var names []string
	for _, name := range p.Tests {
		names = append(names, "`"+name+"`")
	}
	for _, f := range fault.Catalogue() {
		if f.Promise.Name == p.Name {
			names = append(names, f.Name)
		}
	}
	return strings.Join(names, "; ")
}

// allowances returns what each environment adds, and why.
func allowances() string {
	classes := []string{"where the address stays", "to a planned move", "to a takeover from dead processes", "to a takeover from a lost host", "to a start"}
	var b strings.Builder
	b.WriteString("\n| Where | Adds | To | Because |\n|---|---|---|---|\n")
	for _, e := range []promise.Environment{promise.StandIns, promise.Lab, promise.Kind} {
		for class, to := range classes {
			if a := e.Outage[promise.Class(class)]; a.Promised() {
				fmt.Fprintf(&b, "| %s | %s | an outage, %s | %s |\n", e.Name, a.Formula, to, a.Reason)
			}
		}
		if !e.Etcd {
			fmt.Fprintf(&b, "| %s | any number | moves, where the address moves | %s |\n", e.Name, promise.Together)
		}
		if e.Kernel.Promised() {
			fmt.Fprintf(&b, "| %s | %s | two answer | %s |\n", e.Name, e.Kernel.Formula, e.Kernel.Reason)
		}
	}
	return b.String()
}

// value returns what a formula comes to at an interval, or nothing where nothing is promised.
func value(f promise.Formula, interval time.Duration) string {
	if !f.Promised() {
		return ""
	}
	return promise.Seconds(f.At(promise.At(interval)))
}
