// SPDX-License-Identifier: Apache-2.0

package kubevip_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/harbinger-ha/harbinger/pkg/convert"
	"github.com/harbinger-ha/harbinger/pkg/convert/kubevip"
)

// directives has every variable that the package knows, as users have it, and what becomes of it.
var directives = []struct {
	variable string
	class    convert.Class
	text     string
}{
	{"EGRESS_CLEAN=true", convert.BuiltIn, "only for Services, which kube-vip serves in a pod of its own"},
	{"KUBERNETES_SERVICE_HOST=127.0.0.1", convert.BuiltIn, "the Lease is read at the apiserver of the node"},
	{"KUBERNETES_SERVICE_PORT=6443", convert.BuiltIn, "the Lease is read at the apiserver of the node"},
	{"PACKET_AUTH_TOKEN=secret", convert.Dropped, "of Equinix Metal: see vip_packet"},
	{"address=192.168.238.100", convert.Taken, "virtualAddresses"},
	{"annotation=example.org", convert.Dropped, "only for BGP: see bgp_enable"},
	{"backend_health_check_interval=1", convert.Taken, "healthCheck.interval"},
	{"bgp_as=65000", convert.Dropped, "only for BGP: see bgp_enable"},
	{"bgp_enable=true", convert.Refused, "Harbinger speaks no BGP: it needs one network segment for all nodes. Where they"},
	{"bgp_hold_time=true", convert.Dropped, "only for BGP: see bgp_enable"},
	{"bgp_keepalive_interval=1", convert.Dropped, "only for BGP: see bgp_enable"},
	{"bgp_multihop=true", convert.Dropped, "only for BGP: see bgp_enable"},
	{"bgp_peeraddress=192.168.238.1", convert.Dropped, "only for BGP: see bgp_enable"},
	{"bgp_peeras=65000", convert.Dropped, "only for BGP: see bgp_enable"},
	{"bgp_peerpass=true", convert.Dropped, "only for BGP: see bgp_enable"},
	{"bgp_peers=192.168.238.1:65000::false", convert.Dropped, "only for BGP: see bgp_enable"},
	{"bgp_routerid=192.168.238.130", convert.Dropped, "only for BGP: see bgp_enable"},
	{"bgp_routerinterface=true", convert.Dropped, "only for BGP: see bgp_enable"},
	{"bgp_sourceif=true", convert.Dropped, "only for BGP: see bgp_enable"},
	{"bgp_sourceip=192.168.238.130", convert.Dropped, "only for BGP: see bgp_enable"},
	{"config_file=/etc/kube-vip.yaml", convert.Refused, "the settings are in that file, which is not read"},
	{"cp_detect=true", convert.BuiltIn, "the Lease is read at the apiserver of the node, else at another one, never at"},
	{"cp_enable=true", convert.BuiltIn, "Harbinger is for the control plane"},
	{"cp_namespace=east", convert.Taken, "election.lease.predecessor"},
	{"disable_service_updates=true", convert.BuiltIn, "only for Services, which kube-vip serves in a pod of its own"},
	{"dns_mode=first", convert.BuiltIn, "the virtual address is an address"},
	{"egress_clean=true", convert.BuiltIn, "only for Services, which kube-vip serves in a pod of its own"},
	{"egress_podcidr=10.244.0.0/16", convert.BuiltIn, "only for Services, which kube-vip serves in a pod of its own"},
	{"egress_servicecidr=true", convert.BuiltIn, "only for Services, which kube-vip serves in a pod of its own"},
	{"egress_withnftables=true", convert.BuiltIn, "only for Services, which kube-vip serves in a pod of its own"},
	{"enable_endpoints=true", convert.BuiltIn, "only for Services, which kube-vip serves in a pod of its own"},
	{"enable_node_labeling=true", convert.Dropped, "no node is labelled: the Lease and /status name the holder"},
	{"enable_service_security=true", convert.BuiltIn, "only for Services, which kube-vip serves in a pod of its own"},
	{"enable_upnp=true", convert.BuiltIn, "only for Services, which kube-vip serves in a pod of its own"},
	{"health_check_port=8080", convert.Dropped, "the probes of the pod ask 127.0.0.1:10443"},
	{"iptables_backend=nft", convert.BuiltIn, "the balancer needs no rule of iptables and no IPVS"},
	{"k8s_config_file=/etc/kube-vip.yaml", convert.BuiltIn, "harbinger kubeconfig makes credentials that may touch one Lease"},
	{"kubernetes_addr=https://127.0.0.1:6443", convert.BuiltIn, "the Lease is read at the apiserver of the node, else at another one, never at"},
	{"lb_backendport=7443", convert.Taken, "controlPlane.apiServerPort"},
	{"lb_backends=192.168.238.130:6443", convert.Taken, "loadBalancer.backends"},
	{"lb_bindtovip=true", convert.BuiltIn, "the balancer listens on the virtual addresses"},
	{"lb_class_legacy_handling=true", convert.BuiltIn, "only for Services, which kube-vip serves in a pod of its own"},
	{"lb_class_name=true", convert.BuiltIn, "only for Services, which kube-vip serves in a pod of its own"},
	{"lb_class_only=true", convert.BuiltIn, "only for Services, which kube-vip serves in a pod of its own"},
	{"lb_enable=true", convert.BuiltIn, "the balancer spreads connections over the healthy apiservers, without IPVS"},
	{"lb_fwdmethod=masquerade", convert.BuiltIn, "the balancer relays: the apiservers see the address of the holder"},
	{"lb_name=apiserver", convert.BuiltIn, "there is one balancer"},
	{"lb_port=4300", convert.Taken, "controlPlane.port with lb_enable"},
	{"lb_type=tcp", convert.BuiltIn, "the balancer relays TCP"},
	{"mirror_dest_interface=true", convert.Dropped, "no traffic is mirrored"},
	{"mpbgp_ipv4=true", convert.Dropped, "only for BGP: see bgp_enable"},
	{"mpbgp_ipv6=true", convert.Dropped, "only for BGP: see bgp_enable"},
	{"mpbgp_nexthop=true", convert.Dropped, "only for BGP: see bgp_enable"},
	{"port=7443", convert.Taken, "controlPlane.apiServerPort, and controlPlane.port without lb_enable"},
	{"prometheus_server=:2112", convert.Dropped, "the metrics are at http://127.0.0.1:10443/metrics"},
	{"provider_config=true", convert.Dropped, "of Equinix Metal: see vip_packet"},
	{"svc_election=true", convert.BuiltIn, "only for Services, which kube-vip serves in a pod of its own"},
	{"svc_enable=true", convert.Refused, "Harbinger serves the control plane, no Services of type LoadBalancer"},
	{"svc_leasename=true", convert.BuiltIn, "only for Services, which kube-vip serves in a pod of its own"},
	{"svc_namespace=true", convert.BuiltIn, "only for Services, which kube-vip serves in a pod of its own"},
	{"vip_addpeerstolb=true", convert.BuiltIn, "the apiservers that the API names are backends"},
	{"vip_address=192.168.238.100", convert.Taken, "virtualAddresses"},
	{"vip_arp=true", convert.BuiltIn, "the holder announces the address by ARP and neighbour discovery"},
	{"vip_arpRate=3000", convert.BuiltIn, "the holder announces the address every 5 s, and more often after a move"},
	{"vip_cidr=24", convert.Taken, "the prefix lengths of virtualAddresses; in the kernel the address is a /32 or"},
	{"vip_cleanroutingtable=true", convert.Dropped, "only for the mode with a routing table"},
	{"vip_configmap=true", convert.BuiltIn, "only for Services, which kube-vip serves in a pod of its own"},
	{"vip_ddns=true", convert.Refused, "Harbinger asks no DHCP server for the address"},
	{"vip_interface=eth0", convert.Taken, "interface"},
	{"vip_interfaceloglobal=true", convert.Dropped, "only for the mode with a routing table"},
	{"vip_leaderelection=true", convert.BuiltIn, "there is always an election"},
	{"vip_leaseannotations=true", convert.Dropped, "the Lease of Harbinger has no annotations"},
	{"vip_leaseduration=1", convert.BuiltIn, "a renewal that is missed moves nothing here"},
	{"vip_leasename=east", convert.Taken, "election.lease.predecessor"},
	{"vip_localpeer=a:192.168.238.130:10000", convert.Dropped, "of the election by Raft: here VRRP elects, and the nodes find each other"},
	{"vip_loglevel=4", convert.Dropped, "see logging.verbosity"},
	{"vip_nodename=cp-1", convert.BuiltIn, "the pod has the name of its node"},
	{"vip_packet=true", convert.Refused, "Harbinger moves no address by the API of Equinix Metal"},
	{"vip_packetproject=true", convert.Dropped, "of Equinix Metal: see vip_packet"},
	{"vip_packetprojectid=1", convert.Dropped, "of Equinix Metal: see vip_packet"},
	{"vip_peers=b:192.168.238.131:10000", convert.Dropped, "of the election by Raft: here VRRP elects, and the nodes find each other"},
	{"vip_preserve_on_leadership_loss=true", convert.BuiltIn, "a holder that loses the API keeps the address, until another one is heard"},
	{"vip_remotepeers=true", convert.Dropped, "of the election by Raft: here VRRP elects, and the nodes find each other"},
	{"vip_renewdeadline=1", convert.BuiltIn, "a renewal that is missed moves nothing here"},
	{"vip_retryperiod=1", convert.BuiltIn, "a renewal that is missed moves nothing here"},
	{"vip_routingprotocol=true", convert.Dropped, "only for the mode with a routing table"},
	{"vip_routingtable=true", convert.Refused, "Harbinger sets no routes and leaves the announcing to no routing daemon"},
	{"vip_routingtableid=1", convert.Dropped, "only for the mode with a routing table"},
	{"vip_routingtabletype=true", convert.Dropped, "only for the mode with a routing table"},
	{"vip_servicesinterface=true", convert.BuiltIn, "only for Services, which kube-vip serves in a pod of its own"},
	{"vip_singlenode=true", convert.BuiltIn, "one node alone holds the address"},
	{"vip_startleader=true", convert.BuiltIn, "the first node that hears nobody takes the address"},
	{"vip_subnet=24,64", convert.Taken, "the prefix lengths of virtualAddresses; in the kernel the address is a /32 or"},
	{"vip_wireguard=true", convert.Refused, "Harbinger has no tunnels: it needs one network segment for all nodes. Where"},
	{"zebra_enable=true", convert.Dropped, "only for BGP: see bgp_enable"},
	{"zebra_software_name=true", convert.Dropped, "only for BGP: see bgp_enable"},
	{"zebra_url=unix:/run/zserv.api", convert.Dropped, "only for BGP: see bgp_enable"},
	{"zebra_version=true", convert.Dropped, "only for BGP: see bgp_enable"},
}

