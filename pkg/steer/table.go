// SPDX-License-Identifier: Apache-2.0

package steer

import (
	"errors"
	"fmt"
	"net/netip"
	"syscall"

	"github.com/google/nftables"
	"github.com/google/nftables/binaryutil"
	"github.com/google/nftables/expr"
	"github.com/mdlayher/netlink"
	"golang.org/x/sys/unix"

	"github.com/harbinger-ha/harbinger/pkg/socket"
)

const tableName = "harbinger_steer"

// table steers with destination NAT. The kernel deletes the table when the netlink socket that made it is closed.
//
// The rules are in a chain of their own that stays; steering is on while the hooks jump there. Without hooks and rules
// the kernel would stop to track connections, and so to translate the packets of those that are established.
type table struct {
	conn  *nftables.Conn
	hooks []*nftables.Chain
}

func newTable(frontends []Frontend) (*table, error) {
	var rules []natRule
	for _, f := range frontends {
		port, err := localPort(f.Listener)
		if err != nil {
			return nil, err
		}
		rules = append(rules, natRule{f.VIP, port})
	}
	conn, err := nftables.New(nftables.AsLasting(), nftables.WithSockOptions(createOwnedTable))
	if err != nil {
		return nil, err
	}
	t := &table{conn: conn}
	t.fill(rules)
	if err := conn.Flush(); err != nil {
		return nil, errors.Join(fmt.Errorf("fill table %s: %w", tableName, err), t.close())
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

// steerChain has the rules.
const steerChain = "steer"

// fill adds the rules, and the hooks for connections from other hosts and from this one.
func (t *table) fill(rules []natRule) {
	owned := &nftables.Table{Name: tableName, Family: nftables.TableFamilyINet}
	steer := t.conn.AddChain(&nftables.Chain{Name: steerChain, Table: owned})
	for _, rule := range rules {
		t.conn.AddRule(&nftables.Rule{Table: owned, Chain: steer, Exprs: rule.expressions()})
	}
	for name, hook := range map[string]*nftables.ChainHook{
		"prerouting": nftables.ChainHookPrerouting, "output": nftables.ChainHookOutput,
	} {
		t.hooks = append(t.hooks, t.conn.AddChain(&nftables.Chain{
			Name: name, Table: owned, Type: nftables.ChainTypeNAT, Hooknum: hook, Priority: nftables.ChainPriorityNATDest,
		}))
	}
}

func (t *table) enable() error {
	t.flushHooks()
	for _, hook := range t.hooks {
		t.conn.AddRule(&nftables.Rule{
			Table: hook.Table, Chain: hook, Exprs: []expr.Any{&expr.Verdict{Kind: expr.VerdictJump, Chain: steerChain}},
		})
	}
	return t.conn.Flush()
}

func (t *table) disable() error {
	t.flushHooks()
	return t.conn.Flush()
}

func (t *table) flushHooks() {
	for _, hook := range t.hooks {
		t.conn.FlushChain(hook)
	}
}

func (t *table) close() error { return t.conn.CloseLasting() }

// natRule sends connections to VIP:port to another port of the VIP.
type natRule struct {
	vip  netip.AddrPort
	port uint16
}

// TCP flags, RFC 9293, section 3.1.
const (
	fin = 1 << 0
	syn = 1 << 1
	rst = 1 << 2
	ack = 1 << 4
)

// expressions is the rule
//
//	ip daddr VIP tcp dport PORT tcp flags & (fin | syn | rst | ack) == syn dnat ip to VIP:port
//
// Connections that began before the kernel tracked them must not count as new ones: this is what the flags are for.
func (r natRule) expressions() []expr.Any {
	family, offset, address := byte(unix.NFPROTO_IPV4), uint32(16), r.vip.Addr().AsSlice()
	if r.vip.Addr().Is6() {
		family, offset = unix.NFPROTO_IPV6, 24
	}
	return []expr.Any{
		&expr.Meta{Key: expr.MetaKeyNFPROTO, Register: 1}, equal([]byte{family}),
		&expr.Payload{Base: expr.PayloadBaseNetworkHeader, Offset: offset, Len: uint32(len(address)), DestRegister: 1}, equal(address),
		&expr.Meta{Key: expr.MetaKeyL4PROTO, Register: 1}, equal([]byte{unix.IPPROTO_TCP}),
		&expr.Payload{Base: expr.PayloadBaseTransportHeader, Offset: 2, Len: 2, DestRegister: 1}, equal(binaryutil.BigEndian.PutUint16(r.vip.Port())),
		&expr.Payload{Base: expr.PayloadBaseTransportHeader, Offset: 13, Len: 1, DestRegister: 1},
		&expr.Bitwise{SourceRegister: 1, DestRegister: 1, Len: 1, Mask: []byte{fin | syn | rst | ack}, Xor: []byte{0}}, equal([]byte{syn}),
		&expr.Immediate{Register: 1, Data: address},
		&expr.Immediate{Register: 2, Data: binaryutil.BigEndian.PutUint16(r.port)},
		&expr.NAT{Type: expr.NATTypeDestNAT, Family: uint32(family), RegAddrMin: 1, RegProtoMin: 2, Specified: true},
	}
}

func equal(data []byte) *expr.Cmp { return &expr.Cmp{Op: expr.CmpOpEq, Register: 1, Data: data} }

// localPort returns the port that a socket is bound to.
func localPort(ln syscall.Conn) (port uint16, err error) {
	err = socket.ControlConn(ln, func(fd int) error {
		address, err := unix.Getsockname(fd)
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
