// SPDX-License-Identifier: Apache-2.0

package v1alpha1

import (
	"cmp"
	"net/netip"
	"strconv"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/validation/field"

	"github.com/harbinger-ha/harbinger/pkg/apis/config"
	"github.com/harbinger-ha/harbinger/pkg/balance"
	"github.com/harbinger-ha/harbinger/pkg/election"
	"github.com/harbinger-ha/harbinger/pkg/health"
	"github.com/harbinger-ha/harbinger/pkg/logging"
	"github.com/harbinger-ha/harbinger/pkg/vrrp"
	"github.com/harbinger-ha/harbinger/pkg/vrrp/keyed"
)

// ToInternal converts a defaulted configuration. What cannot be expressed in the internal types (an address that is none, a
// port above 65535) is in the list and left zero in the result, so that the rest can still be validated.
func ToInternal(in *HarbingerConfiguration) (*config.HarbingerConfiguration, field.ErrorList) {
	p := &parser{}
	out := &config.HarbingerConfiguration{
		VirtualAddresses: p.prefixes(field.NewPath("virtualAddresses"), in.VirtualAddresses),
		Interface:        in.Interface,
		ControlPlane:     p.controlPlane(field.NewPath("controlPlane"), in.ControlPlane),
		Election:         p.election(field.NewPath("election"), in.Election),
		LoadBalancer:     p.loadBalancer(field.NewPath("loadBalancer"), in.LoadBalancer),
		HealthCheck:      healthCheck(in.HealthCheck),
		Status:           p.status(field.NewPath("status"), in.Status),
		Logging: config.Logging{
			Format:    logging.Format(in.Logging.Format),
			Verbosity: int(in.Logging.Verbosity),
		},
	}
	return out, p.errs
}

func (p *parser) prefixes(path *field.Path, in []string) []netip.Prefix {
	var out []netip.Prefix
	for i, s := range in {
		out = append(out, p.prefix(path.Index(i), s))
	}
	return out
}

func (p *parser) controlPlane(path *field.Path, in ControlPlane) config.ControlPlane {
	return config.ControlPlane{
		Port:          p.port(path.Child("port"), in.Port),
		APIServerPort: p.port(path.Child("apiServerPort"), in.APIServerPort),
		ClusterName:   in.ClusterName,
	}
}

func (p *parser) election(path *field.Path, in Election) config.Election {
	return config.Election{
		Mode: election.Mode(in.Mode),
		VRRP: p.vrrp(path.Child("vrrp"), in.VRRP),
		Lease: config.Arbitration{
			Kubeconfig:  in.Lease.Kubeconfig,
			Namespace:   in.Lease.Namespace,
			Name:        in.Lease.Name,
			Predecessor: in.Lease.Predecessor,
			LeaseTimes: election.LeaseTimes{
				RenewInterval: in.Lease.RenewInterval.Duration,
				StaleAfter:    in.Lease.StaleAfter.Duration,
				Duration:      in.Lease.Duration.Duration,
			},
		},
	}
}

func (p *parser) vrrp(path *field.Path, in VRRP) config.VRRP {
	out := config.VRRP{
		Version:               vrrp.Version(p.uint8(path.Child("version"), in.Version, "2 or 3")),
		VirtualRouterID:       p.uint8(path.Child("virtualRouterID"), *in.VirtualRouterID, "1 to 255"),
		Priority:              p.uint8(path.Child("priority"), *in.Priority, "1 to 254, in Hybrid mode 11 to 239"),
		AdvertisementInterval: in.AdvertisementInterval.Duration,
		Preempt:               *in.Preempt,
		PreemptDelay:          in.PreemptDelay.Duration,
		MinimumTTL:            p.uint8(path.Child("minimumTTL"), in.MinimumTTL, "1 to 255"),
		Checksum:              vrrp.ChecksumPolicy(in.Checksum),
		Authentication: vrrp.Authentication{
			Type:     vrrp.AuthenticationType(in.Authentication.Type),
			Password: in.Authentication.Password,
		},
		PasswordFile: in.Authentication.PasswordFile,
		HMAC:         p.hmac(path.Child("authentication", "hmac"), in.Authentication.HMAC),
	}
	if in.Peers != nil {
		out.Peers = make([]netip.Addr, 0, len(in.Peers))
	}
	for i, s := range in.Peers {
		out.Peers = append(out.Peers, p.addr(path.Child("peers").Index(i), s))
	}
	if in.SourceAddress != "" {
		out.SourceAddress = p.addr(path.Child("sourceAddress"), in.SourceAddress)
	}
	return out
}

