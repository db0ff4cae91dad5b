// SPDX-License-Identifier: Apache-2.0

package v1alpha1

import metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

// GroupVersion and Kind identify a configuration document.
const (
	GroupVersion = "harbinger.dev/v1alpha1"
	Kind         = "HarbingerConfiguration"
)

// HarbingerConfiguration is the configuration of Harbinger. The same document works on every node of a cluster.
type HarbingerConfiguration struct {
	metav1.TypeMeta `json:",inline"`

	// virtualAddresses are the addresses that clients use and that always move together: one, or one IPv4 and one IPv6.
	// Each is an address of the interface's subnet with a prefix length (192.168.238.100/24); without one it is a /32 or /128.
	// In the kernel each is a host address (/32 or /128), so that the host's own addresses may change beside it.
	// Required.
	VirtualAddresses []string `json:"virtualAddresses,omitempty"`
	// interface is the network interface that carries the virtual addresses. Default: the one whose subnet holds the first
	// virtual address, found on each node by itself.
	Interface string `json:"interface,omitempty"`
	// controlPlane says where clients find the control plane and where the apiservers listen.
	ControlPlane ControlPlane `json:"controlPlane,omitzero"`
	// election decides which node holds the virtual addresses.
	Election Election `json:"election,omitzero"`
	// loadBalancer spreads connections over the apiservers.
	LoadBalancer LoadBalancer `json:"loadBalancer,omitzero"`
	// healthCheck decides which apiservers get connections.
	HealthCheck HealthCheck `json:"healthCheck,omitzero"`
	// status says where Harbinger shows what it does.
	Status Status `json:"status,omitzero"`
	// logging of the process, to standard error.
	Logging Logging `json:"logging,omitzero"`
}

// ControlPlane says where clients find the control plane and where its apiservers listen.
type ControlPlane struct {
	// port is the TCP port of the virtual addresses, the one of kubeadm's controlPlaneEndpoint. It may be the apiserver's own.
	Port int32 `json:"port,omitempty"`
	// apiServerPort is the TCP port of the apiserver on every node, kubeadm's localAPIEndpoint.bindPort.
	APIServerPort int32 `json:"apiServerPort,omitempty"`
	// clusterName distinguishes clusters on one network segment: a holder of another cluster is never accepted as a peer.
	ClusterName string `json:"clusterName,omitempty"`
}

// Election decides which node holds the virtual addresses.
type Election struct {
	// mode is Hybrid (VRRP, and a Kubernetes Lease as arbiter once the API can be read), VRRP (the RFC alone, for instance next
	// to keepalived) or Lease (a Lease alone: nothing is advertised, and without the API nobody holds the addresses).
	Mode string `json:"mode,omitempty"`
	// vrrp is the election on the wire (RFC 9568, RFC 3768).
	VRRP VRRP `json:"vrrp,omitzero"`
	// lease is the arbitration by the Kubernetes API in the modes Hybrid and Lease.
	Lease Lease `json:"lease,omitzero"`
}

// VRRP is the election on the wire.
type VRRP struct {
	// version of the protocol: 3, or 2 together with routers that have no other (IPv4 only, whole seconds).
	Version int32 `json:"version,omitempty"`
	// virtualRouterID is 1 to 255, the same on all nodes, and used by nothing else on the segment.
	VirtualRouterID *int32 `json:"virtualRouterID,omitempty"`
	// priority of a healthy node: 11 to 239 in Hybrid mode, 1 to 254 in VRRP mode. Equal priorities are settled by the higher
	// node address, so all nodes may have the same.
	Priority *int32 `json:"priority,omitempty"`
	// advertisementInterval of the holder; a Backup takes over after three intervals without one. Version 3: 10ms to
	// 40.95s in steps of 10ms. Version 2: 1s to 255s in whole seconds, and the same on all nodes.
	AdvertisementInterval metav1.Duration `json:"advertisementInterval,omitzero"`
	// preempt lets a node of higher priority take the addresses from a healthy holder of lower priority.
	Preempt *bool `json:"preempt,omitempty"`
	// preemptDelay is how long a starting node waits before it preempts, 0s to 1000s.
	PreemptDelay metav1.Duration `json:"preemptDelay,omitzero"`
	// peers are the node addresses of the cluster, for unicast advertisements. The node's own address is in the list too, so that it
	// is the same on all nodes. Left out: multicast. An empty list is an error.
	Peers []string `json:"peers,omitzero"`
	// sourceAddress of the advertisements. Default: the primary address of the interface, which each node finds by itself.
	SourceAddress string `json:"sourceAddress,omitempty"`
	// minimumTTL is the least TTL or hop limit that an advertisement of a peer may arrive with, keepalived's min_ttl: 1 to 255. 255
	// shows that it has passed no router. Less is for peers behind routers, each of which lowers it by 1, and for keepalived among
	// the peers over IPv6, which sends 64. Multicast is always 255.
	MinimumTTL int32 `json:"minimumTTL,omitempty"`
	// checksum of version 3 over IPv4: Auto (sends as keepalived does by default, accepts both forms), Pseudo (with the
	// pseudo-header, keepalived's default) or RFC9568 (without, keepalived's v3_checksum_as_v2).
	Checksum string `json:"checksum,omitempty"`
	// authentication of the advertisements: the password of version 2, which is no protection as it is readable on the wire, or
	// signatures, as keepalived has both.
	Authentication Authentication `json:"authentication,omitzero"`
}

