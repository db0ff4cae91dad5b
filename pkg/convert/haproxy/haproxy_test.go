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

// listen is a listen of which all is carried over, with lines from its seventh on.
func listen(lines string) string {
	return "listen api\n mode tcp\n bind :443\n timeout connect 1s\n balance leastconn\n server a 10.0.0.1:6443 check\n " + lines + "\n"
}

// listened is what comes of it.
func listened() v1alpha1.HarbingerConfiguration {
	return v1alpha1.HarbingerConfiguration{
		ControlPlane: v1alpha1.ControlPlane{Port: 443, APIServerPort: 6443},
		LoadBalancer: v1alpha1.LoadBalancer{
			Backends: []v1alpha1.Backend{{Address: "10.0.0.1:6443"}}, Policy: "LeastConnections", Timeouts: v1alpha1.Timeouts{Connect: converttest.Seconds(1)},
		},
		HealthCheck: v1alpha1.HealthCheck{Scheme: "TCP", Interval: converttest.Seconds(2), FailureThreshold: 3, SuccessThreshold: 2},
	}
}

func from(raw string, o haproxy.Options) convert.Findings {
	var cfg v1alpha1.HarbingerConfiguration
	return haproxy.Convert(convert.File{Name: "haproxy.cfg", Content: []byte(raw)}, o, &cfg)
}

// change is what a test has other than listen.
type change func(*v1alpha1.HarbingerConfiguration)

func none(*v1alpha1.HarbingerConfiguration) {}

func backends(addresses ...string) change {
	return func(c *v1alpha1.HarbingerConfiguration) {
		c.LoadBalancer.Backends = nil
		for _, a := range addresses {
			c.LoadBalancer.Backends = append(c.LoadBalancer.Backends, v1alpha1.Backend{Address: a})
		}
	}
}

func checked(scheme, path string) change {
	return func(c *v1alpha1.HarbingerConfiguration) { c.HealthCheck.Scheme, c.HealthCheck.Path = scheme, path }
}

// conversion is a file, what of its configuration differs from that of listen, and what is said.
type conversion struct {
	name, raw string
	change    change
	warnings  []string
}

func (c conversion) test(t *testing.T) {
	t.Helper()
	t.Run(c.name, func(t *testing.T) {
		t.Helper()
		want := listened()
		c.change(&want)
		var got v1alpha1.HarbingerConfiguration
		found := haproxy.Convert(convert.File{Name: "haproxy.cfg", Content: []byte(c.raw)}, haproxy.Options{Environment: environment}, &got)
		if err := found.Err(); err != nil {
			t.Fatal(err)
		}
		converttest.Check(t, converttest.Warned(found), c.warnings)
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("configuration (-want +got):\n%s", diff)
		}
	})
}

