// SPDX-License-Identifier: Apache-2.0

package validation_test

import (
	"net/netip"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/harbinger-ha/harbinger/pkg/apis/config"
	"github.com/harbinger-ha/harbinger/pkg/apis/config/v1alpha1"
	"github.com/harbinger-ha/harbinger/pkg/apis/config/validation"
	"github.com/harbinger-ha/harbinger/pkg/balance"
	"github.com/harbinger-ha/harbinger/pkg/election"
	"github.com/harbinger-ha/harbinger/pkg/health"
	"github.com/harbinger-ha/harbinger/pkg/vrrp"
)

// valid returns the default configuration with one virtual address.
func valid(t *testing.T) *config.HarbingerConfiguration {
	t.Helper()
	versioned := &v1alpha1.HarbingerConfiguration{VirtualAddresses: []string{"192.168.238.100/24"}}
	v1alpha1.SetDefaults_HarbingerConfiguration(versioned)
	cfg, errs := v1alpha1.ToInternal(versioned)
	if len(errs) > 0 {
		t.Fatal(errs.ToAggregate())
	}
	return cfg
}

func addrs(ss ...string) []netip.Addr {
	out := []netip.Addr{}
	for _, s := range ss {
		out = append(out, netip.MustParseAddr(s))
	}
	return out
}

func prefixes(ss ...string) []netip.Prefix {
	var out []netip.Prefix
	for _, s := range ss {
		out = append(out, netip.MustParsePrefix(s))
	}
	return out
}

func metricsAt(address string) config.Metrics {
	at := netip.MustParseAddrPort(address)
	return config.Metrics{Address: at.Addr(), Port: at.Port()}
}

