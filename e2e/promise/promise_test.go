// SPDX-License-Identifier: Apache-2.0

package promise

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"testing"
	"time"

	"github.com/harbinger-ha/harbinger/pkg/apis/config/v1alpha1"
	"github.com/harbinger-ha/harbinger/pkg/election"
	"github.com/harbinger-ha/harbinger/pkg/health"
)

const (
	slow     = time.Second
	standard = v1alpha1.DefaultAdvertisementInterval
	fast     = 100 * time.Millisecond
)

func ms(n int) time.Duration { return time.Duration(n) * time.Millisecond }

// TestBoundsStayStrict holds each bound, wherever it is judged, at or below what was once promised there. A row may become
// smaller, never larger.
func TestBoundsStayStrict(t *testing.T) {
	for _, test := range []struct {
		promise                      Promise
		in                           Environment
		interval                     time.Duration
		outage, nobody, live, kernel time.Duration
		moves                        int
	}{
		{PlannedStop, StandIns, slow, ms(100), Unbounded, ms(1050), ms(3100), Any},
		{PlannedStop, StandIns, fast, ms(100), Unbounded, ms(150), ms(2100), Any},
		{Kill, StandIns, slow, ms(4000), Unbounded, ms(1050), ms(3100), Any},
		{Kill, StandIns, standard, ms(850), Unbounded, ms(250), ms(2100), Any},
		{Kill, StandIns, fast, ms(2600), Unbounded, ms(150), ms(2100), Any},
		{Freeze, StandIns, slow, ms(4000), Unbounded, ms(1050), ms(3100), Any},
		{Freeze, StandIns, standard, ms(850), Unbounded, ms(250), ms(2100), Any},
		{Freeze, StandIns, fast, ms(2600), Unbounded, ms(150), ms(2100), Any},
		{HostLoss, StandIns, slow, ms(4000), Unbounded, ms(1050), ms(3100), Any},
		{HostLoss, StandIns, standard, ms(850), Unbounded, ms(250), ms(2100), Any},
		{HostLoss, StandIns, fast, ms(500), Unbounded, ms(150), ms(2100), Any},
		{APIServerDeath, StandIns, slow, ms(1000), Unbounded, ms(1050), ms(3100), Any},
		{BalancerCrash, StandIns, slow, ms(1000), Unbounded, ms(1050), ms(3100), Any},
		{PlannedStop, StandIns, standard, ms(100), Unbounded, ms(250), ms(2100), Any},
		{Alone, StandIns, standard, ms(1900), Unbounded, Unbounded, Unbounded, Any},
		{HolderDistress, StandIns, standard, ms(6200), Unbounded, ms(250), Unbounded, Any},
		{PlannedStop, Lab, standard, ms(100), ms(100), ms(250), ms(250), 1},
		{Kill, Lab, standard, ms(1000), Unbounded, ms(250), ms(2100), 1},
		{Freeze, Lab, standard, ms(1000), Unbounded, ms(250), ms(2100), 1},
		{HostLoss, Lab, standard, ms(1000), Unbounded, ms(250), ms(2100), 1},
		{HolderDistress, StandIns, slow, ms(8000), Unbounded, ms(1050), Unbounded, Any},
		{Deleted, StandIns, slow, Unbounded, ms(1000), Unbounded, Unbounded, Any},
		{Alone, StandIns, slow, ms(5000), Unbounded, Unbounded, Unbounded, Any},
		{Healed, StandIns, slow, Unbounded, Unbounded, ms(1050), Unbounded, Any},
		{HealedFiltered, StandIns, slow, Unbounded, Unbounded, ms(6500), Unbounded, Any},

		{Firewall, StandIns, slow, Unbounded, Unbounded, ms(6500), ms(6500), 1},
		{Firewall, Lab, slow, Unbounded, Unbounded, ms(6500), ms(6500), 1},
		{FirewallKill, StandIns, slow, ms(4500), Unbounded, ms(6500), ms(6500), Any},
		{LinkChanged, StandIns, slow, ms(100), ms(100), ms(1050), ms(1050), Any},
		{LinkReplaced, StandIns, slow, ms(5040), Unbounded, ms(1050), ms(3100), Any},
		{KubeVIPStops, StandIns, slow, ms(1000), ms(1000), ms(1000), ms(1000), Any},
		{KubeVIPDies, StandIns, slow, Unbounded, 0, 0, 0, 0},
		{BalancerStarved, StandIns, slow, Unbounded, 0, 0, 0, 0},

		{PlannedStop, Lab, slow, ms(100), ms(100), ms(1050), ms(1050), 1},
		{Kill, Lab, slow, ms(4000), Unbounded, ms(1050), ms(3100), 1},
		{Freeze, Lab, slow, ms(4000), Unbounded, ms(1050), ms(3100), 1},
		{HostLoss, Lab, slow, ms(5300), Unbounded, ms(1050), ms(3100), 1},
		{Unreachable, Lab, slow, ms(5000), Unbounded, ms(1050), ms(3100), 1},
		{CutOff, Lab, slow, ms(1000), 0, 0, 0, 0},
		{PortClosed, StandIns, slow, ms(10_000), Unbounded, ms(1050), ms(1050), Any},
		{PortClosed, Lab, slow, ms(10_000), Unbounded, ms(1050), ms(1050), 1},
		{PortClosedEverywhere, StandIns, slow, Unbounded, 0, 0, 0, 0},
		{Filtered, Lab, slow, ms(1000), 0, 0, 0, 0},
		{LeaseLost, Lab, slow, ms(1000), 0, 0, 0, 0},
		{Forged, Lab, slow, ms(1000), 0, 0, 0, 0},
		{Discovery, Lab, slow, ms(1000), 0, 0, 0, 0},
		{NoAPI, Lab, slow, Unbounded, 0, 0, 0, 0},
		{Restored, Lab, slow, Unbounded, 0, 0, 0, 0},
		{Healed, Lab, slow, Unbounded, Unbounded, ms(1050), ms(3100), Any},
		{HealedFiltered, Lab, slow, Unbounded, Unbounded, ms(6500), ms(6500), Any},

		{PlannedStop, Kind, slow, ms(900), Unbounded, ms(1050), ms(4100), Any},
		{Kill, Kind, slow, ms(5300), Unbounded, ms(1050), ms(4100), Any},
		{HostHangs, Kind, slow, ms(5300), Unbounded, ms(1050), ms(4100), Any},
		{HostLoss, Kind, slow, ms(5300), Unbounded, ms(1050), ms(4100), Any},
		{PlannedStop, Kind, standard, ms(400), Unbounded, ms(250), ms(3100), Any},
		{Kill, Kind, standard, ms(2200), Unbounded, ms(250), ms(3100), Any},
		{HostHangs, Kind, standard, ms(2050), Unbounded, ms(250), ms(3100), Any},
		{HostLoss, Kind, standard, ms(2050), Unbounded, ms(250), ms(3100), Any},
		{Alone, Kind, standard, ms(1800), Unbounded, Unbounded, Unbounded, Any},
		{APIServerDeath, Kind, slow, ms(1000), Unbounded, ms(1050), ms(4100), 0},
		{ColdStart, Kind, slow, ms(10_000), Unbounded, Unbounded, Unbounded, Any},
		{Alone, Kind, slow, ms(5000), Unbounded, Unbounded, Unbounded, Any},
	} {
		t.Run(fmt.Sprintf("%s in %s at %v", test.promise.Name, test.in.Name, test.interval), func(t *testing.T) {
			got := test.promise.In(test.in, At(test.interval))
			if got.Outage > test.outage || got.Nobody > test.nobody || got.Live > test.live || got.Kernel > test.kernel || got.Moves > test.moves {
				t.Errorf("limits %+v, want at most outage %v, nobody %v, live %v, kernel %v, moves %d",
					got, test.outage, test.nobody, test.live, test.kernel, test.moves)
			}
		})
	}
}

