// SPDX-License-Identifier: Apache-2.0

// Command faults runs three control planes on this machine, each with a real kube-apiserver and a member of a real etcd, does
// to them all that Harbinger promises to survive, and prints one table. It exits 0 only when every row stayed within its
// bounds.
package main

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"regexp"
	"time"

	"github.com/harbinger-ha/harbinger/e2e/trial"
	"github.com/harbinger-ha/harbinger/e2e/trial/inject"
)

func main() { os.Exit(trial.Main(run)) }

func run() int {
	runs := flag.Int("runs", 3, "how often each row is done that does not take its time; the table shows median outages, and the worst of all else")
	outage := flag.Duration("outage", 3*time.Minute, "how long the API is away in its outages")
	logs := flag.String("logs", "", "directory for the logs of deaths that break a promise or miss their goal")
	only := flag.String("only", "", "regular expression: do only the rows whose name matches")
	list := flag.Bool("list", false, "print the names of the rows and end")
	flag.Parse()
	names, err := regexp.Compile(*only)
	if err != nil {
		fmt.Fprintln(os.Stderr, "faults: -only:", err)
		return 2
	}
	chosen := inject.Chosen(names)
	if len(chosen.Names()) == 0 {
		fmt.Fprintf(os.Stderr, "faults: no row matches -only %q; -list prints their names\n", *only)
		return 2
	}
	if *list {
		for _, name := range chosen.Names() {
			fmt.Println(name)
		}
		return 0
	}
	err = show(inject.Config{Runs: *runs, Outage: *outage, Logs: *logs}, chosen)
	if broken := (inject.BrokenError{}); errors.As(err, &broken) {
		err = fmt.Errorf("%w. Again: go run ./hack/faults -runs %d -outage %v -only '%s'", err, *runs, *outage, broken.Pattern())
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "faults:", err)
		return 1
	}
	return 0
}

func show(cfg inject.Config, chosen inject.Choice) (err error) {
	if cfg.System, err = trial.Build("bin/harbinger"); err != nil {
		return err
	}
	if cfg.Kubernetes, err = trial.BuildKubernetes(); err != nil {
		return err
	}
	return inject.Show(os.Stdout, cfg, chosen)
}
