// SPDX-License-Identifier: Apache-2.0

//go:build e2e

package e2e

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/harbinger-ha/harbinger/e2e/cluster"
)

var (
	environment cluster.Environment
	witness     string // path of the program
)

func TestMain(m *testing.M) {
	code, err := run(m)
	if err != nil {
		fmt.Fprintln(os.Stderr, "error:", err)
		code = 1
	}
	os.Exit(code)
}

func run(m *testing.M) (int, error) {
	var err error
	if environment, err = cluster.FromEnvironment(); err != nil {
		return 0, err
	}
	witness = filepath.Join(environment.Out, "witness")
	build := exec.Command("go", "build", "-trimpath", "-o", witness, "./witness")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		return 0, fmt.Errorf("building the witness: %w: %s", err, out)
	}
	defer os.Remove(witness)
	code := m.Run()
	printTable(os.Stdout)
	return code, nil
}
