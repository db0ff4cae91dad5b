// SPDX-License-Identifier: Apache-2.0

package app

import (
	"fmt"
	"io"
	"os"

	"github.com/spf13/cobra"

	"github.com/harbinger-ha/harbinger/pkg/apis/config"
	"github.com/harbinger-ha/harbinger/pkg/apis/config/scheme"
	"github.com/harbinger-ha/harbinger/pkg/apis/config/v1alpha1"
)

// exampleAddress stands in the default configuration where every cluster has its own.
const exampleAddress = "192.168.238.100/24"

func newConfigCommand(s streams) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "config",
		Short: "Check and print configurations",
		Long:  "Check and print configurations. harbinger explain says what each field of them means.",
		Example: `  harbinger config default > config.yaml
  harbinger config validate config.yaml`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(
		&cobra.Command{
			Use:   "validate [FILE]",
			Short: "Check a configuration file and name every fault",
			Long: "Check a configuration file and name every fault. FILE is " + config.File + " where none is given, - is standard input. Nothing of this " +
				"host is checked: harbinger preflight does that.",
			Example: `  harbinger config validate /etc/kubernetes/harbinger/config.yaml
  harbinger config default | harbinger config validate -`,
			ValidArgsFunction: yamlFile,
			Args:              cobra.MaximumNArgs(1),
			RunE: func(_ *cobra.Command, args []string) error {
				return validateConfig(s, args)
			},
		},
		&cobra.Command{
			Use:   "view [FILE]",
			Short: "Print a configuration file with every default spelled out",
			Long:  "Print a configuration file with every default spelled out. FILE is " + config.File + " where none is given, - is standard input.",
			Example: `  harbinger config view
  harbinger config view config.yaml`,
			ValidArgsFunction: yamlFile,
			Args:              cobra.MaximumNArgs(1),
			RunE: func(_ *cobra.Command, args []string) error {
				return viewConfig(s, args)
			},
		},
		&cobra.Command{
			Use:     "default",
			Short:   "Print the default configuration with an example address",
			Example: "  harbinger config default > config.yaml",
			Args:    cobra.NoArgs,
			RunE: func(*cobra.Command, []string) error {
				return defaultConfig(s)
			},
		},
	)
	return cmd
}

func validateConfig(s streams, args []string) error {
	name, _, err := decodeFile(s, args)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(s.out, "%s is valid\n", name)
	return err
}

func viewConfig(s streams, args []string) error {
	_, cfg, err := decodeFile(s, args)
	if err != nil {
		return err
	}
	return printConfig(s, cfg)
}

func defaultConfig(s streams) error {
	cfg, err := scheme.Complete(&v1alpha1.HarbingerConfiguration{VirtualAddresses: []string{exampleAddress}})
	if err != nil {
		return err
	}
	return printConfig(s, cfg)
}

func printConfig(s streams, cfg *config.HarbingerConfiguration) error {
	document, err := scheme.Encode(cfg)
	if err != nil {
		return err
	}
	_, err = s.out.Write(document)
	return err
}

// decodeFile reads the configuration file that an optional argument names.
func decodeFile(s streams, args []string) (name string, cfg *config.HarbingerConfiguration, err error) {
	name = config.File
	if len(args) > 0 {
		name = args[0]
	}
	raw, err := readFile(s, name)
	if err != nil {
		return name, nil, usageError(err)
	}
	cfg, err = scheme.Decode(raw)
	return name, cfg, usageError(err)
}

// readFile reads a file, or stdin for "-".
func readFile(s streams, name string) ([]byte, error) {
	if name == "-" {
		return io.ReadAll(s.in)
	}
	return os.ReadFile(name)
}
