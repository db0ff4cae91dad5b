// SPDX-License-Identifier: Apache-2.0

package election

import (
	"slices"
	"strings"
)

// CauseOther is the cause of a move whose reason is none of the table: the addresses came or went without a change of state.
const CauseOther = "other"

// A cause is one of the few words that stand for the many reasons of transitions, as a metric needs them.
type cause struct {
	text   string // what the reason has, at its start or anywhere
	word   string
	taken  bool // the addresses are taken for it
	given  bool // they are given up for it
	inside bool // the text may stand anywhere: a name stands before it
}

// causes is read from the top: the first row that fits is the cause.
var causes = [...]cause{
	{text: "handed over: ", word: "handover", given: true},
	{text: "planned stop", word: "stop", given: true},
	{text: "stopped", word: "stop", given: true},
	{text: "successor took over", word: "stop", given: true},
	{text: "preempted ", word: "preemption", taken: true},
	{text: "preferred to ", word: "preference", taken: true},
	{text: "kube-vip ", word: "predecessor", taken: true},
	{text: "seizing the Lease of ", word: "seizure", taken: true},
	{text: "no advertisement heard, holder in distress", word: "distress", taken: true},
	{text: "no advertisement heard, who has the addresses has released them", word: "release", taken: true},
	{text: "no advertisement heard", word: "no_advertisement", taken: true},
	{text: "virtual address silent, ", word: "silence", taken: true},
	{text: "yielded ", word: "yield", given: true},
	{text: " has claimed epoch ", word: "lease_lost", given: true, inside: true},
	{text: " has taken the Lease, epoch ", word: "lease_lost", given: true, inside: true},
	{text: " renews the Lease, epoch ", word: "lease_lost", given: true, inside: true},
	{text: "lost the Lease to ", word: "lease_lost", given: true},
	{text: "the Lease could not be renewed: ", word: "lease_not_renewed", given: true},
	{text: "the seized Lease could not be renewed", word: "lease_not_renewed", given: true},
	{text: "did not run for ", word: "frozen", given: true},
	{text: "virtual addresses could not be kept", word: "address_lost", given: true},
	{text: "link down", word: "link_down", given: true},
	{text: "foreign holder", word: "conflict", given: true},
	{text: "no successor was heard", word: "no_successor", given: true},
}

// Cause returns the one word for the reason of a transition with which the addresses came or went.
func Cause(reason string) string {
	for _, c := range causes {
		if strings.HasPrefix(reason, c.text) || c.inside && strings.Contains(reason, c.text) {
			return c.word
		}
	}
	return CauseOther
}

// Causes returns the words for which the addresses come to a node, and those for which they leave it.
func Causes() (acquired, released []string) {
	add := func(words []string, word string) []string {
		if slices.Contains(words, word) {
			return words
		}
		return append(words, word)
	}
	for _, c := range causes {
		if c.taken {
			acquired = add(acquired, c.word)
		}
		if c.given {
			released = add(released, c.word)
		}
	}
	return append(acquired, CauseOther), append(released, CauseOther)
}