// Authentication of the advertisements.
type Authentication struct {
	// type is None, Password (keepalived's auth_type PASS, version 2) or HMAC (its auth_hmac of 2.4.2 and later, versions 2 and 3).
	Type string `json:"type,omitempty"`
	// password of at most 8 bytes. harbinger manifest moves it into a file, which the pod then reads.
	Password string `json:"password,omitempty"`
	// passwordFile has the password: a file in /etc/kubernetes/harbinger, the directory that the pod sees, which only root may read
	// (mode 0600). A new password asks for a restart of the pod.
	PasswordFile string `json:"passwordFile,omitempty"`
	// hmac has the keys of type HMAC. All of it may change while the pod runs.
	HMAC HMAC `json:"hmac,omitzero"`
}

// HMAC are the keys of signed advertisements.
type HMAC struct {
	// keys each have an id of their own. A node accepts signatures of any of them.
	Keys []HMACKey `json:"keys,omitempty"`
	// activeKey is the id of the key that this node signs with.
	ActiveKey int32 `json:"activeKey,omitempty"`
	// mode is Enforce (signs, and accepts only what is signed), Permissive (signs, and accepts what is not signed too) or
	// ReceiveOnly (does not sign, and accepts both). Default with type HMAC: Enforce.
	Mode string `json:"mode,omitempty"`
	// antiReplay is Time (a recorded advertisement is known by the clock, and by the order of what a node has sent) or Monotonic (by
	// the order alone: after a restart of the host that receives, recorded ones pass). Default with type HMAC: Time.
	AntiReplay string `json:"antiReplay,omitempty"`
	// timeWindow is by how much the clocks of two nodes may differ with Time: 1s to 300s in whole seconds. Nodes whose clocks differ
	// by more do not hear each other. Default with Time: three times advertisementInterval, at least 5s.
	TimeWindow metav1.Duration `json:"timeWindow,omitzero"`
}

// HMACKey names the file of a key.
type HMACKey struct {
	// id is 1 to 255, the same on all nodes. A new key has a new id.
	ID int32 `json:"id"`
	// file has the key, 32 to 64 bytes as they are or in hexadecimal digits after "hex:": a file in /etc/kubernetes/harbinger or below,
	// which only root may read (mode 0600).
	File string `json:"file"`
}

// Lease is the arbitration by the Kubernetes API.
type Lease struct {
	// kubeconfig file for the Lease, in /etc/kubernetes/harbinger, the directory that the pod sees. It may appear after the start and is followed when it changes.
	Kubeconfig string `json:"kubeconfig,omitempty"`
	// namespace of the Lease.
	Namespace string `json:"namespace,omitempty"`
	// name of the Lease.
	Name string `json:"name,omitempty"`
	// predecessor is the Lease of a kube-vip that has the virtual addresses until Harbinger takes them over, as namespace/name
	// (kube-system/plndr-cp-lock). No node takes or removes them before that Lease is released or has expired; from then on the
	// holder keeps it, so that no kube-vip takes the addresses back. Remove it when kube-vip is gone, which a running pod follows:
	// until then a start needs the API. Not in VRRP mode. Default: none.
	Predecessor string `json:"predecessor,omitempty"`
	// renewInterval is the time between two renewals of the holder.
	RenewInterval metav1.Duration `json:"renewInterval,omitzero"`
	// staleAfter is how long the Lease must have been seen unchanged before another node may take it, at least twice
	// renewInterval. In mode Lease it has no effect: duration takes its place.
	StaleAfter metav1.Duration `json:"staleAfter,omitzero"`
	// duration is written into the Lease, in whole seconds and more than staleAfter. In mode Lease it decides: a holder that
	// cannot renew the Lease gives the addresses up after two thirds of it, and another node takes them once it has seen the
	// Lease unchanged for all of it. In mode Hybrid it only informs those who read the Lease.
	Duration metav1.Duration `json:"duration,omitzero"`
}

