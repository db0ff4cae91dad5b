// SPDX-License-Identifier: Apache-2.0

package kubeapi

import (
	"context"
	"net/netip"
	"slices"
	"time"

	discoveryv1 "k8s.io/api/discovery/v1"

	"github.com/harbinger-ha/harbinger/pkg/fault"
	"github.com/harbinger-ha/harbinger/pkg/logging"
)

// Discovery finds the apiservers of a cluster where they publish themselves: in the EndpointSlices of the Service
// default/kubernetes.
type Discovery struct {
	// OnEndpoints is called with the apiservers that are taken, when they have changed, and at the start with those of StateFile.
	// The list is never empty. Run calls it, from one goroutine.
	OnEndpoints func([]netip.AddrPort)
	// Take chooses from the apiservers that an answer names, which may be any number of any addresses: whoever may write the
	// EndpointSlice makes them. It is called with the sorted list of each answer, by the goroutine that calls OnEndpoints. Nil: all.
	Take func([]netip.AddrPort) []netip.AddrPort
	// StateFile keeps the apiservers for a start without the API. Empty: they are not kept.
	StateFile string
	// WriteFile replaces StateFile in one step.
	WriteFile func(path string, content []byte) error
	// Interval is the time between two requests, and Settle the time after which a change is confirmed by a second one. 0: 3 s
	// and 1 s.
	Interval, Settle time.Duration
}

// The defaults: an apiserver that is ready gets connections within 5 s, and three nodes together make one request a second.
const (
	defaultDiscoveryInterval = 3 * time.Second
	defaultSettle            = time.Second
	// listTimeout bounds one request. Nothing waits for the answer.
	listTimeout = 2 * time.Second
)

const (
	slicesPath  = "/apis/discovery.k8s.io/v1/namespaces/default/endpointslices"
	slicesLabel = discoveryv1.LabelServiceName + "=kubernetes"
	// slicesLimit is more than there can be: one slice has room for 100 apiservers. It bounds an answer, as an object has 1.5 MiB.
	slicesLimit = "10"
	// apiPort is the name that apiservers give to their port.
	apiPort = "https"
)

// discover lists the apiservers periodically. A change counts when two answers in a row agree: an apiserver that restarts
// comes and goes.
func (c *Client) discover(ctx context.Context) error {
	d := *c.opts.Discovery
	if d.Interval == 0 {
		d.Interval = defaultDiscoveryInterval
	}
	if d.Settle == 0 {
		d.Settle = defaultSettle
	}
	if d.Take == nil {
		d.Take = func(all []netip.AddrPort) []netip.AddrPort { return all }
	}
	used := c.loadEndpoints(d)
	if len(used) > 0 {
		d.OnEndpoints(used)
	}
	timer := time.NewTimer(0)
	defer timer.Stop()
	var pending []netip.AddrPort
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-timer.C:
		}
		found := c.endpoints(ctx, d)
		wait := d.Interval
		switch {
		case len(found) == 0 || slices.Equal(found, used):
			pending = nil
		case slices.Equal(found, pending):
			pending, used = nil, found
			c.saveEndpoints(d, found)
			d.OnEndpoints(slices.Clone(found))
		default:
			pending, wait = found, d.Settle
		}
		timer.Reset(wait)
	}
}

// endpoints returns the ready apiservers, none if no apiserver answers.
func (c *Client) endpoints(ctx context.Context, d Discovery) []netip.AddrPort {
	ctx, cancel := context.WithTimeout(ctx, listTimeout)
	defer cancel()
	backends, err := c.backends()
	if err != nil {
		return nil
	}
	list, _, err := hedge(ctx, c.opts.Now, backends, noAnswerButSuccess, func(ctx context.Context, b *backend) (*discoveryv1.EndpointSliceList, error) {
		l := &discoveryv1.EndpointSliceList{}
		return l, b.client.Get().AbsPath(slicesPath).Param("labelSelector", slicesLabel).Param("limit", slicesLimit).MaxRetries(0).Do(ctx).Into(l)
	})
	if err != nil {
		c.log.V(1).Info(logging.MsgNotDiscovered, logging.KeyReason, fault.Words(err))
		return nil
	}
	return d.Take(ready(list.Items))
}

func noAnswerButSuccess(error) bool { return false }

// ready returns the address and port of each ready endpoint, sorted. Of several addresses of one endpoint, which lead to the same,
// it is the first, as for kube-proxy.
func ready(all []discoveryv1.EndpointSlice) []netip.AddrPort {
	var found []netip.AddrPort
	for _, slice := range all {
		port := portOf(slice.Ports)
		if port == 0 {
			continue
		}
		for _, endpoint := range slice.Endpoints {
			if endpoint.Conditions.Ready != nil && !*endpoint.Conditions.Ready {
				continue // the API says: unknown is ready
			}
			if len(endpoint.Addresses) == 0 {
				continue
			}
			if address, err := netip.ParseAddr(endpoint.Addresses[0]); err == nil {
				found = append(found, netip.AddrPortFrom(address.Unmap(), port))
			}
		}
	}
	slices.SortFunc(found, netip.AddrPort.Compare)
	return slices.Compact(found)
}

// portOf returns the port of the API, 0 if there is none: the one with the known name, or the only one.
func portOf(ports []discoveryv1.EndpointPort) uint16 {
	for _, port := range ports {
		if value(port.Name) == apiPort || len(ports) == 1 {
			if number := value(port.Port); number > 0 && number <= 65535 {
				return uint16(number)
			}
		}
	}
	return 0
}
