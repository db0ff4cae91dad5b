// SPDX-License-Identifier: Apache-2.0

package trial

import (
	"io"
	"net/http"
	"strings"
	"testing"
	"time"
)

// get asks the status endpoint of a node, on the node itself.
func get(t *testing.T, n *Node, path string) (code int, body string) {
	t.Helper()
	code, body, err := tryGet(n, path)
	must(t, err)
	return code, body
}

func tryGet(n *Node, path string) (code int, body string, err error) {
	client := http.Client{Transport: &http.Transport{DialContext: n.Dial, DisableKeepAlives: true}, Timeout: 5 * time.Second}
	response, err := client.Get("http://127.0.0.1:10443" + path)
	if err != nil {
		return 0, "", err
	}
	defer response.Body.Close()
	content, err := io.ReadAll(response.Body)
	return response.StatusCode, string(content), err
}

func TestEndpointsTellTheTruth(t *testing.T) {
	t.Parallel()
	p := startPlane(t, Config{System: harbinger, Nodes: 2})
	holder := p.Nodes[0]
	if !status(t, holder).VirtualRouter.Held {
		holder = p.Nodes[1]
	}
	for _, test := range []struct {
		path, want string
	}{
		{"/livez", "ok"},
		{"/readyz", "ok"},
		{"/", " – Harbinger</title>"},
		{"/status", `"held": true`},
		{"/metrics", `harbinger_vip_held{interface="eth0",vrid="51"} 1`},
		{"/metrics", `harbinger_vrrp_state{interface="eth0",state="Active",vrid="51"} 1`},
		{"/metrics", `harbinger_backend_healthy{backend="192.168.238.130:6443"} 1`},
	} {
		if code, body := get(t, holder, test.path); code != http.StatusOK || !strings.Contains(body, test.want) {
			t.Errorf("%s: %d, without %q:\n%s", test.path, code, test.want, body)
		}
	}
	if out, err := harbinger.Run(holder, "status", "-o", "json"); err != nil || !strings.Contains(out, `"held": true`) {
		t.Errorf("harbinger status: %v:\n%s", err, out)
	}
	if code, _ := get(t, holder, "/nothing"); code != http.StatusNotFound {
		t.Errorf("/nothing: %d", code)
	}
	for _, n := range p.Nodes {
		must(t, n.APIServer.Kill())
	}
	until(t, p, 10*time.Second, "the holder is not ready", func() bool {
		code, body := get(t, holder, "/readyz")
		return code == http.StatusServiceUnavailable && strings.Contains(body, "no healthy backend")
	})
	if code, _ := get(t, holder, "/livez"); code != http.StatusOK {
		t.Errorf("/livez of a node without a backend: %d, want it alive", code)
	}
}