// LoadBalancer spreads connections over the apiservers.
type LoadBalancer struct {
	// mode is Relay (the balancer process passes every byte on) or Kernel (nf_tables does, and the balancer process checks the backends and
	// relays only where the kernel cannot: see "The kernel as balancer"). Default: Relay.
	Mode string `json:"mode,omitempty"`
	// policy is RoundRobin, LeastConnections or SourceHash. The kernel has no LeastConnections. Default: LeastConnections, in mode Kernel
	// RoundRobin.
	Policy string `json:"policy,omitempty"`
	// backends are the apiservers, 64 at most. Default: the apiserver of the node itself, 127.0.0.1:apiServerPort.
	Backends []Backend `json:"backends,omitempty"`
	// discovery adds the apiservers that the Kubernetes API names to the backends, as long as there are no more than 64, once the API can
	// be read with election.lease.kubeconfig. Those on the link that have answered a health check with a certificate of the cluster's CA
	// for their address become peers as well. Default: true, but false in VRRP mode.
	Discovery *bool `json:"discovery,omitempty"`
	// steering brings connections to the balancer when it has the port of the apiserver.
	Steering Steering `json:"steering,omitzero"`
	// connectionLimits bound the relayed connections.
	ConnectionLimits ConnectionLimits `json:"connectionLimits,omitzero"`
	// timeouts of relayed connections. There is no idle timeout: a watch may be silent for hours.
	Timeouts Timeouts `json:"timeouts,omitzero"`
	// drain of a planned stop.
	Drain Drain `json:"drain,omitzero"`
	// onBackendDown is CloseSessions (sessions of a backend that fails hard are closed at once, so that clients reconnect) or
	// KeepSessions.
	OnBackendDown string `json:"onBackendDown,omitempty"`
	// accessLog says which connections get a line in the log at their end: Off, Failures (those that were refused, that another backend
	// had to take over, and those that their backend or the balancer ended; 20 a minute for each client address) or All. Default: Failures.
	AccessLog string `json:"accessLog,omitempty"`
	// preferLocal gives new connections to the apiserver of the node itself while it is healthy, and to the others when it is not. The
	// apiserver of the host that holds the virtual addresses then carries all clients that come by them. Default: false.
	PreferLocal bool `json:"preferLocal,omitempty"`
	// slowStart is how long the share of a backend that became healthy grows to its full size. Default: none.
	SlowStart metav1.Duration `json:"slowStart,omitzero"`
	// rebalance moves sessions to a backend that has come back. Default: off.
	Rebalance Rebalance `json:"rebalance,omitzero"`
}

// Rebalance says how sessions move to a backend that has come back.
type Rebalance struct {
	// perSecond is how many sessions of the other backends are closed in a second, at most, so that their clients connect again: the oldest
	// that have carried nothing for 5 s, until the shares are even. 0: none, sessions stay where they are. Not with policy SourceHash, nor
	// with mode Kernel. Default: 0.
	PerSecond int32 `json:"perSecond,omitempty"`
}

// Backend is one apiserver.
type Backend struct {
	// address and port of the apiserver: 192.168.238.130:6443 or [fd00::130]:6443. Required.
	Address string `json:"address,omitempty"`
	// backup keeps the backend unused as long as one that is no backup is healthy.
	Backup bool `json:"backup,omitempty"`
	// weight is the share of the connections that the backend gets beside the others, 0 to 256: one of 2 gets twice as many as one of 1, which
	// is the default and what discovered ones have. 0 keeps new connections off it while another backend, a backup too, takes them.
	Weight *int32 `json:"weight,omitempty"`
	// proxyProtocol is V2 for a proxy in front of apiservers that wants the header of version 2 of the PROXY protocol before the first byte
	// of a client, with the addresses of the client and of what it connected to. Health checks send one that names nobody (LOCAL). An
	// apiserver does not know it, and mode Kernel cannot send it. Default: None.
	ProxyProtocol string `json:"proxyProtocol,omitempty"`
}

// Steering brings connections to the balancer when controlPlane.port is the port of the apiserver.
type Steering struct {
	// mode is Auto (BPF, else NFTables), BPF (a socket lookup program), NFTables (a redirect) or None (no balancer on a shared
	// port: the virtual address then reaches the apiserver of the holder alone).
	Mode string `json:"mode,omitempty"`
	// port of the balancer's own listener on a shared port.
	Port int32 `json:"port,omitempty"`
}

// ConnectionLimits bound the relayed connections.
type ConnectionLimits struct {
	// total of open connections; more of them are reset.
	Total int32 `json:"total,omitempty"`
	// perBackend bounds the open connections of one backend. Default: no limit.
	PerBackend int32 `json:"perBackend,omitempty"`
	// perSource bounds the open connections of one client address, so that one client cannot shut out the others. Default: a quarter
	// of total. Where the file descriptors allow fewer connections than total, it shrinks by as much.
	PerSource int32 `json:"perSource,omitempty"`
	// unlimitedSources are networks (CIDR) whose addresses have no such bound: those of a NAT or of a balancer in front, which speak
	// for many clients.
	UnlimitedSources []string `json:"unlimitedSources,omitempty"`
}

