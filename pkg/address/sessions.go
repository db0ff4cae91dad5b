// SPDX-License-Identifier: Apache-2.0

package address

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"
	"slices"

	"github.com/vishvananda/netlink/nl"
	"golang.org/x/sys/unix"
)

// What the kernel's socket diagnosis (sock_diag(7)) asks and answers, in bytes.
const (
	diagRequestSize = 56 // struct inet_diag_req_v2
	diagMessageSize = 72 // struct inet_diag_msg
	diagID          = 4  // struct inet_diag_sockid in a message, and 8 in a request
	diagSource      = 8  // its source address in a message
	diagIDSize      = 48
)

// withSession are the states of TCP in which a socket has a connection: none that listens, is closed or only waits.
const withSession = 1<<unix.BPF_TCP_ESTABLISHED | 1<<unix.BPF_TCP_SYN_RECV | 1<<unix.BPF_TCP_FIN_WAIT1 | 1<<unix.BPF_TCP_FIN_WAIT2 |
	1<<unix.BPF_TCP_CLOSE_WAIT | 1<<unix.BPF_TCP_LAST_ACK | 1<<unix.BPF_TCP_CLOSING

// EndSessions resets every TCP connection of this host that came in by one of the addresses, whatever process has it: it cannot
// follow the address to another host, and its client is to know that at once. It comes before Release, as nothing can be sent
// from the addresses afterwards, and ends early with ctx. A kernel without CONFIG_INET_DIAG_DESTROY ends none.
func (a *Addresses) EndSessions(ctx context.Context) error {
	var failed error
	for _, family := range []uint8{unix.AF_INET, unix.AF_INET6} { // a socket of IPv6 may have a connection of IPv4
		messages, err := diagnose(nl.SOCK_DIAG_BY_FAMILY, unix.NLM_F_DUMP, diagRequest(family, nil))
		if err != nil {
			failed = errors.Join(failed, fmt.Errorf("list connections: %w", err))
		}
		for _, m := range messages {
			if ctx.Err() != nil {
				return errors.Join(failed, ctx.Err())
			}
			if len(m) < diagMessageSize || !a.virtual(sourceOf(m)) {
				continue
			}
			_, err := diagnose(nl.SOCK_DESTROY, unix.NLM_F_ACK, diagRequest(family, m[diagID:diagID+diagIDSize]))
			switch {
			case errors.Is(err, unix.EOPNOTSUPP):
				return failed
			case err != nil && !errors.Is(err, unix.ENOENT): // it may end meanwhile
				failed = errors.Join(failed, fmt.Errorf("reset a connection: %w", err))
			}
		}
	}
	return failed
}

// sourceOf returns the own address of the socket that a message is about.
func sourceOf(m []byte) netip.Addr {
	if m[0] == unix.AF_INET {
		return netip.AddrFrom4([4]byte(m[diagSource:]))
	}
	return netip.AddrFrom16([16]byte(m[diagSource:])).Unmap()
}

// A diagData is a request to the socket diagnosis.
type diagData []byte

// Len implements nl.NetlinkRequestData.
func (d diagData) Len() int { return len(d) }

// Serialize implements nl.NetlinkRequestData.
func (d diagData) Serialize() []byte { return d }

// diagRequest asks for all connections of a family, or for the one with an ID.
func diagRequest(family uint8, id []byte) diagData {
	request := slices.Concat([]byte{family, unix.IPPROTO_TCP, 0, 0}, binary.NativeEndian.AppendUint32(nil, withSession), id)
	return append(request, make([]byte, diagRequestSize-len(request))...)
}

func diagnose(kind, flags int, data diagData) ([][]byte, error) {
	request := nl.NewNetlinkRequest(kind, flags)
	request.AddData(data)
	return request.Execute(unix.NETLINK_INET_DIAG, 0)
}
