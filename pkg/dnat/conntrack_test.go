// SPDX-License-Identifier: Apache-2.0

package dnat

import (
	"testing"

	"github.com/mdlayher/netlink"
	"golang.org/x/sys/unix"
)

// reported is what the kernel reports of a connection from 192.0.2.1:500 to 192.0.2.2:4300 that 192.0.2.3:6443 answers.
func reported(t *testing.T, protocol, state uint8) []byte {
	t.Helper()
	all := netlink.NewAttributeEncoder()
	direction := func(kind uint16, from, to byte, fromPort, toPort []byte) {
		all.Nested(kind, func(tuple *netlink.AttributeEncoder) error {
			tuple.Nested(tupleIP, func(ip *netlink.AttributeEncoder) error {
				ip.Bytes(sourceIPv4, []byte{192, 0, 2, from})
				ip.Bytes(destinationIPv4, []byte{192, 0, 2, to})
				return nil
			})
			tuple.Nested(tupleProtocol, func(p *netlink.AttributeEncoder) error {
				p.Uint8(protocolNumber, protocol)
				p.Bytes(sourcePort, fromPort)
				p.Bytes(destinationPort, toPort)
				return nil
			})
			return nil
		})
	}
	client, asked, backend := []byte{500 >> 8, 500 & 0xff}, []byte{4300 >> 8, 4300 & 0xff}, []byte{6443 >> 8, 6443 & 0xff}
	direction(tupleOriginal, 1, 2, client, asked)
	direction(tupleReply, 3, 1, backend, client)
	all.Uint32(99, 1) // newer than this program
	all.Nested(protocolInfo, func(info *netlink.AttributeEncoder) error {
		info.Nested(infoTCP, func(tcp *netlink.AttributeEncoder) error { tcp.Uint8(infoTCPState, state); return nil })
		return nil
	})
	attributes, err := all.Encode()
	if err != nil {
		t.Fatal(err)
	}
	return message(messageGet, 0, unix.AF_INET, attributes).Data
}

func TestParse(t *testing.T) {
	const established = 3
	for name, tc := range map[string]struct {
		data []byte
		port uint16
		want bool
	}{
		"established":      {reported(t, unix.IPPROTO_TCP, established), 4300, true},
		"to another port":  {reported(t, unix.IPPROTO_TCP, established), 4301, false},
		"of UDP":           {reported(t, unix.IPPROTO_UDP, established), 4300, false},
		"ended by itself":  {reported(t, unix.IPPROTO_TCP, stateTimeWait), 4300, false},
		"without anything": {nil, 4300, false},
	} {
		c, ok := parse(tc.data, tc.port)
		if ok != tc.want {
			t.Errorf("%s: %v, %t, want %t", name, c, ok, tc.want)
		}
		if ok && (c.Client.String() != "192.0.2.1:500" || c.Frontend.String() != "192.0.2.2:4300" || c.Backend.String() != "192.0.2.3:6443" || c.State != "Established") {
			t.Errorf("%s: %v", name, c)
		}
	}
	whole := reported(t, unix.IPPROTO_TCP, established)
	for n := range whole { // it does not panic
		parse(whole[:n], 4300)
	}
}
