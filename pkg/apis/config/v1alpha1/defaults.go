// SPDX-License-Identifier: Apache-2.0

package v1alpha1

import (
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/harbinger-ha/harbinger/pkg/apis/config"
	"github.com/harbinger-ha/harbinger/pkg/balance"
	"github.com/harbinger-ha/harbinger/pkg/election"
	"github.com/harbinger-ha/harbinger/pkg/health"
	"github.com/harbinger-ha/harbinger/pkg/logging"
	"github.com/harbinger-ha/harbinger/pkg/vrrp"
	"github.com/harbinger-ha/harbinger/pkg/vrrp/keyed"
)

// The defaults.
const (
	// DefaultPort and DefaultAPIServerPort are kubeadm's: the balancer shares the port of the apiserver.
	DefaultPort          = 6443
	DefaultAPIServerPort = 6443
	// DefaultClusterName is kubeadm's.
	DefaultClusterName = "kubernetes"

	DefaultElectionMode    = string(election.Hybrid)
	DefaultVRRPVersion     = 3
	DefaultVirtualRouterID = 51
	DefaultPriority        = 100
	// DefaultAdvertisementInterval is that of version 3: a holder that dies is missed after less than three quarters of a second.
	DefaultAdvertisementInterval = 200 * time.Millisecond
	// DefaultAdvertisementInterval2 is that of version 2, which counts in whole seconds.
	DefaultAdvertisementInterval2 = time.Second
	DefaultPreempt                = true
	DefaultMinimumTTL             = 255
	DefaultChecksum               = string(vrrp.ChecksumAuto)
	DefaultAuthenticationType     = string(vrrp.AuthenticationNone)

	DefaultHMACMode       = string(keyed.Enforce)
	DefaultHMACAntiReplay = string(keyed.Time)

	DefaultLeaseKubeconfig    = config.Directory + "/kubeconfig"
	DefaultLeaseNamespace     = "kube-system"
	DefaultLeaseName          = "harbinger"
	DefaultLeaseRenewInterval = time.Second
	DefaultLeaseStaleAfter    = 2 * time.Second
	DefaultLeaseDuration      = 5 * time.Second

	DefaultBalancerMode  = string(balance.ModeRelay)
	DefaultPolicy        = string(balance.LeastConnections)
	DefaultSteeringMode  = string(balance.SteeringAuto)
	DefaultSteeringPort  = 16443
	DefaultOnBackendDown = string(balance.CloseSessions)
	DefaultAccessLog     = string(balance.AccessLogFailures)
	// DefaultConnectionsTotal is ten times what a cluster of some hundred nodes keeps open.
	DefaultConnectionsTotal = 20000
	// DefaultSourceShare is the part of all connections that one source may have.
	DefaultSourceShare = 4
	// DefaultConnectTimeout is when the kernel would send its second SYN: by then another backend is the better try.
	DefaultConnectTimeout = time.Second
	// DefaultKeepAlive is Go's own.
	DefaultKeepAlive = 15 * time.Second
	// DefaultHalfClosed frees connections of clients that went away without a word.
	DefaultHalfClosed = 30 * time.Second
	// DefaultDrainTimeout is short because watches never end by themselves and reconnect cheaply.
	DefaultDrainTimeout = 10 * time.Second

	DefaultHealthCheckScheme = string(health.HTTPS)
	DefaultHealthCheckPath   = "/readyz"
	DefaultCAFile            = "/etc/kubernetes/pki/ca.crt"
	// DefaultServerName is in every serving certificate that kubeadm makes, which 127.0.0.1 is not.
	DefaultServerName = "kubernetes"
	// DefaultHealthCheckInterval, with the 125 ms after which a check doubts a host that accepts no connection, keeps new connections
	// clear of a dead host within three advertisement intervals of 200 ms: before the election misses it.
	DefaultHealthCheckInterval = 400 * time.Millisecond
	// DefaultHealthCheckTimeout is the patience with a busy apiserver; with two of it in a row, a dead one is Down after 2.2 s.
	DefaultHealthCheckTimeout = 900 * time.Millisecond
	DefaultSuccessThreshold   = 2
	DefaultFailureThreshold   = 2

	DefaultStatusBindAddress = "127.0.0.1:10443"
	DefaultIdentityPort      = 10444

	DefaultLogFormat = string(logging.FormatJSON)
)

// SetDefaults_HarbingerConfiguration fills in what the document leaves out.
func SetDefaults_HarbingerConfiguration(obj *HarbingerConfiguration) {
	SetDefaults_ControlPlane(&obj.ControlPlane)
	SetDefaults_Election(&obj.Election)
	SetDefaults_LoadBalancer(&obj.LoadBalancer)
	setDefaultPointer(&obj.LoadBalancer.Discovery, obj.Election.Mode != string(election.VRRP))
	SetDefaults_HealthCheck(&obj.HealthCheck)
	SetDefaults_Status(&obj.Status)
	SetDefaults_Logging(&obj.Logging)
}

// SetDefaults_ControlPlane sets the defaults of the ports and the cluster name.
func SetDefaults_ControlPlane(obj *ControlPlane) {
	setDefault(&obj.Port, DefaultPort)
	setDefault(&obj.APIServerPort, DefaultAPIServerPort)
	setDefault(&obj.ClusterName, DefaultClusterName)
}

// SetDefaults_Election sets the defaults of the election.
func SetDefaults_Election(obj *Election) {
	setDefault(&obj.Mode, DefaultElectionMode)
	SetDefaults_VRRP(&obj.VRRP)
	SetDefaults_Lease(&obj.Lease)
}

