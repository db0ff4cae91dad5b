// SPDX-License-Identifier: Apache-2.0

package guest

import (
	"strings"
	"testing"
	"time"

	"github.com/harbinger-ha/harbinger/e2e/lab"
	"github.com/harbinger-ha/harbinger/e2e/lab/labtest"
)

// TestConfined holds that a denial refuses what it names to a program, and leaves the rest.
func TestConfined(t *testing.T) {
	h := labtest.New(t, lab.Config{Nodes: 1}).Hosts()[0]
	for _, test := range []struct {
		name    string
		denial  Denial
		command lab.Command
		works   bool
	}{
		{"nft without nf_tables", NoNFTables, lab.Command{Path: "nft", Args: []string{"list", "ruleset"}}, false},
		{"ip without nf_tables", NoNFTables, lab.Command{Path: "ip", Args: []string{"address"}}, true},
		{"nft without real time", NoRealTime, lab.Command{Path: "nft", Args: []string{"list", "ruleset"}}, true},
		{"chrt without scheduling", NoScheduling, lab.Command{Path: "chrt", Args: []string{"--other", "0", "true"}}, false},
		{"chrt in a pod", AsInAPod, lab.Command{Path: "chrt", Args: []string{"--rr", "1", "true"}}, true},
		{"nft in a pod", AsInAPod, lab.Command{Path: "nft", Args: []string{"list", "ruleset"}}, true},
		{"unshare in a pod", AsInAPod, lab.Command{Path: "unshare", Args: []string{"--net", "true"}}, false},
		{"an environment", NoScheduling, lab.Command{Path: "sh", Args: []string{"-c", `test "$A" = "b=c"`}, Env: []string{"A=b=c"}}, true},
		{"few files without descriptors", Descriptors, lab.Command{Path: "sh", Args: []string{"-c", `test "$(ulimit -n)" = 200`}}, true},
		{"nft without scheduling", NoScheduling, lab.Command{Path: "nft", Args: []string{"list", "ruleset"}}, true},
		{"chrt without real time", NoRealTime, lab.Command{Path: "chrt", Args: []string{"--rr", "1", "true"}}, false},
	} {
		t.Run(test.name, func(t *testing.T) {
			path, err := lab.FindProgram(test.command.Path)
			if err != nil {
				t.Skip(err)
			}
			test.command.Path = path
			p, err := h.Start(Confined(test.denial, test.command))
			labtest.Must(t, err)
			err = p.Wait(10 * time.Second)
			if (err == nil) != test.works {
				t.Errorf("%v: works %v, want %v\n%s", err, err == nil, test.works, p.Output())
			}
			if !test.works && !strings.Contains(p.Output(), "not permitted") {
				t.Errorf("output %q, want that it is not permitted", p.Output())
			}
		})
	}
	p, err := h.Start(Confined("air", lab.Command{Path: "true"}))
	labtest.Must(t, err)
	if err := p.Wait(10 * time.Second); err == nil || !strings.Contains(p.Output(), "air") {
		t.Errorf("a denial that is none: %v, %s", err, p.Output())
	}
}
