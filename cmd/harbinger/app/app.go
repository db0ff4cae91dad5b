// SPDX-License-Identifier: Apache-2.0

// Package app is the command line of Harbinger: one file for each command. It turns flags, files and variables into the
// configuration and errors into messages and exit codes; the work is done in the packages below. It is one package because
// its commands share just that: the streams, the exit codes, how a configuration is found and how a fault is said.
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

// streams are the standard streams of a command, and how it was called.
type streams struct {
	in       io.Reader
	out, err io.Writer
	args     []string // the command line without the name of the program
}

// Main runs the command line and returns the exit code. Every fault found is on stderr, one on a line.
func Main(ctx context.Context, args []string, stdin io.Reader, stdout, stderr io.Writer) int {
	started := false
	s := streams{in: stdin, out: stdout, err: stderr, args: args}
	root := newRootCommand(s)
	root.PersistentPreRun = func(*cobra.Command, []string) { started = true }
	root.SetArgs(args)
	root.SetIn(stdin)
	root.SetOut(stdout)
	root.SetErr(stderr)
	err := root.ExecuteContext(ctx)
	if err == nil {
		return exitDone
	}
	if _, ok := errors.AsType[said](err); ok {
		return exitFailed
	}
	for _, fault := range flatten(err) {
		fmt.Fprintln(stderr, "error:", s.withRights(fault.Error()))
	}
	// What goes wrong before a command has started is the command line.
	if isUsage(err) || !started {
		return exitUsage
	}
	return exitFailed
}

const rootLong = `A virtual IP and a load balancer for a kubeadm control plane, in one static pod: what keepalived and haproxy are used for, by VRRP and
a Lease of the cluster.`

const rootExample = `  # the static pod of this host, before kubeadm init
  harbinger manifest --vip 192.168.238.100/24

  # who holds the virtual address, and what is wrong
  harbinger status

  # what a field of the configuration means
  harbinger explain election.vrrp.priority`

func newRootCommand(s streams) *cobra.Command {
	root := &cobra.Command{
		Use:           "harbinger",
		Short:         "A virtual IP and a load balancer for a kubeadm control plane, in one static pod",
		Long:          rootLong,
		Example:       rootExample,
		Args:          cobra.NoArgs,
		SilenceErrors: true,
		SilenceUsage:  true,
	}
	addVersionFlag(root, s)
	root.CompletionOptions.DisableDefaultCmd = true // there is our own
	root.SetHelpFunc(printHelp)
	root.SetUsageFunc(func(c *cobra.Command) error { return printUsage(c, c.OutOrStderr()) })
	root.AddGroup(commandGroups...)
	root.AddCommand(inGroup(groupSetup, newManifestCommand(s), newPreflightCommand(s), newKubeconfigCommand(s), newConvertCommand(s),
		newConfigCommand(s), newExplainCommand(s))...)
	root.AddCommand(inGroup(groupOperate, newStatusCommand(s), newHandoverCommand(s), newBackendCommand(s), newSupportBundleCommand(s), newCleanupCommand(s))...)
	root.AddCommand(inGroup(groupPod, newRunCommand(s), newBalancerCommand(s))...)
	root.AddCommand(inGroup(groupOther, newCompletionCommand(s), newVersionCommand(s))...)
	addHelpCommand(root)
	explainMistakes(root)
	return root
}

// usage is an error of the command line or the configuration.
type usage struct{ error }

func (u usage) Unwrap() error { return u.error }

func isUsage(err error) bool {
	_, ok := errors.AsType[usage](err)
	return ok
}

// said is an error whose words are in the output of the command already.
type said struct{ error }

func (s said) Unwrap() error { return s.error }

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
