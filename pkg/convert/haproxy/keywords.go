// SPDX-License-Identifier: Apache-2.0

package haproxy

import (
	"slices"
	"strings"

	"github.com/harbinger-ha/harbinger/pkg/convert"
)

// The blocks of the table.
const (
	inFile    = "sections"
	inGlobal  = "global"
	inProxy   = "defaults, frontend, listen, backend"
	inBind    = "bind"
	inServer  = "server, default-server"
	inConnect = "http-check connect, tcp-check connect"
	inSend    = "http-check send"
	inRules   = "tcp-request, tcp-response"
)

// side is the part of a proxy that a keyword belongs to.
type side int

const (
	frontSide side = 1 << iota
	backSide
	bothSides = frontSide | backSide
)

// group is keywords of one class. A name that ends in * stands for all that begin so.
type group struct {
	block     string
	class     convert.Class
	side      side // 0: either
	arguments int  // how many words belong to an option within a line
	text      string
	names     string // separated by commas
}

// key is where a keyword is, and its name.
type key struct{ in, name string }

// row is a group as it is for one of its names.
type row struct {
	group
	key
}

// line reads a line, and word an option in one, with its arguments.
type (
	line func(*haproxy, convert.Statement)
	word func(h *haproxy, s convert.Statement, argument string)
)

// list returns the names of a group.
func (g group) list() []string {
	names := strings.Split(g.names, ",")
	for i := range names {
		names[i] = strings.TrimSpace(names[i])
	}
	return names
}

// rows are all keywords.
var rows = table(sectionGroups, globalGroups, proxyGroups, ruleGroups, bindGroups, serverGroups, checkGroups)

func table(blocks ...[]group) map[key]group {
	all := map[key]group{}
	for _, groups := range blocks {
		for _, g := range groups {
			for _, name := range g.list() {
				all[key{g.block, name}] = g
			}
		}
	}
	return all
}

// readers are the functions that read keywords.
type readers struct {
	line map[key]line
	word map[key]word
}

func newReaders() readers {
	r := readers{map[key]line{}, map[key]word{}}
	for block, lines := range map[string]map[string]line{inGlobal: globalLines(), inProxy: proxyLines()} {
		for name, read := range lines {
			r.line[key{block, name}] = read
		}
	}
	for block, words := range map[string]map[string]word{inServer: serverWords(), inConnect: connectWords(), inSend: sendWords()} {
		for name, read := range words {
			r.word[key{block, name}] = read
		}
	}
	return r
}

// sorted are all keywords, by block and name.
var sorted = func() (all []convert.Keyword) {
	for k, g := range rows {
		all = append(all, convert.Keyword{Block: k.in, Name: k.name, Class: g.class, Text: g.text})
	}
	slices.SortFunc(all, func(a, b convert.Keyword) int {
		return 2*strings.Compare(a.Block, b.Block) + strings.Compare(a.Name, b.Name)
	})
	return all
}()

// Keywords returns every keyword of haproxy.cfg that is known, by block and name.
func Keywords() []convert.Keyword { return slices.Clone(sorted) }

// find looks a keyword up: by its first two words, by the first, or by how it begins.
func find(block string, words ...string) (row, bool) {
	for n := min(2, len(words)); n > 0; n-- {
		k := key{block, strings.Join(words[:n], " ")}
		if g, ok := rows[k]; ok {
			return row{g, k}, true
		}
	}
	for i := len(words[0]); i > 0; i-- {
		k := key{block, words[0][:i] + "*"}
		if g, ok := rows[k]; ok {
			return row{g, k}, true
		}
	}
	return row{}, false
}

// unknown says that a word is not known where it is, and where it would be.
func unknown(word string) string {
	for _, k := range sorted {
		if k.Name == word {
			return notKnown + "; it is a keyword of " + k.Block
		}
	}
	return notKnown
}

