// SPDX-License-Identifier: Apache-2.0

package haproxy

import (
	"cmp"
	"fmt"
	"net/netip"
	"path"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/harbinger-ha/harbinger/pkg/apis/config/v1alpha1"
	"github.com/harbinger-ha/harbinger/pkg/balance"
	"github.com/harbinger-ha/harbinger/pkg/convert"
)

// settings are the options of a server. Those of default-server are the ones that the servers below begin with.
type settings struct {
	check, tls, backup, disabled bool
	proxy, checkProxy            bool // send-proxy-v2, check-send-proxy
	weight                       int
	inter, slowStart             time.Duration
	fall, rise, maxconn          int32
	caFile, serverName           string
	port, addr                   string // of the check
	closes                       bool   // on-marked-down
}

// server is a line of server.
type server struct {
	convert.Statement
	settings
	address netip.AddrPort // the port is 0 where it is the one that the client asks for
}

// The defaults of haproxy.
const (
	defaultInter = 2 * time.Second
	defaultFall  = 3
	defaultRise  = 2
)

func readServer(h *haproxy, s convert.Statement) {
	set := h.preset
	h.current = &set
	without, before := h.Findings, len(h.Of(convert.Refused))
	if len(s.Words) > 3 {
		h.walk(inServer, s, s.Words[3:])
	}
	if set.disabled || set.weight == 0 {
		h.Findings = without // what a server has that is left out does not matter
		h.Drop(s, "%s: it is left out", map[bool]string{true: "disabled", false: "weight 0"}[set.disabled])
		return
	}
	address, ok := h.address(s)
	if !ok {
		return
	}
	elsewhere := set.port != "" && set.port != "0" && set.port != strconv.Itoa(int(address.Port())) || set.addr != "" && set.addr != address.Addr().String()
	if elsewhere && len(h.Of(convert.Refused)) == before {
		h.Refuse(s, "%s: a backend is checked where it serves: a check elsewhere has no counterpart", strings.TrimSpace(option("port", set.port)+option("addr", set.addr)))
	}
	if set.checkProxy && !set.proxy {
		h.Refuse(s, "check-send-proxy: without send-proxy-v2 it has no counterpart, and the backend does not work without it")
	}
	h.Take(s, "loadBalancer.backends")
	h.servers = append(h.servers, server{s, set, address})
}

func option(name, value string) string {
	if value == "" {
		return ""
	}
	return name + " " + value + " "
}

// address reads the address of a server.
func (h *haproxy) address(s convert.Statement) (netip.AddrPort, bool) {
	at := s.Word(2)
	text, fault := h.expand(at)
	for _, family := range []string{"ipv4@", "ipv6@", "tcp@", "tcp4@", "tcp6@"} {
		text = strings.TrimPrefix(text, family)
	}
	host, port, hasPort := text, "", false
	if i := strings.LastIndex(text, ":"); i >= 0 && !strings.HasSuffix(text, "]") {
		host, port, hasPort = text[:i], text[i+1:], true
	}
	host = strings.Trim(host, "[]")
	addr, err := netip.ParseAddr(host)
	n, notNumber := strconv.ParseUint(cmp.Or(port, "0"), 10, 16)
	switch {
	case fault != "":
		h.Refuse(s, "%s", fault)
	case err != nil && isName(host) && (!hasPort || notNumber == nil):
		h.names = append(h.names, named{s, host})
	case err != nil || notNumber != nil || hasPort && n == 0:
		h.Refuse(s, "want an address with a port, not %q", at)
	case addr.IsUnspecified():
		h.Refuse(s, "want the address of an apiserver, not %q: haproxy would connect to where the client did", at)
	default:
		return netip.AddrPortFrom(addr.Unmap(), uint16(n)), true
	}
	return netip.AddrPort{}, false
}

// isName reports whether a host is a name of DNS.
func isName(host string) bool {
	return host != "" && strings.Trim(strings.ToLower(host), "abcdefghijklmnopqrstuvwxyz0123456789.-_") == "" &&
		strings.ContainsAny(strings.ToLower(host), "abcdefghijklmnopqrstuvwxyz")
}

func readDefaultServer(h *haproxy, s convert.Statement) {
	h.current = &h.preset
	h.Take(s, "for the servers below it: healthCheck and loadBalancer")
	h.walk(inServer, s, s.Words[1:])
}

