// SPDX-License-Identifier: Apache-2.0

package convert

import (
	"strings"
	"time"

	"github.com/harbinger-ha/harbinger/pkg/apis/config/v1alpha1"
	"github.com/harbinger-ha/harbinger/pkg/balance"
)

// line carries one line of haproxy.cfg over.
type line func(*haproxy, statement)

func pass(*haproxy, statement) {}

func noted(text string) line { return func(h *haproxy, s statement) { h.warn(s, "%s", text) } }

func refused(text string) line { return func(h *haproxy, s statement) { h.fail(s, "%s", text) } }

const (
	noIdleTimeout = "there is no idle timeout, watches are silent for hours: TCP keepalive finds dead peers"
	accessRule    = "access rules have no counterpart: filter in the firewall of the hosts, and remove the line"
	statusPage    = "the status is at http://127.0.0.1:10443/, the metrics at /metrics"
)

// globalLines are about the process of haproxy, but for the limit of connections.
var globalLines = map[string]line{
	"maxconn": func(h *haproxy, s statement) {
		h.cfg.LoadBalancer.ConnectionLimits.Total = h.number(s, s.word(1), 1, 1<<30)
	},
	"log": pass, "log-tag": pass, "chroot": pass, "pidfile": pass, "user": pass, "group": pass, "uid": pass, "gid": pass, "daemon": pass,
	"stats": pass, "nbproc": pass, "nbthread": pass, "cpu-map": pass, "ulimit-n": pass, "ca-base": pass, "crt-base": pass, "node": pass,
	"ssl-default-bind-ciphers": pass, "ssl-default-bind-ciphersuites": pass, "ssl-default-bind-options": pass,
	"ssl-default-server-ciphers": pass, "ssl-default-server-ciphersuites": pass, "ssl-default-server-options": pass,
	"ssl-server-verify": pass, "spread-checks": pass, "master-worker": pass, "external-check": pass, "insecure-fork-wanted": pass,
	"tune.ssl.default-dh-param": pass, "tune.bufsize": pass, "tune.maxrewrite": pass, "maxpipes": pass, "noepoll": pass, "nosplice": pass,
}

// proxyLines are those of defaults, frontend, backend and listen.
var proxyLines = map[string]line{
	"mode":            pass, // it chose the frontend
	"default_backend": pass,
	"bind":            bind,
	"server":          server,
	"default-server": func(h *haproxy, s statement) {
		h.options(s, s.words[1:], &v1alpha1.Backend{})
	},
	"balance": readPolicy,
	"maxconn": func(h *haproxy, s statement) {
		h.cfg.LoadBalancer.ConnectionLimits.Total = h.number(s, s.word(1), 1, 1<<30)
	},

	"timeout connect": func(h *haproxy, s statement) {
		h.cfg.LoadBalancer.Timeouts.Connect = h.duration(s, s.word(2), time.Millisecond)
	},
	"timeout check":            func(h *haproxy, s statement) { h.cfg.HealthCheck.Timeout = h.duration(s, s.word(2), time.Millisecond) },
	"timeout client":           noted(noIdleTimeout),
	"timeout server":           noted(noIdleTimeout),
	"timeout tunnel":           noted(noIdleTimeout),
	"timeout client-fin":       noted("see loadBalancer.timeouts.halfClosed"),
	"timeout server-fin":       noted("see loadBalancer.timeouts.halfClosed"),
	"timeout queue":            noted("connections do not queue: over the limit they are reset"),
	"timeout http-request":     pass, // of mode http
	"timeout http-keep-alive":  pass,
	"option httpchk":           httpCheck,
	"http-check connect":       connect,
	"http-check expect":        expect,
	"http-check send":          send,
	"option ssl-hello-chk":     func(h *haproxy, _ statement) { h.tls = true },
	"option tcp-check":         pass,
	"option tcplog":            pass,
	"option httplog":           pass,
	"option dontlognull":       pass,
	"option dontlog-normal":    pass,
	"option log-health-checks": pass,
	"option redispatch":        pass, // built in
	"option tcpka":             pass,
	"option clitcpka":          pass,
	"option srvtcpka":          pass,
	"option http-server-close": pass, // of mode http
	"option forwardfor":        pass,
	"option http-keep-alive":   pass,
	"option allbackups":        noted("all backups are used when no other backend is healthy"),
	"option splice-auto":       pass,
	"option tcp-smart-accept":  pass,
	"option tcp-smart-connect": pass,
	"no option":                pass,
	"retries":                  noted("each healthy backend is tried once"),
	"log":                      pass,
	"log-format":               pass,
	"description":              pass,
	"errorfile":                pass,
	"stats enable":             noted(statusPage),
	"stats uri":                noted(statusPage),
	"stats refresh":            noted(statusPage),
	"stats auth": func(h *haproxy, s statement) { // whose password is nobody's business
		h.warn(statement{line: s.line, words: s.words[:2]}, "%s", statusPage)
	},
	"acl":                       refused(accessRule),
	"tcp-request connection":    refused(accessRule),
	"tcp-request content":       refused(accessRule),
	"tcp-request session":       refused(accessRule),
	"tcp-request inspect-delay": refused(accessRule),
	"use_backend":               refused("there is one backend: what is served depends on nothing"),
	"source":                    refused("connections come from the address of the host"),
	"stick-table":               refused("use the policy SourceHash: balance source"),
	"stick on":                  refused("use the policy SourceHash: balance source"),
	"fullconn":                  noted("has no counterpart"),
	"hash-type":                 noted("SourceHash moves as few clients as it can"),
}

