// SPDX-License-Identifier: Apache-2.0

package app

import (
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/harbinger-ha/harbinger/pkg/apis/config"
	"github.com/harbinger-ha/harbinger/pkg/apis/config/scheme"
	"github.com/harbinger-ha/harbinger/pkg/apis/config/v1alpha1"
	"github.com/harbinger-ha/harbinger/pkg/convert"
	"github.com/harbinger-ha/harbinger/pkg/manifest"
)

const convertLong = `Convert a keepalived.conf and a haproxy.cfg to a configuration of Harbinger.

The command converts one vrrp_instance and one frontend of mode tcp. It prints a warning on stderr for each line that has no
counterpart. If a line is unknown, or its loss would be noticed (access rules, routes, TLS), that is an error, and nothing is
printed on stdout.

The mode of the result is VRRP, so that you can migrate one host after the other: hosts with Harbinger and hosts with keepalived
elect one holder together. Check the result on a host with harbinger preflight --config FILE, and write the pod with
harbinger manifest --config FILE.`

// convertOptions are the flags of the command.
type convertOptions struct {
	keepalived, haproxy, output, image string
}

func newConvertCommand(s streams) *cobra.Command {
	var o convertOptions
	cmd := &cobra.Command{
		Use:   "convert",
		Short: "Convert a keepalived.conf and a haproxy.cfg to a configuration",
		Long:  convertLong,
		Args:  cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			return o.run(s)
		},
	}
	flags := cmd.Flags()
	flags.SortFlags = false
	flags.StringVar(&o.keepalived, "keepalived", "", "keepalived.conf to read (- for stdin)")
	flags.StringVar(&o.haproxy, "haproxy", "", "haproxy.cfg to read (- for stdin)")
	flags.StringVarP(&o.output, "output", "o", "config", "config (a file for --config of the other commands) or manifest (the pod)")
	flags.StringVar(&o.image, "image", manifest.DefaultImage, "image of the pod, by tag or digest")
	return cmd
}

func (o *convertOptions) run(s streams) error {
	switch {
	case o.output != "config" && o.output != "manifest":
		return usageError(fmt.Errorf("--output %q: use config or manifest", o.output))
	case o.keepalived == "":
		return usageError(errors.New("--keepalived is required: name the keepalived.conf of a host, which contains the virtual address"))
	case o.keepalived == "-" && o.haproxy == "-":
		return usageError(errors.New("--keepalived and --haproxy: only one of them can be read from stdin"))
	}
	var versioned v1alpha1.HarbingerConfiguration
	errs := []error{checkImage(o.image), carry(s, o.keepalived, &versioned, convert.Keepalived)}
	if o.haproxy != "" {
		errs = append(errs, carry(s, o.haproxy, &versioned, convert.HAProxy))
	}
	if err := errors.Join(errs...); err != nil {
		return usageError(err)
	}
	if warning := convert.Quicken(&versioned); warning != "" {
		fmt.Fprintln(s.err, "warning:", warning)
	}
	cfg, err := scheme.Complete(&versioned)
	if err != nil {
		return usageError(err)
	}
	render := func() ([]byte, error) { return scheme.EncodeMinimal(cfg) }
	if o.output == "manifest" {
		without, password := cfg.WithPasswordFile(config.PasswordFile)
		if cfg = without; password != "" {
			fmt.Fprintln(s.err, "warning: auth_pass is not in the manifest.", passwordNote)
		}
		render = func() ([]byte, error) { return manifest.Render(cfg, manifest.Options{Image: o.image}) }
	}
	document, err := render()
	if err != nil {
		return err
	}
	_, err = s.out.Write(document)
	return err
}

// carry puts a file into a configuration and prints its warnings.
func carry(s streams, name string, cfg *v1alpha1.HarbingerConfiguration,
	from func(string, []byte, *v1alpha1.HarbingerConfiguration) ([]convert.Warning, error)) error {
	raw, err := readFile(s, name)
	if err != nil {
		return err
	}
	warnings, err := from(name, raw, cfg)
	for _, w := range warnings {
		fmt.Fprintln(s.err, "warning:", w)
	}
	return err
}
