// SPDX-License-Identifier: Apache-2.0

package wire

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"slices"
	"time"

	"github.com/harbinger-ha/harbinger/pkg/membership"
	"github.com/harbinger-ha/harbinger/pkg/preflight"
	"github.com/harbinger-ha/harbinger/pkg/probe"
	"github.com/harbinger-ha/harbinger/pkg/vrrp"
	"github.com/harbinger-ha/harbinger/pkg/vrrp/keyed"
)

// The names of the checks.
const (
	checkAddress  = "WireAddress"
	checkID       = "WireRouterID"
	checkRouters  = "WireRouters"
	checkPeers    = "WirePeers"
	checkVRRP     = "WireVRRP"
	checkIdentity = "WireIdentityPort"
	checkMTU      = "WireMTU"
	checkEcho     = "WireEcho"
)

// An answer is what was found of who has a virtual address.
type answer struct {
	vip     netip.Addr
	macs    []net.HardwareAddr
	err     error          // why nobody could be asked
	says    probe.Identity // of who serves its identity port; zero: nobody
	gateway net.HardwareAddr
	nodes   map[string]netip.Addr // by hardware address
}

// A segment is what was found on the wire.
type segment struct {
	view       membership.View
	listened   time.Duration
	deaf       error // why nothing could be heard; nil: it could
	answers    []answer
	routers    routers
	identities map[netip.Addr]probe.Identity // of routers, by their sources
}

// own reports whether an identity is that of a node of this cluster.
func (s segment) own(id probe.Identity) bool {
	return id.Incarnation != "" && id.Cluster == s.view.Config.ControlPlane.ClusterName
}

// walk is what to do where the host that has the address is what Harbinger is to replace.
const walk = "choose another virtual address, or take this one from that host; if it is kube-vip, which Harbinger is to replace, name its Lease " +
	"(--predecessor kube-system/plndr-cp-lock) and follow the walk in from-kube-vip.md of the documentation; if it is keepalived, that in migration.md"

// judgeAddresses says who answers for each virtual address.
func (s segment) judgeAddresses() []preflight.Result {
	var results []preflight.Result
	for i, a := range s.answers {
		r := s.judgeAddress(a)
		r.Check, r.Field = checkAddress, fmt.Sprintf("virtualAddresses[%d]", i)
		results = append(results, r)
	}
	return results
}

func (s segment) judgeAddress(a answer) preflight.Result {
	switch {
	case a.err != nil:
		return preflight.Result{Status: preflight.Warn, Found: fmt.Sprintf("nobody could be asked for %s: %s", a.vip, a.err), Remedy: enable(a.err)}
	case len(a.macs) == 0:
		return preflight.Result{Status: preflight.OK, Found: fmt.Sprintf("no other host answers for %s", a.vip)}
	case len(a.macs) > 1:
		return preflight.Result{
			Status: preflight.Fail, Found: fmt.Sprintf("%d hosts answer for %s: %s", len(a.macs), a.vip, describeAll(a.macs)),
			Remedy: "one address must have one host: find them by their hardware addresses (the tables of the switches), and take it from all but one, or choose another virtual address",
		}
	case s.own(a.says):
		return preflight.Result{Status: preflight.OK, Found: fmt.Sprintf("%s answers for %s: Harbinger of this cluster on %s", a.macs[0], a.vip, a.says.Node)}
	case a.says.Incarnation != "":
		return preflight.Result{
			Status: preflight.Fail, Found: fmt.Sprintf("%s answers for %s: Harbinger of cluster %q on %s", describe(a.macs[0]), a.vip, a.says.Cluster, a.says.Node),
			Remedy: "choose another virtual address, or give both the same controlPlane.clusterName if they are one cluster",
		}
	}
	return s.judgeForeign(a, a.macs[0])
}

