// SPDX-License-Identifier: Apache-2.0

package fence

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/harbinger-ha/harbinger/e2e/lab/labtest"
)

// acts are what other programs do to tables, by what finds it where the table is plain.
var acts = map[string]func(*Fence) error{
	"flush ruleset":                                    (*Fence).Renew,
	"delete table netdev " + tableName:                 (*Fence).Renew,
	"flush table netdev " + tableName:                  (*Fence).Renew,
	"flush chain netdev " + tableName + " control":     (*Fence).Renew,
	"flush set netdev " + tableName + " alive4":        (*Fence).Renew,
	"flush chain netdev " + tableName + " ingress":     (*Fence).Check,
	"add rule netdev " + tableName + " ingress accept": (*Fence).Check,
	"flush chain netdev " + tableName + " ingress; delete chain netdev " + tableName + " ingress":            (*Fence).Check,
	"table netdev x { chain y { type filter hook ingress device \"eth0\" priority -600; policy accept; }; }": nil,
}

// A table that belongs to the process is not touched.
func TestOthersMayNotChangeIt(t *testing.T) {
	s := newScene(t)
	f := newFence(t, s.host, Config{})
	if f.plain {
		t.Skip("this kernel has no tables that persist (Linux 6.9)")
	}
	for act := range acts {
		t.Run(act, func(t *testing.T) {
			if err := labtest.Nft(s.host, act); err != nil && !strings.Contains(err.Error(), "Operation not permitted") {
				t.Log(err)
			}
			must(t, f.Check())
			s.asker.wantClosed(t)
			must(t, f.Open())
			must(t, f.Renew())
			must(t, f.Check())
			s.asker.wantOpen(t)
			must(t, f.Shut())
		})
	}
}

// A plain one is put back, and is as open as it was.
func TestPlainTableIsPutBack(t *testing.T) {
	for act, finds := range acts {
		if finds == nil {
			continue
		}
		t.Run(act, func(t *testing.T) {
			s := newScene(t)
			f := newFence(t, s.host, Config{})
			makePlain(t, f)
			must(t, f.Open())
			must(t, labtest.Nft(s.host, act))
			if err := finds(f); !errors.Is(err, ErrReplaced) {
				t.Errorf("it says %v", err)
			}
			s.asker.wantOpen(t)
			must(t, f.Renew())
			must(t, f.Check())
			must(t, f.Shut())
			s.asker.wantClosed(t)

			must(t, labtest.Nft(s.host, act))
			if err := f.Check(); err != nil && !errors.Is(err, ErrReplaced) {
				t.Errorf("look while closed: %v", err)
			}
			s.asker.wantClosed(t)
		})
	}
}

// The calls that find no table make it, and a removal finds nothing to do.
func TestWithoutATable(t *testing.T) {
	s := newScene(t)
	f := newFence(t, s.host, Config{})
	makePlain(t, f)
	gone := func() { t.Helper(); must(t, labtest.Nft(s.host, "flush ruleset")) }
	gone()
	must(t, f.Shut())
	s.asker.wantClosed(t)
	gone()
	must(t, f.Open())
	s.asker.wantOpen(t)
	must(t, f.Renew())
	gone()
	must(t, f.SetLinks([]string{"eth0"}))
	must(t, f.Renew())
	gone()
	must(t, f.Disarm())
	must(t, f.Close())
}

func TestIptablesFlushes(t *testing.T) {
	s := newScene(t)
	f := newFence(t, s.host, Config{})
	for _, args := range [][]string{{"-A", "INPUT", "-d", vip4.String(), "-j", "ACCEPT"}, {"-F"}, {"-t", "nat", "-F"}, {"-X"}} {
		if out := run(t, s.host, "iptables", args...); out != "" {
			t.Logf("iptables %v: %s", args, out)
		}
		must(t, f.Check())
		s.asker.wantClosed(t)
	}
}

// Renewals that another program swallows look like those that were taken.
func TestSwallowedRenewals(t *testing.T) {
	s := newScene(t)
	f := newFence(t, s.host, Config{})
	must(t, labtest.Nft(s.host, `table netdev thief { chain c { type filter hook egress device "lo" priority -600; policy drop; }; }`))
	must(t, f.Open())
	err := f.Check()
	if u := (*Unavailable)(nil); !errors.As(err, &u) {
		t.Errorf("look: %v", err)
	}
	if _, err := tryFence(s.host, Config{Name: Prefix + "52"}); err == nil {
		t.Error("a fence that nothing can open is installed")
	} else {
		t.Log(err)
	}
	if out := run(t, s.host, "nft", "list", "tables"); strings.Contains(out, Prefix+"52") {
		t.Error("the table of a fence that failed is still there")
	}
}

// chains returns rules of another program: so many chains with a rule.
func chains(n int) string {
	var b strings.Builder
	b.WriteString("table ip kp {\n")
	for i := range n {
		fmt.Fprintf(&b, "chain s%d { ip daddr 10.%d.%d.%d tcp dport 443 counter accept; }\n", i, i>>16, i>>8&255, i&255)
	}
	b.WriteString("}\n")
	return b.String()
}

// Transactions at this pace would start the dump of another program anew until they end.
func TestDumpsOfOthersEnd(t *testing.T) {
	h := labtest.Hosts(t, 1)[0]
	f := newFence(t, h, Config{})
	must(t, f.Open())
	must(t, h.WriteFile("/run/chains.nft", chains(5000)))
	if out := run(t, h, "nft", "-f", "/run/chains.nft"); out != "" {
		t.Fatal(out)
	}
	stop := renewEvery(t, f, 5*time.Millisecond)
	start := time.Now()
	out := run(t, h, "timeout", "60", "nft", "list", "ruleset")
	t.Logf("a list of 5,000 chains took %s", time.Since(start).Round(time.Millisecond))
	stop()
	if !strings.Contains(out, "chain s4999") {
		t.Errorf("the list ended early, with %d bytes", len(out))
	}
}
