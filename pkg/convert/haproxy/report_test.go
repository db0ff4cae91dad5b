// SPDX-License-Identifier: Apache-2.0

package haproxy_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestEveryLineIsReported holds what the report has of a file: something of each line that counts, in the order of the file.
func TestEveryLineIsReported(t *testing.T) {
	raw := `global
    daemon
    maxconn 900
defaults web
    mode http
defaults
    mode tcp
    timeout connect 500ms
    timeout server 1h
    option httpchk GET /readyz
frontend kube
    bind 172.16.5.100:16443
    default_backend masters
backend masters
    balance roundrobin
    timeout connect 600ms
    default-server inter 1s fall 2 rise 2
    server m1 172.16.5.11:6443 check check-ssl
    server m2 172.16.5.12:6443 check check-ssl weight 0
resolvers dns
    nameserver one 172.16.5.1:53
`
	found := from(raw, options)
	var got []string
	for _, f := range found.All() {
		text, _, _ := strings.Cut(f.Text, ":")
		got = append(got, fmt.Sprintf("%d %s: %s: %s", f.Line, f.Class, f.Directive, text))
	}
	want := []string{
		"2 built in: daemon: is about the process of haproxy",
		"3 taken: maxconn 900: loadBalancer.connectionLimits.total",
		"4 built in: defaults web: neither section inherits from it",
		"6 taken: defaults: what it says for these sections",
		"7 taken: mode tcp: it says which frontend is converted",
		"8 built in: timeout connect 500ms: line 16 replaces it",
		"9 dropped: timeout server 1h: there is no idle timeout, watches are silent for hours",
		"10 taken: option httpchk GET /readyz: healthCheck.path",
		"11 taken: frontend kube: the frontend that is converted",
		"12 taken: bind 172.16.5.100:16443: controlPlane.port",
		"12 dropped: bind 172.16.5.100:16443: the balancer listens on the virtual addresses, whatever the address here is",
		"13 taken: default_backend masters: loadBalancer.backends are the servers of this one",
		"14 built in: backend masters: sessions of a backend that fails hard are closed, which haproxy does with on-marked-down shutdown-sessions alone",
		"14 taken: backend masters: the backend of kube",
		"15 taken: balance roundrobin: loadBalancer.policy",
		"16 taken: timeout connect 600ms: loadBalancer.timeouts.connect, unless it is above a second",
		"17 taken: default-server inter 1s fall 2 rise 2: for the servers below it",
		"18 taken: server m1 172.16.5.11:6443 check check-ssl: loadBalancer.backends",
		"19 dropped: server m2 172.16.5.12:6443 check check-ssl weight 0: weight 0",
		"20 dropped: resolvers dns: it is not carried over",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("findings (-want +got):\n%s", diff)
	}
}
