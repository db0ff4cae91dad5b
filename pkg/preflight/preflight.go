// SPDX-License-Identifier: Apache-2.0

// Package preflight checks a configuration against the host it is about to run on: its interfaces, addresses and ports. It
// changes nothing on the host and sends nothing to other hosts.
package preflight

import (
	"fmt"
	"net/netip"
	"slices"

	"k8s.io/apimachinery/pkg/util/validation/field"

	"github.com/harbinger-ha/harbinger/pkg/address"
	"github.com/harbinger-ha/harbinger/pkg/apis/config"
	"github.com/harbinger-ha/harbinger/pkg/membership"
	"github.com/harbinger-ha/harbinger/pkg/socket"
)

// Facts are what the checks need to know of a host.
type Facts struct {
	Links     []address.Link
	Listeners []Listener
	Routing   address.Routing
	// LocalPorts are those that the kernel gives to outgoing connections.
	LocalPorts LocalPorts
	// HarbingerRuns says that Harbinger runs on this host, so that its ports may be in use.
	HarbingerRuns bool
	// CAOutside is where the CA file leads by symbolic links, if that is outside its own directory. Empty: it does not.
	CAOutside string
	// Password is why the pod could not read the password from its file. Empty: it can, or has none.
	Password string
}

// Listener is a TCP socket that accepts connections.
type Listener struct {
	Address netip.AddrPort
	// APIServer says that it has the certificate of an apiserver. It is found out for the port of the apiserver only.
	APIServer bool
}

// Warnings returns what a person should look at on a host that a configuration fits, with its path and its remedy.
func Warnings(cfg *config.HarbingerConfiguration, facts Facts) field.ErrorList {
	return append(CheckRouting(cfg, facts), checkLocalPorts(cfg, facts.LocalPorts)...)
}

// Check returns every fault of a valid configuration on a host, with its path and its remedy.
func Check(cfg *config.HarbingerConfiguration, facts Facts) field.ErrorList {
	errs := append(checkAddresses(cfg, facts.Links), checkPorts(cfg, facts)...)
	if facts.CAOutside != "" {
		errs = append(errs, field.Invalid(field.NewPath("healthCheck", "caFile"), cfg.HealthCheck.CAFile,
			fmt.Sprintf("is a symbolic link out of its directory, which is all that the pod sees: use %s", facts.CAOutside)))
	}
	if facts.Password != "" {
		errs = append(errs, field.Invalid(field.NewPath("election", "vrrp", "authentication", "passwordFile"), cfg.Election.VRRP.PasswordFile, facts.Password))
	}
	return append(errs, checkBackends(cfg, facts.Links)...)
}

// checkBackends refuses this node's own balancer as a backend: it would pass connections on to itself.
func checkBackends(cfg *config.HarbingerConfiguration, links []address.Link) field.ErrorList {
	var errs field.ErrorList
	for i, backend := range cfg.LoadBalancer.Backends {
		here := slices.ContainsFunc(links, func(l address.Link) bool { return has(l, backend.Address.Addr()) })
		if here && cfg.ListensOn(backend.Address.Port()) {
			errs = append(errs, field.Invalid(field.NewPath("loadBalancer", "backends").Index(i).Child("address"), backend.Address.String(),
				"must be the port of an apiserver: Harbinger itself listens there on this node, and would pass connections on to itself"))
		}
	}
	return errs
}

func checkAddresses(cfg *config.HarbingerConfiguration, links []address.Link) field.ErrorList {
	if errs := checkVirtualAddresses(cfg.VirtualAddresses, links); len(errs) > 0 {
		return errs
	}
	link, err := address.Find(links, cfg.Interface, cfg.VirtualAddresses)
	if err != nil {
		if cfg.Interface != "" && !slices.ContainsFunc(links, func(l address.Link) bool { return l.Name == cfg.Interface }) {
			return field.ErrorList{field.Invalid(field.NewPath("interface"), cfg.Interface, err.Error())}
		}
		return field.ErrorList{field.Invalid(field.NewPath("virtualAddresses"), texts(cfg.VirtualAddresses), err.Error())}
	}
	vrrp := &cfg.Election.VRRP
	vrrpPath := field.NewPath("election", "vrrp")
	if vrrp.SourceAddress.IsValid() && !has(link, vrrp.SourceAddress) {
		return field.ErrorList{field.Invalid(vrrpPath.Child("sourceAddress"), vrrp.SourceAddress.String(),
			fmt.Sprintf("must be an address of interface %s, which has %v", link.Name, link.Addresses))}
	}
	if errs := checkPeers(vrrpPath.Child("peers"), cfg, link); len(errs) > 0 {
		return errs
	}
	if missing := (membership.View{Config: cfg, Link: link}).Missing(); missing != "" {
		return field.ErrorList{field.Invalid(field.NewPath("interface"), link.Name, "must have "+missing)}
	}
	return nil
}

