// SPDX-License-Identifier: Apache-2.0

package haproxy

import (
	"cmp"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/harbinger-ha/harbinger/pkg/convert"
	"github.com/harbinger-ha/harbinger/pkg/health"
)

// check is how haproxy checks the servers.
type check struct {
	kind       string            // the option that says how, such as httpchk; the last one counts
	at         convert.Statement // that option
	path       string            // of option httpchk and of http-check send
	tls        bool              // http-check connect ssl, or tcp-check connect ssl
	serverName string
	elsewhere  []convert.Statement // lines that check another port or address
	port, addr string              // of such a line
	expected   []convert.Statement // lines of http-check expect
	timeout    time.Duration
	timeoutAt  convert.Statement
}

// kinds are the options that say how servers are checked. Of several, haproxy takes the last.
var kinds = []string{"httpchk", "ssl-hello-chk", "tcp-check", "ldap-check", "mysql-check", "pgsql-check", "redis-check", "smtpchk", "spop-check", "external-check"}

// choose finds the option that counts.
func (c *check) choose(backend *section) {
	for _, s := range backend.lines {
		if s.Word(0) == "option" && slices.Contains(kinds, s.Word(1)) {
			c.kind, c.at = s.Word(1), s
		}
	}
}

// checkLines are the lines about checks.
func checkLines() map[string]line {
	lines := map[string]line{
		"http-check connect": ruled("httpchk", connect),
		"http-check send":    ruled("httpchk", send),
		"http-check expect":  ruled("httpchk", expect),
		"tcp-check connect":  ruled("tcp-check", connect),
	}
	for _, kind := range kinds {
		lines["option "+kind] = checkOption
	}
	return lines
}

// checkOption reads an option that says how servers are checked.
func checkOption(h *haproxy, s convert.Statement) {
	counts := s.Line == h.check.at.Line
	if s.Word(1) == "httpchk" && (counts || h.check.kind == "ssl-hello-chk") {
		h.httpCheck(s, counts)
	}
	row, _ := find(inProxy, s.Words...)
	switch {
	case !counts && h.backend.own(s):
		h.Fault(s, "haproxy does not do so: option %s in line %d replaces it", h.check.kind, h.check.at.Line)
	case !counts:
		h.Build(s, "option %s in line %d replaces it", h.check.kind, h.check.at.Line)
	case row.class != convert.Taken:
		h.note(s, row, "")
	}
}

// ruled reads a rule that haproxy ignores without its option.
func ruled(kind string, read line) line {
	return func(h *haproxy, s convert.Statement) {
		if h.check.kind != kind {
			h.Fault(s, "haproxy ignores it: it counts with option %s alone", kind)
			return
		}
		read(h, s)
	}
}

// httpCheck reads option httpchk [METHOD] [PATH] [VERSION] [HOST], where headers may stand behind the version.
func (h *haproxy) httpCheck(s convert.Statement, counts bool) {
	words := s.Words[min(2, len(s.Words)):]
	if len(words) > 1 {
		checkMethod(h, s, words[0])
		words = words[1:]
	}
	h.check.path = "/"
	if counts {
		h.Take(s, "healthCheck.path")
	}
	if len(words) > 0 {
		checkPath(h, s, words[0])
	}
	if counts && (len(words) > 2 || len(words) > 1 && strings.ContainsAny(words[1], "\r\n")) {
		h.Drop(s, "the headers behind the version are not sent: the check is a plain GET")
	}
}

func checkMethod(h *haproxy, s convert.Statement, method string) {
	if method != "GET" {
		h.Drop(s, "the check is a GET")
	}
}

func checkPath(h *haproxy, s convert.Statement, path string) {
	_, afterScheme, absolute := strings.Cut(path, "://")
	if absolute {
		path = "/"
		if i := strings.Index(afterScheme, "/"); i >= 0 {
			path = afterScheme[i:]
		}
	}
	switch {
	case path == "*":
		h.check.path = ""
		h.Drop(s, "the check is a GET of /readyz, not of *")
	case !strings.HasPrefix(path, "/") || strings.ContainsAny(path, " \t\r\n"):
		h.Refuse(s, "want a path, not %q", path)
	default:
		h.check.path = path
	}
}

