// SPDX-License-Identifier: Apache-2.0

package app

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"

	"github.com/spf13/cobra"

	"github.com/harbinger-ha/harbinger/pkg/apis/config"
	"github.com/harbinger-ha/harbinger/pkg/manifest"
	"github.com/harbinger-ha/harbinger/pkg/preflight"
	"github.com/harbinger-ha/harbinger/pkg/preflight/wire"
)

// errHost says that the configuration does not fit the host. The faults themselves are the output of the command.
var errHost = errors.New("the configuration does not fit this host: stdout names each fault")

const preflightLong = `Check a configuration against this host: interface, addresses, peers, ports, other managers of virtual addresses, firewall, kernel, clock.
The command changes nothing, and sends nothing to other hosts without --wire. It exits with 1 if a check fails. harbinger manifest makes the same
checks, but for those that take a while.`

const preflightExample = `  # the configuration that the pod reads, against this host
  harbinger preflight

  # another configuration; a keepalived that still runs is no fault
  harbinger preflight --config config.yaml --ignore OtherManagers

  # ask the network segment too: who has the address, who speaks VRRP
  harbinger preflight --wire`

// preflightOptions are the flags of the command.
type preflightOptions struct {
	file, output, image string
	ignored             []string
	onWire              wireOptions
}

func newPreflightCommand(s streams) *cobra.Command {
	var o preflightOptions
	cmd := &cobra.Command{
		Use:     "preflight",
		Short:   "Check a configuration against this host, and this host for what would go wrong",
		Long:    preflightLong,
		Example: preflightExample,
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return o.run(cmd.Context(), s, cmd.Flags().Changed)
		},
	}
	flags := cmd.Flags()
	flags.SortFlags = false
	flags.StringVar(&o.file, "config", config.File, "configuration file, or - for standard input")
	flags.StringVar(&o.image, "image", manifest.DefaultImage, "image of the pod, which is looked for on this host")
	under(flags, "What is checked")
	addIgnoreFlag(cmd, &o.ignored)
	under(flags, "Checks")
	o.onWire.addFlags(flags)
	o.onWire.addPeerFlags(flags)
	under(flags, "The network segment")
	addChoice(cmd, &o.output, "output", "o", "table", "table or json", "table", "json")
	under(flags, "Output")
	complete(cmd, yamlFile, "config")
	complete(cmd, examples(manifest.DefaultImage), "image")
	complete(cmd, freely, "wire-peer")
	return cmd
}

func (o *preflightOptions) run(ctx context.Context, s streams, changed func(string) bool) error {
	ignored, err := parseIgnored(o.ignored)
	if err != nil {
		return err
	}
	peers, err := o.onWire.validate(changed)
	if err != nil {
		return usageError(err)
	}
	_, cfg, err := decodeFile(s, []string{o.file})
	if err != nil {
		return err
	}
	facts, err := preflight.GatherAll(ctx, cfg, o.image)
	if err != nil {
		return err
	}
	results := preflight.Run(cfg, facts)
	heard, err := o.onWire.check(ctx, wire.Options{Config: cfg, Exchange: true, Peers: peers, Host: results})
	if err != nil {
		return err
	}
	results = preflight.Ignore(append(results, heard...), ignored)
	s.noteRights(results)
	if err := resultPrinters[o.output](s.out, results); err != nil || count(results, preflight.Fail) == 0 {
		return err
	}
	return errHost
}

// addIgnoreFlag adds the flag that names the checks whose failures are warnings.
func addIgnoreFlag(c *cobra.Command, names *[]string) {
	c.Flags().StringSliceVar(names, "ignore", nil, "checks whose failures are warnings, by their names, or all")
	complete(c, checks, "ignore")
}

// parseIgnored refuses names that no check has.
func parseIgnored(names []string) ([]string, error) {
	names, err := preflight.ParseIgnored(names, slices.Concat(preflight.Checks(), wire.Checks()))
	if err != nil {
		return nil, usageError(fmt.Errorf("--ignore: %w", err))
	}
	return names, nil
}

// count returns how many checks have ended in one way.
func count(results []preflight.Result, status preflight.Status) (n int) {
	for _, r := range results {
		if r.Status == status {
			n++
		}
	}
	return n
}

var resultPrinters = map[string]func(io.Writer, []preflight.Result) error{
	"table": printResults,
	"json": func(w io.Writer, results []preflight.Result) error {
		type result struct {
			Check  string           `json:"check"`
			Status preflight.Status `json:"status"`
			Found  string           `json:"found"`
			Remedy string           `json:"remedy,omitempty"`
			Field  string           `json:"field,omitempty"`
		}
		all := []result{}
		for _, r := range results {
			all = append(all, result(r))
		}
		return json.NewEncoder(w).Encode(all)
	},
}

// printResults prints a line for each check, the remedy below it, and a summary.
func printResults(w io.Writer, results []preflight.Result) error {
	for _, r := range results {
		if _, err := fmt.Fprintf(w, "%-6s %s: %s\n", "["+r.Status+"]", r.Check, r.Found); err != nil {
			return err
		}
		if r.Remedy == "" {
			continue
		}
		if _, err := fmt.Fprintf(w, "       %s\n", r.Remedy); err != nil {
			return err
		}
	}
	verdict := "The configuration fits this host"
	if count(results, preflight.Fail) > 0 {
		verdict = "The configuration does not fit this host"
	}
	_, err := fmt.Fprintf(w, "%s: %d OK, %d warnings, %d failures.\n", verdict,
		count(results, preflight.OK), count(results, preflight.Warn), count(results, preflight.Fail))
	return err
}
