// SPDX-License-Identifier: Apache-2.0

package sidecar_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/netip"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/harbinger-ha/harbinger/e2e/lab"
	"github.com/harbinger-ha/harbinger/e2e/lab/labtest"
	"github.com/harbinger-ha/harbinger/pkg/apis/status/v1alpha1"
	"github.com/harbinger-ha/harbinger/pkg/balance"
	"github.com/harbinger-ha/harbinger/pkg/command"
)

// A backend that is ordered out is said to be, and this node no longer able to serve by it; the last one goes by force only.
func TestOrdersReachTheBalancer(t *testing.T) {
	serveAPI(t)
	k := start(t, oneAddress+body("VRRP", ""))
	k.until("this node holds the address", active)
	backend := netip.MustParseAddrPort(status().Balancer.Backends[0].Address)
	session := openSession(t, netip.AddrPortFrom(vip4.Addr(), 4300))
	list, err := command.RequestConnections(t.Context(), "eth0", 51)
	labtest.Must(t, err)
	if !slices.ContainsFunc(list.Running, func(c v1alpha1.Connection) bool {
		return c.Client == session.LocalAddr().String() && c.Frontend == session.RemoteAddr().String() && c.Backend == backend.String()
	}) {
		t.Errorf("the session from %s to %s is not in %+v", session.LocalAddr(), session.RemoteAddr(), list)
	}
	if _, err := command.RequestOrder(t.Context(), "eth0", 51, backend, balance.Maintenance, false); err == nil || !strings.Contains(err.Error(), "there is no other one") {
		t.Errorf("the last one: %v", err)
	}
	_, err = command.RequestOrder(t.Context(), "eth0", 51, backend, balance.Maintenance, true)
	labtest.Must(t, err)
	if s := status(); s.Balancer.Backends[0].Admin != "Maintenance" || s.Balancer.Backends[0].State != "Unknown" {
		t.Errorf("it is %+v", s.Balancer.Backends[0])
	}
	k.untilLogged("is in Maintenance by command")
	from, err := command.RequestOrder(t.Context(), "eth0", 51, backend, balance.Ready, false)
	labtest.Must(t, err)
	if from != balance.Maintenance {
		t.Errorf("it was in %s", from)
	}
	k.until("it serves again", func(s v1alpha1.HarbingerStatus) bool {
		return s.Ready && s.Balancer.Backends[0].Healthy && s.Balancer.Backends[0].Admin == ""
	})
}

// connectionsRole prints what a command on a host is answered that asks for the connections.
var connectionsRole = lab.Role{Name: "connections", Main: func([]string) int {
	list, err := command.RequestConnections(context.Background(), "eth0", 51)
	if err == nil {
		err = json.NewEncoder(os.Stdout).Encode(list)
	}
	if err != nil {
		fmt.Println(err)
		return 1
	}
	return 0
}}

// wantListed holds that a command on the host lists connections as those that the kernel passes on.
func (k byKernel) wantListed(all []*greeted) {
	k.t.Helper()
	p, err := peer.Start(connectionsRole.Command())
	labtest.Must(k.t, err)
	if err := p.Wait(patience); err != nil {
		k.t.Fatalf("%v: %s", err, p.Output())
	}
	var list v1alpha1.ConnectionList
	labtest.Must(k.t, p.Result(&list))
	for _, h := range all {
		if !slices.ContainsFunc(list.Passed, func(c v1alpha1.PassedConnection) bool {
			return c.Client == h.LocalAddr().String() && c.Frontend == h.RemoteAddr().String() && c.State == "Established"
		}) {
			k.t.Errorf("the connection of %s to %s is not in %+v", h.LocalAddr(), h.RemoteAddr(), list.Passed)
		}
	}
}
