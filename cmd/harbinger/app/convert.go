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

const convertLong = `Convert the files of another program to a configuration of Harbinger: a keepalived.conf with or without a haproxy.cfg, or the
pod of kube-vip.

Of keepalived the command converts one vrrp_instance with what it tracks, of haproxy one frontend of mode tcp with its backend, of
kube-vip the pod (a static pod, a DaemonSet, what Cluster API makes of them) or a file with its variables. It reads what they
include, and asks no running program.

With -o report it says of each directive what becomes of it:
  taken      it is in the configuration
  built in   Harbinger does so without being asked
  dropped    it has no counterpart, and the outcome is the same or what is said
  wrong      the original program does something else than what is written
  REFUSED    leaving it out would change who is elected or who is served
What is dropped or wrong is a warning on stderr with -o config and -o manifest. If anything is refused, the command prints no
configuration and exits with 2.

From keepalived the mode is VRRP, so that you can migrate one host after the other: hosts with Harbinger and hosts with keepalived
elect one holder together. Check the result on a host with harbinger preflight --config FILE, and write the pod with
harbinger manifest --config FILE.`

// convertOptions are the flags of the command.
type convertOptions struct {
	keepalived, keepalivedID string
	haproxy                  []string
	frontend                 string
	excerpt                  bool
	kubeVIP                  string
	output, image            string
}

const convertExample = `  # what becomes of each directive
  harbinger convert -o report --keepalived /etc/keepalived/keepalived.conf \
    --haproxy /etc/haproxy/haproxy.cfg

  # the configuration
  harbinger convert --keepalived /etc/keepalived/keepalived.conf \
    --haproxy /etc/haproxy/haproxy.cfg > harbinger.yaml`

func newConvertCommand(s streams) *cobra.Command {
	var o convertOptions
	cmd := &cobra.Command{
		Use:     "convert",
		Short:   "Convert the files of keepalived and haproxy, or the pod of kube-vip, to a configuration",
		Long:    convertLong,
		Example: convertExample,
		Args:    cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			return o.run(s)
		},
	}
	flags := cmd.Flags()
	flags.SortFlags = false
	flags.StringVar(&o.keepalived, "keepalived", "", "keepalived.conf to read (- for stdin), with the files that it includes")
	flags.StringVar(&o.keepalivedID, "keepalived-id", "", "config id, -i of keepalived: lines that are for another one do not count")
	flags.StringArrayVar(&o.haproxy, "haproxy", nil, "haproxy.cfg to read (- for stdin), or a directory whose *.cfg are read, once for each as with -f of haproxy; its variables are those of this command's environment")
	flags.StringVar(&o.frontend, "frontend", "", "name of the frontend or listen to convert (default: the only one of mode tcp)")
	flags.BoolVar(&o.excerpt, "excerpt", false, "convert a haproxy.cfg that has ... for lines that an article leaves out")
	flags.StringVar(&o.kubeVIP, "kube-vip", "", "pod or DaemonSet of kube-vip, or a file with its variables, to read (- for stdin)")
	under(flags, "Files of the other program")
	addChoice(cmd, &o.output, "output", "o", "config", "config (a file for --config of the other commands), manifest (the pod) or report (what becomes of each directive)",
		"config", "manifest", "report")
	flags.StringVar(&o.image, "image", manifest.DefaultImage, "image of the pod, by tag or digest")
	under(flags, "Output")
	complete(cmd, confFile, "keepalived")
	complete(cmd, haproxyFile, "haproxy")
	complete(cmd, anyFile, "kube-vip")
	complete(cmd, freely, "keepalived-id")
	complete(cmd, o.frontends, "frontend")
	complete(cmd, examples(manifest.DefaultImage), "image")
	return cmd
}

// check finds what is wrong with the flags.
func (o *convertOptions) check() error {
	stdin := 0
	for _, name := range append([]string{o.keepalived, o.kubeVIP}, o.haproxy...) {
		if name == "-" {
			stdin++
		}
	}
	switch {
	case o.keepalived == "" && o.kubeVIP == "":
		return errors.New("--keepalived is required, or --kube-vip: name the keepalived.conf of a host or the pod of kube-vip, which has the virtual address")
	case o.keepalived != "" && o.kubeVIP != "":
		return errors.New("--keepalived and --kube-vip: name the one of them that holds the virtual address")
	case stdin > 1:
		return errors.New("--keepalived, --haproxy and --kube-vip: only one of them can be read from stdin")
	case o.keepalivedID != "" && o.keepalived == "":
		return errors.New("--keepalived-id: has no effect without --keepalived")
	case o.frontend != "" && len(o.haproxy) == 0:
		return errors.New("--frontend: has no effect without --haproxy")
	case o.excerpt && len(o.haproxy) == 0:
		return errors.New("--excerpt: has no effect without --haproxy")
	}
	return checkImage(o.image)
}

func (o *convertOptions) run(s streams) error {
	if err := o.check(); err != nil {
		return usageError(err)
	}
	var versioned v1alpha1.HarbingerConfiguration
	found, notes, err := o.convert(s, &versioned)
	if err != nil {
		return usageError(err)
	}
	err = found.Err()
	var cfg *config.HarbingerConfiguration
	if err == nil {
		if note := convert.Quicken(&versioned); note != "" {
			notes = append(notes, note)
		}
		cfg, err = scheme.Complete(&versioned)
	}
	if o.output == "report" {
		return errors.Join(o.report(s, found, notes, cfg, err), usageError(err))
	}
	for _, w := range found.Of(convert.Dropped, convert.Wrong) {
		fmt.Fprintln(s.err, "warning:", w)
	}
	for _, note := range notes {
		fmt.Fprintln(s.err, "warning:", note)
	}
	if err != nil {
		return usageError(err)
	}
	return o.print(s, cfg)
}

// reportWidth is how long a line of the report is.
const reportWidth = 100

// report prints what becomes of each directive, and what to do next.
func (o *convertOptions) report(s streams, found convert.Findings, notes []string, cfg *config.HarbingerConfiguration, err error) error {
	next := "There is no configuration: stderr names what is to be changed."
	if err == nil {
		next = "Write the configuration with -o config, and the pod with harbinger manifest --config FILE.\nA new cluster needs the port, without which kubeadm takes 6443:\n  " + kubeadmInit(cfg)
	}
	_, failed := fmt.Fprintf(s.out, "%s%s\n", found.Report(reportWidth, notes), next)
	return failed
}

// print prints the configuration or the pod.
func (o *convertOptions) print(s streams, cfg *config.HarbingerConfiguration) error {
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
