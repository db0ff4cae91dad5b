// SPDX-License-Identifier: Apache-2.0

// Command bench measures Harbinger beside keepalived and haproxy in the lab, in turn, and prints tables in Markdown. It judges
// nothing.
package main

import (
	"flag"
	"fmt"
	"os"
	"regexp"
	"strings"

	"github.com/harbinger-ha/harbinger/e2e/trial"
	"github.com/harbinger-ha/harbinger/e2e/trial/compare"
)

func main() { os.Exit(trial.Main(run)) }

func run() int {
	o := compare.Options{}
	flag.IntVar(&o.Runs, "runs", 5, "how often each thing is measured; once is the short form, which leaves something out")
	only := flag.String("only", "", "regular expression: measure only the parts whose name matches, of "+strings.Join(compare.Parts(), ", "))
	flag.StringVar(&o.Binary, "binary", "", "program of Harbinger that is measured (default: this tree's, which is built)")
	flag.StringVar(&o.Against, "against", "", "another program of Harbinger, whose balancer is measured beside it")
	planes := flag.String("planes", "", "the planes that the relay parts measure, divided by commas (default: all, which are direct, haproxy, haproxy-256k, relay, kernel (Harbinger in mode Kernel), and against where it is given); ratios to haproxy are to its better configuration of them")
	flag.Float64Var(&o.Others, "others", 0.2, "share of the processors that all else on this machine may have before a round of the relay parts is dropped and repeated")
	flag.DurationVar(&o.Length, "length", 0, "for how long each rate is measured (default: 3s, and 1.5s where everything is measured once)")
	flag.Parse()
	if err := bench(o, *only, *planes); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		return 1
	}
	return 0
}

func bench(o compare.Options, only, planes string) (err error) {
	if o.Only, err = regexp.Compile(only); err != nil {
		return fmt.Errorf("-only: %w", err)
	}
	if planes != "" {
		o.Planes = strings.Split(planes, ",")
	}
	if o.Binary == "" {
		built, err := trial.Build("bin/harbinger")
		if err != nil {
			return err
		}
		o.Binary = built.Binary
	}
	return compare.Bench(os.Stdout, o)
}
