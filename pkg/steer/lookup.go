// SPDX-License-Identifier: Apache-2.0

package steer

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"
	"os"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"
	"github.com/cilium/ebpf/link"
	"golang.org/x/sys/unix"

	"github.com/harbinger-ha/harbinger/pkg/socket"
)

// lookup steers with a program that the kernel runs when it looks up the listening socket of a new connection. The link
// that attaches it to the network namespace is a file descriptor of this process alone.
type lookup struct {
	frontends []Frontend
	sockets   *ebpf.Map // lookupKey → listening socket
	program   *ebpf.Program
	link      *link.NetNsLink
}

// lookupKey is the local address of a connection as the program sees it: family, port, address, all in host order
// but the address, which is as on the wire.
type lookupKey [24]byte

func newLookupKey(address netip.AddrPort) lookupKey {
	var key lookupKey
	family := uint32(unix.AF_INET)
	if address.Addr().Is6() {
		family = unix.AF_INET6
	}
	binary.NativeEndian.PutUint32(key[0:], family)
	binary.NativeEndian.PutUint32(key[4:], uint32(address.Port()))
	copy(key[8:], address.Addr().AsSlice())
	return key
}

func newLookup(frontends []Frontend) (*lookup, error) {
	l := &lookup{frontends: frontends}
	if err := l.attach(); err != nil {
		return nil, errors.Join(err, l.close())
	}
	return l, nil
}

// attach loads and attaches the program with an empty map: it steers nothing yet.
func (l *lookup) attach() (err error) {
	l.sockets, err = ebpf.NewMap(&ebpf.MapSpec{
		Name:       "harbinger_steer",
		Type:       ebpf.SockHash,
		KeySize:    uint32(len(lookupKey{})),
		ValueSize:  8,
		MaxEntries: uint32(max(1, len(l.frontends))),
	})
	if err != nil {
		return fmt.Errorf("create map: %w", err)
	}
	l.program, err = ebpf.NewProgram(&ebpf.ProgramSpec{
		Name:         "harbinger_steer",
		Type:         ebpf.SkLookup,
		AttachType:   ebpf.AttachSkLookup,
		Instructions: lookupInstructions(l.sockets.FD()),
		License:      "Apache-2.0",
	})
	if err != nil {
		return fmt.Errorf("load program: %w", err)
	}
	namespace, err := os.Open("/proc/thread-self/ns/net")
	if err != nil {
		return err
	}
	defer namespace.Close()
	if l.link, err = link.AttachNetNs(int(namespace.Fd()), l.program); err != nil {
		return fmt.Errorf("attach program: %w", err)
	}
	return nil
}

// Offsets in struct bpf_sk_lookup of linux/bpf.h.
const (
	offsetFamily    = 8
	offsetProtocol  = 12
	offsetLocalIP4  = 40
	offsetLocalIP6  = 44
	offsetLocalPort = 60
)

const skPass = 1 // SK_PASS: go on, with the assigned socket if there is one

// lookupInstructions is the program:
//
//	if (ctx->protocol != IPPROTO_TCP) return SK_PASS;
//	key = {ctx->family, ctx->local_port, ctx->family == AF_INET ? ctx->local_ip4 : ctx->local_ip6};
//	sk = bpf_map_lookup_elem(sockets, &key);
//	if (sk) { bpf_sk_assign(ctx, sk, 0); bpf_sk_release(sk); }
//	return SK_PASS;
//
// Where nothing is assigned the kernel looks for a socket as if there were no program.
func lookupInstructions(sockets int) asm.Instructions {
	const key = -int16(len(lookupKey{})) // on the stack
	load := func(to, from int16) asm.Instructions {
		return asm.Instructions{
			asm.LoadMem(asm.R2, asm.R6, from, asm.Word),
			asm.StoreMem(asm.RFP, key+to, asm.R2, asm.Word),
		}
	}
	var program asm.Instructions
	add := func(instructions ...asm.Instruction) { program = append(program, instructions...) }

	add(asm.Mov.Reg(asm.R6, asm.R1),
		asm.LoadMem(asm.R2, asm.R6, offsetProtocol, asm.Word),
		asm.JNE.Imm(asm.R2, unix.IPPROTO_TCP, "pass"),
		asm.Mov.Imm(asm.R2, 0),
		asm.StoreMem(asm.RFP, key+8, asm.R2, asm.DWord),
		asm.StoreMem(asm.RFP, key+16, asm.R2, asm.DWord))
	add(load(4, offsetLocalPort)...)
	add(load(0, offsetFamily)...)
	add(asm.JEq.Imm(asm.R2, unix.AF_INET6, "ipv6"))
	add(load(8, offsetLocalIP4)...)
	add(asm.Ja.Label("lookup"))
	program = append(program, load(8, offsetLocalIP6)[0].WithSymbol("ipv6"), load(8, offsetLocalIP6)[1])
	for word := int16(4); word < 16; word += 4 {
		add(load(8+word, offsetLocalIP6+word)...)
	}
	add(asm.LoadMapPtr(asm.R1, sockets).WithSymbol("lookup"),
		asm.Mov.Reg(asm.R2, asm.RFP),
		asm.Add.Imm(asm.R2, int32(key)),
		asm.FnMapLookupElem.Call(),
		asm.JEq.Imm(asm.R0, 0, "pass"),
		asm.Mov.Reg(asm.R7, asm.R0),
		asm.Mov.Reg(asm.R1, asm.R6),
		asm.Mov.Reg(asm.R2, asm.R7),
		asm.Mov.Imm(asm.R3, 0),
		asm.FnSkAssign.Call(),
		asm.Mov.Reg(asm.R1, asm.R7),
		asm.FnSkRelease.Call(),
		asm.Mov.Imm(asm.R0, skPass).WithSymbol("pass"),
		asm.Return())
	return program
}

// enable puts the sockets in the map. They have to be listening.
func (l *lookup) enable() error {
	var failed error
	for _, f := range l.frontends {
		if err := l.put(f); err != nil {
			failed = errors.Join(failed, fmt.Errorf("steer %s: %w", f.VIP, err))
		}
	}
	return failed
}

func (l *lookup) put(f Frontend) error {
	return socket.ControlConn(f.Listener, func(fd int) error {
		return l.sockets.Put(newLookupKey(f.VIP), uint64(fd))
	})
}

func (l *lookup) disable() error {
	var failed error
	for _, f := range l.frontends {
		if err := l.sockets.Delete(newLookupKey(f.VIP)); err != nil && !errors.Is(err, ebpf.ErrKeyNotExist) {
			failed = errors.Join(failed, fmt.Errorf("stop steering %s: %w", f.VIP, err))
		}
	}
	return failed
}

func (l *lookup) close() error {
	var failed error
	if l.link != nil {
		failed = l.link.Close()
	}
	return errors.Join(failed, l.program.Close(), l.sockets.Close())
}
