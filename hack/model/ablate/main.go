// SPDX-License-Identifier: Apache-2.0

// Command ablate shows that each rule of the election is needed: it leaves one rule after the other out of the source and
// expects the test of that rule to fail, and to say what the rule is for. It changes no file.
//
// It fails where the text of a rule is no longer in the source exactly once, where the changed source does not compile, where
// the test passes without the rule, and where the test fails with the rule. It is run from the root of the repository.
package main

import (
	_ "embed"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"sigs.k8s.io/yaml"
)

const (
	folder = "pkg/election"
	seeds  = "HARBINGER_SIM_SEEDS=60" // random runs, of which one at least breaks without the rule
)

//go:embed ablations.yaml
var list []byte

// ablation is a rule beyond VRRP, how to leave it out, and the test that shows what it is for.
type ablation struct {
	Rule   string
	File   string // in folder
	Change []struct {
		From string // a text that is in the file exactly once
		To   string
	}
	Test string // must fail without the rule, and pass with it
	Says string // a regular expression that its output must match then
}

func main() {
	if err := ablate(); err != nil {
		fmt.Fprintln(os.Stderr, "ablate:", err)
		os.Exit(1)
	}
}

func ablate() error {
	var ablations []ablation
	if err := yaml.UnmarshalStrict(list, &ablations); err != nil {
		return err
	}
	work, err := os.MkdirTemp("", "ablate")
	if err != nil {
		return err
	}
	defer os.RemoveAll(work)
	only := flag.String("only", "", "the rules to leave out, as a regular expression; empty: all")
	flag.Parse()
	wanted, err := regexp.Compile(*only)
	if err != nil {
		return fmt.Errorf("-only: %w", err)
	}
	ablations = slices.DeleteFunc(ablations, func(a ablation) bool { return !wanted.MatchString(a.Rule) })
	var tests []string
	for _, a := range ablations {
		tests = append(tests, strings.Split(a.Test, "/")[0])
	}
	if out, err := goTest("^("+strings.Join(tests, "|")+")$", "-vet=off"); err != nil {
		return fmt.Errorf("with every rule: %w\n%s", err, out)
	}
	failed := 0
	for i, end := range start(ablations, work) {
		e := <-end
		if e.err != nil {
			failed++
			e.says = "FAILED: " + e.err.Error()
		}
		fmt.Printf("  %-50s %4.0f s  %s\n", ablations[i].Rule, e.took.Seconds(), e.says)
	}
	if failed > 0 {
		return fmt.Errorf("%d of %d rules are not shown to be needed", failed, len(ablations))
	}
	return nil
}

// ended is what the test of a rule said without it.
type ended struct {
	says string
	err  error
	took time.Duration
}

// start leaves out one rule after the other, as many at a time as there are processors: a compilation leaves one idle most of the time.
func start(ablations []ablation, work string) []chan ended {
	var next atomic.Int64
	ends := make([]chan ended, len(ablations))
	for i := range ends {
		ends[i] = make(chan ended, 1)
	}
	for range runtime.GOMAXPROCS(0) {
		go func() {
			for i := int(next.Add(1)) - 1; i < len(ablations); i = int(next.Add(1)) - 1 {
				began := time.Now()
				says, err := ablations[i].run(filepath.Join(work, strconv.Itoa(i)))
				ends[i] <- ended{says, err, time.Since(began)}
			}
		}()
	}
	return ends
}

// run tests the source without the rule and returns what the test says of it.
func (a ablation) run(work string) (string, error) {
	overlay, err := a.overlay(work)
	if err != nil {
		return "", err
	}
	out, err := goTest("^"+strings.ReplaceAll(a.Test, "/", "$/^")+"$", "-vet=off", "-overlay="+overlay)
	switch says := regexp.MustCompile(a.Says).FindString(out); {
	case strings.Contains(out, "[no tests to run]"):
		return "", fmt.Errorf("%s has no test %s", folder, a.Test)
	case err == nil:
		return "", fmt.Errorf("%s passes without the rule", a.Test)
	case strings.Contains(out, "[build failed]") || strings.Contains(out, "[setup failed]"):
		return "", fmt.Errorf("the source does not compile without the rule:\n%s", out)
	case says == "":
		return "", fmt.Errorf("%s does not say %q without the rule:\n%s", a.Test, a.Says, out)
	default:
		return says, nil
	}
}

// overlay writes the source without the rule, and the file that makes the go command read it, whose name it returns.
func (a ablation) overlay(work string) (string, error) {
	source, err := a.without(folder)
	if err != nil {
		return "", err
	}
	path, err := filepath.Abs(filepath.Join(folder, a.File))
	if err != nil {
		return "", err
	}
	changed, overlay := filepath.Join(work, a.File), filepath.Join(work, "overlay.json")
	replaced, err := json.Marshal(map[string]map[string]string{"Replace": {path: changed}})
	if err != nil {
		return "", err
	}
	return overlay, errors.Join(os.MkdirAll(work, 0o700), os.WriteFile(changed, []byte(source), 0o600), os.WriteFile(overlay, replaced, 0o600))
}

// without returns the source without the rule.
func (a ablation) without(folder string) (string, error) {
	b, err := os.ReadFile(filepath.Join(folder, a.File))
	if err != nil {
		return "", err
	}
	source := string(b)
	for _, c := range a.Change {
		if n := strings.Count(source, c.From); n != 1 {
			return "", fmt.Errorf("%s has this text of the rule %d times, want once: %s", a.File, n, c.From)
		}
		source = strings.Replace(source, c.From, c.To, 1)
	}
	return source, nil
}

func goTest(run string, flags ...string) (string, error) {
	args := append([]string{"test", "-count=1", "-run=" + run}, flags...)
	cmd := exec.Command("go", append(args, "./"+folder)...)
	cmd.Env = append(os.Environ(), seeds)
	out, err := cmd.CombinedOutput()
	return string(out), err
}
