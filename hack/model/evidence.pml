/* SPDX-License-Identifier: Apache-2.0 */

/*
 * A takeover beside a fresh Lease, by the evidence that nobody serves the address, for the model checker Spin. run.sh checks it
 * exhaustively within bounds. The Go contract is pkg/election/silence.go; the Lease itself is lease.pml.
 *
 * A node that hears no holder asks for the address. It notes the highest epoch that it knows when the asking begins. Where the
 * address was silent to the end, it claims the Lease by compare and swap, however fresh that is, and opens the address when the
 * write is answered, or after a short patience without an answer; then the late answer decides. What must hold:
 *
 *   one  no two nodes have the address open, each by a claim that was answered
 *   s0   claim uniqueness: no two processes ever own the same epoch, and the stored epochs grow
 *   s8   a renewal overwrites nothing but the claim of its writer
 *
 * An answer is true: a node that has the address open answers for it, one that has died does not, nor one whose fence has closed,
 * which never opens again by a renewal: it has let go of the address, as here after a death. Advertisements are all filtered: nodes
 * learn of each other by the address and the Lease alone. Nothing ages, so that a node may use what it has found at any time later.
 *
 * The one time that the model knows: a node waits for the answer to its claim, with the address closed, for a second at most after it
 * was sent. An epoch that was seen first less than a second before the asking began counts as one of meanwhile, as that of a node that
 * waits still does here; so may any other. How long an asking lasts, and the patience, are anything. A process that has died is another
 * one when it starts; one that froze and goes on is not modelled.
 *
 * Bounds:    NODES, WRITES to the store, LATE writes on their way at a time, DEATHS.
 * Ablations: WITHOUT_EPOCH (the evidence is not bound to the epoch at which the asking began), WITHOUT_VERSION (of the PUT),
 *            WITHOUT_LATE (the late answer does not decide), WITHOUT_SETTLED (the claim of a node that waits counts as known).
 */

#ifndef NODES
#define NODES 3
#endif
#ifndef WRITES
#define WRITES 3
#endif
#ifndef LATE
#define LATE 1
#endif
#ifndef DEATHS
#define DEATHS 1
#endif

/* What a node does. */
#define BACKUP  0
#define ASKING  1
#define PROVEN  2 /* the address was silent */
#define WAITING 3 /* its claim is not answered yet */
#define OPEN    4

/* The kinds of a write. */
#define NONE  0
#define CLAIM 1
#define RENEW 2

typedef Write {
	byte kind;
	byte base;   /* the version that must still be stored */
	byte author; /* the identity of its process */
	byte number  /* the epoch it writes */
};

/* The Lease: node 0 holds it, and the address. */
byte version = 1;
byte holder = 1; /* the identity of a process: that of node 0 at the start */
byte epoch = 1;

Write late[NODES]; /* a write that is not answered, and may be carried out later, or never */
byte onTheWay;
byte born = NODES; /* identities given so far */

byte does[NODES];
byte claim[NODES];  /* the epoch of its answered claim; 0: none */
byte runs[NODES];   /* the identity of its process */
byte owner[WRITES + 3]; /* for the invariants: the process that claimed an epoch */
bool one = true, s0 = true, s8 = true;
bool started;

#define ROOM (version <= WRITES)

#ifdef WITHOUT_VERSION
#define MATCHES(v) ROOM
#else
#define MATCHES(v) (ROOM && version == v)
#endif

/* The store carries out a write. */
inline carryOut(what, who, e) {
	if
	:: what == CLAIM ->
		s0 = owner[e] == 0 && e > epoch;
		assert(s0);
		owner[e] = who
	:: else ->
		s8 = holder == who && epoch == e;
		assert(s8)
	fi;
	holder = who;
	epoch = e;
	version++
}

inline forget(n) {
	late[n].kind = NONE;
	late[n].base = 0;
	late[n].author = 0;
	late[n].number = 0;
	onTheWay--
}

inline open(n) {
	does[n] = OPEN;
	for (k : 0 .. NODES - 1) {
		one = one && (k == n || does[k] != OPEN || claim[k] == 0 || claim[n] == 0)
	}
	k = 0;
	assert(one)
}

/* The late writes. */
active proctype World() {
	byte n;
end:	do
	:: atomic { onTheWay > 0 -> select(n : 0 .. NODES - 1);
		if
		:: late[n].kind == NONE
		:: d_step { late[n].kind != NONE && MATCHES(late[n].base) ->
			carryOut(late[n].kind, late[n].author, late[n].number);
			forget(n) }
		:: d_step { late[n].kind != NONE -> forget(n) } /* refused, or never arrived */
		fi;
		n = 0 }
	od
}

/* Another node has claimed what the evidence does not know. */
#ifdef WITHOUT_EPOCH
#define OVERTAKEN false
#else
#define OVERTAKEN (knownHolder != self && known > noted)
#endif

