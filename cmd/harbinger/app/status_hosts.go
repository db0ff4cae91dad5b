// SPDX-License-Identifier: Apache-2.0

package app

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"slices"
	"sync"
	"time"

	statusv1alpha1 "github.com/harbinger-ha/harbinger/pkg/apis/status/v1alpha1"
	"github.com/harbinger-ha/harbinger/pkg/fault"
	"github.com/harbinger-ha/harbinger/pkg/probe"
	"github.com/harbinger-ha/harbinger/pkg/report"
	"github.com/harbinger-ha/harbinger/pkg/view/terminal"
)

// lookAtAll asks each host that this one knows, all at the same time, who it is and how it is.
func lookAtAll(ctx context.Context, status *statusv1alpha1.HarbingerStatus) (seen, error) {
	if len(status.Hosts) == 0 {
		return seen{}, errors.New("this host knows of no host yet, not even itself: ask again in some seconds; a sidecar of an older version never does")
	}
	hosts := slices.Clone(status.Hosts)
	var asking sync.WaitGroup
	for i := range hosts {
		if !hosts[i].Self { // the status is as fresh
			asking.Go(func() { askHost(ctx, &hosts[i]) })
		}
	}
	asking.Wait()
	ready := !slices.ContainsFunc(hosts, func(h statusv1alpha1.HostSummary) bool { return !h.Ready || h.Failure != "" })
	return seen{hosts, func(options terminal.Options) string { return terminal.Hosts(hosts, options) }, ready}, nil
}

// askHost asks a host. One that does not answer keeps what is known of it, with the reason.
func askHost(ctx context.Context, h *statusv1alpha1.HostSummary) {
	ctx, cancel := context.WithTimeout(ctx, statusTimeout)
	defer cancel()
	id, err := readIdentity(ctx, h.Identity)
	if err != nil {
		h.Failure = fault.Of(h.Identity, err)
		return
	}
	at, err := netip.ParseAddrPort(h.Identity)
	if err != nil {
		h.Failure = fault.Of(h.Identity, err)
		return
	}
	*h = report.HostOf(report.Peer{Address: at.Addr(), Asked: true, Said: id, Answered: time.Now()}, at.Port())
}

// readIdentity reads the line of a host.
func readIdentity(ctx context.Context, address string) (probe.Identity, error) {
	var dialer net.Dialer
	conn, err := dialer.DialContext(ctx, "tcp", address)
	if err != nil {
		return probe.Identity{}, err
	}
	defer conn.Close()
	defer context.AfterFunc(ctx, func() { conn.Close() })()
	return probe.ReadIdentity(conn)
}
