// SPDX-License-Identifier: Apache-2.0

package wild

import (
	"net/netip"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/harbinger-ha/harbinger/e2e/fault"
)

// TestEveryFaultCanBeDone holds that each fault of real hosts has a course, and each course a fault.
func TestEveryFaultCanBeDone(t *testing.T) {
	for _, f := range fault.OfRealHosts() {
		if courses[f.Act] == nil {
			t.Errorf("%s: nothing carries %q out", f.Name, f.Act)
		}
	}
	for act := range courses {
		if !slices.ContainsFunc(fault.OfRealHosts(), func(f fault.Fault) bool { return f.Act == act }) {
			t.Errorf("the course of %q is that of no fault", act)
		}
	}
}

func TestNames(t *testing.T) {
	all := regexp.MustCompile("")
	names := Names(Config{Kubernetes: "/bin"}, all)
	for _, want := range []string{"firewall, firewalld, 1 hosts", "firewall, nft drop, 3 hosts", "kill -9 behind the firewall, nft drop, 3 hosts", "MAC changed",
		"forged claims, unicast", "client port closed on the holder, reject", "holder cut off, API alive, 2 hosts", "25 % of frames lost", "25 % of frames lost, Lease",
		"25 % of frames lost, Lease, those of etcd too", "40 % of frames lost, Lease", "processors saturated, without SCHED_RR"} {
		if !slices.Contains(names, want) {
			t.Errorf("no row is called %q: %q", want, names)
		}
	}
	long := Names(Config{Kubernetes: "/bin", Long: true}, all)
	for _, name := range long {
		if i := slices.Index(long, name); long[i] != name || slices.Contains(long[i+1:], name) {
			t.Errorf("two rows are called %q", name)
		}
	}
	if !slices.ContainsFunc(long, func(name string) bool { return strings.Contains(name, "IPv6") }) {
		t.Error("the long matrix is without IPv6")
	}
	if without, with := Names(Config{}, all), Names(Config{Kubernetes: "/bin"}, all); len(with) != len(without)+12 {
		t.Errorf("%d rows, and without the programs of a cluster %d; want 12 less", len(with), len(without))
	}
	if got := Names(Config{}, regexp.MustCompile("^MAC")); len(got) != 1 {
		t.Errorf("names %q, want one", got)
	}
}

func TestFirewallsLetNeitherIn(t *testing.T) {
	for _, f := range []firewall{firewalld, dropping} {
		tables := f.tables(4300)
		for _, closed := range []string{"112", "10444", "vrrp"} {
			if strings.Contains(tables, closed) {
				t.Errorf("%s lets %s in:\n%s", f.name, closed, tables)
			}
		}
		if !strings.Contains(tables, "tcp dport 4300 accept") {
			t.Errorf("%s closes the virtual address:\n%s", f.name, tables)
		}
	}
}

// TestFloods holds that the floods of a short run have what is asked of them, and that those of a long one are all.
func TestFloods(t *testing.T) {
	for _, unicast := range []bool{false, true} {
		short := floods(unicast, false)
		for what, has := range map[string]func(flood) bool{
			"priority 255": func(f flood) bool { return f.owner }, "claims": func(f flood) bool { return !f.owner },
			"1 a second": func(f flood) bool { return f.rate == 1 }, "1000 a second": func(f flood) bool { return f.rate == 1000 },
			"a peer": func(f flood) bool { return f.from == aPeer }, "an unknown host": func(f flood) bool { return f.from == anUnknown },
		} {
			if !slices.ContainsFunc(short, has) {
				t.Errorf("no short flood, unicast %v, has %s", unicast, what)
			}
		}
		if long := floods(unicast, true); len(long) != 18 {
			t.Errorf("%d long floods, want 18", len(long))
		}
	}
}

func TestAdvertisementsOfAFlood(t *testing.T) {
	seen := map[uint8]bool{}
	for i := range 30 {
		seen[flood{}.advertisement(netip.MustParseAddr("192.168.238.100"), time.Second, i).Priority] = true
	}
	if owner := (flood{owner: true}).advertisement(netip.MustParseAddr("192.168.238.100"), time.Second, 3); owner.Priority != 255 {
		t.Errorf("priority %d, want 255", owner.Priority)
	}
	if len(seen) != 15 || !seen[240] || !seen[254] {
		t.Errorf("claims %v, want 240 to 254", seen)
	}
}

func TestAbsentHosts(t *testing.T) {
	seen := map[netip.Addr]bool{}
	for i := range 3000 {
		seen[absent(i)] = true
	}
	if len(seen) != 3000 || seen[netip.MustParseAddr("192.168.238.100")] || seen[netip.MustParseAddr("192.168.238.130")] {
		t.Errorf("%d addresses, or one of them is there", len(seen))
	}
}

func TestClosingRules(t *testing.T) {
	for _, test := range []struct{ rule, want string }{
		{"drop", "ip daddr 192.0.2.1 tcp dport 4300 drop"}, {"reset", "ip daddr 192.0.2.1 tcp dport 4300 reject with tcp reset"},
		{"of any address", "tcp dport 4300 drop"},
	} {
		if got := closingRule(test.rule, netip.MustParseAddr("192.0.2.1"), 4300); got != test.want {
			t.Errorf("rule %q, want %q", got, test.want)
		}
	}
	if got := closingRule("drop", netip.MustParseAddr("2001:db8::1"), 4300); got != "ip6 daddr 2001:db8::1 tcp dport 4300 drop" {
		t.Errorf("rule %q", got)
	}
}
