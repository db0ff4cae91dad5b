// SPDX-License-Identifier: Apache-2.0

// Package election decides whether this node holds the virtual addresses. It is the state machine of VRRP (RFC 9568,
// section 6; RFC 3768, section 6) with what VRRP alone lacks: a probe before a takeover by silence, the distress class for a
// node without a healthy backend, a Lease that arbitrates where it can be read, ARP as a second channel, the fence of a
// process that ran late, and a planned stop that serves until the successor does.
//
// Events go in with the time, actions come out. The package does no I/O, reads no clock and starts nothing; the next
// deadline is a value. It is not safe for concurrent use.
//
// # Where a rule is
//
// README.md is the specification: the transition table, whose rows the comments and the tests cite, the rules, the invariants
// and the constants. The code follows the table. table.go has the function of each state for each class of events, such as
// backupReceived; the functions of one state are in the file of that name:
//
//	initialize.go  rows 1, 2 and 38
//	backup.go      rows 3 to 9, and the Backup of row 37
//	claiming.go    rows 10 to 17
//	seizing.go     rows 18 to 20
//	active.go      rows 21 to 35, and the beginning of rows 36 and 37
//	leaving.go     rows 36 and 37
//	conflict.go    row 39
//
// What a node knows is kept by machines without a state of the table, each with data of its own. They know neither each other
// nor the Election:
//
//	health    whether this node has a healthy backend (priority.go)
//	heard     what the advertisements show
//	prober    who answers for the virtual addresses
//	presence  what a holder does to be one, and who else claims the addresses
//	arbiter   what is known of the Lease and held by it, and the questions: rows 29 and 34 (question.go)
//
// # One package
//
// The package has more than 1,600 lines because the table is one thing: a row reads what several machines know, and half of
// the rows exist in two forms, with the Lease and without. A border between VRRP and the Lease would be crossed by 20 of the
// 39 rows, and the border between core and table by every row.
package election
