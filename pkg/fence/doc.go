// SPDX-License-Identifier: Apache-2.0

// Package fence lets frames for the virtual addresses into this host only while its process renews them: a dead man's switch with a
// resolution of milliseconds, where the lifetime of an address counts in whole seconds.
//
// It is a table of nf_tables, which anybody may look at:
//
//	nft list table netdev harbinger-51
//
// # How it works
//
// The sets "addresses4" and "addresses6" have the virtual addresses, and "alive4" and "alive6" have those that are served. Each element
// has a timeout, which the kernel looks at with every frame. The chain "ingress", on all links by which neighbours may come, drops and
// counts ARP requests, neighbour solicitations and packets for an address that is among the first and not among the second. So the fence
// closes by itself, whatever becomes of the process: no timer has to run, and no program has to be scheduled.
//
// A renewal is a packet, not a transaction. Every transaction starts the dumps of all other programs anew: renewals of several a second
// would keep nft(8) and kube-proxy from reading a large ruleset for ever. The chain "control", at the egress hook of lo, takes frames by
// their mark, a number that each start chooses at random, and goes on to the chains "renew", "shut" and "disarm", which change the
// elements and drop the frame. The kernel reports the drop to the sender (ENOBUFS), which is the acknowledgement: a frame that was not
// dropped has found no table, or has come too late. It goes to no other link, and nothing listens to it.
//
// A renewal that comes too late opens nothing, and it is the kernel that decides this, in the same packet: "control" goes on to "renew"
// only while the address is still alive. A process that was frozen between the look at its clock and its packet does no harm. Lateness
// by the clock of the caller, which goes on in a suspended host, closes the fence too.
//
// A host that leaves the addresses to another one, or does not know whether it may have them, can keep the fence open for packets and closed
// for questions of address resolution: "refused4" and "refused6" have those addresses, and "asked4" and "asked6" those that somebody has
// asked for since. Who knows the host by its hardware address is served, and who asks is answered by the other one.
//
// # Who else may change it
//
// The table belongs to the socket of the process, and persists (flags owner and persist, Linux 6.9): others may neither flush nor delete
// it, and it stays, closed, when the process is killed, until the next one replaces it in one transaction. An owner without persistence
// would be worse than none: the kernel would remove the table with the process, and so open the fence. Before 6.9 the table belongs to
// nobody: Renew notices at once that it is gone or that "control" is empty, Check finds the rest, and both put it back.
//
// Ten seconds after the last sign of life the addresses time out too: the table then matches nothing, and another program may have the
// address. Whoever adds an address gives it a shorter lifetime.
//
// # Links
//
// A hook belongs to a link. Linux 6.16 and newer takes it away when the link is renamed, without a sign; older ones remove the chain with
// its last link. So the caller says SetLinks after every change of a link, and Check follows a link by its index. Linux answers for an
// address on every link (the weak host model), so that all links of the segment belong to the chain. The hook of a bridge is that of the
// bridge, not of its ports.
//
// # What passes
//
// Frames with an address as the ARP sender pass first: that another host announces the address must reach package announce, which listens
// behind the hook. Clients on this host do not come by a link: for them the address lives until its lifetime ends. What tc(8) redirects on
// its way in (ingress shaping by an ifb) comes back behind the hook: such a link has no fence, and New, SetLinks and Check say so. A frame
// with two VLAN tags that are both empty passes.
//
// # Where there is none
//
// New returns *Unavailable without nf_tables, CAP_NET_ADMIN or CAP_NET_RAW, or before Linux 5.16, which has no egress hook. The chain would
// do at the ingress hook of lo, but gives no acknowledgement there, and no such kernel was there to test it on: the lifetime of the
// addresses has to do. The kernel counts in jiffies (1 to 10 ms) and may close up to two early, never late: timeouts below 50 ms are for
// kernels with 250 jiffies a second or more.
package fence
