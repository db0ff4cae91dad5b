// SPDX-License-Identifier: Apache-2.0

// Command demo shows Harbinger on three hosts: the generator, the election, and one fault after another with the outage that
// a client sees. Where keepalived and haproxy are installed, the same is done to them. It exits 0 only when Harbinger kept
// every promise.
package main

import (
	"flag"
	"fmt"
	"os"

	"github.com/harbinger-ha/harbinger/e2e/trial"
	"github.com/harbinger-ha/harbinger/e2e/trial/compare"
	"github.com/harbinger-ha/harbinger/pkg/apis/config/v1alpha1"
)

func main() { os.Exit(trial.Main(run)) }

func run() int {
	var d compare.Demo
	flag.IntVar(&d.Runs, "runs", 1, "how often each fault is done; the table then shows medians")
	flag.DurationVar(&d.Interval, "interval", v1alpha1.DefaultAdvertisementInterval, "time between advertisements")
	flag.StringVar(&d.Peer, "peer", "keepalived", "what the same faults are done to beside Harbinger: keepalived or none")
	flag.Parse()
	if err := d.Run(os.Stdout, "bin/harbinger"); err != nil {
		fmt.Fprintln(os.Stderr, "demo:", err)
		return 1
	}
	return 0
}