// serverWords are the options of servers that are read.
func serverWords() map[string]word {
	flag := func(set func(*settings)) word {
		return func(h *haproxy, _ convert.Statement, _ string) { set(h.current) }
	}
	text := func(field func(*settings) *string) word {
		return func(h *haproxy, _ convert.Statement, argument string) { *field(h.current) = argument }
	}
	number := func(low int, field func(*settings) *int32) word {
		return func(h *haproxy, s convert.Statement, argument string) {
			*field(h.current) = h.Number(s, argument, low, 1<<30)
		}
	}
	duration := func(field func(*settings) *time.Duration) word {
		return func(h *haproxy, s convert.Statement, argument string) {
			*field(h.current) = h.Duration(s, argument, time.Millisecond).Duration
		}
	}
	words := map[string]word{
		"check":        flag(func(o *settings) { o.check = true }),
		"no-check":     flag(func(o *settings) { o.check = false }),
		"check-ssl":    flag(func(o *settings) { o.tls = true }),
		"no-check-ssl": flag(func(o *settings) { o.tls = false }),
		"backup":       flag(func(o *settings) { o.backup = true }),
		"no-backup":    flag(func(o *settings) { o.backup = false }),
		"disabled":     flag(func(o *settings) { o.disabled = true }),
		"enabled":      flag(func(o *settings) { o.disabled = false }),

		"send-proxy-v2":       flag(func(o *settings) { o.proxy = true }),
		"no-send-proxy-v2":    flag(func(o *settings) { o.proxy = false }),
		"check-send-proxy":    flag(func(o *settings) { o.checkProxy = true }),
		"no-check-send-proxy": flag(func(o *settings) { o.checkProxy = false }),
		"inter":               duration(func(o *settings) *time.Duration { return &o.inter }),
		"slowstart":           duration(func(o *settings) *time.Duration { return &o.slowStart }),
		"fall":                number(1, func(o *settings) *int32 { return &o.fall }),
		"rise":                number(1, func(o *settings) *int32 { return &o.rise }),
		"maxconn":             number(0, func(o *settings) *int32 { return &o.maxconn }),
		"port":                text(func(o *settings) *string { return &o.port }),
		"addr":                text(func(o *settings) *string { return &o.addr }),
		"ca-file":             text(func(o *settings) *string { return &o.caFile }),
		"check-sni":           text(func(o *settings) *string { return &o.serverName }),
		"verifyhost":          text(func(o *settings) *string { return &o.serverName }),
	}
	for name, read := range otherWords() {
		words[name] = read
	}
	return words
}

// otherWords are the options of servers that are more than a value.
func otherWords() map[string]word {
	return map[string]word{
		"weight": func(h *haproxy, s convert.Statement, argument string) {
			n, err := strconv.Atoi(argument)
			if err != nil || n < 0 || n > 256 {
				h.Fault(s, "weight: haproxy takes a number from 0 to 256: it does not start")
				return
			}
			h.current.weight = n
		},
		"verify": func(h *haproxy, s convert.Statement, argument string) {
			if argument != "required" {
				h.Drop(s, "verify %s: the checks verify with the authority of the cluster; healthCheck.insecureSkipVerify turns that off", argument)
			}
		},
		"on-marked-up": func(h *haproxy, s convert.Statement, argument string) {
			h.Drop(s, "on-marked-up %s: sessions stay where they are", argument)
		},
		"on-marked-down": func(h *haproxy, s convert.Statement, argument string) {
			if h.current.closes = argument == "shutdown-sessions"; !h.current.closes {
				h.Refuse(s, "want on-marked-down shutdown-sessions")
			}
		},
	}
}

// used returns the servers that get connections, each address once.
func (h *haproxy) used() (used []server) {
	for _, s := range h.servers {
		if s.address.Port() == 0 { // it serves the port that the client asked for
			s.address = netip.AddrPortFrom(s.address.Addr(), uint16(h.cfg.ControlPlane.Port))
		}
		if i := slices.IndexFunc(used, func(other server) bool { return other.address == s.address }); i >= 0 {
			h.Drop(s.Statement, "it has the address of server %s: it is left out", used[i].Word(1))
			continue
		}
		used = append(used, s)
	}
	return used
}

