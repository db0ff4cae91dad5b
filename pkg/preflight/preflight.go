// SPDX-License-Identifier: Apache-2.0

// Package preflight checks a configuration against the host it is about to run on, and the host for what would go wrong there:
// interfaces, addresses and ports, other managers of virtual addresses, packet filters, the kernel, and what configures the network. It
// changes nothing on the host and sends nothing to other hosts. It is one package because each check is a row of one table over the
// same facts.
package preflight

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/util/validation/field"

	"github.com/harbinger-ha/harbinger/pkg/address"
	"github.com/harbinger-ha/harbinger/pkg/apis/config"
	"github.com/harbinger-ha/harbinger/pkg/firewall"
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
	// Keys are why the pod could not read the key of an id from its file, by the id. It can where there is none.
	Keys map[uint8]string
	// Firewall is what the packet filters do with what arrives.
	Firewall Asked[firewall.Ruleset]
	// Programs are other managers of virtual addresses, and Pods those in the directory of the kubelet.
	Programs Asked[[]Program]
	Pods     Asked[[]Pod]
	Kubelet  Asked[Kubelet]
	// Settings are those of the kernel for each interface, by their names.
	Settings Asked[map[string]int]
	// DefaultRoute is the interface of the IPv4 default route. Empty: there is none.
	DefaultRoute string
	NetworkLines Asked[[]Line]
	Management   map[int]Management // of an interface, by its index
	Process      Asked[Process]
	// Clock (whether it is synchronised), BPF, Fence, KernelMode and Image are of the slow checks.
	Clock Asked[bool]
	BPF   Asked[struct{}]
	Fence Asked[struct{}]
	// KernelMode is asked where the kernel is to pass connections on.
	KernelMode Asked[struct{}]
	Image      Asked[Image]
	// Thorough says that the facts of the slow checks were gathered too.
	Thorough bool
}

// Listener is a TCP socket that accepts connections.
type Listener struct {
	Address netip.AddrPort
	// APIServer says that it has the certificate of an apiserver. It is found out for the port of the apiserver only.
	APIServer bool
}

// configurationChecks ask whether a host fits what the configuration names.
var configurationChecks = []Check{
	{Name: "VirtualAddress", Finds: "a virtual address that is this node's own, or that something else has put there",
		Remedy: "choose a free one, or stop what has put it there", run: checkVirtualAddresses},
	{Name: "Interface", Finds: "no interface, or the wrong one, in the subnet of the virtual addresses; no address to advertise from",
		Remedy: "correct `interface`, `virtualAddresses` or `sourceAddress`", run: checkInterface},
	{Name: "Peers", Finds: "a list of peers without this node; a peer behind a router whose advertisements nobody would accept",
		Remedy: "correct `election.vrrp.peers`, `minimumTTL`", run: checkPeers},
	{Name: "Backends", Finds: "a backend that is this node's own balancer", Remedy: "name the port of an apiserver", run: checkBackends},
	{Name: "Ports", Finds: "ports of Harbinger, or of the apiserver, that another program listens on",
		Remedy: "stop it (`ss -ltnp` shows it), or choose another port", run: checkPorts},
	{Name: "LocalPorts", Finds: "ports of Harbinger that the kernel gives to outgoing connections", Remedy: "the line for sysctl", run: checkLocalPorts},
	{Name: "Files", Finds: "a CA that the pod does not see; a password or key that cannot be read", Remedy: "the path to use; the mode of the file", run: checkFiles},
	{Name: "RoutingRules", Finds: "`ip rule` that sends the answers from the virtual address another way than those from the node's own",
		Remedy: "the `ip rule` to add", run: CheckRouting},
}

// checkFiles makes sure that the pod can read the files of the configuration.
func checkFiles(cfg *config.HarbingerConfiguration, facts Facts) []Result {
	var results []Result
	if facts.CAOutside != "" {
		results = append(results, fault(Fail, field.NewPath("healthCheck", "caFile"), cfg.HealthCheck.CAFile,
			"is a symbolic link out of its directory, which is all that the pod sees", "use "+facts.CAOutside))
	}
	authentication := field.NewPath("election", "vrrp", "authentication")
	if facts.Password != "" {
		results = append(results, fault(Fail, authentication.Child("passwordFile"), cfg.Election.VRRP.PasswordFile, facts.Password,
			fmt.Sprintf("write the password to %s, for root alone (mode 0600)", cfg.Election.VRRP.PasswordFile)))
	}
	for i, key := range cfg.Election.VRRP.HMAC.Keys { // without one, the pod waits for it
		if found := facts.Keys[key.ID]; found != "" {
			results = append(results, fault(Fail, authentication.Child("hmac", "keys").Index(i).Child("file"), key.File, found,
				fmt.Sprintf("write the key to %s, for root alone (mode 0600)", key.File)))
		}
	}
	return orFine(results, "the pod can read the files that the configuration names")
}

