// SPDX-License-Identifier: Apache-2.0

// Package dnat has the kernel pass connections on to backends, without a process between them: destination NAT by a table of nf_tables,
// which anybody may look at:
//
//	nft list table inet harbinger-balancer-51
//
// # How it works
//
// The chains "prerouting" and "output" see the first packet of each connection, before those of kube-proxy (priority -101, which is
// dstnat - 1), and go on to "balance". What is for an address of this host and the port of the rules gets a backend there: in turn
// (numgen inc), or by a hash of the client's address (jhash) that leaves the clients of all other backends where they are when one goes.
// An address that this host does not have is not balanced: a virtual address belongs to its holder. The chain "postrouting" gives what
// goes to another host the address of this one as its source. A control-plane host is nobody's gateway: the answer of a backend would
// go past it otherwise. The backend on this host sees the client's own address.
//
// Apply replaces all rules in one transaction: no packet meets half of them. The table belongs to nobody, and stays when the process
// that made it is killed: connections go on, and new ones are served. Remove removes it.
//
// # Connections
//
// The kernel remembers the backend of a connection (conntrack). End makes it forget those of a backend that is dead, and sends each of their
// clients a segment that the client has to answer. The answer, as whatever such a client sends, belongs to no connection that this host
// knows, and is reset: by the host itself, or by a live backend where it is taken for a new connection
// (net.netfilter.nf_conntrack_tcp_loose, which is 1 unless somebody has changed it). Leave does that for addresses that leave this host.
package dnat
