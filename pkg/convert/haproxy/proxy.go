// SPDX-License-Identifier: Apache-2.0

package haproxy

import (
	"net/netip"
	"slices"
	"strings"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/harbinger-ha/harbinger/pkg/apis/config/v1alpha1"
	"github.com/harbinger-ha/harbinger/pkg/balance"
	"github.com/harbinger-ha/harbinger/pkg/convert"
)

// globalLines are the lines of global that are read.
func globalLines() map[string]line {
	read := func(*haproxy, convert.Statement) {} // by the lexer
	return map[string]line{
		"maxconn":   limit,
		"ca-base":   func(h *haproxy, s convert.Statement) { h.caBase = s.Word(1) },
		"setenv":    read,
		"presetenv": read,
		"unsetenv":  read,
		"resetenv": func(h *haproxy, s convert.Statement) {
			h.Drop(s, "the variables of this command count, but for those that other lines set")
		},
	}
}

// proxyLines are the lines of defaults, frontend, listen and backend that are read.
func proxyLines() map[string]line {
	chosen := func(*haproxy, convert.Statement) {} // by choose
	lines := map[string]line{
		"mode":            chosen,
		"default_backend": defaultBackend,
		"use_backend":     useBackend,
		"bind":            bind,
		"maxconn":         limit,
		"server":          readServer,
		"default-server":  readDefaultServer,
		"balance":         readPolicy,
		"stick on":        stick,
		"stick match":     stick,
		"stick store-request": func(h *haproxy, s convert.Statement) {
			h.Build(s, "decides nothing by itself: stick match binds a client to a server")
		},
		"stats auth":      statistics,
		"timeout connect": timeoutConnect,
		"contimeout":      timeoutConnect,
		"timeout check": func(h *haproxy, s convert.Statement) {
			h.check.timeoutAt = s
			if text := s.Words[len(s.Words)-1]; text != "0" {
				h.check.timeout = h.Duration(s, text, time.Millisecond).Duration
			}
		},
		"tcp-request inspect-delay":  inspectDelay,
		"tcp-response inspect-delay": inspectDelay,
	}
	for _, rules := range []string{"tcp-request connection", "tcp-request content", "tcp-request session", "tcp-response content"} {
		lines[rules] = rule
	}
	for name, read := range checkLines() {
		lines[name] = read
	}
	return lines
}

// defaultBackend says what became of a line that choose has read.
func defaultBackend(h *haproxy, s convert.Statement) {
	if s.Word(1) != h.target {
		h.Fault(s, "use_backend without a condition comes first: haproxy uses %s alone", h.target)
	}
}

func useBackend(h *haproxy, s convert.Statement) {
	switch {
	case slices.ContainsFunc(h.All(), func(f convert.Finding) bool { return f.Line == s.Line }): // see alternatives
	case s.Word(1) == h.target:
		h.Take(s, "loadBalancer.backends are the servers of this one")
	default:
		h.Build(s, "a use_backend above it has no condition")
	}
}

// limit takes the lowest limit of connections.
func limit(h *haproxy, s convert.Statement) {
	total := &h.cfg.LoadBalancer.ConnectionLimits.Total
	if n := h.Number(s, s.Word(1), 0, 1<<30); n > 0 && (*total == 0 || n < *total) {
		*total = n
	}
}

// bind reads the ports of a frontend.
func bind(h *haproxy, s convert.Statement) {
	text, fault := h.expand(s.Word(1))
	if fault != "" {
		h.Refuse(s, "%s", fault)
		return
	}
	for _, at := range strings.Split(text, ",") {
		family, address, prefixed := strings.Cut(at, "@")
		switch {
		case strings.HasPrefix(at, "/") || slices.Contains([]string{"unix", "uxst", "abns", "abnsz", "fd", "sockpair"}, family) && prefixed:
			h.Drop(s, "%s: a socket of the host itself has no counterpart: the balancer listens on the virtual addresses", at)
		case prefixed && (strings.HasPrefix(family, "quic") || strings.HasPrefix(family, "udp")):
			h.Drop(s, "%s: the balancer listens on TCP", at)
		case prefixed:
			h.listen(s, address)
		default:
			h.listen(s, at)
		}
	}
	h.walk(inBind, s, s.Words[min(2, len(s.Words)):])
}

// listen takes a port.
func (h *haproxy) listen(s convert.Statement, at string) {
	host, port := "", at
	if i := strings.LastIndex(at, ":"); i >= 0 {
		host, port = strings.Trim(at[:i], "[]"), at[i+1:]
	}
	if low, high, several := strings.Cut(port, "-"); several {
		if low != high {
			h.Refuse(s, "want one port, not those from %s to %s: the virtual addresses serve one", low, high)
			return
		}
		port = low
	}
	n := h.Number(s, port, 1, 65535)
	switch own := &h.cfg.ControlPlane.Port; {
	case n == 0:
		return
	case h.bound != 0 && h.bound != n:
		h.Refuse(s, "there is port %d already: the virtual addresses serve one", h.bound)
		return
	default:
		*own, h.bound = n, n
		h.Take(s, "controlPlane.port")
	}
	if addr, err := netip.ParseAddr(host); host != "" && host != "*" && host != "::" && (err != nil || !addr.IsUnspecified()) && !h.virtual(host) {
		h.Drop(s, "the balancer listens on the virtual addresses, whatever the address here is")
	}
}