// checkBackends refuses this node's own balancer as a backend: it would pass connections on to itself.
func checkBackends(cfg *config.HarbingerConfiguration, facts Facts) []Result {
	if len(cfg.LoadBalancer.Backends) == 0 {
		return nil
	}
	var results []Result
	for i, backend := range cfg.LoadBalancer.Backends {
		here := slices.ContainsFunc(facts.Links, func(l address.Link) bool { return l.Owns(backend.Address.Addr()) })
		if here && cfg.ListensOn(backend.Address.Port()) {
			results = append(results, fault(Fail, field.NewPath("loadBalancer", "backends").Index(i).Child("address"), backend.Address.String(),
				"must be the port of an apiserver", "name another port: Harbinger itself listens there on this node, and would pass connections on to itself"))
		}
	}
	return orFine(results, "none of the %d backends is the balancer of this node", len(cfg.LoadBalancer.Backends))
}

// link finds the interface of the virtual addresses, unless one of them belongs to this node: then it is not looked for.
func link(cfg *config.HarbingerConfiguration, facts Facts) (address.Link, error) {
	return address.Find(facts.Links, cfg.Interface, cfg.VirtualAddresses)
}

// checkInterface makes sure that the virtual addresses have an interface, and that it has the addresses to advertise from.
func checkInterface(cfg *config.HarbingerConfiguration, facts Facts) []Result {
	if len(ownAddresses(cfg, facts)) > 0 {
		return nil // a fault of its own
	}
	link, err := link(cfg, facts)
	if err != nil {
		const remedy = "correct the interface or the virtual addresses (ip -brief address shows those of this host)"
		if cfg.Interface != "" && !slices.ContainsFunc(facts.Links, func(l address.Link) bool { return l.Name == cfg.Interface }) {
			return []Result{fault(Fail, field.NewPath("interface"), cfg.Interface, err.Error(), remedy)}
		}
		return []Result{fault(Fail, field.NewPath("virtualAddresses"), texts(cfg.VirtualAddresses), err.Error(), remedy)}
	}
	if source := cfg.Election.VRRP.SourceAddress; source.IsValid() && !link.Owns(source) {
		return []Result{fault(Fail, field.NewPath("election", "vrrp", "sourceAddress"), source.String(),
			fmt.Sprintf("must be an address of interface %s, which has %v", link.Name, link.Addresses), "name one of those, or none")}
	}
	if missing := (membership.View{Config: cfg, Link: link}).Missing(); missing != "" && len(peerFaults(cfg, link)) == 0 {
		return []Result{fault(Fail, field.NewPath("interface"), link.Name, "must have "+missing, "give the interface one, or name its peers for unicast")}
	}
	return fine("%s has %s", link.Name, strings.Join(texts(link.Addresses), ", "))
}

// checkVirtualAddresses refuses the node's own addresses. A virtual address that a Harbinger holds here is not among those.
func checkVirtualAddresses(cfg *config.HarbingerConfiguration, facts Facts) []Result {
	if cfg.Election.Lease.Predecessor != "" && isHere(cfg, facts) {
		return fine("%s: on this node, where kube-vip has it until Harbinger takes it over", strings.Join(texts(cfg.VirtualAddresses), ", "))
	}
	return orFine(ownAddresses(cfg, facts), "%s: not among the addresses of this node", strings.Join(texts(cfg.VirtualAddresses), ", "))
}

// isHere reports whether a virtual address is among the addresses of this node.
func isHere(cfg *config.HarbingerConfiguration, facts Facts) bool {
	return slices.ContainsFunc(cfg.VirtualAddresses, func(vip netip.Prefix) bool {
		return slices.ContainsFunc(facts.Links, func(l address.Link) bool { return l.Owns(vip.Addr()) })
	})
}

// ownAddresses refuses those of this node. A predecessor may have them here.
func ownAddresses(cfg *config.HarbingerConfiguration, facts Facts) []Result {
	if cfg.Election.Lease.Predecessor != "" {
		return nil
	}
	var results []Result
	for i, vip := range cfg.VirtualAddresses {
		for _, link := range facts.Links {
			if link.Owns(vip.Addr()) {
				results = append(results, fault(Fail, field.NewPath("virtualAddresses").Index(i), vip.String(),
					fmt.Sprintf("must not be an address of this node, and interface %s has it", link.Name), "choose a free one, or stop what has put it there"))
			}
		}
	}
	return results
}