// of returns the finding of a variable or flag.
func of(found convert.Findings, name string) (convert.Finding, bool) {
	all := found.All()
	i := slices.IndexFunc(all, func(f convert.Finding) bool { return strings.HasPrefix(f.Directive, name+" ") })
	if i < 0 {
		return convert.Finding{}, false
	}
	return all[i], true
}

func TestDirectives(t *testing.T) {
	for _, d := range directives {
		name, _, _ := strings.Cut(d.variable, "=")
		_, found := run(pod(d.variable))
		if f, ok := of(found, name); !ok || f.Class != d.class || !strings.HasPrefix(f.Text, d.text) {
			t.Errorf("%s: %s, %q, want %s, %q", d.variable, f.Class, f.Text, d.class, d.text)
		}
		if strings.Contains(strings.Join(texts(found, convert.Dropped), ""), "secret") {
			t.Errorf("%s: a secret is shown", d.variable)
		}
	}
}

// A variable or flag that is added to the package needs a line here; what is said of a flag is what is said of its variable.
func TestDirectivesAreComplete(t *testing.T) {
	known := map[string]string{} // values
	for _, d := range directives {
		name, value, _ := strings.Cut(d.variable, "=")
		known[name] = value
	}
	for _, word := range kubevip.Keywords() {
		if word.Text == "" || word.Class == "" {
			t.Errorf("nothing is said of %s", word.Name)
		}
		if word.Block == "variable" && known[word.Name] == "" {
			t.Errorf("no line has the variable %s", word.Name)
		}
		variable, is := strings.CutPrefix(word.Text, "as the variable ")
		if word.Block != "flag" || !is {
			continue
		}
		_, byVariable := run(pod(variable + "=" + known[variable]))
		_, byFlag := run(strings.Replace(pod("x=1"), "[manager]", "[manager, '"+word.Name+"="+known[variable]+"']", 1))
		one, _ := of(byVariable, variable)
		other, ok := of(byFlag, variable)
		if !ok || one.Class != other.Class || one.Text != other.Text {
			t.Errorf("%s is %s, %q, but %s is %s, %q", word.Name, other.Class, other.Text, variable, one.Class, one.Text)
		}
	}
}
