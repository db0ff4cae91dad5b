// SPDX-License-Identifier: Apache-2.0

//go:build linux

package trial

import (
	"os"
	"testing"
	"time"
)

func TestMain(m *testing.M) { os.Exit(Main(m.Run)) }

func TestKeepalivedStandsTheTrial(t *testing.T) {
	p, err := New(Config{System: Keepalived{}, Interval: 100 * time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	if err := p.Start(); err != nil {
		t.Fatal(err)
	}
	for _, f := range []Fault{PlannedStop, Kill, Freeze, CutCable, APIServerDies} {
		r, err := p.Do(f)
		t.Logf("%-16s %s→%s outage %v (%d/%d) repair %v held %v answered %v left %v", f.Name, r.Before, r.After, r.Outage.Longest, r.Outage.Failed, r.Outage.Attempts, r.RepairOutage.Longest, r.Held, r.Answered, r.Left)
		if err != nil {
			t.Error(err)
			for _, n := range p.Nodes {
				t.Log(n.Name, n.Sidecar.Keeper.Output())
			}
			break
		}
	}
}
