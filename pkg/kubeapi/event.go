// SPDX-License-Identifier: Apache-2.0

package kubeapi

import (
	"context"
	"fmt"
	"math/rand/v2"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/harbinger-ha/harbinger/pkg/fault"
	"github.com/harbinger-ha/harbinger/pkg/logging"
)

// The bounds of the Events of one node: a cluster that flaps for hours costs the API one small write in ten seconds.
const (
	// eventQueue holds the Events of one move.
	eventQueue = 16
	// eventBurst may be sent at once, and one more after each eventEvery.
	eventBurst = 10
	eventEvery = 10 * time.Second
	// eventRepeat is how long the same Event is only counted.
	eventRepeat  = time.Minute
	eventTimeout = 2 * time.Second
	// eventsKnown bounds the Events that are counted.
	eventsKnown = 64
)

// component is the source of the Events.
const component = "harbinger"

// event is one thing that happened.
type event struct {
	occurrence
	at time.Time
}

// occurrence is what makes two Events the same.
type occurrence struct {
	reason, message string
	warning         bool
}

// Event creates a Kubernetes Event about the Lease, for people. It never blocks, and is best effort: too many are dropped, the
// same one within a minute is only counted, and without the API there is none.
func (c *Client) Event(reason, message string, warning bool) {
	select {
	case c.events <- event{occurrence{reason, message, warning}, c.opts.Now()}:
	default:
		c.log.V(1).Info(logging.MsgEventDropped, logging.KeyReason, reason)
	}
}

// counted is how often something has happened since it was last sent.
type counted struct {
	sent  time.Time
	first time.Time
	count int32
}

// budget decides which Events are sent.
type budget struct {
	tokens   int
	filledAt time.Time
	known    map[occurrence]*counted
}

// admit counts an Event, and returns what to send now, nil for nothing.
func (b *budget) admit(e event) *counted {
	if b.known == nil {
		b.known, b.tokens, b.filledAt = map[occurrence]*counted{}, eventBurst, e.at
	}
	if n := int(e.at.Sub(b.filledAt) / eventEvery); n > 0 {
		b.tokens, b.filledAt = min(b.tokens+n, eventBurst), b.filledAt.Add(time.Duration(n)*eventEvery)
	}
	k := b.known[e.occurrence]
	if k == nil {
		b.forget(e.at)
		k = &counted{first: e.at}
		b.known[e.occurrence] = k
	}
	if k.count == 0 {
		k.first = e.at
	}
	k.count++
	if b.tokens == 0 || !k.sent.IsZero() && e.at.Sub(k.sent) < eventRepeat {
		return nil
	}
	b.tokens--
	out := *k
	k.sent, k.count = e.at, 0
	return &out
}

// forget makes room: what was sent long ago is as good as new, and of too many all are.
func (b *budget) forget(now time.Time) {
	for o, k := range b.known {
		if now.Sub(k.sent) >= eventRepeat {
			delete(b.known, o)
		}
	}
	if len(b.known) >= eventsKnown {
		clear(b.known)
	}
}

// sendEvents sends the Events that come in until the context ends.
func (c *Client) sendEvents(ctx context.Context) error {
	var b budget
	for {
		select {
		case <-ctx.Done():
			return nil
		case e := <-c.events:
			if k := b.admit(e); k != nil {
				c.sendEvent(ctx, e, *k)
			}
		}
	}
}

func (c *Client) sendEvent(ctx context.Context, e event, k counted) {
	ctx, cancel := context.WithTimeout(ctx, eventTimeout)
	defer cancel()
	backends, err := c.backends()
	if err == nil {
		object := c.eventObject(e, k)
		path := "/api/v1/namespaces/" + c.opts.Namespace + "/events"
		// The name is the same in each copy: the second one is refused, which says that the first one was carried out.
		_, _, err = hedge(ctx, c.opts.Now, backends, apierrors.IsAlreadyExists, func(ctx context.Context, b *backend) (struct{}, error) {
			return struct{}{}, b.client.Post().AbsPath(path).MaxRetries(0).Body(object.DeepCopy()).Do(ctx).Error()
		})
	}
	if err != nil && !apierrors.IsAlreadyExists(err) {
		c.log.V(1).Info(logging.MsgEventNotSent, logging.KeyEvent, e.reason, logging.KeyReason, fault.Words(err))
	}
}

func (c *Client) eventObject(e event, k counted) *corev1.Event {
	kind := corev1.EventTypeNormal
	if e.warning {
		kind = corev1.EventTypeWarning
	}
	return &corev1.Event{
		ObjectMeta: metav1.ObjectMeta{Namespace: c.opts.Namespace, Name: fmt.Sprintf("%s.%016x", c.opts.Name, rand.Uint64())},
		InvolvedObject: corev1.ObjectReference{
			APIVersion: "coordination.k8s.io/v1", Kind: "Lease", Namespace: c.opts.Namespace, Name: c.opts.Name,
		},
		Related:             &corev1.ObjectReference{APIVersion: "v1", Kind: "Node", Name: c.opts.Node},
		Reason:              e.reason,
		Message:             e.message,
		Type:                kind,
		Source:              corev1.EventSource{Component: component, Host: c.opts.Node},
		ReportingController: component,
		ReportingInstance:   c.opts.Node,
		FirstTimestamp:      metav1.NewTime(k.first),
		LastTimestamp:       metav1.NewTime(e.at),
		Count:               k.count,
	}
}
