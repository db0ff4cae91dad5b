// SPDX-License-Identifier: Apache-2.0

package socket

import (
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// A TCP is a TCP socket of this network namespace.
type TCP struct {
	Local, Remote netip.AddrPort
	Listens       bool
	User          int    // ID of who owns it
	Inode         uint64 // 0: no process has it open any more
}

// Tables returns the TCP sockets of the network namespace of the calling thread.
func Tables() ([]TCP, error) {
	var all []TCP
	for _, table := range []string{"tcp", "tcp6"} {
		f, err := os.ReadFile("/proc/thread-self/net/" + table)
		if os.IsNotExist(err) {
			continue // a kernel without IPv6
		}
		if err != nil {
			return nil, fmt.Errorf("list TCP sockets: %w", err)
		}
		sockets, err := parseTable(string(f))
		if err != nil {
			return nil, fmt.Errorf("list TCP sockets: %w", err)
		}
		all = append(all, sockets...)
	}
	return all, nil
}

// listenState is TCP_LISTEN in the kernel's tables.
const listenState = "0A"

// parseTable reads a table in the form of /proc/net/tcp.
func parseTable(table string) ([]TCP, error) {
	var sockets []TCP
	for i, line := range strings.Split(strings.TrimSpace(table), "\n") {
		fields := strings.Fields(line)
		if i == 0 || len(fields) < 10 {
			continue
		}
		s := TCP{Listens: fields[3] == listenState}
		var err error
		if s.Local, err = parseAddress(fields[1]); err == nil {
			s.Remote, err = parseAddress(fields[2])
		}
		if err == nil {
			s.User, err = strconv.Atoi(fields[7])
		}
		if err == nil {
			s.Inode, err = strconv.ParseUint(fields[9], 10, 64)
		}
		if err != nil {
			return nil, fmt.Errorf("line %d: %w", i+1, err)
		}
		sockets = append(sockets, s)
	}
	return sockets, nil
}

// parseAddress reads an address as the kernel prints it: 32-bit words of the address in the order of this machine's bytes.
func parseAddress(s string) (netip.AddrPort, error) {
	host, port, _ := strings.Cut(s, ":")
	raw, err := hex.DecodeString(host)
	if err != nil {
		return netip.AddrPort{}, err
	}
	for word := raw; len(word) >= 4; word = word[4:] {
		binary.NativeEndian.PutUint32(word, binary.BigEndian.Uint32(word))
	}
	addr, ok := netip.AddrFromSlice(raw)
	if !ok {
		return netip.AddrPort{}, fmt.Errorf("%q is not an address", host)
	}
	n, err := strconv.ParseUint(port, 16, 16)
	if err != nil {
		return netip.AddrPort{}, err
	}
	return netip.AddrPortFrom(addr.Unmap(), uint16(n)), nil
}

// Overlap reports whether two sockets want the same port of an address. An unspecified address stands for all of them.
func Overlap(a, b netip.AddrPort) bool {
	return a.Port() == b.Port() && (a.Addr() == b.Addr() || a.Addr().IsUnspecified() || b.Addr().IsUnspecified())
}

// Holder describes what has a TCP port of an address, as far as this process may see it, or returns nothing where nothing has.
func Holder(address netip.AddrPort) string {
	sockets, err := Tables()
	if err != nil {
		return ""
	}
	holder, found := blamed(sockets, address)
	switch {
	case !found:
		return ""
	case holder.Listens:
		return fmt.Sprintf("%s listens on %s", holder.process(), holder.Local)
	}
	return fmt.Sprintf("%s has a connection from %s to %s", holder.process(), holder.Local, holder.Remote)
}

// blamed returns the socket that keeps others from a port: one that listens before a connection, and this before the rest of a
// connection, which keeps no listener away.
func blamed(sockets []TCP, address netip.AddrPort) (holder TCP, found bool) {
	rank := func(s TCP) int {
		switch {
		case s.Listens:
			return 2
		case s.Inode != 0:
			return 1
		}
		return 0
	}
	for _, s := range sockets {
		if Overlap(s.Local, address) && (!found || rank(s) > rank(holder)) {
			holder, found = s, true
		}
	}
	return holder, found
}

// process names the process that has a socket open. Those of other containers are not visible to one that does not share the
// process IDs of the host: then the user is named.
func (s TCP) process() string {
	if s.Inode == 0 {
		return "a process that has ended"
	}
	link := fmt.Sprintf("socket:[%d]", s.Inode)
	files, _ := filepath.Glob("/proc/[0-9]*/fd/*") // what cannot be read is not visible
	for _, file := range files {
		if target, err := os.Readlink(file); err != nil || target != link {
			continue
		}
		process := filepath.Dir(filepath.Dir(file))
		name, _ := os.ReadFile(process + "/comm") // it may just have ended
		return fmt.Sprintf("%s (process %s)", strings.TrimSpace(string(name)), filepath.Base(process))
	}
	return fmt.Sprintf("a process of user %d", s.User)
}
