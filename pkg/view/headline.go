// SPDX-License-Identifier: Apache-2.0

package view

import (
	"strings"

	"github.com/harbinger-ha/harbinger/pkg/apis/status/v1alpha1"
)

// Headline is what somebody must read who reads one line.
type Headline struct {
	// Severity is that of the worst finding; empty: there is none.
	Severity string
	// Condition is that of the worst finding; empty: there is none.
	Condition string
	// Text says it in one sentence.
	Text string
	// Action says in one sentence what to do. Empty: nothing.
	Action string
	// Repeated says that the first of the findings of this host has the same words, and more.
	Repeated bool
}

// HeadlineOf says the worst of a status. "Well: " starts it only where nothing is wrong at this host, and no other host says that
// something is wrong there.
func HeadlineOf(s *v1alpha1.HarbingerStatus) Headline {
	if worst := s.Worst(); worst != nil {
		return Headline{
			Severity: worst.Severity, Condition: worst.Condition, Text: sentence(worst.Summary), Action: sentence(worst.Action),
			Repeated: true,
		}
	}
	if !s.Ready { // a version that knows no findings
		return Headline{
			Severity: v1alpha1.SeverityCritical, Condition: v1alpha1.ConditionReady,
			Text: sentence("This host is not ready: " + strings.Join(s.NotReady, "; ")),
		}
	}
	if h := worstElsewhere(s); h != nil {
		name := NamesOf(s).Of(h.Address)
		return Headline{
			Severity: h.Severity, Condition: h.Finding, Text: sentence("This host is well, but " + name + " has a finding: " + Words(Safe(h.Finding))),
			Action: "Run harbinger status on " + name + ".",
		}
	}
	if NamesOf(s).Holder(s) == "" {
		return Headline{
			Severity: v1alpha1.SeverityWarning, Condition: v1alpha1.ConditionReady,
			Text: sentence("This host has not heard yet who holds " + addresses(s) + ": it is " + s.VirtualRouter.State),
		}
	}
	text := "Well: " + NamesOf(s).Holder(s) + " holds " + addresses(s)
	if len(s.Hosts) > 0 {
		text += ", " + Count(Standby(s), "host", "hosts") + " could take over"
	}
	return Headline{Text: sentence(text)}
}

// worstElsewhere returns the other host that says the worst of itself.
func worstElsewhere(s *v1alpha1.HarbingerStatus) (worst *v1alpha1.HostSummary) {
	finding := func(h *v1alpha1.HostSummary) v1alpha1.Finding {
		return v1alpha1.Finding{Condition: h.Finding, Severity: h.Severity}
	}
	for i := range s.Hosts {
		h := &s.Hosts[i]
		if h.Self || h.Finding == "" || h.Failure != "" {
			continue
		}
		if worst == nil || v1alpha1.CompareFindings(finding(h), finding(worst)) < 0 {
			worst = h
		}
	}
	return worst
}

// addresses are the virtual addresses, without their prefix lengths.
func addresses(s *v1alpha1.HarbingerStatus) string {
	var all []string
	for _, p := range s.VirtualAddresses {
		all = append(all, p.Addr().String())
	}
	return strings.Join(all, ", ")
}

// Standby counts the hosts that are ready, do not hold the virtual addresses, and answered when they were asked last.
func Standby(s *v1alpha1.HarbingerStatus) (n int) {
	for _, h := range s.Hosts {
		if h.Ready && !h.Held && h.Failure == "" {
			n++
		}
	}
	return n
}

// sentence makes a text a safe one that ends with a mark. Its first letter stays as it is: it may be that of a name.
func sentence(text string) string {
	text = strings.TrimSpace(Safe(text))
	if text == "" || strings.ContainsAny(text[len(text)-1:], ".!?") {
		return text
	}
	return text + "."
}
