// SPDX-License-Identifier: Apache-2.0

package convert

import (
	"cmp"
	"fmt"
	"net/netip"
	"slices"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/harbinger-ha/harbinger/pkg/apis/config/v1alpha1"
	"github.com/harbinger-ha/harbinger/pkg/apis/config/validation"
	"github.com/harbinger-ha/harbinger/pkg/health"
)

// Beside takes from a configuration what another program than haproxy has said of checks and ports, before the files of haproxy are
// converted: they say how the backends are checked, and where clients connect. The function that it returns says after that which of
// the two was taken.
func Beside(cfg *v1alpha1.HarbingerConfiguration) func() []string {
	script, ports := cfg.HealthCheck, cfg.ControlPlane
	check := &cfg.HealthCheck
	check.Interval, check.Timeout, check.FailureThreshold, check.SuccessThreshold = metav1.Duration{}, metav1.Duration{}, 0, 0
	cfg.ControlPlane.Port, cfg.ControlPlane.APIServerPort = 0, 0
	return func() (notes []string) {
		if said := times(script); said != "" {
			of := cmp.Or(times(*check), "Harbinger's own times")
			notes = append(notes, fmt.Sprintf("the script that keepalived tracks has %s, the checks of haproxy %s: those of haproxy are taken for the backends, "+
				"and a host without a healthy backend gives the address away", said, of))
		}
		if port := cfg.ControlPlane.Port; ports.Port != 0 && port != ports.Port {
			notes = append(notes, fmt.Sprintf("clients connected to port %d of the virtual address, to haproxy at port %d: the port of haproxy is taken. "+
				"Is kubeadm's controlPlaneEndpoint the same?", ports.Port, port))
		}
		if note := elsewhere(cfg); note != "" {
			notes = append(notes, note)
		}
		if cfg.ControlPlane.APIServerPort == 0 {
			cfg.ControlPlane.APIServerPort = ports.APIServerPort
		}
		return notes
	}
}

// elsewhere warns where keepalived runs on other hosts than the apiservers: Harbinger runs where they are.
func elsewhere(cfg *v1alpha1.HarbingerConfiguration) string {
	var servers []string
	for _, b := range cfg.LoadBalancer.Backends {
		if addr, err := netip.ParseAddrPort(b.Address); err == nil {
			servers = append(servers, addr.Addr().String())
		}
	}
	peers := cfg.Election.VRRP.Peers
	if len(peers) == 0 || len(servers) == 0 || slices.ContainsFunc(peers, func(peer string) bool { return slices.Contains(servers, peer) }) {
		return ""
	}
	return fmt.Sprintf("keepalived runs on %s, and none of them is a server of haproxy: Harbinger runs on the control-plane hosts, so that these belong into "+
		"election.vrrp.peers. Are they %s?", strings.Join(peers, ", "), strings.Join(servers, ", "))
}

// times says what checks have of their own, or nothing.
func times(check v1alpha1.HealthCheck) string {
	var said []string
	if d := check.Interval.Duration; d != 0 {
		said = append(said, fmt.Sprintf("interval %v", d))
	}
	if d := check.Timeout.Duration; d != 0 {
		said = append(said, fmt.Sprintf("timeout %v", d))
	}
	if n := check.FailureThreshold; n != 0 {
		said = append(said, fmt.Sprintf("fall %d", n))
	}
	if n := check.SuccessThreshold; n != 0 {
		said = append(said, fmt.Sprintf("rise %d", n))
	}
	return strings.Join(said, ", ")
}

// Quicken gives the checks of a converted configuration the default times where they would notice a dead apiserver later
// than the election a dead node, which no configuration may do, but those of kubeadm's own recipe do. It returns a warning
// then, or nothing.
func Quicken(cfg *v1alpha1.HarbingerConfiguration) string {
	check := &cfg.HealthCheck
	if said := check.Interval.Duration; check.Timeout.Duration == 0 && said > 0 && said < v1alpha1.DefaultHealthCheckTimeout {
		check.Timeout.Duration = said
	}
	of := health.Config{
		Interval: cmp.Or(check.Interval.Duration, v1alpha1.DefaultHealthCheckInterval), Timeout: cmp.Or(check.Timeout.Duration, v1alpha1.DefaultHealthCheckTimeout),
		FailureThreshold: int(cmp.Or(check.FailureThreshold, v1alpha1.DefaultFailureThreshold)),
	}
	detection := of.Detection()
	advertisements := cmp.Or(cfg.Election.VRRP.AdvertisementInterval.Duration, v1alpha1.AdvertisementInterval(cfg.Election.VRRP.Version))
	if detection <= validation.DetectionLimit(advertisements) {
		return ""
	}
	check.Interval, check.Timeout, check.FailureThreshold, check.SuccessThreshold = metav1.Duration{}, metav1.Duration{}, 0, 0
	return fmt.Sprintf("interval, timeout, fall and rise of the checks: a dead apiserver would be noticed after %v, later than a dead node: "+
		"the default times are taken, see healthCheck", detection)
}
