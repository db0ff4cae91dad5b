// SPDX-License-Identifier: Apache-2.0

package keepalived

import (
	"slices"
	"strings"

	"github.com/harbinger-ha/harbinger/pkg/convert"
)

// The blocks whose statements are read. The top of the file has no name.
const (
	top                 = ""
	globalDefs          = "global_defs"
	instanceBlock       = "vrrp_instance"
	authenticationBlock = "authentication"
	hmacBlock           = "auth_hmac"
	scriptBlock         = "vrrp_script"
	processBlock        = "vrrp_track_process"
	fileBlock           = "track_file"
	bfdBlock            = "bfd_instance"
	syncBlock           = "vrrp_sync_group"
)

// keyword is a row of the table.
type keyword struct {
	convert.Keyword
	read   func(*keepalived, convert.Statement) bool // it reports whether the statement is taken as it stands; nil: the row says it all
	words  int                                       // so many words does keepalived read; 0: all
	secret bool                                      // a value is never printed
}

// rows are the words of one block that have the same class and text.
func rows(block string, class convert.Class, text, names string) (list []keyword) {
	for name := range strings.FieldsSeq(names) {
		list = append(list, keyword{Keyword: convert.Keyword{Block: block, Name: name, Class: class, Text: text}})
	}
	return list
}

// taken is a row of a word that is read.
func taken(block, name string, words int, text string, read func(*keepalived, convert.Statement) bool) keyword {
	return keyword{Keyword: convert.Keyword{Block: block, Name: name, Class: convert.Taken, Text: text}, read: read, words: words}
}

// reads gives rows a function that says more than their text.
func reads(list []keyword, read func(*keepalived, convert.Statement) bool) []keyword {
	for i := range list {
		list[i].read = read
	}
	return list
}

// all are the rows of every block.
func all() []keyword {
	return slices.Concat(topWords(), globalWords(), trackWords(), instanceWords(), instanceSaid(), secretWords(), serverWords())
}

// byName are the words of every block.
func byName() map[string][]convert.Keyword {
	words := map[string][]convert.Keyword{}
	for _, word := range Keywords() {
		words[word.Name] = append(words[word.Name], word)
	}
	return words
}

// Keywords returns every word of keepalived 2.2 and 2.4 with what becomes of it.
func Keywords() (list []convert.Keyword) {
	for _, row := range all() {
		list = append(list, row.Keyword)
	}
	return list
}

func index() map[string]map[string]keyword {
	table := map[string]map[string]keyword{}
	for _, row := range all() {
		if table[row.Block] == nil {
			table[row.Block] = map[string]keyword{}
		}
		table[row.Block][row.Name] = row
	}
	return table
}

// blocksOf returns the blocks whose statements are read that have a word.
func (k *keepalived) blocksOf(name string) (blocks []string) {
	for _, word := range k.words[name] {
		if word.Block != top && (word.Class != convert.Refused || word.Block == instanceBlock) {
			blocks = append(blocks, word.Block)
		}
	}
	return blocks
}

// decides reports whether a word may change the configuration: unless it is one that is built in or dropped.
func (k *keepalived) decides(name string) bool {
	return k.words[name] == nil || slices.ContainsFunc(k.words[name], func(word convert.Keyword) bool {
		return word.Class == convert.Taken || word.Class == convert.Refused
	})
}

func topWords() []keyword {
	const daemon = "it is about the process of keepalived"
	return slices.Concat(
		[]keyword{
			taken(top, globalDefs, 0, "its lines are below", func(*keepalived, convert.Statement) bool { return false }),
			taken(top, instanceBlock, 0, "election.vrrp: one pod has one virtual router", (*keepalived).readInstance),
			taken(top, scriptBlock, 0, "healthCheck has the times of the one that is tracked", (*keepalived).define),
		},
		rows(top, convert.Taken, "the file is read", "include includer includem includew includeb includea"),
		reads(rows(top, convert.Dropped, "the balancer is a part of Harbinger, and its pod is started again when it ends: no other process is watched", processBlock), (*keepalived).define),
		reads(rows(top, convert.Dropped, "no file is watched: the balancer checks each backend itself, see healthCheck", "track_file vrrp_track_file"), (*keepalived).define),
		reads(rows(top, convert.Dropped, "there is no BFD: advertisements and checks find what is dead", bfdBlock), (*keepalived).define),
		reads(rows(top, convert.BuiltIn, "the addresses of one pod move together", syncBlock), (*keepalived).readSync),
		rows(top, convert.Dropped, "Harbinger has nothing static: make it a part of the network configuration of the host, as it goes away with keepalived",
			"static_ipaddress static_routes static_rules"),
		rows(top, convert.Dropped, "it is about static addresses only", "track_group"),
		rows(top, convert.BuiltIn, "the gratuitous ARP of one address needs no pauses", "garp_group"),
		rows(top, convert.BuiltIn, "the kernel reports the carrier of an interface", "linkbeat_interfaces linkbeat_use_polling"),
		rows(top, convert.Dropped, "an interface that loses its carrier loses the address at once", "interface_up_down_delays"),
		rows(top, convert.Refused, "Harbinger has a balancer of its own and does not set up IPVS: name the real servers in loadBalancer.backends (--backend ADDRESS:PORT) and remove the block; "+
			"what it serves beside the control plane needs another place first", "virtual_server virtual_server_group"),
		rows(top, convert.Dropped, "it is about the checks of IPVS only", "SSL net_namespace_ipvs"),
		rows(top, convert.Refused, "the pod holds the address in the network namespace of the host: remove the line if the address may move there", "net_namespace"),
		rows(top, convert.Dropped, daemon, "namespace_with_ipsets instance use_pid_dir child_wait_time"),
	)
}