// SetDefaults_VRRP sets the defaults of the election on the wire.
func SetDefaults_VRRP(obj *VRRP) {
	setDefault(&obj.Version, DefaultVRRPVersion)
	setDefaultPointer(&obj.VirtualRouterID, DefaultVirtualRouterID)
	setDefaultPointer(&obj.Priority, DefaultPriority)
	setDefaultDuration(&obj.AdvertisementInterval, AdvertisementInterval(obj.Version))
	setDefaultPointer(&obj.Preempt, DefaultPreempt)
	setDefault(&obj.MinimumTTL, DefaultMinimumTTL)
	setDefault(&obj.Checksum, DefaultChecksum)
	setDefault(&obj.Authentication.Type, DefaultAuthenticationType)
	if obj.Authentication.Type == string(vrrp.AuthenticationHMAC) {
		SetDefaults_HMAC(&obj.Authentication.HMAC, obj.AdvertisementInterval.Duration)
	}
}

// AdvertisementInterval returns the default interval of a version of the protocol.
func AdvertisementInterval(version int32) time.Duration {
	if version == int32(vrrp.Version2) {
		return DefaultAdvertisementInterval2
	}
	return DefaultAdvertisementInterval
}

// SetDefaults_HMAC sets the defaults of signed advertisements, which only the type HMAC has. Only the clock has a window.
func SetDefaults_HMAC(obj *HMAC, interval time.Duration) {
	setDefault(&obj.Mode, DefaultHMACMode)
	setDefault(&obj.AntiReplay, DefaultHMACAntiReplay)
	if obj.AntiReplay == string(keyed.Time) {
		setDefaultDuration(&obj.TimeWindow, keyed.DefaultWindow(interval))
	}
}

// SetDefaults_Lease sets the defaults of the arbitration by the Kubernetes API.
func SetDefaults_Lease(obj *Lease) {
	setDefault(&obj.Kubeconfig, DefaultLeaseKubeconfig)
	setDefault(&obj.Namespace, DefaultLeaseNamespace)
	setDefault(&obj.Name, DefaultLeaseName)
	setDefaultDuration(&obj.RenewInterval, DefaultLeaseRenewInterval)
	setDefaultDuration(&obj.StaleAfter, DefaultLeaseStaleAfter)
	setDefaultDuration(&obj.Duration, DefaultLeaseDuration)
}

// SetDefaults_LoadBalancer sets the defaults of the balancer.
func SetDefaults_LoadBalancer(obj *LoadBalancer) {
	setDefault(&obj.Mode, DefaultBalancerMode)
	if obj.Mode == string(balance.ModeKernel) { // which does not count connections
		setDefault(&obj.Policy, string(balance.RoundRobin))
	}
	setDefault(&obj.Policy, DefaultPolicy)
	setDefault(&obj.Steering.Mode, DefaultSteeringMode)
	setDefault(&obj.Steering.Port, DefaultSteeringPort)
	setDefault(&obj.ConnectionLimits.Total, DefaultConnectionsTotal)
	setDefault(&obj.ConnectionLimits.PerSource, max(1, obj.ConnectionLimits.Total/DefaultSourceShare))
	setDefaultDuration(&obj.Timeouts.Connect, DefaultConnectTimeout)
	setDefaultDuration(&obj.Timeouts.KeepAlive, DefaultKeepAlive)
	setDefaultDuration(&obj.Timeouts.HalfClosed, DefaultHalfClosed)
	setDefaultDuration(&obj.Drain.Timeout, DefaultDrainTimeout)
	setDefault(&obj.OnBackendDown, DefaultOnBackendDown)
	setDefault(&obj.AccessLog, DefaultAccessLog)
}

// SetDefaults_HealthCheck sets the defaults of the health check. Only HTTPS has a CA file and a server name.
func SetDefaults_HealthCheck(obj *HealthCheck) {
	setDefault(&obj.Scheme, DefaultHealthCheckScheme)
	if obj.Scheme != string(health.TCP) {
		setDefault(&obj.Path, DefaultHealthCheckPath)
	}
	if obj.Scheme == string(health.HTTPS) && !obj.InsecureSkipVerify {
		setDefault(&obj.CAFile, DefaultCAFile)
		setDefault(&obj.ServerName, DefaultServerName)
	}
	setDefaultDuration(&obj.Interval, DefaultHealthCheckInterval)
	setDefaultDuration(&obj.Timeout, DefaultHealthCheckTimeout)
	setDefault(&obj.SuccessThreshold, DefaultSuccessThreshold)
	setDefault(&obj.FailureThreshold, DefaultFailureThreshold)
}

// SetDefaults_Status sets the defaults of the endpoints.
func SetDefaults_Status(obj *Status) {
	setDefault(&obj.BindAddress, DefaultStatusBindAddress)
	setDefault(&obj.IdentityPort, DefaultIdentityPort)
}

// SetDefaults_Logging sets the default of the log format.
func SetDefaults_Logging(obj *Logging) {
	setDefault(&obj.Format, DefaultLogFormat)
}

func setDefault[T comparable](field *T, value T) {
	var zero T
	if *field == zero {
		*field = value
	}
}

func setDefaultPointer[T any](field **T, value T) {
	if *field == nil {
		*field = &value
	}
}

func setDefaultDuration(field *metav1.Duration, value time.Duration) {
	setDefault(&field.Duration, value)
}
