// SPDX-License-Identifier: Apache-2.0

package report

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/harbinger-ha/harbinger/pkg/apis/status/v1alpha1"
	"github.com/harbinger-ha/harbinger/pkg/election"
	"github.com/harbinger-ha/harbinger/pkg/view"
)

// subject is what a finding is made from.
type subject struct {
	f         Facts
	s         *v1alpha1.HarbingerStatus
	why       []string // for which the node is not ready, and which no other condition says
	condition metav1.Condition
	names     view.Names
	vips      string // the virtual addresses, for a sentence
}

// words are what a finding says.
type words struct {
	summary, detail, action string
	commands                []string
}

// finder makes the finding of one type of condition.
type finder struct {
	bad      metav1.ConditionStatus
	severity severity
	// covers are the conditions whose findings would only repeat this one.
	covers []string
	say    func(subject) words
}

// finders has each type of condition. Those of the types that are bad where they are False come first.
var finders = map[string]finder{
	v1alpha1.ConditionReady:              {bad: metav1.ConditionFalse, severity: ifAlone, say: sayReady},
	v1alpha1.ConditionBackendAvailable:   {bad: metav1.ConditionFalse, severity: critical, covers: []string{v1alpha1.ConditionBackendsHealthy}, say: sayBackendAvailable},
	v1alpha1.ConditionBackendsHealthy:    {bad: metav1.ConditionFalse, severity: warning, say: sayBackendsHealthy},
	v1alpha1.ConditionActionsSucceed:     {bad: metav1.ConditionFalse, severity: ifAlone, say: sayActionsSucceed},
	v1alpha1.ConditionAuthenticated:      {bad: metav1.ConditionFalse, severity: warning, say: sayAuthenticated},
	v1alpha1.ConditionAPIReachable:       {bad: metav1.ConditionFalse, severity: ifLeaseAlone, covers: []string{v1alpha1.ConditionArbitrated}, say: sayAPIReachable},
	v1alpha1.ConditionArbitrated:         {bad: metav1.ConditionFalse, severity: ifLeaseAlone, say: sayArbitrated},
	v1alpha1.ConditionRedundant:          {bad: metav1.ConditionFalse, severity: warning, say: sayRedundant},
	v1alpha1.ConditionFenced:             {bad: metav1.ConditionFalse, severity: warning, say: sayFenced},
	v1alpha1.ConditionCredentialsCurrent: {bad: metav1.ConditionFalse, severity: warning, say: sayCredentialsCurrent},
	v1alpha1.ConditionFilesCurrent:       {bad: metav1.ConditionFalse, severity: warning, say: sayFilesCurrent},
	v1alpha1.ConditionConfined:           {bad: metav1.ConditionFalse, severity: warning, say: sayConfined},
	v1alpha1.ConditionKernelBalances:     {bad: metav1.ConditionFalse, severity: warning, say: sayKernelBalances},

	v1alpha1.ConditionConflict:              {bad: metav1.ConditionTrue, severity: critical, say: sayConflict},
	v1alpha1.ConditionSplitSuspected:        {bad: metav1.ConditionTrue, severity: critical, covers: []string{v1alpha1.ConditionFiltered}, say: saySplitSuspected},
	v1alpha1.ConditionUnreachable:           {bad: metav1.ConditionTrue, severity: ifHeld, say: sayUnreachable},
	v1alpha1.ConditionDegraded:              {bad: metav1.ConditionTrue, severity: critical, covers: []string{v1alpha1.ConditionBackendAvailable, v1alpha1.ConditionBackendsHealthy}, say: sayDegraded},
	v1alpha1.ConditionForged:                {bad: metav1.ConditionTrue, severity: warning, say: sayForged},
	v1alpha1.ConditionFiltered:              {bad: metav1.ConditionTrue, severity: ifHeld, say: sayFiltered},
	v1alpha1.ConditionIsolated:              {bad: metav1.ConditionTrue, severity: warning, covers: []string{v1alpha1.ConditionRedundant}, say: sayIsolated},
	v1alpha1.ConditionAdvertisementsRefused: {bad: metav1.ConditionTrue, severity: warning, say: sayAdvertisementsRefused},
	v1alpha1.ConditionBackendsLeftOut:       {bad: metav1.ConditionTrue, severity: warning, say: sayBackendsLeftOut},
}

