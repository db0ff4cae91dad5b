// SPDX-License-Identifier: Apache-2.0

package haproxy_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/harbinger-ha/harbinger/e2e/converttest"
	"github.com/harbinger-ha/harbinger/pkg/apis/config/v1alpha1"
	"github.com/harbinger-ha/harbinger/pkg/convert"
	"github.com/harbinger-ha/harbinger/pkg/convert/haproxy"
)

var options = haproxy.Options{Environment: environment}

func TestChecks(t *testing.T) {
	secure := func(line string) string {
		return strings.Replace(listen(line), "6443 check", "6443 check check-ssl", 1)
	}
	verified := func(file, name string) change {
		return func(c *v1alpha1.HarbingerConfiguration) { c.HealthCheck.CAFile, c.HealthCheck.ServerName = file, name }
	}
	timeout := func(n float64) change {
		return func(c *v1alpha1.HarbingerConfiguration) { c.HealthCheck.Timeout = converttest.Seconds(n) }
	}
	const handshake, plainHTTP = "not only a handshake", "plain HTTP is asked of port 6443 (check-ssl is missing)"
	for _, c := range []conversion{
		{"none", strings.Replace(listen(""), " check\n", "\n", 1), func(c *v1alpha1.HarbingerConfiguration) { c.HealthCheck = v1alpha1.HealthCheck{} }, []string{"not checked"}},
		{"a connect", listen("option tcp-check"), none, nil},
		{"TLS without a request", secure(""), checked("HTTPS", ""), []string{"a GET of /readyz, " + handshake}},
		{"a TLS hello", listen("option ssl-hello-chk"), checked("HTTPS", ""), []string{handshake}},

		{"HTTP over TLS", secure("option httpchk GET /livez"), checked("HTTPS", "/livez"), nil},
		{"HTTP of a port that has no TLS", strings.Replace(listen("option httpchk GET /healthz"), ":6443", ":8080", 1), and(checked("HTTP", "/healthz"), backends("10.0.0.1:8080"),
			func(c *v1alpha1.HarbingerConfiguration) { c.ControlPlane.APIServerPort = 8080 }), nil},
		{"HTTP of a port that has TLS", listen("option httpchk GET /healthz"), checked("HTTP", "/healthz"), []string{plainHTTP}},
		{"HTTP of a port that has TLS, with a newer syntax", listen("option httpchk\n http-check send meth GET uri /healthz"), checked("HTTP", "/healthz"), []string{plainHTTP}},
		{"HTTP of a port that has TLS, of which 400 is healthy", listen("option httpchk GET /healthz\n http-check expect ! rstatus ^5"), checked("HTTPS", "/healthz"),
			[]string{"haproxy takes that for healthy: here the check is over HTTPS", "answers 200"}},
		{"a list of codes", listen("option httpchk GET /healthz\n http-check expect comment x status 200,300-499"), checked("HTTPS", "/healthz"), []string{"for healthy", "answers 200"}},
		{"codes without that", listen("option httpchk GET /healthz\n http-check expect status 200-399"), checked("HTTP", "/healthz"), []string{plainHTTP, "answers 200"}},
		{"a body", listen("option httpchk GET /healthz\n http-check expect string ok"), checked("HTTP", "/healthz"), []string{plainHTTP, "answers 200"}},
		{"no path", secure("option httpchk"), checked("HTTPS", "/"), []string{"an apiserver answers GET / by 403"}},
		{"a path that needs a certificate", secure("option httpchk GET /api/v1"), checked("HTTPS", "/api/v1"), []string{"an apiserver answers GET /api/v1 by 403"}},
		{"a path with a query", secure("option httpchk GET /readyz?verbose"), checked("HTTPS", "/readyz?verbose"), nil},
		{"a path of one check", secure("option httpchk GET /readyz/etcd"), checked("HTTPS", "/readyz/etcd"), nil},
		{"a path alone", secure("option httpchk /livez"), checked("HTTPS", "/livez"), nil},
		{"a URL", secure("option httpchk GET https://api:6443/livez"), checked("HTTPS", "/livez"), nil},
		{"a URL without a path", secure("option httpchk GET https://api:6443"), checked("HTTPS", "/"), []string{"by 403"}},
		{"a star", secure("option httpchk OPTIONS * HTTP/1.1"), checked("HTTPS", ""), []string{"the check is a GET", "not of *"}},
		{"another method", secure("option httpchk HEAD /livez"), checked("HTTPS", "/livez"), []string{"the check is a GET"}},
		{"a header behind the version", secure(`option httpchk GET /livez HTTP/1.1\r\nHost:\ api`), checked("HTTPS", "/livez"), []string{`HTTP/1.1\r\nHost: api: the headers behind the version are not sent`}},
		{"a header in quotes", secure(`option httpchk GET /livez "HTTP/1.0\r\nHost: api"`), checked("HTTPS", "/livez"), []string{"the headers behind the version are not sent"}},
		{"a host behind the version", secure("option httpchk GET /livez HTTP/1.1 api"), checked("HTTPS", "/livez"), []string{"the headers behind the version are not sent"}},

		{"the newer syntax", listen("option httpchk\n http-check connect ssl sni api\n http-check send meth GET uri /healthz ver HTTP/1.1\n http-check expect status 200"),
			and(checked("HTTPS", "/healthz"), verified("", "api")), nil},
		{"all of the newer syntax", listen("option httpchk\n http-check comment x\n http-check connect default linger ssl alpn h2 proto h2 port 6443 comment x fast\n" +
			" http-check send meth HEAD uri /livez hdr Host api hdr X y body z comment x fast\n http-check expect rstatus 2.."), checked("HTTPS", "/livez"),
			[]string{"answers 200", "alpn has no counterpart", "proto has no counterpart", "fast: not known", "the check is a GET", "hdr is not sent", "hdr is not sent", "body is not sent", "fast: not known", "answers 200"}},
		{"rules without their option", listen("http-check connect ssl\n http-check expect status 200\n http-check send uri /livez\n tcp-check connect ssl"), none,
			[]string{"it counts with option httpchk alone", "it counts with option httpchk alone", "it counts with option httpchk alone", "it counts with option tcp-check alone"}},
		{"tcp-check over TLS", listen("option tcp-check\n tcp-check connect ssl\n tcp-check send GET\\ /healthz\\ HTTP/1.0\\r\\n\\r\\n\n tcp-check expect string ok"), checked("HTTPS", ""),
			[]string{handshake, "the dialogue is left out", "the dialogue is left out"}},
		{"tcp-check without TLS", listen("option tcp-check\n tcp-check connect port 6443 addr 10.0.0.1"), none, nil},

		{"the last option counts", listen("option httpchk GET /healthz\n http-check expect status 200\n option ssl-hello-chk"), checked("HTTPS", "/healthz"),
			[]string{"a GET of /healthz, " + handshake, "option ssl-hello-chk in line 9 replaces it", "it counts with option httpchk alone"}},
		{"the last option counts, the other way round", secure("option ssl-hello-chk\n option httpchk GET /healthz"), checked("HTTPS", "/healthz"), []string{"option httpchk in line 8 replaces it"}},
		{"the last option counts, a connect", listen("option httpchk GET /healthz\n option tcp-check"), none, []string{"option tcp-check in line 8 replaces it"}},
		{"an option of defaults is replaced", "defaults\n option httpchk GET /healthz\n" + listen("option tcp-check"), none, nil},
		{"a check of a database", listen("option mysql-check user haproxy"), checked("", ""), []string{"an apiserver does not speak this"}},
		{"a script", "global\n external-check\n" + listen("option external-check\n external-check command /bin/true"), checked("", ""), []string{"no script is run", "no script is run"}},

		{"an authority", secure("default-server inter 2s\n server b 10.0.0.2:6443 check check-ssl verify required"), and(checked("HTTPS", ""), backends("10.0.0.1:6443", "10.0.0.2:6443")), []string{handshake}},
		{"a file", strings.Replace(secure(""), "check-ssl", "check-ssl verify required ca-file /ca.crt verifyhost api", 1), and(checked("HTTPS", ""), verified("/ca.crt", "api")), []string{handshake}},
		{"a file below ca-base", "global\n ca-base /etc/ca\n" + strings.Replace(secure(""), "check-ssl", "check-ssl ca-file k8s/ca.crt", 1), and(checked("HTTPS", ""), verified("/etc/ca/k8s/ca.crt", "")), []string{handshake}},
		{"a relative file", strings.Replace(secure(""), "check-ssl", "check-ssl ca-file ca.crt", 1), checked("HTTPS", ""), []string{handshake, "want an absolute file"}},
		{"the files of the system", strings.Replace(secure(""), "check-ssl", "check-ssl ca-file @system-ca", 1), checked("HTTPS", ""), []string{handshake, "the authority of the cluster"}},
		{"a file for a check without TLS", strings.Replace(listen(""), "check", "check ca-file /ca.crt check-sni api", 1), none, nil},
		{"not verified", strings.Replace(secure(""), "check-ssl", "check-ssl verify none", 1), checked("HTTPS", ""), []string{handshake, "verify none: the checks verify with the authority of the cluster"}},

		{"a timeout", listen("timeout check 700ms"), timeout(.7), nil},
		{"a timeout above the interval", listen("timeout check 10s"), timeout(2), []string{"a check ends before the next one: 2s is taken"}},
		{"a timeout of no time", listen("timeout check 1ms"), timeout(.01), []string{"a check ends before the next one: 10ms is taken"}},
		{"no timeout", listen("timeout check 0"), none, nil},
		{"checks that are too slow", strings.Replace(listen(""), "check", "check inter 1d", 1), times(60, 3, 2), []string{"at most a minute apart: 1m0s is taken"}},
		{"checks that are too quick", strings.Replace(listen(""), "check", "check inter 1", 1), times(.05, 3, 2), []string{"at least 50ms"}},
	} {
		c.test(t)
	}
}

