// SPDX-License-Identifier: Apache-2.0

package election

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
)

// The specification has every scenario with its bounds, and no other.
func TestSpecificationHasTheScenarios(t *testing.T) {
	content, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	_, section, _ := strings.Cut(string(content), "\n## Scenarios\n")
	section, _, _ = strings.Cut(section, "\n## ")
	rows := slices.DeleteFunc(strings.Split(section, "\n"), func(line string) bool { return !strings.HasPrefix(line, "| ") })
	if len(rows) == 0 {
		t.Fatal("README.md has no table of scenarios")
	}
	rows = rows[1:] // the heading
	for _, sc := range slices.Concat(scenarios, hybridScenarios) {
		moves := fmt.Sprint(sc.moves)
		if sc.moves < 0 {
			moves = "any"
		}
		row := fmt.Sprintf("| %s | %s | %s | %s |", sc.name, ms(sc.dual), ms(sc.dark), moves)
		if i := slices.Index(rows, row); i >= 0 {
			rows = slices.Delete(rows, i, i+1)
		} else {
			t.Errorf("README.md lacks the row of this scenario:\n%s", row)
		}
	}
	for _, row := range rows {
		t.Errorf("README.md has a row that no scenario has:\n%s", row)
	}
}
