// SPDX-License-Identifier: Apache-2.0

//go:build linux

package fault

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"time"

	"github.com/harbinger-ha/harbinger/e2e/lab/guest"
	"github.com/harbinger-ha/harbinger/e2e/trial"
	"github.com/harbinger-ha/harbinger/pkg/vrrp"
)

// forgedRows are packets of those who are not of the virtual router.
func forgedRows() []Row {
	return []Row{
		{Name: "forged adverts, multicast", promise: served, do: func(s *stage) (sample, error) {
			return s.forge(s.multicastForgeries)
		}},
		{Name: "forged adverts, unicast", kind: kind{unicast: true}, promise: served, do: func(s *stage) (sample, error) {
			return s.forge(s.unicastForgeries)
		}},
	}
}

// A forgery is a packet, and how those who refuse it count it.
type forgery struct {
	name   string
	packet guest.Packet
	reason string // of vrrp.Reason
	// refusers are the nodes that hear it and must refuse it: none where it is
	// a good packet that comes too late.
	refusers []*trial.Node
}

const (
	forgeTime     = 8 * time.Second
	forgeInterval = 100 * time.Millisecond
)

// forge sends forgeries for a time, and expects that nothing comes of them but
// that they are counted, and named in the status.
func (s *stage) forge(make func(f *guest.Forger, stranger netip.Addr) ([]forgery, error)) (sample, error) {
	host, err := s.Stranger()
	if err != nil {
		return sample{}, err
	}
	forger, err := guest.NewForger(host)
	if err != nil {
		return sample{}, err
	}
	defer forger.Close()
	forgeries, err := make(forger, host.Address.Addr())
	if err != nil {
		return sample{}, err
	}
	before, err := s.states()
	if err != nil {
		return sample{}, err
	}
	m, err := s.measure(func() error { return send(forger, forgeries) })
	if err != nil {
		return m, err
	}
	after, err := s.states()
	if err != nil {
		return m, err
	}
	if !slices.Equal(before, after) {
		s.expect(fmt.Errorf("states were %q and are %q", before, after))
	}
	for _, f := range forgeries {
		s.expect(f.counted())
	}
	return m, nil
}

func send(forger *guest.Forger, forgeries []forgery) error {
	for start := time.Now(); time.Since(start) < forgeTime; time.Sleep(forgeInterval) {
		for _, f := range forgeries {
			if err := forger.Send(f.packet); err != nil {
				return fmt.Errorf("send %s: %w", f.name, err)
			}
		}
	}
	return nil
}

// states returns state and last change of every node.
func (s *stage) states() (states []string, err error) {
	for _, n := range s.Nodes {
		status, err := n.Status()
		if err != nil {
			return nil, err
		}
		states = append(states, fmt.Sprintf("%s %s since %s", n.Name, status.VirtualRouter.State, status.VirtualRouter.Since))
	}
	return states, nil
}

// counted returns an error unless each node that had to has refused the forgery
// at least half as often as it was sent, and names its source.
func (f forgery) counted() error {
	var errs []error
	for _, n := range f.refusers {
		status, err := n.Status()
		if err != nil {
			return err
		}
		drop := status.VirtualRouter.Dropped[f.reason]
		if least := uint64(forgeTime / forgeInterval / 2); drop.Count < least || drop.From != f.packet.Source.String() {
			errs = append(errs, fmt.Errorf("%s: %s has refused %d for %q, last of %q; want at least %d of %s",
				f.name, n.Name, drop.Count, f.reason, drop.From, least, f.packet.Source))
		}
	}
	return errors.Join(errs...)
}

// claim is an advert that would win, if it were taken.
func (s *stage) claim(addresses ...netip.Addr) vrrp.Advertisement {
	return vrrp.Advertisement{
		Version: vrrp.Version3, VRID: trial.VirtualRouterID, Priority: 254, Interval: s.Interval, Addresses: addresses,
	}
}

// multicastForgeries are of another cluster with the same virtual router ID, of
// a broken sender, and what somebody repeats of an earlier holder. The kernel of
// that one refuses them before Harbinger sees them: they come from itself.
func (s *stage) multicastForgeries(f *guest.Forger, stranger netip.Addr) ([]forgery, error) {
	group := vrrp.GroupIPv4
	foreign, err := s.claim(stranger.Next()).AppendBinary(nil, stranger, group, vrrp.ChecksumPseudo)
	if err != nil {
		return nil, err
	}
	broken, err := s.claim(s.VirtualAddress()).AppendBinary(nil, stranger, group, vrrp.ChecksumPseudo)
	if err != nil {
		return nil, err
	}
	broken[len(broken)-1] ^= 0xff
	replay, err := s.hearEarlierHolder(f)
	if err != nil {
		return nil, err
	}
	return []forgery{
		{"another cluster", guest.Packet{Source: stranger, Destination: group, Payload: foreign}, vrrp.Reason(vrrp.ErrAddresses), s.Nodes},
		{"wrong checksum", guest.Packet{Source: stranger, Destination: group, Payload: broken}, vrrp.Reason(vrrp.ErrChecksum), s.Nodes},
		{name: "replay", packet: replay},
	}, nil
}

// hearEarlierHolder returns an advert of the holder, which then hands over.
func (s *stage) hearEarlierHolder(f *guest.Forger) (guest.Packet, error) {
	holder, err := s.Holder()
	if err != nil {
		return guest.Packet{}, err
	}
	advert, err := f.Hear(holder.Address.Addr(), 5*time.Second)
	if err != nil {
		return advert, err
	}
	if err := s.handOver(); err != nil {
		return advert, err
	}
	return advert, s.calm()
}

// unicastForgeries are adverts of one that is no peer.
func (s *stage) unicastForgeries(_ *guest.Forger, stranger netip.Addr) (all []forgery, err error) {
	for _, n := range s.Nodes {
		to := n.Address.Addr()
		payload, err := s.claim(s.VirtualAddress()).AppendBinary(nil, stranger, to, vrrp.ChecksumPseudo)
		if err != nil {
			return nil, err
		}
		packet := guest.Packet{Source: stranger, Destination: to, Payload: payload}
		all = append(all, forgery{"no peer", packet, vrrp.Reason(vrrp.ErrSource), []*trial.Node{n}})
	}
	return all, nil
}