var policies = map[string]balance.Policy{
	"roundrobin": balance.RoundRobin, "static-rr": balance.RoundRobin, "leastconn": balance.LeastConnections, "source": balance.SourceHash,
}

func readPolicy(h *haproxy, s statement) {
	policy, ok := policies[s.word(1)]
	if !ok {
		h.warn(s, "the policies are RoundRobin, LeastConnections and SourceHash: the default is taken")
	}
	h.cfg.LoadBalancer.Policy = string(policy)
}

// httpCheck reads option httpchk [METHOD] [PATH] [VERSION …].
func httpCheck(h *haproxy, s statement) {
	h.http = true
	words := s.words[min(2, len(s.words)):]
	if len(words) > 1 {
		h.method(s, words[0])
		words = words[1:]
	}
	h.path(s, "/")
	if len(words) > 0 {
		h.path(s, words[0])
	}
}

// send reads http-check send [meth METHOD] [uri PATH] [ver VERSION].
func send(h *haproxy, s statement) {
	for i := 2; i+1 < len(s.words); i += 2 {
		switch s.words[i] {
		case "meth":
			h.method(s, s.words[i+1])
		case "uri":
			h.path(s, s.words[i+1])
		case "ver":
		default:
			h.fail(s, "%s is not known to this command", s.words[i])
			return
		}
	}
}

// connect reads http-check connect [default] [ssl] [sni NAME] [linger]: how the check reaches a server.
func connect(h *haproxy, s statement) {
	for i := 2; i < len(s.words); i++ {
		switch s.words[i] {
		case "ssl":
			h.tls = true
		case "sni":
			i++
			h.cfg.HealthCheck.ServerName = s.word(i)
		case "default", "linger":
		default:
			h.fail(s, "%s has no counterpart: a backend is checked where it serves", s.words[i])
			return
		}
	}
}

func (h *haproxy) method(s statement, method string) {
	if method != "GET" {
		h.warn(s, "the check is a GET")
	}
}

func (h *haproxy) path(s statement, path string) {
	if !strings.HasPrefix(path, "/") {
		h.fail(s, "want a path, not %q", path)
		return
	}
	h.cfg.HealthCheck.Path = path
}

// expect reads http-check expect status CODE: 200 is what is asked for.
func expect(h *haproxy, s statement) {
	if s.word(2) != "status" || s.word(3) != "200" {
		h.warn(s, "a backend is healthy that answers 200")
	}
}