const (
	notKnown      = "not known to this command: it is left out"
	logs          = "logs are written to standard error: see logging"
	process       = "is about the process of haproxy"
	tlsPasses     = "TLS is passed through"
	http          = "is for mode http: haproxy does nothing with it in mode tcp"
	noCounterpart = "has no counterpart"
	noIdleTimeout = "there is no idle timeout, watches are silent for hours: TCP keepalive finds dead peers"
	accessRule    = "access rules have no counterpart: filter in the firewall of the hosts, and remove the line"
	statusPage    = "the status is at http://127.0.0.1:10443/, the metrics at /metrics"
	noProxy       = "has no counterpart, and the backend does not work without it"
	elsewhere     = "a backend is checked where it serves: a check elsewhere has no counterpart"
	noMail        = "nothing is run or mailed: alert on the metrics instead"
	noNames       = "names are not resolved: write the addresses"
)

var sectionGroups = []group{
	{inFile, convert.Taken, 0, 0, "what is about the process of haproxy is left out", "global"},
	{inFile, convert.Taken, 0, 0, "for the frontend and the backend that inherit from it", "defaults"},
	{inFile, convert.Taken, 0, 0, "the one of the apiservers; of several, --frontend chooses", "frontend, listen"},
	{inFile, convert.Taken, 0, 0, "the one that the frontend names", "backend"},
	{inFile, convert.Dropped, 0, 0, "nothing asks for a password: the status is on the loopback address", "userlist"},
	{inFile, convert.Dropped, 0, 0, "there are no tables to share", "peers"},
	{inFile, convert.Dropped, 0, 0, noNames, "resolvers"},
	{inFile, convert.Dropped, 0, 0, noMail, "mailers"},
	{inFile, convert.Dropped, 0, 0, "no other program is started: give it a unit of its own", "program"},
	{inFile, convert.Dropped, 0, 0, logs, "ring, log-forward, log-profile, traces"},
	{inFile, convert.Dropped, 0, 0, tlsPasses + ": nothing in the connections is read or changed", "cache, http-errors, fcgi-app, crt-store, acme, namespace_list"},
	{inFile, convert.Dropped, 0, 0, "the checks are set in healthCheck", "healthcheck"},
}

