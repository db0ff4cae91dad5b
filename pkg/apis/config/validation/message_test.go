// SPDX-License-Identifier: Apache-2.0

package validation_test

import (
	"net/netip"
	"testing"
	"time"

	"github.com/harbinger-ha/harbinger/pkg/apis/config"
	"github.com/harbinger-ha/harbinger/pkg/apis/config/validation"
	"github.com/harbinger-ha/harbinger/pkg/balance"
	"github.com/harbinger-ha/harbinger/pkg/health"
	"github.com/harbinger-ha/harbinger/pkg/vrrp"
)

// A fault says what is wrong, and what to do where that is not the opposite of it.
func TestFaultsNameTheRemedy(t *testing.T) {
	for want, mutate := range map[string]func(*config.HarbingerConfiguration){
		"virtualAddresses: Required value: give the address that clients will use, such as 192.168.238.100/24": func(c *config.HarbingerConfiguration) { c.VirtualAddresses = nil },
		`virtualAddresses[0]: Invalid value: "127.0.0.1/8": must be a host's address, not the loopback one`: func(c *config.HarbingerConfiguration) {
			c.VirtualAddresses = prefixes("127.0.0.1/8")
		},
		`election.mode: Unsupported value: "Raft": supported values: "Hybrid", "VRRP", "Lease"`: func(c *config.HarbingerConfiguration) { c.Election.Mode = "Raft" },
		"election.vrrp.priority: Invalid value: 240: must be 11 to 239 in Hybrid mode":          func(c *config.HarbingerConfiguration) { c.Election.VRRP.Priority = 240 },
		`election.vrrp.checksum: Unsupported value: "None": supported values: "Auto", "Pseudo", "RFC9568"`: func(c *config.HarbingerConfiguration) {
			c.Election.VRRP.Checksum = "None"
		},
		`election.vrrp.advertisementInterval: Invalid value: "100ms": must be whole seconds in version 2: use version 3 for faster advertisements`: func(c *config.HarbingerConfiguration) {
			c.Election.VRRP.Version, c.Election.VRRP.AdvertisementInterval = 2, 100*time.Millisecond
		},
		`election.vrrp.preemptDelay: Invalid value: "5s": must be 0s where preempt is false: the node never preempts`: func(c *config.HarbingerConfiguration) {
			c.Election.VRRP.Preempt, c.Election.VRRP.PreemptDelay = false, 5*time.Second
		},
		"election.vrrp.authentication.password: Required value: type Password needs a password of 1 to 8 bytes": func(c *config.HarbingerConfiguration) {
			c.Election.VRRP.Version, c.Election.VRRP.AdvertisementInterval = 2, time.Second
			c.Election.VRRP.Authentication = vrrp.Authentication{Type: vrrp.AuthenticationPassword}
		},
		"election.vrrp.authentication.password: Forbidden: is used with type Password only: set the type, or remove the password": func(c *config.HarbingerConfiguration) {
			c.Election.VRRP.Authentication.Password = "secret"
		},
		"election.vrrp.authentication.passwordFile: Forbidden: is used with type Password only: set the type, or remove the file": func(c *config.HarbingerConfiguration) {
			c.Election.VRRP.PasswordFile = config.PasswordFile
		},
		"election.vrrp.authentication.password: Forbidden: the password is in passwordFile: remove one of the two": func(c *config.HarbingerConfiguration) {
			c.Election.VRRP.Version, c.Election.VRRP.AdvertisementInterval = 2, time.Second
			c.Election.VRRP.Authentication = vrrp.Authentication{Type: vrrp.AuthenticationPassword, Password: "secret"}
			c.Election.VRRP.PasswordFile = config.PasswordFile
		},
		`election.vrrp.authentication.passwordFile: Invalid value: "/root/pass": must be a file in /etc/kubernetes/harbinger, the directory that the pod sees`: func(c *config.HarbingerConfiguration) {
			c.Election.VRRP.Version, c.Election.VRRP.AdvertisementInterval = 2, time.Second
			c.Election.VRRP.Authentication = vrrp.Authentication{Type: vrrp.AuthenticationPassword}
			c.Election.VRRP.PasswordFile = "/root/pass"
		},
		`election.vrrp.authentication.type: Invalid value: "Password": must be None or HMAC in version 3, which has no password`: func(c *config.HarbingerConfiguration) {
			c.Election.VRRP.Authentication = vrrp.Authentication{Type: vrrp.AuthenticationPassword, Password: "secret"}
		},
		`election.vrrp.peers: Invalid value: "[]": must name the nodes: leave it out for multicast`: func(c *config.HarbingerConfiguration) { c.Election.VRRP.Peers = addrs() },
		`election.lease.staleAfter: Invalid value: "1s": must be at least twice renewInterval`:      func(c *config.HarbingerConfiguration) { c.Election.Lease.StaleAfter = time.Second },
		`election.lease.duration: Invalid value: "2s": must be whole seconds and more than staleAfter`: func(c *config.HarbingerConfiguration) {
			c.Election.Lease.Duration = 2 * time.Second
		},
		"healthCheck.path: Forbidden: a TCP check makes no request: remove the path, or use scheme HTTPS or HTTP": func(c *config.HarbingerConfiguration) {
			c.HealthCheck.Scheme, c.HealthCheck.CAFile, c.HealthCheck.ServerName = health.TCP, "", ""
		},
		"healthCheck.serverName: Forbidden: is used with scheme HTTPS only: set the scheme, or remove the field": func(c *config.HarbingerConfiguration) {
			c.HealthCheck.Scheme, c.HealthCheck.CAFile = health.HTTP, ""
		},
		"healthCheck.insecureSkipVerify: Forbidden: no certificate is verified then: remove caFile or insecureSkipVerify": func(c *config.HarbingerConfiguration) {
			c.HealthCheck.InsecureSkipVerify = true
		},
		`healthCheck: Invalid value: "3.1s": interval + failureThreshold x timeout must be at most 3s, so that the balancer notices a dead apiserver before the election notices a dead node`: func(c *config.HarbingerConfiguration) {
			c.HealthCheck.FailureThreshold = 3
		},
		`loadBalancer.backends[0].address: Invalid value: "127.0.0.1:4300": must be the port of an apiserver: Harbinger itself listens there, and would pass connections on to itself`: func(c *config.HarbingerConfiguration) {
			c.ControlPlane.Port, c.LoadBalancer.Backends = 4300, backends("127.0.0.1:4300")
		},
		`status.metricsBindAddress: Invalid value: "node:10445": other hosts reach it: give metricsTLS.certFile and keyFile, or metricsTokenFile, or choose an address on loopback, such as 127.0.0.1:10445`: func(c *config.HarbingerConfiguration) {
			c.Status.Metrics = config.Metrics{Port: 10445}
		},
		"status.identityPort: Invalid value: 10443: must differ from the port of status.bindAddress": func(c *config.HarbingerConfiguration) { c.Status.IdentityPort = 10443 },
	} {
		cfg := valid(t)
		mutate(cfg)
		errs := validation.Validate(cfg)
		if len(errs) != 1 || errs[0].Error() != want {
			t.Errorf("Validate: %v, want %s", errs, want)
		}
	}
}

func backends(ss ...string) []balance.Backend {
	var out []balance.Backend
	for _, s := range ss {
		out = append(out, balance.Backend{Address: netip.MustParseAddrPort(s)})
	}
	return out
}

// The ports that Harbinger opens on a node are no apiservers there. The same port of a host that is no node may be one.
func TestBackendIsNotHarbingerItself(t *testing.T) {
	for backend, refused := range map[string]bool{
		"127.0.0.1:4300": true, "[::1]:4300": true, "127.0.0.2:10444": true, "192.168.238.131:4300": true, "192.168.238.131:10443": true,
		"127.0.0.1:6443": false, "192.168.238.131:6443": false, "192.168.238.140:4300": false, "127.0.0.1:16443": false,
	} {
		cfg := valid(t)
		cfg.ControlPlane.Port, cfg.LoadBalancer.Backends = 4300, backends(backend)
		cfg.Election.VRRP.Peers = addrs("192.168.238.130", "192.168.238.131")
		if errs := validation.Validate(cfg); (len(errs) > 0) != refused {
			t.Errorf("%s: %v, want refused %v", backend, errs, refused)
		}
	}
}