/* The late answer shows the claim of another node. */
#ifdef WITHOUT_LATE
#define LOST false
#else
#define LOST (knownHolder != self && known > noted)
#endif

/* The claim that the node waits for was carried out. One that it has given up is not taken for its own: it claims over it. */
#define MINE (knownHolder == self && bid > 0 && known == bid)

/* What is stored is known, and what follows from it. */
inline know() {
	base = version;
	knownHolder = holder;
	known = epoch;
	if
	:: (does[me] == OPEN || does[me] == WAITING) && claim[me] == 0 && MINE -> claim[me] = known; open(me) /* by its late write */
	:: does[me] == OPEN && claim[me] == 0 && knownHolder != self && LOST -> backup()
	:: does[me] == OPEN && claim[me] > 0 && knownHolder != self && known > claim[me] -> backup()
	:: (does[me] == PROVEN || does[me] == WAITING) && OVERTAKEN -> backup()
	:: does[me] == WAITING && !MINE && !OVERTAKEN -> does[me] = PROVEN; bid = 0 /* refused by a renewal: at once again */
	:: else
	fi
}

/* The evidence is thrown away. */
inline backup() {
	does[me] = BACKUP;
	claim[me] = 0;
	noted = 0;
	bid = 0
}

inline leave(what, e) {
	late[me].kind = what;
	late[me].base = base;
	late[me].author = self;
	late[me].number = e;
	onTheWay++
}

#define UNANSWERED (onTheWay < LATE && late[me].kind == NONE && ROOM)

#define WAITS(n) (does[n] == WAITING && runs[n] == knownHolder)

#if NODES == 2
#define SILENT (does[0] != OPEN && does[1] != OPEN)
#define UNDERWAY (WAITS(0) || WAITS(1))
#else
#define SILENT (does[0] != OPEN && does[1] != OPEN && does[2] != OPEN)
#define UNDERWAY (WAITS(0) || WAITS(1) || WAITS(2))
#endif

/* The epoch of the claim that is known may be that of a node that waits for its answer. */
#ifdef WITHOUT_SETTLED
#define SETTLED true
#else
#define SETTLED (!UNDERWAY)
#endif

active [NODES] proctype Node() {
	byte me = _pid - 1;
	byte self = _pid; /* identity */
	byte base = 1, knownHolder = 1, known = 1; /* the Lease as it is known */
	byte noted; /* the highest epoch known when the asking began */
	byte bid;   /* the epoch of the claim that it waits for; 0: of none */
	byte k;
	runs[me] = self;
	if
	:: d_step { me == 0 -> does[0] = OPEN; claim[0] = 1; owner[1] = 1; started = true }
	:: me > 0 && started
	fi;
end:	do
	/* A read. */
	:: d_step { base != version || does[me] == WAITING && late[me].kind == NONE -> know() }

	/* The asking begins, and ends: with an answer, or in silence. */
	:: d_step { does[me] == BACKUP && SETTLED -> does[me] = ASKING; noted = known }
	:: d_step { does[me] == BACKUP -> does[me] = ASKING; noted = known - 1 }
	:: d_step { does[me] == ASKING && !SILENT -> backup() }
	:: d_step { does[me] == ASKING && SILENT -> does[me] = PROVEN }

	/* The claim, by compare and swap: answered, or not yet. */
	:: d_step { does[me] == PROVEN && !OVERTAKEN && MATCHES(base) ->
		carryOut(CLAIM, self, known + 1);
		base = version; knownHolder = self; known = epoch; claim[me] = epoch; bid = 0;
		open(me) }
	:: d_step { does[me] == PROVEN && !OVERTAKEN && UNANSWERED -> leave(CLAIM, known + 1); bid = known + 1; does[me] = WAITING }

	/* The patience ends. */
	:: d_step { does[me] == WAITING && !OVERTAKEN -> open(me) }

	/* It has the address, and no claim: it claims again, until the answer decides. */
	:: d_step { does[me] == OPEN && claim[me] == 0 && MATCHES(base) ->
		carryOut(CLAIM, self, known + 1);
		base = version; knownHolder = self; known = epoch; claim[me] = epoch; bid = 0;
		open(me) }

	/* A renewal. */
	:: d_step { does[me] == OPEN && claim[me] > 0 && knownHolder == self && known == claim[me] && UNANSWERED -> leave(RENEW, known) }
	:: d_step { does[me] == OPEN && claim[me] > 0 && knownHolder == self && known == claim[me] && MATCHES(base) -> carryOut(RENEW, self, known); base = version }

	/* The process dies, lets go of the address, and starts with no memory; its write is still on its way. */
	:: d_step { born < NODES + DEATHS && does[me] != BACKUP -> born++; self = born; runs[me] = self; backup(); base = version; knownHolder = holder; known = epoch }
	od
}
