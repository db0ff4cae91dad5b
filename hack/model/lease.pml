/* SPDX-License-Identifier: Apache-2.0 */

/*
 * The Lease part of the election, for the model checker Spin. run.sh checks it exhaustively within bounds. The Go contract
 * is pkg/election/lease.go.
 *
 * The model has no time. Whatever the election concludes from time (a Lease is stale, a holder is silent, an abdication is
 * recent) may be concluded here at any moment, so each take-over is allowed always. What is left must hold by the versions
 * and the epochs alone:
 *
 *   s0       claim uniqueness: no two processes (a node and its incarnation) ever own the same epoch between two losses of
 *            the Lease, and the stored epochs grow
 *   s8       a renewal or a release overwrites nothing but the claim of its writer
 *   drained  a seizure, the Lease taken from a holder that renews it (rule F9), adds no address while the process it was
 *            taken from holds, unless that one has no answer from the store (until the first loss of the Lease)
 *   grows    the epochs of one process grow, over losses of the Lease too
 *
 * What may happen at any moment: a write is carried out and answered, is refused, or is not answered; then it is carried
 * out later if its version still matches, or never (rule F14). A process dies, and starts with no memory as a new
 * incarnation; its unanswered writes are still on their way. The Lease is lost: deleted, or rolled back to an earlier claim
 * under a new version, as a store does that is restored with its revisions bumped. (Where a restore repeats versions, no
 * client can know.)
 *
 * The address is not modelled: a process with a claim has it, unless it is draining. Without a claim it may have it by VRRP,
 * which the Lease does not arbitrate.
 *
 * Bounds:    NODES, WRITES to the store, LATE writes on their way at a time, CRASHES, LOSSES of the Lease.
 * Ablations: WITHOUT_OWN (rule F7), WITHOUT_VERSION (of the PUT), WITHOUT_YIELD (row 30), WITHOUT_DRAIN (F9),
 *            WITHOUT_SEEN (F8). The rows are those of the transition table.
 */

#ifndef NODES
#define NODES 2
#endif
#ifndef WRITES
#define WRITES 5
#endif
#ifndef LATE
#define LATE 1
#endif
#ifndef CRASHES
#define CRASHES 1
#endif
#ifndef LOSSES
#define LOSSES 1
#endif

#define NOBODY 0 /* the holder of a released Lease */
#define ABSENT 0 /* the version of no Lease */

/* The kinds of a write. */
#define NONE    0
#define CLAIM   1
#define RENEW   2
#define RELEASE 3

typedef Lease {
	byte version;
	byte holder; /* the identity of a process */
	byte epoch
};

typedef Write {
	byte kind;
	byte base;   /* the version that must still be stored */
	byte author; /* the identity of its process */
	byte number  /* the epoch it writes */
};

Lease stored;
byte revision;     /* of the store */
Write late[NODES]; /* a write of each node that was not answered and may still be carried out */
byte onTheWay;     /* how many there are */
byte born = NODES; /* identities given so far */
byte losses;

byte claim[NODES];    /* the epoch that the process of the node holds by; 0: none */
bool draining[NODES]; /* it has seized the Lease and waits with the address */
bool cut[NODES];      /* its last question was not answered */

/* For the invariants alone. */
byte owner[WRITES + 1]; /* the process that claimed an epoch, since the last loss */
bool unaware[NODES];    /* it has a claim, another was made, and it has asked nothing since */
bool s0 = true, s8 = true, drained = true, grows = true;

#define HOLDS(n) (claim[n] > 0 && !draining[n])
#define ROOM     (revision < WRITES)

#ifdef WITHOUT_VERSION
#define MATCHES(v) ROOM
#else
#define MATCHES(v) (ROOM && stored.version == v)
#endif

/* The store carries out a write. */
inline carryOut(what, who, e) {
	if
	:: what == CLAIM ->
		s0 = owner[e] == NOBODY && e > stored.epoch;
		assert(s0);
		owner[e] = who;
		for (k : 0 .. NODES - 1) {
			unaware[k] = claim[k] > 0
		}
		k = 0
	:: else ->
		s8 = stored.holder == who && stored.epoch == e;
		assert(s8)
	fi;
	stored.holder = (what == RELEASE -> NOBODY : who);
	stored.epoch = e;
	revision++;
	stored.version = revision
}

/* The Lease is lost back to an epoch, 0 for none: the later ones were never claimed. */
inline lose(e) {
	losses++;
	stored.epoch = e;
	stored.holder = owner[e];
	for (k : e + 1 .. WRITES) {
		owner[k] = NOBODY
	}
	k = 0
}

inline forget(n) {
	late[n].kind = NONE;
	late[n].base = 0;
	late[n].author = 0;
	late[n].number = 0;
	onTheWay--
}

