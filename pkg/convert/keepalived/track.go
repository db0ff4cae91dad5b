// SPDX-License-Identifier: Apache-2.0

package keepalived

import (
	"fmt"
	"slices"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/harbinger-ha/harbinger/pkg/convert"
)

const otherInterface = "only the interface of the addresses is watched"

// track is a line of track_script and of its kind: what is tracked, with a weight of its own or that of its definition.
type track struct {
	convert.Statement        // the line, with the word of its block before it
	kind              string // the block of the definition; empty: an interface
	group             bool   // of vrrp_sync_group
}

// kinds are the blocks that define what a block tracks. An interface needs no definition.
var kinds = map[string]string{"track_script": scriptBlock, "track_process": processBlock, fileBlock: fileBlock, "track_bfd": bfdBlock}

// define keeps what can be tracked.
func (k *keepalived) define(s convert.Statement) bool {
	if s.Word(0) == "vrrp_track_file" {
		s.Words = slices.Concat([]string{fileBlock}, s.Words[1:])
	}
	k.defined = append(k.defined, s)
	return false
}

func (k *keepalived) readTrack(block convert.Statement) bool { return k.addTracks(block, false) }

func (k *keepalived) addTracks(block convert.Statement, group bool) bool {
	for _, s := range block.Block {
		s.Words = slices.Concat(block.Words[:1], s.Words)
		k.tracks = append(k.tracks, track{s, kinds[block.Word(0)], group})
	}
	return false
}

// readSync keeps a group until it is known which instance there is.
func (k *keepalived) readSync(s convert.Statement) bool {
	k.syncs = append(k.syncs, s)
	return false
}

func (k *keepalived) readSyncMembers(block convert.Statement) bool {
	for _, s := range block.Block {
		k.Build(s, "the addresses of one pod move together")
	}
	return false
}

func (k *keepalived) readSyncTrack(block convert.Statement) bool { return k.addTracks(block, true) }

func (k *keepalived) readSyncWeight(s convert.Statement) bool {
	k.Build(s, "a host without a healthy backend gives way; what a weight adds to the priority is said there")
	k.weighs = true
	return false
}

// finishSync reads the groups, and reports whether the instance is in one.
func (k *keepalived) finishSync() (member bool) {
	for _, s := range k.syncs {
		in := slices.ContainsFunc(s.Block, func(line convert.Statement) bool {
			return line.Word(0) == "group" && slices.ContainsFunc(line.Block, func(names convert.Statement) bool { return slices.Contains(names.Words, k.instance.Word(1)) })
		})
		member = member || in
		if in {
			k.each(syncBlock, s.Block)
			continue
		}
		k.Drop(name(s), "the instance is not in the group")
	}
	return member
}

// finishTracks says what is tracked, takes the times of the script that is, and adds up what keepalived adds to the priority while all
// of it succeeds.
func (k *keepalived) finishTracks() {
	fixed := k.finishSync() && !k.weighs
	used := map[int]bool{}
	priority := *k.cfg.Election.VRRP.Priority
	sum, terms := int(priority), []string{}
	for _, t := range k.tracks {
		i := k.lookUp(t)
		switch {
		case t.Word(0) == "track_interface" && t.Word(1) == k.cfg.Interface:
			k.Build(t.Statement, "the interface of the addresses is watched")
			continue
		case t.kind != "" && i < 0:
			k.Fault(t.Statement, "there is no %s %s before the instance: keepalived ignores the line", t.kind, t.Word(1))
			continue
		case t.kind != "":
			k.sayTracked(i, used)
		case t.kind == "":
			k.Drop(t.Statement, otherInterface)
		}
		weight, reverse := k.weight(t, i)
		switch {
		case weight == 0 && t.kind != "":
			k.Build(t.Statement, "each backend is checked, and a host that has no healthy one gives way")
		case weight == 0:
		case fixed && !t.group && t.kind != "":
			k.Fault(t.Statement, "keepalived ignores its weight in a vrrp_sync_group")
		case t.kind == fileBlock:
			k.Drop(t.Statement, "keepalived adds the number in the file, %d times, to the priority: while some hosts run keepalived, set election.vrrp.priority to what it advertises", weight)
		case weight > 0 && reverse:
			k.Build(t.Statement, "the weight counts while some hosts run keepalived: see priority")
			sum -= weight
			terms = append(terms, fmt.Sprintf("- %d of %s", weight, t.Word(1)))
		case weight > 0:
			k.Build(t.Statement, "the weight counts while some hosts run keepalived: see priority")
			sum += weight
			terms = append(terms, fmt.Sprintf("+ %d of %s", weight, t.Word(1)))
		default:
			k.Build(t.Statement, "a host that has no healthy backend gives way")
		}
	}
	k.saySum(min(254, max(1, sum)), terms)
	for i, s := range k.defined {
		if !used[i] {
			k.Fault(convert.Statement{File: s.File, Line: s.Line, Words: s.Words}, "the instance does not track it: keepalived does not use it")
		}
	}
}

