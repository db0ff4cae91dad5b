// SPDX-License-Identifier: Apache-2.0

package sidecar

import (
	"context"
	"fmt"
	"strconv"
	"time"

	"github.com/harbinger-ha/harbinger/pkg/address"
	"github.com/harbinger-ha/harbinger/pkg/control"
	"github.com/harbinger-ha/harbinger/pkg/election"
	"github.com/harbinger-ha/harbinger/pkg/fence"
	"github.com/harbinger-ha/harbinger/pkg/fenced"
)

// spares reports whether a predecessor may have the virtual addresses on this host. The election says when that is over.
func (s *sidecar) spares() bool { return s.cfg.Election.Lease.Predecessor != "" }

// openFence puts the virtual addresses behind the fence, and removes those that a process before this one has left. Its fence is closed
// until they are gone.
func (s *sidecar) openFence() error {
	links, err := address.Links()
	if err != nil {
		return err
	}
	table := fence.Prefix + strconv.Itoa(int(s.cfg.Election.VRRP.VirtualRouterID))
	s.fenced = fenced.New(fenced.Config{
		Log: s.Log, Kernel: s.addresses, Table: table, Timeout: s.fence, Lifetime: election.Lifetime(s.cfg.Election.VRRP.AdvertisementInterval), Spare: s.spares(), Now: control.Boottime(),
		Links: address.Segment(links, s.link.Index),
		Install: func(links []string) (fenced.Fence, error) {
			f, err := fence.New(fence.Config{Name: table, Addresses: s.members.now().VirtualAddresses(), Links: links, Timeout: s.fence, Now: control.Boottime()})
			if err != nil {
				return nil, err
			}
			return f, nil
		},
	})
	s.atEnd(s.fenced.Close)
	leftovers := s.fenced.Release
	if s.spares() {
		leftovers = s.fenced.ReleaseOwn
	}
	if err := leftovers(); err != nil {
		return fmt.Errorf("remove leftover virtual addresses: %w", err)
	}
	if s.spares() { // a killed process may have left its fence before what is the predecessor's now: it would end by itself after some seconds
		_ = fence.Remove(table)
	}
	return nil
}

// checkFence sees to the fence once a second.
func (s *sidecar) checkFence(ctx context.Context) error {
	ticker := time.NewTicker(lookEvery)
	defer ticker.Stop()
	for {
		select {
		case <-ticker.C:
			s.fenced.Check()
			if s.fenced.Asked() {
				s.loop.Notify(ctx, election.AddressAsked{})
			}
		case <-ctx.Done():
			return nil
		}
	}
}
