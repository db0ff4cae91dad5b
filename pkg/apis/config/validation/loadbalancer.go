// SPDX-License-Identifier: Apache-2.0

package validation

import (
	"cmp"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/util/validation/field"

	"github.com/harbinger-ha/harbinger/pkg/apis/config"
	"github.com/harbinger-ha/harbinger/pkg/balance"
	"github.com/harbinger-ha/harbinger/pkg/health"
)

// missedAdvertisements is the silence, in advertisement intervals, after which a holder is given up (RFC 9568, section 6.1).
const missedAdvertisements = 3

// slowestDetection is how long the balancer may take to notice a dead apiserver whatever the advertisement interval is.
const slowestDetection = 3 * time.Second

// DetectionLimit returns how long the balancer may take to notice a dead apiserver.
func DetectionLimit(advertisementInterval time.Duration) time.Duration {
	return max(missedAdvertisements*advertisementInterval, slowestDetection)
}

func validateLoadBalancer(fldPath *field.Path, cfg *config.HarbingerConfiguration) field.ErrorList {
	lb := &cfg.LoadBalancer
	errs := oneOf(fldPath.Child("policy"), lb.Policy, balance.RoundRobin, balance.LeastConnections, balance.SourceHash)
	errs = append(errs, oneOf(fldPath.Child("mode"), lb.Mode, balance.ModeRelay, balance.ModeKernel)...)
	if lb.Mode == balance.ModeKernel && lb.Policy == balance.LeastConnections {
		errs = append(errs, field.Invalid(fldPath.Child("policy"), lb.Policy, "must be RoundRobin or SourceHash with loadBalancer.mode Kernel: the kernel does not count the connections of a backend"))
	}
	errs = append(errs, oneOf(fldPath.Child("onBackendDown"), lb.OnBackendDown, balance.CloseSessions, balance.KeepSessions)...)
	errs = append(errs, oneOf(fldPath.Child("accessLog"), lb.AccessLog, balance.AccessLogFailures, balance.AccessLogAll, balance.AccessLogOff)...)
	errs = append(errs, oneOf(fldPath.Child("steering", "mode"), lb.Steering.Mode,
		balance.SteeringAuto, balance.SteeringBPF, balance.SteeringNFTables, balance.SteeringNone)...)
	errs = append(errs, validateBackends(fldPath.Child("backends"), cfg)...)
	errs = append(errs, validateConnectionLimits(fldPath.Child("connectionLimits"), &lb.Limits)...)
	timeouts := fldPath.Child("timeouts")
	errs = append(errs, within(timeouts.Child("connect"), lb.Timeouts.Connect, 10*time.Millisecond, time.Minute)...)
	errs = append(errs, within(timeouts.Child("keepAlive"), lb.Timeouts.KeepAlive, time.Second, 2*time.Hour)...)
	errs = append(errs, within(timeouts.Child("halfClosed"), lb.Timeouts.HalfClosed, time.Second, 2*time.Hour)...)
	errs = append(errs, within(fldPath.Child("drain", "timeout"), lb.Drain.Timeout, time.Second, time.Hour)...)
	errs = append(errs, within(fldPath.Child("slowStart"), lb.SlowStart, 0, time.Hour)...)
	return append(errs, validateRebalance(fldPath.Child("rebalance", "perSecond"), lb)...)
}

// mostMoves is how many sessions move in a second at most: what would be more is not a few.
const mostMoves = 1000

func validateRebalance(fldPath *field.Path, lb *config.LoadBalancer) (errs field.ErrorList) {
	switch n := lb.Rebalance.PerSecond; {
	case n < 0 || n > mostMoves:
		errs = append(errs, field.Invalid(fldPath, n, fmt.Sprintf("must be from 0 to %d", mostMoves)))
	case n > 0 && lb.Mode == balance.ModeKernel:
		errs = append(errs, field.Invalid(fldPath, n, "goes without loadBalancer.mode Kernel only: the kernel does not know which connections are idle"))
	case n > 0 && lb.Policy == balance.SourceHash:
		errs = append(errs, field.Invalid(fldPath, n, "goes without policy SourceHash only: a client would come back to the same backend"))
	}
	return errs
}

func validateBackends(fldPath *field.Path, cfg *config.HarbingerConfiguration) field.ErrorList {
	var errs field.ErrorList
	if n := len(cfg.LoadBalancer.Backends); n > balance.MaxBackends {
		errs = append(errs, field.TooMany(fldPath, n, balance.MaxBackends))
	}
	seen := map[netip.AddrPort]bool{}
	for i, backend := range cfg.LoadBalancer.Backends {
		address := fldPath.Index(i).Child("address")
		addr := backend.Address.Addr()
		switch {
		case !addr.IsValid() || addr.IsUnspecified() || addr.IsMulticast() || backend.Address.Port() == 0:
			errs = append(errs, field.Invalid(address, backend.Address.String(), "must be the address and port of an apiserver"))
		case isVirtual(addr, cfg.VirtualAddresses):
			errs = append(errs, field.Invalid(address, backend.Address.String(), "must be the address of a node: through a virtual address the balancer would reach itself"))
		case cfg.ListensOn(backend.Address.Port()) && (addr.IsLoopback() || slices.Contains(cfg.Election.VRRP.Peers, addr)):
			errs = append(errs, field.Invalid(address, backend.Address.String(),
				"must be the port of an apiserver: Harbinger itself listens there, and would pass connections on to itself"))
		case seen[backend.Address]:
			errs = append(errs, field.Duplicate(address, backend.Address.String()))
		}
		seen[backend.Address] = true
		if backend.Weight < 0 || backend.Weight > balance.MaxWeight {
			errs = append(errs, field.Invalid(fldPath.Index(i).Child("weight"), backend.Weight, fmt.Sprintf("must be from 0 to %d", balance.MaxWeight)))
		}
		protocol := fldPath.Index(i).Child("proxyProtocol")
		errs = append(errs, oneOf(protocol, cmp.Or(backend.ProxyProtocol, balance.ProxyProtocolNone), balance.ProxyProtocolNone, balance.ProxyProtocolV2)...)
		if backend.ProxyProtocol == balance.ProxyProtocolV2 && cfg.LoadBalancer.Mode == balance.ModeKernel {
			errs = append(errs, field.Invalid(protocol, backend.ProxyProtocol, "must be None with loadBalancer.mode Kernel: the kernel sends no header"))
		}
	}
	return errs
}

