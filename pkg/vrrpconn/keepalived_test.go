// SPDX-License-Identifier: Apache-2.0

package vrrpconn

import (
	"fmt"
	"net/netip"
	"testing"
	"time"

	"github.com/harbinger-ha/harbinger/e2e/lab"
	"github.com/harbinger-ha/harbinger/e2e/lab/guest"
	"github.com/harbinger-ha/harbinger/e2e/lab/labtest"
	"github.com/harbinger-ha/harbinger/pkg/vrrp"
)

const (
	theirs = 100 // keepalived's priority
	ours   = 200
)

// interop is one configuration that keepalived and we share.
type interop struct {
	mode
	password string
}

// interval is keepalived's. Ours is a second, which it learns in version 3: a busy machine does not wake it then.
func (i interop) interval() time.Duration {
	if i.version == vrrp.Version2 {
		return time.Second
	}
	return 100 * time.Millisecond
}

func (i interop) advertisement(priority uint8) vrrp.Advertisement {
	a := i.mode.advertisement(priority)
	if i.password != "" {
		a.Authentication = vrrp.Authentication{Type: vrrp.AuthenticationPassword, Password: i.password}
	}
	return a
}

// start runs keepalived in one host and opens our socket in another.
func (i interop) start(t *testing.T, keepalived, us *lab.Host) (*lab.Process, *Conn) {
	t.Helper()
	bits := 24
	if i.ipv6 {
		bits = 64
	}
	k := guest.Keepalived{
		Version: int(i.version), VirtualRouterID: 51, Priority: theirs, AdvertisementInterval: i.interval(),
		Password: i.password, VirtualAddresses: []netip.Prefix{netip.PrefixFrom(i.vip(), bits)},
	}
	if i.unicast {
		k.Source, k.Peers = i.address(t, keepalived), []netip.Addr{i.address(t, us)}
	}
	p, err := k.Start(keepalived)
	must(t, err)
	cfg := i.config(t, us, keepalived)
	cfg.Rules.Authentication = i.advertisement(0).Authentication
	if i.unicast && i.ipv6 {
		cfg.Rules.MinimumTTL = 64 // keepalived leaves it at the kernel's default there
	}
	cfg.Dropped = func(reason string, source netip.Addr) { t.Errorf("refused a packet from %s: %s", source, reason) }
	return p, listen(t, us, cfg)
}

// hears waits for an advertisement of keepalived.
func (i interop) hears(t *testing.T, c *Conn, priority uint8) {
	t.Helper()
	must(t, lab.Until(8*time.Second, fmt.Sprintf("keepalived advertises priority %d", priority), func() bool {
		p, ok, err := c.Receive()
		must(t, err)
		return ok && p.Advertisement.Priority == priority
	}))
}

// TestKeepalived shows that keepalived and we read each other: we hear its advertisements, it gives way to our higher
// priority, stays away while we advertise, comes back after our priority 0, and we hear its own when it stops.
func TestKeepalived(t *testing.T) {
	tests := []interop{{mode: mode{name: "version 2 multicast with a password", version: vrrp.Version2}, password: "s3cret"}}
	for _, m := range modes {
		tests = append(tests, interop{mode: m})
	}
	tests = append(tests, interop{mode: mode{name: "version 2 unicast with a password", version: vrrp.Version2, unicast: true}, password: "12345678"})
	for _, i := range tests {
		t.Run(i.name, func(t *testing.T) {
			t.Parallel() // they wait most of the time
			hosts := labtest.Hosts(t, 2)
			keepalived, c := i.start(t, hosts[0], hosts[1])
			defer func() {
				if t.Failed() {
					t.Log(keepalived.Output())
				}
			}()
			i.hears(t, c, theirs)
			i.outrank(t, keepalived, c)
			must(t, c.Send(i.advertisement(vrrp.PriorityRelease)))
			i.hears(t, c, theirs)
			must(t, keepalived.Terminate())
			i.hears(t, c, vrrp.PriorityRelease)
		})
	}
}

// outrank advertises our priority for three intervals. keepalived is silent once it has heard the first one.
func (i interop) outrank(t *testing.T, keepalived *lab.Process, c *Conn) {
	t.Helper()
	must(t, c.Send(i.advertisement(ours)))
	must(t, lab.Until(8*time.Second, "keepalived gives way", func() bool {
		return keepalived.Wrote(fmt.Sprintf("Master received advert from %s with higher priority %d, ours %d", c.cfg.Source, ours, theirs))
	}))
	ticks := time.NewTicker(i.interval())
	defer ticks.Stop()
	for ok := true; ok; { // what it had sent before
		var err error
		_, ok, err = c.Receive()
		must(t, err)
	}
	for range 3 {
		must(t, c.Send(i.advertisement(ours)))
		<-ticks.C
		if p, ok, err := c.Receive(); ok || err != nil {
			t.Fatalf("keepalived goes on: %+v, %v", p, err)
		}
	}
}
