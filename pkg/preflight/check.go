// SPDX-License-Identifier: Apache-2.0

package preflight

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/util/validation/field"

	"github.com/harbinger-ha/harbinger/pkg/apis/config"
)

// A Check is a question to a host, as the documentation has it.
type Check struct {
	// Name is that by which it is printed and can be ignored.
	Name string
	// Finds is what it finds, and Remedy what is done about it.
	Finds, Remedy string
	// slow says that the facts take a while to gather, or matter to no manifest: see Facts.Thorough.
	slow bool
	// run answers the question from facts alone. Without a result it does not apply to the configuration.
	run func(*config.HarbingerConfiguration, Facts) []Result
}

// Checks returns the checks of a host, in the order in which they are made.
func Checks() []Check {
	return slices.Concat(configurationChecks, managerChecks, firewallChecks, settingChecks, networkChecks, kernelChecks)
}

// Asked is a fact that may not be known.
type Asked[T any] struct {
	Value T
	Err   error // why it is not
}

// ask returns the answer to a question.
func ask[T any](question func() (T, error)) Asked[T] {
	value, err := question()
	return Asked[T]{value, err}
}

// Run makes the checks of a valid configuration on a host. Those that are slow are made only where the facts are thorough.
func Run(cfg *config.HarbingerConfiguration, facts Facts) []Result {
	var results []Result
	for _, check := range Checks() {
		if check.slow && !facts.Thorough {
			continue
		}
		for _, result := range check.run(cfg, facts) {
			result.Check = check.Name
			results = append(results, result)
		}
	}
	return results
}

// All is the name that stands for every check where some are ignored.
const All = "all"

// ParseIgnored returns the names of checks of a list, after it has made sure that there is a check of each name.
func ParseIgnored(names []string, known []Check) ([]string, error) {
	for _, name := range names {
		if name != All && !slices.ContainsFunc(known, func(c Check) bool { return c.Name == name }) {
			all := []string{All}
			for _, c := range known {
				all = append(all, c.Name)
			}
			return nil, fmt.Errorf("no check has the name %q: the names are %s", name, strings.Join(all, ", "))
		}
	}
	return names, nil
}

// Ignore makes warnings of the failures of the checks of some names.
func Ignore(results []Result, names []string) []Result {
	results = slices.Clone(results)
	for i, r := range results {
		if r.Status == Fail && (slices.Contains(names, All) || slices.Contains(names, r.Check)) {
			results[i].Status = Warn
		}
	}
	return results
}

// fault is the result of a check that a field of the configuration is about.
func fault(status Status, path *field.Path, value any, found, remedy string) Result {
	return Result{Status: status, Found: field.Invalid(path, value, found).Error(), Remedy: remedy, Field: path.String()}
}

// fine is the result of a check that has found nothing to be done.
func fine(format string, args ...any) []Result {
	return []Result{{Status: OK, Found: fmt.Sprintf(format, args...)}}
}

// AsRoot is how the remedy begins where this process may not ask.
const AsRoot = "run the command as root on the host"

// unanswered is the result of a check that could not be made.
func unanswered(err error, remedy string) []Result {
	if remedy == "" && errors.Is(err, os.ErrPermission) {
		remedy = AsRoot
	}
	return []Result{{Status: Warn, Found: "could not be asked: " + err.Error(), Remedy: remedy}}
}

// orFine are the results, or where there is none that the check has found nothing to be done.
func orFine(results []Result, format string, args ...any) []Result {
	if len(results) > 0 {
		return results
	}
	return fine(format, args...)
}
