// SPDX-License-Identifier: Apache-2.0

package preflight

import (
	"errors"
	"fmt"
	"net/netip"
	"os"
	"strconv"
	"time"

	"github.com/harbinger-ha/harbinger/pkg/address"
	"github.com/harbinger-ha/harbinger/pkg/apis/config"
	"github.com/harbinger-ha/harbinger/pkg/election"
	"github.com/harbinger-ha/harbinger/pkg/fence"
)

// unrouted is an address that no frame on a wire is for.
var unrouted = netip.AddrFrom4([4]byte{127, 255, 255, 254})

// tryFence makes a fence on the links of the virtual addresses, of an address that nobody is reached by, and takes it away.
func tryFence(cfg *config.HarbingerConfiguration, links []address.Link) (struct{}, error) {
	names := []string{"lo"} // where there is no other, which is a fault of its own
	if own, err := link(cfg, Facts{Links: links}); err == nil {
		names = address.Segment(links, own.Index)
	}
	f, err := fence.New(fence.Config{
		Name: fence.Prefix + "preflight-" + strconv.Itoa(os.Getpid()), Addresses: []netip.Addr{unrouted}, Links: names,
		Timeout: time.Second, Now: time.Now,
	})
	if err != nil {
		return struct{}{}, err
	}
	return struct{}{}, f.Close()
}

// checkFence warns where a dead holder is not off the wire before the lifetime of its address ends.
func checkFence(cfg *config.HarbingerConfiguration, facts Facts) []Result {
	if _, err := link(cfg, facts); err != nil {
		return nil // a fault of its own
	}
	interval := cfg.Election.VRRP.AdvertisementInterval
	if facts.Fence.Err == nil {
		return fine("the kernel takes the fence: a killed or frozen holder is off the wire within %s", election.FenceTimeout(interval, true))
	}
	reason := facts.Fence.Err.Error()
	if u := new(fence.Unavailable); errors.As(facts.Fence.Err, &u) {
		reason = u.Reason
	}
	p, remedy := facts.Process, "Linux 5.16 or newer with nf_tables (modprobe nf_tables), and no redirection of what comes in by the interface (tc filter show dev IFACE ingress)"
	switch {
	case p.Err == nil && (p.Value.Capabilities>>capabilities["NET_ADMIN"]&1 == 0 || p.Value.Capabilities>>capabilities["NET_RAW"]&1 == 0):
		remedy = AsRoot + ": it needs CAP_NET_ADMIN and CAP_NET_RAW, which the generated pod has"
	case p.Err == nil && p.Value.Filtered:
		remedy = "run this command on the host; where the pod has a seccomp profile of its own, let it pass sockets of netlink, as RuntimeDefault does"
	}
	return []Result{{Status: Warn, Remedy: remedy, Found: fmt.Sprintf("the fence cannot be had: %s: a killed or frozen holder answers for up to %s, as without one",
		reason, election.Lifetime(interval)+election.KernelSlack)}}
}