// checkVirtualAddresses refuses the node's own addresses. A virtual address that a Harbinger holds here is not among those.
func checkVirtualAddresses(vips []netip.Prefix, links []address.Link) field.ErrorList {
	var errs field.ErrorList
	for i, vip := range vips {
		for _, link := range links {
			if has(link, vip.Addr()) {
				errs = append(errs, field.Invalid(field.NewPath("virtualAddresses").Index(i), vip.String(),
					fmt.Sprintf("must not be an address of this node, and interface %s has it: choose a free one, or stop what has put it there", link.Name)))
			}
		}
	}
	return errs
}

// checkPeers makes sure that this node is in the list: the others ignore advertisements of a node that they do not know.
func checkPeers(fldPath *field.Path, cfg *config.HarbingerConfiguration, link address.Link) field.ErrorList {
	peers := cfg.Election.VRRP.Peers
	if peers == nil {
		return nil
	}
	var errs field.ErrorList
	for _, vip := range cfg.VirtualAddresses {
		if slices.ContainsFunc(peers, func(peer netip.Addr) bool { return peer.Is4() == vip.Addr().Is4() && has(link, peer) }) {
			continue
		}
		errs = append(errs, field.Invalid(fldPath, texts(peers),
			fmt.Sprintf("must have the address of every node, and so that of this one, %s", link.Primary(vip.Addr()))))
	}
	return errs
}

func has(link address.Link, addr netip.Addr) bool {
	return slices.ContainsFunc(link.Addresses, func(prefix netip.Prefix) bool { return prefix.Addr() == addr })
}

// checkPorts makes sure that the apiserver's port is free or has an apiserver, and that Harbinger's own are free.
func checkPorts(cfg *config.HarbingerConfiguration, facts Facts) field.ErrorList {
	var errs field.ErrorList
	controlPlane := field.NewPath("controlPlane")
	apiServer := netip.AddrPortFrom(netip.IPv6Unspecified(), cfg.ControlPlane.APIServerPort)
	for _, l := range facts.Listeners {
		if socket.Overlap(l.Address, apiServer) && !l.APIServer {
			errs = append(errs, inUse(controlPlane.Child("apiServerPort"), l, "something that is not an apiserver"))
			break
		}
	}
	if facts.HarbingerRuns {
		return errs
	}
	for _, own := range ownPorts(cfg) {
		i := slices.IndexFunc(facts.Listeners, func(l Listener) bool { return socket.Overlap(l.Address, own.address) })
		if i >= 0 {
			errs = append(errs, inUse(own.path, facts.Listeners[i], "another program"))
		}
	}
	return errs
}

type ownPort struct {
	path    *field.Path
	address netip.AddrPort
}

// ownPorts are the ports that Harbinger opens itself.
func ownPorts(cfg *config.HarbingerConfiguration) []ownPort {
	everywhere := netip.IPv6Unspecified()
	ports := []ownPort{
		{field.NewPath("status", "bindAddress"), cfg.Status.BindAddress},
		{field.NewPath("status", "identityPort"), netip.AddrPortFrom(everywhere, cfg.Status.IdentityPort)},
	}
	if cfg.ControlPlane.Port != cfg.ControlPlane.APIServerPort {
		return append(ports, ownPort{field.NewPath("controlPlane", "port"), netip.AddrPortFrom(everywhere, cfg.ControlPlane.Port)})
	}
	return append(ports, ownPort{field.NewPath("loadBalancer", "steering", "port"), netip.AddrPortFrom(everywhere, cfg.LoadBalancer.Steering.Port)})
}

func inUse(fldPath *field.Path, l Listener, by string) *field.Error {
	return field.Invalid(fldPath, l.Address.Port(),
		fmt.Sprintf("is in use on %s by %s (ss -ltnp shows it): stop it, or choose another port", l.Address, by))
}

func texts[T fmt.Stringer](values []T) []string {
	var out []string
	for _, value := range values {
		out = append(out, value.String())
	}
	return out
}
