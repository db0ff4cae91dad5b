// SPDX-License-Identifier: Apache-2.0

package fence

import (
	"cmp"
	"encoding/binary"
	"errors"
	"fmt"
	"syscall"

	"github.com/google/nftables/expr"
	"github.com/mdlayher/netlink"
	"golang.org/x/sys/unix"
)

// destroyTable is NFT_MSG_DESTROYTABLE of linux/netfilter/nf_tables.h (Linux 6.3): a deletion that succeeds where there is nothing.
const destroyTable = 26

// A batch is a sequence of messages to nf_tables, as it goes to the kernel.
type batch struct {
	buf   []byte
	names []string // of the messages, by their sequence numbers
	last  int      // where the last message begins
	err   error
}

// attributes writes the attributes of a message, or those that are nested in one.
type attributes func(*netlink.AttributeEncoder)

// transaction returns a batch that the kernel carries out as a whole or not at all.
func transaction(fill func(*batch)) *batch {
	b := &batch{}
	b.header("begin", unix.NFNL_MSG_BATCH_BEGIN, 0, unix.NFPROTO_UNSPEC, unix.NFNL_SUBSYS_NFTABLES, nil)
	fill(b)
	flags := b.buf[b.last+6:] // the last change is acknowledged, and so all of them
	binary.NativeEndian.PutUint16(flags, binary.NativeEndian.Uint16(flags)|unix.NLM_F_ACK)
	b.header("end", unix.NFNL_MSG_BATCH_END, 0, unix.NFPROTO_UNSPEC, unix.NFNL_SUBSYS_NFTABLES, nil)
	return b
}

// message appends a message about the family netdev. What it is for goes into errors.
func (b *batch) message(name string, typ, flags uint16, fill attributes) {
	encoder := netlink.NewAttributeEncoder()
	encoder.ByteOrder = binary.BigEndian
	fill(encoder)
	body, err := encoder.Encode()
	b.err = errors.Join(b.err, err)
	b.header(name, unix.NFNL_SUBSYS_NFTABLES<<8|typ, flags, unix.NFPROTO_NETDEV, 0, body)
}

// header appends struct nlmsghdr and struct nfgenmsg of the kernel, then the body.
func (b *batch) header(name string, typ, flags uint16, family byte, resource uint16, body []byte) {
	b.last = len(b.buf)
	b.buf = binary.NativeEndian.AppendUint32(b.buf, uint32(unix.NLMSG_HDRLEN+4+len(body)))
	b.buf = binary.NativeEndian.AppendUint16(b.buf, typ)
	b.buf = binary.NativeEndian.AppendUint16(b.buf, flags|unix.NLM_F_REQUEST)
	b.buf = binary.NativeEndian.AppendUint32(b.buf, uint32(len(b.names)))
	b.buf = append(b.buf, 0, 0, 0, 0, family, unix.NFNETLINK_V0)
	b.buf = binary.BigEndian.AppendUint16(b.buf, resource)
	b.buf = append(b.buf, body...)
	for len(b.buf)%unix.NLMSG_ALIGNTO != 0 {
		b.buf = append(b.buf, 0)
	}
	b.names = append(b.names, name)
}

// nested writes attributes into an attribute.
func nested(e *netlink.AttributeEncoder, typ uint16, fill attributes) {
	e.Nested(typ, func(inner *netlink.AttributeEncoder) error {
		fill(inner)
		return nil
	})
}

// expressions writes those of a rule.
func expressions(e *netlink.AttributeEncoder, list []expr.Any) {
	nested(e, unix.NFTA_RULE_EXPRESSIONS, func(e *netlink.AttributeEncoder) {
		for _, x := range list {
			e.Do(unix.NLA_F_NESTED|unix.NFTA_LIST_ELEM, func() ([]byte, error) { return expr.Marshal(unix.NFPROTO_NETDEV, x) })
		}
	})
}

// conn is a socket to nf_tables. The kernel answers before the call that asks it returns.
type conn struct {
	fd int
	in [1 << 15]byte
}

func dial() (*conn, error) {
	fd, err := unix.Socket(unix.AF_NETLINK, unix.SOCK_RAW|unix.SOCK_CLOEXEC, unix.NETLINK_NETFILTER)
	if err != nil {
		return nil, &Unavailable{"the kernel gives no socket to nf_tables", err}
	}
	if err := unix.Bind(fd, &unix.SockaddrNetlink{Family: unix.AF_NETLINK}); err != nil {
		return nil, errors.Join(&Unavailable{"the kernel gives no socket to nf_tables", err}, unix.Close(fd))
	}
	return &conn{fd: fd}, nil
}

func (c *conn) close() error {
	if c == nil {
		return nil
	}
	return unix.Close(c.fd)
}

// do carries out a batch.
func (c *conn) do(b *batch) error {
	_, err := c.ask(b)
	return err
}

// ask carries out a batch, and returns what the kernel answers but for acknowledgements.
func (c *conn) ask(b *batch) (answers [][]byte, err error) {
	if b.err != nil {
		return nil, fmt.Errorf("encode for nf_tables: %w", b.err)
	}
	if err := unix.Sendto(c.fd, b.buf, 0, &unix.SockaddrNetlink{Family: unix.AF_NETLINK}); err != nil {
		return nil, fmt.Errorf("send to nf_tables: %w", err)
	}
	var failed error // the first, which the others may follow from
	done := false
	for {
		n, _, err := unix.Recvfrom(c.fd, c.in[:], unix.MSG_DONTWAIT)
		switch {
		case err == unix.EINTR:
		case err == unix.EAGAIN && !done:
			return nil, errors.New("nf_tables did not answer")
		case err == unix.EAGAIN:
			return answers, failed
		case err != nil:
			return nil, fmt.Errorf("receive from nf_tables: %w", err)
		default:
			done = true
			found, err := b.read(c.in[:n])
			answers = append(answers, found...)
			failed = cmp.Or(failed, err)
		}
	}
}

// read reads one datagram of the kernel.
func (b *batch) read(datagram []byte) (answers [][]byte, err error) {
	messages, err := syscall.ParseNetlinkMessage(datagram)
	if err != nil {
		return nil, fmt.Errorf("answer of nf_tables: %w", err)
	}
	for _, m := range messages {
		if m.Header.Type != unix.NLMSG_ERROR {
			answers = append(answers, append([]byte(nil), m.Data...))
			continue
		}
		if len(m.Data) < 4 {
			return nil, errors.New("answer of nf_tables is too short")
		}
		if code := int32(binary.NativeEndian.Uint32(m.Data)); code != 0 {
			name := "message"
			if int(m.Header.Seq) < len(b.names) {
				name = b.names[m.Header.Seq]
			}
			return nil, fmt.Errorf("%s: %w", name, unix.Errno(-code))
		}
	}
	return answers, nil
}
