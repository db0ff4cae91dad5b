// SPDX-License-Identifier: Apache-2.0

package sidecar

import (
	"bytes"
	"errors"
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/harbinger-ha/harbinger/pkg/apis/config"
	"github.com/harbinger-ha/harbinger/pkg/apis/status/v1alpha1"
	"github.com/harbinger-ha/harbinger/pkg/hostfile"
	"github.com/harbinger-ha/harbinger/pkg/logging"
	"github.com/harbinger-ha/harbinger/pkg/membership"
	"github.com/harbinger-ha/harbinger/pkg/report"
	"github.com/harbinger-ha/harbinger/pkg/vrrp/keyed"
	"github.com/harbinger-ha/harbinger/pkg/vrrpconn"
)

// signing has the keys of signed advertisements, and what signs and checks with them for each virtual address, whichever sockets
// there are.
type signing struct {
	now   func() time.Time
	state stateFile

	mu      sync.Mutex
	vrrp    config.VRRP // that the keys are of
	keys    []keyed.Key
	pending []keyed.Key // that the files had at the last look
	all     map[netip.Addr]*vrrpconn.Signing
}

// readKeys returns the keys in the files of a configuration, and what is wrong with each file.
func readKeys(v config.VRRP) (keys []keyed.Key, faults map[string]error) {
	faults = map[string]error{}
	if !v.Signed() {
		return nil, faults
	}
	for _, of := range v.HMAC.Keys {
		content, err := hostfile.ReadPrivate(of.File)
		if err != nil {
			faults[of.File] = err
			continue
		}
		key, err := keyed.ParseKey(of.ID, content)
		if err != nil {
			faults[of.File] = err
		}
		keys = append(keys, key)
	}
	return keys, faults
}

// loadKeys returns the keys of a configuration, or everything that is wrong with them.
func loadKeys(v config.VRRP) ([]keyed.Key, error) {
	keys, faults := readKeys(v)
	var errs []error
	for i, of := range v.HMAC.Keys {
		if err := faults[of.File]; err != nil {
			errs = append(errs, fmt.Errorf("election.vrrp.authentication.hmac.keys[%d].file: %w", i, err))
		}
	}
	if len(errs) == 0 && v.Signed() {
		errs = append(errs, v.Keyed(keys).Validate())
	}
	return keys, errors.Join(errs...)
}

func sameKeys(a, b []keyed.Key) bool {
	return slices.EqualFunc(a, b, func(a, b keyed.Key) bool { return a.ID == b.ID && bytes.Equal(a.Secret, b.Secret) })
}

// use signs and checks with other keys, or in another mode, from now on. Where that is not possible everything stays as it is: what
// is wrong with new keys never leads to advertisements that are not signed.
func (g *signing) use(v config.VRRP, keys []keyed.Key) error {
	g.mu.Lock()
	defer g.mu.Unlock()
	cfg := v.Keyed(keys)
	if err := cfg.Validate(); v.Signed() && err != nil {
		return err
	}
	for _, s := range g.all {
		if err := s.Reconfigure(cfg); err != nil {
			return err
		}
	}
	g.vrrp, g.keys = v, keys
	return nil
}

// of returns what signs and checks the advertisements for a virtual address, nil where they are not signed.
func (g *signing) of(view membership.View, virtual netip.Addr) (*vrrpconn.Signing, error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if !g.vrrp.Signed() {
		return nil, nil
	}
	s := g.all[virtual]
	if s == nil {
		var err error
		if s, err = vrrpconn.NewSigning(g.vrrp.Keyed(g.keys), g.now, g.state.signal); err != nil {
			return nil, err
		}
		s.Restore(g.state.before[virtual])
		if g.all == nil {
			g.all = map[netip.Addr]*vrrpconn.Signing{}
		}
		g.all[virtual] = s
	}
	s.SetPeers(view.Peers(virtual), view.Senders(virtual))
	return s, nil
}

// states returns what the next process must know.
func (g *signing) states() map[netip.Addr]vrrpconn.SigningState {
	g.mu.Lock()
	defer g.mu.Unlock()
	states := map[netip.Addr]vrrpconn.SigningState{}
	for virtual, s := range g.all {
		states[virtual] = s.State()
	}
	return states
}

