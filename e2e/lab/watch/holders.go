// SPDX-License-Identifier: Apache-2.0

package watch

import (
	"fmt"
	"net/netip"
	"time"

	"github.com/vishvananda/netlink"

	"github.com/harbinger-ha/harbinger/e2e/lab"
)

// Holders records which hosts have an address in the kernel.
type Holders struct {
	recorder
	address netip.Addr
	done    chan struct{}
}

// NewHolders watches the kernels of hosts for an address. Stalls of the machine that the control has seen do not count; it
// may be nil.
func NewHolders(control *Control, address netip.Addr, hosts ...*lab.Host) (*Holders, error) {
	w := &Holders{recorder: recorder{control: control}, address: address, done: make(chan struct{})}
	w.record(time.Now(), nil)
	for _, h := range hosts {
		if err := w.watch(h); err != nil {
			w.Stop()
			return nil, fmt.Errorf("watch addresses of %s: %w", h.Name, err)
		}
	}
	return w, nil
}

func (w *Holders) watch(h *lab.Host) error {
	updates := make(chan netlink.AddrUpdate)
	err := h.Do(func() error {
		return netlink.AddrSubscribeWithOptions(updates, w.done, netlink.AddrSubscribeOptions{ListExisting: true})
	})
	if err != nil {
		return err
	}
	// Ends when the subscription closes the channel.
	go func() {
		for update := range updates {
			if addr, ok := netip.AddrFromSlice(update.LinkAddress.IP); ok && addr.Unmap() == w.address {
				w.change(time.Now(), h.Name, update.NewAddr)
			}
		}
	}()
	return nil
}

// Stop ends the watch. What it saw can still be read.
func (w *Holders) Stop() { close(w.done) }
