// SPDX-License-Identifier: Apache-2.0

// Package wire asks the network segment of a node what a configuration will meet there: who answers for the virtual addresses, which
// virtual routers speak, and, where other nodes do the same at the same time, what passes between them, by direction. It sends
// packets, at a bounded rate, that nothing which speaks VRRP takes for an advertisement. It changes nothing on any host.
//
// It is one package because what is sent, what is heard and what follows from it are one set of facts about each peer.
package wire

import (
	"cmp"
	"context"
	"fmt"
	"hash/fnv"
	"net/netip"
	"slices"
	"time"

	"github.com/harbinger-ha/harbinger/pkg/address"
	"github.com/harbinger-ha/harbinger/pkg/apis/config"
	"github.com/harbinger-ha/harbinger/pkg/election"
	"github.com/harbinger-ha/harbinger/pkg/membership"
	"github.com/harbinger-ha/harbinger/pkg/preflight"
)

// DefaultListen is how long VRRP is listened for: a Backup takes over after less than four intervals of a second.
const DefaultListen = 4 * time.Second

// Options say what is asked for how long.
type Options struct {
	Config *config.HarbingerConfiguration
	Listen time.Duration // for VRRP
	// Exchange says that test packets are exchanged with other nodes that do the same.
	Exchange bool
	// Wait is how long at most the other nodes are waited for; those that were met by then are asked to the end.
	Wait time.Duration
	// Peers are other nodes beside those that the configuration names.
	Peers []netip.Addr
	// Host are the results of the checks of this host, whose remedies know its firewall.
	Host []preflight.Result
	// Name is that of this host.
	Name string
}

// Check asks, and returns what was found. What could not be asked is a warning.
func Check(ctx context.Context, o Options) []preflight.Result {
	links, err := address.Links()
	var link address.Link
	if err == nil {
		link, err = address.Find(links, o.Config.Interface, o.Config.VirtualAddresses)
	}
	if err != nil {
		return []preflight.Result{{
			Check: checkAddress, Status: preflight.Warn, Found: fmt.Sprintf("nothing was asked on the wire: %s", err),
			Remedy: "mend the interface or the virtual addresses, and run the check again", Field: "interface",
		}}
	}
	s := newSession(o, membership.View{Config: o.Config, Link: link}, link)
	defer s.close()
	s.run(ctx)
	return s.results()
}

// results are the verdicts, in the order of the checks.
func (s *session) results() []preflight.Result {
	results := s.found.judgeAddresses()
	vrrp := s.options.Config.Election.Mode != election.LeaseOnly
	if vrrp {
		results = append(results, s.found.judgeIDs()...)
	}
	results = append(results, s.found.listRouters()...)
	if !s.options.Exchange {
		return results
	}
	ways := path{
		multicast: !s.found.view.Unicast(), vrrp: vrrp, port: s.options.Config.Status.IdentityPort,
		iface: s.link.Name, mtu: s.iface.MTU, waited: s.waited.Round(time.Second), host: s.options.Host,
	}
	for _, p := range s.roster.peers {
		if !p.met.IsZero() && p.group != s.roster.group {
			results = append(results, preflight.Result{
				Check: checkPeers, Status: preflight.Warn,
				Found:  fmt.Sprintf("%s runs this check with another configuration: cluster name, virtual addresses, virtual router ID or version differ", p),
				Remedy: "give all nodes the same configuration",
			})
		}
	}
	if s.mute != nil {
		return append(results, preflight.Result{
			Check: checkPeers, Status: preflight.Warn, Found: fmt.Sprintf("no test packet could be sent: %s", s.mute), Remedy: enable(s.mute),
		})
	}
	return append(results, ways.judgePeers(s.roster.peers)...)
}

// groupOf identifies the nodes whose configurations mean the same virtual router.
func groupOf(cfg *config.HarbingerConfiguration) uint64 {
	h := fnv.New64a()
	vips := slices.SortedFunc(slices.Values(cfg.VirtualAddresses), func(a, b netip.Prefix) int { return a.Addr().Compare(b.Addr()) })
	v := cfg.Election.VRRP
	fmt.Fprintf(h, "%q %v %d %d", cfg.ControlPlane.ClusterName, vips, v.VirtualRouterID, v.Version)
	return h.Sum64()
}

// sourceOf returns the address that test packets come from, for the family of a virtual address.
func sourceOf(view membership.View, vip netip.Addr) netip.Addr {
	if source := view.Source(vip); source.IsValid() {
		return source
	}
	return view.Primary(vip)
}

// deadline is when the nodes are no longer waited for.
func (o Options) deadline(start time.Time) time.Time {
	return start.Add(max(cmp.Or(o.Listen, DefaultListen), o.Wait))
}
