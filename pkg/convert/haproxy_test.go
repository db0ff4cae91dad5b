// SPDX-License-Identifier: Apache-2.0

package convert_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/harbinger-ha/harbinger/pkg/apis/config/v1alpha1"
	"github.com/harbinger-ha/harbinger/pkg/convert"
)

func listen(lines string) string {
	return "listen api\n mode tcp\n bind :443\n server a 10.0.0.1:6443 check\n" + lines + "\n"
}

func TestHAProxy(t *testing.T) {
	for _, tt := range []struct {
		name, raw string
		change    func(*v1alpha1.HarbingerConfiguration)
		warnings  []string
	}{
		{"listen", listen(""), func(*v1alpha1.HarbingerConfiguration) {}, nil},
		{"mode of defaults", "defaults\n mode tcp\nlisten api\n bind *:443\n server a 10.0.0.1:6443 check\n", func(*v1alpha1.HarbingerConfiguration) {}, nil},
		{"IPv6", "listen api\n mode tcp\n bind [::]:443 v4v6\n bind 0.0.0.0:443\n server a [fd00::1]:6443 check", func(c *v1alpha1.HarbingerConfiguration) {
			c.LoadBalancer.Backends[0].Address = "[fd00::1]:6443"
		}, nil},
		{"an address of its own", strings.Replace(listen(""), " :443", " 10.0.0.100:443 name x", 1), func(*v1alpha1.HarbingerConfiguration) {},
			[]string{"whatever the address", "name has no counterpart", "x has no counterpart"}},
		{"HTTP check", listen("option httpchk"), func(c *v1alpha1.HarbingerConfiguration) { c.HealthCheck.Scheme, c.HealthCheck.Path = "HTTP", "/" }, nil},
		{"check by a newer syntax", listen("option httpchk\nhttp-check send meth HEAD uri /livez ver HTTP/1.1\nhttp-check expect rstatus 2.."), func(c *v1alpha1.HarbingerConfiguration) {
			c.HealthCheck.Scheme, c.HealthCheck.Path = "HTTP", "/livez"
		}, []string{"is a GET", "answers 200"}},
		{"TLS check by a newer syntax", listen("option httpchk\nhttp-check connect ssl sni api\nhttp-check send meth GET uri /healthz\nhttp-check expect status 200"),
			func(c *v1alpha1.HarbingerConfiguration) {
				c.HealthCheck.Scheme, c.HealthCheck.Path, c.HealthCheck.ServerName = "HTTPS", "/healthz", "api"
			}, nil},
		{"TLS check", listen("option ssl-hello-chk"), func(c *v1alpha1.HarbingerConfiguration) { c.HealthCheck.Scheme = "HTTPS" }, []string{"not only a handshake"}},
		{"no check", strings.Replace(listen(""), " check", "", 1), func(c *v1alpha1.HarbingerConfiguration) { c.HealthCheck = v1alpha1.HealthCheck{} }, []string{"not checked"}},
		{"options of servers", listen("server b 10.0.0.2:6443 check inter 500 fall 3 rise 1 maxconn 100 slowstart 10s backup weight 1 check-sni api ca-file /ca"),
			func(c *v1alpha1.HarbingerConfiguration) {
				c.LoadBalancer.Backends = append(c.LoadBalancer.Backends, v1alpha1.Backend{Address: "10.0.0.2:6443", Backup: true})
				c.LoadBalancer.ConnectionLimits.PerBackend, c.LoadBalancer.SlowStart = 100, seconds(10)
				c.HealthCheck = v1alpha1.HealthCheck{Scheme: "TCP", Interval: seconds(.5), FailureThreshold: 3, SuccessThreshold: 1, ServerName: "api", CAFile: "/ca"}
			}, nil},
		{"a disabled server", listen("server b 10.0.0.2:6443 disabled weight 5"), func(*v1alpha1.HarbingerConfiguration) {}, []string{"left out", "all backends have the same"}},
		{"another port", listen("server b 10.0.0.2:7443 check"), func(c *v1alpha1.HarbingerConfiguration) {
			c.LoadBalancer.Backends = append(c.LoadBalancer.Backends, v1alpha1.Backend{Address: "10.0.0.2:7443"})
		}, []string{"own apiserver"}},
		{"policies", listen("balance source"), func(c *v1alpha1.HarbingerConfiguration) { c.LoadBalancer.Policy = "SourceHash" }, nil},
		{"an unknown policy", listen("balance uri"), func(*v1alpha1.HarbingerConfiguration) {}, []string{"the default is taken"}},
		{"limits", "global\n maxconn 9000\n" + listen("maxconn 800"), func(c *v1alpha1.HarbingerConfiguration) { c.LoadBalancer.ConnectionLimits.Total = 800 }, nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			want := v1alpha1.HarbingerConfiguration{
				ControlPlane: v1alpha1.ControlPlane{Port: 443, APIServerPort: 6443},
				LoadBalancer: v1alpha1.LoadBalancer{Backends: []v1alpha1.Backend{{Address: "10.0.0.1:6443"}}},
				HealthCheck:  v1alpha1.HealthCheck{Scheme: "TCP"},
			}
			tt.change(&want)
			var got v1alpha1.HarbingerConfiguration
			warnings, err := convert.HAProxy("haproxy.cfg", []byte(tt.raw), &got)
			if err != nil {
				t.Fatal(err)
			}
			checkTexts(t, warned(warnings), tt.warnings)
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("configuration (-want +got):\n%s", diff)
			}
		})
	}
}

