// SPDX-License-Identifier: Apache-2.0

package main

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"sigs.k8s.io/yaml"
)

func readAblations(t *testing.T) (all []ablation) {
	t.Helper()
	if err := yaml.UnmarshalStrict(list, &all); err != nil {
		t.Fatal(err)
	}
	return all
}

// The text of each rule is in the source, so that a change of the source is found here and not in make model alone.
func TestEachRuleIsInTheSource(t *testing.T) {
	for _, a := range readAblations(t) {
		if len(a.Change) == 0 {
			t.Errorf("%s: nothing is changed", a.Rule)
		}
		if _, err := a.without("../../../" + folder); err != nil {
			t.Errorf("%s: %v", a.Rule, err)
		}
	}
}

// Each rule of the specification has an ablation. That of F7 is in the model of the Lease: the election yields before it could
// renew over another's claim.
func TestEachRuleHasAnAblation(t *testing.T) {
	specification, err := os.ReadFile("../../../" + folder + "/README.md")
	if err != nil {
		t.Fatal(err)
	}
	shown := map[string]bool{"F7": true}
	for _, a := range readAblations(t) {
		rule, _, _ := strings.Cut(a.Rule, ":")
		shown[rule] = true
	}
	rules := regexp.MustCompile(`(?m)^\| (F\d+) \|`).FindAllStringSubmatch(string(specification), -1)
	if len(rules) < 19 {
		t.Errorf("%d rules in the specification", len(rules))
	}
	for _, rule := range rules {
		if !shown[rule[1]] {
			t.Errorf("no ablation shows what %s is for", rule[1])
		}
	}
}

func TestWithout(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "a.go"), []byte("one two two"), 0o600); err != nil {
		t.Fatal(err)
	}
	for text, want := range map[string]string{"one": "", "two": "2 times", "three": "0 times"} {
		a := ablation{File: "a.go"}
		if err := yaml.Unmarshal([]byte("Change: [{From: "+text+", To: x}]"), &a); err != nil {
			t.Fatal(err)
		}
		got, err := a.without(dir)
		if want == "" && (err != nil || got != "x two two") || want != "" && (err == nil || !strings.Contains(err.Error(), want)) {
			t.Errorf("%q: got %q and %v", text, got, err)
		}
	}
}
