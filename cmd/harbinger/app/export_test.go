// SPDX-License-Identifier: Apache-2.0

package app

import (
	"io"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	statusv1alpha1 "github.com/harbinger-ha/harbinger/pkg/apis/status/v1alpha1"
)

// Tree returns the commands.
func Tree() *cobra.Command { return newRootCommand(streams{out: io.Discard, err: io.Discard}) }

// Heading returns the heading that a flag stands below.
func Heading(f *pflag.Flag) string {
	if known := f.Annotations[headingAnnotation]; known != nil {
		return known[0]
	}
	return ""
}

// Choices returns the values of a flag that is one of some words.
func Choices(f *pflag.Flag) []string {
	c, _ := f.Value.(choice)
	return c.values
}

// Target says who takes over, or why the node named cannot.
func Target(status *statusv1alpha1.HarbingerStatus, to string) (string, error) {
	return target(status, to)
}
