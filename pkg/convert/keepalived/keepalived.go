// SPDX-License-Identifier: Apache-2.0

// Package keepalived converts a keepalived.conf. The lexer (lexer.go, reader.go, sequence.go, parse.go) reads the files as keepalived
// 2.2 does; the tables (keywords.go and those beside it) have every word of keepalived 2.2 and 2.4; the other files hold what becomes
// of the words that count, each with what keepalived itself makes of it. They are one package because a word means something only in
// the light of others that are read elsewhere, and of how keepalived reads the file.
package keepalived

import (
	"slices"
	"strconv"
	"strings"

	"github.com/harbinger-ha/harbinger/pkg/apis/config/v1alpha1"
	"github.com/harbinger-ha/harbinger/pkg/convert"
	"github.com/harbinger-ha/harbinger/pkg/election"
)

// Options say what else keepalived knows when it reads the file.
type Options struct {
	// Include returns the files that a pattern of an include statement matches, as glob(3) does. A relative pattern comes joined to the
	// folder of the file that has the statement. Nil: no file can be included.
	Include func(pattern string) ([]convert.File, error)
	// ID is the config id, -i of keepalived, whose default is the name of the host up to its first dot. The lines of another one do
	// not count.
	ID string
}

// keepalived reads one file, with those that it includes.
type keepalived struct {
	convert.Findings
	cfg     *v1alpha1.HarbingerConfiguration
	table   map[string]map[string]keyword
	words   map[string][]convert.Keyword
	cut     map[place]bool // a comment begins within a word
	version int32          // of global_defs
	strict  bool           // vrrp_strict, or strict_mode of the instance
	weighs  bool           // sync_group_tracking_weight
	groups  map[string]convert.Statement

	defined   []convert.Statement          // what can be tracked, in the order of the files
	instance  *convert.Statement           // the one vrrp_instance; nil: none yet
	before    int                          // so many of those that can be tracked are defined before it
	said      map[string]convert.Statement // lines of the instance, until all of it is read
	broken    map[string]bool              // those that are refused already
	peers     []convert.Statement
	addresses []convert.Statement
	tracks    []track
	syncs     []convert.Statement // vrrp_sync_group
	peerBlock *convert.Statement
	signed    *convert.Statement // auth_hmac; nil: there is none
}

// Convert puts what a keepalived.conf says into a configuration: one vrrp_instance and the script it tracks. The mode is VRRP, so that
// hosts with Harbinger and hosts with keepalived elect together. The result fits every host, whatever host the file is from, but for
// the priority.
func Convert(file convert.File, o Options, cfg *v1alpha1.HarbingerConfiguration) convert.Findings {
	k := &keepalived{cfg: cfg, version: 2, table: index(), words: byName(), said: map[string]convert.Statement{}, broken: map[string]bool{}, groups: map[string]convert.Statement{}}
	r := newReader(file, o, &k.Findings)
	statements := r.statements()
	k.cut = r.cut
	k.conditions(r)
	for _, s := range statements { // keepalived reads global_defs first, wherever they are
		if s.Word(0) == globalDefs {
			k.each(globalDefs, s.Block)
		}
	}
	k.each(top, statements)
	switch {
	case k.instance != nil:
		k.finish()
	case k.Err() == nil:
		k.Refuse(convert.Statement{File: file.Name, Line: 1, Words: []string{instanceBlock}}, "there is none")
	}
	return k.Findings
}

// each reads the statements of a block.
func (k *keepalived) each(block string, statements []convert.Statement) {
	for _, s := range statements {
		k.one(block, s)
	}
}