// A severity is how bad a finding is, which may depend on where it is found.
type severity struct {
	text     string // for the page
	critical func(subject) bool
}

var (
	critical = severity{v1alpha1.SeverityCritical, func(subject) bool { return true }}
	warning  = severity{v1alpha1.SeverityWarning, func(subject) bool { return false }}
	// ifHeld is critical at the host that has the virtual addresses: clients meet it.
	ifHeld = severity{"Critical at the holder, else Warning", func(j subject) bool { return j.s.VirtualRouter.Held }}
	// ifAlone is critical where clients meet it, too, because no other host is heard.
	ifAlone = severity{"Critical at the holder and where no other one is heard, else Warning", func(j subject) bool {
		return j.s.VirtualRouter.Held || !heard(j.f.Loop)
	}}
	// ifLeaseAlone is critical where nobody can take over without the Lease.
	ifLeaseAlone = severity{"Warning; Critical in mode Lease", func(j subject) bool { return j.f.Config.Election.Mode == election.LeaseOnly }}
)

// of says how bad a finding is.
func (s severity) of(j subject) string {
	if s.critical(j) {
		return v1alpha1.SeverityCritical
	}
	return v1alpha1.SeverityWarning
}

// Judgement says with which status a type of condition is a finding, and how bad that is, in words.
func Judgement(kind string) (bad metav1.ConditionStatus, severity string) {
	rule := finders[kind]
	return rule.bad, rule.severity.text
}

// findings returns what is wrong, worst first. Because are the reasons for which the node is not ready.
func findings(f Facts, s *v1alpha1.HarbingerStatus, why []because) (all []v1alpha1.Finding) {
	j := subject{f: f, s: s, names: view.NamesOf(s), vips: addresses(s.VirtualAddresses)}
	for _, x := range why { // those that no other condition says
		if c := meta.FindStatusCondition(s.Conditions, x.condition); c == nil || !isBad(*c) {
			j.why = append(j.why, x.text)
		}
	}
	slices.Sort(j.why)
	repeated := repeats(j)
	for _, c := range s.Conditions {
		if !isBad(c) || slices.Contains(repeated, c.Type) {
			continue
		}
		j.condition = c
		rule := finders[c.Type]
		said := rule.say(j)
		all = append(all, v1alpha1.Finding{
			Condition: c.Type, Severity: rule.severity.of(j), Summary: said.summary, Detail: said.detail, Since: c.LastTransitionTime.UTC(),
			Action: said.action, Commands: said.commands,
		})
	}
	slices.SortStableFunc(all, v1alpha1.CompareFindings)
	return all
}

// isBad reports whether a condition is not as it should be. One that is not known is not bad.
func isBad(c metav1.Condition) bool { return c.Status == finders[c.Type].bad }

// repeats returns the conditions that would only say once more what another one says.
func repeats(j subject) (all []string) {
	for _, c := range j.s.Conditions {
		if isBad(c) {
			all = append(all, finders[c.Type].covers...)
		}
		if c.Type == v1alpha1.ConditionCredentialsCurrent && c.Reason == reasonExpired {
			all = append(all, v1alpha1.ConditionAPIReachable, v1alpha1.ConditionArbitrated)
		}
	}
	if len(j.why) == 0 {
		all = append(all, v1alpha1.ConditionReady)
	}
	return all
}

// worst returns the condition and the severity of the worst finding; empty: there is none.
func worst(s *v1alpha1.HarbingerStatus) (condition, severity string) {
	if f := s.Worst(); f != nil {
		return f.Condition, f.Severity
	}
	return "", ""
}

// addresses are the virtual addresses in a sentence.
func addresses(all []netip.Prefix) string {
	var texts []string
	for _, p := range all {
		texts = append(texts, p.Addr().String())
	}
	return list(texts)
}

// list joins the parts of a sentence.
func list(parts []string) string {
	if len(parts) < 2 {
		return strings.Join(parts, "")
	}
	return strings.Join(parts[:len(parts)-1], ", ") + " and " + parts[len(parts)-1]
}

// host is a host in a sentence: its name, with the address beside it.
func (j subject) host(address string) string {
	name := j.names.Of(address)
	if name == address {
		return name
	}
	return fmt.Sprintf("%s (%s)", name, address)
}
