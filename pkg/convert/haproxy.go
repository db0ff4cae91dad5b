// SPDX-License-Identifier: Apache-2.0

package convert

import (
	"net/netip"
	"strconv"
	"strings"
	"time"

	"github.com/harbinger-ha/harbinger/pkg/apis/config/v1alpha1"
	"github.com/harbinger-ha/harbinger/pkg/balance"
	"github.com/harbinger-ha/harbinger/pkg/health"
)

// haproxy reads one file.
type haproxy struct {
	findings
	cfg     *v1alpha1.HarbingerConfiguration
	checked bool // a server has check
	tls     bool // checks are made over TLS
	http    bool // option httpchk
}

// HAProxy puts what a haproxy.cfg says into a configuration: the one frontend of mode tcp and its backend. What has no
// counterpart is a warning; what is not known, or would be lost with harm (access rules, TLS, the PROXY protocol), is an error.
// It wins over what Keepalived has put there.
func HAProxy(file string, raw []byte, cfg *v1alpha1.HarbingerConfiguration) ([]Warning, error) {
	h := &haproxy{findings: findings{file: file}, cfg: cfg}
	sections := h.parse(string(raw))
	frontend, backend, ok := h.choose(sections)
	defaults := 0
	for _, s := range sections {
		switch s.word(0) {
		case "global":
			h.each(s, globalLines)
		case "defaults":
			if defaults++; defaults > 1 {
				h.fail(s, "this command knows one section of defaults: leave the one in that counts for %s", strings.Join(frontend.words, " "))
			}
			h.each(s, proxyLines)
		case "frontend", "backend", "listen":
			if ok && s.line != frontend.line && s.line != backend.line {
				h.warn(s, "only %s is carried over; the status is at http://127.0.0.1:10443/, the metrics at /metrics", strings.Join(frontend.words, " "))
			}
		default:
			h.fail(s, "not known to this command: remove the section if it may be left out")
		}
	}
	if ok {
		h.each(frontend, proxyLines)
		if backend.line != frontend.line {
			h.each(backend, proxyLines)
		}
		h.finish(backend)
	}
	return h.result()
}

// parse takes a file apart into sections. A comment begins with #.
func (h *haproxy) parse(text string) (sections []statement) {
	for i, line := range strings.Split(text, "\n") {
		line, _, _ = strings.Cut(line, "#")
		s := statement{line: i + 1, words: strings.Fields(line)}
		if len(s.words) == 0 {
			continue
		}
		if strings.ContainsAny(line, "\"'\\$") {
			h.fail(s, "quotes, escapes and variables are not known to this command: write the value itself")
			continue
		}
		switch s.words[0] {
		case "global", "defaults", "frontend", "backend", "listen", "peers", "userlist", "resolvers", "cache", "mailers", "program", "ring",
			"http-errors", "log-forward", "fcgi-app", "crt-store":
			sections = append(sections, s)
		default:
			if len(sections) == 0 {
				h.fail(s, "belongs to no section")
				continue
			}
			last := &sections[len(sections)-1]
			last.block = append(last.block, s)
		}
	}
	return sections
}

// choose finds the one frontend of mode tcp and its backend, or the one listen of mode tcp with servers.
func (h *haproxy) choose(sections []statement) (frontend, backend statement, ok bool) {
	mode := "http" // haproxy's default
	backends := map[string]statement{}
	var frontends []statement
	for _, s := range sections {
		switch own := value(s, "mode", mode); s.word(0) {
		case "defaults":
			mode = value(s, "mode", "http")
		case "backend":
			backends[s.word(1)] = s
		case "frontend", "listen":
			if own == "tcp" {
				frontends = append(frontends, s)
			}
		}
	}
	if len(frontends) != 1 {
		where := statement{line: 1, words: []string{"mode tcp"}}
		if len(frontends) > 1 {
			where = frontends[1]
		}
		h.fail(where, "want one frontend or listen of mode tcp, there are %d", len(frontends))
		return statement{}, statement{}, false
	}
	frontend = frontends[0]
	if frontend.word(0) == "listen" && value(frontend, "default_backend", "") == "" {
		return frontend, frontend, true
	}
	backend, ok = backends[value(frontend, "default_backend", "")]
	if !ok {
		h.fail(frontend, "its default_backend is not there")
	}
	return frontend, backend, ok
}

// value returns the first value of a line of a section, or what holds without one.
func value(section statement, name, otherwise string) string {
	for _, s := range section.block {
		if s.word(0) == name {
			return s.word(1)
		}
	}
	return otherwise
}

func (h *haproxy) each(section statement, lines map[string]line) {
	for _, s := range section.block {
		carry, ok := lines[s.word(0)]
		if !ok {
			carry, ok = lines[s.word(0)+" "+s.word(1)]
		}
		if !ok {
			h.fail(s, "not known to this command: remove the line if it may be left out")
			continue
		}
		carry(h, s)
	}
}

// finish completes what several lines say together.
func (h *haproxy) finish(backend statement) {
	if len(h.cfg.LoadBalancer.Backends) == 0 {
		h.fail(backend, "it has no server")
	}
	if h.cfg.ControlPlane.Port == 0 {
		h.fail(backend, "its frontend has no bind")
	}
	switch {
	case !h.checked:
		h.warn(backend, "its servers are not checked: here each backend is, by GET /readyz over HTTPS")
	case h.tls:
		h.cfg.HealthCheck.Scheme = string(health.HTTPS)
	case h.http:
		h.cfg.HealthCheck.Scheme = string(health.HTTP)
	default:
		h.cfg.HealthCheck.Scheme = string(health.TCP)
	}
	if !h.http {
		h.cfg.HealthCheck.Path = ""
	}
	if h.cfg.HealthCheck.Scheme == string(health.HTTPS) && !h.http {
		h.warn(backend, "the check is a GET of /readyz, not only a handshake")
	}
}

