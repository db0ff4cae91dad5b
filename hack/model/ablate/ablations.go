// SPDX-License-Identifier: Apache-2.0

package main

var withoutProbe = []string{
	"if !e.probe.asked.IsZero() || e.preempting() {", "if true {",
	"	e.ask(min(e.probeTimeout(), skew))\n", "",
	"case e.probe.fresh(e.now):\n\t\te.judge()", "case true:\n\t\te.take(\"no advertisement heard\")",
}

// ablations are the rules beyond VRRP.
var ablations = []ablation{
	{
		rule: "probe before a takeover by silence", file: "backup.go",
		change: withoutProbe,
		test:   "TestRule/probe", says: "invariant S2-start is broken",
	},
	{
		rule: "probe, without the API", file: "backup.go",
		change: withoutProbe,
		test:   "TestRule/probe,_without_the_API", says: "invariant S2-start is broken",
	},
	{
		rule: "late fence", file: "active.go",
		change: []string{"case e.state == Active && silent > 3*interval-interval/10:", "case e.state == Active && silent > 300*interval:"},
		test:   "TestRule/late_fence", says: "invariant S7 is broken",
	},
	{
		rule: "distress on the wire", file: "priority.go",
		change: []string{"if e.health.distress {", "if false {"},
		test:   "TestRule/distress", says: "invariant L2 is broken",
	},
	{
		rule: "no deference to a holder in distress", file: "backup.go",
		change: []string{"case inDistress(priority):\n\t\treturn false", "case false:"},
		test:   "TestRule/distress", says: "invariant L2 is broken",
	},
	{
		rule: "patience with a holder in distress", file: "backup.go",
		change: []string{"until := from.Add(distressPatience + e.skew() + e.turn())", "until := from"},
		test:   "TestRow8BackendsHaveJustFailed", says: "state Active, want Backup",
	},
	{
		rule: "claims by ARP", file: "active.go",
		change: []string{"case e.state == Leaving && ev.Peer.IsValid():", "case true:\n\tcase e.state == Leaving && ev.Peer.IsValid():"},
		test:   "TestRule/claims_by_ARP", says: "invariant S2 is broken",
	},
	{
		rule: "make before break", file: "active.go",
		change: []string{"case e.state != Active:\n\t\te.finish(\"stopped\")", "case true:\n\t\te.do(Release{}, Advertise{Priority: vrrp.PriorityRelease})\n\t\te.finish(\"stopped\")"},
		test:   "TestRuleMakeBeforeBreak", says: `nobody held for [5-9]\d\dms`,
	},

	{
		rule: "the Lease has the last word", file: "takeover.go",
		change: []string{"case !e.arbitrates():\n\t\te.becomeActive(reason)", "case true:\n\t\te.becomeActive(reason)"},
		test:   "TestRuleCosts/the_Lease_has_the_last_word", says: "want less than 72.0",
	},
	{
		rule: "epochs in the claims", file: "priority.go",
		change: []string{"return claimPriority(e.claim.epoch)", "return lowestClaim + claims - 1"},
		test:   "TestRule/epochs_in_the_claims", says: "invariant S5 is broken",
	},
	{
		rule: "a claim is kept without the API", file: "priority.go",
		change: []string{"if e.claim.epoch > 0 {", "if e.verified() {"},
		test:   "TestRuleKeptClaim", says: `[1-9] moves while nobody could write the Lease`,
	},
	{
		rule: "seizure", file: "takeover.go",
		change: []string{"return e.cfg.Mode == Hybrid && !e.preempting()", "return false && !e.preempting()"},
		test:   "TestRule/seizure", says: "invariant L3 is broken",
	},
	{
		rule: "staleness is proved by two questions", file: "arbiter.go",
		change: []string{"return a.asked.Sub(a.first) >= e.cfg.Lease.StaleAfter", "return e.now.Sub(a.first) >= e.cfg.Lease.StaleAfter"},
		test:   "TestStalenessIsProvedByQuestions", says: "stale true, want false",
	},
	{
		rule: "only a newer epoch ends a claim", file: "takeover.go",
		change: []string{"foreign && l.Epoch > e.claim.epoch:", "foreign:"},
		test:   "TestRuleCosts/a_lost_Lease_is_asserted", says: "want less than 27.6",
	},
	{
		rule: "a claim has an epoch that nobody had", file: "arbiter.go",
		change: []string{"max(a.lease.Epoch, a.highest)+1", "a.lease.Epoch+1"},
		test:   "TestHolderAsserts", says: "want the new claim advertised",
	},
	{
		rule: "a release on the wire is one of the Lease", file: "arbiter.go",
		change: []string{"case e.abdicated(l):", "case false:"},
		test:   "TestRuleAbdication", says: `the successor took (1\.[5-9]|[2-9])`,
	},
	{
		rule: "a release is bound to its holder", file: "arbiter.go",
		change: []string{"return d.from == l.Address && ", "return "},
		test:   "TestAbdicationIsBound/another_node", says: "abdicated true, want false",
	},
	{
		rule: "a release counts for a short time", file: "arbiter.go",
		change: []string{" && e.now.Sub(d.at) <= abdicationFor*e.cfg.AdvertisementInterval", ""},
		test:   "TestAbdicationIsBound/long_ago", says: "abdicated true, want false",
	},
	{
		rule: "who renews the Lease is the holder", file: "takeover.go",
		change: []string{"case foreign && e.now.Sub(a.lively) < 2*e.cfg.Lease.RenewInterval:", "case foreign && a == nil:"},
		test:   "TestRuleCosts/who_renews_the_Lease_is_the_holder", says: "want less than 15.5",
	},
	{
		rule: "an earlier process of the node is dead", file: "arbiter.go",
		change: []string{"case e.sameNode(l.Holder):\n\t\treturn true", "case false:"},
		test:   "TestEarlierProcessOfThisNodeIsDead", says: `holder "me/0": available false, want true`,
	},
	{
		rule: "a refused takeover is tried again soon", file: "takeover.go",
		change: []string{"return min(max(provable, retryRefused/10), retryRefused)", "return max(0*provable, 3*e.heard.interval)"},
		test:   "TestRuleFastRetry", says: `nobody held for [5-9]\.`,
	},
	{
		rule: "a new claimant has its own time", file: "arbiter.go",
		change: []string{"e.seize.from = time.Time{} // a new", "// a new"},
		test:   "TestNewClaimantHasItsOwnTime", says: `want holder "other/1" epoch 2`,
	},
	{
		rule: "who lost a seized Lease takes nothing", file: "takeover.go",
		change: []string{"if o == Answered && !e.confirms() {", "if false {"},
		test:   "TestSeizureLost", says: "state (Seizing|Active), want Backup",
	},
	{
		rule: "a holder in distress releases the Lease", file: "arbiter.go",
		change: []string{"return !e.health.distress || since.IsZero()", "return true || since.IsZero()"},
		test:   "TestRule/release_in_distress", says: "invariant L2 is broken",
	},
}