// TestValues holds formulas and their values, so that a change of a constant of the election is seen for what it promises.
func TestValues(t *testing.T) {
	for _, test := range []struct {
		of         Formula
		text       string
		slow, fast string
	}{
		{PlannedStop.Outage, "0.1 s", "0.1 s", "0.1 s"},
		{Kill.Outage, "3 A + skew + A/10 + 0.05 s; without a fence max(3 A + skew + A/10, A − r + L + 1.1 s + P) + 0.05 s", "3.76 s", "0.43 s"},
		{HostHangs.Outage, "3 A + skew + A/10 + I + 0.05 s; without a fence max(3 A + skew + A/10 + E, A − r + L + 1.1 s + P) + 0.05 s", "4.26 s", "0.48 s"},
		{HostLoss.Outage, "3 A + skew + A/10 + I + 0.05 s; without a fence 3 A + skew + A/10 + E + 0.05 s", "4.26 s", "0.48 s"},
		{Unreachable.Outage, "3 A + skew + A/10 + I + 0.05 s; without a fence max(3 A + skew + A/10, 2 s + P) + T + P + 0.05 s", "4.26 s", "0.48 s"},
		{Kill.Live, "A + 0.05 s", "1.05 s", "0.15 s"},
		{Kill.Kernel, "A + 0.05 s; without a fence L + 1.1 s", "1.05 s", "0.15 s"},
		{HealedFiltered.Live, "6.5 s", "6.5 s", "6.5 s"},
		{APIServerDeath.Outage, "C", "1 s", "1 s"},
	} {
		if got := test.of.String(); got != test.text {
			t.Errorf("formula %q, want %q", got, test.text)
		}
		if s, f := Seconds(test.of.At(At(slow))), Seconds(test.of.At(At(fast))); s != test.slow || f != test.fast {
			t.Errorf("%s is %s and %s, want %s and %s", test.of, s, f, test.slow, test.fast)
		}
	}
	if got := Seconds(1_564_200_000); got != "1.57 s" {
		t.Errorf("seconds %q, want them in hundredths", got)
	}
	var none Formula
	if none.Promised() || none.At(At(slow)) != Unbounded {
		t.Error("the zero formula promises something")
	}
}