// bind reads the port of a frontend.
func bind(h *haproxy, s statement) {
	at := s.word(1)
	host, port := "", at
	if i := strings.LastIndex(at, ":"); i >= 0 {
		host, port = strings.Trim(at[:i], "[]"), at[i+1:]
	}
	n := h.number(s, port, 1, 65535)
	if own := h.cfg.ControlPlane.Port; own != 0 && n != own {
		h.fail(s, "there is port %d already", own)
		return
	}
	h.cfg.ControlPlane.Port = n
	if addr, err := netip.ParseAddr(host); host != "" && host != "*" && host != "::" && (err != nil || !addr.IsUnspecified()) {
		h.warn(s, "the balancer listens on the virtual addresses, whatever the address here is")
	}
	for _, option := range s.words[min(2, len(s.words)):] {
		switch option {
		case "ssl", "accept-proxy", "crt", "verify":
			h.fail(s, "the balancer passes TLS through and speaks no PROXY protocol")
			return
		case "v4v6", "v6only", "transparent", "tfo":
		default:
			h.warn(s, "%s has no counterpart", option)
		}
	}
}

// server reads a backend with its options, default-server only the options.
func server(h *haproxy, s statement) {
	addr, err := netip.ParseAddrPort(s.word(2))
	if err != nil {
		h.fail(s, "want an address with a port, not %q", s.word(2))
		return
	}
	b := v1alpha1.Backend{Address: addr.String()}
	if h.options(s, s.words[min(3, len(s.words)):], &b) {
		h.cfg.LoadBalancer.Backends = append(h.cfg.LoadBalancer.Backends, b)
		h.apiServerPort(s, int32(addr.Port()))
	}
}

// apiServerPort takes the port of the first backend for the one of the apiservers.
func (h *haproxy) apiServerPort(s statement, port int32) {
	switch own := &h.cfg.ControlPlane.APIServerPort; {
	case *own == 0:
		*own = port
	case *own != port:
		h.warn(s, "controlPlane.apiServerPort is %d: set it to the port of this host's own apiserver", *own)
	}
}

// options reads the options of a server and reports whether it is in use.
func (h *haproxy) options(s statement, words []string, b *v1alpha1.Backend) bool {
	used := true
	for i := 0; i < len(words); i++ {
		argument := ""
		if i+1 < len(words) {
			argument = words[i+1]
		}
		read, takes := serverArguments[words[i]]
		switch word := words[i]; {
		case takes:
			read(h, s, argument)
			i++
		case word == "check":
			h.checked = true
		case word == "check-ssl":
			h.tls = true
		case word == "backup":
			b.Backup = true
		case word == "disabled":
			h.warn(s, "disabled: it is left out")
			used = false
		case word == "no-check" || word == "check-via-socks4" || strings.HasPrefix(word, "send-proxy") || word == "ssl":
			h.fail(s, "%s has no counterpart, and the backend does not work without it", word)
		default:
			h.fail(s, "option %s is not known to this command: remove it if it may be left out", word)
		}
	}
	return used
}

type argument func(h *haproxy, s statement, text string)

var serverArguments = map[string]argument{
	"inter": func(h *haproxy, s statement, text string) {
		h.cfg.HealthCheck.Interval = h.duration(s, text, time.Millisecond)
	},
	"fall": func(h *haproxy, s statement, text string) {
		h.cfg.HealthCheck.FailureThreshold = h.number(s, text, 1, 1000)
	},
	"rise": func(h *haproxy, s statement, text string) {
		h.cfg.HealthCheck.SuccessThreshold = h.number(s, text, 1, 1000)
	},
	"maxconn": func(h *haproxy, s statement, text string) {
		h.cfg.LoadBalancer.ConnectionLimits.PerBackend = h.number(s, text, 0, 1<<30)
	},
	"slowstart": func(h *haproxy, s statement, text string) {
		h.cfg.LoadBalancer.SlowStart = h.duration(s, text, time.Millisecond)
	},
	"weight": func(h *haproxy, s statement, text string) {
		if n, err := strconv.Atoi(text); err != nil || n != 1 {
			h.warn(s, "weight: all backends have the same")
		}
	},
	"verify": func(h *haproxy, s statement, text string) {
		h.warn(s, "verify %s: the checks verify with the authority of the cluster; healthCheck.insecureSkipVerify turns that off", text)
	},
	"ca-file":     func(h *haproxy, _ statement, text string) { h.cfg.HealthCheck.CAFile = text },
	"sni":         unsaid("sni"),
	"check-sni":   func(h *haproxy, _ statement, text string) { h.cfg.HealthCheck.ServerName = text },
	"fastinter":   unsaid("fastinter"),
	"downinter":   unsaid("downinter"),
	"error-limit": builtIn, // a failed dial takes the backend out at once
	"observe":     builtIn,
	"on-error":    builtIn,
	"on-marked-up": func(h *haproxy, s statement, text string) {
		h.warn(s, "on-marked-up %s: sessions stay where they are", text)
	},
	"on-marked-down": func(h *haproxy, s statement, text string) {
		if text != "shutdown-sessions" {
			h.fail(s, "want on-marked-down shutdown-sessions")
		}
		h.cfg.LoadBalancer.OnBackendDown = string(balance.CloseSessions)
	},
	"id":        builtIn,
	"init-addr": builtIn,
}

func builtIn(*haproxy, statement, string) {}

func unsaid(option string) argument {
	return func(h *haproxy, s statement, _ string) { h.warn(s, "%s has no counterpart", option) }
}
