// SPDX-License-Identifier: Apache-2.0

package sidecar

import (
	"encoding/json"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/go-logr/logr"

	"github.com/harbinger-ha/harbinger/e2e/lab/labtest"
	"github.com/harbinger-ha/harbinger/pkg/apis/config"
	"github.com/harbinger-ha/harbinger/pkg/apis/config/scheme"
	"github.com/harbinger-ha/harbinger/pkg/balance"
	"github.com/harbinger-ha/harbinger/pkg/health"
	"github.com/harbinger-ha/harbinger/pkg/membership"
	"github.com/harbinger-ha/harbinger/pkg/proxy"
)

// Each scheme has its check: HTTPS reads no answer in plain text, and TCP asks for none.
func TestCheckers(t *testing.T) {
	handler := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/readyz" {
			http.NotFound(w, r)
		}
	})
	plain, secure := httptest.NewServer(handler), httptest.NewTLSServer(handler)
	defer plain.Close()
	defer secure.Close()
	for _, tc := range []struct {
		scheme health.Scheme
		server *httptest.Server
		want   string // part of the error, empty: healthy
	}{
		{health.TCP, plain, ""},
		{health.TCP, secure, ""},
		{health.HTTP, plain, ""},
		{health.HTTPS, secure, ""},
		{health.HTTPS, plain, "HTTP response to HTTPS client"},
		{health.HTTP, secure, "400"},
	} {
		check := health.Config{Scheme: tc.scheme, Path: "/readyz", Timeout: 5 * time.Second, InsecureSkipVerify: true}
		checker := newChecker(balance.Backend{Address: netip.MustParseAddrPort(tc.server.Listener.Addr().String())}, check)
		switch err := checker.Check(t.Context()); {
		case tc.want == "" && err != nil:
			t.Errorf("%s of %s: %v", tc.scheme, tc.server.URL, err)
		case tc.want != "" && (err == nil || !strings.Contains(err.Error(), tc.want)):
			t.Errorf("%s of %s: %v, want %q", tc.scheme, tc.server.URL, err, tc.want)
		}
		if err := checker.Close(); err != nil {
			t.Error(err)
		}
	}
}

// The checks of a proxy that wants the PROXY protocol say that they are of the balancer itself.
func TestCheckOfAProxy(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	got := make(chan string, 1)
	go func() {
		conn, err := ln.Accept()
		if err != nil {
			return
		}
		defer conn.Close()
		first, _ := io.ReadAll(conn)
		got <- string(first)
	}()
	backend := balance.Backend{Address: ln.Addr().(*net.TCPAddr).AddrPort(), ProxyProtocol: balance.ProxyProtocolV2}
	if err := newChecker(backend, health.Config{Scheme: health.TCP, Timeout: 5 * time.Second}).Check(t.Context()); err != nil {
		t.Error(err)
	}
	if header := <-got; header != "\r\n\r\n\x00\r\nQUIT\n\x20\x00\x00\x00" {
		t.Errorf("the check sends %q", header)
	}
}

func TestBalancerNeedsItsKeeper(t *testing.T) {
	if err := RunBalancer(t.Context(), logr.Discard()); err == nil || !strings.Contains(err.Error(), "not started by a supervisor") {
		t.Errorf("got %v", err)
	}
}

// What the balancer process gets has no field that no configuration sets, and none that is lost on the way.
func TestSettingsCarryEveryField(t *testing.T) {
	cfg, err := scheme.Decode([]byte(`
apiVersion: harbinger.dev/v1alpha1
kind: HarbingerConfiguration
virtualAddresses: [192.0.2.100/24]
loadBalancer:
  backends: [{address: "192.0.2.1:6443", backup: true, weight: 3, proxyProtocol: V2}, {address: "127.0.0.1:6443"}]
  preferLocal: true
  connectionLimits: {perBackend: 50, unlimitedSources: [198.51.100.0/24]}
  slowStart: 10s
  rebalance: {perSecond: 2}
`))
	if err != nil {
		t.Fatal(err)
	}
	cfg.HealthCheck.InsecureSkipVerify = true
	sent := settings(membership.View{Config: cfg}, health.Authority{Certificates: []byte("PEM"), Problem: "none", Replaced: true})
	var unset func(v reflect.Value, path string)
	unset = func(v reflect.Value, path string) {
		switch {
		case v.Type() == reflect.TypeFor[netip.AddrPort](), v.Type() == reflect.TypeFor[[]byte](), v.Type() == reflect.TypeFor[netip.Addr](), v.Type() == reflect.TypeFor[netip.Prefix](), v.Kind() != reflect.Struct && v.Kind() != reflect.Slice:
			if v.IsZero() {
				t.Errorf("%s is not set", path)
			}
		case v.Kind() == reflect.Slice:
			unset(v.Index(0), path)
		default:
			for i := range v.NumField() {
				unset(v.Field(i), path+"."+v.Type().Field(i).Name)
			}
		}
	}
	unset(reflect.ValueOf(sent), "Settings")
	message, err := json.Marshal(sent)
	if err != nil {
		t.Fatal(err)
	}
	var got proxy.Settings
	if err := json.Unmarshal(message, &got); err != nil || !reflect.DeepEqual(sent, got) {
		t.Errorf("sent %+v, received %+v: %v", sent, got, err)
	}
}

// A backend that is this balancer itself, by any address of the host, is left out of the settings and named once.
func TestOwnBalancerIsNoBackend(t *testing.T) {
	cfg := &config.HarbingerConfiguration{VirtualAddresses: []netip.Prefix{netip.MustParsePrefix("192.168.238.100/24")}}
	cfg.ControlPlane.Port, cfg.ControlPlane.APIServerPort = 4300, 6443
	for _, a := range []string{"192.168.238.130:4300", "192.168.238.130:6443", "[::1]:4300"} {
		cfg.LoadBalancer.Backends = append(cfg.LoadBalancer.Backends, balance.Backend{Address: netip.MustParseAddrPort(a)})
	}
	view := membership.View{Config: cfg, Discovered: []netip.AddrPort{netip.MustParseAddrPort("192.168.238.131:6443"), netip.MustParseAddrPort("192.168.238.100:6443")}}
	var got []string
	for _, b := range settings(view, health.Authority{}).Backends {
		got = append(got, b.Address.String())
	}
	if want := []string{"192.168.238.130:6443", "192.168.238.131:6443"}; !slices.Equal(got, want) {
		t.Errorf("backends %q, want %q", got, want)
	}
	log := &labtest.Log{}
	b := &balancing{log: log.Logger()}
	for range 3 {
		b.reportLeftOut(view)
	}
	if log.Count("Backends left out") != 1 || log.Count("192.168.238.130:4300") != 1 || log.Count("192.168.238.100:6443") != 1 {
		t.Errorf("the log:\n%s", log)
	}
}
