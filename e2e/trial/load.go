// SPDX-License-Identifier: Apache-2.0

package trial

import (
	"crypto/tls"
	"errors"
	"net/netip"
	"time"

	"github.com/harbinger-ha/harbinger/e2e/fault"
	"github.com/harbinger-ha/harbinger/e2e/lab/watch"
	"github.com/harbinger-ha/harbinger/e2e/observe"
)

// Endpoint is where clients connect to.
func (p *Plane) Endpoint() netip.AddrPort { return netip.AddrPortFrom(p.VirtualAddress(), p.Port) }

// StartClient runs another client of the virtual address.
func (p *Plane) StartClient(cfg watch.ClientConfig) *watch.Client {
	cfg.Target, cfg.Control = p.Endpoint(), p.Control
	return watch.StartClient(p.clientHost, cfg)
}

// LoseBackend makes clients connect so many times a second while a node that does not hold the address loses its API server
// by a fault. It returns what became of them in the time d from the loss on, and their longest outage, and undoes the fault.
func (p *Plane) LoseBackend(rate int, d time.Duration, f fault.Fault) (a observe.Availability, o observe.Outage, err error) {
	node, err := p.backup()
	if err != nil {
		return a, o, err
	}
	hello, err := watch.ClientHello(&tls.Config{ServerName: "kubernetes", CurvePreferences: []tls.CurveID{tls.CurveP256}}) // the cheapest one
	if err != nil {
		return a, o, err
	}
	client := p.StartClient(watch.ClientConfig{
		Interval: time.Second / time.Duration(rate),
		Timeout:  1500 * time.Millisecond, // long, so that a retry by the balancer counts as success
		Try:      watch.Hello(hello),
	})
	defer client.Stop()
	if err := p.Control.Until(settleTime, "the clients are served", func() bool { return client.Served(time.Second) }); err != nil {
		return a, o, err
	}
	start := time.Now()
	if err := f.Inject(p, node.Name); err != nil {
		return a, o, err
	}
	time.Sleep(time.Until(start.Add(d)))
	client.Stop()
	a, o = client.Availability(start), client.Outage(start)
	return a, o, errors.Join(f.Undo(p, node.Name), p.Settle())
}

// backup returns a node that does not hold the address.
func (p *Plane) backup() (*Node, error) {
	holder, err := p.Holder()
	if err != nil {
		return nil, err
	}
	return p.Others(holder)[0], nil
}
