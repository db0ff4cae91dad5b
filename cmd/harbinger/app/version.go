// SPDX-License-Identifier: Apache-2.0

package app

import (
	"encoding/json"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/harbinger-ha/harbinger/pkg/version"
)

func newVersionCommand(s streams) *cobra.Command {
	var output string
	cmd := &cobra.Command{
		Use:   "version",
		Short: "Show which build this is",
		Args:  cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			return printVersion(s, output)
		},
	}
	cmd.Flags().StringVarP(&output, "output", "o", "text", "text or json")
	return cmd
}

func printVersion(s streams, output string) error {
	info := version.Get()
	switch output {
	case "text":
		_, err := fmt.Fprintf(s.out, "harbinger %s (%s, %s)\n", info.Version, info.GoVersion, info.Platform)
		return err
	case "json":
		encoder := json.NewEncoder(s.out)
		encoder.SetIndent("", "  ")
		return encoder.Encode(info)
	default:
		return usageError(fmt.Errorf("--output %q: use text or json", output))
	}
}