func (k *keepalived) one(block string, s convert.Statement) {
	word, known := k.table[block][s.Word(0)]
	if known && word.words > 0 && len(s.Words) > word.words {
		from := "there"
		if !word.secret {
			from = strconv.Quote(s.Words[word.words])
		}
		k.Fault(name(s), "keepalived reads one statement a line: from %s on it is left out", from)
		s.Words = s.Words[:word.words]
	}
	shown := s
	switch {
	case !known && (block == authenticationBlock || block == hmacBlock) && k.blocksOf(s.Word(0)) == nil: // even the first word may be a secret
		shown.Words = []string{block}
	case word.secret || !known && (secret(s) || block == authenticationBlock || block == hmacBlock):
		shown = name(s)
	}
	if word.words > 1 && len(s.Block) > 0 {
		k.Fault(name(s), "it has no block: keepalived takes the end of the one here for that of %s, and what follows there does not count for it", block)
	}
	switch {
	case !known:
		k.unknown(block, shown, len(s.Block) > 0)
	case word.Class == convert.Taken && unset(s, word.secret):
		k.template(shown)
	case word.words > 1 && len(s.Words) == 1 && !word.secret:
		k.Refuse(shown, "the value is missing: keepalived ends here")
		k.broken[s.Word(0)] = true
	case word.read == nil:
		k.say(word.Class, shown, word.Text)
	case word.read(k, s):
		k.Take(shown, "%s", word.Text)
	}
}

func (k *keepalived) template(s convert.Statement) {
	k.Refuse(s, "this is a template: give the command the file that was made of it, with the values that keepalived sees")
	k.broken[s.Word(0)] = true
}

// say notes what the table has of a word.
func (k *keepalived) say(class convert.Class, s convert.Statement, text string) {
	switch class {
	case convert.Taken:
		k.Take(s, "%s", text)
	case convert.BuiltIn:
		k.Build(s, "%s", text)
	case convert.Dropped:
		k.Drop(s, "%s", text)
	case convert.Wrong:
		k.Fault(s, "%s", text)
	case convert.Refused:
		k.Refuse(s, "%s", text)
	}
}

// unknown notes a word that is not in the table. keepalived ignores it, but a block of such a word ends the one that it is in.
func (k *keepalived) unknown(block string, s convert.Statement, opens bool) {
	at, opens := k.blocksOf(s.Word(0)), opens && block != top
	switch {
	case unset(convert.Statement{Words: []string{"", s.Word(0)}}, true):
		k.template(s)
	case opens && at != nil:
		k.Fault(s, "keepalived takes the end of its block for that of %s: it belongs into %s, as if a brace were missing before it", block, strings.Join(at, ", "))
	case opens:
		k.Fault(s, "not known to keepalived 2.2 and 2.4, which take the end of its block for that of %s: what follows there does not count for them", block)
	case at != nil:
		k.Fault(s, "keepalived ignores it here: it belongs into %s", strings.Join(at, ", "))
	default:
		k.Drop(s, "not known to keepalived 2.2 and 2.4, which ignore it")
	}
}

// secret reports whether a statement that is not known may have a password or a key.
func secret(s convert.Statement) bool {
	return slices.ContainsFunc(s.Words, func(word string) bool { return strings.Contains(word, "pass") || strings.Contains(word, "key") })
}

// unset reports whether a statement has a variable that no one has set. A password may look like one.
func unset(s convert.Statement, secret bool) bool {
	for _, word := range s.Words[1:] {
		if strings.Contains(word, "${") || strings.Contains(word, "{{") || strings.Contains(word, "{%") || strings.HasPrefix(word, "$") && !secret {
			return true
		}
	}
	return false
}

// name is a line without its values, one of which may be a secret.
func name(s convert.Statement) convert.Statement {
	return convert.Statement{File: s.File, Line: s.Line, Words: s.Words[:1]}
}

// finish completes what several statements say together.
func (k *keepalived) finish() {
	k.cfg.Election.Mode = string(election.VRRP)
	k.finishAddresses()
	k.finishInterface()
	k.finishVersion()
	k.finishPriority()
	k.finishPreempt()
	k.finishInterval()
	k.finishAuthentication()
	k.finishPeers()
	k.finishTTL()
	k.finishTracks()
}
