// SPDX-License-Identifier: Apache-2.0

// Package cluster makes the hosts of a real Kubernetes cluster out of Docker containers, and does faults to them: they freeze,
// or lose power, their cable or a process. It uses Docker, kubeadm, kubectl and crictl by their command lines, as their users
// do.
package cluster

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"os/exec"
	"strings"
	"time"
)

// docker runs the docker command and returns its standard output. The error holds the end of its standard error.
func docker(ctx context.Context, stdin io.Reader, args ...string) (string, error) {
	return command(ctx, stdin, "docker", args...)
}

func command(ctx context.Context, stdin io.Reader, name string, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, name, args...)
	var stdout, stderr bytes.Buffer
	cmd.Stdin, cmd.Stdout, cmd.Stderr = stdin, &stdout, &stderr
	cmd.WaitDelay = time.Second // do not wait for a grandchild that keeps the pipes open
	if err := cmd.Run(); err != nil {
		return stdout.String(), fmt.Errorf("%s %s: %w: %s", name, abbreviate(args), err, tail(stderr.String()))
	}
	return stdout.String(), nil
}

// abbreviate makes a command line that fits into an error.
func abbreviate(args []string) string {
	line := strings.Join(args, " ")
	if len(line) > 200 {
		line = line[:200] + "…"
	}
	return line
}

// tail returns the last lines of an output.
func tail(output string) string {
	lines := strings.Split(strings.TrimSpace(output), "\n")
	return strings.Join(lines[max(0, len(lines)-8):], "\n")
}

// Until waits for a condition: for as long as the context lives, at most for the time given. The error says which
// condition did not come true, and why it did not the last time.
func Until(ctx context.Context, timeout time.Duration, what string, condition func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	tick := time.NewTicker(200 * time.Millisecond)
	defer tick.Stop()
	var last error
	for {
		err := condition(ctx)
		if err == nil {
			return nil
		}
		if last == nil || ctx.Err() == nil {
			last = err // but not the end of the time
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("waited %v until %s: %w", timeout, what, last)
		case <-tick.C:
		}
	}
}