func TestProxy(t *testing.T) {
	policy := func(name string) change {
		return func(c *v1alpha1.HarbingerConfiguration) { c.LoadBalancer.Policy = name }
	}
	port := func(n int32) change {
		return func(c *v1alpha1.HarbingerConfiguration) { c.ControlPlane.Port = n }
	}
	bind := func(line string) string { return strings.Replace(listen(""), "bind :443", line, 1) }
	balance := func(line string) string { return strings.Replace(listen(""), "balance leastconn", line, 1) }
	timeout := func(line string) string { return strings.Replace(listen(""), "timeout connect 1s", line, 1) }
	connect := func(n float64) change {
		return func(c *v1alpha1.HarbingerConfiguration) { c.LoadBalancer.Timeouts.Connect = converttest.Seconds(n) }
	}
	for _, c := range []conversion{
		{"listen", listen(""), none, nil},
		{"IPv6", bind("bind [::]:443 v4v6\n bind 0.0.0.0:443\n bind :::443"), none, nil},
		{"an address of its own", bind("bind 10.0.0.100:443 name x"), none, []string{"whatever the address", "name has no counterpart"}},
		{"two addresses in one bind", bind("bind 10.0.0.100:443,[fd00::1]:443"), none, []string{"whatever the address", "whatever the address"}},
		{"a range of one", bind("bind *:443-443"), none, nil},
		{"the family of a bind", bind("bind ipv4@:443,ipv6@:443"), none, nil},
		{"a variable of a bind", bind(`bind "*:${PORT}"`), port(9443), nil},
		{"a variable of a bind without quotes", bind(`bind *:$PORT`), port(9443), nil},
		{"a socket of the host", bind("bind :443\n bind /run/haproxy.sock mode 600\n bind unix@/x,abns@y"), none,
			[]string{"/run/haproxy.sock: a socket of the host", "unix@/x: a socket", "abns@y: a socket"}},
		{"QUIC", bind("bind :443\n bind quic4@:443 proto quic"), none, []string{"quic4@:443: the balancer listens on TCP"}},
		{"options of bind with arguments", bind("bind :443 interface eth0 maxconn 100 backlog 5 tfo defer-accept"), none,
			[]string{"interface has no counterpart", "maxconn has no counterpart", "backlog has no counterpart"}},
		{"unknown words of bind", bind("bind :443 fast 100"), none, []string{"fast 100: not known to this command"}},
		{"the address of the section", "listen api 0.0.0.0:443\n mode tcp\n timeout connect 1s\n balance leastconn\n server a 10.0.0.1:6443 check\n", none, nil},

		{"static-rr", balance("balance static-rr"), policy("RoundRobin"), nil},
		{"source", balance("balance source"), policy("SourceHash"), nil},
		{"hash src", balance("balance hash src"), policy("SourceHash"), nil},
		{"no policy", balance("description x"), policy("RoundRobin"), nil},
		{"random", balance("balance random(2)"), policy("LeastConnections"), []string{"LeastConnections is taken"}},
		{"first", balance("balance first"), policy("LeastConnections"), []string{"LeastConnections is taken"}},
		{"uri", balance("balance uri depth 3"), policy("RoundRobin"), []string{"haproxy falls back to roundrobin"}},
		{"hdr", balance("balance hdr(host)"), policy("RoundRobin"), []string{"haproxy falls back to roundrobin"}},
		{"rdp-cookie", balance("balance rdp-cookie(x)"), policy("RoundRobin"), []string{"falls back to roundrobin"}},
		{"another hash", balance("balance hash dst"), policy(""), []string{"the default is taken"}},
		{"an unknown policy", balance("balance fancy"), policy(""), []string{"the default is taken"}},
		{"a table", listen("stick-table type ip size 1m expire 30m\n stick on src"), policy("SourceHash"), []string{"the policy SourceHash is taken"}},
		{"a table before the policy", balance("stick-table type ip size 1m\n stick match src\n stick store-request src\n balance roundrobin"),
			policy("SourceHash"), []string{"the policy SourceHash is taken"}},

		{"the lowest limit", "global\n maxconn 9000\n" + listen("maxconn 800"), func(c *v1alpha1.HarbingerConfiguration) { c.LoadBalancer.ConnectionLimits.Total = 800 }, nil},
		{"the limit of the process", "global\n maxconn 700\n" + listen("maxconn 800"), func(c *v1alpha1.HarbingerConfiguration) { c.LoadBalancer.ConnectionLimits.Total = 700 }, nil},
		{"no limit", listen("maxconn 0"), none, nil},

		{"a slow connect", timeout("timeout connect 10s"), connect(0), []string{"the default of 1s is taken: in haproxy this is how long a dial may last"}},
		{"a connect in milliseconds", timeout("timeout connect 5000"), connect(0), []string{"the default of 1s is taken"}},
		{"a connect that is too short", timeout("timeout connect 5"), connect(0), []string{"the default of 1s is taken"}},
		{"a connect without end", timeout("timeout connect 0"), connect(0), []string{"a dial ends at some time"}},
		{"a quick connect", timeout("timeout connect 300ms"), connect(.3), nil},
		{"an old name", timeout("contimeout 400"), connect(.4), nil},
		{"no timeout at all", timeout("description x"), connect(0), []string{"no timeout connect, client or server: haproxy waits without end"}},
		{"timeouts of sessions", listen("timeout client 1m\n timeout server 1m\n timeout tunnel 1h"), none,
			[]string{"there is no idle timeout", "there is no idle timeout", "there is no idle timeout"}},

		{"a delay alone", listen("tcp-request inspect-delay 5s"), none, []string{"without a rule of tcp-request content haproxy does nothing with it"}},
		{"a delay for a rule that accepts", listen("tcp-request inspect-delay 5s\n tcp-request content accept if { req.ssl_hello_type 1 }"), none,
			[]string{"only gives the rules about the content time"}},
		{"a delay of answers", listen("tcp-response inspect-delay 5s\n tcp-request content accept"), none, []string{"without a rule of tcp-response content"}},
		{"a rule that never applies", listen("tcp-request content reject if FALSE"), none, nil},
		{"rules that count", listen("tcp-request connection track-sc0 src\n tcp-request content set-var(sess.a) src\n tcp-response content accept"), none,
			[]string{"nothing is counted", "nothing is counted"}},
		{"an unknown rule", listen("tcp-request content dance"), none, []string{"not known to this command"}},
		{"access lists of nothing", listen("acl internal src 10.0.0.0/8"), none, nil},

		{"an unknown line", listen("some new \"thing\" 5"), none, []string{"haproxy.cfg:7: some new thing 5: not known to this command: it is left out"}},
		{"an unknown line of global", "global\n some new thing\n" + listen(""), none, []string{"haproxy.cfg:2: some new thing: not known"}},
		{"a continued line", listen("fullconn 5 \\\n inter 2s"), none, []string{"fullconn", "inter 2s: not known"}},
		{"an option that is turned off", listen("option allbackups\n no option allbackups\n no log\n default option tcplog"), none, nil},
		{"an unknown option that is turned off", listen("no option dance"), none, []string{"no option dance: not known"}},
		{"a line of the log that is not closed", listen("log-format \"%ci"), none, nil},
		{"a byte order mark, and lines of Windows", "\ufeff" + strings.ReplaceAll(listen(""), "\n", "\r\n"), none, nil},
	} {
		c.test(t)
	}
}