// connect reads http-check connect or tcp-check connect: how the check reaches a server.
func connect(h *haproxy, s convert.Statement) {
	h.check.port, h.check.addr = "", ""
	h.Take(s, "healthCheck")
	h.walk(inConnect, s, s.Words[2:])
	if h.check.port != "" || h.check.addr != "" {
		h.check.elsewhere = append(h.check.elsewhere, s)
	}
}

func connectWords() map[string]word {
	return map[string]word{
		"ssl":  func(h *haproxy, _ convert.Statement, _ string) { h.check.tls = true },
		"sni":  func(h *haproxy, _ convert.Statement, argument string) { h.check.serverName = argument },
		"port": func(h *haproxy, _ convert.Statement, argument string) { h.check.port = argument },
		"addr": func(h *haproxy, _ convert.Statement, argument string) { h.check.addr = argument },
	}
}

// send reads http-check send [meth METHOD] [uri PATH] [ver VERSION] [hdr NAME VALUE] …
func send(h *haproxy, s convert.Statement) {
	h.Take(s, "healthCheck.path")
	h.walk(inSend, s, s.Words[2:])
}

func sendWords() map[string]word { return map[string]word{"meth": checkMethod, "uri": checkPath} }

// expect reads http-check expect [OPTION VALUE] … [!] status CODES: 200 is what is asked for.
func expect(h *haproxy, s convert.Statement) {
	if s.Word(2) != "status" || s.Word(3) != "200" {
		h.Drop(s, "a backend is healthy that answers 200")
	}
	h.check.expected = append(h.check.expected, s)
}

// expects reports whether haproxy takes a status for healthy; without a rule those of 2xx and 3xx.
func (c *check) expects(status int) bool {
	for _, s := range c.expected {
		words, not := s.Words[2:], false
		for len(words) > 1 && slices.Contains([]string{"comment", "min-recv", "ok-status", "error-status", "tout-status", "on-success", "on-error", "status-code"}, words[0]) {
			words = words[2:]
		}
		if len(words) > 0 && words[0] == "!" {
			words, not = words[1:], true
		}
		if len(words) < 2 || matches(words[0], words[1], status) == not {
			return false
		}
	}
	return len(c.expected) > 0 || status >= 200 && status < 400
}

// matches evaluates status 200,300-399 or rstatus REGEX. What is in a body is not known.
func matches(kind, pattern string, status int) bool {
	switch kind {
	case "status":
		for _, part := range strings.Split(pattern, ",") {
			low, high, several := strings.Cut(part, "-")
			if !several {
				high = low
			}
			from, err := strconv.Atoi(low)
			to, err2 := strconv.Atoi(high)
			if err == nil && err2 == nil && from <= status && status <= to {
				return true
			}
		}
	case "rstatus":
		expression, err := regexp.Compile(pattern)
		return err == nil && expression.MatchString(strconv.Itoa(status))
	}
	return false
}

// anyChecked reports whether a server is checked.
func anyChecked(used []server) bool {
	return slices.ContainsFunc(used, func(s server) bool { return s.check })
}

// checks puts the checks into the configuration.
func (h *haproxy) checks(used []server) {
	check := &h.cfg.HealthCheck
	check.Scheme, check.Path, check.CAFile, check.ServerName = "", "", "", ""
	h.times(used[0], anyChecked(used))
	if !anyChecked(used) {
		h.Drop(h.backend.Statement, "its servers are not checked: here each backend is, by GET /readyz over HTTPS")
		return
	}
	for _, s := range h.check.elsewhere {
		h.elsewhere(s, used)
	}
	tls := used[0].tls || h.check.tls
	switch h.check.kind {
	case "httpchk":
		check.Path, check.Scheme = h.check.path, string(health.HTTP)
		if tls {
			check.Scheme = string(health.HTTPS)
		}
		h.request(used, tls)
	case "", "tcp-check":
		check.Scheme = string(health.TCP)
		if tls {
			check.Scheme = string(health.HTTPS)
		}
	case "ssl-hello-chk":
		check.Path, check.Scheme = h.check.path, string(health.HTTPS)
	default:
		return // the check of the default
	}
	if check.Scheme == string(health.HTTPS) {
		if h.check.kind != "httpchk" {
			h.Drop(h.backend.Statement, "the check is a GET of %s, not only a handshake", cmp.Or(check.Path, "/readyz"))
		}
		check.CAFile, check.ServerName = h.authority(used[0]), cmp.Or(used[0].serverName, h.check.serverName)
	}
}