// judgeForeign is about a host without Harbinger that has a virtual address.
func (s segment) judgeForeign(a answer, mac net.HardwareAddr) preflight.Result {
	who := fmt.Sprintf("%s answers for %s", describe(mac), a.vip)
	if node, ok := a.nodes[mac.String()]; ok {
		who = fmt.Sprintf("node %s, %s, answers for %s", node, mac, a.vip)
	}
	rules := s.view.Rules(a.vip)
	id, _, virtual := virtualRouter(mac)
	holders := s.routers.from(func(r *router) bool {
		return r.readable() && slices.Contains(r.addresses, a.vip) && (slices.Equal(r.mac, mac) || virtual && id == r.id)
	})
	switch {
	case len(holders) > 0 && holders[0].id == rules.VRID:
		return preflight.Result{
			Status: preflight.Warn, Found: fmt.Sprintf("%s, and advertises it from %s with this virtual router ID: the virtual router that this node joins", who, holders[0].source),
			Remedy: "none, if that is the recipe which is migrated host by host; otherwise choose another virtual address",
		}
	case len(holders) > 0:
		return preflight.Result{
			Status: preflight.Fail, Found: fmt.Sprintf("%s, and advertises it from %s with virtual router ID %d", who, holders[0].source, holders[0].id),
			Remedy: fmt.Sprintf("if that is the recipe which Harbinger is to replace, set election.vrrp.virtualRouterID: %d (--virtual-router-id %[1]d); otherwise choose another virtual address", holders[0].id),
		}
	case a.gateway != nil && slices.Equal(a.gateway, mac):
		return preflight.Result{
			Status: preflight.Fail, Found: who + ": the default gateway, which may answer for every address (proxy ARP)",
			Remedy: "switch proxy ARP off at the gateway for this subnet, or choose a virtual address that it does not answer for",
		}
	}
	if lease := s.view.Config.Election.Lease.Predecessor; lease != "" {
		return preflight.Result{
			Status: preflight.Warn, Found: who + ", without Harbinger",
			Remedy: fmt.Sprintf("none, if it is the kube-vip whose Lease is %s (election.lease.predecessor): Harbinger waits beside it; otherwise choose another virtual address", lease),
		}
	}
	return preflight.Result{Status: preflight.Fail, Found: who + ", without Harbinger", Remedy: walk}
}

func describeAll(macs []net.HardwareAddr) string {
	var texts []fmt.Stringer
	for _, mac := range macs {
		texts = append(texts, text(describe(mac)))
	}
	return list(texts)
}

// text is one that list takes.
type text string

func (t text) String() string { return string(t) }

// judgeIDs says whether another virtual router has the virtual router ID.
func (s segment) judgeIDs() []preflight.Result {
	if s.deaf != nil {
		return []preflight.Result{{
			Check: checkID, Status: preflight.Warn, Found: fmt.Sprintf("VRRP could not be listened for: %s", s.deaf), Remedy: enable(s.deaf), Field: fieldID,
		}}
	}
	own := s.view.Config.Election.VRRP.VirtualRouterID
	var results []preflight.Result
	for _, vip := range s.view.VirtualAddresses() {
		for i, r := range s.routers.of(own, vip.Is6()) {
			if i == maxShown {
				break // listRouters says that there are more
			}
			result := s.judgeID(vip, r)
			result.Check, result.Field = checkID, fieldID
			results = append(results, result)
		}
	}
	if len(results) == 0 {
		return []preflight.Result{{
			Check: checkID, Status: preflight.OK, Found: fmt.Sprintf("virtual router ID %d is free: nobody else was heard with it in %s", own, s.listened), Field: fieldID,
		}}
	}
	return results
}

const (
	fieldID = "election.vrrp.virtualRouterID"
	asRoot  = "run the check as root, on the network of the host: it needs CAP_NET_RAW and CAP_NET_ADMIN"
)

// enable is what to do about an error that kept the check from asking.
func enable(err error) string {
	if errors.Is(err, os.ErrPermission) {
		return asRoot
	}
	return "mend what the error names, and run the check again"
}

// judgeID is about a router that has our virtual router ID.
func (s segment) judgeID(vip netip.Addr, r *router) preflight.Result {
	id := s.identities[r.source]
	fault := s.refusal(vip, r)
	switch {
	case s.own(id) && s.paced(r):
		return preflight.Result{
			Status: preflight.Warn, Found: fmt.Sprintf("Harbinger of this cluster on %s (%s) advertises every %s, and this node would every %s", id.Node, r.source, r.interval, s.interval()),
			Remedy: "give all nodes the same election.vrrp.advertisementInterval (--advertisement-interval)" + s.unpaced(r),
		}
	case s.own(id):
		return preflight.Result{Status: preflight.OK, Found: fmt.Sprintf("virtual router ID %d is that of Harbinger of this cluster on %s (%s)", r.id, id.Node, r.source)}
	case r.version == 0:
		return preflight.Result{
			Status: preflight.Warn, Found: fmt.Sprintf("%s: CARP and VRRP share the protocol and refuse each other's packets", r), Remedy: s.another(r.id),
		}
	case !r.readable():
		return preflight.Result{Status: preflight.Fail, Found: fmt.Sprintf("another router has the virtual router ID: %s", r), Remedy: s.another(r.id)}
	case errors.Is(fault, vrrp.ErrAddresses) || id.Incarnation != "" || !slices.Contains(r.addresses, vip):
		return preflight.Result{
			Status: preflight.Fail, Found: fmt.Sprintf("another virtual router has the virtual router ID: %s", r),
			Remedy: s.another(r.id) + s.completeAddresses(vip, r),
		}
	case r.fault != nil || fault != nil:
		return preflight.Result{
			Status: preflight.Fail, Found: fmt.Sprintf("the virtual router is there already, but this node would refuse its advertisements (%s): %s", firstError(r.fault, fault), r),
			Remedy: "both must agree while hosts are migrated one by one: make this configuration from the other one with harbinger convert --keepalived FILE",
		}
	}
	if s.paced(r) {
		return preflight.Result{
			Status: preflight.Warn, Found: fmt.Sprintf("the virtual router is there already, with another interval than the %s of this node: %s", s.interval(), r),
			Remedy: fmt.Sprintf("if that is the recipe which is migrated host by host, set election.vrrp.advertisementInterval: %s (--advertisement-interval %[1]s) "+
				"until it is gone: after a failure all wait equally long then; otherwise %s", r.interval, s.another(r.id)),
		}
	}
	return preflight.Result{
		Status: preflight.Warn, Found: fmt.Sprintf("the virtual router is there already: %s", r),
		Remedy: "none, if that is the recipe which is migrated host by host; otherwise " + s.another(r.id),
	}
}

