// SPDX-License-Identifier: Apache-2.0

package app

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"github.com/spf13/cobra"
	"k8s.io/apimachinery/pkg/util/validation/field"

	"github.com/harbinger-ha/harbinger/pkg/apis/config"
	"github.com/harbinger-ha/harbinger/pkg/preflight"
)

// errHost says that the configuration does not fit the host. The faults themselves are the output of the command.
var errHost = errors.New("the configuration does not fit this host: stdout names each fault")

func newPreflightCommand(s streams) *cobra.Command {
	file, output := config.File, "table"
	cmd := &cobra.Command{
		Use:   "preflight",
		Short: "Check a configuration against this host: interface, addresses, peers, ports",
		Long: "Check a configuration against this host: interface, addresses, peers, ports. harbinger manifest makes the same checks.\n" +
			"The command changes nothing and sends nothing to other hosts. It exits with 1 if something does not fit.",
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			show, ok := faultPrinters[output]
			if !ok {
				return usageError(fmt.Errorf("--output %q: use table or json", output))
			}
			_, cfg, err := decodeFile(s, []string{file})
			if err != nil {
				return err
			}
			facts, err := preflight.Gather(cmd.Context(), cfg)
			if err != nil {
				return err
			}
			warn(s, preflight.Warnings(cfg, facts))
			faults := preflight.Check(cfg, facts)
			if err := show(s.out, faults); err != nil || len(faults) == 0 {
				return err
			}
			return errHost
		},
	}
	cmd.Flags().StringVar(&file, "config", file, "configuration file, or - for standard input")
	cmd.Flags().StringVarP(&output, "output", "o", output, "table or json")
	return cmd
}

// warn prints what does not keep a command from its work.
func warn(s streams, warnings field.ErrorList) {
	for _, w := range warnings {
		fmt.Fprintln(s.err, "warning:", w)
	}
}

var faultPrinters = map[string]func(io.Writer, field.ErrorList) error{
	"table": func(w io.Writer, faults field.ErrorList) error {
		for _, f := range faults {
			if _, err := fmt.Fprintf(w, "%s\t%s\n", f.Field, f.ErrorBody()); err != nil {
				return err
			}
		}
		if len(faults) > 0 {
			return nil
		}
		_, err := fmt.Fprintln(w, "The configuration fits this host.")
		return err
	},
	"json": func(w io.Writer, faults field.ErrorList) error {
		type fault struct {
			Field   string `json:"field"`
			Message string `json:"message"`
		}
		all := []fault{}
		for _, f := range faults {
			all = append(all, fault{f.Field, f.ErrorBody()})
		}
		return json.NewEncoder(w).Encode(all)
	},
}
