// SPDX-License-Identifier: Apache-2.0

package haproxy_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/harbinger-ha/harbinger/e2e/converttest"
	"github.com/harbinger-ha/harbinger/pkg/apis/config/scheme"
	"github.com/harbinger-ha/harbinger/pkg/apis/config/v1alpha1"
	"github.com/harbinger-ha/harbinger/pkg/convert"
	"github.com/harbinger-ha/harbinger/pkg/convert/haproxy"
)

// kind is a file as operators have it, and what is right for it: a configuration, with what is said, or why there is none.
type kind struct {
	name, raw string
	change    change
	said      []string
	refused   []string
	broken    bool // haproxy does not take it
}

// ofKinds is what is the same in the configurations of kinds.
func ofKinds() v1alpha1.HarbingerConfiguration {
	return v1alpha1.HarbingerConfiguration{
		VirtualAddresses: []string{"172.16.5.100/24"},
		Interface:        "ens3",
		Election:         v1alpha1.Election{Mode: "VRRP"},
		ControlPlane:     v1alpha1.ControlPlane{Port: 16443, APIServerPort: 6443},
		LoadBalancer: v1alpha1.LoadBalancer{
			Policy:   "RoundRobin",
			Backends: []v1alpha1.Backend{{Address: "172.16.5.11:6443"}, {Address: "172.16.5.12:6443"}},
		},
		HealthCheck: v1alpha1.HealthCheck{Scheme: "HTTPS", Path: "/livez", Interval: converttest.Seconds(2), FailureThreshold: 3, SuccessThreshold: 2},
	}
}

const noTimeout = "no timeout connect, client or server"

