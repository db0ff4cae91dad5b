// SPDX-License-Identifier: Apache-2.0

package app_test

import (
	"errors"
	"net"
	"net/netip"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/mdlayher/arp"
	"github.com/mdlayher/packet"
	"golang.org/x/sys/unix"
)

// claim has another host on the wire answer for an address until the test ends.
func claim(t *testing.T, address string, mac net.HardwareAddr) {
	t.Helper()
	iface, err := net.InterfaceByName("switch")
	if err != nil {
		t.Fatal(err)
	}
	conn, err := packet.Listen(iface, packet.Raw, unix.ETH_P_ARP, nil)
	if err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- answer(conn, mac, netip.MustParseAddr(address)) }() // ends when the connection has no more time
	t.Cleanup(func() {
		_ = conn.SetReadDeadline(time.Unix(1, 0))
		if err := <-ended; !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Error(err)
		}
		conn.Close()
	})
}

// answer answers each question for an address.
func answer(conn *packet.Conn, mac net.HardwareAddr, address netip.Addr) error {
	const header = 14 // of Ethernet
	frame := make([]byte, 64)
	for {
		n, _, err := conn.ReadFrom(frame)
		if err != nil {
			return err
		}
		var question arp.Packet
		if n < header || question.UnmarshalBinary(frame[header:n]) != nil || question.Operation != arp.OperationRequest || question.TargetIP != address {
			continue
		}
		reply, err := arp.NewPacket(arp.OperationReply, mac, address, question.SenderHardwareAddr, question.SenderIP)
		if err != nil {
			return err
		}
		body, err := reply.MarshalBinary()
		if err != nil {
			return err
		}
		out := slices.Concat(question.SenderHardwareAddr, mac, []byte{8, 6}, body)
		if _, err := conn.WriteTo(out, &packet.Addr{HardwareAddr: question.SenderHardwareAddr}); err != nil {
			return err
		}
	}
}

const onWire = "virtualAddresses: [192.168.238.100/24]\n"

// What is on the wire is asked only where that is wanted, and counts as the other checks of the host do.
func TestPreflightOnWire(t *testing.T) {
	cleanNode(t)
	quick := []string{"--wire", "--wire-time", "1s"}
	r := harbinger(document(onWire), append([]string{"preflight", "--config", "-", "--peers-wait", "2s"}, quick...)...)
	r.want(t, 0)
	for _, want := range []string{
		"[OK]   WireAddress: no other host answers for 192.168.238.100\n", "[OK]   WireRouterID: virtual router ID 51 is free",
		"[WARN] WirePeers: no other host runs this check", "--peers-wait 60s",
	} {
		if !strings.Contains(r.stdout, want) {
			t.Errorf("no %q in\n%s", want, r.stdout)
		}
	}
	claim(t, "192.168.238.100", net.HardwareAddr{0x52, 0x54, 0, 9, 9, 9})
	for _, tt := range []struct {
		args []string
		code int
		want string
	}{
		{nil, 0, ""}, {quick, 1, "[FAIL] WireAddress: 52:54:00:09:09:09 (a virtual machine of QEMU or KVM) answers for 192.168.238.100"},
		{append(quick, "--ignore", "WireAddress"), 0, "[WARN] WireAddress: 52:54:00:09:09:09"},
	} {
		r := harbinger(document(onWire), append([]string{"preflight", "--config", "-"}, tt.args...)...)
		r.want(t, tt.code)
		if !strings.Contains(r.stdout, tt.want) || tt.args == nil && strings.Contains(r.stdout, "Wire") {
			t.Errorf("%q: no %q in\n%s", tt.args, tt.want, r.stdout)
		}
	}
}

// harbinger manifest writes nothing where the wire does not fit, and exchanges nothing with other nodes.
func TestManifestOnWire(t *testing.T) {
	cleanNode(t)
	claim(t, "192.168.238.100", net.HardwareAddr{0x52, 0x54, 0, 9, 9, 9})
	manifest := []string{"manifest", "--config", "-", "--wire", "--wire-time", "1s"}
	r := harbinger(document(onWire), manifest...)
	r.want(t, 2, "error: 52:54:00:09:09:09 (a virtual machine of QEMU or KVM) answers for 192.168.238.100, without Harbinger: ", "(check WireAddress)")
	if files := written(t); len(files) > 0 {
		t.Errorf("files written: %v", files)
	}
	r = harbinger(document(onWire), append(manifest, "--ignore", "WireAddress")...)
	r.want(t, 0, "warning: 52:54:00:09:09:09")
	if strings.Contains(r.stderr, "WirePeers") || len(written(t)) == 0 {
		t.Errorf("%v written; stderr:\n%s", written(t), r.stderr)
	}
}

func TestWireFlags(t *testing.T) {
	for want, args := range map[string][]string{
		"--wire-time: goes with --wire only":      {"preflight", "--wire-time", "5s"},
		"--peers-wait: goes with --wire only":     {"preflight", "--peers-wait", "5s"},
		"--wire-peer: goes with --wire only":      {"preflight", "--wire-peer", "192.168.238.131"},
		"--wire-time 1ms: must be 1s to 10m0s":    {"preflight", "--wire", "--wire-time", "1ms"},
		"--peers-wait 1h0m0s: must be 0 to 10m0s": {"preflight", "--wire", "--peers-wait", "1h"},
		`--wire-peer "224.0.0.18": must be`:       {"preflight", "--wire", "--wire-peer", "192.168.238.131,224.0.0.18"},
		`--wire-peer "node2": must be`:            {"preflight", "--wire", "--wire-peer", "node2"},
		"--wire and --no-host-checks":             {"manifest", "--vip", "192.168.238.100/24", "--wire", "--no-host-checks"},
		"unknown flag --peers-wait":               {"manifest", "--vip", "192.168.238.100/24", "--wire", "--peers-wait", "5s"},
	} {
		harbinger(document(onWire), args...).want(t, 2, want)
	}
}