// virtual reports whether an address is one of the virtual ones.
func (h *haproxy) virtual(host string) bool {
	return slices.ContainsFunc(h.cfg.VirtualAddresses, func(vip string) bool { return strings.Split(vip, "/")[0] == host })
}

// policies are those of haproxy that Harbinger has, and what is said where it has one that is like it.
var policies = map[string]struct {
	policy  balance.Policy
	dropped string
}{
	"roundrobin": {balance.RoundRobin, ""},
	"static-rr":  {balance.RoundRobin, ""},
	"leastconn":  {balance.LeastConnections, ""},
	"source":     {balance.SourceHash, ""},
	"hash src":   {balance.SourceHash, ""},
	"random":     {balance.LeastConnections, "random takes the one of two servers with fewer connections: LeastConnections is taken, which compares them all"},
	"first":      {balance.LeastConnections, "first fills one server before the next: LeastConnections is taken"},
	"rdp-cookie": {balance.RoundRobin, "rdp-cookie finds no cookie in TLS, and haproxy falls back to roundrobin"},
}

// ofHTTP are the policies that need mode http.
var ofHTTP = []string{"uri", "url_param", "hdr"}

func readPolicy(h *haproxy, s convert.Statement) {
	name, _, _ := strings.Cut(s.Word(1), "(")
	known, ok := policies[name]
	if !ok {
		known, ok = policies[name+" "+s.Word(2)]
	}
	switch {
	case ok && known.dropped != "":
		h.Drop(s, "%s", known.dropped)
	case slices.Contains(ofHTTP, name):
		known.policy = balance.RoundRobin
		h.Fault(s, "this policy is for mode http: haproxy falls back to roundrobin, which is taken")
	case !ok:
		h.Drop(s, "the policies are RoundRobin, LeastConnections and SourceHash: the default is taken")
	}
	if !h.stuck {
		h.cfg.LoadBalancer.Policy = string(known.policy)
	}
}

// stick takes the policy that binds a client to a server for a table that does.
func stick(h *haproxy, s convert.Statement) {
	if s.Word(2) != "src" && !strings.HasPrefix(s.Word(2), "src,ipmask") {
		h.Refuse(s, "what binds a client to a server is its address alone: use balance source")
		return
	}
	h.stuck = true
	h.cfg.LoadBalancer.Policy = string(balance.SourceHash)
	h.Drop(s, "the policy SourceHash is taken: it binds a client to a backend by its address, without a table")
}

// statistics says nothing of a password.
func statistics(h *haproxy, s convert.Statement) { h.Drop(s, "%s", statusPage) }

// timeoutConnect takes a timeout that is as short as the balancer needs it.
func timeoutConnect(h *haproxy, s convert.Statement) {
	text := s.Words[len(s.Words)-1]
	if text == "0" {
		h.Drop(s, "the default of %v is taken: a dial ends at some time", v1alpha1.DefaultConnectTimeout)
		return
	}
	d := h.Duration(s, text, time.Millisecond)
	if d.Duration > v1alpha1.DefaultConnectTimeout || d.Duration < 10*time.Millisecond {
		h.Drop(s, "the default of %v is taken: in haproxy this is how long a dial may last, here another backend is tried after a quarter of it, "+
			"and a backend that stays silent for half of it is left out: see loadBalancer.timeouts.connect", v1alpha1.DefaultConnectTimeout)
		return
	}
	h.cfg.LoadBalancer.Timeouts.Connect = metav1.Duration{Duration: d.Duration}
}

// inspectDelay says what a delay without a rule does.
func inspectDelay(h *haproxy, s convert.Statement) {
	rules := s.Word(0)
	for _, in := range []*section{h.frontend, h.backend} {
		if slices.ContainsFunc(in.lines, func(other convert.Statement) bool { return other.Word(0) == rules && other.Word(1) == "content" }) {
			h.Drop(s, "only gives the rules about the content time")
			return
		}
	}
	h.Drop(s, "without a rule of %s content haproxy does nothing with it", rules)
}

// rule reads a rule of tcp-request or tcp-response by its action.
func rule(h *haproxy, s convert.Statement) {
	action, _, _ := strings.Cut(s.Word(2), "(")
	at := slices.IndexFunc(s.Words, func(word string) bool { return word == "if" || word == "unless" })
	row, ok := find(inRules, action)
	switch {
	case at > 0 && when(s.Words[at:]) == never:
		h.Build(s, "the condition never holds")
	case !ok:
		h.Drop(s, notKnown)
	default:
		h.note(s, row, "")
	}
}