var kinds = []kind{
	{
		name: "the options of kubespray and its kin",
		raw: `
frontend kube
    bind *:16443
    mode tcp
    default_backend masters

backend masters
    mode tcp
    balance roundrobin
    default-server inter 15s downinter 15s rise 2 fall 2 slowstart 30s maxconn 300 maxqueue 128 weight 50
    option httpchk GET /livez
    server m1 172.16.5.11:6443 check check-ssl verify none
    server m2 172.16.5.12:6443 check check-ssl verify none
`,
		change: and(times(15, 2, 2), func(c *v1alpha1.HarbingerConfiguration) {
			c.LoadBalancer.SlowStart, c.LoadBalancer.ConnectionLimits.PerBackend = converttest.Seconds(30), 300
		}),
		said: []string{noTimeout, "downinter has no counterpart", "maxqueue is not needed", "m1 172.16.5.11:6443 check check-ssl verify none: verify none", "m2 172.16.5.12:6443 check check-ssl verify none: verify none"},
	},
	{
		name: "the newer syntax of checks, with headers and ALPN",
		raw: `
frontend kube
    bind *:16443
    mode tcp
    timeout client 1h
    default_backend masters
backend masters
    mode tcp
    balance roundrobin
    option httpchk
    http-check connect ssl alpn http/1.1,h2
    http-check send meth GET uri /livez ver HTTP/1.1 hdr Host api.internal hdr Accept "text/plain, */*"
    http-check expect status 200
    server m1 172.16.5.11:6443 check
    server m2 172.16.5.12:6443 check
`,
		change: none,
		said:   []string{"no idle timeout", "alpn has no counterpart", "hdr is not sent", "hdr is not sent"},
	},
	{
		name: "a delay without a rule",
		raw: `
defaults
    mode tcp
    timeout connect 1s
frontend kube
    bind *:16443
    tcp-request inspect-delay 3s
    default_backend masters
backend masters
    balance roundrobin
    option httpchk GET /livez
    server m1 172.16.5.11:6443 check check-ssl
    server m2 172.16.5.12:6443 check check-ssl
`,
		change: connects,
		said:   []string{"tcp-request inspect-delay 3s: without a rule of tcp-request content haproxy does nothing with it"},
	},
	{
		name:   "anything in a section that is not carried over",
		broken: true,
		raw: `
frontend kube
    bind *:16443
    mode tcp
    timeout client 0
    default_backend masters
backend masters
    mode tcp
    balance roundrobin
    option httpchk GET /livez
    server m1 172.16.5.11:6443 check check-ssl
    server m2 172.16.5.12:6443 check check-ssl
listen monitoring
    bind *:8404
    mode http
    stats enable
    stats realm Load\ Balancer\ "of the cluster
    stats auth $USER:'x
    stats uri /haproxy?stats
    http-request deny unless { src 172.16.0.0/12 }
userlist operators
    user root insecure-password "a b#c
`,
		change: none,
		said:   []string{"no idle timeout", "listen monitoring: only frontend kube", "userlist operators: it is not carried over"},
	},
	{
		name:   "anything in a line that is not carried over",
		broken: true,
		raw: `
global
    log "${LOGHOST}:514" local0
    log-tag 'kube "lb"
    description "nodes of $SITE
defaults
    log-format "%ci:%cp [%t] %ft %b/%s"
    error-log-format '%[src] #%pid'
    errorfile 503 /etc/haproxy/errors\ /503.http
    timeout connect 1s
frontend kube
    bind *:16443
    mode tcp
    default_backend masters
backend masters
    mode tcp
    balance roundrobin
    option httpchk GET /livez
    server m1 172.16.5.11:6443 check check-ssl
    server m2 172.16.5.12:6443 check check-ssl
`,
		change: connects,
	},
	{
		name: "a Host header behind the version",
		raw: `
frontend kube
    bind *:16443
    mode tcp
    timeout client 0
    default_backend masters
backend masters
    mode tcp
    balance roundrobin
    option httpchk GET /livez HTTP/1.1\r\nHost:\ api.internal\r\nUser-Agent:\ haproxy
    server m1 172.16.5.11:6443 check check-ssl
    server m2 172.16.5.12:6443 check check-ssl
`,
		change: none,
		said:   []string{"no idle timeout", `HTTP/1.1\r\nHost: api.internal\r\nUser-Agent: haproxy: the headers behind the version are not sent`},
	},
	{
		name: "servers that differ",
		raw: `
frontend kube
    bind *:16443
    mode tcp
    timeout client 0
    default_backend masters
backend masters
    mode tcp
    balance roundrobin
    option httpchk GET /livez
    server m1 172.16.5.11:6443 inter 900ms fall 3 rise 1 check check-ssl
    server m2 172.16.5.12:6443 inter 2s fall 1 rise 5 check check-ssl
`,
		change: times(.9, 3, 1),
		said:   []string{"no idle timeout", "inter 2s instead of 900ms, fall 1 instead of 3, rise 5 instead of 1: what server m1 has is taken for all"},
	},
	{
		name: "use_backend without a condition",
		raw: `
frontend kube
    bind *:16443
    mode tcp
    timeout client 0
    use_backend masters
backend masters
    mode tcp
    balance roundrobin
    option httpchk GET /livez
    server m1 172.16.5.11:6443 check check-ssl
    server m2 172.16.5.12:6443 check check-ssl
`,
		change: none,
		said:   []string{"no idle timeout"},
	},
	{
		name:   "names of servers",
		broken: true,
		raw: `
frontend kube
    bind *:16443
    mode tcp
    default_backend masters
backend masters
    mode tcp
    option httpchk GET /livez
    server m1 m1.cluster.internal:6443 check check-ssl
    server m2 m2.cluster.internal:6443 check check-ssl
`,
		refused: []string{"haproxy.cfg:9: server m1 m1.cluster.internal:6443 check check-ssl: write the address of m1.cluster.internal (line 9), m2.cluster.internal (line 10): names are not resolved"},
	},
	{
		name: "several frontends",
		raw: `
frontend kube
    bind *:16443
    mode tcp
    default_backend masters
backend masters
    mode tcp
    server m1 172.16.5.11:6443 check
frontend join
    bind *:9345
    mode tcp
    default_backend joins
backend joins
    mode tcp
    server m1 172.16.5.11:9345 check
listen ingress
    bind *:80
    bind *:443
    mode tcp
    server w1 172.16.5.21:30443 check
`,
		refused: []string{"haproxy.cfg:9: frontend join: want one frontend or listen of mode tcp, there are 3: kube (line 2, bind *:16443), join (line 9, bind *:9345), ingress (line 16, bind *:80 and *:443): " +
			"choose the one of the apiservers by its name (--frontend); the others need a haproxy of their own"},
	},
	{
		name: "a check elsewhere",
		raw: `
frontend kube
    bind *:16443
    mode tcp
    default_backend masters
backend masters
    mode tcp
    option httpchk GET /livez
    server m1 172.16.5.11:6443 check port 9080
    server m2 172.16.5.12:6443 check addr 172.16.6.12
    server m3 172.16.5.13:6443 check port 6443
`,
		refused: []string{
			"haproxy.cfg:9: server m1 172.16.5.11:6443 check port 9080: port 9080: a backend is checked where it serves",
			"haproxy.cfg:10: server m2 172.16.5.12:6443 check addr 172.16.6.12: addr 172.16.6.12: a backend is checked where it serves",
		},
	},
	{
		name: "two ports in one bind",
		raw: `
listen kube
    bind 172.16.5.100:16443,172.16.5.100:6443
    mode tcp
    server m1 172.16.5.11:6443 check
`,
		refused: []string{"haproxy.cfg:3: bind 172.16.5.100:16443,172.16.5.100:6443: there is port 16443 already"},
	},
	{
		name: "a range of ports",
		raw: `
listen kube
    bind :16443-16445
    mode tcp
    server m1 172.16.5.11:6443 check
`,
		refused: []string{"haproxy.cfg:3: bind :16443-16445: want one port, not those from 16443 to 16445"},
	},
	{
		name: "a server without weight, and one that is disabled",
		raw: `
listen kube
    bind 172.16.5.100:16443
    mode tcp
    balance roundrobin
    timeout connect 1s
    option httpchk GET /livez
    server m1 172.16.5.11:6443 check check-ssl
    server m2 172.16.5.12:6443 check check-ssl
    server m3 172.16.5.13:6443 check check-ssl weight 0
    server m4 172.16.5.14:6443 check check-ssl disabled
`,
		change: connects,
		said:   []string{"m3 172.16.5.13:6443 check check-ssl weight 0: weight 0: it is left out", "m4 172.16.5.14:6443 check check-ssl disabled: disabled: it is left out"},
	},
	{
		name: "no balance",
		raw: `
listen kube
    bind 172.16.5.100:16443
    mode tcp
    timeout connect 1s
    option httpchk GET /livez
    server m1 172.16.5.11:6443 check check-ssl
    server m2 172.16.5.12:6443 check check-ssl
`,
		change: connects,
	},
	{
		name: "a connect that may take long",
		raw: `
defaults
    timeout connect 10s
    timeout check 1s
frontend kube
    bind *:16443
    mode tcp
    default_backend masters
backend masters
    mode tcp
    balance roundrobin
    option httpchk GET /livez
    server m1 172.16.5.11:6443 check check-ssl
    server m2 172.16.5.12:6443 check check-ssl
`,
		change: func(c *v1alpha1.HarbingerConfiguration) { c.HealthCheck.Timeout = converttest.Seconds(1) },
		said:   []string{"timeout connect 10s: the default of 1s is taken: in haproxy this is how long a dial may last"},
	},
	{
		name:   "lines that an article leaves out",
		broken: true,
		raw: `
....
frontend kube
    bind *:16443
    mode tcp
    default_backend masters
    [...]
backend masters
    ...
`,
		refused: []string{"haproxy.cfg:2: ....: lines are left out, as articles do (also in line 7, 9): the whole file is wanted, as it is on the host"},
	},
	{
		name: "plain HTTP of a port with TLS",
		raw: `
frontend kube
    bind *:16443
    mode tcp
    timeout client 0
    default_backend masters
backend masters
    mode tcp
    balance roundrobin
    option httpchk GET /livez
    http-check expect status 200
    server m1 172.16.5.11:6443 check
    server m2 172.16.5.12:6443 check
`,
		change: checked("HTTP", "/livez"),
		said:   []string{"no idle timeout", "option httpchk GET /livez: plain HTTP is asked of port 6443 (check-ssl is missing), which an apiserver answers by 400: nothing will be healthy"},
	},
	{
		name: "the classic recipe",
		raw: `
#-----------------------------
# the apiservers, as one
#-----------------------------
frontend kube
    bind *:16443
    mode tcp
    option tcplog
    default_backend masters

backend masters
    option httpchk GET /livez
    http-check expect status 200
    mode tcp
    option ssl-hello-chk
    balance     roundrobin
        #server ${NAME} ${ADDRESS}:${PORT} check
        # [...]
        server One 172.16.5.11:6443 check
        server Two 172.16.5.12:6443 check
`,
		change: none,
		said: []string{
			"backend masters: it has no timeout connect, client or server: haproxy waits without end",
			"backend masters: the check is a GET of /livez, not only a handshake",
			"option httpchk GET /livez: haproxy does not do so: option ssl-hello-chk in line 15 replaces it",
			"http-check expect status 200: haproxy ignores it: it counts with option httpchk alone",
		},
	},
}

