// SPDX-License-Identifier: Apache-2.0

package app

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/url"
	"os"

	statusv1alpha1 "github.com/harbinger-ha/harbinger/pkg/apis/status/v1alpha1"
	"github.com/harbinger-ha/harbinger/pkg/command"
	"github.com/harbinger-ha/harbinger/pkg/view/terminal"
)

// lookAtConnections asks the balancer of this host, by its keeper, for its connections.
func (o *statusOptions) lookAtConnections(ctx context.Context, status *statusv1alpha1.HarbingerStatus) (seen, error) {
	list, err := command.RequestConnections(ctx, cmp.Or(status.StartedOn, status.Interface), status.VirtualRouter.VRID)
	if _, unheard := errors.AsType[*url.Error](err); unheard && os.Geteuid() != 0 {
		return seen{}, fmt.Errorf("only root may see who is connected: %s (%w)", sudo(o.args), err)
	}
	if err != nil {
		return seen{}, err
	}
	return seen{list, func(options terminal.Options) string { return terminal.Connections(list, status, options) }, true}, nil
}
