// SPDX-License-Identifier: Apache-2.0

package inject

import (
	"errors"
	"fmt"
	"net/netip"
	"time"

	"github.com/harbinger-ha/harbinger/e2e/fault"
	"github.com/harbinger-ha/harbinger/e2e/lab/guest"
	"github.com/harbinger-ha/harbinger/e2e/trial"
	"github.com/harbinger-ha/harbinger/pkg/apis/status/v1alpha1"
	"github.com/harbinger-ha/harbinger/pkg/vrrp"
)

// A forgery is a packet, and how those who refuse it count it.
type forgery struct {
	name   string
	packet guest.Packet
	reason string // of vrrp.Reason
	// refusers are the nodes that hear it and must refuse it: none where it is a good packet that comes too late.
	refusers []*trial.Node
}

const (
	forgeTime     = 8 * time.Second
	forgeInterval = 100 * time.Millisecond
)

// forge sends forgeries for a time, and expects that nothing comes of them but that they are counted, and named in the status.
func (r *run) forge(craft func(r *run, f *guest.Forger, unknown netip.Addr) ([]forgery, error)) (fault.Sample, error) {
	host, err := r.UnknownHost()
	if err != nil {
		return fault.Sample{}, err
	}
	forger, err := guest.NewForger(host)
	if err != nil {
		return fault.Sample{}, err
	}
	defer forger.Close()
	forgeries, err := craft(r, forger, host.Address.Addr())
	if err != nil {
		return fault.Sample{}, err
	}
	state := func(status v1alpha1.HarbingerStatus) string {
		return fmt.Sprintf("%s since %s", status.VirtualRouter.State, status.VirtualRouter.Since)
	}
	var m fault.Sample
	if err := r.unchanged("states", state, func() error {
		m, err = r.measure(func() error { return send(forger, forgeries) })
		return err
	}); err != nil {
		return m, err
	}
	for _, f := range forgeries {
		r.expect(f.counted())
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

// counted returns an error unless each node that had to has refused the forgery at least half as often as it was sent, and
// names its source.
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

// claim is an advertisement that would win, if it were taken.
func (r *run) claim(addresses ...netip.Addr) vrrp.Advertisement {
	return vrrp.Advertisement{
		Version: vrrp.Version3, VRID: trial.VirtualRouterID, Priority: 254, Interval: r.Interval, Addresses: addresses,
	}
}

// multicastForgeries are of another cluster with the same virtual router ID, of a broken sender, and what somebody repeats
// of an earlier holder. The kernel of that one refuses them before Harbinger sees them: they come from itself.
func (r *run) multicastForgeries(f *guest.Forger, unknown netip.Addr) ([]forgery, error) {
	group := vrrp.GroupIPv4
	foreign, err := r.claim(unknown.Next()).AppendBinary(nil, unknown, group, vrrp.ChecksumPseudo)
	if err != nil {
		return nil, err
	}
	broken, err := r.claim(r.VirtualAddress()).AppendBinary(nil, unknown, group, vrrp.ChecksumPseudo)
	if err != nil {
		return nil, err
	}
	broken[len(broken)-1] ^= 0xff
	replay, err := r.hearEarlierHolder(f)
	if err != nil {
		return nil, err
	}
	return []forgery{
		{"another cluster", guest.Packet{Source: unknown, Destination: group, Payload: foreign}, vrrp.Reason(vrrp.ErrAddresses), r.Nodes},
		{"wrong checksum", guest.Packet{Source: unknown, Destination: group, Payload: broken}, vrrp.Reason(vrrp.ErrChecksum), r.Nodes},
		{name: "replay", packet: replay},
	}, nil
}

// hearEarlierHolder returns an advertisement of the holder, which then hands over.
func (r *run) hearEarlierHolder(f *guest.Forger) (guest.Packet, error) {
	advertisement, err := f.Hear(r.holder.Address.Addr(), 5*time.Second)
	if err != nil {
		return advertisement, err
	}
	if err := r.handOver(); err != nil {
		return advertisement, err
	}
	return advertisement, r.calm()
}

// unicastForgeries are advertisements of one that is no peer.
func (r *run) unicastForgeries(_ *guest.Forger, unknown netip.Addr) (all []forgery, err error) {
	for _, n := range r.Nodes {
		to := n.Address.Addr()
		payload, err := r.claim(r.VirtualAddress()).AppendBinary(nil, unknown, to, vrrp.ChecksumPseudo)
		if err != nil {
			return nil, err
		}
		packet := guest.Packet{Source: unknown, Destination: to, Payload: payload}
		all = append(all, forgery{"no peer", packet, vrrp.Reason(vrrp.ErrSource), []*trial.Node{n}})
	}
	return all, nil
}
