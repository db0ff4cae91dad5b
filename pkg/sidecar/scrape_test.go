// SPDX-License-Identifier: Apache-2.0

package sidecar_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/harbinger-ha/harbinger/e2e/lab/labtest"
	"github.com/harbinger-ha/harbinger/pkg/apis/config"
	"github.com/harbinger-ha/harbinger/pkg/apis/status/v1alpha1"
)

const (
	metricsToken  = "the-token-of-prometheus-238"
	scrapedByTLS  = "status: {metricsBindAddress: '%s', metricsTokenFile: /etc/kubernetes/harbinger/metrics/token, metricsTLS: {certFile: /etc/kubernetes/harbinger/metrics/tls.crt, keyFile: /etc/kubernetes/harbinger/metrics/tls.key}}\n"
	scrapedByName = "example.com" // of the certificate
)

// writeForRoot gives this host a file for root alone.
func writeForRoot(t *testing.T, name, content string) {
	t.Helper()
	path := config.Directory + "/metrics/" + name
	labtest.Must(t, self.WriteFile(path, content))
	labtest.Must(t, self.Do(func() error { return os.Chmod(path, 0o600) }))
}

// scraped asks for the metrics, or another page, from the other host, and returns the code and the body; 0 and the error where no answer
// came.
func scraped(t *testing.T, at, page, ca, token string) (int, string) {
	t.Helper()
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM([]byte(ca))
	c := &http.Client{Timeout: patience, Transport: &http.Transport{
		DialContext: peer.Dial, DisableKeepAlives: true, TLSClientConfig: &tls.Config{RootCAs: roots, ServerName: scrapedByName},
	}}
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "https://"+at+page, nil)
	labtest.Must(t, err)
	request.Header.Set("Authorization", "Bearer "+token)
	response, err := c.Do(request)
	if err != nil {
		return 0, err.Error()
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	labtest.Must(t, err)
	return response.StatusCode, string(body)
}

// Another host asks for the metrics at the address of this node, by TLS and with the token. Files that are not there yet, and a
// port that is taken, delay nothing else.
func TestMetricsForOtherHosts(t *testing.T) {
	serveAPI(t)
	labtest.Must(t, self.Do(func() error { return os.RemoveAll(config.Directory + "/metrics") }))
	free := takenBy(t, true, "192.168.238.130:10445")
	k := start(t, oneAddress+body("VRRP", "")+fmt.Sprintf(scrapedByTLS, "node:10445"))
	k.until("this node holds the address", active)
	k.untilLogged("until then the metrics are not served at node:10445")
	pair, ca := newCertificate(t)
	key, err := x509.MarshalPKCS8PrivateKey(pair.PrivateKey)
	labtest.Must(t, err)
	labtest.Must(t, self.Do(func() error { return os.MkdirAll(config.Directory+"/metrics", 0o700) }))
	writeForRoot(t, "tls.crt", ca)
	writeForRoot(t, "tls.key", string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: key})))
	writeForRoot(t, "token", metricsToken+"\n")
	k.until("the port that is taken is said", func(s v1alpha1.HarbingerStatus) bool {
		return s.VirtualRouter.Held && !s.VirtualRouter.Distress && slices.ContainsFunc(s.NotReady, func(why string) bool { return strings.Contains(why, "status.metricsBindAddress") })
	})
	free()
	k.until("the port is open", active)
	const node = "192.168.238.130:10445"
	ask := func(page, token string) (code int, body string) {
		t.Helper()
		labtest.Until(t, patience, "the endpoint answers", func() bool { code, body = scraped(t, node, page, ca, token); return code != 0 })
		return code, body
	}
	if code, body := ask("/metrics", metricsToken); code != http.StatusOK || !strings.Contains(body, "harbinger_vip_held") {
		t.Errorf("with the token: %d %.200s", code, body)
	}
	if code, _ := ask("/metrics", "another"); code != http.StatusUnauthorized {
		t.Errorf("with another token: %d", code)
	}
	for _, page := range []string{"/", "/status", "/livez", "/readyz"} {
		if code, _ := ask(page, metricsToken); code != http.StatusNotFound {
			t.Errorf("%s is served to other hosts: %d", page, code)
		}
	}
	if conn, err := peer.Dial(t.Context(), "tcp", net.JoinHostPort(vip4.Addr().String(), "10445")); err == nil {
		conn.Close()
		t.Error("the metrics are served at the virtual address")
	}
	writeForRoot(t, "token", "the-next-token-of-prometheus")
	labtest.Until(t, patience, "the new token counts", func() bool {
		code, _ := scraped(t, node, "/metrics", ca, "the-next-token-of-prometheus")
		return code == http.StatusOK
	})
	if code, _ := ask("/metrics", metricsToken); code != http.StatusUnauthorized {
		t.Errorf("with the old token: %d", code)
	}
	if k.log.Count(metricsToken) > 0 {
		t.Error("the log has the token")
	}

	// The endpoint goes with the address of the node.
	next := netip.MustParsePrefix("192.168.238.139/24")
	labtest.Must(t, self.ReplaceAddress(self.Address, next, true))
	t.Cleanup(func() { labtest.Must(t, self.ReplaceAddress(next, self.Address, true)) })
	moved := next.Addr().String() + ":10445"
	labtest.Until(t, patience, "it is at "+moved, func() bool {
		code, _ := scraped(t, moved, "/metrics", ca, "the-next-token-of-prometheus")
		return code == http.StatusOK
	})
}

// On all addresses of the host there is none at the virtual ones: the connection ends without an answer.
func TestMetricsOnAllAddresses(t *testing.T) {
	serveAPI(t)
	pair, ca := newCertificate(t)
	key, err := x509.MarshalPKCS8PrivateKey(pair.PrivateKey)
	labtest.Must(t, err)
	labtest.Must(t, self.Do(func() error { return os.MkdirAll(config.Directory+"/metrics", 0o700) }))
	writeForRoot(t, "tls.crt", ca)
	writeForRoot(t, "tls.key", string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: key})))
	writeForRoot(t, "token", metricsToken)
	k := start(t, dualStack+body("VRRP", "")+fmt.Sprintf(scrapedByTLS, "[::]:10445"))
	k.until("this node holds the addresses", active)
	for _, own := range []string{self.Address.Addr().String(), self.Address6.Addr().String()} {
		labtest.Until(t, patience, own+" answers", func() bool {
			code, _ := scraped(t, net.JoinHostPort(own, "10445"), "/metrics", ca, metricsToken)
			return code == http.StatusOK
		})
	}
	for _, vip := range []string{vip4.Addr().String(), vip6.Addr().String()} {
		if code, problem := scraped(t, net.JoinHostPort(vip, "10445"), "/metrics", ca, metricsToken); code != 0 {
			t.Errorf("%s: %d %.100s", vip, code, problem)
		}
	}
}
