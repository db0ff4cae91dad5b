// SPDX-License-Identifier: Apache-2.0

// Command bench measures Harbinger and keepalived with haproxy in the lab, in turn, and prints tables in Markdown. It judges
// nothing.
package main

import (
	"flag"
	"fmt"
	"os"

	"github.com/harbinger-ha/harbinger/e2e/trial"
	"github.com/harbinger-ha/harbinger/e2e/trial/compare"
)

func main() { os.Exit(trial.Main(run)) }

func run() int {
	runs := flag.Int("runs", 5, "how often each thing is measured")
	flag.Parse()
	if err := compare.Bench(os.Stdout, "bin/harbinger", *runs); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		return 1
	}
	return 0
}