func TestHAProxyKeepsPasswordsToItself(t *testing.T) {
	warnings, err := convert.HAProxy("haproxy.cfg", []byte(listen("stats auth admin:secret")), &v1alpha1.HarbingerConfiguration{})
	if texts := warned(warnings); err != nil || len(texts) != 1 || strings.Contains(texts[0], "secret") {
		t.Errorf("warnings %q, error %v", texts, err)
	}
}

func TestHAProxyRefuses(t *testing.T) {
	for raw, want := range map[string]string{
		"":                                "want one frontend or listen of mode tcp, there are 0",
		"mode tcp":                        "haproxy.cfg:1: mode tcp: belongs to no section",
		listen("") + listen(""):           "haproxy.cfg:6: listen api: want one frontend or listen of mode tcp, there are 2",
		"frontend a\n mode tcp\n bind :1": "frontend a: its default_backend is not there",
		"listen a\n mode tcp\n bind :1":   "it has no server",
		"listen a\n mode tcp\n server b 10.0.0.1:1 check": "has no bind",
		listen("bind :444"):                            "haproxy.cfg:5: bind :444: there is port 443 already",
		listen("bind :443 ssl crt /x"):                 "passes TLS through",
		listen("bind :80-90"):                          "whole number",
		listen("server b node2:6443"):                  `want an address with a port, not "node2:6443"`,
		listen("server b"):                             "want an address with a port",
		listen("server b 10.0.0.2:1 send-proxy-v2"):    "does not work without it",
		listen("server b 10.0.0.2:1 ssl"):              "does not work without it",
		listen("server b 10.0.0.2:1 bogus"):            "option bogus is not known",
		listen("server b 10.0.0.2:1 inter"):            "want a time",
		listen("server b 10.0.0.2:1 inter 5d"):         "want a time",
		listen("server b 10.0.0.2:1 on-marked-down x"): "want on-marked-down shutdown-sessions",
		listen("acl internal src 10.0.0.0/8"):          "access rules",
		listen("tcp-request connection reject"):        "access rules",
		listen("use_backend b if internal"):            "there is one backend",
		listen("bogus"):                                "bogus: not known",
		listen("timeout connect 1e99"):                 "want a time",
		listen("log-format \"%ci\""):                   "quotes",
		listen("option httpchk GET healthz"):           "want a path",
		listen("http-check connect port 8080"):         "checked where it serves",
		listen("") + "userlist u\n":                    "userlist u: not known",
		"defaults\ndefaults\n" + listen(""):            "haproxy.cfg:2: defaults: this command knows one section of defaults",
		"global\n lua-load x\n" + listen(""):           "lua-load x: not known",
	} {
		_, err := convert.HAProxy("haproxy.cfg", []byte(raw), &v1alpha1.HarbingerConfiguration{})
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("HAProxy(%q) = %v, want %q in it", raw, err, want)
		}
	}
}