func connects(c *v1alpha1.HarbingerConfiguration) {
	c.LoadBalancer.Timeouts.Connect = converttest.Seconds(1)
}

// TestKinds converts what is on hosts.
func TestKinds(t *testing.T) {
	for _, k := range kinds {
		t.Run(k.name, func(t *testing.T) {
			cfg := v1alpha1.HarbingerConfiguration{VirtualAddresses: []string{"172.16.5.100/24"}, Interface: "ens3", Election: v1alpha1.Election{Mode: "VRRP"}}
			found := haproxy.Convert(convert.File{Name: "haproxy.cfg", Content: []byte(k.raw)}, haproxy.Options{}, &cfg)
			if k.refused != nil {
				converttest.Check(t, converttest.Texts(found, convert.Refused), k.refused)
				return
			}
			if err := found.Err(); err != nil {
				t.Fatal(err)
			}
			converttest.Check(t, converttest.Warned(found), k.said)
			want := ofKinds()
			k.change(&want)
			if diff := cmp.Diff(want, cfg); diff != "" {
				t.Errorf("configuration (-want +got):\n%s", diff)
			}
			convert.Quicken(&cfg)
			if _, err := scheme.Complete(&cfg); err != nil {
				t.Errorf("the configuration is not valid: %v", err)
			}
		})
	}
}

