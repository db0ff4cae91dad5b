// SPDX-License-Identifier: Apache-2.0

package kubevip

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/harbinger-ha/harbinger/pkg/convert"
)

// rule is what becomes of a variable.
type rule struct {
	class convert.Class // in the common case
	text  string
	set   func(*kubevip, variable) // nil: it is noted as above, whatever its value is
}

// What is said of more than one variable.
const (
	ofServices = "only for Services, which kube-vip serves in a pod of its own: see svc_enable"
	ofBGP      = "only for BGP: see bgp_enable"
	ofTable    = "only for the mode with a routing table: see vip_routingtable"
	ofRaft     = "of the election by Raft: here VRRP elects, and the nodes find each other"
	ofLease    = "a renewal that is missed moves nothing here: VRRP elects, and election.lease has times of its own"
	ofProvider = "of Equinix Metal: see vip_packet"
	firewalls  = "the balancer needs no rule of iptables and no IPVS"
)

// variables has every variable of kube-vip since v0.1, by name.
var variables = withGroups(map[string]rule{
	"address":     {convert.Taken, "virtualAddresses; a DNS name is refused", address},
	"vip_address": {convert.Taken, "virtualAddresses; a DNS name is refused", address},
	"vip_cidr":    {convert.Taken, "the prefix lengths of virtualAddresses", subnet},
	"vip_subnet":  {convert.Taken, "the prefix lengths of virtualAddresses", subnet},
	"vip_interface": {convert.Taken, "interface", func(k *kubevip, v variable) {
		switch {
		case k.unfilled(v):
		case v.value == "lo":
			k.Refuse(v.statement(), "the loopback is for BGP and routing tables: name the interface in the subnet of the address, or leave the variable out")
		default:
			k.cfg.Interface = v.value
			k.Take(v.statement(), "interface")
		}
	}},
	"port":    {convert.Taken, "controlPlane.apiServerPort, and controlPlane.port without lb_enable", port("controlPlane.apiServerPort, and controlPlane.port without lb_enable")},
	"lb_port": {convert.Taken, "controlPlane.port with lb_enable", port("controlPlane.port with lb_enable")},
	"lb_enable": {convert.BuiltIn, "the balancer spreads connections over the healthy apiservers; loadBalancer.steering.mode: None turns it off on a shared port", func(k *kubevip, v variable) {
		if k.lb = k.truth(v); k.lb {
			k.Build(v.statement(), "the balancer spreads connections over the healthy apiservers, without IPVS")
			return
		}
		k.Drop(v.statement(), "the balancer spreads connections over the healthy apiservers all the same: loadBalancer.steering.mode: None turns it off on a shared port")
	}},
	"lb_fwdmethod": {convert.Dropped, "the balancer relays, so that the apiservers see the address of the holder", func(k *kubevip, v variable) {
		if v.value == "masquerade" {
			k.Build(v.statement(), "the balancer relays: the apiservers see the address of the holder")
			return
		}
		k.Drop(v.statement(), "the balancer relays: the apiservers see the address of the holder, not that of the client")
	}},
	"lb_backends":    {convert.Taken, "loadBalancer.backends", backends},
	"lb_backendport": {convert.Taken, "controlPlane.apiServerPort", port("controlPlane.apiServerPort")},
	"lb_name":        {convert.BuiltIn, "there is one balancer", nil},
	"lb_type": {convert.BuiltIn, "the balancer relays TCP; http is refused", func(k *kubevip, v variable) {
		if strings.EqualFold(v.value, "http") {
			k.Refuse(v.statement(), "the balancer passes TLS through and reads no HTTP: use tcp")
			return
		}
		k.Build(v.statement(), "the balancer relays TCP")
	}},
	"lb_bindtovip":                  {convert.BuiltIn, "the balancer listens on the virtual addresses", nil},
	"backend_health_check_interval": {convert.Taken, "healthCheck.interval", healthCheckInterval},

	"cp_enable":    {convert.BuiltIn, "what Harbinger is for; false is refused where there is no other pod", (*kubevip).enabled},
	"cp_namespace": {convert.Taken, "election.lease.predecessor: the namespace of the Lease of kube-vip", leasePart},
	"cp_detect":    {convert.BuiltIn, "the Lease is read at the apiserver of the node, else at another one, never at the virtual address", nil},
	"kubernetes_addr": {convert.BuiltIn, "the Lease is read at the apiserver of the node, else at another one, never at the virtual address",
		nil},
	"k8s_config_file": {convert.BuiltIn, "harbinger kubeconfig makes credentials that may touch one Lease", nil},
	"vip_leaderelection": {convert.BuiltIn, "there is always an election", func(k *kubevip, v variable) {
		if k.truth(v) {
			k.Build(v.statement(), "there is always an election")
			return
		}
		k.Fault(v.statement(), "kube-vip takes the address on every node that runs it: Harbinger elects one. It has no Lease to wait for, so stop kube-vip on all nodes first")
	}},
	"vip_leasename":        {convert.Taken, "election.lease.predecessor: the name of the Lease of kube-vip", leasePart},
	"vip_leaseduration":    {convert.BuiltIn, ofLease, leaseTime(defaultLeaseDuration)},
	"vip_renewdeadline":    {convert.BuiltIn, ofLease, leaseTime(defaultRenewDeadline)},
	"vip_retryperiod":      {convert.BuiltIn, ofLease, leaseTime(defaultRetryPeriod)},
	"vip_leaseannotations": {convert.Dropped, "the Lease of Harbinger has no annotations", nil},
	"vip_preserve_on_leadership_loss": {convert.BuiltIn, "a holder that loses the API keeps the address, until another one is heard", func(k *kubevip, v variable) {
		k.truth(v)
		k.Build(v.statement(), "a holder that loses the API keeps the address, until another one is heard")
	}},
	"vip_nodename":     {convert.BuiltIn, "the pod has the name of its node", nil},
	"vip_startleader":  {convert.BuiltIn, "the first node that hears nobody takes the address", nil},
	"vip_singlenode":   {convert.BuiltIn, "one node alone holds the address", nil},
	"vip_peers":        {convert.Dropped, ofRaft, nil},
	"vip_localpeer":    {convert.Dropped, ofRaft, nil},
	"vip_remotepeers":  {convert.Dropped, ofRaft, nil},
	"vip_addpeerstolb": {convert.BuiltIn, "the apiservers that the API names are backends: loadBalancer.discovery", nil},

	"vip_arp": {convert.BuiltIn, "the holder announces the address by ARP and neighbour discovery", func(k *kubevip, v variable) {
		k.arp = k.truth(v)
		if k.arp {
			k.Build(v.statement(), "the holder announces the address by ARP and neighbour discovery")
		}
	}},
	"vip_arpRate": {convert.BuiltIn, "the holder announces the address every 5 s, and more often after a move", nil},
	"vip_ddns":    refusedIfOn("Harbinger asks no DHCP server for the address: take one that DHCP does not give away, and name it in address"),
	"dns_mode":    {convert.BuiltIn, "the virtual address is an address: no name is looked up", nil},

	"bgp_enable": refusedIfOn("Harbinger speaks no BGP: it needs one network segment for all nodes. Where they have none, keep kube-vip"),
	"vip_routingtable": refusedIfOn("Harbinger sets no routes and leaves the announcing to no routing daemon: it needs one network segment for all nodes. " +
		"Where they have none, keep kube-vip"),
	"vip_wireguard": refusedIfOn("Harbinger has no tunnels: it needs one network segment for all nodes. Where they have none, keep kube-vip"),
	"vip_packet":    refusedIfOn("Harbinger moves no address by the API of Equinix Metal: keep kube-vip there"),
	"svc_enable": refusedIfOn("Harbinger serves the control plane, no Services of type LoadBalancer: run kube-vip for those in a DaemonSet of its own with " +
		"svc_enable true and cp_enable false, set svc_enable to false here, and convert again"),
	"zebra_enable": {convert.Dropped, ofBGP, nil},
	"config_file":  {convert.Refused, "the settings are in that file", refusal("the settings are in that file, which is not read: put its settings into the variables of the same meaning")},

	"annotation":            {convert.Dropped, ofBGP, nil},
	"enable_node_labeling":  {convert.Dropped, "no node is labelled: the Lease and /status name the holder", nil},
	"prometheus_server":     {convert.Dropped, "the metrics are at http://127.0.0.1:10443/metrics: see status.metricsBindAddress", nil},
	"health_check_port":     {convert.Dropped, "the probes of the pod ask 127.0.0.1:10443: see status.bindAddress", nil},
	"vip_loglevel":          {convert.Dropped, "see logging.verbosity", nil},
	"mirror_dest_interface": {convert.Dropped, "no traffic is mirrored", nil},
	"iptables_backend":      {convert.BuiltIn, firewalls, nil},
	"vip_interfaceloglobal": {convert.Dropped, ofTable, nil},
	"provider_config":       {convert.Dropped, ofProvider, nil},
	"PACKET_AUTH_TOKEN":     {convert.Dropped, ofProvider, nil},
	"vip_configmap":         {convert.BuiltIn, ofServices, nil},
})

