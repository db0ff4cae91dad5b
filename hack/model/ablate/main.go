// SPDX-License-Identifier: Apache-2.0

// Command ablate shows that each rule of the election is needed: it leaves one rule after the other out of the source and
// expects the test of that rule to fail, and to say what the rule is for. It changes no file.
//
// It fails where the text of a rule is no longer in the source exactly once, where the changed source does not compile, where
// the test passes without the rule, and where the test fails with the rule. It is run from the root of the repository.
package main

import (
	"fmt"
	"os"
	"strings"
	"time"
)

const folder = "pkg/election"

func main() {
	if err := ablate(); err != nil {
		fmt.Fprintln(os.Stderr, "ablate:", err)
		os.Exit(1)
	}
}

func ablate() error {
	work, err := os.MkdirTemp("", "ablate")
	if err != nil {
		return err
	}
	defer os.RemoveAll(work)
	var tests []string
	for _, a := range ablations {
		tests = append(tests, strings.Split(a.test, "/")[0])
	}
	if out, err := goTest("^("+strings.Join(tests, "|")+")$", "-vet=off"); err != nil {
		return fmt.Errorf("with every rule: %w\n%s", err, out)
	}
	failed := 0
	for _, a := range ablations {
		began := time.Now()
		says, err := a.run(work)
		if err != nil {
			failed++
			says = "FAILED: " + err.Error()
		}
		fmt.Printf("  %-50s %4.0f s  %s\n", a.rule, time.Since(began).Seconds(), says)
	}
	if failed > 0 {
		return fmt.Errorf("%d of %d rules are not shown to be needed", failed, len(ablations))
	}
	return nil
}
