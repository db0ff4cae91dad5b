// SPDX-License-Identifier: Apache-2.0

package app

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"net/url"
	"os"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	statusv1alpha1 "github.com/harbinger-ha/harbinger/pkg/apis/status/v1alpha1"
	"github.com/harbinger-ha/harbinger/pkg/balance"
	"github.com/harbinger-ha/harbinger/pkg/command"
	"github.com/harbinger-ha/harbinger/pkg/view"
	"github.com/harbinger-ha/harbinger/pkg/view/terminal"
)

const backendLong = `List the backends of the balancer of this host, and take one out of service or back, as "set server state" of haproxy does. Every host has a
balancer of its own: where the virtual address may move meanwhile, take the backend out on each host.

An order lasts until the pod of this host ends, or its backend is removed from the configuration or the cluster. Only root may give it.`

const backendExample = `  # which backends there are, and how they are
  harbinger backend

  # no new connections to an apiserver whose host is to be rebooted
  harbinger backend drain 192.168.238.131:6443

  # and back
  harbinger backend ready 192.168.238.131:6443`

// anOrder is one of the commands below harbinger backend.
type anOrder struct {
	name, short, long string
	state             balance.AdminState
	done              func(*statusv1alpha1.Backend) string // what is so now
}

var orders = []anOrder{
	{
		name: "drain", state: balance.Drain, short: "Give a backend no new connections; those that it has go on",
		long: "Give a backend no new connections. Those that it has go on, and it is checked as before.",
		done: func(b *statusv1alpha1.Backend) string {
			return "takes no new connections. It has " + view.Count(b.Connections, "connection", "connections") + "; harbinger backend shows how many are left."
		},
	},
	{
		name: "maintenance", state: balance.Maintenance, short: "Give a backend no connections, and close those that it has",
		long: "Give a backend no connections, and close those that it has, so that their clients connect again at once, to another one. It is not checked.",
		done: func(*statusv1alpha1.Backend) string {
			return "takes no connections and is not checked. Those that it had were closed."
		},
	},
	{
		name: "ready", state: balance.Ready, short: "Have a backend take connections again",
		long: "Have a backend take connections again, as its checks say. It starts slowly where loadBalancer.slowStart says so.",
		done: func(b *statusv1alpha1.Backend) string {
			if !b.Healthy {
				return "takes connections as soon as it is healthy. It is " + b.State + "."
			}
			return "takes connections."
		},
	},
}

func newBackendCommand(s streams) *cobra.Command {
	var o statusOptions
	cmd := &cobra.Command{
		Use:     "backend",
		Short:   "List the backends of the balancer, and take one out of service or back",
		Long:    backendLong,
		Example: backendExample,
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			status, err := o.ask(cmd.Context())
			if err != nil {
				return err
			}
			width, _ := size(s.out)
			_, err = io.WriteString(s.out, terminal.Backends(status, o.terminal(s.out, width)))
			return err
		},
	}
	addChoice(cmd, &o.color, "color", "", colorAuto, "auto (on a terminal, unless NO_COLOR is set), always or never", colorAuto, colorAlways, colorNever)
	o.addAddress(cmd)
	for _, order := range orders {
		cmd.AddCommand(newOrderCommand(s, order))
	}
	return cmd
}

func newOrderCommand(s streams, order anOrder) *cobra.Command {
	var o statusOptions
	var force bool
	cmd := &cobra.Command{
		Use:     order.name + " ADDRESS:PORT",
		Short:   order.short,
		Long:    order.long,
		Example: "  harbinger backend " + order.name + " 192.168.238.131:6443",
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) != 1 {
				return usageError(errors.New("name one backend by its address and port: harbinger backend lists them"))
			}
			return nil
		},
		ValidArgsFunction: func(cmd *cobra.Command, args []string, _ string) (addresses []string, _ cobra.ShellCompDirective) {
			if status, err := o.ask(cmd.Context()); err == nil && len(args) == 0 {
				addresses = addressesOf(status)
			}
			return addresses, cobra.ShellCompDirectiveNoFileComp
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			return o.order(cmd.Context(), s, order, args[0], force)
		},
	}
	o.addAddress(cmd)
	if !order.state.Takes() {
		cmd.Flags().BoolVar(&force, "force", false, "also where no other backend could take connections: clients are refused then")
	}
	return cmd
}

// order gives an order to the sidecar of this host.
func (o statusOptions) order(ctx context.Context, s streams, order anOrder, backend string, force bool) error {
	status, err := o.ask(ctx)
	if err != nil {
		return err
	}
	address, err := netip.ParseAddrPort(backend)
	if err != nil || backendOf(status, backend) == nil {
		return usageError(fmt.Errorf("%s: no backend of this host has that address and port. There are: %s", backend, strings.Join(addressesOf(status), ", ")))
	}
	from, err := command.RequestOrder(ctx, cmp.Or(status.StartedOn, status.Interface), status.VirtualRouter.VRID, address, order.state, force)
	if _, unheard := errors.AsType[*url.Error](err); unheard && os.Geteuid() != 0 {
		return fmt.Errorf("only root may give orders to the balancer: %s (%w)", sudo(s.args), err)
	}
	if err != nil {
		hint := ""
		if !force && !order.state.Takes() {
			hint = ". With --force it is done all the same"
		}
		return fmt.Errorf("%s: %w%s", backend, err, hint)
	}
	if from == order.state {
		fmt.Fprintf(s.out, "%s was in state %s already.\n", backend, from)
		return nil
	}
	if status, err = o.ask(ctx); err != nil {
		return err
	}
	if b := backendOf(status, backend); b != nil {
		fmt.Fprintf(s.out, "%s %s\n", backend, order.done(b))
	}
	return nil
}

// backendOf returns the backend of an address, or nil.
func backendOf(status *statusv1alpha1.HarbingerStatus, address string) *statusv1alpha1.Backend {
	all := status.Balancer.Backends
	if i := slices.IndexFunc(all, func(b statusv1alpha1.Backend) bool { return b.Address == address }); i >= 0 {
		return &all[i]
	}
	return nil
}

// addressesOf returns the addresses of the backends.
func addressesOf(status *statusv1alpha1.HarbingerStatus) (addresses []string) {
	for _, b := range status.Balancer.Backends {
		addresses = append(addresses, b.Address)
	}
	return addresses
}
