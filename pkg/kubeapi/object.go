// SPDX-License-Identifier: Apache-2.0

package kubeapi

import (
	"maps"
	"math"
	"net/netip"
	"strconv"
	"time"

	coordinationv1 "k8s.io/api/coordination/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/harbinger-ha/harbinger/pkg/election"
)

// The annotations of the Lease.
const (
	annotationNode      = "harbinger.dev/node"
	annotationAddress   = "harbinger.dev/node-address"
	annotationKnown     = "harbinger.dev/known-address"
	annotationPriority  = "harbinger.dev/priority"
	annotationPreferred = "harbinger.dev/preferred"
	annotationProtocol  = "harbinger.dev/protocol"
)

// protocol is the meaning that this version gives to the fields of the Lease.
const protocol = "1"

// fromObject returns what the election reads of a Lease. What others have put there may be anything: what is no address or no
// priority counts as not given.
func fromObject(o *coordinationv1.Lease) election.Lease {
	l := election.Lease{
		Version:   o.ResourceVersion,
		Holder:    value(o.Spec.HolderIdentity),
		Epoch:     int(value(o.Spec.LeaseTransitions)),
		Node:      o.Annotations[annotationNode],
		Preferred: o.Annotations[annotationPreferred],
	}
	l.Address, _ = netip.ParseAddr(o.Annotations[annotationAddress])
	l.Known, _ = netip.ParseAddr(o.Annotations[annotationKnown])
	if priority, err := strconv.ParseUint(o.Annotations[annotationPriority], 10, 8); err == nil {
		l.Priority = uint8(priority)
	}
	return l
}

// toObject returns the object that stores a Lease at a time. stored is the version that it replaces, nil if there is none: what
// is not the election's, such as labels and the annotations of others, stays as it was there.
//
// With the version goes the UID: without it, an apiserver makes a new object of a write that comes after a deletion.
func (c *Client) toObject(stored *coordinationv1.Lease, l election.Lease, now time.Time) *coordinationv1.Lease {
	o := &coordinationv1.Lease{}
	if stored != nil {
		o = stored.DeepCopy()
	}
	o.Namespace, o.Name, o.ResourceVersion = c.opts.Namespace, c.opts.Name, l.Version
	o.ManagedFields = nil // the apiserver keeps them
	o.Annotations = annotate(o.Annotations, map[string]string{
		annotationNode:      l.Node,
		annotationAddress:   addressText(l.Address),
		annotationKnown:     addressText(l.Known),
		annotationPriority:  priorityText(l.Priority),
		annotationPreferred: l.Preferred,
		annotationProtocol:  protocol,
	})
	renewed := metav1.NewMicroTime(now.Truncate(time.Microsecond))
	same := stored != nil && value(stored.Spec.HolderIdentity) == l.Holder && int(value(stored.Spec.LeaseTransitions)) == l.Epoch
	if l.Holder != "" && (!same || o.Spec.AcquireTime == nil) {
		o.Spec.AcquireTime = &renewed
	}
	o.Spec.HolderIdentity = optional(l.Holder)
	o.Spec.LeaseTransitions = new(int32(min(max(l.Epoch, 0), math.MaxInt32)))
	o.Spec.LeaseDurationSeconds = new(int32(max(c.opts.Duration/time.Second, 1)))
	o.Spec.RenewTime = &renewed
	return o
}

// annotate returns annotations with some replaced, and without those that are empty.
func annotate(annotations, replace map[string]string) map[string]string {
	out := maps.Clone(annotations)
	if out == nil {
		out = map[string]string{}
	}
	for key, value := range replace {
		out[key] = value
		if value == "" {
			delete(out, key)
		}
	}
	return out
}

// isWrite reports whether a stored object is the one that was written: the time to the microsecond, the holder and the epoch
// distinguish one write from all others.
func isWrite(stored, written *coordinationv1.Lease) bool {
	return stored.ResourceVersion != written.ResourceVersion && stored.Spec.RenewTime.Equal(written.Spec.RenewTime) &&
		fromObject(stored) == withVersion(fromObject(written), stored.ResourceVersion)
}

func withVersion(l election.Lease, version string) election.Lease {
	l.Version = version
	return l
}

func addressText(a netip.Addr) string {
	if !a.IsValid() {
		return ""
	}
	return a.String()
}

func priorityText(p uint8) string {
	if p == 0 {
		return ""
	}
	return strconv.Itoa(int(p))
}

func value[T any](p *T) (v T) {
	if p != nil {
		v = *p
	}
	return v
}

func optional(s string) *string {
	if s == "" {
		return nil
	}
	return &s
}
