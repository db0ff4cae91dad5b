// SPDX-License-Identifier: Apache-2.0

package guest

import (
	"fmt"
	"net/netip"
	"strings"

	"github.com/harbinger-ha/harbinger/e2e/lab"
)

// HAProxy is the configuration of the classic balancer of a control plane.
type HAProxy struct {
	Port     uint16
	Backends []netip.AddrPort
	// ObserveTraffic makes one failed connection mark a backend down.
	ObserveTraffic bool
}

// haproxyFile is where a host has the configuration.
const haproxyFile = "/run/haproxy.cfg"

// Start runs haproxy in a host.
func (p HAProxy) Start(h *lab.Host) (*lab.Process, error) {
	path, err := lab.FindProgram("haproxy")
	if err != nil {
		return nil, err
	}
	if err := h.WriteFile(haproxyFile, p.config()); err != nil {
		return nil, err
	}
	return h.Start(lab.Command{Path: path, Args: []string{"-db", "-f", haproxyFile}})
}

// config renders haproxy.cfg.
func (p HAProxy) config() string {
	var b strings.Builder
	b.WriteString(`global
  maxconn 4000
defaults
  mode tcp
  option dontlognull
  retries 3
  option redispatch
  timeout connect 5s
  timeout client 1h
  timeout server 1h
frontend apiserver
`)
	fmt.Fprintf(&b, "  bind :::%d v4v6\n  default_backend apiserver\n", p.Port)
	b.WriteString("backend apiserver\n  option httpchk GET /readyz\n  http-check expect status 200\n  balance roundrobin\n")
	server := "check check-ssl verify none inter 1s fall 2 rise 2"
	if p.ObserveTraffic {
		server += " observe layer4 error-limit 1 on-error mark-down"
	}
	for i, backend := range p.Backends {
		fmt.Fprintf(&b, "  server s%d %s %s\n", i+1, backend, server)
	}
	return b.String()
}
