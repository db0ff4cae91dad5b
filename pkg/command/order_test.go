// SPDX-License-Identifier: Apache-2.0

package command

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"testing"

	"github.com/harbinger-ha/harbinger/pkg/apis/status/v1alpha1"
	"github.com/harbinger-ha/harbinger/pkg/balance"
)

// An order reaches the sidecar as it was given, and the answer or the refusal whoever gave it.
func TestOrderReachesTheSidecar(t *testing.T) {
	const vrid = 212
	backend := netip.MustParseAddrPort("[2001:db8::1]:6443")
	ln := listen(t, vrid)
	ctx, cancel := context.WithCancel(context.Background())
	asked, ended := make(chan string, 1), make(chan error, 1)
	go func() {
		ended <- Serve(ctx, ln, Handlers{Order: func(_ context.Context, b netip.AddrPort, to balance.AdminState, force bool) (balance.AdminState, error) {
			asked <- fmt.Sprint(b, " ", to, " ", force)
			if !force {
				return "", errors.New("it is the last one")
			}
			return balance.Maintenance, nil
		}})
	}()
	defer func() {
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	}()
	if _, err := RequestOrder(t.Context(), iface, vrid, backend, balance.Drain, false); err == nil || err.Error() != "it is the last one" {
		t.Errorf("a refusal is %v", err)
	}
	if got, want := <-asked, "[2001:db8::1]:6443 Drain false"; got != want {
		t.Errorf("asked for %s, want %s", got, want)
	}
	if from, err := RequestOrder(t.Context(), iface, vrid, backend, balance.Ready, true); err != nil || from != balance.Maintenance {
		t.Errorf("from %s, %v", from, err)
	}
	if got, want := <-asked, "[2001:db8::1]:6443 Ready true"; got != want {
		t.Errorf("asked for %s, want %s", got, want)
	}
}

// The list of connections comes as it is, or the reason why there is none.
func TestConnectionsComeFromTheSidecar(t *testing.T) {
	const vrid = 213
	ln := listen(t, vrid)
	ctx, cancel := context.WithCancel(context.Background())
	ended, answers := make(chan error, 1), make(chan v1alpha1.ConnectionList, 1)
	go func() {
		ended <- Serve(ctx, ln, Handlers{Connections: func(context.Context) (v1alpha1.ConnectionList, error) {
			select {
			case list := <-answers:
				return list, nil
			default:
				return v1alpha1.ConnectionList{}, errors.New("no balancer process runs")
			}
		}})
	}()
	defer func() {
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	}()
	want := v1alpha1.ConnectionList{Running: []v1alpha1.Connection{{Client: "192.0.2.9:1", Sent: 7}}, LeftOut: 3, Ended: []v1alpha1.Connection{}}
	answers <- want
	if got, err := RequestConnections(t.Context(), iface, vrid); err != nil || fmt.Sprintf("%+v", got) != fmt.Sprintf("%+v", want) {
		t.Errorf("got %+v, %v", got, err)
	}
	if _, err := RequestConnections(t.Context(), iface, vrid); err == nil || err.Error() != "no balancer process runs" {
		t.Errorf("a refusal is %v", err)
	}
}
