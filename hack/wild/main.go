// SPDX-License-Identifier: Apache-2.0

// Command wild does to control planes on this machine what firewalls, network managers, a lack of time, cut networks and
// hosts that lie do to real hosts, and prints one table. It exits 0 only when every row stayed within its bounds.
package main

import (
	"flag"
	"fmt"
	"os"
	"regexp"
	"time"

	"github.com/harbinger-ha/harbinger/e2e/trial"
	"github.com/harbinger-ha/harbinger/e2e/trial/wild"
)

func main() { os.Exit(trial.Main(run)) }

func run() int {
	cfg := wild.Config{}
	flag.IntVar(&cfg.Runs, "runs", 3, "how often each change and move is done")
	flag.DurationVar(&cfg.Watch, "watch", time.Minute, "for how long a firewall is watched")
	flag.IntVar(&cfg.Parallel, "parallel", 4, "how many rows are done at the same time, and twice as many of those that are only watched")
	flag.BoolVar(&cfg.Long, "long", false, "do the whole matrix: IPv6 and the port of the API server too")
	flag.StringVar(&cfg.Logs, "logs", "", "directory for the logs of rows that break a promise; not set, their last lines are shown")
	only := flag.String("only", "", "regular expression: do only the rows whose name matches")
	list := flag.Bool("list", false, "print the names of the rows and end")
	alone := flag.Bool("without-kubernetes", false, "leave out the rows with a Lease, which need the programs of Kubernetes")
	binary := flag.String("binary", "", "the program to try; built from the source if not set")
	flag.Parse()
	cfg.Parallel = max(cfg.Parallel, 1)
	names, err := regexp.Compile(*only)
	if err != nil {
		fmt.Fprintln(os.Stderr, "wild: -only:", err)
		return 2
	}
	if !*alone {
		cfg.Kubernetes, err = trial.BuildKubernetes()
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "wild:", err)
		return 1
	}
	if *list {
		for _, name := range wild.Names(cfg, names) {
			fmt.Println(name)
		}
		return 0
	}
	if cfg.System = (trial.Harbinger{Binary: *binary}); *binary == "" {
		cfg.System, err = trial.Build("bin/harbinger")
	}
	// Hosts are started behind firewalls, which the generator refuses.
	cfg.System.Flags = []string{"--ignore", "FirewallVRRP,FirewallIdentity,FirewallClients"}
	if err == nil {
		err = wild.Show(os.Stdout, cfg, names)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "wild:", err)
		return 1
	}
	return 0
}
