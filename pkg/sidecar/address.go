// SPDX-License-Identifier: Apache-2.0

package sidecar

import (
	"context"
	"fmt"
	"time"

	"github.com/go-logr/logr"

	"github.com/harbinger-ha/harbinger/pkg/address"
	"github.com/harbinger-ha/harbinger/pkg/announce"
	"github.com/harbinger-ha/harbinger/pkg/apis/config"
	"github.com/harbinger-ha/harbinger/pkg/control"
	"github.com/harbinger-ha/harbinger/pkg/election"
	"github.com/harbinger-ha/harbinger/pkg/guard"
	"github.com/harbinger-ha/harbinger/pkg/logging"
)

// linkRetry is how often a missing interface is looked for again: at boot the network may come after the kubelet.
const linkRetry = time.Second

// findLink waits for the interface of the virtual addresses.
func findLink(ctx context.Context, log logr.Logger, cfg *config.HarbingerConfiguration) (address.Link, error) {
	for last := ""; ; {
		links, err := address.Links()
		if err == nil {
			var link address.Link
			if link, err = address.Find(links, cfg.Interface, cfg.VirtualAddresses); err == nil {
				return link, nil
			}
		}
		if err.Error() != last {
			last = err.Error()
			log.Info(logging.MsgInterfaceMissing, logging.KeyReason, last)
		}
		select {
		case <-ctx.Done():
			return address.Link{}, ctx.Err()
		case <-time.After(linkRetry):
		}
	}
}

// openAddresses prepares the virtual addresses, of which a process before this one may have left some, and their
// announcement.
func (s *sidecar) openAddresses() error {
	var err error
	s.addresses, err = address.New(address.Config{
		Link: s.link, Addresses: s.cfg.VirtualAddresses, Lifetime: election.Lifetime(s.cfg.Election.VRRP.AdvertisementInterval), Now: control.Boottime(),
	})
	if err != nil {
		return err
	}
	s.atEnd(func() error { s.addresses.Close(); return nil })
	if err := s.addresses.Release(); err != nil {
		return fmt.Errorf("remove leftover virtual addresses: %w", err)
	}
	announcer, err := announce.New(announce.Link{Name: s.link.Name, Index: s.link.Index, MAC: s.link.MAC})
	if err != nil {
		return err
	}
	s.atEnd(announcer.Close)
	s.neighbours = &neighbours{log: s.Log, metrics: s.metrics, members: s.members, announcer: announcer}
	return nil
}

// watchAddresses turns what happens to the link and the virtual addresses into events.
func (s *sidecar) watchAddresses(ctx context.Context) error {
	events := make(chan address.Event)
	g, ctx := guard.WithContext(ctx)
	g.Go(func() error {
		defer close(events)
		return s.addresses.Watch(ctx, events)
	})
	g.Go(func() error {
		for ev := range events {
			s.loop.Notify(ctx, translate(ev))
		}
		return nil
	})
	if err := g.Wait(); err != nil {
		return fmt.Errorf("watch %s: %w", s.link.Name, err)
	}
	return nil
}

func translate(ev address.Event) election.Event {
	switch ev.Kind {
	case address.LinkUp:
		return election.LinkChanged{Up: true}
	case address.AddressRemoved:
		return election.AddressLost{}
	default: // down, or without the node's own address
		return election.LinkChanged{Up: false}
	}
}
