// SPDX-License-Identifier: Apache-2.0

package haproxy_test

import (
	"strings"
	"testing"

	"github.com/harbinger-ha/harbinger/e2e/converttest"
	"github.com/harbinger-ha/harbinger/pkg/apis/config/v1alpha1"
)

// and has several changes.
func and(changes ...change) change {
	return func(c *v1alpha1.HarbingerConfiguration) {
		for _, change := range changes {
			change(c)
		}
	}
}

// times are those of the checks.
func times(interval float64, fall, rise int32) change {
	return func(c *v1alpha1.HarbingerConfiguration) {
		c.HealthCheck.Interval, c.HealthCheck.FailureThreshold, c.HealthCheck.SuccessThreshold = converttest.Seconds(interval), fall, rise
	}
}

func TestServers(t *testing.T) {
	only := func(line string) string { return strings.Replace(listen(""), "server a 10.0.0.1:6443 check", line, 1) }
	limits := func(n int32, slowStart float64) change {
		return func(c *v1alpha1.HarbingerConfiguration) {
			c.LoadBalancer.ConnectionLimits.PerBackend, c.LoadBalancer.SlowStart = n, converttest.Seconds(slowStart)
		}
	}
	backup := func(indexes ...int) change {
		return func(c *v1alpha1.HarbingerConfiguration) {
			for _, i := range indexes {
				c.LoadBalancer.Backends[i].Backup = true
			}
		}
	}
	weight := func(i int, n int32) change {
		return func(c *v1alpha1.HarbingerConfiguration) { c.LoadBalancer.Backends[i].Weight = &n }
	}
	two := backends("10.0.0.1:6443", "10.0.0.2:6443")
	three := backends("10.0.0.1:6443", "10.0.0.2:6443", "10.0.0.3:6443")
	for _, c := range []conversion{
		{"options", only("server a 10.0.0.1:6443 check inter 500 fall 3 rise 1 maxconn 100 slowstart 10s weight 1"), and(times(.5, 3, 1), limits(100, 10)), nil},
		{"a backup", listen("server b 10.0.0.2:6443 check backup"), and(two, backup(1)), nil},
		{"a slow start of hours", only("server a 10.0.0.1:6443 check slowstart 2h"), limits(0, 3600), []string{"an hour is taken"}},
		{"IPv6", only("server a [fd00::1]:6443 check"), backends("[fd00::1]:6443"), nil},
		{"IPv6 without brackets", only("server a fd00::1:6443 check"), backends("[fd00::1]:6443"), nil},
		{"the family of an address", only("server a ipv4@10.0.0.1:6443 check"), none, nil},
		{"an address in a variable", only(`server a "10.0.0.1:${PORT}" check`), and(backends("10.0.0.1:9443"), func(c *v1alpha1.HarbingerConfiguration) {
			c.ControlPlane.APIServerPort = 9443
		}), nil},
		{"an address in a variable without quotes", only("server a 10.0.0.1:${PORT} check"), and(backends("10.0.0.1:9443"), func(c *v1alpha1.HarbingerConfiguration) {
			c.ControlPlane.APIServerPort = 9443
		}), nil},
		{"the port of the client", only("server a 10.0.0.1"), and(backends("10.0.0.1:443"), func(c *v1alpha1.HarbingerConfiguration) {
			c.ControlPlane.APIServerPort, c.HealthCheck = 443, v1alpha1.HealthCheck{}
		}), []string{"not checked"}},
		{"a disabled server", listen("server b 10.0.0.2:6443 disabled weight 5"), none, []string{"disabled: it is left out"}},
		{"weight 0", listen("server b 10.0.0.2:6443 check weight 0"), none, []string{"weight 0: it is left out"}},
		{"anything of a server that is left out", listen("server b 10.0.0.2:6443 ssl send-proxy fancy check port 80 weight 0"), none, []string{"weight 0: it is left out"}},
		{"weight 0 of default-server", listen("default-server weight 0\n server b 10.0.0.2:6443 check\n server c 10.0.0.3:6443 check weight 1"), backends("10.0.0.1:6443", "10.0.0.3:6443"),
			[]string{"haproxy.cfg:8: server b 10.0.0.2:6443 check: weight 0: it is left out"}},
		{"a name that is left out", listen("server b cp2.example.org:6443 disabled"), none, []string{"disabled: it is left out"}},
		{"enabled again", listen("default-server disabled\n server b 10.0.0.2:6443 check enabled"), two, nil},
		{"weights that differ", listen("server b 10.0.0.2:6443 check weight 5"), and(two, weight(1, 5)), nil},
		{"weights that differ, in hundreds", listen("server b 10.0.0.2:6443 check weight 100\n default-server weight 256\n server c 10.0.0.3:6443 check"), and(three, weight(1, 100), weight(2, 256)), nil},
		{"weights with a common part", only("server a 10.0.0.1:6443 check weight 100\n server b 10.0.0.2:6443 check weight 150\n server c 10.0.0.3:6443 check backup weight 50"),
			and(three, weight(0, 2), weight(1, 3), backup(2)), nil},
		{"weights that are the same", "listen api\n mode tcp\n bind :443\n timeout connect 1s\n balance leastconn\n default-server weight 100 check\n server a 10.0.0.1:6443\n server b 10.0.0.2:6443",
			two, nil},
		{"no weight", listen("server b 10.0.0.2:6443 check weight 999"), two, []string{"haproxy takes a number from 0 to 256"}},
		{"the PROXY protocol", listen("server b 10.0.0.2:6443 check send-proxy-v2 check-send-proxy proxy-v2-options crc32c"), and(two, func(c *v1alpha1.HarbingerConfiguration) {
			c.LoadBalancer.Backends[1].ProxyProtocol = "V2"
		}), []string{"proxy-v2-options: the header has the addresses alone"}},
		{"the PROXY protocol, but not here", listen("default-server send-proxy-v2\n server b 10.0.0.2:6443 check no-send-proxy-v2"), two, nil},
		{"another port", listen("server b 10.0.0.2:7443 check"), backends("10.0.0.1:6443", "10.0.0.2:7443"), []string{"own apiserver"}},
		{"the same address", listen("server b 10.0.0.1:6443 check"), none, []string{"it has the address of server a: it is left out"}},
		{"two backups", listen("server b 10.0.0.2:6443 check backup\n server c 10.0.0.3:6443 check backup"), and(three, backup(1, 2)), []string{"haproxy uses server b alone as long as it is healthy"}},
		{"two backups of allbackups", listen("option allbackups\n server b 10.0.0.2:6443 check backup\n server c 10.0.0.3:6443 check backup"), and(three, backup(1, 2)), nil},
		{"default-server counts for the lines below", listen("default-server backup check\n server b 10.0.0.2:6443\n default-server no-backup\n server c 10.0.0.3:6443"), and(three, backup(1)), nil},
		{"default-server twice", listen("default-server check inter 2s\n default-server fall 3\n server b 10.0.0.2:6443"), two, nil},
		{"a server that is not checked", listen("server b 10.0.0.2:6443"), two, []string{"check: what server a has is taken for all"}},
		{"a server without the check of default-server", listen("default-server check\n server b 10.0.0.2:6443 no-check"), two, []string{"check: what server a has is taken for all"}},
		{"times that differ", listen("server b 10.0.0.2:6443 check inter 1s fall 1 rise 9"), two,
			[]string{"inter 1s instead of 2s, fall 1 instead of 3, rise 9 instead of 2: what server a has is taken for all"}},
		{"other settings that differ", listen("server b 10.0.0.2:6443 check maxconn 5 slowstart 1s check-ssl ca-file /x check-sni y on-marked-down shutdown-sessions"), two,
			[]string{"check-ssl, maxconn 5 instead of 0, slowstart 1s instead of 0s, ca-file, check-sni, on-marked-down: what server a has is taken for all"}},
		{"sessions that end", only("server a 10.0.0.1:6443 check on-marked-down shutdown-sessions"), func(c *v1alpha1.HarbingerConfiguration) {
			c.LoadBalancer.OnBackendDown = "CloseSessions"
		}, nil},
		{"sessions that come back", only("server a 10.0.0.1:6443 check on-marked-up shutdown-backup-sessions"), none, []string{"sessions stay where they are"}},
		{"the most copied line", only("default-server inter 2s downinter 5s rise 2 fall 3 slowstart 60s maxconn 250 maxqueue 256 weight 100\n server a 10.0.0.1:6443 check"), limits(250, 60),
			[]string{"downinter has no counterpart", "maxqueue is not needed"}},
		{"a check of its own port", only("server a 10.0.0.1:6443 check port 6443 addr 10.0.0.1"), none, nil},
		{"words of one argument each", only("server a 10.0.0.1:6443 check id 5 cookie x observe layer4 error-limit 1 on-error mark-down resolvers dns init-addr last,libc proto h2 track b/s agent-check agent-port 80"),
			none, []string{"proto has no counterpart", "track has no counterpart", "agent-check has no counterpart", "agent-port has no counterpart"}},
		{"unknown words", only("server a 10.0.0.1:6443 check fancy 250 inter 2s newer"), none, []string{"fancy 250 newer: not known to this command"}},
		{"an option without its argument", only("server a 10.0.0.1:6443 check id"), none, nil},
	} {
		c.test(t)
	}
}

func TestServersThatAreNames(t *testing.T) {
	found := from(strings.Replace(listen("server b cp2.example.org:6443 check\n server c localhost check"), "10.0.0.1", "cp1.example.org", 1), options)
	want := "haproxy.cfg:6: server a cp1.example.org:6443 check: write the address of cp1.example.org (line 6), cp2.example.org (line 7), localhost (line 8): names are not resolved"
	if err := found.Err(); err == nil || err.Error() != want {
		t.Errorf("error %v, want %s", err, want)
	}
	converttest.Check(t, converttest.Warned(found), nil)
}