// Timeouts of relayed connections.
type Timeouts struct {
	// connect is the time for connecting to a backend. After a quarter of it another backend is dialled in parallel. A backend
	// that leaves a client without an answer for half of it gets no connection until a check has passed.
	Connect metav1.Duration `json:"connect,omitzero"`
	// keepAlive is the silence after which TCP keepalive probes find out whether the other end still exists.
	KeepAlive metav1.Duration `json:"keepAlive,omitzero"`
	// halfClosed is how long a connection may stay open and silent after one side has finished sending.
	HalfClosed metav1.Duration `json:"halfClosed,omitzero"`
}

// Drain of a planned stop.
type Drain struct {
	// timeout bounds the drain: until the virtual addresses move, for transfers that came in by them, and in what is left of it
	// for the other connections.
	Timeout metav1.Duration `json:"timeout,omitzero"`
}

// HealthCheck decides which apiservers get connections. A dead one is found within interval + failureThreshold x
// timeout; where its host does not even accept a connection, new ones keep clear of it 125 ms after a check began.
type HealthCheck struct {
	// scheme is HTTPS, HTTP (a GET of path answered by 200) or TCP (a connect).
	Scheme string `json:"scheme,omitempty"`
	// path of the GET.
	Path string `json:"path,omitempty"`
	// caFile verifies the certificates of the apiservers (HTTPS).
	CAFile string `json:"caFile,omitempty"`
	// serverName that the certificates of the apiservers must carry (HTTPS). The default is in each one that kubeadm makes.
	ServerName string `json:"serverName,omitempty"`
	// insecureSkipVerify takes any certificate (HTTPS).
	InsecureSkipVerify bool `json:"insecureSkipVerify,omitempty"`
	// interval between two checks of a backend.
	Interval metav1.Duration `json:"interval,omitzero"`
	// timeout of one check. It may be longer than interval, as a busy apiserver is slow: checks of one backend do not overlap.
	Timeout metav1.Duration `json:"timeout,omitzero"`
	// successThreshold is the number of good checks in a row that make a backend healthy.
	SuccessThreshold int32 `json:"successThreshold,omitempty"`
	// failureThreshold is the number of bad checks in a row that make a backend unhealthy.
	FailureThreshold int32 `json:"failureThreshold,omitempty"`
}

// Status says where Harbinger shows what it does.
type Status struct {
	// bindAddress of the HTTP endpoint with the status, the metrics and the probes of the pod.
	BindAddress string `json:"bindAddress,omitempty"`
	// identityPort is the TCP port, on the node address and the virtual addresses, at which peers ask who holds the addresses.
	IdentityPort int32 `json:"identityPort,omitempty"`
	// metricsBindAddress serves the metrics, and nothing else, at a further ADDRESS:PORT (default: only at bindAddress). node:PORT is
	// the address of each host on its interface, 0.0.0.0:PORT or [::]:PORT all of them; never a virtual address, behind which another
	// host is after a move. Where it is not on loopback it needs metricsTLS or metricsTokenFile.
	MetricsBindAddress string `json:"metricsBindAddress,omitempty"`
	// metricsTLS serves the metrics at metricsBindAddress by TLS.
	MetricsTLS MetricsTLS `json:"metricsTLS,omitzero"`
	// metricsTokenFile has what a client of metricsBindAddress shows as its bearer token: a file in /etc/kubernetes/harbinger or below, for root alone (mode
	// 0600), which may be replaced while the pod runs. Without metricsTLS the token crosses the network in the clear.
	MetricsTokenFile string `json:"metricsTokenFile,omitempty"`
}

// MetricsTLS are files in /etc/kubernetes/harbinger or below, in PEM, which may be replaced while the pod runs.
type MetricsTLS struct {
	// certFile has the certificate of the endpoint, and those between it and its CA.
	CertFile string `json:"certFile,omitempty"`
	// keyFile has the private key of the certificate, for root alone (mode 0600).
	KeyFile string `json:"keyFile,omitempty"`
	// clientCAFile has the CAs whose clients may ask (default: everybody may, who has the token where there is one).
	ClientCAFile string `json:"clientCAFile,omitempty"`
}

// Logging of the process.
type Logging struct {
	// format is JSON or Text.
	Format string `json:"format,omitempty"`
	// verbosity is 0 (what an operator needs) or 1 (each packet and connection).
	Verbosity int32 `json:"verbosity,omitempty"`
}
