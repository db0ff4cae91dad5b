// SPDX-License-Identifier: Apache-2.0

package sidecar

import (
	"cmp"
	"net/netip"
	"slices"
	"sync"
	"time"

	"github.com/harbinger-ha/harbinger/pkg/apis/status/v1alpha1"
	"github.com/harbinger-ha/harbinger/pkg/control"
	"github.com/harbinger-ha/harbinger/pkg/logging"
	"github.com/harbinger-ha/harbinger/pkg/report"
)

// reception is what the sockets of the advertisements notice of filters. The interface is watched only while advertisements may
// be missed.
type reception struct {
	mu      sync.Mutex
	sockets []advertisementSocket
	noticed report.Reception // at the last look
	since   time.Time        // since when the interface is watched; zero: it is not
}

// hears sets the sockets that are in use now.
func (r *reception) hears(sockets []advertisementSocket) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.sockets, r.since = slices.Clone(sockets), time.Time{}
}

// intervalsWatched is for how many advertisement intervals the interface is watched before nothing is expected to reach it.
const intervalsWatched = 3

// look asks the sockets. Known are the addresses of the nodes.
func (r *reception) look(now time.Time, loop control.Status, known []netip.Addr) {
	r.mu.Lock()
	defer r.mu.Unlock()
	closely := report.Suspicious(loop.Election)
	switch {
	case !closely:
		r.since = time.Time{}
	case r.since.IsZero():
		r.since = now
	}
	r.noticed = report.Reception{Watched: closely && now.Sub(r.since) > intervalsWatched*loop.Election.AdvertisementInterval+lookEvery}
	for _, s := range r.sockets {
		seen := s.conn.Look(closely)
		r.noticed.Undelivered = append(r.noticed.Undelivered, seen.Undelivered...)
		r.noticed.Unsent = append(r.noticed.Unsent, seen.Unsent...)
		if seen.Blind != nil {
			r.noticed.Blind = cmp.Or(r.noticed.Blind, seen.Blind.Error())
		}
	}
	r.noticed.Undelivered = report.Few(r.noticed.Undelivered, known)
}

// last returns what was noticed at the last look.
func (r *reception) last() report.Reception {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.noticed
}

// reportFilters logs what is filtered now and was not before, and what is open again. Events have the first.
func (r *reporter) reportFilters(before, now []v1alpha1.Filter) {
	for _, f := range now {
		if has(before, f) || !r.filterLines.Admit(time.Now()) {
			continue
		}
		logging.Warn(r.log, logging.MsgFiltered, logging.KeyProtocol, f.Protocol, logging.KeyPeer, f.Peer, logging.KeyDirection, f.Direction, logging.KeyReason, f.Message, logging.KeyRemedy, f.Remedy)
		if r.api != nil {
			r.api.Event(v1alpha1.ConditionFiltered, report.Advice(f), true)
		}
	}
	for _, f := range before {
		if !has(now, f) && r.filterLines.Admit(time.Now()) {
			r.log.Info(logging.MsgNotFiltered, logging.KeyProtocol, f.Protocol, logging.KeyPeer, f.Peer, logging.KeyDirection, f.Direction)
		}
	}
}

func has(all []v1alpha1.Filter, f v1alpha1.Filter) bool {
	return slices.ContainsFunc(all, func(x v1alpha1.Filter) bool {
		return x.Protocol == f.Protocol && x.Peer == f.Peer && x.Direction == f.Direction
	})
}
