// SPDX-License-Identifier: Apache-2.0

package app

import (
	"context"
	"errors"
	"fmt"
	"os"

	"github.com/spf13/cobra"

	"github.com/harbinger-ha/harbinger/pkg/apis/config"
	"github.com/harbinger-ha/harbinger/pkg/apis/config/scheme"
	"github.com/harbinger-ha/harbinger/pkg/logging"
	"github.com/harbinger-ha/harbinger/pkg/scheduling"
	"github.com/harbinger-ha/harbinger/pkg/sidecar"
)

func newRunCommand(s streams) *cobra.Command {
	var file string
	cmd := &cobra.Command{
		Use:   "run",
		Short: "Run the sidecar: election, virtual addresses and balancer (the command of the pod)",
		Long: `Run the sidecar of this host: election, virtual addresses and balancer. It is the command of the pod that harbinger manifest writes; by
hand it is of use to try a configuration.

It needs the capabilities CAP_NET_ADMIN, CAP_NET_RAW and CAP_SYS_NICE, CAP_BPF where it steers by BPF, and CAP_NET_BIND_SERVICE for ports
below 1024. CAP_SETUID, CAP_SETGID, CAP_SETPCAP and CAP_KILL let it run the balancer as user 65532 without any. It ends with SIGTERM, after it has handed the virtual addresses over.`,
		Example: `  # with the configuration in the variable HARBINGER_CONFIG, as in the pod
  harbinger run

  # with a file, which is followed when it changes
  harbinger run --config /etc/kubernetes/harbinger/config.yaml`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return run(cmd.Context(), s, file)
		},
	}
	cmd.Flags().StringVar(&file, "config", "", "configuration file, which is followed when it changes (default: the variable "+config.Variable+")")
	complete(cmd, yamlFile, "config")
	return cmd
}

func run(ctx context.Context, s streams, file string) error {
	cfg, err := runConfiguration(file)
	if err != nil {
		return usageError(err)
	}
	executable, err := os.Executable()
	if err != nil {
		return fmt.Errorf("find the executable of this process: %w", err)
	}
	node, err := nodeName()
	if err != nil {
		return err
	}
	scheduling.Economize(cfg.Election.VRRP.AdvertisementInterval)
	return sidecar.Run(ctx, cfg, sidecar.Options{
		Log:  logging.New(s.err, cfg.Logging.Format, cfg.Logging.Verbosity),
		Node: node,
		File: file,
		Balancer: []string{executable, balancerCommand,
			"--log-format", string(cfg.Logging.Format), "--log-verbosity", fmt.Sprint(cfg.Logging.Verbosity)},
	})
}

func runConfiguration(file string) (*config.HarbingerConfiguration, error) {
	if file != "" {
		raw, err := os.ReadFile(file)
		if err != nil {
			return nil, fmt.Errorf("--config: %w", err)
		}
		return scheme.Decode(raw)
	}
	raw := os.Getenv(config.Variable)
	if raw == "" {
		return nil, errors.New("there is no configuration: use --config FILE, or set the variable " + config.Variable + " as harbinger manifest does")
	}
	return scheme.Decode([]byte(raw))
}

func nodeName() (string, error) {
	if name := os.Getenv(config.NodeNameVariable); name != "" {
		return name, nil
	}
	name, err := os.Hostname()
	if err != nil {
		return "", fmt.Errorf("find the name of this node: %w (set the variable %s to name it)", err, config.NodeNameVariable)
	}
	return name, nil
}

// balancerCommand is the command of the process that the keeper starts as its balancer. It does nothing useful by hand.
const balancerCommand = "balancer"

func newBalancerCommand(s streams) *cobra.Command {
	var format string
	var verbosity int
	cmd := &cobra.Command{
		Use:    balancerCommand,
		Short:  "Relay connections for the keeper that started this process",
		Hidden: true,
		Args:   cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			// A signal to the process group is the keeper's: it drains this process, or ends it.
			return sidecar.RunBalancer(context.WithoutCancel(cmd.Context()), logging.New(s.err, logging.Format(format), verbosity))
		},
	}
	addChoice(cmd, &format, "log-format", "", string(logging.FormatJSON), "form of the log lines: JSON or Text", words(logging.FormatJSON, logging.FormatText)...)
	cmd.Flags().IntVar(&verbosity, "log-verbosity", 0, "verbosity of the log")
	return cmd
}
