// SPDX-License-Identifier: Apache-2.0

package sidecar_test

import (
	"net/netip"
	"sync"
	"testing"
	"time"

	"github.com/harbinger-ha/harbinger/e2e/lab/guest"
	"github.com/harbinger-ha/harbinger/e2e/lab/labtest"
	"github.com/harbinger-ha/harbinger/pkg/vrrp"
)

// advertise has the other host advertise by multicast, until the test ends or the function that is returned is called.
func advertise(t *testing.T, priority uint8) (stop func()) {
	t.Helper()
	return advertiseTo(t, vrrp.GroupIPv4, priority)
}

// newForger returns what sends and hears packets of protocol 112 on the other host, until the test ends.
func newForger(t *testing.T) *guest.Forger {
	t.Helper()
	forger, err := guest.NewForger(peer)
	labtest.Must(t, err)
	t.Cleanup(func() { labtest.Must(t, forger.Close()) })
	return forger
}

func advertiseTo(t *testing.T, destination netip.Addr, priority uint8) (stop func()) {
	t.Helper()
	forger := newForger(t)
	const interval = 100 * time.Millisecond
	source := peer.Address.Addr()
	payload, err := vrrp.Advertisement{
		Version: 3, VRID: 51, Priority: priority, Interval: interval, Addresses: []netip.Addr{vip4.Addr()},
	}.AppendBinary(nil, source, destination, vrrp.ChecksumPseudo)
	labtest.Must(t, err)
	end := make(chan struct{})
	var sending sync.WaitGroup
	sending.Go(func() {
		ticker := time.NewTicker(interval)
		defer ticker.Stop()
		for {
			if err := forger.Send(guest.Packet{Source: source, Destination: destination, Payload: payload}); err != nil {
				t.Error(err)
			}
			select {
			case <-ticker.C:
			case <-end:
				return
			}
		}
	})
	stop = sync.OnceFunc(func() {
		close(end)
		sending.Wait()
	})
	t.Cleanup(stop)
	return stop
}
