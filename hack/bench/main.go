// SPDX-License-Identifier: Apache-2.0

// Command bench measures Harbinger and keepalived with haproxy in the lab, in turn, and prints tables in Markdown. It judges
// nothing.
package main

import (
	"flag"
	"fmt"
	"os"
	"regexp"

	"github.com/harbinger-ha/harbinger/e2e/trial"
	"github.com/harbinger-ha/harbinger/e2e/trial/compare"
)

func main() { os.Exit(trial.Main(run)) }

func run() int {
	runs := flag.Int("runs", 5, "how often each thing is measured")
	only := flag.String("only", "", "regular expression: measure only the parts whose name matches, of outages every 200ms, outages every 1s, balancer, cost")
	flag.Parse()
	names, err := regexp.Compile(*only)
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench: -only:", err)
		return 2
	}
	if err := compare.Bench(os.Stdout, "bin/harbinger", *runs, names); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		return 1
	}
	return 0
}