var globalGroups = []group{
	{inGlobal, convert.Taken, frontSide, 0, "loadBalancer.connectionLimits.total", "maxconn"},
	{inGlobal, convert.Taken, 0, 0, "where the relative files of the servers are", "ca-base"},
	{inGlobal, convert.Taken, 0, 0, "a variable of the lines below", "setenv, presetenv, unsetenv, resetenv"},
	{inGlobal, convert.BuiltIn, 0, 0, logs, "log, log-send-hostname, log-tag, quiet, zero-warning, debug, warn-blocked-traffic-after"},
	{inGlobal, convert.Dropped, 0, 0, "connections per second are not limited", "maxconnrate, maxsessrate, maxsslrate"},
	{inGlobal, convert.Dropped, 0, 0, "no Lua is run", "lua-load, lua-load-per-thread"},
	{inGlobal, convert.Dropped, 0, 0, "the state of the servers begins with their first checks", "server-state-base, server-state-file"},
	{inGlobal, convert.BuiltIn, 0, 0, process, `anonkey, chroot, close-spread-time, cluster-secret, cpu-affinity, cpu-map, cpu-policy, cpu-set, daemon, default-path, description,
		dns-accept-family, expose-deprecated-directives, expose-experimental-directives, external-check, fd-hard-limit, force-cfg-parser-pause, gid, grace, group,
		hard-stop-after, harden.reject-privileged-ports.quic, harden.reject-privileged-ports.tcp, insecure-fork-wanted, insecure-setuid-wanted, localpeer,
		lua-prepend-path, master-worker, max-threads-per-group, mworker-max-reloads, nbproc, nbthread, no-memory-trimming, node, numa-cpu-mapping, pidfile,
		pp2-never-send-local, prealloc-fd, set-dumpable, set-var, set-var-fmt, setcap, shm-stats-file, shm-stats-file-max-objects, stats, stats-file,
		strict-limits, thread-group, thread-groups, thread-hard-limit, uid, ulimit-n, unix-bind, user`},
	{inGlobal, convert.BuiltIn, 0, 0, "is about the speed of haproxy", `busy-polling, max-spread-checks, maxcompcpuusage, maxcomprate, maxpipes, maxzlibmem, no-quic, limited-quic, noaffinity,
		noepoll, noevports, nogetaddrinfo, nokqueue, nopoll, noreuseport, nosplice, profiling.memory, profiling.tasks, spread-checks, tune.*`},
	{inGlobal, convert.BuiltIn, 0, 0, "is about the speed of haproxy", `tune.buffers.limit, tune.buffers.reserve, tune.bufsize, tune.comp.maxlevel, tune.fail-alloc, tune.fd.edge-triggered,
		tune.h2.header-table-size, tune.h2.initial-window-size, tune.h2.max-concurrent-streams, tune.h2.max-frame-size, tune.http.cookielen, tune.http.logurilen,
		tune.http.maxhdr, tune.idle-pool.shared, tune.idletimer, tune.listener.multi-queue, tune.lua.forced-yield, tune.lua.maxmem, tune.lua.service-timeout,
		tune.lua.session-timeout, tune.lua.task-timeout, tune.maxaccept, tune.maxpollevents, tune.maxrewrite, tune.pattern.cache-size,
		tune.peers.max-updates-at-once, tune.pipesize, tune.pool-high-fd-ratio, tune.pool-low-fd-ratio, tune.quic.frontend.conn-tx-buffers.limit,
		tune.quic.frontend.max-idle-timeout, tune.quic.frontend.max-streams-bidi, tune.quic.retry-threshold, tune.rcvbuf.client, tune.rcvbuf.server,
		tune.recv_enough, tune.runqueue-depth, tune.sched.low-latency, tune.sndbuf.client, tune.sndbuf.server, tune.ssl.cachesize,
		tune.ssl.capture-buffer-size, tune.ssl.capture-cipherlist-size, tune.ssl.default-dh-param, tune.ssl.force-private-cache, tune.ssl.hard-maxrecord,
		tune.ssl.keylog, tune.ssl.lifetime, tune.ssl.maxrecord, tune.ssl.ssl-ctx-cache-size, tune.vars.check-max-size, tune.vars.global-max-size,
		tune.vars.proc-max-size, tune.vars.reqres-max-size, tune.vars.sess-max-size, tune.vars.txn-max-size, tune.zlib.memlevel, tune.zlib.windowsize`},
	{inGlobal, convert.BuiltIn, 0, 0, tlsPasses, `51degrees-cache-size, 51degrees-data-file, 51degrees-property-name-list, 51degrees-property-separator, acme.*, crt-base, key-base,
		deviceatlas-json-file, deviceatlas-log-level, deviceatlas-properties-cookie, deviceatlas-separator, h1-accept-payload-with-any-method, h1-case-adjust,
		h1-case-adjust-file, h1-do-not-close-on-insecure-transfer-encoding, h2-workaround-bogus-websocket-clients, httpclient.*, httpclient.resolvers.disabled,
		httpclient.resolvers.id, httpclient.resolvers.prefer, httpclient.retries, httpclient.ssl.ca-file, httpclient.ssl.verify, httpclient.timeout.connect,
		issuers-chain-path, maxsslconn, ocsp-update.*, ssl-default-bind-ciphers, ssl-default-bind-ciphersuites, ssl-default-bind-client-sigalgs,
		ssl-default-bind-curves, ssl-default-bind-options, ssl-default-bind-sigalgs, ssl-default-server-ciphers, ssl-default-server-ciphersuites,
		ssl-default-server-client-sigalgs, ssl-default-server-curves, ssl-default-server-options, ssl-default-server-sigalgs, ssl-dh-param-file, ssl-engine,
		ssl-load-extra-del-ext, ssl-load-extra-files, ssl-mode-async, ssl-passphrase-cmd, ssl-propquery, ssl-provider, ssl-provider-path, ssl-security-level,
		ssl-server-verify, ssl-skip-self-issued-ca, wurfl-cache-size, wurfl-data-file, wurfl-information-list, wurfl-information-list-separator`},
}