// groups are variables of which the same is said.
var groups = []struct {
	names string
	rule  rule
}{
	{"vip_servicesinterface svc_namespace svc_election svc_leasename lb_class_only lb_class_name lb_class_legacy_handling enable_service_security " +
		"egress_podcidr egress_servicecidr egress_withnftables egress_clean EGRESS_CLEAN disable_service_updates enable_endpoints enable_upnp",
		rule{class: convert.BuiltIn, text: ofServices}},
	{"bgp_routerid bgp_routerinterface bgp_as bgp_peeraddress bgp_peers bgp_peeras bgp_peerpass bgp_multihop bgp_sourceif bgp_sourceip bgp_hold_time " +
		"bgp_keepalive_interval zebra_url zebra_version zebra_software_name mpbgp_nexthop mpbgp_ipv4 mpbgp_ipv6",
		rule{class: convert.Dropped, text: ofBGP}},
	{"vip_routingtableid vip_routingtabletype vip_routingprotocol vip_cleanroutingtable", rule{class: convert.Dropped, text: ofTable}},
	{"KUBERNETES_SERVICE_HOST KUBERNETES_SERVICE_PORT", rule{class: convert.BuiltIn, text: "the Lease is read at the apiserver of the node, else at another one, never at the virtual address"}},
	{"vip_packetproject vip_packetprojectid", rule{class: convert.Dropped, text: ofProvider}},
}