// look returns what was accepted from each peer, nil where advertisements are not signed.
func (g *signing) look() *report.Signing {
	g.mu.Lock()
	defer g.mu.Unlock()
	if len(g.all) == 0 {
		return nil
	}
	seen := &report.Signing{}
	for _, s := range g.all {
		seen.Heard = append(seen.Heard, s.Heard()...)
	}
	seen.Clock = g.vrrp.HMAC.AntiReplay == keyed.Time && clockUnsynchronised()
	return seen
}

// followKeys uses the keys that the files have now, where they differ from those in use and were found twice alike: a reader may come
// while a file is written. A file that cannot be used changes nothing.
func (s *sidecar) followKeys() {
	g := &s.signing
	g.mu.Lock()
	v, inUse, before := g.vrrp, g.keys, g.pending
	keys, faults := readKeys(v)
	g.pending = keys
	g.mu.Unlock()
	for _, of := range v.HMAC.Keys {
		s.files.used(of.File, faults[of.File])
	}
	if len(faults) > 0 || sameKeys(keys, inUse) || !sameKeys(keys, before) {
		return
	}
	if err := g.use(v, keys); err != nil {
		s.Log.Error(err, logging.MsgKeysNotChanged)
		return
	}
	s.keysChanged()
}

// changeKeys uses the keys of a new configuration.
func (s *sidecar) changeKeys(next config.VRRP, keys []keyed.Key) error {
	g := &s.signing
	g.mu.Lock()
	before, same := g.vrrp.HMAC, sameKeys(keys, g.keys)
	g.mu.Unlock()
	if err := g.use(next, keys); err != nil {
		return err
	}
	for _, of := range before.Keys { // what was wrong with a file that is no longer named is no fault
		if !slices.ContainsFunc(next.HMAC.Keys, func(k config.KeyFile) bool { return k.File == of.File }) {
			s.files.used(of.File, nil)
		}
	}
	h := next.HMAC
	if !same || h.ActiveKey != before.ActiveKey || h.Mode != before.Mode || h.AntiReplay != before.AntiReplay || h.TimeWindow != before.TimeWindow {
		s.keysChanged()
	}
	return nil
}

func (s *sidecar) keysChanged() {
	g := &s.signing
	g.mu.Lock()
	defer g.mu.Unlock()
	ids := make([]int, 0, len(g.keys)) // numbers, not bytes
	for _, k := range g.keys {
		ids = append(ids, int(k.ID))
	}
	s.Log.Info(logging.MsgKeysChanged, logging.KeyKeys, fmt.Sprint(ids), logging.KeyActiveKey, g.vrrp.HMAC.ActiveKey, logging.KeyMode, g.vrrp.HMAC.Mode)
}

// reportSigning logs what is wrong with signatures and clocks now and was not before. Events have the first refusal.
func (r *reporter) reportSigning(before, now v1alpha1.VirtualRouter) {
	for _, label := range slices.Sorted(maps.Keys(now.Dropped)) {
		d := now.Dropped[label]
		if last := before.Dropped[label].Last; !strings.HasPrefix(label, report.SignaturePrefix) || d.Last.Sub(last) < report.RefusedFor {
			continue
		}
		logging.Warn(r.log, logging.MsgSignatureRefused, logging.KeyReason, label, logging.KeyPeer, d.From)
		if r.api != nil {
			r.api.Event("SignatureRefused", fmt.Sprintf("an advertisement of %s was refused: %s", d.From, label), true)
		}
	}
	if now.Signing == nil {
		return
	}
	var known v1alpha1.Signing
	if before.Signing != nil {
		known = *before.Signing
	}
	if now.Signing.ClockUnsynchronised && !known.ClockUnsynchronised {
		logging.Warn(r.log, logging.MsgClockUnsynchronised)
	}
	for _, p := range now.Signing.Peers {
		if p.Skewed && !slices.ContainsFunc(known.Peers, func(x v1alpha1.SigningPeer) bool { return x.Address == p.Address && x.Skewed }) {
			logging.Warn(r.log, logging.MsgClockSkewed, logging.KeyPeer, p.Address, logging.KeySkew, p.Skew)
		}
	}
}