func (p *parser) hmac(path *field.Path, in HMAC) config.HMAC {
	const want = "1 to 255"
	out := config.HMAC{
		ActiveKey:  p.uint8(path.Child("activeKey"), in.ActiveKey, want),
		Mode:       keyed.Mode(in.Mode),
		AntiReplay: keyed.AntiReplay(in.AntiReplay),
		TimeWindow: in.TimeWindow.Duration,
	}
	for i, key := range in.Keys {
		out.Keys = append(out.Keys, config.KeyFile{ID: p.uint8(path.Child("keys").Index(i).Child("id"), key.ID, want), File: key.File})
	}
	return out
}

func (p *parser) loadBalancer(path *field.Path, in LoadBalancer) config.LoadBalancer {
	out := config.LoadBalancer{
		Settings: balance.Settings{
			Policy:    balance.Policy(in.Policy),
			SlowStart: in.SlowStart.Duration,
			Limits: balance.Limits{
				Total:      int(in.ConnectionLimits.Total),
				PerBackend: int(in.ConnectionLimits.PerBackend),
				PerSource:  int(in.ConnectionLimits.PerSource),

				UnlimitedSources: p.prefixes(path.Child("connectionLimits", "unlimitedSources"), in.ConnectionLimits.UnlimitedSources),
			},
			Timeouts: balance.Timeouts{
				Connect:    in.Timeouts.Connect.Duration,
				KeepAlive:  in.Timeouts.KeepAlive.Duration,
				HalfClosed: in.Timeouts.HalfClosed.Duration,
			},
			OnBackendDown: balance.BackendDownAction(in.OnBackendDown),
			AccessLog:     balance.AccessLog(in.AccessLog),
			PreferLocal:   in.PreferLocal,
			Rebalance:     balance.Rebalance{PerSecond: int(in.Rebalance.PerSecond)},
		},
		Mode:      balance.Mode(in.Mode),
		Discovery: *in.Discovery,
		Steering: config.Steering{
			Mode: balance.SteeringMode(in.Steering.Mode),
			Port: p.port(path.Child("steering", "port"), in.Steering.Port),
		},
		Drain: config.Drain{Timeout: in.Drain.Timeout.Duration},
	}
	for i, backend := range in.Backends {
		out.Backends = append(out.Backends, balance.Backend{
			Address:       p.addrPort(path.Child("backends").Index(i).Child("address"), backend.Address),
			Backup:        backend.Backup,
			Weight:        weight(backend.Weight),
			ProxyProtocol: balance.ProxyProtocol(cmp.Or(backend.ProxyProtocol, string(balance.ProxyProtocolNone))),
		})
	}
	return out
}

// weight returns the weight of a backend, which has one also where nothing is written.
func weight(in *int32) int {
	if in == nil {
		return balance.DefaultWeight
	}
	return int(*in)
}

// fromWeight leaves out what need not be written.
func fromWeight(in int) *int32 {
	if in == balance.DefaultWeight {
		return nil
	}
	return new(int32(in))
}

// fromProxyProtocol leaves out what need not be written.
func fromProxyProtocol(in balance.ProxyProtocol) string {
	if in == balance.ProxyProtocolNone {
		return ""
	}
	return string(in)
}

