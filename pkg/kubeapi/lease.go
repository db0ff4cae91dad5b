// SPDX-License-Identifier: Apache-2.0

package kubeapi

import (
	"context"
	"errors"
	"fmt"
	"slices"

	coordinationv1 "k8s.io/api/coordination/v1"

	"github.com/harbinger-ha/harbinger/pkg/election"
)

// versionsKept is how many versions of the Lease are remembered, for the fields that are not the election's. A write is for
// the one read last, or for the one before if another read has overtaken it.
const versionsKept = 4

// Read reads the Lease for the election: see ReadLease.
func (c *Client) Read(ctx context.Context) election.LeaseDone { return done(c.ReadLease(ctx)) }

// Write stores the Lease for the election: see WriteLease.
func (c *Client) Write(ctx context.Context, l election.Lease) election.LeaseDone {
	return done(c.WriteLease(ctx, l))
}

func done(l election.Lease, err error) election.LeaseDone {
	switch {
	case errors.Is(err, ErrRefused):
		return election.LeaseDone{Outcome: election.Refused, Detail: err.Error()}
	case err != nil:
		return election.LeaseDone{Outcome: election.Unanswered, Detail: err.Error()}
	}
	return election.LeaseDone{Outcome: election.Answered, Lease: l}
}

// ReadLease reads the Lease as a quorum of the store has it. One with an empty Version says that there is none. An error says
// that the answer is not known. The context bounds the call.
func (c *Client) ReadLease(ctx context.Context) (election.Lease, error) {
	backends, err := c.backends()
	if err != nil {
		return election.Lease{}, err
	}
	object, err := c.readObject(ctx, backends)
	if err != nil || object == nil {
		return election.Lease{}, err
	}
	return fromObject(object), nil
}

// readObject returns the stored object, nil if there is none.
func (c *Client) readObject(ctx context.Context, backends []*backend) (*coordinationv1.Lease, error) {
	object, err := c.getLease(ctx, backends, c.lease())
	if object != nil {
		c.remember(object)
	}
	return object, err
}

// WriteLease stores the Lease if its Version is still the stored one; with an empty Version, if there is none. It returns what
// is stored then, with its new Version. The error is ErrRefused if another Version is stored, or none; any other says that
// the answer is not known, and that the write may still be carried out. The context bounds the call.
//
// A write that one apiserver has not answered is sent to another one too. That is safe, as only one of two writes for the same
// Version can succeed. But the refusal of one copy may then be the work of the other: what is stored decides.
func (c *Client) WriteLease(ctx context.Context, l election.Lease) (election.Lease, error) {
	backends, err := c.backends()
	if err != nil {
		return election.Lease{}, err
	}
	replaced, err := c.version(ctx, backends, l.Version)
	if err != nil {
		return election.Lease{}, err
	}
	object := c.toObject(replaced, l, c.opts.Now())
	written, sent, err := c.putLease(ctx, backends, c.lease(), object)
	switch {
	case err == nil:
		c.remember(written)
		return fromObject(written), nil
	case !isRefusal(err, c.opts.Name):
		return election.Lease{}, err
	case sent > 1:
		return c.settle(ctx, backends, object)
	}
	return election.Lease{}, fmt.Errorf("%w: %s", ErrRefused, short(err))
}

// settle finds out what became of a write that one apiserver has refused and that others may have carried out. None can carry
// it out any more: the version that it was for is gone.
func (c *Client) settle(ctx context.Context, backends []*backend, written *coordinationv1.Lease) (election.Lease, error) {
	stored, err := c.readObject(ctx, backends)
	switch {
	case err != nil:
		return election.Lease{}, fmt.Errorf("one apiserver refused the write, another may have made it, and the lease cannot be read: %w", err)
	case stored == nil:
		return election.Lease{}, fmt.Errorf("%w: the lease was deleted", ErrRefused)
	case isWrite(stored, written):
		return fromObject(stored), nil
	}
	return election.Lease{}, fmt.Errorf("%w: %s", ErrRefused, fromObject(stored))
}

// version returns the object of a version, nil for the empty one. One that is not remembered is read again.
func (c *Client) version(ctx context.Context, backends []*backend, version string) (*coordinationv1.Lease, error) {
	if version == "" {
		return nil, nil
	}
	if o := c.recall(version); o != nil {
		return o, nil
	}
	stored, err := c.readObject(ctx, backends)
	switch {
	case err != nil:
		return nil, err
	case stored == nil:
		return nil, fmt.Errorf("%w: there is no lease", ErrRefused)
	case stored.ResourceVersion != version:
		return nil, fmt.Errorf("%w: %s", ErrRefused, fromObject(stored))
	}
	return stored, nil
}

func (c *Client) remember(o *coordinationv1.Lease) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.seen = slices.DeleteFunc(c.seen, func(s *coordinationv1.Lease) bool { return s.ResourceVersion == o.ResourceVersion })
	c.seen = append(c.seen, o)
	if len(c.seen) > versionsKept {
		c.seen = slices.Delete(c.seen, 0, 1)
	}
}

func (c *Client) recall(version string) *coordinationv1.Lease {
	c.mu.Lock()
	defer c.mu.Unlock()
	i := slices.IndexFunc(c.seen, func(s *coordinationv1.Lease) bool { return s.ResourceVersion == version })
	if i < 0 {
		return nil
	}
	return c.seen[i]
}

// leaseName names a Lease.
type leaseName struct{ namespace, name string }

func (c *Client) lease() leaseName { return leaseName{c.opts.Namespace, c.opts.Name} }

func (l leaseName) path() string {
	return "/apis/coordination.k8s.io/v1/namespaces/" + l.namespace + "/leases/" + l.name
}

// getLease returns a stored object, nil if there is none.
func (c *Client) getLease(ctx context.Context, backends []*backend, l leaseName) (*coordinationv1.Lease, error) {
	absent := func(err error) bool { return isAbsent(err, l.name) }
	object, _, err := hedge(ctx, c.opts.Now, backends, absent, func(ctx context.Context, b *backend) (*coordinationv1.Lease, error) {
		o := &coordinationv1.Lease{}
		return o, b.client.Get().AbsPath(l.path()).MaxRetries(0).Do(ctx).Into(o)
	})
	switch {
	case err == nil:
		return object, nil
	case absent(err):
		return nil, nil
	}
	return nil, err
}

// putLease writes an object over the version that it has, and returns what is stored then, and to how many apiservers it was sent. Of a
// refusal (isRefusal) by one of several, another may have made the write.
func (c *Client) putLease(ctx context.Context, backends []*backend, l leaseName, object *coordinationv1.Lease) (written *coordinationv1.Lease, sent int, err error) {
	refusal := func(err error) bool { return isRefusal(err, l.name) }
	return hedge(ctx, c.opts.Now, backends, refusal, func(ctx context.Context, b *backend) (*coordinationv1.Lease, error) {
		o := &coordinationv1.Lease{}
		// Encoding changes the object for a moment: each copy has its own.
		return o, b.client.Put().AbsPath(l.path()).MaxRetries(0).Body(object.DeepCopy()).Do(ctx).Into(o)
	})
}
