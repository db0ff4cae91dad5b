// SPDX-License-Identifier: Apache-2.0

package ruleset

import (
	"os"
	"slices"
	"testing"

	"github.com/google/nftables"

	"github.com/harbinger-ha/harbinger/e2e/lab"
	"github.com/harbinger-ha/harbinger/e2e/lab/labtest"
)

func TestMain(m *testing.M) { os.Exit(lab.Main(m.Run)) }

func TestTablesOfAFamily(t *testing.T) {
	host := labtest.Hosts(t, 1)[0]
	labtest.Must(t, host.Nft("add table inet ours-1; add table inet ours-2; add table inet other; add table netdev ours-3"))
	for family, want := range map[nftables.TableFamily][]string{
		nftables.TableFamilyINet: {"ours-1", "ours-2"}, nftables.TableFamilyNetdev: {"ours-3"}, nftables.TableFamilyBridge: nil,
	} {
		var got []string
		labtest.Must(t, host.Do(func() (err error) { got, err = Tables(family, "ours-"); return err }))
		if slices.Sort(got); !slices.Equal(got, want) {
			t.Errorf("family %d has %v, want %v", family, got, want)
		}
	}
	labtest.Must(t, host.Nft("delete table inet ours-1; delete table inet ours-2"))
	labtest.Must(t, host.Do(func() error {
		left, err := Tables(nftables.TableFamilyINet, "ours-")
		if len(left) > 0 {
			t.Errorf("%v are gone", left)
		}
		return err
	}))
}
