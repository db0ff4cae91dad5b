// SPDX-License-Identifier: Apache-2.0

package wild

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"time"

	"github.com/harbinger-ha/harbinger/e2e/lab"
	"github.com/harbinger-ha/harbinger/e2e/promise"
	"github.com/harbinger-ha/harbinger/e2e/trial"
)

// A change is done to the link of a host: at odd times something else, at even ones what it was at first.
type change func(h *lab.Host, odd bool) error

// other returns the other address of a host.
func other(own netip.Prefix) netip.Prefix {
	b := own.Addr().As4()
	b[3] += 20
	return netip.PrefixFrom(netip.AddrFrom4(b), own.Bits())
}

// replacing returns the change of a host's address.
func replacing(oldFirst bool) change {
	return func(h *lab.Host, odd bool) error {
		if odd {
			return h.ReplaceAddress(h.Address, other(h.Address), oldFirst)
		}
		return h.ReplaceAddress(other(h.Address), h.Address, oldFirst)
	}
}

// replaceAddress needs what systemd makes of a host: an address outlives the one before it.
func replaceAddress(h *lab.Host, odd bool) error {
	return errors.Join(h.SetSysctl("net/ipv4/conf/all/promote_secondaries", "1"), replacing(false)(h, odd))
}

var renewAddress = replacing(true)

func changeMAC(h *lab.Host, odd bool) error {
	mac := slices.Clone(h.MAC)
	if odd {
		mac[4]++
	}
	return h.SetMAC(mac)
}

func rename(h *lab.Host, odd bool) error {
	if odd {
		return h.Rename("ens192")
	}
	return h.Rename(lab.Interface)
}

func moveToBridge(h *lab.Host, odd bool) error {
	if odd {
		return h.MoveToBridge("br-ex", h.Address)
	}
	return h.LeaveBridge(h.Address)
}

// A changer does a change to hosts, again and again.
type changer struct {
	*run
	do   change
	done map[*trial.Node]int // how often
}

// changes is the course of a change on the holder, on a Backup, and on all in turn.
func changes(do change) course {
	return func(r *run) error {
		// The addresses of the nodes change: one API server stays.
		system := r.cfg.System
		system.Flags = append(slices.Clone(system.Flags), "--backend", r.Spare.String())
		r.System = system
		if err := r.Start(); err != nil {
			return err
		}
		c := &changer{run: r, do: do, done: make(map[*trial.Node]int)}
		for range r.cfg.Runs {
			if err := c.round(); err != nil {
				return err
			}
		}
		holder, err := r.Holder()
		if err != nil {
			return err
		}
		return r.outlive(holder) // the others, whose links have changed, must see it and follow it
	}
}

// round does the change to the holder, to a Backup, and to all in turn.
func (c *changer) round() error {
	for _, next := range []func(holder *trial.Node) *trial.Node{
		func(holder *trial.Node) *trial.Node { return holder },
		func(holder *trial.Node) *trial.Node { return c.Others(holder)[0] },
		func(*trial.Node) *trial.Node { return c.Nodes[0] },
		func(*trial.Node) *trial.Node { return c.Nodes[1] },
		func(*trial.Node) *trial.Node { return c.Nodes[2] },
	} {
		holder, err := c.Holder()
		if err != nil {
			return err
		}
		if err := c.change(next(holder), holder); err != nil {
			return err
		}
	}
	return nil
}

// change does the change to one host.
func (c *changer) change(n, holder *trial.Node) error {
	c.done[n]++
	start := time.Now()
	if err := c.do(n.Host, c.done[n]%2 == 1); err != nil {
		return err
	}
	err := c.settle()
	s := c.Sample(start)
	s.Kernel = s.Live // the watcher knows hosts by the hardware addresses that they had first
	c.sample(s)
	what := "a Backup"
	if n == holder {
		what = "the holder"
	}
	c.note("%s (%s): outage %.3f s, then %v has the address", what, n.Name, s.Outage.Length().Seconds(), c.Holders.Now())
	if err != nil {
		return fmt.Errorf("change %d of %s, %s: %w", c.done[n], n.Name, what, err)
	}
	return nil
}

// settle waits until one host serves the address, and starts what has ended as the kubelet does.
func (c *changer) settle() error {
	const linger = time.Second // what the change leads to may come late
	start := time.Now()
	var errs []error
	err := c.Control.Until(promise.LinkTime, "one node holds the virtual address and serves it", func() bool {
		errs = append(errs, c.Each(c.restartEnded))
		return time.Since(start) > linger && c.Settled()
	})
	return errors.Join(append(errs, err)...)
}

// restartEnded starts a sidecar that has ended. One that ends with an error wants to be started again.
func (c *changer) restartEnded(n *trial.Node) error {
	select {
	case <-n.Sidecar.Keeper.Done():
	default:
		return nil
	}
	if n.Sidecar.Keeper.Wait(0) == nil {
		return fmt.Errorf("the sidecar of %s ended without an error", n.Name)
	}
	c.note("the sidecar of %s ended, and was started again", n.Name)
	return c.StartSidecar(n)
}