func validateConnectionLimits(fldPath *field.Path, limits *balance.Limits) field.ErrorList {
	var errs field.ErrorList
	if limits.Total < 1 {
		errs = append(errs, field.Invalid(fldPath.Child("total"), limits.Total, "must be at least 1"))
	}
	if limits.PerBackend < 0 {
		errs = append(errs, field.Invalid(fldPath.Child("perBackend"), limits.PerBackend, "must be at least 1, or left out for no limit"))
	}
	if limits.PerSource < 1 || limits.PerSource > limits.Total {
		errs = append(errs, field.Invalid(fldPath.Child("perSource"), limits.PerSource, "must be at least 1, and at most total"))
	}
	return errs
}

func validateHealthCheck(fldPath *field.Path, cfg *config.HarbingerConfiguration) field.ErrorList {
	check := &cfg.HealthCheck
	errs := oneOf(fldPath.Child("scheme"), check.Scheme, health.HTTPS, health.HTTP, health.TCP)
	errs = append(errs, validateRequest(fldPath, check)...)
	errs = append(errs, within(fldPath.Child("interval"), check.Interval, 50*time.Millisecond, time.Minute)...)
	errs = append(errs, within(fldPath.Child("timeout"), check.Timeout, 10*time.Millisecond, time.Minute)...)
	if check.SuccessThreshold < 1 {
		errs = append(errs, field.Invalid(fldPath.Child("successThreshold"), check.SuccessThreshold, "must be at least 1"))
	}
	if check.FailureThreshold < 1 {
		errs = append(errs, field.Invalid(fldPath.Child("failureThreshold"), check.FailureThreshold, "must be at least 1"))
	}
	if len(errs) > 0 {
		return errs
	}
	return validateDetection(fldPath, cfg)
}

// validateDetection makes the balancer find a dead apiserver before three advertisements of 1 s are missed: were it slower, the next
// holder would go on sending clients to the dead node's apiserver.
//
// Faster advertisements do not ask for faster checks, which would make a busy apiserver look dead, and close its sessions. What they
// need is that new connections keep clear of a dead node, and that takes no verdict: a check that finds a node silent doubts its
// backend at once, the keeper doubts that of a silent holder, and a connection without an answer goes to the next backend. The
// health of the apiservers as such needs no rule against the election: a node gives its priority up only 0.5 s after its balancer
// has lost the last healthy backend.
func validateDetection(fldPath *field.Path, cfg *config.HarbingerConfiguration) field.ErrorList {
	check := &cfg.HealthCheck
	detection := check.Detection()
	limit := DetectionLimit(cfg.Election.VRRP.AdvertisementInterval)
	if detection <= limit {
		return nil
	}
	return field.ErrorList{field.Invalid(fldPath, detection.String(), fmt.Sprintf(
		"interval + failureThreshold x timeout must be at most %v, so that the balancer notices a dead apiserver before the election notices a dead node", limit))}
}

func validateRequest(fldPath *field.Path, check *health.Config) field.ErrorList {
	var errs field.ErrorList
	switch {
	case check.Scheme == health.TCP && check.Path != "":
		errs = append(errs, field.Forbidden(fldPath.Child("path"), "a TCP check makes no request: remove the path, or use scheme HTTPS or HTTP"))
	case check.Scheme != health.TCP && (!strings.HasPrefix(check.Path, "/") || strings.ContainsAny(check.Path, " \t\r\n")):
		errs = append(errs, field.Invalid(fldPath.Child("path"), check.Path, "must be the path of a URL, such as /readyz"))
	}
	if check.Scheme == health.HTTPS {
		if check.CAFile != "" || !check.InsecureSkipVerify {
			errs = append(errs, absoluteFile(fldPath.Child("caFile"), check.CAFile)...)
		}
		if check.CAFile != "" && check.InsecureSkipVerify {
			errs = append(errs, field.Forbidden(fldPath.Child("insecureSkipVerify"), "no certificate is verified then: remove caFile or insecureSkipVerify"))
		}
		return errs
	}
	for _, option := range []struct {
		name string
		set  bool
	}{
		{"caFile", check.CAFile != ""},
		{"serverName", check.ServerName != ""},
		{"insecureSkipVerify", check.InsecureSkipVerify},
	} {
		if option.set {
			errs = append(errs, field.Forbidden(fldPath.Child(option.name), "is used with scheme HTTPS only: set the scheme, or remove the field"))
		}
	}
	return errs
}
