// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"strings"

	"github.com/harbinger-ha/harbinger/pkg/convert"
	"github.com/harbinger-ha/harbinger/pkg/convert/haproxy"
	"github.com/harbinger-ha/harbinger/pkg/convert/keepalived"
	"github.com/harbinger-ha/harbinger/pkg/convert/kubevip"
)

// ofKeepalived returns the tables of the words of a keepalived.conf.
func ofKeepalived() (string, error) { return keywords(keepalived.Keywords()) }

// ofHAProxy returns the tables of the lines and options of a haproxy.cfg.
func ofHAProxy() (string, error) { return keywords(haproxy.Keywords()) }

// ofKubeVIP returns the tables of the variables and flags of kube-vip.
func ofKubeVIP() (string, error) { return keywords(kubevip.Keywords()) }

// keywords returns a table for each block of a language. Directives of which the same is said share a row.
func keywords(all []convert.Keyword) (string, error) {
	var blocks []string
	rows := map[string][]*convert.Keyword{} // by block
	index := map[convert.Keyword]*convert.Keyword{}
	for _, k := range all {
		if k.Name == "" || k.Class == "" || k.Text == "" {
			return "", fmt.Errorf("nothing is said of the directive %q of %q", k.Name, k.Block)
		}
		if _, known := rows[k.Block]; !known {
			blocks = append(blocks, k.Block)
		}
		name := "`" + escape(k.Name) + "`"
		same := convert.Keyword{Block: k.Block, Class: k.Class, Text: k.Text}
		if row := index[same]; row != nil {
			row.Name += ", " + name
			continue
		}
		row := same
		row.Name = name
		index[same] = &row
		rows[k.Block] = append(rows[k.Block], &row)
	}
	var b strings.Builder
	for _, block := range blocks {
		fmt.Fprintf(&b, "\n### %s\n\n| Directive | Is | Because, or where |\n|---|---|---|\n", title(block))
		for _, row := range rows[block] {
			fmt.Fprintf(&b, "| %s | %s | %s |\n", row.Name, row.Class, escape(row.Text))
		}
	}
	return b.String() + "\n", nil
}

// title returns the heading of a block.
func title(block string) string {
	if block == "" {
		return "At the top"
	}
	return block
}

// escape keeps a text in its cell of a table.
func escape(text string) string {
	return strings.NewReplacer("|", `\|`, "\n", " ", "<", "&lt;").Replace(text)
}
