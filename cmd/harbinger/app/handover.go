// SPDX-License-Identifier: Apache-2.0

package app

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/url"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	statusv1alpha1 "github.com/harbinger-ha/harbinger/pkg/apis/status/v1alpha1"
	"github.com/harbinger-ha/harbinger/pkg/command"
)

// handoverTime bounds a planned move: a named node reads its invitation within seconds, and the invitation is good for ten.
const handoverTime = 15 * time.Second

// handoverPoll is how often the sidecar is asked whether the move is done.
const handoverPoll = 100 * time.Millisecond

const handoverLong = `Move the virtual addresses from this node, which holds them, to another one. Connections through them end once and are opened again at the
new holder; new ones are answered all the time. This node does not take the addresses back for 5 minutes, unless the other nodes fail.

Only root may ask for it. With --to it needs the credentials for the Lease, by which the named node is invited.`

const handoverExample = `  # to whichever node is first, for instance before a reboot
  harbinger handover

  # to a certain node
  harbinger handover --to n2`

func newHandoverCommand(s streams) *cobra.Command {
	o := statusOptions{}
	var to string
	cmd := &cobra.Command{
		Use:     "handover",
		Short:   "Move the virtual addresses from this node to another without an outage, for instance before a reboot",
		Long:    handoverLong,
		Example: handoverExample,
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			took, err := o.handover(cmd.Context(), s, to)
			if err == nil {
				fmt.Fprintf(s.err, "Handed over in %s. This node does not take the addresses back for 5 minutes, unless the other nodes fail.\n", took.Round(time.Millisecond))
			}
			return err
		},
	}
	flags := cmd.Flags()
	flags.StringVar(&to, "to", "", "name of the node that takes over; needs the credentials for the Lease (default: whichever node is first)")
	o.addAddress(cmd)
	complete(cmd, func(cmd *cobra.Command, _ []string, _ string) (names []string, _ cobra.ShellCompDirective) {
		if status, err := o.ask(cmd.Context()); err == nil {
			names = targetsOf(status)
		}
		return names, cobra.ShellCompDirectiveNoFileComp
	}, "to")
	return cmd
}

// handover asks for the move and waits until this node no longer holds the addresses.
func (o statusOptions) handover(ctx context.Context, s streams, to string) (took time.Duration, err error) {
	status, err := o.ask(ctx)
	if err != nil {
		return 0, err
	}
	outlook, err := target(status, to)
	if err != nil {
		return 0, usageError(err)
	}
	if status.VirtualRouter.Held {
		fmt.Fprintln(s.err, outlook)
	}
	start := time.Now()
	delay, err := command.RequestHandover(ctx, cmp.Or(status.StartedOn, status.Interface), status.VirtualRouter.VRID, to)
	if _, unheard := errors.AsType[*url.Error](err); unheard && os.Geteuid() != 0 {
		return 0, fmt.Errorf("only root may move the virtual addresses: %s (%w)", sudo(s.args), err)
	}
	if err != nil {
		return 0, err
	}
	ctx, cancel := context.WithTimeout(ctx, delay+handoverTime)
	defer cancel()
	for {
		if status, err = o.ask(ctx); err == nil && !status.VirtualRouter.Held {
			return time.Since(start), nil
		}
		select {
		case <-ctx.Done():
			return 0, fmt.Errorf("no node took over within %s, and this node still holds the virtual addresses: run harbinger status on the other nodes to see why they are not ready", delay+handoverTime)
		case <-time.After(handoverPoll):
		}
	}
}

// targetsOf returns the names of the nodes that can take over, as far as they have said who they are.
func targetsOf(status *statusv1alpha1.HarbingerStatus) (names []string) {
	for _, h := range status.Hosts {
		if h.Node != "" && !h.Self && h.Node != status.Node {
			names = append(names, h.Node)
		}
	}
	slices.Sort(names)
	return names
}

// target says who will take over, or why the node named cannot.
func target(status *statusv1alpha1.HarbingerStatus, to string) (outlook string, err error) {
	names := targetsOf(status)
	others := "the names of the other nodes are not known"
	if len(names) > 0 {
		others = "use " + oneOf(names)
	}
	switch {
	case to == "":
		return expected(status), nil
	case to == status.Node && status.VirtualRouter.Held:
		return "", fmt.Errorf("--to %s: it is this node, which holds the virtual addresses already: %s", to, others)
	case to == status.Node:
		return "", fmt.Errorf("--to %s: it is this node: run the command on the holder", to)
	case slices.Contains(names, to):
		h := status.Hosts[slices.IndexFunc(status.Hosts, func(h statusv1alpha1.HostSummary) bool { return h.Node == to })]
		return fmt.Sprintf("Handing over to %s (%s)%s.", to, h.Address, doubts(h)), nil
	case len(names) == 0:
		return fmt.Sprintf("Handing over to %s: %s, so it is not known whether that is one.", to, others), nil
	}
	if silent := unnamed(status); len(silent) > 0 {
		return fmt.Sprintf("Handing over to %s: no node has said that this is its name, but %s has not said its own. The others are %s.",
			to, strings.Join(silent, ", "), strings.Join(names, ", ")), nil
	}
	return "", fmt.Errorf("--to %s: no node of this cluster has that name: %s", to, others)
}

// unnamed returns the addresses of the other hosts that have not said who they are.
func unnamed(status *statusv1alpha1.HarbingerStatus) (addresses []string) {
	for _, h := range status.Hosts {
		if h.Node == "" && !h.Self {
			addresses = append(addresses, h.Address)
		}
	}
	return addresses
}

// doubts are what speaks against a host as the next holder.
func doubts(h statusv1alpha1.HostSummary) string {
	switch {
	case h.Failure != "":
		return ", which does not answer now: " + h.Failure
	case !h.Ready:
		return ", which says that it is not ready"
	}
	return ""
}

// expected says which host is the first to take over: of those that are ready the one of the highest priority.
func expected(status *statusv1alpha1.HarbingerStatus) string {
	var ready []statusv1alpha1.HostSummary
	for _, h := range status.Hosts {
		if !h.Self && h.Ready && h.Failure == "" {
			ready = append(ready, h)
		}
	}
	switch {
	case len(status.Hosts) == 0:
		return "Handing over. Which node takes over is not known: the others have not been asked who they are."
	case len(ready) == 0:
		return "Handing over. No other node says that it is ready: this one keeps the virtual addresses if none takes them."
	}
	first := slices.MaxFunc(ready, func(a, b statusv1alpha1.HostSummary) int { return cmp.Compare(a.Priority, b.Priority) })
	equals := slices.DeleteFunc(ready, func(h statusv1alpha1.HostSummary) bool { return h.Priority != first.Priority })
	var names []string
	for _, h := range equals {
		names = append(names, cmp.Or(h.Node, h.Address))
	}
	return fmt.Sprintf("Handing over. %s will probably take over (priority %d).", oneOf(names), first.Priority)
}