// checkPeers makes sure that the nodes would accept the advertisements of each other.
func checkPeers(cfg *config.HarbingerConfiguration, facts Facts) []Result {
	link, err := link(cfg, facts)
	if err != nil || len(ownAddresses(cfg, facts)) > 0 || cfg.Election.VRRP.Peers == nil {
		return nil // a fault of its own, or multicast
	}
	return orFine(peerFaults(cfg, link), "%s, with this node", strings.Join(texts(cfg.Election.VRRP.Peers), ", "))
}

func peerFaults(cfg *config.HarbingerConfiguration, link address.Link) []Result {
	path := field.NewPath("election", "vrrp", "peers")
	return append(missingPeers(path, cfg, link), farPeers(path, cfg, link)...)
}

// missingPeers makes sure that this node is in the list: the others ignore advertisements of a node that they do not know.
func missingPeers(path *field.Path, cfg *config.HarbingerConfiguration, link address.Link) []Result {
	peers := cfg.Election.VRRP.Peers
	if peers == nil {
		return nil
	}
	var results []Result
	for _, vip := range cfg.VirtualAddresses {
		if slices.ContainsFunc(peers, func(peer netip.Addr) bool { return peer.Is4() == vip.Addr().Is4() && link.Owns(peer) }) {
			continue
		}
		own := link.Primary(vip.Addr()).String()
		results = append(results, fault(Fail, path, texts(peers), "must have the address of every node, and so that of this one, "+own, "add "+own+" on every node"))
	}
	return results
}

// farPeers refuses peers behind a router whose advertisements no node would accept.
func farPeers(path *field.Path, cfg *config.HarbingerConfiguration, link address.Link) []Result {
	var results []Result
	for i, peer := range cfg.Election.VRRP.Peers {
		if cfg.Election.VRRP.MinimumTTL == highestTTL && !link.Owns(peer) && !link.Neighbour(peer) {
			results = append(results, fault(Fail, path.Index(i), peer.String(),
				fmt.Sprintf("is in no subnet of interface %s, and each router on the way lowers the TTL of advertisements", link.Name),
				"set election.vrrp.minimumTTL to 255 less the number of routers"))
		}
	}
	return results
}

// highestTTL is that of a packet that has passed no router.
const highestTTL = 255

// checkPorts makes sure that the apiserver's port is free or has an apiserver, and that Harbinger's own are free.
func checkPorts(cfg *config.HarbingerConfiguration, facts Facts) []Result {
	var results []Result
	controlPlane := field.NewPath("controlPlane")
	apiServer := netip.AddrPortFrom(netip.IPv6Unspecified(), cfg.ControlPlane.APIServerPort)
	for _, l := range facts.Listeners {
		if socket.Overlap(l.Address, apiServer) && !l.APIServer {
			results = append(results, inUse(controlPlane.Child("apiServerPort"), l, "something that is not an apiserver"))
			break
		}
	}
	if facts.HarbingerRuns {
		return orFine(results, "Harbinger runs on this host")
	}
	var ports []string
	for _, own := range ownPorts(cfg) {
		ports = append(ports, fmt.Sprint(own.address.Port()))
		i := slices.IndexFunc(facts.Listeners, func(l Listener) bool { return socket.Overlap(l.Address, own.address) })
		if i >= 0 {
			results = append(results, inUse(own.path, facts.Listeners[i], "another program"))
		}
	}
	return orFine(results, "%s are free", strings.Join(ports, ", "))
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
	if m := cfg.Status.Metrics; m.Served() {
		ports = append(ports, ownPort{field.NewPath("status", "metricsBindAddress"), m.At(everywhere)})
	}
	if cfg.ControlPlane.Port != cfg.ControlPlane.APIServerPort {
		return append(ports, ownPort{field.NewPath("controlPlane", "port"), netip.AddrPortFrom(everywhere, cfg.ControlPlane.Port)})
	}
	return append(ports, ownPort{field.NewPath("loadBalancer", "steering", "port"), netip.AddrPortFrom(everywhere, cfg.LoadBalancer.Steering.Port)})
}

func inUse(path *field.Path, l Listener, by string) Result {
	return fault(Fail, path, l.Address.Port(), fmt.Sprintf("is in use on %s by %s (ss -ltnp shows it)", l.Address, by), "stop it, or choose another port")
}

func texts[T fmt.Stringer](values []T) []string {
	var out []string
	for _, value := range values {
		out = append(out, value.String())
	}
	return out
}
