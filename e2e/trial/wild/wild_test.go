// SPDX-License-Identifier: Apache-2.0

package wild

import (
	"regexp"
	"slices"
	"strings"
	"testing"

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
	names := Names(Config{}, all)
	for _, want := range []string{"firewall, firewalld, 1 hosts", "firewall, nft drop, 3 hosts", "kill -9 behind the firewall, nft drop, 3 hosts", "MAC changed"} {
		if !slices.Contains(names, want) {
			t.Errorf("no row is called %q: %q", want, names)
		}
	}
	long := Names(Config{Long: true}, all)
	for _, name := range long {
		if i := slices.Index(long, name); long[i] != name || slices.Contains(long[i+1:], name) {
			t.Errorf("two rows are called %q", name)
		}
	}
	if !slices.ContainsFunc(long, func(name string) bool { return strings.Contains(name, "IPv6") }) {
		t.Error("the long matrix is without IPv6")
	}
	if leased := Names(Config{Kubernetes: "/bin"}, regexp.MustCompile(", Lease$")); len(leased) != 1 {
		t.Errorf("rows with a Lease: %q, want one", leased)
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