func TestValidate(t *testing.T) {
	tests := []struct {
		name   string
		mutate func(*config.HarbingerConfiguration)
		want   []string // paths of the errors
	}{
		{"defaults", func(*config.HarbingerConfiguration) {}, nil},
		{"fast advertisements", func(c *config.HarbingerConfiguration) {
			c.Election.VRRP.AdvertisementInterval = 100 * time.Millisecond
		}, nil},
		{"version 2", func(c *config.HarbingerConfiguration) {
			c.Election.VRRP.Version, c.Election.VRRP.AdvertisementInterval = 2, time.Second
		}, nil},
		{"dual stack", func(c *config.HarbingerConfiguration) {
			c.VirtualAddresses = prefixes("192.168.238.100/24", "fd00::100/64")
		}, nil},
		{"single address", func(c *config.HarbingerConfiguration) { c.VirtualAddresses = prefixes("192.168.238.100/32") }, nil},
		{"point to point", func(c *config.HarbingerConfiguration) { c.VirtualAddresses = prefixes("192.168.238.100/31") }, nil},
		{"no address", func(c *config.HarbingerConfiguration) { c.VirtualAddresses = nil }, []string{"virtualAddresses"}},
		{"two of a family", func(c *config.HarbingerConfiguration) {
			c.VirtualAddresses = prefixes("192.168.238.100/24", "192.168.238.101/24")
		}, []string{"virtualAddresses"}},
		{"three addresses", func(c *config.HarbingerConfiguration) {
			c.VirtualAddresses = prefixes("192.168.238.100/24", "192.168.238.101/24", "fd00::100/64")
		}, []string{"virtualAddresses"}},
		{"unspecified address", func(c *config.HarbingerConfiguration) { c.VirtualAddresses = prefixes("0.0.0.0/24") }, []string{"virtualAddresses[0]"}},
		{"multicast address", func(c *config.HarbingerConfiguration) { c.VirtualAddresses = prefixes("224.0.0.18/24") }, []string{"virtualAddresses[0]"}},
		{"loopback address", func(c *config.HarbingerConfiguration) { c.VirtualAddresses = prefixes("::1/128") }, []string{"virtualAddresses[0]"}},
		{"network address", func(c *config.HarbingerConfiguration) { c.VirtualAddresses = prefixes("192.168.238.0/24") }, []string{"virtualAddresses[0]"}},
		{"broadcast address", func(c *config.HarbingerConfiguration) { c.VirtualAddresses = prefixes("192.168.238.255/24") }, []string{"virtualAddresses[0]"}},
		{"broadcast inside an octet", func(c *config.HarbingerConfiguration) { c.VirtualAddresses = prefixes("192.168.238.103/29") }, []string{"virtualAddresses[0]"}},
		{"prefix length 0", func(c *config.HarbingerConfiguration) { c.VirtualAddresses = prefixes("192.168.238.100/0") }, []string{"virtualAddresses[0]"}},
		{"interface name", func(c *config.HarbingerConfiguration) { c.Interface = "eth0/1" }, []string{"interface"}},
		{"long interface name", func(c *config.HarbingerConfiguration) { c.Interface = "enp0s31f6enp0s31" }, []string{"interface"}},
		{"cluster name", func(c *config.HarbingerConfiguration) { c.ControlPlane.ClusterName = "a b" }, []string{"controlPlane.clusterName"}},

		{"unknown mode", func(c *config.HarbingerConfiguration) { c.Election.Mode = "hybrid" }, []string{"election.mode"}},
		{"predecessor", func(c *config.HarbingerConfiguration) { c.Election.Lease.Predecessor = "kube-system/plndr-cp-lock" }, nil},
		{"lease mode", func(c *config.HarbingerConfiguration) { c.Election.Mode = election.LeaseOnly }, nil},
		{"priority of a claim in lease mode", func(c *config.HarbingerConfiguration) {
			c.Election.Mode, c.Election.VRRP.Priority = election.LeaseOnly, 240
		}, []string{"election.vrrp.priority"}},
		{"VRID 0", func(c *config.HarbingerConfiguration) { c.Election.VRRP.VirtualRouterID = 0 }, []string{"election.vrrp.virtualRouterID"}},
		{"VRID 255", func(c *config.HarbingerConfiguration) { c.Election.VRRP.VirtualRouterID = 255 }, nil},
		{"priority of distress", func(c *config.HarbingerConfiguration) { c.Election.VRRP.Priority = 10 }, []string{"election.vrrp.priority"}},
		{"lowest priority", func(c *config.HarbingerConfiguration) { c.Election.VRRP.Priority = 11 }, nil},
		{"highest priority", func(c *config.HarbingerConfiguration) { c.Election.VRRP.Priority = 239 }, nil},
		{"priority of a claim", func(c *config.HarbingerConfiguration) { c.Election.VRRP.Priority = 240 }, []string{"election.vrrp.priority"}},
		{"priority 254 in VRRP mode", func(c *config.HarbingerConfiguration) {
			c.Election.Mode, c.Election.VRRP.Priority = election.VRRP, 254
		}, nil},
		{"priority 1 in VRRP mode", func(c *config.HarbingerConfiguration) {
			c.Election.Mode, c.Election.VRRP.Priority = election.VRRP, 1
		}, nil},
		{"more backends than there may be", func(c *config.HarbingerConfiguration) {
			for i := range 65 {
				address := netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, 0, 0, byte(1 + i)}), 6443)
				c.LoadBalancer.Backends = append(c.LoadBalancer.Backends, balance.Backend{Address: address})
			}
		}, []string{"loadBalancer.backends"}},
		{"a TTL for peers behind routers", func(c *config.HarbingerConfiguration) {
			c.Election.VRRP.MinimumTTL, c.Election.VRRP.Peers = 253, addrs("192.168.238.130", "192.168.238.131")
		}, nil},
		{"no TTL", func(c *config.HarbingerConfiguration) { c.Election.VRRP.MinimumTTL = 0 }, []string{"election.vrrp.minimumTTL"}},
		{"multicast through routers", func(c *config.HarbingerConfiguration) { c.Election.VRRP.MinimumTTL = 254 }, []string{"election.vrrp.minimumTTL"}},
		{"priority 0 in VRRP mode", func(c *config.HarbingerConfiguration) {
			c.Election.Mode, c.Election.VRRP.Priority = election.VRRP, 0
		}, []string{"election.vrrp.priority"}},
		{"priority of an owner", func(c *config.HarbingerConfiguration) {
			c.Election.Mode, c.Election.VRRP.Priority = election.VRRP, 255
		}, []string{"election.vrrp.priority"}},
		{"version 4", func(c *config.HarbingerConfiguration) { c.Election.VRRP.Version = 4 }, []string{"election.vrrp.version"}},
		{"version 2 with 100 ms", func(c *config.HarbingerConfiguration) {
			c.Election.VRRP.Version, c.Election.VRRP.AdvertisementInterval = 2, 100*time.Millisecond
		}, []string{"election.vrrp.advertisementInterval"}},
		{"version 2 with 255 s", func(c *config.HarbingerConfiguration) {
			c.Election.VRRP.Version, c.Election.VRRP.AdvertisementInterval = 2, 255*time.Second
		}, nil},
		{"version 2 with 256 s", func(c *config.HarbingerConfiguration) {
			c.Election.VRRP.Version, c.Election.VRRP.AdvertisementInterval = 2, 256*time.Second
		}, []string{"election.vrrp.advertisementInterval"}},
		{"version 2 with IPv6", func(c *config.HarbingerConfiguration) {
			c.Election.VRRP.Version, c.Election.VRRP.AdvertisementInterval = 2, time.Second
			c.VirtualAddresses = prefixes("192.168.238.100/24", "fd00::100/64")
		}, []string{"virtualAddresses[1]"}},
		{"version 3 with 40.95 s", func(c *config.HarbingerConfiguration) {
			c.Election.VRRP.AdvertisementInterval = 40950 * time.Millisecond
		}, nil},
		{"version 3 with 40.96 s", func(c *config.HarbingerConfiguration) {
			c.Election.VRRP.AdvertisementInterval = 40960 * time.Millisecond
		}, []string{"election.vrrp.advertisementInterval"}},
		{"version 3 with 15 ms", func(c *config.HarbingerConfiguration) {
			c.Election.VRRP.AdvertisementInterval = 15 * time.Millisecond
		}, []string{"election.vrrp.advertisementInterval"}},
		{"version 3 with a negative interval", func(c *config.HarbingerConfiguration) {
			c.Election.VRRP.AdvertisementInterval = -time.Second
		}, []string{"election.vrrp.advertisementInterval"}},
		{"preempt delay without preempt", func(c *config.HarbingerConfiguration) {
			c.Election.VRRP.Preempt, c.Election.VRRP.PreemptDelay = false, time.Second
		}, []string{"election.vrrp.preemptDelay"}},
		{"long preempt delay", func(c *config.HarbingerConfiguration) {
			c.Election.VRRP.PreemptDelay = 1001 * time.Second
		}, []string{"election.vrrp.preemptDelay"}},
		{"checksum", func(c *config.HarbingerConfiguration) { c.Election.VRRP.Checksum = "None" }, []string{"election.vrrp.checksum"}},
		{"PASS in version 2", func(c *config.HarbingerConfiguration) {
			c.Election.VRRP.Version, c.Election.VRRP.AdvertisementInterval = 2, time.Second
			c.Election.VRRP.Authentication = vrrp.Authentication{Type: vrrp.AuthenticationPassword, Password: "12345678"}
		}, nil},
		{"PASS in version 3", func(c *config.HarbingerConfiguration) {
			c.Election.VRRP.Authentication = vrrp.Authentication{Type: vrrp.AuthenticationPassword, Password: "12345678"}
		}, []string{"election.vrrp.authentication.type"}},
		{"PASS of 9 bytes", func(c *config.HarbingerConfiguration) {
			c.Election.VRRP.Version, c.Election.VRRP.AdvertisementInterval = 2, time.Second
			c.Election.VRRP.Authentication = vrrp.Authentication{Type: vrrp.AuthenticationPassword, Password: "123456789"}
		}, []string{"election.vrrp.authentication.password"}},
		{"PASS by a file", func(c *config.HarbingerConfiguration) {
			c.Election.VRRP.Version, c.Election.VRRP.AdvertisementInterval = 2, time.Second
			c.Election.VRRP.Authentication, c.Election.VRRP.PasswordFile = vrrp.Authentication{Type: vrrp.AuthenticationPassword}, config.PasswordFile
		}, nil},
		{"PASS without a password", func(c *config.HarbingerConfiguration) {
			c.Election.VRRP.Version, c.Election.VRRP.AdvertisementInterval = 2, time.Second
			c.Election.VRRP.Authentication = vrrp.Authentication{Type: vrrp.AuthenticationPassword}
		}, []string{"election.vrrp.authentication.password"}},
		{"password without PASS", func(c *config.HarbingerConfiguration) {
			c.Election.VRRP.Authentication.Password = "secret"
		}, []string{"election.vrrp.authentication.password"}},
		{"unknown authentication", func(c *config.HarbingerConfiguration) {
			c.Election.VRRP.Authentication.Type = "AH"
		}, []string{"election.vrrp.authentication.type"}},
		{"unicast", func(c *config.HarbingerConfiguration) {
			c.Election.VRRP.Peers = addrs("192.168.238.130", "192.168.238.131", "192.168.238.132")
		}, nil},
		{"no peers", func(c *config.HarbingerConfiguration) { c.Election.VRRP.Peers = addrs() }, []string{"election.vrrp.peers"}},
		{"no other node", func(c *config.HarbingerConfiguration) { c.Election.VRRP.Peers = addrs("192.168.238.130") }, []string{"election.vrrp.peers"}},
		{"duplicate peer", func(c *config.HarbingerConfiguration) {
			c.Election.VRRP.Peers = addrs("192.168.238.130", "192.168.238.131", "192.168.238.130")
		}, []string{"election.vrrp.peers[2]"}},
		{"virtual address as a peer", func(c *config.HarbingerConfiguration) {
			c.Election.VRRP.Peers = addrs("192.168.238.130", "192.168.238.100")
		}, []string{"election.vrrp.peers[1]"}},
		{"multicast peer", func(c *config.HarbingerConfiguration) {
			c.Election.VRRP.Peers = addrs("192.168.238.130", "224.0.0.18")
		}, []string{"election.vrrp.peers[1]"}},
		{"peer of another family", func(c *config.HarbingerConfiguration) {
			c.Election.VRRP.Peers = addrs("192.168.238.130", "fd00::131")
		}, []string{"election.vrrp.peers[1]"}},
		{"dual stack with peers of one family", func(c *config.HarbingerConfiguration) {
			c.VirtualAddresses = prefixes("192.168.238.100/24", "fd00::100/64")
			c.Election.VRRP.Peers = addrs("192.168.238.130", "192.168.238.131")
		}, []string{"election.vrrp.peers"}},
		{"source address of another family", func(c *config.HarbingerConfiguration) {
			c.Election.VRRP.SourceAddress = netip.MustParseAddr("fd00::130")
		}, []string{"election.vrrp.sourceAddress"}},
		{"lease times", func(c *config.HarbingerConfiguration) {
			c.Election.Lease.RenewInterval, c.Election.Lease.StaleAfter, c.Election.Lease.Duration = 0, -1, time.Millisecond
		}, []string{"election.lease.renewInterval", "election.lease.staleAfter", "election.lease.duration"}},
		{"lease of a predecessor", func(c *config.HarbingerConfiguration) { c.Election.Lease.Predecessor = "plndr-cp-lock" }, []string{"election.lease.predecessor"}},
		{"lease of a predecessor with a bad name", func(c *config.HarbingerConfiguration) { c.Election.Lease.Predecessor = "kube-system/plndr_cp_lock" }, []string{"election.lease.predecessor"}},
		{"own lease as predecessor", func(c *config.HarbingerConfiguration) {
			c.Election.Lease.Predecessor = c.Election.Lease.Namespace + "/" + c.Election.Lease.Name
		}, []string{"election.lease.predecessor"}},
		{"predecessor in VRRP mode", func(c *config.HarbingerConfiguration) {
			c.Election.Mode, c.Election.Lease.Predecessor = election.VRRP, "kube-system/plndr-cp-lock"
		}, []string{"election.lease.predecessor"}},
		{"lease names", func(c *config.HarbingerConfiguration) {
			c.Election.Lease.Kubeconfig, c.Election.Lease.Namespace, c.Election.Lease.Name = "kubeconfig", "A", "-"
		}, []string{"election.lease.kubeconfig", "election.lease.namespace", "election.lease.name"}},

		{"kubeconfig that the pod does not see", func(c *config.HarbingerConfiguration) {
			c.Election.Lease.Kubeconfig = "/etc/kubernetes/admin.conf"
		}, []string{"election.lease.kubeconfig"}},

		{"policy", func(c *config.HarbingerConfiguration) { c.LoadBalancer.Policy = "Random" }, []string{"loadBalancer.policy"}},
		{"mode", func(c *config.HarbingerConfiguration) { c.LoadBalancer.Mode = "IPVS" }, []string{"loadBalancer.mode"}},
		{"mode Kernel with its policies", func(c *config.HarbingerConfiguration) {
			c.LoadBalancer.Mode, c.LoadBalancer.Policy = balance.ModeKernel, balance.SourceHash
		}, nil},
		{"mode Kernel, which counts no connections", func(c *config.HarbingerConfiguration) {
			c.LoadBalancer.Mode, c.LoadBalancer.Policy = balance.ModeKernel, balance.LeastConnections
		}, []string{"loadBalancer.policy"}},
		{"mode Kernel, which sends no header", func(c *config.HarbingerConfiguration) {
			c.LoadBalancer.Mode, c.LoadBalancer.Policy = balance.ModeKernel, balance.RoundRobin
			c.LoadBalancer.Backends = []balance.Backend{
				{Address: netip.MustParseAddrPort("192.168.238.130:6443"), ProxyProtocol: balance.ProxyProtocolV2},
				{Address: netip.MustParseAddrPort("192.168.238.131:6443"), ProxyProtocol: balance.ProxyProtocolNone},
			}
		}, []string{"loadBalancer.backends[0].proxyProtocol"}},
		{"on backend down", func(c *config.HarbingerConfiguration) { c.LoadBalancer.OnBackendDown = "" }, []string{"loadBalancer.onBackendDown"}},
		{"steering mode", func(c *config.HarbingerConfiguration) { c.LoadBalancer.Steering.Mode = "IPVS" }, []string{"loadBalancer.steering.mode"}},
		{"discovery", func(c *config.HarbingerConfiguration) { c.LoadBalancer.Discovery = true }, nil},
		{"backends", func(c *config.HarbingerConfiguration) {
			c.LoadBalancer.Backends = []balance.Backend{
				{Address: netip.MustParseAddrPort("192.168.238.130:6443")},
				{Address: netip.MustParseAddrPort("192.168.238.130:6443")},
				{Address: netip.MustParseAddrPort("192.168.238.100:6443")},
				{Address: netip.MustParseAddrPort("0.0.0.0:6443")},
				{Address: netip.MustParseAddrPort("127.0.0.1:6443"), Backup: true},
			}
		}, []string{"loadBalancer.backends[1].address", "loadBalancer.backends[2].address", "loadBalancer.backends[3].address"}},
		{"weights and protocols", func(c *config.HarbingerConfiguration) {
			for i, weight := range []int{-1, 0, 256, 257} {
				at := netip.AddrPortFrom(netip.MustParseAddr("192.168.238.130"), uint16(6443+i))
				c.LoadBalancer.Backends = append(c.LoadBalancer.Backends, balance.Backend{Address: at, Weight: weight})
			}
			c.LoadBalancer.Backends[1].ProxyProtocol, c.LoadBalancer.Backends[2].ProxyProtocol = "V1", balance.ProxyProtocolV2
		}, []string{"loadBalancer.backends[0].weight", "loadBalancer.backends[1].proxyProtocol", "loadBalancer.backends[3].weight"}},
		{"limits", func(c *config.HarbingerConfiguration) {
			c.LoadBalancer.Limits = balance.Limits{Total: -1, PerBackend: -1}
		}, []string{"loadBalancer.connectionLimits.total", "loadBalancer.connectionLimits.perBackend", "loadBalancer.connectionLimits.perSource"}},
		{"share of a source", func(c *config.HarbingerConfiguration) {
			c.LoadBalancer.Limits.PerSource = c.LoadBalancer.Limits.Total + 1
			c.LoadBalancer.AccessLog = "Some"
		}, []string{"loadBalancer.accessLog", "loadBalancer.connectionLimits.perSource"}},
		{"timeouts", func(c *config.HarbingerConfiguration) {
			c.LoadBalancer.Timeouts = balance.Timeouts{Connect: -1, KeepAlive: -1, HalfClosed: -1}
			c.LoadBalancer.Drain.Timeout, c.LoadBalancer.SlowStart = -1, -1
		}, []string{"loadBalancer.timeouts.connect", "loadBalancer.timeouts.keepAlive", "loadBalancer.timeouts.halfClosed", "loadBalancer.drain.timeout", "loadBalancer.slowStart"}},

		{"rebalance", func(c *config.HarbingerConfiguration) { c.LoadBalancer.Rebalance.PerSecond = 1000 }, nil},
		{"rebalance by less than nothing", func(c *config.HarbingerConfiguration) { c.LoadBalancer.Rebalance.PerSecond = -1 }, []string{"loadBalancer.rebalance.perSecond"}},
		{"rebalance of all at once", func(c *config.HarbingerConfiguration) { c.LoadBalancer.Rebalance.PerSecond = 1001 }, []string{"loadBalancer.rebalance.perSecond"}},
		{"rebalance of what the kernel passes on", func(c *config.HarbingerConfiguration) {
			c.LoadBalancer.Rebalance.PerSecond, c.LoadBalancer.Mode, c.LoadBalancer.Policy = 1, balance.ModeKernel, balance.RoundRobin
		}, []string{"loadBalancer.rebalance.perSecond"}},
		{"rebalance of what comes back", func(c *config.HarbingerConfiguration) {
			c.LoadBalancer.Rebalance.PerSecond, c.LoadBalancer.Policy = 1, balance.SourceHash
		}, []string{"loadBalancer.rebalance.perSecond"}},

		{"TCP check", func(c *config.HarbingerConfiguration) {
			c.HealthCheck.Scheme, c.HealthCheck.Path, c.HealthCheck.CAFile, c.HealthCheck.ServerName = health.TCP, "", "", ""
		}, nil},
		{"TCP check with HTTPS options", func(c *config.HarbingerConfiguration) { c.HealthCheck.Scheme = health.TCP },
			[]string{"healthCheck.path", "healthCheck.caFile", "healthCheck.serverName"}},
		{"check without CA", func(c *config.HarbingerConfiguration) { c.HealthCheck.CAFile = "" }, []string{"healthCheck.caFile"}},
		{"check without verification", func(c *config.HarbingerConfiguration) {
			c.HealthCheck.CAFile, c.HealthCheck.ServerName, c.HealthCheck.InsecureSkipVerify = "", "", true
		}, nil},
		{"check with and without verification", func(c *config.HarbingerConfiguration) {
			c.HealthCheck.InsecureSkipVerify = true
		}, []string{"healthCheck.insecureSkipVerify"}},
		{"relative path", func(c *config.HarbingerConfiguration) { c.HealthCheck.Path = "readyz" }, []string{"healthCheck.path"}},
		{"relative CA", func(c *config.HarbingerConfiguration) { c.HealthCheck.CAFile = "/etc/../ca.crt" }, []string{"healthCheck.caFile"}},
		{"timeout above the interval", func(c *config.HarbingerConfiguration) {
			c.HealthCheck.Interval, c.HealthCheck.Timeout = 100*time.Millisecond, 500*time.Millisecond
		}, nil},
		{"timeout of none", func(c *config.HarbingerConfiguration) { c.HealthCheck.Timeout = 0 }, []string{"healthCheck.timeout"}},
		{"thresholds", func(c *config.HarbingerConfiguration) {
			c.HealthCheck.SuccessThreshold, c.HealthCheck.FailureThreshold = -1, -1
		}, []string{"healthCheck.successThreshold", "healthCheck.failureThreshold"}},
		{"balancer slower than the election", func(c *config.HarbingerConfiguration) {
			c.HealthCheck.FailureThreshold = 3
		}, []string{"healthCheck"}},
		{"slow balancer with slow advertisements", func(c *config.HarbingerConfiguration) {
			c.HealthCheck.FailureThreshold = 3
			c.Election.VRRP.AdvertisementInterval = 2 * time.Second
		}, nil},
		{"slow balancer with fast advertisements", func(c *config.HarbingerConfiguration) {
			c.HealthCheck.FailureThreshold = 3
			c.Election.VRRP.AdvertisementInterval = 100 * time.Millisecond
		}, []string{"healthCheck"}},

		{"status on a multicast address", func(c *config.HarbingerConfiguration) {
			c.Status.BindAddress = netip.MustParseAddrPort("224.0.0.1:10443")
		}, []string{"status.bindAddress"}},
		{"status without a port", func(c *config.HarbingerConfiguration) {
			c.Status.BindAddress = netip.MustParseAddrPort("127.0.0.1:0")
		}, []string{"status.bindAddress"}},
		{"metrics on loopback", func(c *config.HarbingerConfiguration) { c.Status.Metrics = metricsAt("127.0.0.1:10445") }, nil},
		{"metrics for others with a token", func(c *config.HarbingerConfiguration) {
			c.Status.Metrics = config.Metrics{Port: 10445, TokenFile: "/etc/kubernetes/harbinger/metrics-token"}
		}, nil},
		{"metrics for others by TLS", func(c *config.HarbingerConfiguration) {
			c.Status.Metrics = metricsAt("[::]:10445")
			c.Status.Metrics.CertFile, c.Status.Metrics.KeyFile = config.Directory+"/metrics/tls.crt", config.Directory+"/metrics/tls.key"
			c.Status.Metrics.ClientCAFile = config.Directory + "/metrics/ca.crt"
		}, nil},
		{"metrics for everybody", func(c *config.HarbingerConfiguration) { c.Status.Metrics = config.Metrics{Port: 10445} }, []string{"status.metricsBindAddress"}},
		{"metrics for everybody everywhere", func(c *config.HarbingerConfiguration) { c.Status.Metrics = metricsAt("0.0.0.0:10445") }, []string{"status.metricsBindAddress"}},
		{"metrics on the virtual address", func(c *config.HarbingerConfiguration) {
			c.Status.Metrics = metricsAt("192.168.238.100:10445")
			c.Status.Metrics.TokenFile = config.Directory + "/metrics-token"
		}, []string{"status.metricsBindAddress"}},
		{"metrics on a multicast address", func(c *config.HarbingerConfiguration) {
			c.Status.Metrics = metricsAt("224.0.0.18:10445")
			c.Status.Metrics.TokenFile = config.Directory + "/metrics-token"
		}, []string{"status.metricsBindAddress"}},
		{"metrics on the port of the identity", func(c *config.HarbingerConfiguration) { c.Status.Metrics = metricsAt("127.0.0.1:10444") }, []string{"status.metricsBindAddress"}},
		{"half of the TLS", func(c *config.HarbingerConfiguration) {
			c.Status.Metrics = config.Metrics{Port: 10445, CertFile: config.Directory + "/tls.crt"}
		}, []string{"status.metricsTLS.keyFile"}},
		{"the other half of the TLS", func(c *config.HarbingerConfiguration) {
			c.Status.Metrics = config.Metrics{Port: 10445, KeyFile: config.Directory + "/tls.key"}
		}, []string{"status.metricsTLS.certFile"}},
		{"certificates of clients without TLS", func(c *config.HarbingerConfiguration) {
			c.Status.Metrics = config.Metrics{Port: 10445, ClientCAFile: config.Directory + "/ca.crt"}
		}, []string{"status.metricsTLS.certFile"}},
		{"files of metrics that are served nowhere", func(c *config.HarbingerConfiguration) {
			c.Status.Metrics = config.Metrics{CertFile: config.Directory + "/tls.crt", TokenFile: config.Directory + "/token"}
		}, []string{"status.metricsTLS.certFile", "status.metricsTokenFile"}},
		{"a token that the pod does not see", func(c *config.HarbingerConfiguration) {
			c.Status.Metrics = config.Metrics{Port: 10445, TokenFile: "/etc/token"}
		}, []string{"status.metricsTokenFile"}},
		{"log format", func(c *config.HarbingerConfiguration) { c.Logging.Format = "XML" }, []string{"logging.format"}},
		{"verbosity", func(c *config.HarbingerConfiguration) { c.Logging.Verbosity = 2 }, []string{"logging.verbosity"}},

		{"identity on the status port", func(c *config.HarbingerConfiguration) { c.Status.IdentityPort = 10443 }, []string{"status.identityPort"}},
		{"identity on the own port", func(c *config.HarbingerConfiguration) {
			c.ControlPlane.Port, c.Status.IdentityPort = 4300, 4300
		}, []string{"controlPlane.port"}},
		{"steering to the apiserver", func(c *config.HarbingerConfiguration) { c.LoadBalancer.Steering.Port = 6443 }, []string{"loadBalancer.steering.port"}},
		{"steering port unused", func(c *config.HarbingerConfiguration) {
			c.ControlPlane.Port, c.LoadBalancer.Steering.Port = 4300, 6443
		}, nil},
		{"all at once", func(c *config.HarbingerConfiguration) {
			c.VirtualAddresses = nil
			c.Election.VRRP.Priority = 0
			c.Logging.Format = ""
		}, []string{"virtualAddresses", "election.vrrp.priority", "logging.format"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			cfg := valid(t)
			tt.mutate(cfg)
			var got []string
			for _, err := range validation.Validate(cfg) {
				got = append(got, err.Field)
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("Validate (-want +got):\n%s\n%v", diff, validation.Validate(cfg))
			}
		})
	}
}