// saySum says what to do while keepalived adds to the priority.
func (k *keepalived) saySum(sum int, terms []string) {
	priority := *k.cfg.Election.VRRP.Priority
	if len(terms) == 0 || priority == ownerPriority {
		return
	}
	s, said := k.said["priority"]
	if !said {
		s = k.shown()
	}
	k.Drop(s, "keepalived advertises %d, which is %d %s, while what it tracks succeeds, and Harbinger %d: while some hosts run keepalived, set election.vrrp.priority: %d (--priority %d) here, "+
		"and the sum of each other host there", sum, priority, strings.Join(terms, " "), priority, sum, sum)
}

// lookUp returns which definition a line means, or -1: one before the instance.
func (k *keepalived) lookUp(t track) int {
	defined := k.defined
	if !t.group {
		defined = defined[:k.before]
	}
	return slices.IndexFunc(defined, func(s convert.Statement) bool { return s.Word(0) == t.kind && s.Word(1) == t.Word(1) })
}

// weight returns the weight of a line, or else that of the definition.
func (k *keepalived) weight(t track, i int) (weight int, reverse bool) {
	words := t.Words[min(2, len(t.Words)):]
	if i >= 0 && (len(words) == 0 || words[0] != "weight") {
		words = nil
		for _, s := range k.defined[i].Block {
			if s.Word(0) == "weight" {
				words = s.Words
			}
		}
		if words == nil && t.kind == fileBlock {
			words = []string{"weight", "1"} // what keepalived takes
		}
	}
	if len(words) < 2 || words[0] != "weight" {
		return 0, false
	}
	n, ok := number(words[1], -254, 254)
	if !ok {
		k.Fault(t.Statement, "want a weight from -254 to 254, not %q: keepalived ignores it", words[1])
		return 0, false
	}
	return int(n), slices.Contains(words[2:], "reverse")
}

// sayTracked reads the definition of what is tracked. Of several scripts the times of the first count.
func (k *keepalived) sayTracked(i int, used map[int]bool) {
	if used[i] {
		return
	}
	s := k.defined[i]
	other := false
	for j := range used {
		other = other || k.defined[j].Word(0) == scriptBlock
	}
	used[i] = true
	if s.Word(0) == scriptBlock && other {
		k.Drop(convert.Statement{File: s.File, Line: s.Line, Words: s.Words}, "%s; the times of its checks are those of the first script that is tracked", checks)
		return
	}
	k.each(s.Word(0), s.Block)
}

func (k *keepalived) readScriptInterval(s convert.Statement) bool {
	return k.scriptTime(s, &k.cfg.HealthCheck.Interval)
}

func (k *keepalived) readScriptTimeout(s convert.Statement) bool {
	return k.scriptTime(s, &k.cfg.HealthCheck.Timeout)
}

func (k *keepalived) scriptTime(s convert.Statement, to *metav1.Duration) bool {
	d, ok := seconds(s.Word(1), 0.000001, 1e6)
	if !ok {
		k.Fault(s, "want a number of seconds: keepalived takes 1 s")
		return false
	}
	*to = d
	return true
}

func (k *keepalived) readFall(s convert.Statement) bool {
	return k.threshold(s, &k.cfg.HealthCheck.FailureThreshold)
}

func (k *keepalived) readRise(s convert.Statement) bool {
	return k.threshold(s, &k.cfg.HealthCheck.SuccessThreshold)
}

func (k *keepalived) threshold(s convert.Statement, to *int32) bool {
	n, ok := number(s.Word(1), 1, 1000)
	if !ok {
		k.Fault(s, "want a whole number from 1 to 1000: keepalived takes 1 for one that it does not know")
		n = 1
	}
	*to = n
	return ok
}
