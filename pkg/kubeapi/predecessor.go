// SPDX-License-Identifier: Apache-2.0

package kubeapi

import (
	"context"
	"errors"
	"fmt"
	"math"
	"strings"
	"time"

	coordinationv1 "k8s.io/api/coordination/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/harbinger-ha/harbinger/pkg/election"
)

// longestPredecessor bounds the duration that is believed of another program's Lease.
const longestPredecessor = time.Hour

// ReadPredecessor reads the Lease of the predecessor for the election: see election.ReadPredecessor.
func (c *Client) ReadPredecessor(ctx context.Context) election.PredecessorDone {
	object, err := c.readPredecessor(ctx)
	switch {
	case err != nil:
		return election.PredecessorDone{Outcome: election.Unanswered, Detail: err.Error()}
	case object == nil:
		return election.PredecessorDone{}
	}
	return election.PredecessorDone{Lease: fromPredecessor(object)}
}

// TakePredecessor stores a holder in the Lease of the predecessor: see election.TakePredecessor. It writes what a candidate of
// client-go's leader election writes, which kube-vip uses.
func (c *Client) TakePredecessor(ctx context.Context, l election.PredecessorLease) election.PredecessorDone {
	written, err := c.writePredecessor(ctx, l)
	switch {
	case errors.Is(err, ErrRefused):
		return election.PredecessorDone{Outcome: election.Refused, Detail: err.Error()}
	case err != nil:
		return election.PredecessorDone{Outcome: election.Unanswered, Detail: err.Error()}
	}
	return election.PredecessorDone{Lease: fromPredecessor(written)}
}

// predecessorName takes the name of the Lease of the predecessor apart.
func predecessorName(lease string) leaseName {
	namespace, name, _ := strings.Cut(lease, "/")
	return leaseName{namespace, name}
}

// readPredecessor returns the stored object, nil if there is none.
func (c *Client) readPredecessor(ctx context.Context) (*coordinationv1.Lease, error) {
	backends, err := c.backends()
	if err != nil {
		return nil, err
	}
	object, err := c.getLease(ctx, backends, predecessorName(c.opts.Predecessor))
	if object != nil {
		c.rememberPredecessor(object)
	}
	return object, err
}

// writePredecessor writes over the version that was read last, and no other. Where one of two apiservers refuses, the other may
// have written: the next read shows it.
func (c *Client) writePredecessor(ctx context.Context, l election.PredecessorLease) (*coordinationv1.Lease, error) {
	c.mu.Lock()
	stored := c.predecessor
	c.mu.Unlock()
	if stored == nil || stored.ResourceVersion != l.Version {
		return nil, fmt.Errorf("%w: it was not read", ErrRefused)
	}
	backends, err := c.backends()
	if err != nil {
		return nil, err
	}
	lease := predecessorName(c.opts.Predecessor)
	written, _, err := c.putLease(ctx, backends, lease, toPredecessor(stored, l, c.opts.Now()))
	switch {
	case err == nil:
		c.rememberPredecessor(written)
		return written, nil
	case isRefusal(err, lease.name):
		return nil, fmt.Errorf("%w: %s", ErrRefused, short(err))
	}
	return nil, err
}

func (c *Client) rememberPredecessor(o *coordinationv1.Lease) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.predecessor = o
}

func fromPredecessor(o *coordinationv1.Lease) election.PredecessorLease {
	return election.PredecessorLease{
		Version: o.ResourceVersion, Holder: value(o.Spec.HolderIdentity),
		Duration: min(time.Duration(value(o.Spec.LeaseDurationSeconds))*time.Second, longestPredecessor),
	}
}

// toPredecessor returns the object that stores a holder at a time. What else is in it stays.
func toPredecessor(stored *coordinationv1.Lease, l election.PredecessorLease, now time.Time) *coordinationv1.Lease {
	o := stored.DeepCopy()
	o.ManagedFields = nil // the apiserver keeps them
	renewed := metav1.NewMicroTime(now.Truncate(time.Microsecond))
	if value(stored.Spec.HolderIdentity) != l.Holder {
		o.Spec.AcquireTime = &renewed
		o.Spec.LeaseTransitions = new(int32(min(int64(value(stored.Spec.LeaseTransitions))+1, math.MaxInt32)))
	}
	o.Spec.HolderIdentity, o.Spec.RenewTime = &l.Holder, &renewed
	o.Spec.LeaseDurationSeconds = new(int32(l.Duration / time.Second))
	return o
}