func healthCheck(in HealthCheck) health.Config {
	return health.Config{
		Scheme:             health.Scheme(in.Scheme),
		Path:               in.Path,
		CAFile:             in.CAFile,
		ServerName:         in.ServerName,
		InsecureSkipVerify: in.InsecureSkipVerify,
		Interval:           in.Interval.Duration,
		Timeout:            in.Timeout.Duration,
		SuccessThreshold:   int(in.SuccessThreshold),
		FailureThreshold:   int(in.FailureThreshold),
	}
}

func (p *parser) status(path *field.Path, in Status) config.Endpoints {
	return config.Endpoints{
		BindAddress:  p.addrPort(path.Child("bindAddress"), in.BindAddress),
		IdentityPort: p.port(path.Child("identityPort"), in.IdentityPort),
		Metrics:      p.metrics(path.Child("metricsBindAddress"), in),
	}
}

// metrics converts the endpoint of the metrics. Without an address there is none; what else was given is refused by its validation.
func (p *parser) metrics(path *field.Path, in Status) config.Metrics {
	out := config.Metrics{
		CertFile: in.MetricsTLS.CertFile, KeyFile: in.MetricsTLS.KeyFile, ClientCAFile: in.MetricsTLS.ClientCAFile, TokenFile: in.MetricsTokenFile,
	}
	if in.MetricsBindAddress == "" {
		return out
	}
	if port, node := strings.CutPrefix(in.MetricsBindAddress, config.NodeAddress+":"); node {
		n, err := strconv.ParseUint(port, 10, 16)
		if err != nil || n == 0 {
			p.invalid(path, in.MetricsBindAddress, "must have a port, 1 to 65535, such as node:10445")
		}
		out.Port = uint16(n)
		return out
	}
	at, err := netip.ParseAddrPort(in.MetricsBindAddress)
	if err != nil || !plain(at.Addr()) || at.Port() == 0 {
		p.invalid(path, in.MetricsBindAddress, "must be an IP address and a port, such as 0.0.0.0:10445, or node:10445 for the address of each host")
		return out
	}
	out.Address, out.Port = at.Addr(), at.Port()
	return out
}

// FromInternal converts a configuration back, with every default spelled out.
func FromInternal(in *config.HarbingerConfiguration) *HarbingerConfiguration {
	out := &HarbingerConfiguration{
		TypeMeta:  metav1.TypeMeta{APIVersion: GroupVersion, Kind: Kind},
		Interface: in.Interface,
		ControlPlane: ControlPlane{
			Port:          int32(in.ControlPlane.Port),
			APIServerPort: int32(in.ControlPlane.APIServerPort),
			ClusterName:   in.ControlPlane.ClusterName,
		},
		Election: Election{
			Mode:  string(in.Election.Mode),
			VRRP:  fromVRRP(in.Election.VRRP),
			Lease: fromLease(in.Election.Lease),
		},
		LoadBalancer: fromLoadBalancer(in.LoadBalancer),
		HealthCheck:  fromHealthCheck(in.HealthCheck),
		Status: Status{
			BindAddress:  in.Status.BindAddress.String(),
			IdentityPort: int32(in.Status.IdentityPort),

			MetricsBindAddress: in.Status.Metrics.BindAddress(),
			MetricsTLS: MetricsTLS{
				CertFile: in.Status.Metrics.CertFile, KeyFile: in.Status.Metrics.KeyFile, ClientCAFile: in.Status.Metrics.ClientCAFile,
			},
			MetricsTokenFile: in.Status.Metrics.TokenFile,
		},
		Logging: Logging{Format: string(in.Logging.Format), Verbosity: int32(in.Logging.Verbosity)},
	}
	for _, address := range in.VirtualAddresses {
		out.VirtualAddresses = append(out.VirtualAddresses, address.String())
	}
	return out
}

