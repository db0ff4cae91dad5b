// SPDX-License-Identifier: Apache-2.0

package main

var withoutProbe = []string{
	"if !e.probe.asked.IsZero() || e.heard.preemptable(e.now) {", "if true {",
	"	e.ask(min(e.probeTimeout(), e.skew()))\n", "",
	"case e.probe.fresh(e.now):\n\t\te.judge()", "case true:\n\t\te.take(\"no advertisement heard\")",
}

// ablations are the rules beyond VRRP.
var ablations = []ablation{
	{
		rule: "F5: probe before a takeover by silence", file: "backup.go",
		change: withoutProbe,
		test:   "TestRule/probe", says: "invariant S2-start is broken",
	},
	{
		rule: "F5: probe, without the API", file: "backup.go",
		change: withoutProbe,
		test:   "TestRule/probe,_without_the_API", says: "invariant S2-start is broken",
	},
	{
		rule: "F4: late fence", file: "active.go",
		change: []string{"silent > 3*interval-interval/10 {", "silent > 300*interval {"},
		test:   "TestRule/late_fence", says: "invariant S7 is broken",
	},
	{
		rule: "F11: distress on the wire", file: "priority.go",
		change: []string{"if e.health.distress {", "if false {"},
		test:   "TestRule/distress", says: "invariant L2 is broken",
	},
	{
		rule: "F11: no deference to a holder in distress", file: "backup.go",
		change: []string{"case inDistress(priority):\n\t\treturn false", "case false:"},
		test:   "TestRule/distress", says: "invariant L2 is broken",
	},
	{
		rule: "F11: patience with a holder in distress", file: "backup.go",
		change: []string{"until := from.Add(DistressPatience + e.skew() + e.cfg.turn())", "until := from"},
		test:   "TestRow8BackendsHaveJustFailed", says: "state Active, want Backup",
	},
	{
		rule: "F12: claims by ARP", file: "table.go",
		change: []string{", claimed: (*Election).activeClaimed", "", ", claimed: (*Election).leavingClaimed", ""},
		test:   "TestRule/claims_by_ARP", says: "invariant S2 is broken",
	},
	{
		rule: "make before break", file: "active.go",
		change: []string{"\te.leave = leave{until", "\te.do(Release{}, Advertise{Priority: vrrp.PriorityRelease})\n\te.finish(\"stopped\")\n\treturn\n\te.leave = leave{until"},
		test:   "TestRuleMakeBeforeBreak", says: `nobody held for [5-9]\d\dms`,
	},

	{
		rule: "the Lease has the last word", file: "claiming.go",
		change: []string{"case !e.cfg.arbitrates():\n\t\te.becomeActive(reason)", "case true:\n\t\te.becomeActive(reason)"},
		test:   "TestRuleCosts/the_Lease_has_the_last_word", says: "want less than 72.0",
	},
	{
		rule: "F1: epochs in the claims", file: "priority.go",
		change: []string{"return claimPriority(e.arbiter.claim.epoch)", "return lowestClaim + claims - 1"},
		test:   "TestRule/epochs_in_the_claims", says: "invariant S5 is broken",
	},
	{
		rule: "F2: a claim is kept without the API", file: "priority.go",
		change: []string{"if e.arbiter.claim.epoch > 0 {", "if e.arbiter.verified(e.now) {"},
		test:   "TestRuleKeptClaim", says: `[1-9] moves while nobody could write the Lease`,
	},
	{
		rule: "F9: seizure", file: "arbiter.go",
		change: []string{"return a.cfg.Mode == Hybrid && ", "return false && "},
		test:   "TestRule/seizure", says: "invariant L3 is broken",
	},
	{
		rule: "F6: staleness is proved by two questions", file: "arbiter.go",
		change: []string{"return a.asked.Sub(a.first) >= ", "return now.Sub(a.first) >= "},
		test:   "TestStalenessIsProvedByQuestions", says: "stale true, want false",
	},
	{
		rule: "F8: only a newer epoch ends a claim", file: "active.go",
		change: []string{"a.others() && l.Epoch > a.claim.epoch:", "a.others():"},
		test:   "TestRuleCosts/a_lost_Lease_is_asserted", says: "want less than 27.6",
	},
	{
		rule: "F8: a claim has an epoch that nobody had", file: "question.go",
		change: []string{"max(a.lease.Epoch, a.highest)+1", "a.lease.Epoch+1"},
		test:   "TestHolderAsserts", says: "want the new claim advertised",
	},
	{
		rule: "F10: a release on the wire is one of the Lease", file: "arbiter.go",
		change: []string{", a.abdicated(now):", ":"},
		test:   "TestRuleAbdication", says: `the successor took (1\.[5-9]|[2-9])`,
	},
	{
		rule: "F10: a release is bound to its holder", file: "arbiter.go",
		change: []string{"return d.from == a.lease.Address && ", "return "},
		test:   "TestAbdicationIsBound/another_node", says: "abdicated true, want false",
	},
	{
		rule: "F10: a release counts for a short time", file: "arbiter.go",
		change: []string{" && now.Sub(d.at) <= abdicationFor*a.cfg.AdvertisementInterval", ""},
		test:   "TestAbdicationIsBound/long_ago", says: "abdicated true, want false",
	},
	{
		rule: "F13: the node that renews the Lease is the holder", file: "active.go",
		change: []string{"case a.others() && e.now.Sub(a.renewed) < 2*e.cfg.Lease.RenewInterval:", "case false:"},
		test:   "TestRuleCosts/who_renews_the_Lease_is_the_holder", says: "want less than 15.5",
	},
	{
		rule: "F14: an earlier process of the node is dead", file: "arbiter.go",
		change: []string{"a.sameNode(), a.abdicated(now):", "a.abdicated(now):"},
		test:   "TestEarlierProcessOfThisNodeIsDead", says: `holder "me/0": available false, want true`,
	},
	{
		rule: "a refused takeover is tried again soon", file: "arbiter.go",
		change: []string{"return min(max(provable, retryRefused/10), retryRefused)", "return max(0*provable, 3*time.Second)"},
		test:   "TestRuleFastRetry", says: `nobody held for [5-9]\.`,
	},
	{
		rule: "F9: a new claimant has its own time", file: "arbiter.go",
		change: []string{"a.seize.from = time.Time{}\n\t}\n\ta.lease", "}\n\ta.lease"},
		test:   "TestNewClaimantHasItsOwnTime", says: `want holder "other/1" epoch 2`,
	},
	{
		rule: "F9: a node that lost a seized Lease takes nothing", file: "seizing.go",
		change: []string{"if a.outcome == Answered && !e.arbiter.confirms() {", "if false {"},
		test:   "TestSeizureLost", says: "state (Seizing|Active), want Backup",
	},
	{
		rule: "F19: a holder in distress releases the Lease", file: "question.go",
		change: []string{"return !distress || a.since.IsZero()", "return true || a.since.IsZero()"},
		test:   "TestRule/release_in_distress", says: "invariant L2 is broken",
	},
	{
		rule: "F3: a takeover waits for a dead kernel", file: "claiming.go",
		change: []string{"case e.now.Before(e.heard.expired(&e.cfg)):", "case false:"},
		test:   "TestRow12ZombieOfAPeer", says: "state Active, want Claiming",
	},
	{
		rule: "F15: two questions without an answer are enough", file: "question.go",
		change: []string{"return a.failures >= Unreachable && ", "return false && "},
		test:   "TestUnreachableLeaseDoesNotHinder", says: "state Claiming after 6s, want Active",
	},
	{
		rule: "F16: the loser advertises once more", file: "active.go",
		change: []string{"e.do(Advertise{Priority: e.priority()}, Release{})", "e.do(Release{})"},
		test:   "TestAblationOfLastWord", says: `the client did not know the holder for [1-9]`,
	},
	{
		rule: "F17: a claim that never yields is none", file: "heard.go",
		change: []string{"return now.Sub(r.since) >= defiance", "return false"},
		test:   "TestClaimThatNeverGivesWay", says: "two routers hold for ever",
	},
	{
		rule: "F18: an address that is served is not claimed", file: "claiming.go",
		change: []string{"	case Live:\n\t\te.served(a)", "	case Live:\n\t\te.take(\"\")"},
		test:   "TestServedAddressIsNotClaimed", says: "wrote ",
	},
}
