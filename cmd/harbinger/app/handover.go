// SPDX-License-Identifier: Apache-2.0

package app

import (
	"context"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/harbinger-ha/harbinger/pkg/command"
)

// handoverTime bounds a planned move: a named node reads its invitation within seconds, and keeps it for ten.
const handoverTime = 15 * time.Second

// handoverPoll is how often the sidecar is asked whether the move is done.
const handoverPoll = 100 * time.Millisecond

func newHandoverCommand(s streams) *cobra.Command {
	o := statusOptions{}
	var to string
	cmd := &cobra.Command{
		Use:   "handover",
		Short: "Move the virtual addresses from this node to another, without an outage (before a reboot, for instance)",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			took, err := o.handover(cmd.Context(), to)
			if err == nil {
				fmt.Fprintf(s.err, "handed over in %s; this node does not take the addresses back for 5 minutes unless the others fail\n", took.Round(time.Millisecond))
			}
			return err
		},
	}
	flags := cmd.Flags()
	flags.StringVar(&to, "to", "", "name of the node that takes over (default: whichever is the first)")
	flags.StringVar(&o.address, "address", defaultStatusAddress, "where the sidecar of this host serves its status (status.bindAddress)")
	return cmd
}

// handover asks for the move and waits until this node holds the addresses no more.
func (o statusOptions) handover(ctx context.Context, to string) (took time.Duration, err error) {
	status, err := o.ask(ctx)
	if err != nil {
		return 0, err
	}
	start := time.Now()
	if err := command.RequestHandover(ctx, status.Interface, status.VirtualRouter.VRID, to); err != nil {
		return 0, err
	}
	ctx, cancel := context.WithTimeout(ctx, handoverTime)
	defer cancel()
	for {
		if status, err = o.ask(ctx); err == nil && !status.VirtualRouter.Held {
			return time.Since(start), nil
		}
		select {
		case <-ctx.Done():
			return 0, fmt.Errorf("no node took over within %s: this node holds the virtual addresses still (is another one ready? harbinger status there tells)", handoverTime)
		case <-time.After(handoverPoll):
		}
	}
}
