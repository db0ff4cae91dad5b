// SPDX-License-Identifier: Apache-2.0

package election

import (
	"cmp"
	"fmt"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// A reader finds each row of the transition table in the files of the table, where a comment names it.
func TestEachRowIsInTheCode(t *testing.T) {
	named := regexp.MustCompile(`\b[Rr]ows? \d+(( to |, | and |, and )\d+)*`)
	part := regexp.MustCompile(`(\d+)(?: to (\d+))?`)
	found := map[int]bool{}
	for _, file := range []string{"initialize", "backup", "claiming", "seizing", "active", "leaving", "conflict", "election", "question", "predecessor"} {
		content, err := os.ReadFile(file + ".go")
		if err != nil {
			t.Fatal(err)
		}
		for _, rows := range named.FindAllString(string(content), -1) {
			for _, p := range part.FindAllStringSubmatch(rows, -1) {
				first, _ := strconv.Atoi(p[1])
				last, _ := strconv.Atoi(cmp.Or(p[2], p[1]))
				for row := first; row <= last; row++ {
					found[row] = true
				}
			}
		}
	}
	for row := 1; row <= 43; row++ {
		if !found[row] {
			t.Errorf("no comment in the code names row %d of the transition table", row)
		}
	}
}

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
