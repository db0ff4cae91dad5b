// SPDX-License-Identifier: Apache-2.0

package steer

import (
	"fmt"
	"syscall"

	"github.com/google/nftables"
	"github.com/google/nftables/binaryutil"
	"github.com/google/nftables/expr"
	"github.com/mdlayher/netlink"
	"golang.org/x/sys/unix"
)

const tableName = "harbinger_steer"

// table steers with destination NAT. The kernel deletes the table when the netlink socket that made it is closed.
type table struct {
	conn   *nftables.Conn
	chains []*nftables.Chain
	rules  []natRule
}

// natRule sends connections to VIP:port to another port of the VIP.
type natRule struct {
	frontend Frontend
	port     uint16
}

func newTable(frontends []Frontend) (*table, error) {
	t := &table{}
	for _, f := range frontends {
		port, err := localPort(f.Listener)
		if err != nil {
			return nil, err
		}
		t.rules = append(t.rules, natRule{f, port})
	}
	var err error
	if t.conn, err = nftables.New(nftables.AsLasting(), nftables.WithSockOptions(createOwnedTable)); err != nil {
		return nil, err
	}
	t.addChains()
	if err := t.conn.Flush(); err != nil {
		t.conn.CloseLasting()
		return nil, fmt.Errorf("create chains: %w", err)
	}
	return t, nil
}

// nftTableOwner is NFT_TABLE_F_OWNER of linux/netfilter/nf_tables.h.
const nftTableOwner = 2

// createOwnedTable creates the table by hand on the socket that is to own it: the library leaves out the flags of a
// table.
func createOwnedTable(conn *netlink.Conn) error {
	attributes, err := netlink.MarshalAttributes([]netlink.Attribute{
		{Type: unix.NFTA_TABLE_NAME, Data: []byte(tableName + "\x00")},
		{Type: unix.NFTA_TABLE_FLAGS, Data: binaryutil.BigEndian.PutUint32(nftTableOwner)},
	})
	if err != nil {
		return err
	}
	subsystem := binaryutil.BigEndian.PutUint16(unix.NFNL_SUBSYS_NFTABLES)
	message := func(typ netlink.HeaderType, flags netlink.HeaderFlags, data []byte) netlink.Message {
		return netlink.Message{Header: netlink.Header{Type: typ, Flags: netlink.Request | flags}, Data: data}
	}
	_, err = conn.SendMessages([]netlink.Message{
		message(unix.NFNL_MSG_BATCH_BEGIN, 0, append([]byte{0, 0}, subsystem...)),
		message(unix.NFNL_SUBSYS_NFTABLES<<8|unix.NFT_MSG_NEWTABLE, netlink.Acknowledge|netlink.Create|netlink.Excl,
			append([]byte{unix.NFPROTO_INET, unix.NFNETLINK_V0, 0, 0}, attributes...)),
		message(unix.NFNL_MSG_BATCH_END, 0, append([]byte{0, 0}, subsystem...)),
	})
	if err != nil {
		return err
	}
	if _, err = conn.Receive(); err != nil {
		return fmt.Errorf("create table %s: %w", tableName, err)
	}
	return nil
}

// addChains adds the hooks for connections from other hosts and from this one. They stay while steering is off:
// without a hook the kernel would stop translating the packets of established connections.
func (t *table) addChains() {
	owned := &nftables.Table{Name: tableName, Family: nftables.TableFamilyINet}
	for _, chain := range []*nftables.Chain{
		{Name: "prerouting", Hooknum: nftables.ChainHookPrerouting, Priority: nftables.ChainPriorityNATDest},
		{Name: "output", Hooknum: nftables.ChainHookOutput, Priority: nftables.ChainPriorityNATDest},
	} {
		chain.Table, chain.Type = owned, nftables.ChainTypeNAT
		t.chains = append(t.chains, t.conn.AddChain(chain))
	}
}

// enable replaces the rules in one transaction.
func (t *table) enable() error {
	t.flush()
	for _, chain := range t.chains {
		for _, rule := range t.rules {
			t.conn.AddRule(&nftables.Rule{Table: chain.Table, Chain: chain, Exprs: rule.expressions()})
		}
	}
	return t.conn.Flush()
}

func (t *table) disable() error {
	t.flush()
	return t.conn.Flush()
}

func (t *table) flush() {
	for _, chain := range t.chains {
		t.conn.FlushChain(chain)
	}
}

func (t *table) close() error { return t.conn.CloseLasting() }

// expressions is the rule: ip daddr VIP tcp dport PORT dnat to VIP:port.
func (r natRule) expressions() []expr.Any {
	vip := r.frontend.VIP
	family, offset, address := byte(unix.NFPROTO_IPV4), uint32(16), vip.Addr().AsSlice()
	if vip.Addr().Is6() {
		family, offset = unix.NFPROTO_IPV6, 24
	}
	equal := func(data []byte) *expr.Cmp { return &expr.Cmp{Op: expr.CmpOpEq, Register: 1, Data: data} }
	return []expr.Any{
		&expr.Meta{Key: expr.MetaKeyNFPROTO, Register: 1}, equal([]byte{family}),
		&expr.Meta{Key: expr.MetaKeyL4PROTO, Register: 1}, equal([]byte{unix.IPPROTO_TCP}),
		&expr.Payload{Base: expr.PayloadBaseNetworkHeader, Offset: offset, Len: uint32(len(address)), DestRegister: 1}, equal(address),
		&expr.Payload{Base: expr.PayloadBaseTransportHeader, Offset: 2, Len: 2, DestRegister: 1}, equal(binaryutil.BigEndian.PutUint16(vip.Port())),
		&expr.Immediate{Register: 1, Data: address},
		&expr.Immediate{Register: 2, Data: binaryutil.BigEndian.PutUint16(r.port)},
		&expr.NAT{Type: expr.NATTypeDestNAT, Family: uint32(family), RegAddrMin: 1, RegProtoMin: 2, Specified: true},
	}
}

// localPort returns the port that a socket is bound to.
func localPort(socket syscall.Conn) (port uint16, err error) {
	err = onSocket(socket, func(fd uintptr) error {
		address, err := unix.Getsockname(int(fd))
		switch address := address.(type) {
		case *unix.SockaddrInet4:
			port = uint16(address.Port)
		case *unix.SockaddrInet6:
			port = uint16(address.Port)
		}
		return err
	})
	return port, err
}
