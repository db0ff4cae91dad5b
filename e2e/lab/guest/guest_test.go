// SPDX-License-Identifier: Apache-2.0

package guest

import (
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net/http"
	"net/netip"
	"os"
	"testing"
	"time"

	"github.com/vishvananda/netlink"

	"github.com/harbinger-ha/harbinger/e2e/lab"
	"github.com/harbinger-ha/harbinger/e2e/lab/labtest"
)

func TestMain(m *testing.M) { os.Exit(lab.Main(m.Run, APIServerRole, ConfinedRole)) }

// must ends the test at an error.
var must = labtest.Must

// newLab returns the hosts of a new lab.
func newLab(t *testing.T, nodes int) []*lab.Host {
	t.Helper()
	return labtest.New(t, lab.Config{Nodes: nodes}).Hosts()
}

// has reports whether a host has an address.
func has(t *testing.T, h *lab.Host, address netip.Addr) bool {
	t.Helper()
	found := false
	must(t, h.Do(func() error {
		addrs, err := netlink.AddrList(nil, netlink.FAMILY_ALL)
		for _, a := range addrs {
			got, _ := netip.AddrFromSlice(a.IP)
			found = found || got.Unmap() == address
		}
		return err
	}))
	return found
}

func TestThreeKeepalivedElect(t *testing.T) {
	hosts := newLab(t, 3)
	vip := netip.MustParsePrefix("192.168.238.100/24")
	var processes []*lab.Process
	for i, h := range hosts {
		p, err := Keepalived{
			VirtualRouterID:       51,
			Priority:              uint8(103 - i),
			AdvertisementInterval: 100 * time.Millisecond,
			VirtualAddresses:      []netip.Prefix{vip},
		}.Start(h)
		must(t, err)
		processes = append(processes, p)
	}
	holds := func(want int) func() bool {
		return func() bool {
			for i, h := range hosts {
				if has(t, h, vip.Addr()) != (i == want) {
					return false
				}
			}
			return true
		}
	}
	if err := lab.Until(5*time.Second, "node1 alone holds the address", holds(0)); err != nil {
		t.Fatal(err, processes[0].Output())
	}
	must(t, processes[0].Terminate())
	must(t, lab.Until(5*time.Second, "node2 alone holds the address", holds(1)))
}

func TestKeepalivedConfiguration(t *testing.T) {
	got := Keepalived{
		Version:               2,
		VirtualRouterID:       51,
		Priority:              101,
		AdvertisementInterval: time.Second,
		Password:              "42",
		NoPreempt:             true,
		Source:                netip.MustParseAddr("192.168.238.130"),
		Peers:                 []netip.Addr{netip.MustParseAddr("192.168.238.131")},
		VirtualAddresses:      []netip.Prefix{netip.MustParsePrefix("192.168.238.100/24")},
		TrackScript:           "/etc/keepalived/check_apiserver.sh",
	}.config()
	want, err := os.ReadFile("testdata/keepalived.conf")
	must(t, err)
	if got != string(want) {
		t.Errorf("configuration:\n%s\nwant:\n%s", got, want)
	}
}

// get asks the API server of a host from another host.
func get(from *lab.Host, ca *Authority, url string) (status int, body string, err error) {
	client := http.Client{
		Timeout: 300 * time.Millisecond,
		Transport: &http.Transport{
			DialContext:       from.Dial,
			TLSClientConfig:   &tls.Config{RootCAs: ca.Pool()},
			DisableKeepAlives: true,
		},
	}
	response, err := client.Get(url)
	if err != nil {
		return 0, "", err
	}
	defer response.Body.Close()
	b, err := io.ReadAll(response.Body)
	return response.StatusCode, string(b), err
}

func TestAPIServerAnswers(t *testing.T) {
	hosts := newLab(t, 2)
	ca, err := NewAuthority()
	must(t, err)
	server, err := StartAPIServer(hosts[0], ca, 6443)
	must(t, err)
	const base = "https://192.168.238.130:6443"
	ready := func(status int) func() bool {
		return func() bool {
			got, _, _ := get(hosts[1], ca, base+"/readyz")
			return got == status
		}
	}
	must(t, lab.Until(5*time.Second, "it is ready", ready(http.StatusOK)))
	if status, body, err := get(hosts[1], ca, base+"/"); status != http.StatusForbidden {
		t.Errorf("GET / = %d %s %v, want 403", status, body, err)
	}
	if status, _, err := get(hosts[1], ca, "http://192.168.238.130:6443/"); status != http.StatusBadRequest {
		t.Errorf("plain GET / = %d %v, want 400", status, err)
	}
	must(t, server.SetReadiness(NotReady))
	must(t, lab.Until(5*time.Second, "it is not ready", ready(http.StatusInternalServerError)))
	must(t, server.SetReadiness(Hung))
	must(t, lab.Until(5*time.Second, "it hangs", func() bool {
		_, _, err := get(hosts[1], ca, base+"/readyz")
		return errors.Is(err, context.DeadlineExceeded)
	}))
	must(t, server.SetReadiness(Ready))
	must(t, lab.Until(5*time.Second, "it is ready again", ready(http.StatusOK)))
}

// TestAPIServerStreams holds that a watch lasts, and that a download ends with all its bytes.
func TestAPIServerStreams(t *testing.T) {
	hosts := newLab(t, 2)
	ca, err := NewAuthority()
	must(t, err)
	_, err = StartAPIServer(hosts[0], ca, 6443)
	must(t, err)
	client := http.Client{Transport: &http.Transport{DialContext: hosts[1].Dial, TLSClientConfig: &tls.Config{RootCAs: ca.Pool()}, DisableKeepAlives: true}}
	// read reads an answer for a time, which begins with the answer: its connection may take a busy machine long. Once its client gives
	// up, a server may still end the answer in an orderly way.
	read := func(path string, patience time.Duration) (int64, error) {
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		request, err := http.NewRequestWithContext(ctx, http.MethodGet, "https://192.168.238.130:6443"+path, nil)
		must(t, err)
		response, err := client.Do(request)
		must(t, err)
		defer response.Body.Close()
		defer time.AfterFunc(patience, cancel).Stop()
		n, err := io.Copy(io.Discard, response.Body)
		return n, cmp.Or(ctx.Err(), err)
	}
	if n, err := read(DownloadPath, 10*DownloadTime); n != DownloadSize || err != nil {
		t.Errorf("a download has %d bytes and ends with %v, want %d", n, err, DownloadSize)
	}
	if n, err := read(WatchPath, time.Second); n != 0 || !errors.Is(err, context.Canceled) {
		t.Errorf("a watch had %d bytes and ended with %v", n, err)
	}
}

func TestHAProxyBalances(t *testing.T) {
	hosts := newLab(t, 2)
	ca, err := NewAuthority()
	must(t, err)
	_, err = StartAPIServer(hosts[0], ca, 6443)
	must(t, err)
	p, err := HAProxy{
		Port:           4300,
		Backends:       []netip.AddrPort{netip.MustParseAddrPort("192.168.238.130:6443")},
		ObserveTraffic: true,
	}.Start(hosts[0])
	must(t, err)
	err = lab.Until(5*time.Second, "haproxy serves", func() bool {
		status, _, _ := get(hosts[1], ca, "https://192.168.238.130:4300/readyz")
		return status == http.StatusOK
	})
	if err != nil {
		t.Fatal(err, p.Output())
	}
}