func withGroups(rules map[string]rule) map[string]rule {
	for _, group := range groups {
		for _, name := range strings.Fields(group.names) {
			rules[name] = group.rule
		}
	}
	return rules
}

// flags has the flags of kube-vip's command line that say what a variable says.
var flags = map[string]string{
	"interface": "vip_interface", "serviceInterface": "vip_servicesinterface", "vip": "vip_address", "vipSubnet": "vip_subnet", "cidr": "vip_cidr",
	"address": "address", "port": "port", "arp": "vip_arp", "wireguard": "vip_wireguard", "table": "vip_routingtable", "nodeName": "vip_nodename",
	"enableLoadBalancer": "lb_enable", "lbPort": "lb_port", "lbForwardingMethod": "lb_fwdmethod", "ddns": "vip_ddns", "mirrorDestInterface": "mirror_dest_interface",
	"leaderElection": "vip_leaderelection", "leaseName": "vip_leasename", "leaseDuration": "vip_leaseduration", "leaseRenewDuration": "vip_renewdeadline",
	"leaseRetry": "vip_retryperiod", "bgp": "bgp_enable", "bgpRouterID": "bgp_routerid", "sourceIF": "bgp_sourceif", "sourceIP": "bgp_sourceip",
	"localAS": "bgp_as", "bgpHoldTimer": "bgp_hold_time", "bgpKeepAliveInterval": "bgp_keepalive_interval", "peerAddress": "bgp_peeraddress",
	"peerAS": "bgp_peeras", "peerPass": "bgp_peerpass", "multihop": "bgp_multihop", "bgppeers": "bgp_peers", "annotations": "annotation",
	"zebra": "zebra_enable", "zebraUrl": "zebra_url", "zebraVersion": "zebra_version", "zebraSoftwareName": "zebra_software_name", "namespace": "cp_namespace",
	"log": "vip_loglevel", "tableID": "vip_routingtableid", "tableType": "vip_routingtabletype", "routingProtocol": "vip_routingprotocol",
	"cleanRoutingTable": "vip_cleanroutingtable", "controlplane": "cp_enable", "autodetectcp": "cp_detect", "services": "svc_enable",
	"servicesElection": "svc_election", "lbClassOnly": "lb_class_only", "lbClassName": "lb_class_name", "lbClassNameLegacyHandling": "lb_class_legacy_handling",
	"onlyAllowTrafficServicePorts": "enable_service_security", "enableNodeLabeling": "enable_node_labeling", "servicesLeaseName": "svc_leasename",
	"dnsMode": "dns_mode", "disableServiceUpdates": "disable_service_updates", "enableEndpoints": "enable_endpoints",
	"loInterfaceGlobalScope": "vip_interfaceloglobal", "healthCheckPort": "health_check_port", "prometheusHTTPServer": "prometheus_server",
	"k8sConfigPath": "k8s_config_file", "config-file": "config_file", "startAsLeader": "vip_startleader", "singleNode": "vip_singlenode",
	"localPeer": "vip_localpeer", "remotePeers": "vip_peers", "packet": "vip_packet", "metal": "vip_packet", "packetProject": "vip_packetproject",
	"metalProject": "vip_packetproject", "metalProjectID": "vip_packetprojectid", "provider-config": "provider_config", "lbBackEndPort": "lb_backendport",
	"lbBindToVip": "lb_bindtovip", "lbName": "lb_name", "lbType": "lb_type", "addPeersToLB": "vip_addpeerstolb", "configMap": "vip_configmap",
}

