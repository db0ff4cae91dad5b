// SPDX-License-Identifier: Apache-2.0

package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
)

// ablation is a rule, how to leave it out, and the test that shows what it is for.
type ablation struct {
	rule   string
	file   string   // in folder
	change []string // a text exactly as it is in the file and what stands in its place, in turn
	test   string   // must fail without the rule, and pass with it
	says   string   // a regular expression that its output must match then
}

// run tests the source without the rule and returns what the test says of it.
func (a ablation) run(work string) (string, error) {
	overlay, err := a.overlay(work)
	if err != nil {
		return "", err
	}
	out, err := goTest("^"+strings.ReplaceAll(a.test, "/", "$/^")+"$", "-vet=off", "-overlay="+overlay)
	switch says := regexp.MustCompile(a.says).FindString(out); {
	case strings.Contains(out, "[no tests to run]"):
		return "", fmt.Errorf("%s has no test %s", folder, a.test)
	case err == nil:
		return "", fmt.Errorf("%s passes without the rule", a.test)
	case strings.Contains(out, "[build failed]") || strings.Contains(out, "[setup failed]"):
		return "", fmt.Errorf("the source does not compile without the rule:\n%s", out)
	case says == "":
		return "", fmt.Errorf("%s does not say %q without the rule:\n%s", a.test, a.says, out)
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
	path, err := filepath.Abs(filepath.Join(folder, a.file))
	if err != nil {
		return "", err
	}
	changed, overlay := filepath.Join(work, a.file), filepath.Join(work, "overlay.json")
	list, err := json.Marshal(map[string]map[string]string{"Replace": {path: changed}})
	if err != nil {
		return "", err
	}
	return overlay, errors.Join(os.WriteFile(changed, []byte(source), 0o600), os.WriteFile(overlay, list, 0o600))
}

// without returns the source without the rule.
func (a ablation) without(folder string) (string, error) {
	b, err := os.ReadFile(filepath.Join(folder, a.file))
	if err != nil {
		return "", err
	}
	source := string(b)
	for i := 0; i < len(a.change); i += 2 {
		if n := strings.Count(source, a.change[i]); n != 1 {
			return "", fmt.Errorf("%s has this text of the rule %d times, want once: %s", a.file, n, a.change[i])
		}
		source = strings.Replace(source, a.change[i], a.change[i+1], 1)
	}
	return source, nil
}

func goTest(run string, flags ...string) (string, error) {
	args := append([]string{"test", "-count=1", "-run=" + run}, flags...)
	out, err := exec.Command("go", append(args, "./"+folder)...).CombinedOutput()
	return string(out), err
}
