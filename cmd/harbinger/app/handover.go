// SPDX-License-Identifier: Apache-2.0

package app

import (
	"cmp"
	"context"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/harbinger-ha/harbinger/pkg/command"
)

// handoverTime bounds a planned move: a named node reads its invitation within seconds, and the invitation is good for ten.
const handoverTime = 15 * time.Second

// handoverPoll is how often the sidecar is asked whether the move is done.
const handoverPoll = 100 * time.Millisecond

func newHandoverCommand(s streams) *cobra.Command {
	o := statusOptions{}
	var to string
	cmd := &cobra.Command{
		Use:   "handover",
		Short: "Move the virtual addresses from this node to another without an outage, for instance before a reboot",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			took, err := o.handover(cmd.Context(), to)
			if err == nil {
				fmt.Fprintf(s.err, "Handed over in %s. This node does not take the addresses back for 5 minutes, unless the other nodes fail.\n", took.Round(time.Millisecond))
			}
			return err
		},
	}
	flags := cmd.Flags()
	flags.StringVar(&to, "to", "", "name of the node that takes over; needs the credentials for the Lease (default: whichever node is first)")
	flags.StringVar(&o.address, "address", defaultStatusAddress, "address at which the sidecar of this host serves its status (status.bindAddress)")
	return cmd
}

// handover asks for the move and waits until this node no longer holds the addresses.
func (o statusOptions) handover(ctx context.Context, to string) (took time.Duration, err error) {
	status, err := o.ask(ctx)
	if err != nil {
		return 0, err
	}
	start := time.Now()
	delay, err := command.RequestHandover(ctx, cmp.Or(status.StartedOn, status.Interface), status.VirtualRouter.VRID, to)
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