// switches are the flags that are on without a value.
var switches = strings.Fields("arp wireguard table enableLoadBalancer ddns leaderElection bgp multihop zebra cleanRoutingTable controlplane autodetectcp services " +
	"servicesElection lbClassOnly lbClassNameLegacyHandling onlyAllowTrafficServicePorts enableNodeLabeling disableServiceUpdates enableEndpoints " +
	"loInterfaceGlobalScope startAsLeader singleNode packet metal lbBindToVip addPeersToLB inCluster")

// ofEtcd are the flags of the election by etcd.
const ofEtcd = "of the election by etcd: there is no Lease by which Harbinger could know kube-vip, so stop it on all nodes before Harbinger starts"

var etcdFlags = strings.Fields("leaderElectionType etcdCACert etcdCert etcdKey etcdEndpoints")

// Keywords returns all variables and flags that the package knows.
func Keywords() []convert.Keyword {
	var all []convert.Keyword
	for _, name := range slices.Sorted(maps.Keys(variables)) {
		all = append(all, convert.Keyword{Block: "variable", Name: name, Class: variables[name].class, Text: variables[name].text})
	}
	for _, name := range slices.Sorted(maps.Keys(flags)) {
		all = append(all, convert.Keyword{Block: "flag", Name: "--" + name, Class: variables[flags[name]].class, Text: fmt.Sprintf("as the variable %s", flags[name])})
	}
	for _, name := range etcdFlags {
		all = append(all, convert.Keyword{Block: "flag", Name: "--" + name, Class: convert.Dropped, Text: ofEtcd})
	}
	return all
}