// A file of several frontends is converted by the name of one.
func TestKindOfSeveralFrontends(t *testing.T) {
	for _, k := range kinds {
		if k.name != "several frontends" {
			continue
		}
		var cfg v1alpha1.HarbingerConfiguration
		found := haproxy.Convert(convert.File{Name: "haproxy.cfg", Content: []byte(k.raw)}, haproxy.Options{Frontend: "join"}, &cfg)
		if err := found.Err(); err != nil || cfg.ControlPlane.Port != 9345 || cfg.LoadBalancer.Backends[0].Address != "172.16.5.11:9345" {
			t.Errorf("configuration %+v, error %v", cfg, err)
		}
		for _, want := range []string{"frontend kube: only frontend join", "backend masters", "listen ingress"} {
			if !strings.Contains(strings.Join(converttest.Warned(found), "\n"), want) {
				t.Errorf("nothing is said of %s: %q", want, converttest.Warned(found))
			}
		}
	}
}

// TestKindsAreTakenByHAProxy holds that what is converted is what haproxy takes.
func TestKindsAreTakenByHAProxy(t *testing.T) {
	for _, k := range kinds {
		t.Run(k.name, func(t *testing.T) {
			dir := t.TempDir()
			for name, text := range map[string]string{"1.cfg": "global\n ssl-server-verify none\n", "2.cfg": k.raw} {
				if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			if output, err := exec.Command("haproxy", "-c", "-f", dir).CombinedOutput(); (err != nil) != k.broken {
				t.Errorf("haproxy: %v\n%s", err, output)
			}
		})
	}
}

// An excerpt is converted where it is said to be one, and what is left out is named.
func TestExcerpt(t *testing.T) {
	raw := "...\n" + listen("") + "[...]\n"
	var cfg v1alpha1.HarbingerConfiguration
	found := haproxy.Convert(convert.File{Name: "haproxy.cfg", Content: []byte(raw)}, haproxy.Options{Excerpt: true}, &cfg)
	if err := found.Err(); err != nil || len(cfg.LoadBalancer.Backends) == 0 {
		t.Errorf("configuration %+v, error %v", cfg, err)
	}
	if wrong := found.Of(convert.Wrong); len(wrong) != 1 || !strings.Contains(wrong[0].String(), "haproxy.cfg:1: ...: lines are left out, as articles do (also in line 9)") {
		t.Errorf("said %v", wrong)
	}
}
