// SPDX-License-Identifier: Apache-2.0

package sidecar

import (
	"context"
	"fmt"
	"net/netip"
	"time"

	"github.com/go-logr/logr"

	"github.com/harbinger-ha/harbinger/pkg/address"
	"github.com/harbinger-ha/harbinger/pkg/announce"
	"github.com/harbinger-ha/harbinger/pkg/apis/config"
	"github.com/harbinger-ha/harbinger/pkg/control"
	"github.com/harbinger-ha/harbinger/pkg/election"
	"github.com/harbinger-ha/harbinger/pkg/logging"
	"github.com/harbinger-ha/harbinger/pkg/membership"
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
				missing := membership.View{Config: cfg, Link: link}.Missing()
				if missing == "" {
					return link, nil
				}
				err = fmt.Errorf("interface %s lacks %s", link.Name, missing)
			}
		}
		if err.Error() != last {
			last = err.Error()
			logging.Warn(log, logging.MsgInterfaceMissing, logging.KeyReason, last)
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
	var required []netip.Addr
	if source := s.cfg.Election.VRRP.SourceAddress; source.IsValid() {
		required = append(required, source)
	}
	s.addresses, err = address.New(address.Config{
		Spare: s.spares(), Link: s.link, Name: s.cfg.Interface, Required: required, Addresses: s.cfg.VirtualAddresses,
		Lifetime: election.Lifetime(s.cfg.Election.VRRP.AdvertisementInterval), Segment: func(links []string) { s.fenced.SetLinks(links) }, Now: control.Boottime(),
	})
	if err != nil {
		return err
	}
	s.atEnd(func() error { s.addresses.Close(); return nil })
	if err := s.openFence(); err != nil {
		return err
	}
	if err := address.Dismiss(); err != nil { // of a rehearsal; what stays does no harm
		s.metrics.Failed("rehearse")
		s.Log.Error(err, logging.MsgActionFailed, logging.KeyAction, "rehearse")
	}
	s.bound = boundTo(s.members.now())
	s.identities = newIdentities(s.bound.primaries)
	announcer, err := announce.New(s.bound.link)
	if err != nil {
		return err
	}
	s.atEnd(announcer.Close)
	s.neighbours = &neighbours{log: s.Log, metrics: s.metrics, members: s.members, announcer: announcer}
	return nil
}
