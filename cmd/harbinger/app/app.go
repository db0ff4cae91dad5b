// SPDX-License-Identifier: Apache-2.0

// Package app is the command line of Harbinger: one file for each command. It turns flags, files and variables into the
// configuration and errors into messages and exit codes; the work is done in the packages below.
package app

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/spf13/cobra"
)

// The exit codes.
const (
	exitDone   = 0
	exitFailed = 1
	// exitUsage says that the command line or the configuration is wrong and that nothing was written.
	exitUsage = 2
)

// streams are the standard streams of a command.
type streams struct {
	in       io.Reader
	out, err io.Writer
}

// Main runs the command line and returns the exit code. Every fault found is on stderr, one on a line.
func Main(ctx context.Context, args []string, stdin io.Reader, stdout, stderr io.Writer) int {
	started := false
	root := newRootCommand(streams{in: stdin, out: stdout, err: stderr})
	root.PersistentPreRun = func(*cobra.Command, []string) { started = true }
	root.SetArgs(args)
	root.SetIn(stdin)
	root.SetOut(stdout)
	root.SetErr(stderr)
	err := root.ExecuteContext(ctx)
	if err == nil {
		return exitDone
	}
	for _, fault := range flatten(err) {
		fmt.Fprintln(stderr, "error:", fault)
	}
	// What goes wrong before a command has started is the command line.
	if _, ok := errors.AsType[usage](err); ok || !started {
		return exitUsage
	}
	return exitFailed
}

func newRootCommand(s streams) *cobra.Command {
	root := &cobra.Command{
		Use:           "harbinger",
		Short:         "A virtual IP and a load balancer for a kubeadm control plane, in one static pod",
		SilenceErrors: true,
		SilenceUsage:  true,
	}
	root.CompletionOptions.HiddenDefaultCmd = true
	root.AddCommand(
		newManifestCommand(s),
		newRunCommand(s),
		newBalancerCommand(s),
		newStatusCommand(s),
		newHandoverCommand(s),
		newPreflightCommand(s),
		newKubeconfigCommand(s),
		newConvertCommand(s),
		newConfigCommand(s),
		newVersionCommand(s),
	)
	return root
}

// usage is an error of the command line or the configuration.
type usage struct{ error }

func (u usage) Unwrap() error { return u.error }

// usageError marks an error as one of the command line or the configuration.
func usageError(err error) error {
	if err == nil {
		return nil
	}
	return usage{err}
}

// flatten returns the errors that an error joins.
func flatten(err error) []error {
	switch err := err.(type) { //nolint:errorlint // it takes the tree of errors apart
	case usage:
		return flatten(err.error)
	case interface{ Unwrap() []error }:
		var all []error
		for _, e := range err.Unwrap() {
			all = append(all, flatten(e)...)
		}
		return all
	default:
		return []error{err}
	}
}
