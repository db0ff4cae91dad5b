// SPDX-License-Identifier: Apache-2.0

package app

import (
	"encoding/json"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"github.com/harbinger-ha/harbinger/pkg/manifest"
	"github.com/harbinger-ha/harbinger/pkg/version"
)

func newVersionCommand(s streams) *cobra.Command {
	var output string
	cmd := &cobra.Command{
		Use:   "version",
		Short: "Show which build this is",
		Long:  "Show which build of Harbinger this is, with which Go and for which platform it was made, and as JSON the image that its manifests name.",
		Example: `  harbinger version
  harbinger version -o json`,
		Args: cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			return printVersion(s, output)
		},
	}
	addChoice(cmd, &output, "output", "o", "text", "text or json", "text", "json")
	return cmd
}

// addVersionFlag has the root command print the version or its help. Cobra's own flag prints by a template.
func addVersionFlag(root *cobra.Command, s streams) {
	var wanted bool
	root.Flags().BoolVarP(&wanted, "version", "v", false, "version for harbinger")
	root.RunE = func(cmd *cobra.Command, _ []string) error {
		if wanted {
			return printVersion(s, "text")
		}
		return cmd.Help()
	}
}

func printVersion(s streams, output string) error {
	if output == "text" {
		_, err := io.WriteString(s.out, versionLine())
		return err
	}
	encoder := json.NewEncoder(s.out)
	encoder.SetIndent("", "  ")
	return encoder.Encode(struct {
		version.Info
		Image string `json:"image"` // that the manifests of this build name
	}{version.Get(), manifest.DefaultImage})
}

// versionLine is what harbinger version and harbinger --version print.
func versionLine() string {
	info := version.Get()
	return fmt.Sprintf("harbinger %s (%s, %s)\n", info.Version, info.GoVersion, info.Platform)
}