// TestSettingIsTheDefault holds that the table is evaluated at the default configuration.
func TestSettingIsTheDefault(t *testing.T) {
	var c v1alpha1.HarbingerConfiguration
	v1alpha1.SetDefaults_HarbingerConfiguration(&c)
	checks := health.Config{
		Interval: c.HealthCheck.Interval.Duration, Timeout: c.HealthCheck.Timeout.Duration, FailureThreshold: int(c.HealthCheck.FailureThreshold),
	}
	want := Setting{
		Interval: c.Election.VRRP.AdvertisementInterval.Duration, Lifetime: election.Lifetime(c.Election.VRRP.AdvertisementInterval.Duration),
		Renew:     c.Election.Lease.RenewInterval.Duration,
		Detection: checks.Detection(),
		Connect:   c.LoadBalancer.Timeouts.Connect.Duration, Priority: uint8(*c.Election.VRRP.Priority), Etcd: true, Fence: true,
	}
	if got := At(want.Interval); got != want {
		t.Errorf("setting %+v, want the default %+v", got, want)
	}
}

// TestWithoutAFence holds that the lifetime of the address bounds a takeover where no fence does, and that a death costs less than a
// second at the default interval where one does.
func TestWithoutAFence(t *testing.T) {
	for _, p := range []Promise{Kill, Freeze, HostHangs, HostLoss, Unreachable} {
		for _, interval := range []time.Duration{slow, fast} {
			if with, without := p.In(Lab, At(interval)), p.In(Lab, At(interval).Unfenced()); with.Outage >= without.Outage || with.Kernel >= without.Kernel {
				t.Errorf("%s at %v: %+v, and without a fence %+v", p.Name, interval, with, without)
			}
		}
		if got := p.In(Lab, At(200*time.Millisecond)).Outage; got > time.Second {
			t.Errorf("%s: outage %v at the default interval, want at most 1 s", p.Name, got)
		}
	}
}

// TestMovesWithoutALease holds that a move is counted only where a Lease decides who moves, and that staying is always judged.
func TestMovesWithoutALease(t *testing.T) {
	for _, test := range []struct {
		promise Promise
		in      Environment
		want    int
	}{{Kill, Lab, 1}, {Kill, StandIns, Any}, {APIServerDeath, StandIns, 0}, {NoAPI, Kind, 0}} {
		if got := test.promise.In(test.in, At(slow)).Moves; got != test.want {
			t.Errorf("%s in %s: %d moves, want %d", test.promise.Name, test.in.Name, got, test.want)
		}
	}
}

// TestAllowancesHaveAReason holds that an environment adds nothing without saying why.
func TestAllowancesHaveAReason(t *testing.T) {
	for _, e := range []Environment{StandIns, Lab, Kind} {
		for class, a := range e.Outage {
			if !a.Promised() || a.Reason == "" {
				t.Errorf("%s: the allowance of class %d has no formula or no reason", e.Name, class)
			}
		}
		if e.Kernel.Promised() != (e.Kernel.Reason != "") {
			t.Errorf("%s: the allowance of the kernel lacks its formula or its reason", e.Name)
		}
	}
}

// TestPromisesAreHeld holds that the names in the table are different, and that each test which it names exists.
func TestPromisesAreHeld(t *testing.T) {
	known := testNames(t)
	seen := map[string]bool{}
	for _, p := range Table() {
		if seen[p.Name] || p.Name == "" || p.Happens == "" || p.Does == "" {
			t.Errorf("promise %q is there twice, or lacks a name or a sentence", p.Name)
		}
		seen[p.Name] = true
		for _, name := range p.Tests {
			if !known[name] {
				t.Errorf("%s names the test %s, which does not exist", p.Name, name)
			}
		}
	}
}

// testNames returns the names of all test functions of the repository.
func testNames(t *testing.T) map[string]bool {
	t.Helper()
	names := map[string]bool{}
	function := regexp.MustCompile(`(?m)^func (Test\w+)\(`)
	for _, folder := range []string{"pkg", "e2e"} {
		err := filepath.WalkDir(filepath.Join("..", "..", folder), func(path string, _ fs.DirEntry, err error) error {
			if err != nil || !regexp.MustCompile(`_test\.go$`).MatchString(path) {
				return err
			}
			content, err := os.ReadFile(path)
			for _, match := range function.FindAllStringSubmatch(string(content), -1) {
				names[match[1]] = true
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	return names
}
