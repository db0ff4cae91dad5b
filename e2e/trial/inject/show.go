// SPDX-License-Identifier: Apache-2.0

package inject

import (
	"errors"
	"fmt"
	"io"
	"regexp"
	"strings"

	"github.com/harbinger-ha/harbinger/e2e/fault"
)

// Chosen returns the faults of a cluster whose names match.
func Chosen(names *regexp.Regexp) (faults []fault.Fault) {
	for _, f := range fault.OfKubernetes() {
		if names.MatchString(f.Name) {
			faults = append(faults, f)
		}
	}
	return faults
}

// A BrokenError names the faults whose promise did not hold.
type BrokenError struct {
	Names []string
	Of    int // faults that were done
}

// Error says how many promises were broken.
func (e BrokenError) Error() string {
	return fmt.Sprintf("%d of %d rows broke a promise", len(e.Names), e.Of)
}

// Pattern matches the names and no other.
func (e BrokenError) Pattern() string {
	var quoted []string
	for _, name := range e.Names {
		quoted = append(quoted, regexp.QuoteMeta(name))
	}
	return "^(" + strings.Join(quoted, "|") + ")$"
}

// Show does faults and writes a row for each, with its notes and what was broken. The error is a [BrokenError] where a
// promise did not hold.
func Show(out io.Writer, cfg Config, faults []fault.Fault) error {
	runner := &runner{cfg: cfg}
	fmt.Fprintf(out, "Three nodes with kube-apiserver and etcd; a client asks GET /readyz through the virtual address every 20 ms.\n"+
		"Times in seconds: median outage of %d, the worst of all else. The API is away for %v in its outages.\n\n", cfg.Runs, cfg.Outage)
	report := fault.Report{Out: out, Columns: fault.ClusterColumns}
	report.Titles()
	broken := BrokenError{Of: len(faults)}
	for _, f := range faults {
		row := runner.run(f)
		report.Cells(row.ClusterCells()...)
		report.Lines(row.Notes...)
		report.Lines(row.Broken()...)
		if len(row.Broken()) > 0 {
			broken.Names = append(broken.Names, f.Name)
		}
	}
	if err := runner.close(); len(broken.Names) > 0 {
		return errors.Join(broken, err)
	} else if err != nil {
		return err
	}
	fmt.Fprintf(out, "\nEvery row stayed within its bounds.\n")
	return nil
}