// The times of keepalived's script are about the host, those of haproxy about the backends.
func TestChecksWinOverKeepalivedsScript(t *testing.T) {
	script := v1alpha1.HealthCheck{Interval: converttest.Seconds(1), Timeout: converttest.Seconds(.5), FailureThreshold: 1, SuccessThreshold: 9}
	for raw, want := range map[string]struct {
		check  v1alpha1.HealthCheck
		warned string
	}{
		listen(""): {listened().HealthCheck, "haproxy's defaults (inter 2s, fall 3, rise 2) where it says nothing: inter 2s, fall 3, rise 2; not as keepalived's script is"},
		strings.Replace(listen(""), "check", "check inter 1s fall 2", 1): {v1alpha1.HealthCheck{Scheme: "TCP", Interval: converttest.Seconds(1), FailureThreshold: 2, SuccessThreshold: 2},
			"inter 1s, fall 2, rise 2; not as keepalived's script is"},
		strings.Replace(listen(""), " check\n", "\n", 1): {v1alpha1.HealthCheck{}, "not checked"},
	} {
		cfg := v1alpha1.HarbingerConfiguration{HealthCheck: script}
		found := haproxy.Convert(convert.File{Name: "haproxy.cfg", Content: []byte(raw)}, options, &cfg)
		converttest.Check(t, converttest.Warned(found), []string{want.warned})
		if diff := cmp.Diff(want.check, cfg.HealthCheck); diff != "" {
			t.Errorf("%s: checks (-want +got):\n%s", raw, diff)
		}
	}
}
