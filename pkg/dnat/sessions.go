// SPDX-License-Identifier: Apache-2.0

package dnat

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"slices"

	"github.com/mdlayher/netlink"
	vnl "github.com/vishvananda/netlink"
	"github.com/vishvananda/netlink/nl"
	"golang.org/x/sys/unix"
)

// End has the kernel forget the connections to a port that it has passed on to one of the backends, and returns how many there were. Their
// clients are made to send something, and reset with that, as what it is for is not known any more: rules without these backends come first.
func End(port uint16, backends []netip.AddrPort) (count int, failed error) {
	return end(port, func(_ netip.Addr, backend netip.AddrPort) bool { return slices.Contains(backends, backend) })
}

// Leave is End for the connections to some addresses, which are about to leave this host.
func Leave(port uint16, addresses []netip.Addr) (count int, failed error) {
	return end(port, func(asked netip.Addr, _ netip.AddrPort) bool { return slices.Contains(addresses, asked) })
}

// end lists the connections of both families at once: the kernel walks through its whole table for each list, which takes it 10 ms with the
// 262144 buckets that most hosts have, and no connection.
func end(port uint16, picks func(asked netip.Addr, backend netip.AddrPort) bool) (count int, failed error) {
	all, err := vnl.ConntrackTableList(vnl.ConntrackTable, unix.AF_UNSPEC)
	if err != nil { // what was listed until then ends all the same
		failed = fmt.Errorf("list connections: %w", err)
	}
	conn, err := netlink.Dial(unix.NETLINK_NETFILTER, nil)
	if err != nil {
		return 0, errors.Join(failed, fmt.Errorf("open conntrack: %w", err))
	}
	defer conn.Close()
	var ended []flow
	for _, x := range all {
		if x.Forward.Protocol != unix.IPPROTO_TCP || x.Forward.DstPort != port || over(x) {
			continue
		}
		asked, client := endpoint(x.Forward.DstIP, x.Forward.DstPort), endpoint(x.Forward.SrcIP, x.Forward.SrcPort)
		backend := endpoint(x.Reverse.SrcIP, x.Reverse.SrcPort)
		if asked == backend || !picks(asked.Addr(), backend) {
			continue
		}
		ended = append(ended, flow{asked, client})
		switch err := forget(conn, x); {
		case err == nil:
			count++
		case !errors.Is(err, os.ErrNotExist) && failed == nil: // one says enough
			failed = fmt.Errorf("end the connection of %s: %w", client, err)
		}
	}
	return count, errors.Join(failed, prompt(ended))
}

// over reports whether a connection has ended by itself: the kernel remembers it for minutes, and there may be thousands.
func over(x *vnl.ConntrackFlow) bool {
	const timeWait = 7 // TCP_CONNTRACK_TIME_WAIT, and 8 is CLOSE
	info, known := x.ProtoInfo.(*vnl.ProtoInfoTCP)
	return known && info.State >= timeWait
}

func endpoint(ip net.IP, port uint16) netip.AddrPort {
	address, _ := netip.AddrFromSlice(ip)
	return netip.AddrPortFrom(address.Unmap(), port)
}

// messageDelete is IPCTNL_MSG_CT_DELETE of linux/netfilter/nfnetlink_conntrack.h.
const messageDelete = unix.NFNL_SUBSYS_CTNETLINK<<8 | nl.IPCTNL_MSG_CT_DELETE

// forget deletes one entry of conntrack. The library deletes what it has listed of one family alone.
func forget(conn *netlink.Conn, x *vnl.ConntrackFlow) error {
	encoder := netlink.NewAttributeEncoder()
	encoder.ByteOrder = binary.BigEndian
	source, destination := uint16(nl.CTA_IP_V4_SRC), uint16(nl.CTA_IP_V4_DST)
	if x.FamilyType == unix.AF_INET6 {
		source, destination = nl.CTA_IP_V6_SRC, nl.CTA_IP_V6_DST
	}
	encoder.Nested(nl.CTA_TUPLE_ORIG, func(tuple *netlink.AttributeEncoder) error {
		tuple.Nested(nl.CTA_TUPLE_IP, func(ip *netlink.AttributeEncoder) error {
			ip.Bytes(source, x.Forward.SrcIP)
			ip.Bytes(destination, x.Forward.DstIP)
			return nil
		})
		tuple.Nested(nl.CTA_TUPLE_PROTO, func(protocol *netlink.AttributeEncoder) error {
			protocol.Uint8(nl.CTA_PROTO_NUM, x.Forward.Protocol)
			protocol.Uint16(nl.CTA_PROTO_SRC_PORT, x.Forward.SrcPort)
			protocol.Uint16(nl.CTA_PROTO_DST_PORT, x.Forward.DstPort)
			return nil
		})
		return nil
	})
	encoder.Uint16(nl.CTA_ZONE, x.Zone)
	attributes, err := encoder.Encode()
	if err != nil {
		return err
	}
	data := append([]byte{x.FamilyType, unix.NFNETLINK_V0, 0, 0}, attributes...)
	_, err = conn.Execute(netlink.Message{Header: netlink.Header{Type: messageDelete, Flags: netlink.Request | netlink.Acknowledge}, Data: data})
	return err
}