/* What happens to the store without the processes. */
active proctype World() {
	byte k, n;
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
	:: d_step { losses < LOSSES && stored.version != ABSENT ->
		lose(0);
		stored.version = ABSENT }
	:: atomic { losses < LOSSES && ROOM && stored.epoch > 1 -> select(n : 1 .. stored.epoch - 1);
		if
		:: owner[n] == NOBODY
		:: d_step { owner[n] != NOBODY ->
			lose(n);
			revision++;
			stored.version = revision }
		fi;
		n = 0 }
	od
}

/* What the process knows is its own claim. */
#define MINE (claim[node] > 0 && holder == me && epoch == claim[node])

/* Somebody has claimed after the process. An epoch of its own that it does not know, by a late write, is no reason to go
   (F14). While it is draining, an equal epoch is one: row 18. */
#define LOST (claim[node] > 0 && holder != me && (epoch > claim[node] || draining[node] && epoch == claim[node]))

/* The epoch of the next claim: above the stored one, and above each that was ever known. */
#ifdef WITHOUT_SEEN
#define NEXT (epoch + 1)
#else
#define NEXT (seen + 1)
#endif

inline layDown() {
	claim[node] = 0;
	draining[node] = false
}

/* What is stored is known. */
inline know() {
	version = stored.version;
	holder = stored.holder;
	epoch = stored.epoch;
	if
	:: epoch > seen -> seen = epoch
	:: else
	fi
}

/* The process has asked, and has an answer or has none. */
inline asked(unanswered) {
	cut[node] = unanswered;
	unaware[node] = false
}

/* A write is sent on what is known and gets no answer. */
inline leave(what, e) {
	late[node].kind = what;
	late[node].base = version;
	late[node].author = me;
	late[node].number = e;
	onTheWay++;
	asked(true)
}

#define ANSWERED   MATCHES(version)
#define UNANSWERED (onTheWay < LATE && late[node].kind == NONE && ROOM)

/* The wait is long enough for each other process with a claim to ask, and to have an answer or none. */
#if defined(WITHOUT_DRAIN)
#define WAITED true
#elif NODES == 2
#define WAITED (unaware[0] + unaware[1] == unaware[node])
#elif NODES == 3
#define WAITED (unaware[0] + unaware[1] + unaware[2] == unaware[node])
#endif

/* A write that is refused is left out: it changes nothing, and the read after it shows why. */
active [NODES] proctype Node() {
	byte node = _pid - 1;
	byte me = _pid;             /* identity */
	byte version, holder, epoch; /* the Lease as it is known */
	byte seen;                  /* the highest epoch ever known */
	byte k;
end:	do
	/* A read, and what follows from it: rows 18, 30. */
#ifdef WITHOUT_OWN
	:: d_step { version != stored.version -> know() } /* by a reader that the election does not wait for */
#define READ (version == stored.version && (LOST || cut[node] || unaware[node]))
#else
#define READ (version != stored.version || cut[node] || unaware[node])
#endif
	:: d_step { READ ->
		know();
		asked(false);
		if
#ifndef WITHOUT_YIELD
		:: LOST -> layDown()
#endif
		:: else
		fi }

	/* A take-over: rows 14, 17, 32. A seizure: row 19. Asserting again a claim that was lost by deletion or roll-back: 31. */
	:: d_step { !MINE && !LOST && UNANSWERED -> leave(CLAIM, NEXT) }
	:: atomic { !MINE && !LOST && ANSWERED ->
		d_step {
			grows = NEXT > claim[node];
			assert(grows);
			carryOut(CLAIM, me, NEXT);
			know();
			asked(false)
		}
		if
		:: claim[node] == 0 -> draining[node] = true
		:: true
		fi;
		claim[node] = epoch }

	/* A renewal, on the own claim only: row 29. */
#ifdef WITHOUT_OWN
#define RENEWABLE (claim[node] > 0)
#else
#define RENEWABLE MINE
#endif
	:: d_step { RENEWABLE && UNANSWERED -> leave(RENEW, claim[node]) }
	:: d_step { RENEWABLE && ANSWERED -> carryOut(RENEW, me, claim[node]); know(); asked(false) }

	/* A release, in distress or before a stop: the epoch is kept. Rows 10, 34, 36. */
	:: d_step { MINE && UNANSWERED -> leave(RELEASE, epoch); layDown() }
	:: d_step { MINE && ANSWERED -> carryOut(RELEASE, me, epoch); know(); asked(false); layDown() }

	/* The wait of a seizure ends: row 20. It is long enough for each holder to ask once more. */
	:: d_step { draining[node] && WAITED ->
		for (k : 0 .. NODES - 1) {
			drained = drained && (losses > 0 || !HOLDS(k) || claim[k] > claim[node] || cut[k])
		}
		k = 0;
		assert(drained);
		draining[node] = false }

	/* The process dies and starts with no memory. */
	:: d_step { born < NODES + CRASHES ->
		born++;
		me = born;
		layDown();
		version = ABSENT; holder = NOBODY; epoch = 0; seen = 0;
		cut[node] = false; unaware[node] = false }
	od
}