// carry puts the servers into the configuration. What haproxy can set for each of them is taken from the first.
func (h *haproxy) carry(used []server) {
	first, lb := used[0], &h.cfg.LoadBalancer
	lb.Backends = nil
	var backups []server
	unit := weightUnit(used)
	for _, s := range used {
		backend := v1alpha1.Backend{Address: s.address.String(), Backup: s.backup}
		if s.proxy {
			backend.ProxyProtocol = string(balance.ProxyProtocolV2)
		}
		if s.weight != unit {
			backend.Weight = new(int32(s.weight / unit))
		}
		lb.Backends = append(lb.Backends, backend)
		h.apiServerPort(s.Statement, int32(s.address.Port()))
		if s.backup {
			backups = append(backups, s)
		}
		if text := s.differs(first.settings, anyChecked(used)); text != "" {
			h.Drop(s.Statement, "%s: what server %s has is taken for all", text, first.Word(1))
		}
	}
	if len(backups) > 1 && !h.backend.hasOption("allbackups") {
		h.Drop(backups[1].Statement, "backup: haproxy uses server %s alone as long as it is healthy; here all backups are used when no other backend is healthy", backups[0].Word(1))
	}
	lb.ConnectionLimits.PerBackend = first.maxconn
	if lb.SlowStart.Duration = min(first.slowStart, time.Hour); first.slowStart > time.Hour {
		h.Drop(first.Statement, "slowstart: an hour is taken, the most that there is")
	}
	if first.closes {
		lb.OnBackendDown = string(balance.CloseSessions)
	} else if lb.OnBackendDown == "" {
		h.Build(h.backend.Statement, "sessions of a backend that fails hard are closed, which haproxy does with on-marked-down shutdown-sessions alone: see loadBalancer.onBackendDown")
	}
}

// weightUnit returns the greatest common divisor of the weights, which becomes a weight of 1: that of the backends that are discovered.
func weightUnit(servers []server) int {
	unit := 0
	for _, s := range servers {
		for n := s.weight; n > 0; {
			unit, n = n, unit%n
		}
	}
	return unit
}

// differs says what a server has other than the first.
func (s server) differs(first settings, checked bool) string {
	var texts []string
	add := func(different bool, format string, arguments ...any) {
		if different {
			texts = append(texts, fmt.Sprintf(format, arguments...))
		}
	}
	add(s.interval() != first.interval(), "inter %v instead of %v", s.interval(), first.interval())
	add(s.failures() != first.failures(), "fall %d instead of %d", s.failures(), first.failures())
	add(s.successes() != first.successes(), "rise %d instead of %d", s.successes(), first.successes())
	add(s.tls != first.tls, "check-ssl")
	add(checked && s.check != first.check, "check")
	add(s.maxconn != first.maxconn, "maxconn %d instead of %d", s.maxconn, first.maxconn)
	add(s.slowStart != first.slowStart, "slowstart %v instead of %v", s.slowStart, first.slowStart)
	add(s.caFile != first.caFile, "ca-file")
	add(s.serverName != first.serverName, "check-sni")
	add(s.closes != first.closes, "on-marked-down")
	return strings.Join(texts, ", ")
}

func (o settings) interval() time.Duration { return cmp.Or(o.inter, defaultInter) }
func (o settings) failures() int32         { return cmp.Or(o.fall, defaultFall) }
func (o settings) successes() int32        { return cmp.Or(o.rise, defaultRise) }

// authority returns the file that the certificates of the servers are verified with.
func (h *haproxy) authority(s server) string {
	switch {
	case s.caFile == "" || path.IsAbs(s.caFile):
		return s.caFile
	case strings.HasPrefix(s.caFile, "@"):
		h.Drop(s.Statement, "ca-file %s: the checks verify with the authority of the cluster", s.caFile)
		return ""
	case path.IsAbs(h.caBase):
		return path.Join(h.caBase, s.caFile)
	}
	h.Drop(s.Statement, "ca-file %s: want an absolute file: the one of the cluster is taken", s.caFile)
	return ""
}

// apiServerPort takes the port of the first backend for the one of the apiservers.
func (h *haproxy) apiServerPort(s convert.Statement, port int32) {
	switch own := &h.cfg.ControlPlane.APIServerPort; {
	case *own == 0:
		*own = port
	case *own != port:
		h.Drop(s, "controlPlane.apiServerPort is %d: set it to the port of this host's own apiserver", *own)
	}
}
