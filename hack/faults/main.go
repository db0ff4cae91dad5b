// SPDX-License-Identifier: Apache-2.0

//go:build linux

// Command faults runs three control planes on this machine, each with a real
// kube-apiserver and a member of a real etcd, does to them all that Harbinger
// promises to survive, and prints one table. It exits 0 only when every row
// stayed within its bounds.
package main

import (
	"flag"
	"fmt"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"time"

	"github.com/harbinger-ha/harbinger/e2e/fault"
	"github.com/harbinger-ha/harbinger/e2e/trial"
)

func main() { os.Exit(trial.Main(run)) }

// binariesVariable names a directory with the programs of a cluster. Without
// it, binariesScript builds them, or finds them in its cache.
const (
	binariesVariable = "HARBINGER_KUBE_BINARIES"
	binariesScript   = "hack/e2e/build-binaries.sh"
)

type options struct {
	runs   int
	outage time.Duration
	only   string
	list   bool
}

func run() int {
	var o options
	flag.IntVar(&o.runs, "runs", 3, "how often each row is done that does not take its time; the table shows median outages, and the worst of all else")
	flag.DurationVar(&o.outage, "outage", 180*time.Second, "how long the API is away in the rows of its outages")
	flag.StringVar(&o.only, "only", "", "regular expression: the rows to run")
	flag.BoolVar(&o.list, "list", false, "print the names of the rows and end")
	flag.Parse()
	only, err := regexp.Compile(o.only)
	if err != nil {
		fmt.Fprintln(os.Stderr, "faults: -only:", err)
		return 2
	}
	rows := chosen(only)
	switch {
	case len(rows) == 0:
		fmt.Fprintf(os.Stderr, "faults: no row matches -only %q; -list prints their names\n", o.only)
		return 2
	case o.list:
		for _, row := range rows {
			fmt.Println(row.Name)
		}
		return 0
	}
	if err := o.show(rows); err != nil {
		fmt.Fprintln(os.Stderr, "faults:", err)
		return 1
	}
	return 0
}

func chosen(only *regexp.Regexp) (rows []fault.Row) {
	for _, row := range fault.Rows() {
		if only.MatchString(row.Name) {
			rows = append(rows, row)
		}
	}
	return rows
}

// show runs rows and prints the table.
func (o options) show(rows []fault.Row) error {
	system, err := trial.Build("bin/harbinger")
	if err != nil {
		return err
	}
	binaries, err := findBinaries()
	if err != nil {
		return err
	}
	theatre := fault.NewTheatre(fault.Config{System: system, Kubernetes: binaries, Runs: o.runs, Outage: o.outage})
	defer theatre.Close()
	fmt.Printf("Three nodes with kube-apiserver and etcd; a client asks GET /readyz through the virtual address every 20 ms.\n"+
		"Times in seconds: median outage of %d, the worst of all else. The API is away for %v in its outages.\n\n", o.runs, o.outage)
	printRow(fault.Columns)
	var broken []string
	for _, row := range rows {
		result := theatre.Run(row)
		printRow(result.Cells())
		printLines(result.Notes())
		printLines(result.Broken())
		if len(result.Broken()) > 0 {
			broken = append(broken, regexp.QuoteMeta(row.Name))
		}
	}
	if len(broken) > 0 {
		return fmt.Errorf("%d of %d rows broke a promise. Again: go run ./hack/faults -runs %d -outage %v -only '^(%s)$'",
			len(broken), len(rows), o.runs, o.outage, strings.Join(broken, "|"))
	}
	fmt.Printf("\nEvery row stayed within its bounds.\n")
	return theatre.Close()
}

func findBinaries() (string, error) {
	if directory := os.Getenv(binariesVariable); directory != "" {
		return directory, nil
	}
	build := exec.Command(binariesScript, "etcd", "kube-apiserver", "kubectl")
	build.Stderr = os.Stderr
	out, err := build.Output()
	if err != nil {
		return "", fmt.Errorf("%s: %w", binariesScript, err)
	}
	return strings.TrimSpace(string(out)), nil
}