// interval is that of this node.
func (s segment) interval() time.Duration { return s.view.Config.Election.VRRP.AdvertisementInterval }

// paced reports whether a router of the own version has another interval than this node. In version 3 a Backup follows the interval
// that it hears; in version 2 it refuses what has another.
func (s segment) paced(r *router) bool {
	return r.version == s.view.Config.Election.VRRP.Version && r.interval != s.interval()
}

// unpaced says what comes of it until all have the same interval.
func (s segment) unpaced(r *router) string {
	if r.version == vrrp.Version2 {
		return ": until then each refuses the other, and two hold the address"
	}
	return ", one after the other: until then each follows the interval that it hears"
}

// refusal says why this node would refuse what a router says, as far as that can be known without the files of passwords and keys.
func (s segment) refusal(vip netip.Addr, r *router) error {
	if !r.readable() {
		return r.fault
	}
	c := s.view.Config.Election.VRRP
	rules := s.view.Rules(vip)
	switch {
	case c.Signed():
		rules.Authentication = r.packet.Advertisement.Authentication
	case c.PasswordFile != "" && r.packet.Advertisement.Authentication.Type == vrrp.AuthenticationPassword:
		rules.Authentication = r.packet.Advertisement.Authentication
	}
	if fault := rules.Check(r.packet); fault != nil {
		return fault
	}
	switch {
	case r.signed && !c.Signed():
		return vrrp.ErrLength
	case !r.signed && c.Signed() && c.HMAC.Mode == keyed.Enforce:
		return vrrp.ErrHMACMissing
	}
	return nil
}

func firstError(errs ...error) error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

// completeAddresses is what else to do about a router that has our address among others.
func (s segment) completeAddresses(vip netip.Addr, r *router) string {
	if !slices.Contains(r.addresses, vip) {
		return ""
	}
	return fmt.Sprintf("; or, if that is the recipe which is migrated, make both advertise the same addresses: it has %s", list(r.addresses))
}

// another suggests a virtual router ID that is free.
func (s segment) another(used uint8) string {
	if id, ok := s.routers.free(used); ok {
		return fmt.Sprintf("use an ID that nobody was heard with, on all nodes: election.vrrp.virtualRouterID: %d (--virtual-router-id %[1]d)", id)
	}
	return "all virtual router IDs were heard on this segment: use another one for the nodes"
}

// listRouters lists the virtual routers that were heard.
func (s segment) listRouters() []preflight.Result {
	if s.deaf != nil {
		return nil // judgeIDs says so
	}
	all := s.routers.sorted()
	if len(all) == 0 {
		return []preflight.Result{{Check: checkRouters, Status: preflight.OK, Found: fmt.Sprintf("no VRRP and no CARP was heard in %s", s.listened)}}
	}
	var results []preflight.Result
	for i, r := range all {
		if i == maxShown {
			break
		}
		results = append(results, preflight.Result{Check: checkRouters, Status: preflight.OK, Found: r.String()})
	}
	if left := len(all) - len(results); left > 0 || s.routers.more {
		results = append(results, preflight.Result{
			Check: checkRouters, Status: preflight.Warn, Found: fmt.Sprintf("%d more virtual routers were heard, or more than are counted: %d are shown", left, len(results)),
			Remedy: "tcpdump -nn ip proto 112 or ip6 proto 112",
		})
	}
	return results
}