// elsewhere refuses a check of another port or address than that of the servers.
func (h *haproxy) elsewhere(s convert.Statement, used []server) {
	for _, server := range used {
		if h.check.port != "" && h.check.port != strconv.Itoa(int(server.address.Port())) || h.check.addr != "" && h.check.addr != server.address.Addr().String() {
			h.Refuse(s, "%s", elsewhere)
			return
		}
	}
}

// open are the paths that an apiserver answers to anyone.
var open = []string{"/readyz", "/livez", "/healthz", "/version"}

// plain are the ports of servers that speak HTTP without TLS.
var plain = []uint16{80, 8080}

// badRequest is what an apiserver answers to plain HTTP.
const badRequest = 400

// request says what an apiserver answers to a check that it does not understand.
func (h *haproxy) request(used []server, tls bool) {
	path, _, _ := strings.Cut(h.check.path, "?")
	isOpen := slices.ContainsFunc(open, func(prefix string) bool { return path == prefix || strings.HasPrefix(path, prefix+"/") })
	switch port := used[0].address.Port(); {
	case !tls && !slices.Contains(plain, port) && h.check.expects(badRequest):
		h.cfg.HealthCheck.Scheme = string(health.HTTPS)
		h.Fault(h.check.at, "plain HTTP is asked of port %d (check-ssl is missing), which an apiserver answers by 400, and haproxy takes that for healthy: "+
			"here the check is over HTTPS", port)
	case !tls && !slices.Contains(plain, port):
		h.Fault(h.check.at, "plain HTTP is asked of port %d (check-ssl is missing), which an apiserver answers by 400: nothing will be healthy, "+
			"as with haproxy: set healthCheck.scheme to HTTPS", port)
	case tls && path != "" && !isOpen:
		h.Drop(h.check.at, "an apiserver answers GET %s by 403 to a check, which shows no certificate: set healthCheck.path to /readyz", path)
	}
}

// times puts the times and thresholds of the checks into the configuration, with the defaults of haproxy.
func (h *haproxy) times(first server, checked bool) {
	check := &h.cfg.HealthCheck
	before := *check
	check.Interval, check.Timeout, check.FailureThreshold, check.SuccessThreshold = metav1.Duration{}, metav1.Duration{}, 0, 0
	if !checked {
		return
	}
	interval := min(max(first.interval(), 50*time.Millisecond), time.Minute)
	if interval != first.interval() {
		h.Drop(first.Statement, "inter %v: checks are at least 50ms and at most a minute apart: %v is taken", first.interval(), interval)
	}
	check.Interval.Duration, check.FailureThreshold, check.SuccessThreshold = interval, first.failures(), first.successes()
	if timeout := h.check.timeout; timeout > 0 {
		check.Timeout.Duration = min(max(timeout, 10*time.Millisecond), interval)
		if timeout != check.Timeout.Duration {
			h.Drop(h.check.timeoutAt, "a check ends before the next one: %v is taken", check.Timeout.Duration)
		}
	}
	if other(before.Interval, check.Interval) || other(before.FailureThreshold, check.FailureThreshold) || other(before.SuccessThreshold, check.SuccessThreshold) {
		h.Drop(h.backend.Statement, "its servers are checked as it says here, with haproxy's defaults (inter 2s, fall 3, rise 2) where it says nothing: "+
			"inter %v, fall %d, rise %d; not as keepalived's script is", interval, check.FailureThreshold, check.SuccessThreshold)
	}
	if first.inter == 0 || first.fall == 0 || first.rise == 0 {
		h.Build(h.backend.Statement, "haproxy's defaults are inter 2s, fall 3 and rise 2")
	}
}

// other reports whether a value was set, and is another one now.
func other[T comparable](before, now T) bool {
	var unset T
	return before != unset && before != now
}
