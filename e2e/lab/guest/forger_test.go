// SPDX-License-Identifier: Apache-2.0

package guest

import (
	"net"
	"net/netip"
	"testing"
	"time"

	"github.com/harbinger-ha/harbinger/e2e/lab"
)

func TestForgerIsHeardAsAnother(t *testing.T) {
	hosts := newLab(t, 2)
	forger, err := NewForger(hosts[0])
	must(t, err)
	defer forger.Close()
	ear, err := NewForger(hosts[1])
	must(t, err)
	defer ear.Close()
	claimed := netip.MustParseAddr("192.168.238.77")
	for _, to := range []netip.Addr{groupVRRP, hosts[1].Address.Addr()} {
		var got Packet
		must(t, lab.Until(5*time.Second, "the packet is heard", func() bool { // a wire may lose one
			must(t, forger.Send(Packet{Source: claimed, Destination: to, Payload: []byte("advertisement")}))
			got, err = ear.Hear(claimed, 100*time.Millisecond)
			return err == nil && got.Destination == to
		}))
		if got.Source != claimed || got.Destination != to || string(got.Payload) != "advertisement" {
			t.Errorf("heard %v %q, want it from %s to %s", got, got.Payload, claimed, to)
		}
	}
}

func TestForgerSendsOverIPv6(t *testing.T) {
	hosts := newLab(t, 2)
	forger, err := NewForger(hosts[0])
	must(t, err)
	defer forger.Close()
	var ear net.PacketConn
	must(t, hosts[1].Do(func() error {
		ear, err = net.ListenPacket("ip6:112", "::")
		return err
	}))
	defer ear.Close()
	claimed, to := netip.MustParseAddr("fe80::77"), hosts[1].LinkLocal().Addr()
	b := make([]byte, 100)
	must(t, lab.Until(5*time.Second, "the packet is heard", func() bool { // a wire may lose one
		must(t, forger.Send(Packet{Source: claimed, Destination: to, Payload: []byte("advertisement")}))
		must(t, ear.SetReadDeadline(time.Now().Add(100*time.Millisecond)))
		n, from, err := ear.ReadFrom(b)
		return err == nil && string(b[:n]) == "advertisement" && from.(*net.IPAddr).IP.String() == claimed.String()
	}))
}