func TestSecretsAreNotRepeated(t *testing.T) {
	for _, line := range []string{
		"stats auth admin:secret", "tcp-check send secret", "tcp-check send-binary secret", "dynamic-cookie-key secret",
		"option httpchk\n http-check send meth GET uri /readyz hdr Authorization \"Bearer secret\" body secret",
		`option httpchk GET /readyz HTTP/1.1\r\nAuthorization:\ Bearer\ secret`, "bind :443 ca-sign-pass secret",
	} {
		found := from("global\n setenv TOKEN secret\n cluster-secret secret\n"+listen(line), haproxy.Options{})
		if found.Err() != nil {
			t.Errorf("%s: %v", line, found.Err())
		}
		for _, f := range found.All() {
			if strings.Contains(f.String(), "secret ") || strings.HasSuffix(f.Directive, "secret") && f.Directive != "cluster-secret" || strings.Contains(f.Text, "secret") {
				t.Errorf("%s: %s", line, f)
			}
		}
	}
}

func TestHAProxyRefuses(t *testing.T) {
	for raw, want := range map[string]string{
		"":                                "want one frontend or listen of mode tcp, there are 0",
		"mode tcp":                        "haproxy.cfg:1: mode tcp: belongs to no section",
		listen("") + listen(""):           "haproxy.cfg:8: listen api: want one frontend or listen of mode tcp, there are 2",
		"frontend a\n mode tcp\n bind :1": "frontend a: its default_backend is not there",
		"listen a\n mode tcp\n bind :1":   "it has no server",
		"listen a\n mode tcp\n server b 10.0.0.1:1 check":      "has no bind",
		"listen a\n mode http\n bind :1\n server b 10.0.0.1:1": "haproxy.cfg:1: listen a: want one frontend or listen of mode tcp, there are 0; of another mode: a (line 1, bind :1)",
		"frontend a\n bind :1\n default_backend none":          "haproxy.cfg:3: default_backend none: its default_backend is not there: no backend has the name none",
		listen("bind :444"):                                       "haproxy.cfg:7: bind :444: there is port 443 already",
		listen("bind :443,:444"):                                  "haproxy.cfg:7: bind :443,:444: there is port 443 already",
		listen("bind :443 ssl crt /x"):                            "passes TLS through",
		listen("bind :443 accept-proxy"):                          "speaks no PROXY protocol",
		listen("bind :80-90"):                                     "want one port, not those from 80 to 90",
		listen("bind :http"):                                      "whole number",
		listen(`bind ":$NONE"`):                                   "haproxy.cfg:7: bind :: the variable NONE is not set in the environment of this command",
		listen(`bind :$NONE`):                                     "the variable NONE is not set in the environment of this command",
		listen("server b"):                                        "want an address with a port",
		listen("server b 10.0.0.2:http"):                          "want an address with a port",
		listen("server b 10.0.0.2:+1"):                            "want an address with a port",
		listen("server b /run/api.sock"):                          "want an address with a port",
		listen("server b *:6443"):                                 "want an address with a port",
		listen("server b 0.0.0.0:6443"):                           "haproxy would connect to where the client did",
		listen(`server b "${HOST}:6443" check`):                   "haproxy.cfg:7: server b :6443 check: the variable HOST is not set",
		listen(`server b ${HOST}:6443 check`):                     "haproxy.cfg:7: server b ${HOST}:6443 check: the variable HOST is not set",
		listen(`server b "10.0.0.2:6443 check`):                   `the quote " is not closed`,
		listen("server b 10.0.0.2:1 send-proxy"):                  "does not work without it",
		listen("server b 10.0.0.2:1 check check-send-proxy"):      "without send-proxy-v2",
		listen("server b 10.0.0.2:1 send-proxy-v2-ssl"):           "does not work without it",
		listen("server b 10.0.0.2:1 ssl"):                         "does not work without it",
		listen("server b 10.0.0.2:1 source 10.0.0.9"):             "connections come from the address of the host",
		listen("server b 10.0.0.2:1 inter"):                       "want a time",
		listen("server b 10.0.0.2:1 inter 5d"):                    "want a time",
		listen("server b 10.0.0.2:1 fall 0"):                      "whole number",
		listen("server b 10.0.0.2:1 on-marked-down x"):            "want on-marked-down shutdown-sessions",
		listen("server b 10.0.0.2:1 check port 8080"):             "port 8080: a backend is checked where it serves",
		listen("server b 10.0.0.2:1 check addr 10.0.0.9"):         "addr 10.0.0.9: a backend is checked where it serves",
		listen("server-template b 3 api.example.org:1"):           "names are not resolved",
		listen("tcp-request connection reject"):                   "access rules",
		listen("tcp-request content reject if !{ src 10.0.0.1 }"): "access rules",
		listen("tcp-request session silent-drop unless x"):        "access rules",
		listen("tcp-request connection expect-proxy layer4"):      "speaks no PROXY protocol",
		listen("tcp-request content lua.dance"):                   "access rules",
		listen("tcp-request content set-dst ipv4(10.0.0.9)"):      "connections go to the servers alone",
		listen("use_backend b if internal"):                       "there is one backend",
		listen("use_backend %[src,map(x)]"):                       "no backend has the name %[src,map(x)]",
		listen("use-server a if internal"):                        "there is one policy",
		listen("default_backend api2"):                            "its default_backend is not there",
		listen("source 10.0.0.1"):                                 "connections come from the address of the host",
		listen("stick-table type ip size 1\n stick on ssl_fc"):    "use balance source",
		listen("stick store-response src"):                        "use the policy SourceHash",
		listen("option transparent"):                              "write them as lines of server",
		listen("dispatch 10.0.0.1:6443"):                          "write them as lines of server",
		listen("timeout connect 1e99"):                            "want a time",
		listen("timeout check x"):                                 "want a time",
		listen("option httpchk GET healthz"):                      "want a path",
		listen("option httpchk\n http-check connect port 8080"):   "checked where it serves",
		listen("option tcp-check\n tcp-check connect port 80"):    "checked where it serves",
		"...\n" + listen("") + "[...]\n":                          "haproxy.cfg:1: ...: lines are left out, as articles do (also in line 9): the whole file is wanted",
		listen("") + ". . .\n":                                    "haproxy.cfg:8: . . .: lines are left out",
		listen("--snip--"):                                        "haproxy.cfg:7: --snip--: lines are left out",
		listen("") + "<omitted>\n":                                "lines are left out",
		listen("") + "…\n":                                        "lines are left out, as articles do: the whole file is wanted",
	} {
		found := from(raw, haproxy.Options{Environment: environment})
		if err := found.Err(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("HAProxy(%q) = %v, want %q in it", raw, err, want)
		} else if strings.Count(err.Error(), "\n") > 0 {
			t.Errorf("HAProxy(%q): several faults: %v", raw, err)
		}
	}
}