func fromVRRP(in config.VRRP) VRRP {
	out := VRRP{
		Version:               int32(in.Version),
		VirtualRouterID:       new(int32(in.VirtualRouterID)),
		Priority:              new(int32(in.Priority)),
		AdvertisementInterval: metav1.Duration{Duration: in.AdvertisementInterval},
		Preempt:               new(in.Preempt),
		PreemptDelay:          metav1.Duration{Duration: in.PreemptDelay},
		MinimumTTL:            int32(in.MinimumTTL),
		Checksum:              string(in.Checksum),
		Authentication: Authentication{
			Type:         string(in.Authentication.Type),
			Password:     in.Authentication.Password,
			PasswordFile: in.PasswordFile,
			HMAC:         fromHMAC(in.HMAC),
		},
	}
	for _, peer := range in.Peers {
		out.Peers = append(out.Peers, peer.String())
	}
	if in.SourceAddress.IsValid() {
		out.SourceAddress = in.SourceAddress.String()
	}
	return out
}

func fromHMAC(in config.HMAC) HMAC {
	out := HMAC{
		ActiveKey:  int32(in.ActiveKey),
		Mode:       string(in.Mode),
		AntiReplay: string(in.AntiReplay),
		TimeWindow: metav1.Duration{Duration: in.TimeWindow},
	}
	for _, key := range in.Keys {
		out.Keys = append(out.Keys, HMACKey{ID: int32(key.ID), File: key.File})
	}
	return out
}

func fromLease(in config.Arbitration) Lease {
	return Lease{
		Kubeconfig:    in.Kubeconfig,
		Namespace:     in.Namespace,
		Name:          in.Name,
		Predecessor:   in.Predecessor,
		RenewInterval: metav1.Duration{Duration: in.RenewInterval},
		StaleAfter:    metav1.Duration{Duration: in.StaleAfter},
		Duration:      metav1.Duration{Duration: in.Duration},
	}
}

func fromLoadBalancer(in config.LoadBalancer) LoadBalancer {
	out := LoadBalancer{
		Mode:      string(in.Mode),
		Policy:    string(in.Policy),
		Discovery: new(in.Discovery),
		Steering:  Steering{Mode: string(in.Steering.Mode), Port: int32(in.Steering.Port)},
		ConnectionLimits: ConnectionLimits{
			Total:      int32(in.Limits.Total),
			PerBackend: int32(in.Limits.PerBackend),
			PerSource:  int32(in.Limits.PerSource),
		},
		Timeouts: Timeouts{
			Connect:    metav1.Duration{Duration: in.Timeouts.Connect},
			KeepAlive:  metav1.Duration{Duration: in.Timeouts.KeepAlive},
			HalfClosed: metav1.Duration{Duration: in.Timeouts.HalfClosed},
		},
		Drain:         Drain{Timeout: metav1.Duration{Duration: in.Drain.Timeout}},
		OnBackendDown: string(in.OnBackendDown),
		AccessLog:     string(in.AccessLog),
		PreferLocal:   in.PreferLocal,
		Rebalance:     Rebalance{PerSecond: int32(in.Rebalance.PerSecond)},
		SlowStart:     metav1.Duration{Duration: in.SlowStart},
	}
	for _, network := range in.Limits.UnlimitedSources {
		out.ConnectionLimits.UnlimitedSources = append(out.ConnectionLimits.UnlimitedSources, network.String())
	}
	for _, backend := range in.Backends {
		out.Backends = append(out.Backends, Backend{
			Address: backend.Address.String(), Backup: backend.Backup, Weight: fromWeight(backend.Weight), ProxyProtocol: fromProxyProtocol(backend.ProxyProtocol),
		})
	}
	return out
}

func fromHealthCheck(in health.Config) HealthCheck {
	return HealthCheck{
		Scheme:             string(in.Scheme),
		Path:               in.Path,
		CAFile:             in.CAFile,
		ServerName:         in.ServerName,
		InsecureSkipVerify: in.InsecureSkipVerify,
		Interval:           metav1.Duration{Duration: in.Interval},
		Timeout:            metav1.Duration{Duration: in.Timeout},
		SuccessThreshold:   int32(in.SuccessThreshold),
		FailureThreshold:   int32(in.FailureThreshold),
	}
}
