// SPDX-License-Identifier: Apache-2.0

package fence

import (
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/mdlayher/netlink"
	"golang.org/x/sys/unix"
)

// filters reads what tc(8) does with the frames that come by a link: it does so before the fence, and what it redirects comes back behind.
type filters struct{ conn *netlink.Conn }

// newFilters opens a socket in the network namespace of the calling thread.
func newFilters() (*filters, error) {
	c, err := netlink.Dial(unix.NETLINK_ROUTE, nil)
	if err != nil {
		return nil, fmt.Errorf("open netlink: %w", err)
	}
	return &filters{c}, nil
}

func (f *filters) close() error {
	if f == nil {
		return nil
	}
	return f.conn.Close()
}

// bypassed returns *Unavailable where frames of a link pass the fence by.
func (f *Fence) bypassed() error {
	for _, l := range f.links {
		if l.index == 0 {
			continue
		}
		found, err := f.tc.redirect(l.index)
		if err != nil {
			return fmt.Errorf("read the filters of %s: %w", l.name, err)
		}
		if found {
			return &Unavailable{Reason: fmt.Sprintf("tc redirects incoming frames of %s (tc filter show dev %s ingress): they pass the fence by", l.name, l.name)}
		}
	}
	return nil
}

// Numbers of linux/pkt_sched.h, linux/pkt_cls.h, linux/tc_act/tc_mirred.h.
const (
	sizeofTcmsg    = 20
	parentIngress  = 0xfffffff2 // of the queueing disciplines ingress and clsact
	actionKind     = 1          // TCA_ACT_KIND
	actionOptions  = 2          // TCA_ACT_OPTIONS
	mirredParms    = 2          // TCA_MIRRED_PARMS
	sizeofMirred   = 28
	offsetEaction  = 20
	egressRedir    = 1
	ingressRedir   = 3
	deepestActions = 6 // filter, its options, its actions, one of them, and something for kinds that are not known
)

// redirect reports whether a filter on incoming frames of a link redirects some.
func (f *filters) redirect(index uint32) (bool, error) {
	request := make([]byte, sizeofTcmsg)
	binary.NativeEndian.PutUint32(request[4:], index)
	binary.NativeEndian.PutUint32(request[12:], parentIngress)
	answers, err := f.conn.Execute(netlink.Message{
		Header: netlink.Header{Type: unix.RTM_GETTFILTER, Flags: netlink.Request | netlink.Dump}, Data: request,
	})
	if errors.Is(err, unix.EOPNOTSUPP) { // a kernel without filters of tc
		return false, nil
	}
	if err != nil {
		return false, err
	}
	for _, m := range answers {
		if len(m.Data) > sizeofTcmsg && redirects(m.Data[sizeofTcmsg:], deepestActions) {
			return true, nil
		}
	}
	return false, nil
}

// redirects looks for the action mirred in attributes and in what they may contain: each kind of filter has its actions elsewhere. A
// copy (mirror) takes nothing away from the fence.
func redirects(data []byte, depth int) bool {
	attributes, err := netlink.NewAttributeDecoder(data)
	if err != nil || depth == 0 {
		return false
	}
	mirred := false
	var options []byte
	for attributes.Next() {
		inner := attributes.Bytes()
		switch attributes.Type() {
		case actionKind:
			mirred = string(inner) == "mirred\x00"
		case actionOptions:
			options = inner
		}
		if redirects(inner, depth-1) {
			return true
		}
	}
	return mirred && attributes.Err() == nil && sends(options)
}

// sends reports whether the options of an action mirred redirect.
func sends(options []byte) bool {
	attributes, err := netlink.NewAttributeDecoder(options)
	if err != nil {
		return false
	}
	for attributes.Next() {
		if parms := attributes.Bytes(); attributes.Type() == mirredParms && len(parms) >= sizeofMirred {
			action := binary.NativeEndian.Uint32(parms[offsetEaction:])
			return action == egressRedir || action == ingressRedir
		}
	}
	return false
}
